//! `store`: values of a plugin's own. What it may keep is bounded here, wherever it is stored.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bindings::store::Host;
use crate::guest::Guest;
use crate::package::grant::Grant;

/// Octets of a key, of a value, and keys of one plugin.
const KEY: usize = 128;
const VALUE: usize = 4096;
pub const KEYS: usize = 1000;

/// Keeps the values of plugins. None of it may wait for a disk: a decision does not.
pub trait KeyValue: Send + Sync {
    /// A value.
    fn get(&self, plugin: &str, key: &str) -> Option<String>;
    /// Keeps a value; false: it does not fit.
    fn set(&self, plugin: &str, key: &str, value: String) -> bool;
    /// Forgets a value.
    fn remove(&self, plugin: &str, key: &str);
    /// What this plugin keeps, for dry runs: a change of the copy changes nothing here.
    fn dry_run(&self, plugin: &str) -> Arc<dyn KeyValue>;
}

/// Values in memory. To write them to a disk, take [`MemoryStore::changed`] from time to time.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<String, Values>>);

#[derive(Debug, Default)]
struct Values {
    values: BTreeMap<String, String>,
    changed: bool,
}

impl MemoryStore {
    /// Puts back what was kept before.
    pub fn put(&self, plugin: &str, values: BTreeMap<String, String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(plugin.to_owned(), Values { values, changed: false });
    }

    /// What a plugin keeps; `None`: nothing was put or kept yet.
    pub fn copy(&self, plugin: &str) -> Option<BTreeMap<String, String>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(plugin).map(|own| own.values.clone())
    }

    /// Forgets all values of a plugin.
    pub fn forget(&self, plugin: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(plugin);
    }

    /// The plugins whose values have changed since this was asked last, with all their values.
    pub fn changed(&self) -> Vec<(String, BTreeMap<String, String>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |(plugin, v): (&String, &mut Values)| {
            std::mem::take(&mut v.changed).then(|| (plugin.clone(), v.values.clone()))
        };
        all.iter_mut().filter_map(taken).collect()
    }
}

impl KeyValue for MemoryStore {
    fn get(&self, plugin: &str, key: &str) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(plugin)?.values.get(key).cloned()
    }

    fn set(&self, plugin: &str, key: &str, value: String) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(plugin.to_owned()).or_default();
        if own.values.len() >= KEYS && !own.values.contains_key(key) {
            return false;
        }
        own.values.insert(key.to_owned(), value);
        own.changed = true;
        true
    }

    fn dry_run(&self, plugin: &str) -> Arc<dyn KeyValue> {
        let copy = MemoryStore::default();
        copy.put(plugin, self.copy(plugin).unwrap_or_default());
        Arc::new(copy)
    }

    fn remove(&self, plugin: &str, key: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(plugin) {
            own.changed |= own.values.remove(key).is_some();
        }
    }
}

impl Guest {
    fn may_store(&self) -> wasmtime::Result<bool> {
        self.check()?;
        Ok(self.context.grants.contains(&Grant::Store))
    }
}

impl Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let may = self.may_store()? && key.len() <= KEY;
        Ok(may.then(|| self.context.services.store.get(&self.context.plugin, &key)).flatten())
    }

    fn set(&mut self, key: String, value: String) -> wasmtime::Result<bool> {
        let may = self.may_store()? && key.len() <= KEY && value.len() <= VALUE;
        Ok(may && self.context.services.store.set(&self.context.plugin, &key, value))
    }

    fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        if self.may_store()? && key.len() <= KEY {
            self.context.services.store.remove(&self.context.plugin, &key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_bounded_and_says_what_changed() {
        let store = MemoryStore::default();
        store.put("a", BTreeMap::from([("k".to_owned(), "old".to_owned())]));
        assert_eq!(store.get("a", "k").as_deref(), Some("old"));
        assert!(store.get("b", "k").is_none() && store.changed().is_empty());
        for n in 1..KEYS {
            assert!(store.set("a", &n.to_string(), String::new()));
        }
        assert!(!store.set("a", "one more", String::new()), "1,000 keys");
        assert!(store.set("a", "k", "new".to_owned()), "but a value can change");
        assert_eq!(store.changed().len(), 1);
        assert!(store.changed().is_empty());
        store.remove("a", "no such key");
        assert!(store.changed().is_empty());
        store.remove("a", "k");
        assert_eq!(store.changed()[0].1.len(), KEYS - 1);
    }
}
