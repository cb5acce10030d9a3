//! The store's thread: gathers what waits, writes it as one batch with one sync, indexes it, answers. Keeps CDRs in
//! memory while the disk refuses.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::index::{Change, Index, IndexLost, key};
use super::journal::{Entry, Journal, Position};
use super::record::{BootRecord, CdrRecord, ConfigMeta, ConfigVersion, Kind};
use super::{
    Ack, Job, Shared, StoreError, StoreNews, StoreOptions, dir_of, disk_error, key_of, note, read,
    rebuild_dir, sha256_hex,
};

/// Jobs taken together for one sync.
const BATCH: usize = 512;
/// Nobody waits for a record of a call in progress: what follows within this time shares its sync and its index batch.
const GATHER: Duration = Duration::from_millis(20);
/// How often a refusing disk is asked again, and a lost index built again.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    options: StoreOptions,
    journal: Journal,
    index: Result<Index, IndexLost>,
    spool: VecDeque<Vec<u8>>,
    spool_octets: usize,
    in_trouble: bool,
    _lock: File,
}

impl Writer {
    pub(super) fn new(options: StoreOptions, journal: Journal, index: Index, lock: File) -> Writer {
        Writer {
            options,
            journal,
            index: Ok(index),
            spool: VecDeque::new(),
            spool_octets: 0,
            in_trouble: false,
            _lock: lock,
        }
    }

    /// Closes the CDRs of calls that died with the process before.
    pub(super) fn close_orphans(&mut self, last_sign: Option<i64>) -> Result<u64, StoreError> {
        let index = self.index.clone()?;
        let mut open = Vec::new();
        index.backwards(vec![b'o'], vec![b'o' + 1], |key, _| {
            open.extend(key.get(1..).and_then(|k| Some(u64::from_be_bytes(k.try_into().ok()?))));
            true
        })?;
        let mut closed = 0;
        for chunk in open.chunks(BATCH) {
            let mut batch = Vec::new();
            for call in chunk {
                let Some(at) = index.find(&key::cdr(*call))? else { continue };
                let Ok(mut record) = read::<CdrRecord>(&self.options.dir, at) else { continue };
                record.close_orphan(last_sign.unwrap_or(record.started_micros));
                batch.push((Kind::Cdr, json(&record)));
            }
            closed += batch.len() as u64;
            self.commit(&batch).map_err(|e| self.disk(&e))?;
        }
        Ok(closed)
    }

    pub(super) fn note_boot(&mut self, boot: u64) -> Result<(), StoreError> {
        self.commit(&[(Kind::Boot, json(&BootRecord { boot }))]).map(|_| ()).map_err(|e| self.disk(&e))
    }

