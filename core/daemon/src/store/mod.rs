//! The memory of the exchange, in domain verbs of two strengths.
//!
//! *Durable*: CDRs, configuration versions, tokens. Acknowledged means on the disk: one thread gathers what is
//! waiting, appends it to a checksummed journal, calls `fdatasync` once, and only then answers.
//! *Soon*: registrations. Kept within a second; phones bring back what is lost.
//!
//! Nobody waits for the record of a call: it is written with all others of the next fifth of a second, or at once when
//! somebody asks for records.
//!
//! Measured before it was built: sled 0.34 loses acknowledged records under kill -9 unless flushed, and its flush
//! is `sync_file_range`, which does not survive a power cut. So the journal is the truth and sled the index.
//!
//! A full or failing disk never stops a call: CDRs wait in memory (bounded) with an alarm, anything else is
//! refused whole.

mod draft;
mod index;
mod journal;
mod record;
pub mod torture;
mod writer;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::Thread;
use std::time::Duration;

use ringtrip_switch::cdr::Cdr;

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

pub use draft::{Activated, DraftPhase, DraftRecord, DraftState, Parts, PluginRecord};
pub use index::IndexLost;
use index::{Change, Index, key};
use journal::{Entry, Journal, Position};
pub use journal::{Faults, Recovery};
use record::{BootRecord, Kind, SecretRecord};
pub use record::{
    CallerRecord, CdrRecord, ConfigMeta, ConfigVersion, CostRecord, FiguresRecord, ProvenanceRecord,
    QuoteRecord, RegistrationRecord, Scope, SourceRecord, StepRecord, TokenRecord,
};

/// Why the store said no.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full or failing. Nothing of the request was kept, unless it was a CDR: that waits in memory.
    #[error("cannot write to {path}: {why}")]
    Disk { path: PathBuf, why: String, full: bool },
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
pub enum StoreNews {
    /// CDRs cannot be written; this many wait in memory.
    Trouble { why: String, waiting: usize },
    /// The memory for waiting CDRs is full; this many were lost.
    Lost { records: u64 },
    /// All that waited is written.
    Recovered { written: usize },
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
    /// Now, microseconds since 1970 UTC.
    pub now: fn() -> i64,
    /// Told when something happens that an operator must know; called on the store's thread, must not block.
    pub news: Arc<dyn Fn(StoreNews) + Send + Sync>,
}

impl StoreOptions {
    /// The usual limits for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> StoreOptions {
        StoreOptions {
            dir: dir.into(),
            segment_limit: 8 << 20,
            keep: 512 << 20,
            spool: 16 << 20,
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
    boot: u64,
    recovery: Recovery,
    orphans: u64,
}

/// Small things kept in memory whole, so that they are there even when the index is not.
#[derive(Default)]
struct Memory {
    configs: BTreeMap<u64, (ConfigMeta, Position)>,
    tokens: BTreeMap<String, TokenRecord>,
    secrets: BTreeMap<String, String>,
    drafts: BTreeMap<String, DraftRecord>,
}

type Ack<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    /// A record that nobody waits for.
    Keep(Arc<Cdr>),
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
    Soon {
        key: String,
        value: Option<Vec<u8>>,
    },
    /// Say when all before this is done.
    Mark(SyncSender<()>),
    Fall,
    Close,
}

impl Job {
    /// Does nobody wait for its answer?
    fn can_wait(&self) -> bool {
        matches!(self, Job::Keep(_) | Job::Soon { .. })
    }
}

/// Which CDRs to show. Newest first.
#[derive(Debug, Clone, Default)]
pub struct CdrQuery {
    /// Only calls before this one: the cursor of the page before.
    pub before: Option<u64>,
    /// Only calls that started at or after this, µs since 1970.
    pub since_micros: Option<i64>,
    /// At most so many; 1–500.
    pub limit: usize,
    /// Only calls where a party, number or target is or contains this.
    pub party: Option<String>,
    /// Only calls that ended so.
    pub cause: Option<String>,
    /// Only calls that live (`true`) or ended (`false`).
    pub open: Option<bool>,
}

/// A page of CDRs.
#[derive(Debug, Clone, Default)]
pub struct CdrPage {
    /// The records, newest first.
    pub records: Vec<CdrRecord>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<u64>,
    /// Records that could not be read back.
    pub damaged: u64,
}

/// How many jobs may wait for the disk.
const QUEUE: usize = 16_384;
/// Records looked at for one page, so that a filter that matches nothing costs a bounded time.
const EXAMINED: usize = 10_000;

