//! Plugins of a draft.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ringtrip_wasm::installed::{self, Change, Confirmed, InstallError, Kept};
use ringtrip_wasm::package::manifest::Settings;

use super::files::Files;
use super::{Drafts, PartDiff};
use crate::config::{DiffLine, Fault, diff, summary};
use crate::plugins::NoPlugins;
use crate::store::{DraftRecord, Parts, PluginRecord};

/// Plugins by name; `None`: not installed.
type Plan = BTreeMap<String, Option<Kept>>;
type Records = BTreeMap<String, Option<PluginRecord>>;

impl Drafts {
    /// Installs or updates a plugin in a draft, after all checks that an install makes. Nothing is active.
    ///
    /// # Errors
    /// The package fails a check, is another plugin's, or cannot be kept; or plugins are not ready.
    pub fn put_plugin(
        &self,
        draft: &mut DraftRecord,
        name: &str,
        file: &[u8],
        confirmed: &Confirmed,
        by: &str,
    ) -> Result<(), InstallError> {
        let installed =
            self.plugins.installed().map_err(|e| InstallError::Disk(io::Error::other(e.to_string())))?;
        let before = match draft.parts.plugins.get(name) {
            Some(planned) => planned.as_ref().map(kept).transpose()?,
            None => installed.kept(name),
        };
        let kept = installed.plan_install(file, before.as_ref(), confirmed, Settings::new(), by)?;
        if kept.name() != name {
            return Err(InstallError::Another { wanted: name.to_owned(), given: kept.name().to_owned() });
        }
        self.files.keep(file)?;
        draft.parts.plugins.insert(name.to_owned(), Some(record(&kept)?));
        Ok(())
    }

    /// Switches, sets or grants in a draft.
    ///
    /// # Errors
    /// There is no such plugin in the draft, the change is invalid, its package cannot be read or kept; or plugins are
    /// not ready.
    pub fn change_plugin(
        &self,
        draft: &mut DraftRecord,
        name: &str,
        change: Change,
    ) -> Result<(), InstallError> {
        let installed =
            self.plugins.installed().map_err(|e| InstallError::Disk(io::Error::other(e.to_string())))?;
        let missing = || InstallError::NotThere(name.to_owned());
        let (before, package) = match draft.parts.plugins.get(name) {
            Some(None) => return Err(missing()),
            Some(Some(planned)) => (kept(planned)?, self.files.get(&planned.sha256)?),
            None => (installed.kept(name).ok_or_else(missing)?, installed.package_file(name)?),
        };
        let after = installed.plan_change(&before, &package, change)?;
        self.files.keep(&package)?;
        draft.parts.plugins.insert(name.to_owned(), Some(record(&after)?));
        Ok(())
    }

    /// Is there such a plugin now, or in this draft?
    pub fn has_plugin(&self, draft: &DraftRecord, name: &str) -> bool {
        match draft.parts.plugins.get(name) {
            Some(planned) => planned.is_some(),
            None => self.plugins.installed().is_ok_and(|installed| installed.kept(name).is_some()),
        }
    }

    /// Are they being opened still?
    pub(super) fn plugins_are_starting(&self) -> bool {
        matches!(self.plugins.installed(), Err(NoPlugins::Starting))
    }

    /// How the plugins of these names stand. One that stands as here is described in the same words.
    pub(super) fn current_plugins(&self, of: &Records) -> Records {
        let installed = self.plugins.installed().ok();
        let now = |name: &String, as_here: &Option<PluginRecord>| {
            let now = installed.as_ref()?.kept(name)?;
            let same = as_here.as_ref().filter(|record| kept(record).is_ok_and(|kept| kept == now));
            same.cloned().or_else(|| record(&now).ok())
        };
        of.iter().map(|(name, as_here)| (name.clone(), now(name, as_here))).collect()
    }

