//! The store's thread: gathers what waits, writes it as one batch with one sync, indexes it, answers. Keeps CDRs in
//! memory while the disk refuses.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ringtrip_exchange::cdr::Cdr;

use super::index::{Change, Index, IndexLost, key};
use super::journal::{Entry, Journal, Position};
use super::open::{key_of, note, rebuild_dir, try_disk};
use super::record::{BootRecord, CdrRecord, ConfigMeta, ConfigVersion, Kind};
use super::{Ack, Job, Shared, StoreError, StoreEvent, StoreOptions, dir_of, disk_error, read, sha256_hex};

/// Jobs taken together for one sync.
const BATCH: usize = 2048;
/// Nobody waits for a record of a call in progress: what follows within this time shares its sync and its index batch,
/// and of each call only the newest record is written. Somebody who asks ends the wait.
const GATHER: Duration = Duration::from_millis(200);
/// How often a refusing disk is asked again, and a lost index built again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    options: StoreOptions,
    journal: Journal,
    index: Result<Index, IndexLost>,
    /// Calls whose record is open in the index.
    open: HashSet<u64>,
    spool: VecDeque<Ready>,
    spool_octets: usize,
    /// What a start keeps and the disk did not take yet.
    late: VecDeque<(Kind, Vec<u8>)>,
    write_failing: bool,
    boot: u64,
    _lock: Option<File>,
}

/// A CDR ready to be written, and what the index must know of it.
struct Ready {
    call: u64,
    is_open: bool,
    json: Vec<u8>,
}

impl From<&CdrRecord> for Ready {
    fn from(record: &CdrRecord) -> Ready {
        let call = record.id().map_or(0, |id| id.0);
        Ready { call, is_open: record.is_open(), json: json(record) }
    }
}

/// CDRs of one batch in the order in which their calls first came: of each call the newest.
#[derive(Default)]
struct Gathered {
    records: Vec<Gathering>,
    by_call: HashMap<u64, usize>,
    acks: Vec<Ack<()>>,
}

enum Gathering {
    Cdr(Arc<Cdr>),
    Record(Box<CdrRecord>),
}

impl Gathered {
    fn add(&mut self, call: u64, record: Gathering) {
        match self.by_call.entry(call) {
            Slot::Occupied(at) => self.records[*at.get()] = record,
            Slot::Vacant(slot) => {
                slot.insert(self.records.len());
                self.records.push(record);
            }
        }
    }

    fn take(&mut self) -> Vec<Ready> {
        self.by_call.clear();
        let ready = |record: Gathering| match record {
            Gathering::Cdr(cdr) => Ready::from(&CdrRecord::from(&*cdr)),
            Gathering::Record(record) => Ready::from(&*record),
        };
        self.records.drain(..).map(ready).collect()
    }
}

impl Writer {
    pub(super) fn new(options: StoreOptions, journal: Journal, index: Index, lock: Option<File>) -> Writer {
        Writer {
            options,
            journal,
            index: Ok(index),
            open: HashSet::new(),
            spool: VecDeque::new(),
            spool_octets: 0,
            late: VecDeque::new(),
            write_failing: false,
            boot: 0,
            _lock: lock,
        }
    }

    /// Closes the CDRs of calls that died with the process before.
    pub(super) fn close_unfinished(&mut self, last_sign: Option<i64>) -> Result<u64, StoreError> {
        let index = self.index.clone()?;
        let mut open = Vec::new();
        index.backwards(vec![b'o'], vec![b'o' + 1], |key, _| {
            open.extend(key.get(1..).and_then(|k| Some(u64::from_be_bytes(k.try_into().ok()?))));
            true
        })?;
        let mut closed = 0;
        for chunk in open.chunks(BATCH) {
            let mut batch = Vec::new();
            self.open.extend(chunk);
            for call in chunk {
                let Some(at) = index.find(&key::cdr(*call))? else { continue };
                let Ok(mut record) = read::<CdrRecord>(&self.options.dir, at) else { continue };
                record.close_unfinished(last_sign.unwrap_or(record.started_micros));
                batch.push(Ready::from(&record));
            }
            closed += batch.len() as u64;
            if let Err(error) = self.commit_cdrs(&batch) {
                self.spool(batch);
                self.trouble(&error);
            }
        }
        Ok(closed)
    }

    pub(super) fn note_boot(&mut self, boot: u64) {
        self.boot = boot;
        if let Err(error) = self.commit(Kind::Boot, json(&BootRecord { boot })) {
            self.trouble(&error);
        }
    }

    pub(super) fn is_write_failing(&self) -> bool {
        self.write_failing
    }

