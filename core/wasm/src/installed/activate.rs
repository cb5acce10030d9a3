//! Activating plugins, one or many: all are checked and started in a dry run before anything is written, then the
//! packages are written, then the one ledger that names them, and then the new set is handed out, once.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, PoisonError};

use ringtrip_model::event::Event;

use super::ledger::{self, Ledger};
use super::planned::{Kept, Plan, put};
use super::validate_package::{ValidatedPlugin, sha256};
use super::{Inner, InstallError, InstalledPlugin};
use crate::plugin::Plugin;
use crate::plugin_set::{PluginSet, Slot};

/// What happens to one plugin.
pub(super) enum Operation {
    /// It is installed, or becomes another.
    Install {
        ready: Box<ValidatedPlugin>,
        /// Its package, unless that is stored already.
        package: Option<Vec<u8>>,
    },
    /// It is removed.
    Remove(String),
}

impl Inner {
    pub(super) fn with_plan(
        &self,
        plan: &Plan,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Arc<PluginSet>, InstallError> {
        let operations = plan.iter().map(|(name, kept)| self.operation(name, kept.as_ref(), package));
        let operations = operations.collect::<Result<Vec<Operation>, _>>()?;
        let plugins = after(self.installed(), operations, |plugin, _| Slot::new(plugin));
        Ok(Arc::new(PluginSet::new(slots(&plugins), self.landlines.clone())))
    }

    pub(super) fn activate_plan(
        &self,
        plan: &Plan,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
        by: &str,
    ) -> Result<(), InstallError> {
        let _changing = self.one_at_a_time();
        let mut operations = Vec::new();
        for (name, kept) in plan {
            if self.stands(name, kept.as_ref()) {
                continue;
            }
            let operation = self.operation(name, kept.as_ref(), package);
            let label = kept.as_ref().map_or_else(|| name.clone(), Kept::label);
            operations.push(self.noted(&label, || operation)?);
        }
        self.activate(operations, by)
    }

    /// Activates them together. The caller holds the lock of changes.
    pub(super) fn activate(&self, operations: Vec<Operation>, by: &str) -> Result<(), InstallError> {
        if operations.is_empty() {
            return Ok(());
        }
        let before = self.installed();
        let events: Vec<Event> =
            operations.iter().filter_map(|operation| self.event(operation, by)).collect();
        let codes: BTreeSet<_> = before.iter().filter_map(|s| s.code).collect();
        let written = operations.iter().try_for_each(|operation| match operation {
            Operation::Install { ready, package: Some(file) } => {
                ledger::write_package(&self.folder, ready.kept.sha256(), file)
            }
            _ => Ok(()),
        });
        written.inspect_err(|_| ledger_of(&before).sweep(&self.folder))?;
        for operation in &operations {
            match operation {
                Operation::Install { ready, .. } if self.is_new(&ready.kept) => {
                    self.values.forget(ready.kept.name())
                }
                Operation::Install { ready, .. } => self.values.find(ready.kept.name()),
                Operation::Remove(_) => {}
            }
        }
        let plugins = after(before.clone(), operations, |plugin, signer| self.live_slot(plugin, signer));
        ledger_of(&plugins).write(&self.folder).inspect_err(|_| ledger_of(&before).sweep(&self.folder))?;
        *self.plugins.write().unwrap_or_else(PoisonError::into_inner) = plugins;
        self.forget(codes);
        self.announce();
        events.into_iter().for_each(|event| (self.tell)(event));
        Ok(())
    }

    /// A slot for a plugin that was started in a dry run: from now on its values are stored.
    pub(super) fn live_slot(&self, plugin: Plugin, signer: Option<&str>) -> Slot {
        if signer.is_none() {
            let label = plugin.label();
            tracing::warn!("{label} is NOT SIGNED; it runs because the exchange is in developer mode");
        }
        Slot::new(plugin.with_services(self.services.clone()))
    }

    /// Will this plugin come as one that was never there?
    pub(super) fn is_new(&self, kept: &Kept) -> bool {
        kept.behind.is_none() && self.kept(kept.name()).is_none()
    }

    /// How a plugin stands now.
    pub(super) fn kept(&self, name: &str) -> Option<Kept> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        let place = plugins.iter().position(|s| s.entry.name == name)?;
        let (before, rest) = plugins.split_at(place);
        let behind = Some(before.iter().map(|s| s.entry.name.clone()).collect());
        Some(Kept { entry: rest.first()?.entry.clone(), behind })
    }

