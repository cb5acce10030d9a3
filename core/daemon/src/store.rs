//! Persistent storage, with operations of two strengths.
//!
//! *Durable*: CDRs, configuration versions, tokens. Acknowledged means on the disk: one thread gathers what is
//! waiting, appends it to a checksummed journal, calls `fdatasync` once, and only then answers.
//! *Write-behind*: registrations. On disk within a second; phones restore what is lost.
//!
//! Nobody waits for the record of a call: it is written with all others of the next fifth of a second, or at once when
//! somebody asks for records.
//!
//! Measured before it was built: sled 0.34 loses acknowledged records under kill -9 unless flushed, and its flush
//! is `sync_file_range`, which does not survive a power cut. So the journal is the truth and sled the index.
//!
//! A full, failing or read-only disk never stops a call, nor the start: CDRs wait in memory (bounded) with an alarm, and
//! so does the little that a start itself keeps; any other change is refused whole.

mod cdrs;
pub mod crash_test;
mod draft;
mod index;
mod journal;
mod memory;
mod open;
mod record;
mod writer;

use std::fs::DirBuilder;
use std::future::Future;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::Thread;
use std::time::Duration;

use ringtrip_exchange::cdr::Cdr;

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

pub use cdrs::{CdrPage, CdrQuery};
pub use draft::{Activated, CanarySettings, DraftPhase, DraftRecord, DraftState, Parts, PluginRecord};
pub use index::IndexLost;
use index::{Index, key};
use journal::Position;
pub use journal::{Faults, Recovery};
use memory::Memory;
use open::{lock, open_both};
use record::{BootRecord, Kind, SecretRecord};

use crate::control_thread::takes_time;
pub use record::{
    CallerRecord, CdrRecord, ConfigMeta, ConfigVersion, CostRecord, FiguresRecord, ProvenanceRecord,
    QuoteRecord, RegistrationRecord, Scope, SourceRecord, StepRecord, TokenRecord,
};

/// Why the store said no.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, read-only or failing. Nothing of the request was kept, unless it was a CDR: that waits in
    /// memory.
    #[error("cannot write to {path}: {why}")]
    Disk {
        path: PathBuf,
        why: String,
        /// It works, but takes nothing: full or read-only.
        full: bool,
    },
    /// The folder was in use, and what was kept in it is gone.
    #[error("{0}")]
    Gone(String),
    /// Another process has the store open.
    #[error("{0} is in use by another ringtrip; stop it first or name another folder with --data")]
    InUse(PathBuf),
    /// Written by a newer program.
    #[error(
        "{path} holds {records} records of a newer Ringtrip; start that version, or restore a backup of this one"
    )]
    Newer { path: PathBuf, records: u64 },
    /// Somebody else changed the configuration in between.
    #[error(
        "the configuration is at version {current} now, not {expected}: read it again and repeat the change"
    )]
    Conflict { expected: u64, current: u64 },
    /// No such thing.
    #[error("there is no {0}")]
    Missing(String),
    /// The index is being built again.
    #[error("{0}; it is built again, try in a few seconds")]
    Index(#[from] IndexLost),
    /// Too much is waiting for the disk.
    #[error("the store is behind: {0} records wait for the disk")]
    Busy(usize),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Something an operator must know about the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// The disk takes nothing; this many CDRs wait in memory.
    Trouble { why: String, waiting: usize },
    /// The memory for waiting CDRs is full; this many were lost.
    Lost { records: u64 },
    /// All that waited is written.
    Recovered { written: usize },
    /// More was kept than may be: so many of the oldest CDRs are gone.
    Forgotten { records: usize },
}

