//! What plugins keep: in memory for their decisions, on the disk within a second, and as a copy for dry
//! runs.
//!
//! Who removes a plugin throws away what it kept. Who takes it out by an exchange of plugins may undo that: its values
//! stay for `STAY`, and it finds them again if it comes back. One that is installed anew begins with nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cache::write_whole;
use crate::host::MemoryStore;

/// How long values of a plugin that is gone are there for its return: longer than anybody thinks of undoing.
const STAY: Duration = Duration::from_secs(30 * 24 * 3600);

/// The values of all plugins.
pub(super) struct Values {
    folder: PathBuf,
    memory: Arc<MemoryStore>,
    /// Nothing that was forgotten is written by somebody who looked at it before.
    writing: Mutex<()>,
}

impl Values {
    /// The values that lie under this folder of plugins; none is read yet.
    pub fn of(folder: &Path) -> Values {
        let folder = folder.join("values");
        Values { folder, memory: Arc::default(), writing: Mutex::default() }
    }

    /// Where the plugins that run keep theirs.
    pub fn memory(&self) -> Arc<MemoryStore> {
        self.memory.clone()
    }

    /// Finds again what a plugin kept, in an earlier run or before it was taken out.
    pub fn find(&self, plugin: &str) {
        if self.memory.copy(plugin).is_none()
            && let Some(kept) = self.read(plugin)
        {
            self.memory.put(plugin, kept);
        }
    }

    /// A copy of what a plugin keeps: a change of the copy changes nothing here.
    pub fn copy(&self, plugin: &str) -> Arc<MemoryStore> {
        let copy = MemoryStore::default();
        if let Some(kept) = self.memory.copy(plugin).or_else(|| self.read(plugin)) {
            copy.put(plugin, kept);
        }
        Arc::new(copy)
    }

    /// Writes what has changed.
    pub fn keep(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for (plugin, values) in self.memory.changed() {
            let text = toml::to_string(&values).unwrap_or_default();
            if let Err(e) = write_whole(&self.file(&plugin), &[text.as_bytes()]) {
                tracing::warn!(plugin, "what it keeps cannot be written: {e}");
            }
        }
    }

    /// Throws away what a plugin kept.
    pub fn forget(&self, plugin: &str) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.memory.forget(plugin);
        let _ = fs::remove_file(self.file(plugin));
    }

    /// Throws away what plugins kept that are gone for longer than anybody waits for them.
    pub fn sweep(&self, is_there: impl Fn(&str) -> bool) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if !is_there(name) && age.is_some_and(|age| age > STAY) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn read(&self, plugin: &str) -> Option<BTreeMap<String, String>> {
        let text = fs::read_to_string(self.file(plugin)).ok()?;
        let kept = toml::from_str(&text);
        kept.inspect_err(|e| tracing::warn!(plugin, "what it kept cannot be read: {e}")).ok()
    }

    fn file(&self, plugin: &str) -> PathBuf {
        self.folder.join(format!("{plugin}.toml"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::host::KeyValue;

    #[test]
    fn values_of_a_plugin_that_is_gone_stay_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("values")).unwrap();
        let values = Values::of(folder.path());
        for plugin in ["there", "gone", "long-gone"] {
            assert!(values.memory().set(plugin, "k", plugin.to_owned()));
        }
        values.keep();
        let long_ago = SystemTime::now() - STAY - Duration::from_secs(60);
        for plugin in ["there", "long-gone"] {
            let file = fs::File::options().write(true).open(values.file(plugin)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        let again = Values::of(folder.path());
        again.sweep(|name| name == "there");
        for plugin in ["there", "gone", "long-gone"] {
            again.find(plugin);
        }
        let found = |plugin: &str| again.memory().get(plugin, "k");
        assert_eq!(found("there").as_deref(), Some("there"));
        assert_eq!(found("gone").as_deref(), Some("gone"));
        assert_eq!(found("long-gone"), None);
    }

    #[test]
    fn a_copy_is_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("values")).unwrap();
        let values = Values::of(folder.path());
        values.memory().set("a", "k", "live".to_owned());
        let copy = values.copy("a");
        assert_eq!(copy.get("a", "k").as_deref(), Some("live"));
        copy.set("a", "k", "copied".to_owned());
        assert_eq!(values.memory().get("a", "k").as_deref(), Some("live"));
        values.forget("a");
        values.keep();
        assert_eq!(values.memory().get("a", "k"), None);
        assert_eq!(values.copy("a").get("a", "k"), None);
        assert!(!values.file("a").exists());
    }
}
