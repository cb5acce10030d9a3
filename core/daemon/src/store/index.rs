//! The sled side of the store: where each record of the journal lies, and what is written behind (registrations). All
//! of it can be lost: it is built again from the journal, or by phones that register again. The only file that
//! names sled.
//!
//! sled 0.34 panics on some I/O errors and on some damage, so every use of it is behind a panic boundary.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::journal::Position;

/// Octets of sled's page cache: small, the index is a few dozen octets a call.
const CACHE: u64 = 8 << 20;

/// The index has failed: it must be set aside and built again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct IndexLost(String);

impl IndexLost {
    pub(super) fn closed() -> IndexLost {
        IndexLost("the store is closed".to_owned())
    }
    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> IndexLost {
        IndexLost(format!("{}: {error}", path.display()))
    }
}

/// The index. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Index(Place);

/// Where the index is.
#[derive(Debug, Clone)]
enum Place {
    /// On the disk.
    Disk { db: sled::Db, write_behind: sled::Tree },
    /// In memory, while the disk takes nothing.
    Memory(Arc<Mutex<Trees>>),
}

#[derive(Debug, Default)]
struct Trees {
    main: BTreeMap<Vec<u8>, Vec<u8>>,
    write_behind: BTreeMap<String, Vec<u8>>,
}

/// Key prefixes of the main tree.
pub mod key {
    /// A call's record: `c` and the call id, big endian, so that order is time.
    pub fn cdr(call: u64) -> Vec<u8> {
        prefixed(b'c', &call.to_be_bytes())
    }
    /// A call whose record is open.
    pub fn open(call: u64) -> Vec<u8> {
        prefixed(b'o', &call.to_be_bytes())
    }
    /// A configuration version.
    pub fn config(version: u64) -> Vec<u8> {
        prefixed(b'v', &version.to_be_bytes())
    }
    /// A token.
    pub fn token(id: &str) -> Vec<u8> {
        prefixed(b't', id.as_bytes())
    }
    /// A secret's hash.
    pub fn secret(name: &str) -> Vec<u8> {
        prefixed(b's', name.as_bytes())
    }
    /// A draft.
    pub fn draft(name: &str) -> Vec<u8> {
        prefixed(b'd', name.as_bytes())
    }
    /// The latest boot record.
    pub const BOOT: &[u8] = b"mboot";
    /// Up to where the journal is indexed.
    pub const END: &[u8] = b"mend";
    /// The kernel's boot id when the index was last opened, empty after a clean close.
    pub const KERNEL: &[u8] = b"mkernel";

    fn prefixed(prefix: u8, rest: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + rest.len());
        key.push(prefix);
        key.extend_from_slice(rest);
        key
    }
}

/// Changes applied together or not at all.
#[derive(Debug, Default)]
pub struct Change(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Change {
    /// Sets a key to a record's place.
    pub fn place(&mut self, key: Vec<u8>, at: Position) {
        self.0.push((key, Some(at.to_bytes().to_vec())));
    }
    /// Sets a key to any value.
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        self.0.push((key.to_vec(), Some(value.to_vec())));
    }
    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.0.push((key, None));
    }
    /// Notes up to where the journal is indexed.
    pub fn end(&mut self, (segment, len): (u64, u64)) {
        let mut value = segment.to_be_bytes().to_vec();
        value.extend_from_slice(&len.to_be_bytes());
        self.set(key::END, &value);
    }
}

/// The same for sled.
fn batch<K: Into<sled::IVec>>(changes: impl IntoIterator<Item = (K, Option<Vec<u8>>)>) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch
}

