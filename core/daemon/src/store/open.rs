//! How journal and index are opened together, and what a record of the one means for the other.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::index::{Change, Index, IndexLost, key};
use super::journal::{Entry, Faults, Journal, Position, Recovery};
use super::record::{CdrRecord, ConfigVersion, Kind, SecretRecord, TokenRecord};
use super::{DraftRecord, StoreError, StoreOptions, dir_of, disk_error};

/// Which index is tried, one after the other.
#[derive(Clone, Copy, PartialEq)]
enum Attempt {
    /// The one that is there.
    Kept,
    /// An empty one in its place, filled from the journal.
    Fresh,
    /// One in memory, filled from the journal.
    Memory,
}

/// Opens journal and index together. The index is built anew when it fails, knows more than the journal, or was
/// last open before the machine lost power (sled's flush does not survive that). A disk that takes nothing is no reason
/// not to start: then the index is in memory, and what is to be written waits.
pub(super) fn open_both(
    options: &StoreOptions,
    faults: &Arc<Faults>,
) -> Result<(Journal, Index, Recovery), StoreError> {
    let (journal_dir, index_dir) = (dir_of(&options.dir), options.dir.join("index"));
    let kernel = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let attempts = match try_disk(&options.dir) {
        Ok(()) => &[Attempt::Kept, Attempt::Fresh, Attempt::Memory][..],
        Err(_) => &[Attempt::Memory],
    };
    let mut behind = false;
    for attempt in attempts {
        let opened = match attempt {
            Attempt::Kept => Index::open(&index_dir),
            Attempt::Fresh => rebuild_dir(&index_dir),
            Attempt::Memory => Ok(Index::in_memory()),
        };
        let index = match opened {
            Ok(index) => index,
            Err(lost) => {
                tracing::warn!(%lost, "building the index again");
                continue;
            }
        };
        let from = index.end().ok().flatten();
        let same_power = index.get(key::KERNEL).ok().flatten().is_none_or(|k| k.is_empty() || k == kernel);
        if *attempt == Attempt::Kept && (from.is_none() || !same_power) {
            continue;
        }
        let mut change = Change::default();
        let mut pending = 0;
        let mut failed = None;
        let opened =
            Journal::open(&journal_dir, from, options.segment_limit, faults.clone(), &mut |at, entry| {
                note(&mut change, at, &entry);
                pending += 1;
                if pending == 1000 {
                    failed = index.apply(std::mem::take(&mut change)).err().or(failed.take());
                    pending = 0;
                }
            })
            .map_err(|e| disk_error(&journal_dir, &e))?;
        let Some((journal, mut recovery)) = opened else {
            behind = true;
            continue;
        };
        change.end(journal.end());
        change.set(key::KERNEL, &kernel);
        let failed = failed.or(index.apply(change).err()).or(index.flush().err());
        if let Some(lost) = failed {
            tracing::warn!(%lost, "building the index again");
            continue;
        }
        recovery.behind = behind;
        return Ok((journal, index, recovery));
    }
    Err(StoreError::Missing("usable index after building it anew".to_owned()))
}

/// Why an exchange whose configuration is gone does not start as if it were new; `None` when this folder is new. A first
/// start that was cut off left nothing behind but its beginnings.
pub(super) fn gone(dir: &Path, recovery: &Recovery) -> Option<String> {
    let access = dir.join(crate::start::LOCAL_ACCESS_FILE);
    let what = match (recovery.holes > 0, access.exists() || recovery.behind) {
        (true, _) => {
            format!(
                "is damaged and holds no configuration any more ({} records can be read)",
                recovery.records
            )
        }
        (false, true) => "is gone, though this folder was in use".to_owned(),
        (false, false) => return None,
    };
    Some(format!(
        "the journal in {} {what}. Is a disk not mounted? Restore the folder from a backup, or start with --config FILE: \
         then the exchange begins anew with that document, without the records, tokens and admin secret of before",
        dir_of(dir).display()
    ))
}

/// Takes the disk a little more? Asked before sled is: on a disk that refuses it panics in threads of its own.
pub(super) fn try_disk(dir: &Path) -> io::Result<()> {
    let path = dir.join("room");
    let written = crate::files::write_synced(&path, &[0; ROOM]);
    let _ = fs::remove_file(&path);
    written
}

/// What the index may write before it is asked again.
const ROOM: usize = 1 << 20;

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
///
/// On a disk that takes no new file the one that is there is locked, or else the folder itself; a folder that is not
/// there is nobody's.
pub(super) fn lock(dir: &Path) -> Result<Option<File>, StoreError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let Ok(file) = file.or_else(|_| File::open(&path)).or_else(|_| File::open(dir)) else {
        return Ok(None);
    };
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            Err(fs::TryLockError::Error(e)) => return Err(disk_error(&path, &e)),
        }
    }
    Err(StoreError::InUse(dir.to_owned()))
}
