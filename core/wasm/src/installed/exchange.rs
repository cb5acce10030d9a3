//! Putting plugins in force, one or many: all are checked and started on paper before anything is written, then the
//! packages are written, then the one ledger that names them, and then the new set is handed out, once.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, PoisonError};

use ringtrip_model::event::Event;

use super::ledger::{self, Ledger};
use super::planned::{Kept, Plan, put};
use super::vet::{Ready, sha256};
use super::{Inner, InstallError, Shelved};
use crate::plugin::Plugin;
use crate::set::{Seat, Set};

/// What happens to one plugin.
pub(super) enum Turn {
    /// It comes, or becomes another.
    In {
        ready: Box<Ready>,
        /// Its package, unless that lies there already.
        package: Option<Vec<u8>>,
    },
    /// It goes.
    Out(String),
}

impl Inner {
    pub(super) fn as_if(
        &self,
        plan: &Plan,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Arc<Set>, InstallError> {
        let turns = plan.iter().map(|(name, kept)| self.turn(name, kept.as_ref(), package));
        let turns = turns.collect::<Result<Vec<Turn>, _>>()?;
        let shelf = after(self.shelved(), turns, |plugin, _| Seat::new(plugin));
        Ok(Arc::new(Set::new(seats(&shelf), self.landlines.clone())))
    }

    pub(super) fn exchange(
        &self,
        plan: &Plan,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
        by: &str,
    ) -> Result<(), InstallError> {
        let _changing = self.one_at_a_time();
        let mut turns = Vec::new();
        for (name, kept) in plan {
            if self.stands(name, kept.as_ref()) {
                continue;
            }
            let turn = self.turn(name, kept.as_ref(), package);
            let label = kept.as_ref().map_or_else(|| name.clone(), Kept::label);
            turns.push(self.noted(&label, || turn)?);
        }
        self.put_in_force(turns, by)
    }

    /// Puts them in force together. Whoever calls this is the only one who changes anything.
    pub(super) fn put_in_force(&self, turns: Vec<Turn>, by: &str) -> Result<(), InstallError> {
        if turns.is_empty() {
            return Ok(());
        }
        let before = self.shelved();
        let events: Vec<Event> = turns.iter().filter_map(|turn| self.told(turn, by)).collect();
        let codes: BTreeSet<_> = before.iter().filter_map(|s| s.code).collect();
        let written = turns.iter().try_for_each(|turn| match turn {
            Turn::In { ready, package: Some(file) } => {
                ledger::write_package(&self.folder, ready.kept.sha256(), file)
            }
            _ => Ok(()),
        });
        written.inspect_err(|_| ledger_of(&before).sweep(&self.folder))?;
        for turn in &turns {
            match turn {
                Turn::In { ready, .. } if self.is_new(&ready.kept) => self.values.forget(ready.kept.name()),
                Turn::In { ready, .. } => self.values.find(ready.kept.name()),
                Turn::Out(_) => {}
            }
        }
        let shelf = after(before.clone(), turns, |plugin, signer| self.in_earnest(plugin, signer));
        ledger_of(&shelf).write(&self.folder).inspect_err(|_| ledger_of(&before).sweep(&self.folder))?;
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = shelf;
        self.forget(codes);
        self.announce();
        events.into_iter().for_each(|event| (self.tell)(event));
        Ok(())
    }

    /// A seat for a plugin that was started on paper: from now on it keeps what it keeps.
    pub(super) fn in_earnest(&self, plugin: Plugin, signer: Option<&str>) -> Seat {
        if signer.is_none() {
            let label = plugin.label();
            tracing::warn!("{label} is NOT SIGNED; it runs because the exchange is in developer mode");
        }
        Seat::new(plugin.with_outside(self.outside.clone()))
    }

    /// Will this plugin come as one that was never there?
    pub(super) fn is_new(&self, kept: &Kept) -> bool {
        kept.behind.is_none() && self.kept(kept.name()).is_none()
    }

    /// How a plugin stands now.
    pub(super) fn kept(&self, name: &str) -> Option<Kept> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        let place = shelf.iter().position(|s| s.entry.name == name)?;
        let (before, rest) = shelf.split_at(place);
        let behind = Some(before.iter().map(|s| s.entry.name.clone()).collect());
        Some(Kept { entry: rest.first()?.entry.clone(), behind })
    }

    /// Does it stand so already, in good order?
    fn stands(&self, name: &str, wanted: Option<&Kept>) -> bool {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        match (shelf.iter().find(|s| s.entry.name == name), wanted) {
            (None, None) => true,
            (Some(there), Some(wanted)) => there.entry == wanted.entry && there.seat.is_ok(),
            _ => false,
        }
    }

    /// Checks one part of a plan.
    fn turn(
        &self,
        name: &str,
        kept: Option<&Kept>,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Turn, InstallError> {
        let Some(kept) = kept else { return Ok(Turn::Out(name.to_owned())) };
        if kept.name() != name {
            let (wanted, given) = (name.to_owned(), kept.name().to_owned());
            return Err(InstallError::Another { wanted, given });
        }
        let own = ledger::read_package(&self.folder, kept.sha256());
        if let Some(own) = own.ok().filter(|file| sha256(file) == kept.sha256()) {
            return Ok(Turn::In { ready: Box::new(self.vet_kept(kept, &own)?), package: None });
        }
        let given = package(kept.sha256())?;
        Ok(Turn::In { ready: Box::new(self.vet_kept(kept, &given)?), package: Some(given) })
    }

    /// What is told of it.
    fn told(&self, turn: &Turn, by: &str) -> Option<Event> {
        let told = |plugin: String, what: String| Event::PluginInstalled { plugin, by: by.to_owned(), what };
        match turn {
            Turn::Out(name) => self.kept(name).map(|kept| told(kept.label(), "removed".to_owned())),
            Turn::In { ready, .. } => {
                let before = self.kept(ready.kept.name());
                Some(told(ready.kept.label(), what(before.as_ref(), ready)))
            }
        }
    }

    fn shelved(&self) -> Vec<Shelved> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The plugins after these turns, in their order.
fn after(
    mut shelf: Vec<Shelved>,
    turns: Vec<Turn>,
    seat: impl Fn(Plugin, Option<&str>) -> Seat,
) -> Vec<Shelved> {
    for turn in turns {
        match turn {
            Turn::Out(name) => shelf.retain(|s| s.entry.name != name),
            Turn::In { ready, .. } => {
                let Ready { kept, manifest, signer, code, plugin } = *ready;
                let seat = plugin.map(|plugin| Arc::new(seat(plugin, signer.as_deref())));
                let Kept { entry, behind } = kept;
                let shelved = Shelved { entry, manifest, signer, code: Some(code), seat: Ok(seat) };
                put(&mut shelf, |s| &s.entry.name, shelved, behind.as_deref());
            }
        }
    }
    shelf
}

/// Those that run.
pub(super) fn seats(shelf: &[Shelved]) -> Vec<Arc<Seat>> {
    shelf.iter().filter_map(|s| s.seat.as_ref().ok()?.clone()).collect()
}

fn ledger_of(shelf: &[Shelved]) -> Ledger {
    Ledger { plugins: shelf.iter().map(|s| s.entry.clone()).collect() }
}

/// What is different, for people: `updated from 1.0.0, pin set`.
fn what(before: Option<&Kept>, ready: &Ready) -> String {
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
