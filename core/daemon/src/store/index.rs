//! The sled side of the store: where each record of the journal lies, and what is kept *soon* (registrations). All
//! of it can be lost: it is built again from the journal, or by phones that register again. The only file that
//! names sled.
//!
//! sled 0.34 panics on some I/O errors and on some damage, so every use of it is behind a panic boundary.

use std::collections::HashMap;
use std::path::Path;

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
pub struct Index {
    db: sled::Db,
    soon: sled::Tree,
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
pub struct Change {
    batch: sled::Batch,
}

impl Change {
    /// Sets a key to a record's place.
    pub fn place(&mut self, key: Vec<u8>, at: Position) {
        self.batch.insert(key, &at.to_bytes());
    }
    /// Sets a key to any value.
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        self.batch.insert(key, value);
    }
    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.batch.remove(key);
    }
    /// Notes up to where the journal is indexed.
    pub fn end(&mut self, (segment, len): (u64, u64)) {
        let mut value = segment.to_be_bytes().to_vec();
        value.extend_from_slice(&len.to_be_bytes());
        self.batch.insert(key::END, value);
    }
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
            let soon = db.open_tree("soon")?;
            Ok(Index { db, soon })
        })
    }

    /// Applies a change.
    pub fn apply(&self, change: Change) -> Result<(), IndexLost> {
        guarded(|| self.db.apply_batch(change.batch))
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexLost> {
        guarded(|| Ok(self.db.get(key)?.map(|v| v.to_vec())))
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
        guarded(|| {
            for item in self.db.range(from..to).rev() {
                let (key, value) = item?;
                if !take(&key, Position::from_bytes(&value)) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Keeps values *soon*: within a second, or never if the power goes first. `None` forgets.
    pub fn put_soon(&self, values: HashMap<String, Option<Vec<u8>>>) -> Result<(), IndexLost> {
        let mut batch = sled::Batch::default();
        for (key, value) in values {
            match value {
                Some(value) => batch.insert(key.as_bytes(), value),
                None => batch.remove(key.as_bytes()),
            }
        }
        guarded(|| self.soon.apply_batch(batch))
    }

    /// All that was kept *soon*.
    pub fn all_soon(&self) -> Result<Vec<Vec<u8>>, IndexLost> {
        guarded(|| self.soon.iter().values().map(|v| v.map(|v| v.to_vec())).collect())
    }

    /// What was kept *soon* under this key.
    pub fn get_soon(&self, key: &str) -> Result<Option<Vec<u8>>, IndexLost> {
        guarded(|| Ok(self.soon.get(key.as_bytes())?.map(|v| v.to_vec())))
    }

    /// Writes out what is still in memory.
    pub fn flush(&self) -> Result<(), IndexLost> {
        guarded(|| self.db.flush().map(|_| ()))
    }
}

/// A sled write that is told "kept" without any flush: the negative control of the kill test.
pub(super) fn put_without_flush(index: &Index, call: u64, value: &[u8]) -> Result<(), IndexLost> {
    guarded(|| index.db.insert(key::cdr(call), value).map(|_| ()))
}

fn guarded<T>(f: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexLost> {
    match crate::panics::caught(f) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(IndexLost(error.to_string())),
        Err(why) => Err(IndexLost(format!("sled panicked: {why}"))),
    }
}