impl Index {
    /// Opens or makes the index.
    pub fn open(dir: &Path) -> Result<Index, IndexLost> {
        guarded(|| {
            let db = sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE)
                .mode(sled::Mode::LowSpace)
                .flush_every_ms(Some(1000))
                .open()?;
            let write_behind = db.open_tree("soon")?;
            Ok(Index(Place::Disk { db, write_behind }))
        })
    }

    /// An index that a process has for itself: what it says is worked out again from the journal, what is written behind
    /// ends with the process.
    pub fn in_memory() -> Index {
        Index(Place::Memory(Arc::default()))
    }

    /// Does the disk not have it?
    pub fn is_in_memory(&self) -> bool {
        matches!(self.0, Place::Memory(_))
    }

    /// Applies a change.
    pub fn apply(&self, change: Change) -> Result<(), IndexLost> {
        match &self.0 {
            Place::Disk { db, .. } => guarded(|| db.apply_batch(batch(change.0))),
            Place::Memory(trees) => {
                let mut trees = lock(trees);
                for (key, value) in change.0 {
                    match value {
                        Some(value) => drop(trees.main.insert(key, value)),
                        None => drop(trees.main.remove(&key)),
                    }
                }
                Ok(())
            }
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexLost> {
        match &self.0 {
            Place::Disk { db, .. } => guarded(|| Ok(db.get(key)?.map(|v| v.to_vec()))),
            Place::Memory(trees) => Ok(lock(trees).main.get(key).cloned()),
        }
    }

    /// A record's place.
    pub fn find(&self, key: &[u8]) -> Result<Option<Position>, IndexLost> {
        Ok(self.get(key)?.and_then(|v| Position::from_bytes(&v)))
    }

    /// Up to where the journal is indexed.
    pub fn end(&self) -> Result<Option<(u64, u64)>, IndexLost> {
        Ok(self.get(key::END)?.and_then(|v| {
            let (segment, len) = v.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*segment), u64::from_be_bytes(len.try_into().ok()?)))
        }))
    }

    /// Keys and places from `from` (inclusive) to `to` (exclusive), newest first, until `take` says stop.
    pub fn backwards(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        mut take: impl FnMut(&[u8], Option<Position>) -> bool,
    ) -> Result<(), IndexLost> {
        let db = match &self.0 {
            Place::Disk { db, .. } => db,
            Place::Memory(trees) => {
                for (key, value) in lock(trees).main.range(from..to).rev() {
                    if !take(key, Position::from_bytes(value)) {
                        break;
                    }
                }
                return Ok(());
            }
        };
        guarded(|| {
            for item in db.range(from..to).rev() {
                let (key, value) = item?;
                if !take(&key, Position::from_bytes(&value)) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Writes values behind: within a second, or never if the power goes first. `None` forgets.
    pub fn put_write_behind(&self, values: HashMap<String, Option<Vec<u8>>>) -> Result<(), IndexLost> {
        match &self.0 {
            Place::Disk { write_behind, .. } => guarded(|| {
                write_behind
                    .apply_batch(batch(values.into_iter().map(|(key, value)| (key.into_bytes(), value))))
            }),
            Place::Memory(trees) => {
                let mut trees = lock(trees);
                for (key, value) in values {
                    match value {
                        Some(value) => drop(trees.write_behind.insert(key, value)),
                        None => drop(trees.write_behind.remove(&key)),
                    }
                }
                Ok(())
            }
        }
    }

    /// All that was written behind.
    pub fn all_write_behind(&self) -> Result<Vec<Vec<u8>>, IndexLost> {
        match &self.0 {
            Place::Disk { write_behind, .. } => {
                guarded(|| write_behind.iter().values().map(|v| v.map(|v| v.to_vec())).collect())
            }
            Place::Memory(trees) => Ok(lock(trees).write_behind.values().cloned().collect()),
        }
    }

    /// What an index in memory keeps written behind, for the one on the disk that takes its place.
    pub fn take_write_behind(&self) -> HashMap<String, Option<Vec<u8>>> {
        match &self.0 {
            Place::Disk { .. } => HashMap::new(),
            Place::Memory(trees) => {
                std::mem::take(&mut lock(trees).write_behind).into_iter().map(|(k, v)| (k, Some(v))).collect()
            }
        }
    }

    /// What was written behind under this key.
    pub fn get_write_behind(&self, key: &str) -> Result<Option<Vec<u8>>, IndexLost> {
        match &self.0 {
            Place::Disk { write_behind, .. } => {
                guarded(|| Ok(write_behind.get(key.as_bytes())?.map(|v| v.to_vec())))
            }
            Place::Memory(trees) => Ok(lock(trees).write_behind.get(key).cloned()),
        }
    }

    /// Writes out what is still in memory.
    pub fn flush(&self) -> Result<(), IndexLost> {
        match &self.0 {
            Place::Disk { db, .. } => guarded(|| db.flush().map(|_| ())),
            Place::Memory(_) => Ok(()),
        }
    }
}

/// A map that was being changed when a thread fell is at worst without that change.
fn lock(trees: &Mutex<Trees>) -> MutexGuard<'_, Trees> {
    trees.lock().unwrap_or_else(|e| e.into_inner())
}

/// A sled write that is acknowledged without any flush: the negative control of the kill test.
pub(super) fn put_without_flush(index: &Index, call: u64, value: &[u8]) -> Result<(), IndexLost> {
    match &index.0 {
        Place::Disk { db, .. } => guarded(|| db.insert(key::cdr(call), value).map(|_| ())),
        Place::Memory(_) => Ok(()),
    }
}

fn guarded<T>(f: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexLost> {
    match crate::panics::caught(f) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(IndexLost(error.to_string())),
        Err(why) => Err(IndexLost(format!("sled panicked: {why}"))),
    }
}
