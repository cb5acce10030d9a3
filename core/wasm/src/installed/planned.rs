//! Plugins in a draft: what a change would make of them, the set as it would be, and activating it as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ledger::{self, Entry, Ledger};
use super::validate_package::sha256;
use super::{Change, Confirmed, InstallError, Installed};
use crate::package::grant::Grants;
use crate::package::manifest::{Settings, is_name};
use crate::plugin_set::PluginSet;

/// A plugin as it stands or shall stand: its package (by SHA-256), rights and settings, which may hold secrets: it is for
/// the store, not for people. Two are equal if these are, wherever they stand in the order.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    pub(super) entry: Entry,
    /// The plugins before it in the order in which policies are asked, so that it finds its place again when it comes
    /// back; `None`: it is new, and comes last.
    pub(super) behind: Option<Vec<String>>,
}

/// What becomes of some plugins, by name; `None`: it is removed.
pub type Plan = BTreeMap<String, Option<Kept>>;

impl Kept {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Its version.
    pub fn version(&self) -> &semver::Version {
        &self.entry.version
    }

    /// Name and version, `gateway-callingcard 0.1.0`.
    pub fn label(&self) -> String {
        format!("{} {}", self.entry.name, self.entry.version)
    }

    /// SHA-256 of its package, hex.
    pub fn sha256(&self) -> &str {
        &self.entry.sha256
    }

    /// Is it to run?
    pub fn enabled(&self) -> bool {
        self.entry.enabled
    }

    /// What it may.
    pub fn granted(&self) -> &Grants {
        &self.entry.granted
    }

    /// What is set, by key, for people: a secret is `***`. Defaults are not among it.
    ///
    /// # Errors
    /// `package` is not the package that this stands for, or cannot be read.
    pub fn shown_settings(&self, package: &[u8]) -> Result<Settings, InstallError> {
        let manifest = self.open(package)?.manifest;
        let secret = |key: &str| manifest.settings.iter().find(|s| s.key == key).is_none_or(|s| s.secret);
        let shown = |(key, value): (&String, &String)| {
            (key.clone(), if secret(key) { "***".to_owned() } else { value.clone() })
        };
        Ok(self.entry.settings.iter().map(shown).collect())
    }

    /// The keys of settings that are not the same as in `other`, secrets too: which two `***` do not tell.
    pub fn other_settings<'a>(&'a self, other: &'a Kept) -> Vec<&'a str> {
        let (own, others) = (&self.entry.settings, &other.entry.settings);
        let mut keys: Vec<&str> = own.keys().chain(others.keys()).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| own.get(*key) != others.get(*key));
        keys
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.entry == other.entry
    }
}

impl Eq for Kept {}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.enabled() { "enabled" } else { "disabled" };
        write!(f, "Kept({}, {state}, {})", self.label(), self.sha256())
    }
}

impl Installed {
    /// How a plugin stands now; `None`: it is not installed.
    pub fn kept(&self, name: &str) -> Option<Kept> {
        self.0.kept(name)
    }

    /// The package of a plugin that stands now.
    ///
    /// # Errors
    /// There is no such plugin, or its package cannot be read or was changed.
    pub fn package_file(&self, name: &str) -> Result<Vec<u8>, InstallError> {
        let kept = self.0.kept(name).ok_or_else(|| InstallError::NotThere(name.to_owned()))?;
        let file = ledger::read_package(&self.0.folder, kept.sha256())?;
        kept.open(&file)?;
        Ok(file)
    }

    /// What an install of this package would make, after every check that an install makes; nothing is changed.
    /// `before`: how the plugin stands in the draft or else now; then it is an update, which keeps settings and grants.
    ///
    /// # Errors
    /// Every reason for which [`Installed::install`] or [`Installed::update`] would refuse it.
    pub fn plan_install(
        &self,
        file: &[u8],
        before: Option<&Kept>,
        confirmed: &Confirmed,
        settings: Settings,
        by: &str,
    ) -> Result<Kept, InstallError> {
        let before = |_: &_| Ok(before.cloned());
        Ok(self.0.validate_install(file, before, confirmed, settings, by)?.kept)
    }

    /// The same for what is set about a plugin. `package`: its file.
    ///
    /// # Errors
    /// Every reason for which [`Installed::change`] would refuse it.
    pub fn plan_change(&self, before: &Kept, package: &[u8], change: Change) -> Result<Kept, InstallError> {
        Ok(self.0.validate_change(before, package, change)?.kept)
    }