/// How to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder; made if missing, for its owner only.
    pub dir: PathBuf,
    /// Octets a journal segment may grow to.
    pub segment_limit: u64,
    /// Octets of sealed segments kept before the oldest CDRs are forgotten.
    pub keep: u64,
    /// Octets of CDRs that may wait in memory while the disk refuses.
    pub spool: usize,
    /// May a folder that was in use, and has lost its configuration, be used as a new one?
    pub may_begin_anew: bool,
    /// Now, microseconds since 1970 UTC.
    pub now: fn() -> i64,
    /// Told when something happens that an operator must know; called on the store's thread, must not block.
    pub news: Arc<dyn Fn(StoreEvent) + Send + Sync>,
}

impl StoreOptions {
    /// The usual limits for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> StoreOptions {
        StoreOptions {
            dir: dir.into(),
            segment_limit: 8 << 20,
            keep: 512 << 20,
            spool: 16 << 20,
            may_begin_anew: false,
            now: now_micros,
            news: Arc::new(|news| tracing::warn!(?news, "store")),
        }
    }
}

/// Microseconds since 1970 UTC.
pub fn now_micros() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

/// The store. Cheap to clone; closed when the last clone is dropped or by [`Store::close`].
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
    waker: Thread,
}

/// What readers and the writer share.
struct Shared {
    dir: PathBuf,
    index: RwLock<Result<Index, IndexLost>>,
    memory: RwLock<Memory>,
    faults: Arc<Faults>,
    waiting: AtomicU64,
    /// Does the disk refuse what is written?
    write_failing: AtomicBool,
    boot: u64,
    recovery: Recovery,
    unfinished: u64,
}

type Ack<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    /// A record that nobody waits for.
    WriteCdr(Arc<Cdr>),
    Cdr {
        record: Box<CdrRecord>,
        ack: Ack<()>,
    },
    Config {
        expected: Option<u64>,
        author: String,
        note: String,
        text: String,
        ack: Ack<ConfigMeta>,
    },
    Token {
        record: Box<TokenRecord>,
        ack: Ack<()>,
    },
    Secret {
        record: SecretRecord,
        ack: Ack<()>,
    },
    Draft {
        record: Box<DraftRecord>,
        ack: Ack<()>,
    },
    /// What a start keeps: it counts from now on, and waits for a disk that refuses.
    Start {
        kind: Kind,
        payload: Vec<u8>,
        ack: Ack<()>,
    },
    WriteBehind {
        key: String,
        value: Option<Vec<u8>>,
    },
    /// Say when all before this is done.
    Mark(SyncSender<()>),
    InjectPanic,
    Close,
}

impl Job {
    /// Does nobody wait for its answer?
    fn can_wait(&self) -> bool {
        matches!(self, Job::WriteCdr(_) | Job::WriteBehind { .. })
    }
}

