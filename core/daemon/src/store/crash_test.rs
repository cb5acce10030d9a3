//! The writing half of the kill test: a process that writes until it is killed and says, on standard output, what
//! was acknowledged. The reader of the pipe knows which records must be there afterwards.

use std::io::{self, Write};
use std::path::Path;

use super::index::{Index, put_without_flush};
use super::record::{CallerRecord, CdrRecord, EndedByRecord, ProvenanceRecord, SourceRecord};
use super::{Store, StoreError, StoreOptions, sha256_hex};

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the exchange does.
    Durable,
    /// Straight into sled without a flush, acknowledged at once: the negative control, which must lose records.
    Unflushed,
}

/// Writes until killed, or until `rounds` are done. Every acknowledged record is one line: `cdr CALL SHA256` or
/// `config VERSION SHA256`.
///
/// # Errors
/// The store or its index fails.
pub async fn write(dir: &Path, mode: Mode, seed: u64, rounds: u64) -> Result<(), StoreError> {
    match mode {
        Mode::Durable => write_durable(dir, seed, rounds).await,
        Mode::Unflushed => {
            let index = Index::open(&dir.join("index"))?;
            for n in 0..rounds {
                let record = sample((seed << 32) | n, n % 2 == 1);
                let bytes = serde_json::to_vec(&record).unwrap_or_default();
                put_without_flush(&index, (seed << 32) | n, &bytes)?;
                say(&format!("cdr {} {}", record.call, checksum(&record)));
            }
            Ok(())
        }
    }
}

async fn write_durable(dir: &Path, seed: u64, rounds: u64) -> Result<(), StoreError> {
    let mut options = StoreOptions::new(dir);
    options.segment_limit = 64 << 10;
    let store = Store::open(options)?;
    for n in 0..rounds {
        let records: Vec<_> = (0..8).map(|i| sample((seed << 32) | (n * 8 + i), true)).collect();
        let acks: Vec<_> = records.iter().map(|r| (r, store.put_cdr(r.clone()))).collect();
        for (record, ack) in acks {
            ack.await?;
            say(&format!("cdr {} {}", record.call, checksum(record)));
        }
        if n % 4 == 0 {
            let text = format!("# seed {seed} round {n}\n{}", "x".repeat((n % 900) as usize));
            let meta = store.put_config(None, "torture", "", &text).await?;
            say(&format!("config {} {}", meta.version, meta.sha256));
        }
    }
    store.close();
    Ok(())
}

/// How many acknowledged records are missing or differ, and how many there were.
///
/// # Errors
/// The store or its index cannot be opened or read.
pub fn missing(dir: &Path, mode: Mode, acknowledged: &str) -> Result<(u64, u64), StoreError> {
    let mut options = StoreOptions::new(dir);
    options.segment_limit = 64 << 10;
    let unflushed = (mode == Mode::Unflushed).then(|| Index::open(&dir.join("index"))).transpose()?;
    let store = (mode == Mode::Durable).then(|| Store::open(options)).transpose()?;
    let (mut lost, mut all) = (0, 0);
    // The last line may be cut off in the middle: only what ends in a line feed was said.
    for line in acknowledged.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')) {
        let mut words = line.split(' ');
        let (Some(what), Some(name), Some(sum)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        all += 1;
        let call = u64::from_str_radix(name, 16).unwrap_or(0);
        let found = match (&store, &unflushed, what) {
            (Some(store), _, "config") => {
                name.parse().ok().and_then(|v| store.config(v).ok()).map(|c| sha256_hex(&c.text))
            }
            (Some(store), _, _) => store.cdr(call).ok().map(|r| checksum(&r)),
            (None, Some(index), _) => index
                .get(&super::key::cdr(call))?
                .and_then(|v| serde_json::from_slice::<CdrRecord>(&v).ok())
                .map(|r| checksum(&r)),
            (None, None, _) => None,
        };
        lost += u64::from(found.as_deref() != Some(sum));
    }
    if let Some(store) = store {
        store.close();
    }
    Ok((lost, all))
}

/// A CDR as a call would leave it.
pub fn sample(call: u64, closed: bool) -> CdrRecord {
    CdrRecord {
        call: format!("{call:016x}"),
        source: SourceRecord { kind: "extension".to_owned(), name: format!("{}", 100 + call % 900) },
        caller: CallerRecord {
            number: format!("{}", 100 + call % 900),
            name: "Ann".to_owned(),
            private: false,
        },
        verstat: None,
        dialled: format!("0{:09}", call % 1_000_000_000),
        sent: format!("0{:09}", call % 1_000_000_000),
        target: "gw1".to_owned(),
        carrier: String::new(),
        attempts: Vec::new(),
        parties: Vec::new(),
        started_micros: 1_700_000_000_000_000 + i64::try_from(call & 0xffff_ffff).unwrap_or(0) * 1000,
        answered_after_us: Some(2_000_000 + call % 1_000_000),
        ended_after_us: closed.then_some(60_000_000 + call % 9_000_000),
        cause: closed.then(|| "normal".to_owned()),
        ended_by: closed.then_some(EndedByRecord::Caller),
        emergency: false,
        provenance: ProvenanceRecord {
            alternative: Some("0xxxxxxxxx".to_owned()),
            script: Some("default.rhai:12".to_owned()),
            because: "national numbers go to gw1".to_owned(),
            steps: Vec::new(),
        },
        pin: None,
        quote: None,
        cost: None,
        recording: None,
        a: None,
        b: None,
    }
}

fn checksum(record: &CdrRecord) -> String {
    sha256_hex(&serde_json::to_string(record).unwrap_or_default())
}

fn say(line: &str) {
    // One write a line, so that a reader sees whole lines or nothing of the last.
    let mut out = io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}