    /// Does it stand so already, in good order?
    fn stands(&self, name: &str, wanted: Option<&Kept>) -> bool {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        match (plugins.iter().find(|s| s.entry.name == name), wanted) {
            (None, None) => true,
            (Some(there), Some(wanted)) => there.entry == wanted.entry && there.slot.is_ok(),
            _ => false,
        }
    }

    /// Checks one part of a plan.
    fn operation(
        &self,
        name: &str,
        kept: Option<&Kept>,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Operation, InstallError> {
        let Some(kept) = kept else { return Ok(Operation::Remove(name.to_owned())) };
        if kept.name() != name {
            let (wanted, given) = (name.to_owned(), kept.name().to_owned());
            return Err(InstallError::Another { wanted, given });
        }
        let own = ledger::read_package(&self.folder, kept.sha256());
        if let Some(own) = own.ok().filter(|file| sha256(file) == kept.sha256()) {
            return Ok(Operation::Install {
                ready: Box::new(self.validate_kept(kept, &own)?),
                package: None,
            });
        }
        let given = package(kept.sha256())?;
        Ok(Operation::Install { ready: Box::new(self.validate_kept(kept, &given)?), package: Some(given) })
    }

    /// The event of it.
    fn event(&self, operation: &Operation, by: &str) -> Option<Event> {
        let event = |plugin: String, what: String| Event::PluginInstalled { plugin, by: by.to_owned(), what };
        match operation {
            Operation::Remove(name) => self.kept(name).map(|kept| event(kept.label(), "removed".to_owned())),
            Operation::Install { ready, .. } => {
                let before = self.kept(ready.kept.name());
                Some(event(ready.kept.label(), what(before.as_ref(), ready)))
            }
        }
    }

    fn installed(&self) -> Vec<InstalledPlugin> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The plugins after these operations, in their order.
fn after(
    mut plugins: Vec<InstalledPlugin>,
    operations: Vec<Operation>,
    slot: impl Fn(Plugin, Option<&str>) -> Slot,
) -> Vec<InstalledPlugin> {
    for operation in operations {
        match operation {
            Operation::Remove(name) => plugins.retain(|s| s.entry.name != name),
            Operation::Install { ready, .. } => {
                let ValidatedPlugin { kept, manifest, signer, code, plugin } = *ready;
                let slot = plugin.map(|plugin| Arc::new(slot(plugin, signer.as_deref())));
                let Kept { entry, behind } = kept;
                let installed = InstalledPlugin { entry, manifest, signer, code: Some(code), slot: Ok(slot) };
                put(&mut plugins, |s| &s.entry.name, installed, behind.as_deref());
            }
        }
    }
    plugins
}

/// Those that run.
pub(super) fn slots(plugins: &[InstalledPlugin]) -> Vec<Arc<Slot>> {
    plugins.iter().filter_map(|s| s.slot.as_ref().ok()?.clone()).collect()
}

fn ledger_of(plugins: &[InstalledPlugin]) -> Ledger {
    Ledger { plugins: plugins.iter().map(|s| s.entry.clone()).collect() }
}

/// What is different, for people: `updated from 1.0.0, pin set`.
fn what(before: Option<&Kept>, ready: &ValidatedPlugin) -> String {
    let now = &ready.kept;
    let other_package = before.is_none_or(|b| b.sha256() != now.sha256());
    let mut done = match before {
        None => vec!["installed".to_owned()],
        Some(_) if !other_package => Vec::new(),
        Some(b) if b.version() > now.version() => vec![format!("taken back from {}", b.version())],
        Some(b) => vec![format!("updated from {}", b.version())],
    };
    if other_package && ready.signer.is_none() {
        done.push("unsigned".to_owned());
    }
    if let Some(b) = before {
        if b.granted() != now.granted() {
            done.push("granted anew".to_owned());
        }
        // What another version does not know any more was not taken back by anybody.
        let keys = now.other_settings(b).into_iter();
        let keys = keys.filter(|key| !other_package || now.entry.settings.contains_key(*key));
        done.extend(keys.map(|key| format!("{key} set")));
        if b.enabled() != now.enabled() {
            done.push(if now.enabled() { "enabled" } else { "disabled" }.to_owned());
        }
    }
    if done.is_empty() { "started anew".to_owned() } else { done.join(", ") }
}