/// How many jobs may wait for the disk.
const QUEUE: usize = 16_384;
impl Store {
    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.shared.dir
    }

    /// Opens the store: replays the journal, rebuilds the index if it cannot be trusted, closes CDRs whose calls died
    /// with the process.
    ///
    /// # Errors
    /// The folder cannot be used or is in use, its journal is that of a newer program, or what was kept in it is gone.
    pub fn open(options: StoreOptions) -> Result<Store, StoreError> {
        let dir = options.dir.clone();
        if !dir.exists()
            && let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&dir)
            && error.kind() != io::ErrorKind::AlreadyExists
            && !is_full(&error)
            && error.kind() != io::ErrorKind::ReadOnlyFilesystem
        {
            return Err(disk_error(&dir, &error));
        }
        let lock = lock(&dir)?;
        crate::files::keep_private(&dir);
        let faults = Arc::new(Faults::default());
        let last_sign = journal::last_written_micros(&dir.join("journal"));
        let (journal, index, recovery) = open_both(&options, &faults)?;
        if recovery.newer > 0 {
            return Err(StoreError::Newer { path: dir.join("journal"), records: recovery.newer });
        }
        let memory = Memory::load(&dir, &index)?;
        if memory.head() == 0
            && !options.may_begin_anew
            && let Some(why) = open::gone(&dir, &recovery)
        {
            return Err(StoreError::Gone(why));
        }
        let boot = match index.find(key::BOOT)? {
            Some(at) => read::<BootRecord>(&dir, at).map_or(1, |b| b.boot + 1),
            None => 1,
        };
        let mut writer = writer::Writer::new(options, journal, index.clone(), lock);
        let unfinished = writer.close_unfinished(last_sign)?;
        writer.note_boot(boot);
        let shared = Arc::new(Shared {
            dir,
            index: RwLock::new(Ok(index)),
            memory: RwLock::new(memory),
            faults,
            waiting: AtomicU64::new(0),
            write_failing: AtomicBool::new(writer.is_write_failing()),
            boot,
            recovery,
            unfinished,
        });
        let (jobs, queue): (SyncSender<Job>, Receiver<Job>) = sync_channel(QUEUE);
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || crate::panics::vital(|| writer.run(&queue, &for_thread)))
            .map_err(|e| disk_error(&shared.dir, &e))?;
        let waker = thread.thread().clone();
        Ok(Store { shared, jobs, thread: Arc::new(Mutex::new(Some(thread))), waker })
    }

    /// A panic in the store's thread (developer mode): the process must not outlive it.
    pub fn inject_panic(&self) {
        let _ = self.send_urgent(Job::InjectPanic);
    }

    /// Keeps a version of the configuration; `expected` is the version that the change was made from, `None` to take
    /// whatever is current. Answers when it is on the disk.
    pub fn put_config(
        &self,
        expected: Option<u64>,
        author: &str,
        note: &str,
        text: &str,
    ) -> impl Future<Output = Result<ConfigMeta, StoreError>> + use<> {
        let (author, note, text) = (author.to_owned(), note.to_owned(), text.to_owned());
        self.ask(move |ack| Job::Config { expected, author, note, text, ack })
    }

    /// All versions of the configuration, oldest first.
    pub fn configs(&self) -> Vec<ConfigMeta> {
        let memory = self.memory();
        let unsaved = memory.unsaved.values().map(|version| &version.meta);
        memory.configs.values().map(|(meta, _)| meta).chain(unsaved).cloned().collect()
    }

    /// The number of the newest version; 0 before the first.
    pub fn config_head(&self) -> u64 {
        self.memory().head()
    }

    /// A version with its text. Reads the disk.
    ///
    /// # Errors
    /// There is no such version, or the disk cannot be read.
    pub fn config(&self, version: u64) -> Result<ConfigVersion, StoreError> {
        if let Some(unsaved) = self.memory().unsaved.get(&version) {
            return Ok(unsaved.clone());
        }
        let missing = || StoreError::Missing(format!("configuration version {version}"));
        let at = self.memory().configs.get(&version).map(|(_, at)| *at).ok_or_else(missing)?;
        read(&self.shared.dir, at).map_err(|e| disk_error(&self.shared.dir, &e))
    }

    /// Keeps the document that the exchange starts with. It counts, even when the disk takes it later.
    ///
    /// # Errors
    /// The store is closed or behind. A full or read-only disk is not an error here.
    pub async fn start_with(&self, author: &str, note: &str, text: &str) -> Result<ConfigMeta, StoreError> {
        let meta = ConfigMeta {
            version: self.config_head() + 1,
            at_micros: now_micros(),
            author: author.to_owned(),
            note: note.to_owned(),
            sha256: sha256_hex(text),
        };
        let version = ConfigVersion { meta: meta.clone(), text: text.to_owned() };
        self.at_start(Kind::Config, &version).await?;
        Ok(meta)
    }

    /// Keeps a token that a start makes, for the command line. It counts, even when the disk takes it later.
    ///
    /// # Errors
    /// Those of [`Store::start_with`].
    pub async fn start_token(&self, record: &TokenRecord) -> Result<(), StoreError> {
        self.at_start(Kind::Token, record).await
    }

    /// Keeps the hash of a secret that the first start makes. It counts, even when the disk takes it later.
    ///
    /// # Errors
    /// Those of [`Store::start_with`].
    pub async fn start_secret(&self, name: &str, hash: &str) -> Result<(), StoreError> {
        self.at_start(Kind::Secret, &SecretRecord { name: name.to_owned(), hash: hash.to_owned() }).await
    }

    async fn at_start(&self, kind: Kind, record: &impl serde::Serialize) -> Result<(), StoreError> {
        let payload = serde_json::to_vec(record).unwrap_or_default();
        self.ask(move |ack| Job::Start { kind, payload, ack }).await
    }

    /// Keeps a token, or its revocation.
    pub fn put_token(&self, record: TokenRecord) -> impl Future<Output = Result<(), StoreError>> + use<> {
        self.ask(move |ack| Job::Token { record: Box::new(record), ack })
    }

    /// All tokens that are not revoked.
    pub fn tokens(&self) -> Vec<TokenRecord> {
        self.memory().tokens.values().filter(|t| !t.revoked).cloned().collect()
    }

    /// The living token with this hash.
    pub fn token_by_hash(&self, sha256: &str) -> Option<TokenRecord> {
        self.memory().tokens.values().find(|t| !t.revoked && t.sha256 == sha256).cloned()
    }

    /// Keeps a named secret's hash.
    pub fn put_secret(&self, name: &str, hash: &str) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let record = SecretRecord { name: name.to_owned(), hash: hash.to_owned() };
        self.ask(move |ack| Job::Secret { record, ack })
    }

    /// A named secret's hash.
    pub fn secret(&self, name: &str) -> Option<String> {
        self.memory().secrets.get(name).cloned()
    }

    /// Keeps a draft, or that it was discarded. Answers when it is on the disk.
    pub fn put_draft(&self, record: DraftRecord) -> impl Future<Output = Result<(), StoreError>> + use<> {
        self.ask(move |ack| Job::Draft { record: Box::new(record), ack })
    }

    /// All drafts that are not discarded, by name.
    pub fn drafts(&self) -> Vec<DraftRecord> {
        self.memory().drafts.values().filter(|d| !d.discarded).cloned().collect()
    }

    /// The draft of this name.
    pub fn draft(&self, name: &str) -> Option<DraftRecord> {
        self.memory().drafts.get(name).filter(|d| !d.discarded).cloned()
    }

    /// Stores a contact, write-behind.
    pub fn save_registration(&self, record: &RegistrationRecord) {
        if let Ok(value) = serde_json::to_vec(record) {
            let key = registration_key(&record.ext, &record.contact, &record.remote);
            let _ = self.jobs.try_send(Job::WriteBehind { key, value: Some(value) });
        }
    }

    /// Removes a contact, write-behind; `remote` is where it came from.
    pub fn forget_registration(&self, ext: &str, contact: &str, remote: &str) {
        // Earlier versions kept it without the address.
        for key in [registration_key(ext, contact, remote), format!("r/{ext}/{contact}")] {
            let _ = self.jobs.try_send(Job::WriteBehind { key, value: None });
        }
    }

    /// The contacts that were kept, without those that ran out. Waits until what was kept before can be seen: a desk that
    /// panicked asks at once for the phones that it has just reported.
    pub fn registrations(&self, now_micros: i64) -> Vec<RegistrationRecord> {
        self.catch_up();
        let kept = self.index().and_then(|i| Ok(i.all_write_behind()?)).unwrap_or_default();
        let records = kept.iter().filter_map(|v| serde_json::from_slice::<RegistrationRecord>(v).ok());
        records.filter(|r| r.expires_micros > now_micros).collect()
    }

    /// Stores a small value under a name, write-behind.
    pub fn write_behind<T: serde::Serialize>(&self, name: &str, value: &T) {
        if let Ok(value) = serde_json::to_vec(value) {
            let _ = self.jobs.try_send(Job::WriteBehind { key: name.to_owned(), value: Some(value) });
        }
    }

    /// The value that was written behind under this name, if there is one.
    pub fn written_behind<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.catch_up();
        let kept = self.index().ok()?.get_write_behind(name).ok()??;
        serde_json::from_slice(&kept).ok()
    }

    /// How often this store was opened: the upper part of event numbers, so that they grow over restarts.
    pub fn boot(&self) -> u64 {
        self.shared.boot
    }

    /// What opening found in the journal.
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }

    /// CDRs closed at opening because their calls died with the process.
    pub fn unfinished(&self) -> u64 {
        self.shared.unfinished
    }

    /// CDRs that wait in memory for the disk.
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Does the disk refuse what is written?
    pub fn is_write_failing(&self) -> bool {
        self.shared.write_failing.load(Ordering::Relaxed)
    }

    /// Faults put in on purpose; for tests and developers.
    pub fn faults(&self) -> &Arc<Faults> {
        &self.shared.faults
    }

    /// Writes what waits and closes the store; blocks until it is done.
    pub fn close(&self) {
        let _ = self.jobs.send(Job::Close);
        self.waker.unpark();
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn ask<T, J>(&self, job: J) -> impl Future<Output = Result<T, StoreError>> + use<T, J>
    where
        J: FnOnce(Ack<T>) -> Job,
    {
        let (ack, answer) = oneshot::channel();
        let sent = self.send_urgent(job(ack));
        async move {
            match sent {
                Ok(()) => answer.await.unwrap_or(Err(StoreError::Closed)),
                Err(TrySendError::Full(_)) => Err(StoreError::Busy(QUEUE)),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            }
        }
    }

    /// For a job that somebody waits for: it is not gathered.
    fn send_urgent(&self, job: Job) -> Result<(), TrySendError<Job>> {
        self.jobs.try_send(job)?;
        self.waker.unpark();
        Ok(())
    }

    /// Waits until all that was kept before is done; not for ever, as a disk may hang.
    fn catch_up(&self) {
        takes_time("the store is waited for");
        let (done, is_done) = sync_channel(1);
        if self.send_urgent(Job::Mark(done)).is_ok() {
            let _ = is_done.recv_timeout(Duration::from_secs(2));
        }
    }

    fn index(&self) -> Result<Index, StoreError> {
        Ok(self.shared.index.read().unwrap_or_else(|e| e.into_inner()).clone()?)
    }

    fn memory(&self) -> std::sync::RwLockReadGuard<'_, Memory> {
        self.shared.memory.read().unwrap_or_else(|e| e.into_inner())
    }
}

fn read<T: serde::de::DeserializeOwned>(dir: &Path, at: Position) -> io::Result<T> {
    let entry = journal::read_at(&dir_of(dir), at)?;
    serde_json::from_slice(&entry.payload).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

fn dir_of(dir: &Path) -> PathBuf {
    dir.join("journal")
}

fn disk_error(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Disk { path: path.to_owned(), why: why(error), full: takes_nothing(error) }
}

/// Is the disk full, or may it not be written?
pub(crate) fn takes_nothing(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    is_full(error) || matches!(error.kind(), E::ReadOnlyFilesystem | E::PermissionDenied)
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(error.kind(), E::StorageFull | E::FileTooLarge | E::QuotaExceeded)
}

/// What is wrong with the disk, and how to correct it.
fn why(error: &io::Error) -> String {
    match error.kind() {
        _ if is_full(error) => format!("the disk is full ({error}); free some space"),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(
                "the disk is read-only ({error}); remount it for writing, and see the kernel's log for the reason"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("{error}; give the folder to the user that ringtrip runs as")
        }
        _ => error.to_string(),
    }
}

fn registration_key(ext: &str, contact: &str, remote: &str) -> String {
    format!("r/{ext}/{contact}/{remote}")
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
