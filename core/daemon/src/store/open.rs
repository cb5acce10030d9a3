//! How journal and index are opened together, and what a record of the one means for the other.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::index::{Change, Index, IndexLost, key};
use super::journal::{Entry, Faults, Journal, Position, Recovery};
use super::record::{CdrRecord, ConfigVersion, Kind, SecretRecord, TokenRecord};
use super::{DraftRecord, StoreError, StoreOptions, dir_of, disk_error};

/// Opens journal and index together. The index is built anew when it fails, knows more than the journal, or was
/// last open before the machine lost power (sled's flush does not survive that).
pub(super) fn open_both(
    options: &StoreOptions,
    faults: &Arc<Faults>,
) -> Result<(Journal, Index, Recovery), StoreError> {
    let (journal_dir, index_dir) = (dir_of(&options.dir), options.dir.join("index"));
    let kernel = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut index = Index::open(&index_dir);
    for fresh in [false, true] {
        let opened = match index {
            Ok(opened) => Some(opened),
            Err(lost) if fresh => return Err(lost.into()),
            Err(lost) => {
                tracing::warn!(%lost, "building the index again");
                None
            }
        };
        let trusted = opened.filter(|index| {
            let same_power =
                index.get(key::KERNEL).ok().flatten().is_none_or(|k| k.is_empty() || k == kernel);
            fresh || (same_power && index.end().is_ok_and(|end| end.is_some()))
        });
        let Some(index_now) = trusted else {
            index = rebuild_dir(&index_dir);
            continue;
        };
        let mut change = Change::default();
        let mut pending = 0;
        let mut failed = None;
        let from = index_now.end()?;
        let opened =
            Journal::open(&journal_dir, from, options.segment_limit, faults.clone(), &mut |at, entry| {
                note(&mut change, at, &entry);
                pending += 1;
                if pending == 1000 {
                    failed = index_now.apply(std::mem::take(&mut change)).err().or(failed.take());
                    pending = 0;
                }
            })
            .map_err(|e| disk_error(&journal_dir, &e))?;
        if let (Some((journal, recovery)), None) = (opened, failed) {
            change.end(journal.end());
            change.set(key::KERNEL, &kernel);
            index_now.apply(change)?;
            index_now.flush()?;
            return Ok((journal, index_now, recovery));
        }
        drop(index_now);
        index = rebuild_dir(&index_dir);
    }
    Err(StoreError::Missing("usable index after building it anew".to_owned()))
}

/// Sets a distrusted index aside (only the newest such folder is kept) and opens an empty one.
pub(super) fn rebuild_dir(index_dir: &Path) -> Result<Index, IndexLost> {
    let aside = index_dir.with_extension("set-aside");
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::rename(index_dir, &aside);
    Index::open(index_dir)
}

/// What a journal record means for the index.
pub(super) fn note(change: &mut Change, at: Position, entry: &Entry) {
    if entry.kind != Kind::Cdr {
        if let Some(key) = key_of(entry) {
            change.place(key, at);
        }
        return;
    }
    if let Ok(record) = serde_json::from_slice::<CdrRecord>(&entry.payload)
        && let Some(call) = record.id()
    {
        change.place(key::cdr(call.0), at);
        if record.is_open() {
            change.set(&key::open(call.0), &[]);
        } else {
            change.remove(key::open(call.0));
        }
    }
}

/// Under which key the index knows a record; `None` for one whose content makes no sense.
pub(super) fn key_of(entry: &Entry) -> Option<Vec<u8>> {
    let payload = &entry.payload;
    match entry.kind {
        Kind::Cdr => Some(key::cdr(serde_json::from_slice::<CdrRecord>(payload).ok()?.id()?.0)),
        Kind::Config => {
            Some(key::config(serde_json::from_slice::<ConfigVersion>(payload).ok()?.meta.version))
        }
        Kind::Token => Some(key::token(&serde_json::from_slice::<TokenRecord>(payload).ok()?.id)),
        Kind::Secret => Some(key::secret(&serde_json::from_slice::<SecretRecord>(payload).ok()?.name)),
        Kind::Draft => Some(key::draft(&serde_json::from_slice::<DraftRecord>(payload).ok()?.name)),
        Kind::Boot => Some(key::BOOT.to_vec()),
    }
}

/// One process a store: a lock that the kernel lets go when the process dies, however it dies. A process just
/// killed may take a moment to go, so the lock is waited for shortly.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| disk_error(&path, &e))?;
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            Err(fs::TryLockError::Error(e)) => return Err(disk_error(&path, &e)),
        }
    }
    Err(StoreError::InUse(dir.to_owned()))
}