    /// The plugins as they would run: those of the plan as planned, all others as they run now. What a planned one keeps
    /// in this dry run is thrown away: it has a copy of its values. `package` reads packages that are not installed, by SHA-256.
    ///
    /// # Errors
    /// A package cannot be read or does not run.
    pub fn with_plan(
        &self,
        plan: &Plan,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Arc<PluginSet>, InstallError> {
        self.0.with_plan(plan, package)
    }

    /// Activates a plan: all of it, or nothing if any of it is refused. An older version is as good as a newer one,
    /// so that the plan of how all stood before undoes it; a plugin that comes back so finds its place and its values.
    ///
    /// # Errors
    /// A package is refused or does not run, or the disk failed. Nothing is changed then.
    pub fn activate_plan(
        &self,
        plan: &Plan,
        package: &dyn Fn(&str) -> io::Result<Vec<u8>>,
        by: &str,
    ) -> Result<(), InstallError> {
        self.0.activate_plan(plan, package, by)
    }
}

/// Writes a plan into the folder of plugins while nobody has it open, so that [`Installed::open`] finds it: after an
/// activation that a crash cut off. Whether they may run is asked when they are opened.
///
/// # Errors
/// A package that is missing or is not the one that the plan names, or the disk.
pub fn put_back(folder: &Path, plan: &Plan, package: &dyn Fn(&str) -> io::Result<Vec<u8>>) -> io::Result<()> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    ledger::make(folder)?;
    let mut plugins = Ledger::read(folder)?.plugins;
    let mut files = Vec::new();
    for (name, kept) in plan {
        let Some(kept) = kept else {
            plugins.retain(|p| p.name != *name);
            continue;
        };
        if kept.name() != name || !is_name(name) {
            return Err(wrong(format!("the plan for {name:?} names {:?}", kept.name())));
        }
        let there =
            ledger::read_package(folder, kept.sha256()).is_ok_and(|file| sha256(&file) == kept.sha256());
        if !there {
            let file = package(kept.sha256())?;
            if sha256(&file) != kept.sha256() {
                return Err(wrong(format!(
                    "the package of {} was changed after it was installed",
                    kept.label()
                )));
            }
            files.push((kept.sha256(), file));
        }
        put(&mut plugins, |p| &p.name, kept.entry.clone(), kept.behind.as_deref());
    }
    files.iter().try_for_each(|(sha256, file)| ledger::write_package(folder, sha256, file))?;
    Ledger { plugins }.write(folder)
}

/// Puts a plugin in its place: where its name stands, else behind those that it stood behind, else at the end.
pub(super) fn put<T>(list: &mut Vec<T>, name: impl Fn(&T) -> &str, item: T, behind: Option<&[String]>) {
    if let Some(place) = list.iter_mut().find(|i| name(i) == name(&item)) {
        *place = item;
        return;
    }
    let at = match behind {
        None => list.len(),
        Some(behind) => list.iter().rposition(|i| behind.iter().any(|b| b == name(i))).map_or(0, |n| n + 1),
    };
    list.insert(at, item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_finds_its_place_again() {
        fn check(there: &str, comes: &str, behind: Option<&str>, becomes: &str) {
            let names = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
            let mut list = names(there);
            put(&mut list, |name| name, comes.to_owned(), behind.map(names).as_deref());
            assert_eq!(list.concat(), becomes, "{comes} into {there}");
        }
        check("", "a", None, "a");
        check("ab", "c", None, "abc");
        check("abc", "b", None, "abc");
        check("abc", "b", Some(""), "abc");
        check("bc", "a", Some(""), "abc");
        check("ac", "b", Some("a"), "abc");
        check("ab", "c", Some("ab"), "abc");
        // Others came and went meanwhile.
        check("xac", "b", Some("ya"), "xabc");
        check("xyc", "b", Some("a"), "bxyc");
    }

    #[test]
    fn all_find_their_order_again_whoever_comes_first() {
        for order in ["abc", "acb", "bac", "bca", "cab", "cba"] {
            let mut list: Vec<String> = Vec::new();
            for name in order.chars() {
                let behind: Vec<String> = ('a'..name).map(String::from).collect();
                put(&mut list, |name| name, name.to_string(), Some(&behind));
            }
            assert_eq!(list.concat(), "abc", "{order}");
        }
    }
}