impl Store {
    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.shared.dir
    }

    /// Opens the store: replays the journal, rebuilds the index if it cannot be trusted, closes CDRs whose calls died
    /// with the process.
    pub fn open(options: StoreOptions) -> Result<Store, StoreError> {
        let dir = options.dir.clone();
        let disk = |e: io::Error| disk_error(&dir, &e);
        if !dir.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(disk)?;
        }
        let lock = lock(&dir)?;
        let faults = Arc::new(Faults::default());
        let last_sign = journal::last_written_micros(&dir.join("journal"));
        let (journal, index, recovery) = open_both(&options, &faults)?;
        if recovery.newer > 0 {
            return Err(StoreError::Newer { path: dir.join("journal"), records: recovery.newer });
        }
        let memory = Memory::load(&dir, &index)?;
        let boot = match index.find(key::BOOT)? {
            Some(at) => read::<BootRecord>(&dir, at).map_or(1, |b| b.boot + 1),
            None => 1,
        };
        let mut writer = writer::Writer::new(options, journal, index.clone(), lock);
        let orphans = writer.close_orphans(last_sign)?;
        writer.note_boot(boot)?;
        let shared = Arc::new(Shared {
            dir,
            index: RwLock::new(Ok(index)),
            memory: RwLock::new(memory),
            faults,
            waiting: AtomicU64::new(0),
            boot,
            recovery,
            orphans,
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
    pub fn fall(&self) {
        let _ = self.hurry(Job::Fall);
    }

    /// Keeps a CDR and answers when it is on the disk. On [`StoreError::Disk`] it waits in memory and is written as
    /// soon as the disk allows.
    pub fn put_cdr(&self, record: CdrRecord) -> impl Future<Output = Result<(), StoreError>> + use<> {
        self.ask(move |ack| Job::Cdr { record: Box::new(record), ack })
    }

    /// Keeps a CDR without waiting: for calls, which never wait for a disk. `false` means that the queue is full and
    /// the record was not taken.
    pub fn keep_cdr(&self, cdr: Arc<Cdr>) -> bool {
        self.jobs.try_send(Job::Keep(cdr)).is_ok()
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
        self.memory().configs.values().map(|(meta, _)| meta.clone()).collect()
    }

    /// The number of the newest version; 0 before the first.
    pub fn config_head(&self) -> u64 {
        self.memory().configs.last_key_value().map_or(0, |(v, _)| *v)
    }

    /// A version with its text. Reads the disk.
    pub fn config(&self, version: u64) -> Result<ConfigVersion, StoreError> {
        let missing = || StoreError::Missing(format!("configuration version {version}"));
        let at = self.memory().configs.get(&version).map(|(_, at)| *at).ok_or_else(missing)?;
        read(&self.shared.dir, at).map_err(|e| disk_error(&self.shared.dir, &e))
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

    /// One CDR. Waits until what was kept before can be seen, and reads the disk.
    pub fn cdr(&self, call: u64) -> Result<CdrRecord, StoreError> {
        self.catch_up();
        let at = self.index()?.find(&key::cdr(call))?;
        let at = at.ok_or_else(|| StoreError::Missing(format!("call {call:016x}")))?;
        read(&self.shared.dir, at).map_err(|e| disk_error(&self.shared.dir, &e))
    }

    /// A page of CDRs, newest first. Waits until what was kept before can be seen, and reads the disk.
    pub fn cdrs(&self, query: &CdrQuery) -> Result<CdrPage, StoreError> {
        self.catch_up();
        let limit = query.limit.clamp(1, 500);
        let mut page = CdrPage::default();
        let mut examined = 0;
        let mut last = None;
        let to = query.before.map_or(vec![b'c' + 1], key::cdr);
        self.index()?.backwards(vec![b'c'], to, |key, at| {
            let call = key.get(1..).and_then(|k| Some(u64::from_be_bytes(k.try_into().ok()?)));
            if page.records.len() == limit || examined == EXAMINED {
                page.next = last;
                return false;
            }
            examined += 1;
            last = call;
            match at.and_then(|at| read::<CdrRecord>(&self.shared.dir, at).ok()) {
                Some(record) if query.wants(&record) => page.records.push(record),
                Some(_) => {}
                None => page.damaged += 1,
            }
            true
        })?;
        Ok(page)
    }

    /// Keeps a contact *soon*.
    pub fn save_registration(&self, record: &RegistrationRecord) {
        if let Ok(value) = serde_json::to_vec(record) {
            let key = registration_key(&record.ext, &record.contact);
            let _ = self.jobs.try_send(Job::Soon { key, value: Some(value) });
        }
    }

    /// Forgets a contact *soon*.
    pub fn forget_registration(&self, ext: &str, contact: &str) {
        let _ = self.jobs.try_send(Job::Soon { key: registration_key(ext, contact), value: None });
    }

    /// The contacts that were kept, without those that ran out. Waits until what was kept before can be seen: a desk that
    /// fell asks at once for the phones that it has just told.
    pub fn registrations(&self, now_micros: i64) -> Vec<RegistrationRecord> {
        self.catch_up();
        let kept = self.index().and_then(|i| Ok(i.all_soon()?)).unwrap_or_default();
        let records = kept.iter().filter_map(|v| serde_json::from_slice::<RegistrationRecord>(v).ok());
        records.filter(|r| r.expires_micros > now_micros).collect()
    }

    /// Keeps a small thing *soon* under a name of its own.
    pub fn keep_soon<T: serde::Serialize>(&self, name: &str, value: &T) {
        if let Ok(value) = serde_json::to_vec(value) {
            let _ = self.jobs.try_send(Job::Soon { key: name.to_owned(), value: Some(value) });
        }
    }

    /// What was kept *soon* under this name, if it is still there.
    pub fn soon<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.catch_up();
        let kept = self.index().ok()?.get_soon(name).ok()??;
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
    pub fn orphans(&self) -> u64 {
        self.shared.orphans
    }

    /// CDRs that wait in memory for the disk.
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed)
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
        let sent = self.hurry(job(ack));
        async move {
            match sent {
                Ok(()) => answer.await.unwrap_or(Err(StoreError::Closed)),
                Err(TrySendError::Full(_)) => Err(StoreError::Busy(QUEUE)),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            }
        }
    }

    /// For a job that somebody waits for: it is not gathered.
    fn hurry(&self, job: Job) -> Result<(), TrySendError<Job>> {
        self.jobs.try_send(job)?;
        self.waker.unpark();
        Ok(())
    }

    /// Waits until all that was kept before is done; not for ever, as a disk may hang.
    fn catch_up(&self) {
        let (done, is_done) = sync_channel(1);
        if self.hurry(Job::Mark(done)).is_ok() {
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

impl CdrQuery {
    fn wants(&self, record: &CdrRecord) -> bool {
        let parties =
            [&record.source.name, &record.caller.number, &record.dialled, &record.sent, &record.target];
        self.since_micros.is_none_or(|since| record.started_micros >= since)
            && self.cause.as_ref().is_none_or(|cause| record.cause.as_ref() == Some(cause))
            && self.open.is_none_or(|open| record.is_open() == open)
            && self.party.as_ref().is_none_or(|party| parties.iter().any(|p| p.contains(party.as_str())))
    }
}

impl Memory {
    fn load(dir: &Path, index: &Index) -> Result<Memory, StoreError> {
        let mut memory = Memory::default();
        for prefix in [b'v', b't', b's', b'd'] {
            index.backwards(vec![prefix], vec![prefix + 1], |_, at| {
                if let Some(at) = at
                    && let Ok(entry) = journal::read_at(&dir_of(dir), at)
                {
                    memory.learn(at, &entry);
                }
                true
            })?;
        }
        Ok(memory)
    }

    fn learn(&mut self, at: Position, entry: &Entry) {
        match entry.kind {
            Kind::Config => {
                if let Ok(config) = serde_json::from_slice::<ConfigVersion>(&entry.payload) {
                    self.configs.insert(config.meta.version, (config.meta, at));
                }
            }
            Kind::Token => {
                if let Ok(token) = serde_json::from_slice::<TokenRecord>(&entry.payload) {
                    self.tokens.insert(token.id.clone(), token);
                }
            }
            Kind::Secret => {
                if let Ok(secret) = serde_json::from_slice::<SecretRecord>(&entry.payload) {
                    self.secrets.insert(secret.name, secret.hash);
                }
            }
            Kind::Draft => {
                if let Ok(draft) = serde_json::from_slice::<DraftRecord>(&entry.payload) {
                    self.drafts.insert(draft.name.clone(), draft);
                }
            }
            Kind::Cdr | Kind::Boot => {}
        }
    }
}

/// Opens journal and index together. The index is built anew when it fails, knows more than the journal, or was
/// last open before the machine lost power (sled's flush does not survive that).
fn open_both(options: &StoreOptions, faults: &Arc<Faults>) -> Result<(Journal, Index, Recovery), StoreError> {
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
fn rebuild_dir(index_dir: &Path) -> Result<Index, IndexLost> {
    let aside = index_dir.with_extension("set-aside");
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::rename(index_dir, &aside);
    Index::open(index_dir)
}

/// What a journal record means for the index.
fn note(change: &mut Change, at: Position, entry: &Entry) {
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
fn key_of(entry: &Entry) -> Option<Vec<u8>> {
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

fn read<T: serde::de::DeserializeOwned>(dir: &Path, at: Position) -> io::Result<T> {
    let entry = journal::read_at(&dir_of(dir), at)?;
    serde_json::from_slice(&entry.payload).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

fn dir_of(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// One process a store: a lock that the kernel lets go when the process dies, however it dies. A process just
/// killed may take a moment to go, so the lock is waited for shortly.
fn lock(dir: &Path) -> Result<File, StoreError> {
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

fn disk_error(path: &Path, error: &io::Error) -> StoreError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge)
        || error.kind() == io::ErrorKind::QuotaExceeded;
    let why = if full { format!("the disk is full ({error}); free some space") } else { error.to_string() };
    StoreError::Disk { path: path.to_owned(), why, full }
}

fn registration_key(ext: &str, contact: &str) -> String {
    format!("r/{ext}/{contact}")
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
