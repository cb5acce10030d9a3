//! The records of calls: kept, and shown in pages.

use std::future::Future;
use std::sync::Arc;

use ringtrip_exchange::cdr::Cdr;

use super::index::key;
use super::record::CdrRecord;
use super::{Job, Store, StoreError, disk_error, read};

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

/// Records looked at for one page, so that a filter that matches nothing costs a bounded time.
const EXAMINED: usize = 10_000;

impl Store {
    /// Keeps a CDR and answers when it is on the disk. On [`StoreError::Disk`] it waits in memory and is written as
    /// soon as the disk allows.
    pub fn put_cdr(&self, record: CdrRecord) -> impl Future<Output = Result<(), StoreError>> + use<> {
        self.ask(move |ack| Job::Cdr { record: Box::new(record), ack })
    }

    /// Keeps a CDR without waiting: for calls, which never wait for a disk. `false` means that the queue is full and
    /// the record was not taken.
    pub fn write_cdr(&self, cdr: Arc<Cdr>) -> bool {
        self.jobs.try_send(Job::WriteCdr(cdr)).is_ok()
    }

    /// One CDR. Waits until what was kept before can be seen, and reads the disk.
    ///
    /// # Errors
    /// There is no CDR of this call, the index is being rebuilt, or the disk cannot be read.
    pub fn cdr(&self, call: u64) -> Result<CdrRecord, StoreError> {
        self.catch_up();
        let at = self.index()?.find(&key::cdr(call))?;
        let at = at.ok_or_else(|| StoreError::Missing(format!("call {call:016x}")))?;
        read(&self.shared.dir, at).map_err(|e| disk_error(&self.shared.dir, &e))
    }

    /// A page of CDRs, newest first. Waits until what was kept before can be seen, and reads the disk.
    ///
    /// # Errors
    /// The index is being rebuilt, or cannot be read. A damaged record is counted, and not an error.
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