    pub(super) fn run(mut self, queue: &Receiver<Job>, shared: &Shared) {
        loop {
            let first = if self.spool.is_empty() && self.index.is_ok() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(RETRY)
            };
            let mut jobs = VecDeque::new();
            match first {
                Ok(job) => {
                    if job.can_wait() {
                        std::thread::sleep(GATHER);
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
            }
            shared.waiting.store(self.spool.len() as u64, Ordering::Relaxed);
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

    /// Does the jobs in order; CDRs that stand together share a sync. Answers whether it was told to close.
    fn work(&mut self, jobs: VecDeque<Job>, shared: &Shared) -> bool {
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut acks: Vec<Option<Ack<()>>> = Vec::new();
        let mut close = false;
        for job in jobs {
            if let Job::Cdr { record, ack } = job {
                records.push(json(&*record));
                acks.push(ack);
                continue;
            }
            self.cdrs(&mut records, &mut acks);
            match job {
                Job::Cdr { .. } => {}
                Job::Config { expected, author, note, text, ack } => {
                    let _ = ack.send(self.config(shared, expected, author, note, text));
                }
                Job::Token { record, ack } => {
                    let _ = ack.send(self.small(shared, Kind::Token, json(&*record)));
                }
                Job::Secret { record, ack } => {
                    let _ = ack.send(self.small(shared, Kind::Secret, json(&record)));
                }
                Job::Soon { key, value } => {
                    if let Ok(index) = &self.index
                        && let Err(lost) = index.put_soon(&key, value.as_deref())
                    {
                        self.index = Err(lost);
                    }
                }
                Job::Fall => panic!("a fault was injected"),
                Job::Close => close = true,
            }
        }
        self.cdrs(&mut records, &mut acks);
        close
    }

    /// Writes CDRs, those that waited first. What cannot be written waits.
    fn cdrs(&mut self, records: &mut Vec<Vec<u8>>, acks: &mut Vec<Option<Ack<()>>>) {
        if records.is_empty() && self.spool.is_empty() {
            return;
        }
        let waited = self.spool.len();
        let mut result = Ok(());
        while result.is_ok() && !self.spool.is_empty() {
            let n = self.spool.len().min(BATCH);
            let batch: Vec<_> = self.spool.iter().take(n).map(|r| (Kind::Cdr, r.clone())).collect();
            result = self.commit(&batch).map(|_| ());
            if result.is_ok() {
                self.spool_octets -= self.spool.drain(..n).map(|r| r.len()).sum::<usize>();
            }
        }
        let batch: Vec<_> = records.drain(..).map(|r| (Kind::Cdr, r)).collect();
        if result.is_ok() && !batch.is_empty() {
            result = self.commit(&batch).map(|_| ());
        }
        match result {
            Ok(()) => {
                for ack in acks.drain(..).flatten() {
                    let _ = ack.send(Ok(()));
                }
                if std::mem::take(&mut self.in_trouble) {
                    (self.options.news)(StoreNews::Recovered { written: waited });
                }
            }
            Err(error) => {
                let error = self.disk(&error);
                self.spool(batch);
                if !std::mem::replace(&mut self.in_trouble, true) {
                    (self.options.news)(StoreNews::Trouble {
                        why: error.to_string(),
                        waiting: self.spool.len(),
                    });
                }
                for ack in acks.drain(..).flatten() {
                    let _ = ack.send(Err(error.clone()));
                }
            }
        }
    }

    fn spool(&mut self, batch: Vec<(Kind, Vec<u8>)>) {
        for (_, record) in batch {
            self.spool_octets += record.len();
            self.spool.push_back(record);
        }
        let mut lost = 0;
        while self.spool_octets > self.options.spool
            && let Some(oldest) = self.spool.pop_front()
        {
            self.spool_octets -= oldest.len();
            lost += 1;
        }
        if lost > 0 {
            (self.options.news)(StoreNews::Lost { records: lost });
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
        let current = shared
            .memory
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .configs
            .last_key_value()
            .map_or(0, |(v, _)| *v);
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
        let batch = [(kind, payload)];
        let places = self.commit(&batch).map_err(|e| self.disk(&e))?;
        let [(kind, payload)] = batch;
        let mut memory = shared.memory.write().unwrap_or_else(|e| e.into_inner());
        for at in places {
            memory.learn(at, &Entry { kind, seq: 0, payload: payload.clone() });
        }
        Ok(())
    }

    /// Journal first, then index. A failing index costs nothing: it is built again.
    fn commit(&mut self, batch: &[(Kind, Vec<u8>)]) -> std::io::Result<Vec<Position>> {
        let places = self.journal.append(batch)?;
        let mut change = Change::default();
        for ((kind, payload), at) in batch.iter().zip(&places) {
            note(&mut change, *at, &Entry { kind: *kind, seq: 0, payload: payload.clone() });
        }
        change.end(self.journal.end());
        self.index_apply(change);
        Ok(places)
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
        let mut again = Vec::new();
        for (at, entry) in records {
            // Only what the index still points at counts: a newer record of the same thing has replaced the others,
            // and writing an old one again would bring it back.
            let Some(key) = key_of(&entry).filter(|key| index.find(key).ok().flatten() == Some(at)) else {
                continue;
            };
            match entry.kind {
                Kind::Cdr => change.remove(key),
                _ => again.push((entry.kind, entry.payload)),
            }
        }
        let Ok(places) = (if again.is_empty() { Ok(Vec::new()) } else { self.journal.append(&again) }) else {
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
    }

    /// Builds the index again from the journal, while it is open.
    fn rebuild(&mut self, shared: &Shared) {
        *shared.index.write().unwrap_or_else(|e| e.into_inner()) = self.index.clone();
        let fresh = rebuild_dir(&self.options.dir.join("index"));
        let filled = fresh.and_then(|index| {
            fill(&dir_of(&self.options.dir), &self.journal, &index)?;
            Ok(index)
        });
        if let Ok(index) = &filled {
            *shared.index.write().unwrap_or_else(|e| e.into_inner()) = Ok(index.clone());
            tracing::info!("the index is whole again");
        }
        self.index = filled;
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