    /// The disk refuses: said once, until it takes something again.
    fn trouble(&mut self, error: &std::io::Error) {
        let why = self.disk(error).to_string();
        if !std::mem::replace(&mut self.write_failing, true) {
            (self.options.news)(StoreEvent::Trouble { why, waiting: self.spool.len() });
        }
    }

    /// Does anything wait for the disk?
    fn is_waiting(&self) -> bool {
        let in_memory = self.index.as_ref().is_ok_and(Index::is_in_memory);
        self.write_failing
            || in_memory
            || self.index.is_err()
            || !self.spool.is_empty()
            || !self.late.is_empty()
    }

    pub(super) fn run(mut self, queue: &Receiver<Job>, shared: &Shared) {
        loop {
            let first = if self.is_waiting() {
                queue.recv_timeout(RETRY)
            } else {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let mut jobs = VecDeque::new();
            match first {
                Ok(job) => {
                    if job.can_wait() {
                        std::thread::park_timeout(GATHER);
                    }
                    jobs.push_back(job);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => jobs.push_back(Job::Close),
            }
            while jobs.len() < BATCH {
                match queue.try_recv() {
                    Ok(job) => jobs.push_back(job),
                    Err(_) => break,
                }
            }
            if self.work(jobs, shared) {
                break;
            }
            self.forget_oldest(shared);
            if self.index.is_err() {
                self.rebuild(shared);
            } else if self.index.as_ref().is_ok_and(Index::is_in_memory) && !self.write_failing {
                self.back_to_disk(shared);
            }
            shared.waiting.store(self.spool.len() as u64, Ordering::Relaxed);
            shared.write_failing.store(self.write_failing, Ordering::Relaxed);
        }
        if let Ok(index) = &self.index {
            // Clean: the next start trusts the index even after a power cycle.
            let mut change = Change::default();
            change.set(key::KERNEL, &[]);
            let _ = index.apply(change);
            let _ = index.flush();
        }
        *shared.index.write().unwrap_or_else(|e| e.into_inner()) = Err(IndexLost::closed());
    }

    /// Does the jobs in order; CDRs that stand together share a sync. Answers whether it shall close.
    fn work(&mut self, jobs: VecDeque<Job>, shared: &Shared) -> bool {
        let mut cdrs = Gathered::default();
        let mut write_behind = HashMap::new();
        let mut close = false;
        // In the order in which it came: what a start kept goes before all else.
        self.late(shared);
        for job in jobs {
            match job {
                Job::WriteCdr(cdr) => {
                    cdrs.add(cdr.call.0, Gathering::Cdr(cdr));
                    continue;
                }
                Job::Cdr { record, ack } => {
                    let call = record.id().map_or(0, |id| id.0);
                    cdrs.add(call, Gathering::Record(record));
                    cdrs.acks.push(ack);
                    continue;
                }
                Job::WriteBehind { key, value } => {
                    write_behind.insert(key, value);
                    continue;
                }
                _ => {}
            }
            self.cdrs(&mut cdrs);
            self.flush_write_behind(&mut write_behind);
            match job {
                Job::WriteCdr(_) | Job::Cdr { .. } | Job::WriteBehind { .. } => {}
                Job::Config { expected, author, note, text, ack } => {
                    let _ = ack.send(self.config(shared, expected, author, note, text));
                }
                Job::Token { record, ack } => {
                    let _ = ack.send(self.small(shared, Kind::Token, json(&*record)));
                }
                Job::Secret { record, ack } => {
                    let _ = ack.send(self.small(shared, Kind::Secret, json(&record)));
                }
                Job::Draft { record, ack } => {
                    let _ = ack.send(self.small(shared, Kind::Draft, json(&*record)));
                }
                Job::Start { kind, payload, ack } => {
                    if self.small(shared, kind, payload.clone()).is_err() {
                        let entry = Entry { kind, seq: 0, payload: payload.clone() };
                        shared.memory.write().unwrap_or_else(|e| e.into_inner()).learn_unsaved(&entry);
                        self.late.push_back((kind, payload));
                    }
                    let _ = ack.send(Ok(()));
                }
                Job::Mark(done) => {
                    let _ = done.try_send(());
                }
                Job::InjectPanic => panic!("a fault was injected"),
                Job::Close => close = true,
            }
        }
        self.cdrs(&mut cdrs);
        self.flush_write_behind(&mut write_behind);
        close
    }

    /// Writes what is written behind.
    fn flush_write_behind(&mut self, write_behind: &mut HashMap<String, Option<Vec<u8>>>) {
        if !write_behind.is_empty()
            && let Ok(index) = &self.index
            && let Err(lost) = index.put_write_behind(std::mem::take(write_behind))
        {
            self.index = Err(lost);
        }
    }

    /// Writes what a start kept and the disk did not take.
    fn late(&mut self, shared: &Shared) {
        while let Some((kind, payload)) = self.late.pop_front() {
            match self.commit(kind, payload.clone()) {
                Ok((at, entry)) => {
                    shared.memory.write().unwrap_or_else(|e| e.into_inner()).learn(at, &entry);
                }
                Err(_) => {
                    self.late.push_front((kind, payload));
                    return;
                }
            }
        }
        // With nothing to write, the end of the trouble is noticed by writing what is there already.
        if self.write_failing
            && self.spool.is_empty()
            && self.commit(Kind::Boot, json(&BootRecord { boot: self.boot })).is_ok()
        {
            self.recovered(0);
        }
    }

    fn recovered(&mut self, written: usize) {
        self.write_failing = false;
        (self.options.news)(StoreEvent::Recovered { written });
    }

    /// Writes CDRs, those that waited first. What cannot be written waits.
    fn cdrs(&mut self, gathered: &mut Gathered) {
        if gathered.records.is_empty() && self.spool.is_empty() {
            return;
        }
        let waited = self.spool.len();
        let mut result = Ok(());
        while result.is_ok() && !self.spool.is_empty() {
            let rest = self.spool.split_off(self.spool.len().min(BATCH));
            let batch = Vec::from(std::mem::replace(&mut self.spool, rest));
            result = self.commit_cdrs(&batch);
            match result {
                Ok(()) => self.spool_octets -= batch.iter().map(|r| r.json.len()).sum::<usize>(),
                Err(_) => batch.into_iter().rev().for_each(|r| self.spool.push_front(r)),
            }
        }
        let batch = gathered.take();
        if result.is_ok() && !batch.is_empty() {
            result = self.commit_cdrs(&batch);
        }
        match result {
            Ok(()) => {
                for ack in gathered.acks.drain(..) {
                    let _ = ack.send(Ok(()));
                }
                if self.write_failing && self.late.is_empty() {
                    self.recovered(waited);
                }
            }
            Err(error) => {
                self.spool(batch);
                self.trouble(&error);
                let error = self.disk(&error);
                for ack in gathered.acks.drain(..) {
                    let _ = ack.send(Err(error.clone()));
                }
            }
        }
    }

    fn spool(&mut self, batch: Vec<Ready>) {
        for record in batch {
            self.spool_octets += record.json.len();
            self.spool.push_back(record);
        }
        let mut lost = 0;
        while self.spool_octets > self.options.spool
            && let Some(oldest) = self.spool.pop_front()
        {
            self.spool_octets -= oldest.json.len();
            lost += 1;
        }
        if lost > 0 {
            (self.options.news)(StoreEvent::Lost { records: lost });
        }
    }

    fn config(
        &mut self,
        shared: &Shared,
        expected: Option<u64>,
        author: String,
        note: String,
        text: String,
    ) -> Result<ConfigMeta, StoreError> {
        let current = shared.memory.read().unwrap_or_else(|e| e.into_inner()).head();
        if let Some(expected) = expected.filter(|e| *e != current) {
            return Err(StoreError::Conflict { expected, current });
        }
        let sha256 = sha256_hex(&text);
        let meta = ConfigMeta { version: current + 1, at_micros: (self.options.now)(), author, note, sha256 };
        let version = ConfigVersion { meta: meta.clone(), text };
        self.small(shared, Kind::Config, json(&version))?;
        Ok(meta)
    }

    /// Writes one record that memory knows too.
    fn small(&mut self, shared: &Shared, kind: Kind, payload: Vec<u8>) -> Result<(), StoreError> {
        let (at, entry) = self.commit(kind, payload).map_err(|e| {
            self.trouble(&e);
            self.disk(&e)
        })?;
        shared.memory.write().unwrap_or_else(|e| e.into_inner()).learn(at, &entry);
        Ok(())
    }

    /// Journal first, then index. A failing index costs nothing: it is built again.
    fn commit(&mut self, kind: Kind, payload: Vec<u8>) -> std::io::Result<(Position, Entry)> {
        let places = self.journal.append(&[(kind, &payload)])?;
        let entry = Entry { kind, seq: 0, payload };
        let at = *places.first().ok_or(std::io::ErrorKind::Other)?;
        let mut change = Change::default();
        note(&mut change, at, &entry);
        change.end(self.journal.end());
        self.index_apply(change);
        Ok((at, entry))
    }

    /// The same for CDRs, which come by the thousand: what the index must know is known without reading them again.
    fn commit_cdrs(&mut self, batch: &[Ready]) -> std::io::Result<()> {
        let records: Vec<_> = batch.iter().map(|r| (Kind::Cdr, &r.json[..])).collect();
        let places = self.journal.append(&records)?;
        let mut change = Change::default();
        for (record, at) in batch.iter().zip(places) {
            change.place(key::cdr(record.call), at);
            if record.is_open {
                self.open.insert(record.call);
                change.set(&key::open(record.call), &[]);
            } else if self.open.remove(&record.call) {
                change.remove(key::open(record.call));
            }
        }
        change.end(self.journal.end());
        self.index_apply(change);
        Ok(())
    }

    fn index_apply(&mut self, change: Change) {
        if let Ok(index) = &self.index
            && let Err(lost) = index.apply(change)
        {
            tracing::error!(%lost, "the index is built again");
            self.index = Err(lost);
        }
    }

    /// When more is kept than allowed, the oldest segment goes: its CDRs are forgotten, all else in it that still
    /// counts is written again first. Configuration versions and tokens are never forgotten.
    fn forget_oldest(&mut self, shared: &Shared) {
        let Some((oldest, octets)) = self.journal.oldest() else { return };
        if octets <= self.options.keep {
            return;
        }
        let (Ok(index), Ok(records)) = (self.index.clone(), self.journal.records_of(oldest)) else { return };
        let mut change = Change::default();
        let (mut again, mut forgotten) = (Vec::new(), 0);
        for (at, entry) in records {
            // Only what the index still points at counts: a newer record of the same thing has replaced the others,
            // and writing an old one again would bring it back.
            let Some(key) = key_of(&entry).filter(|key| index.find(key).ok().flatten() == Some(at)) else {
                continue;
            };
            match entry.kind {
                Kind::Cdr => {
                    change.remove(key);
                    forgotten += 1;
                }
                _ => again.push((entry.kind, entry.payload)),
            }
        }
        let records: Vec<_> = again.iter().map(|(kind, payload)| (*kind, &payload[..])).collect();
        let Ok(places) = (if again.is_empty() { Ok(Vec::new()) } else { self.journal.append(&records) })
        else {
            return;
        };
        for ((kind, payload), at) in again.into_iter().zip(places) {
            let entry = Entry { kind, seq: 0, payload };
            note(&mut change, at, &entry);
            shared.memory.write().unwrap_or_else(|e| e.into_inner()).learn(at, &entry);
        }
        change.end(self.journal.end());
        self.index_apply(change);
        let flushed = self.index.clone().and_then(|index| index.flush());
        if flushed.is_ok()
            && let Err(error) = self.journal.drop_segment(oldest)
        {
            tracing::warn!(%error, "an old journal segment could not be removed");
        }
        if forgotten > 0 {
            (self.options.news)(StoreEvent::Forgotten { records: forgotten });
        }
    }

    /// Builds the index again from the journal, while it is open.
    fn rebuild(&mut self, shared: &Shared) {
        *shared.index.write().unwrap_or_else(|e| e.into_inner()) = self.index.clone();
        let fresh = match try_disk(&self.options.dir) {
            Ok(()) => rebuild_dir(&self.options.dir.join("index")),
            Err(_) => Ok(Index::in_memory()),
        };
        let filled = fresh.and_then(|index| {
            fill(&dir_of(&self.options.dir), &self.journal, &index)?;
            Ok(index)
        });
        if let Ok(index) = &filled {
            *shared.index.write().unwrap_or_else(|e| e.into_inner()) = Ok(index.clone());
            tracing::info!("the index has been rebuilt");
        }
        self.index = filled;
    }

    /// The disk takes something again: the index goes back to it.
    fn back_to_disk(&mut self, shared: &Shared) {
        let Some(in_memory) = self.index.clone().ok().filter(|_| try_disk(&self.options.dir).is_ok()) else {
            return;
        };
        let filled = rebuild_dir(&self.options.dir.join("index")).and_then(|index| {
            fill(&dir_of(&self.options.dir), &self.journal, &index)?;
            index.put_write_behind(in_memory.take_write_behind())?;
            Ok(index)
        });
        match filled {
            Ok(index) => {
                *shared.index.write().unwrap_or_else(|e| e.into_inner()) = Ok(index.clone());
                self.index = Ok(index);
                tracing::info!("the index is on the disk again");
            }
            Err(lost) => tracing::warn!(%lost, "the index stays in memory"),
        }
    }

    fn disk(&self, error: &std::io::Error) -> StoreError {
        disk_error(&dir_of(&self.options.dir), error)
    }
}

fn fill(dir: &Path, journal: &Journal, index: &Index) -> Result<(), IndexLost> {
    for segment in journal.numbers() {
        let records = journal.records_of(segment).map_err(|e| IndexLost::from_io(dir, &e))?;
        for chunk in records.chunks(1000) {
            let mut change = Change::default();
            for (at, entry) in chunk {
                note(&mut change, *at, entry);
            }
            index.apply(change)?;
        }
    }
    let mut change = Change::default();
    change.end(journal.end());
    index.apply(change)
}

/// Our records are plain structs: they always serialise.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