    pub(super) fn keep_packages<'a>(&self, names: impl Iterator<Item = &'a String>) -> io::Result<()> {
        for name in names {
            let installed = self.plugins.installed().map_err(|e| io::Error::other(e.to_string()))?;
            let file = installed.package_file(name).map_err(|e| io::Error::other(e.to_string()))?;
            self.files.keep(&file)?;
        }
        Ok(())
    }

    /// The plugins as a draft wants them that changes some.
    pub(super) fn plugins_with_overrides(
        &self,
        parts: &Parts,
    ) -> Result<Arc<dyn ringtrip_routing::Plugins>, Fault> {
        let refused = |what: String| {
            Fault::elsewhere("plugins", what, "change the draft's plugins; nothing was activated")
        };
        let installed = self.plugins.installed().map_err(|e| refused(e.to_string()))?;
        let plan = plan(&parts.plugins).map_err(|e| refused(e.to_string()))?;
        let set =
            installed.with_plan(&plan, &|name| self.files.get(name)).map_err(|e| refused(e.to_string()))?;
        Ok(set)
    }

    pub(super) fn exchange_plugins(&self, to: &Parts, by: &str) -> Result<(), String> {
        if to.plugins.is_empty() {
            return Ok(());
        }
        let installed = self.plugins.installed().map_err(|e| e.to_string())?;
        let plan = plan(&to.plugins).map_err(|e| e.to_string())?;
        installed.activate_plan(&plan, &|name| self.files.get(name), by).map_err(|e| e.to_string())
    }

    pub(super) fn plugin_diffs(&self, planned: &Parts, current_parts: &Parts) -> Vec<PartDiff> {
        let differs =
            |(name, to): &(&String, &Option<PluginRecord>)| current_parts.plugins.get(*name) != Some(*to);
        let one = |(name, to): (&String, &Option<PluginRecord>)| {
            let before = current_parts.plugins.get(name).and_then(Option::as_ref);
            let mut lines = diff(&self.words(before), &self.words(to.as_ref()));
            if let Some((old, new)) =
                before.zip(to.as_ref()).and_then(|(a, b)| kept(a).ok().zip(kept(b).ok()))
            {
                // Two secrets look the same.
                let other = |key: &&str| {
                    !lines.iter().any(|l| l.op == '+' && l.text.starts_with(&format!("{key} = ")))
                };
                let secrets: Vec<&str> = new.other_settings(&old).into_iter().filter(other).collect();
                let line = |key: &str| DiffLine { op: '+', text: format!("{key} has another value") };
                let more: Vec<DiffLine> = secrets.into_iter().map(line).collect();
                lines.extend(more);
            }
            let summary = match (before, to) {
                (None, _) => "it is installed".to_owned(),
                (_, None) => "it is removed".to_owned(),
                _ => summary(&lines),
            };
            PartDiff { what: format!("plugin {name}"), summary, lines }
        };
        planned.plugins.iter().filter(differs).map(one).collect()
    }

    /// A plugin in lines for people.
    fn words(&self, of: Option<&PluginRecord>) -> String {
        let Some(kept) = of.and_then(|record| kept(record).ok()) else { return String::new() };
        let mut lines =
            vec![format!("version = {}", kept.version()), format!("enabled = {}", kept.enabled())];
        lines.extend(kept.granted().iter().map(|grant| format!("grant {grant}")));
        let installed = || self.plugins.installed().ok()?.package_file(kept.name()).ok();
        let package = self.files.get(kept.sha256()).ok().or_else(installed).unwrap_or_default();
        let settings = kept.shown_settings(&package).unwrap_or_default();
        lines.extend(settings.into_iter().map(|(key, value)| format!("{key} = {value}")));
        lines.join("\n")
    }
}

/// Gives the plugins of a data folder this state again, before they are opened.
pub(super) fn put_back(data: &Path, records: &Records, files: &Files) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    installed::put_back(&data.join("plugins"), &plan(records)?, &|name| files.get(name))
}

fn plan(records: &Records) -> io::Result<Plan> {
    let one = |(name, record): (&String, &Option<PluginRecord>)| {
        Ok((name.clone(), record.as_ref().map(kept).transpose()?))
    };
    records.iter().map(one).collect()
}

fn kept(record: &PluginRecord) -> io::Result<Kept> {
    serde_json::from_value(record.kept.clone()).map_err(io::Error::other)
}

fn record(kept: &Kept) -> io::Result<PluginRecord> {
    let words = serde_json::to_value(kept).map_err(io::Error::other)?;
    Ok(PluginRecord { sha256: kept.sha256().to_owned(), kept: words })
}
