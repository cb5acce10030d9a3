//! The journal: the only place where durable records live. Append-only segments of checksummed records, each batch
//! followed by one `fdatasync` before anybody learns that it is kept. The sled index beside it only says where a
//! record lies, and can be built again from here.
//!
//! A record is `len:u32 crc32:u32 version:u8 kind:u8 seq:u64 payload`, little endian; `len` and the checksum cover
//! all after the checksum. A segment starts with `"RTJ1" first_seq:u64 crc32:u32`. A record whose `seq` is not below the
//! next segment's `first_seq` was never acknowledged (its sync failed) and is void.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::record::Kind;

/// Where a record lies. Written into the index as 20 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment.
    pub segment: u64,
    /// Offset of the record in it.
    pub offset: u64,
    /// Length of the whole record.
    pub len: u32,
}

/// A record read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its number: counts up over the life of the journal.
    pub seq: u64,
    /// Its content, JSON.
    pub payload: Vec<u8>,
}

/// Faults put in on purpose, by tests and by a developer: 0 is none, else an errno.
#[derive(Debug, Default)]
pub struct Faults {
    /// What the next writes answer.
    pub write: AtomicI32,
    /// What the next syncs answer.
    pub sync: AtomicI32,
}

/// What opening the journal found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Records read.
    pub records: u64,
    /// Octets cut off the end: a batch that was being written when the power went.
    pub torn: u64,
    /// Damaged stretches inside, skipped.
    pub holes: u64,
    /// Records of a version that this program does not know.
    pub newer: u64,
    /// The index knew more than the journal: its end is gone, or an older one was put in its place.
    pub behind: bool,
}

/// The journal, open for writing. One per folder.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    segments: BTreeMap<u64, u64>,
    /// The newest segment; `None` while it cannot be written.
    file: Option<File>,
    number: u64,
    len: u64,
    next_seq: u64,
    /// The last sync failed, so what the file holds beyond `len` is unknown: the next batch goes to a new segment.
    suspect: bool,
    segment_limit: u64,
    faults: Arc<Faults>,
}

const MAGIC: &[u8; 4] = b"RTJ1";
const HEADER: u64 = 16;
const RECORD_HEADER: usize = 8;
const BODY_HEADER: usize = 10;
const VERSION: u8 = 1;
/// Longest record: a configuration of 1 MiB, escaped as JSON at the worst six octets a character.
const RECORD_MAX: usize = 8 << 20;

impl Journal {
    /// Opens the journal in `dir` and shows every sound record from `from` on (a place that [`Journal::end`] gave) to
    /// `visit`, in order. `from` beyond the end answers `Ok(None)`: the index knows more than the journal. A journal that
    /// can be read but not written is opened: appending to it fails, and is tried anew each time.
    pub fn open(
        dir: &Path,
        from: Option<(u64, u64)>,
        segment_limit: u64,
        faults: Arc<Faults>,
        visit: &mut dyn FnMut(Position, Entry),
    ) -> io::Result<Option<(Journal, Recovery)>> {
        let mut recovery = Recovery::default();
        let made = fs::create_dir_all(dir);
        let segments = if made.is_err() && !dir.exists() { BTreeMap::new() } else { find_segments(dir)? };
        let (first_segment, first_offset) = from.unwrap_or((0, 0));
        if from.is_some() && !segments.contains_key(&first_segment) {
            return Ok(None);
        }
        let (mut last_end, mut next_seq) = (HEADER, 1);
        for (&number, &first_seq) in &segments {
            let void_from = segments.range(number + 1..).next().map_or(u64::MAX, |(_, first)| *first);
            next_seq = next_seq.max(first_seq);
            if number < first_segment {
                continue;
            }
            let bytes = fs::read(segment_path(dir, number))?;
            let start = if number == first_segment { first_offset.max(HEADER) } else { HEADER };
            if start > bytes.len() as u64 {
                return Ok(None);
            }
            let is_last = void_from == u64::MAX;
            // The newest segment is always read from its start: numbers must go on after the last one ever given,
            // and the end must be found even if the index points beyond it.
            let scan_from = if is_last { HEADER } else { start };
            let end = scan(&bytes, scan_from as usize, &mut recovery, is_last, &mut |offset, len, entry| {
                if entry.seq < void_from {
                    next_seq = next_seq.max(entry.seq + 1);
                    if offset as u64 >= start {
                        visit(Position { segment: number, offset: offset as u64, len: len as u32 }, entry);
                    }
                }
            });
            if is_last && (end as u64) < start {
                return Ok(None);
            }
            last_end = end as u64;
        }
        let newest = segments.last_key_value().map(|(number, _)| *number);
        let file = newest.and_then(|number| writable(dir, number, last_end).ok());
        let mut journal = Journal {
            dir: dir.to_owned(),
            segments,
            number: newest.unwrap_or(0),
            len: last_end,
            next_seq,
            suspect: file.is_none(),
            file,
            segment_limit,
            faults,
        };
        if newest.is_none() {
            // The first of all; if it cannot be made now, the first append tries again.
            let _ = journal.roll();
        }
        Ok(Some((journal, recovery)))
    }

    /// Appends records and returns when they are on the disk; on error none of them counts, now or after a restart.
    pub fn append(&mut self, batch: &[(Kind, &[u8])]) -> io::Result<Vec<Position>> {
        let mut bytes =
            Vec::with_capacity(batch.iter().map(|(_, p)| p.len() + RECORD_HEADER + BODY_HEADER).sum());
        let mut spans = Vec::with_capacity(batch.len());
        for (i, (kind, payload)) in batch.iter().enumerate() {
            if payload.len() + BODY_HEADER > RECORD_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "record longer than 8 MiB"));
            }
            let at = bytes.len();
            encode(&mut bytes, *kind, self.next_seq + i as u64, payload);
            spans.push((at as u64, (bytes.len() - at) as u32));
        }
        if self.suspect || self.len >= self.segment_limit {
            self.roll()?;
        }
        if let Err(error) = self.write(&bytes) {
            // What got written is cut off again; if even that fails, a new segment makes it void.
            self.suspect = self.cut().is_err();
            return Err(error);
        }
        if let Err(error) = self.sync() {
            // After a failed sync the kernel may drop the dirty pages and call the next sync good, so nothing that
            // this file says beyond `len` is believed again.
            self.suspect = true;
            let _ = self.cut();
            return Err(error);
        }
        let base = self.len;
        self.len += bytes.len() as u64;
        self.next_seq += batch.len() as u64;
        Ok(spans
            .into_iter()
            .map(|(at, len)| Position { segment: self.number, offset: base + at, len })
            .collect())
    }

    /// The place after the last record: where the next replay may start.
    pub fn end(&self) -> (u64, u64) {
        (self.number, self.len)
    }

    /// Number of the oldest segment if there is more than one, and octets in all of them but the newest.
    pub fn oldest(&self) -> Option<(u64, u64)> {
        let (&oldest, _) = self.segments.first_key_value()?;
        if oldest == self.number {
            return None;
        }
        let sealed = self.segments.keys().filter(|n| **n != self.number);
        let octets =
            sealed.filter_map(|n| fs::metadata(segment_path(&self.dir, *n)).ok()).map(|m| m.len()).sum();
        Some((oldest, octets))
    }

    /// All segments, oldest first.
    pub fn numbers(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    /// All sound records of a segment that count.
    pub fn records_of(&self, segment: u64) -> io::Result<Vec<(Position, Entry)>> {
        let mut bytes = fs::read(segment_path(&self.dir, segment))?;
        if segment == self.number {
            bytes.truncate(self.len as usize);
        }
        let void_from = self.segments.range(segment + 1..).next().map_or(u64::MAX, |(_, first)| *first);
        let mut found = Vec::new();
        scan(&bytes, HEADER as usize, &mut Recovery::default(), false, &mut |offset, len, entry| {
            if entry.seq < void_from {
                found.push((Position { segment, offset: offset as u64, len: len as u32 }, entry));
            }
        });
        Ok(found)
    }

    /// Forgets a sealed segment.
    pub fn drop_segment(&mut self, segment: u64) -> io::Result<()> {
        if segment == self.number {
            return Ok(());
        }
        fs::remove_file(segment_path(&self.dir, segment))?;
        self.segments.remove(&segment);
        sync_dir(&self.dir)
    }

    fn roll(&mut self) -> io::Result<()> {
        self.fault(&self.faults.write)?;
        let number = self.number + 1;
        fs::create_dir_all(&self.dir)?;
        self.file = Some(create_segment(&self.dir, number, self.next_seq)?);
        self.segments.insert(number, self.next_seq);
        self.number = number;
        self.len = HEADER;
        self.suspect = false;
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.fault(&self.faults.write)?;
        self.file()?.write_all_at(bytes, self.len)
    }

    fn sync(&self) -> io::Result<()> {
        self.fault(&self.faults.sync)?;
        self.file()?.sync_data()
    }

    fn cut(&self) -> io::Result<()> {
        self.file()?.set_len(self.len)
    }

    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn fault(&self, which: &AtomicI32) -> io::Result<()> {
        match which.load(Ordering::Relaxed) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Reads one record back and checks it.
pub fn read_at(dir: &Path, at: Position) -> io::Result<Entry> {
    let file = File::open(segment_path(dir, at.segment))?;
    if at.len as usize > RECORD_MAX + RECORD_HEADER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the index names an impossible record"));
    }
    let mut bytes = vec![0; at.len as usize];
    file.read_exact_at(&mut bytes, at.offset)?;
    match decode(&bytes) {
        Decoded::Record { entry, .. } => Ok(entry),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("record at {} of journal segment {} is damaged", at.offset, at.segment),
        )),
    }
}

/// Opens a segment for writing. What lies behind its last sound record is cut off: a batch that was being written.
fn writable(dir: &Path, number: u64, end: u64) -> io::Result<File> {
    let path = segment_path(dir, number);
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    if file.metadata()?.len() > end {
        // Kept aside, in case it was rot and not a torn write.
        let _ = fs::copy(&path, path.with_extension("torn"));
        file.set_len(end)?;
        file.sync_data()?;
    }
    Ok(file)
}

/// When anything was last written to the newest segment: the last sign of life of the process before.
pub fn last_written_micros(dir: &Path) -> Option<i64> {
    let (number, _) = find_segments(dir).ok()?.pop_last()?;
    let modified = fs::metadata(segment_path(dir, number)).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

enum Decoded {
    Record { entry: Entry, len: usize },
    Newer { len: usize },
    Damaged,
}

fn encode(out: &mut Vec<u8>, kind: Kind, seq: u64, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&((payload.len() + BODY_HEADER) as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(VERSION);
    out.push(kind as u8);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out[start + RECORD_HEADER..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

fn decode(bytes: &[u8]) -> Decoded {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else { return Decoded::Damaged };
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else { return Decoded::Damaged };
    let len = u32::from_le_bytes(*len) as usize;
    if !(BODY_HEADER..=RECORD_MAX).contains(&len) {
        return Decoded::Damaged;
    }
    let Some(body) = rest.get(..len) else { return Decoded::Damaged };
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Decoded::Damaged;
    }
    let Some(([version, kind], body)) = body.split_first_chunk::<2>() else { return Decoded::Damaged };
    let Some((seq, payload)) = body.split_first_chunk::<8>() else { return Decoded::Damaged };
    match (version, Kind::of(*kind)) {
        (&VERSION, Some(kind)) => Decoded::Record {
            entry: Entry { kind, seq: u64::from_le_bytes(*seq), payload: payload.to_vec() },
            len: RECORD_HEADER + len,
        },
        _ => Decoded::Newer { len: RECORD_HEADER + len },
    }
}

/// Shows every sound record from `start` on and returns the end of the last one. Damage inside is skipped by
/// looking for the next octet where a sound record starts.
fn scan(
    bytes: &[u8],
    start: usize,
    recovery: &mut Recovery,
    is_last: bool,
    visit: &mut dyn FnMut(usize, usize, Entry),
) -> usize {
    let (mut at, mut end) = (start, start);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match decode(rest) {
            Decoded::Record { entry, len } => {
                recovery.records += 1;
                visit(at, len, entry);
                at += len;
                end = at;
            }
            Decoded::Newer { len } => {
                recovery.newer += 1;
                at += len;
                end = at;
            }
            Decoded::Damaged => match next_sound(bytes, at + 1) {
                Some(next) => {
                    recovery.holes += 1;
                    at = next;
                }
                None => {
                    if is_last {
                        recovery.torn += (bytes.len() - at) as u64;
                    } else {
                        recovery.holes += 1;
                    }
                    break;
                }
            },
        }
    }
    end
}

fn next_sound(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find(|&at| {
        // The version octet is looked at first, so that the checksum is worked out at few places only.
        bytes.get(at + RECORD_HEADER) == Some(&VERSION)
            && matches!(decode(&bytes[at..]), Decoded::Record { .. })
    })
}

fn find_segments(dir: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut found = BTreeMap::new();
    let mut damaged = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "journal") {
            continue;
        }
        let Some(number) =
            path.file_stem().and_then(|s| s.to_str()).and_then(|s| u64::from_str_radix(s, 16).ok())
        else {
            continue;
        };
        match read_header(&path)? {
            Some(first_seq) => {
                found.insert(number, first_seq);
            }
            None => damaged.push((number, path)),
        }
    }
    for (number, path) in damaged {
        if fs::metadata(&path)?.len() <= HEADER {
            // Its creation was cut off: nothing was ever acknowledged from it. Where it cannot be removed it stays: a
            // segment of this number overwrites it.
            let _ = fs::remove_file(&path);
        } else {
            // Its records may still be sound; a first_seq one past the segment before voids nothing.
            let first = found.range(..number).next_back().map_or(1, |(_, first)| *first);
            let _ = fs::copy(&path, path.with_extension("damaged"));
            let seq = first_sound_seq(&path)?.unwrap_or(first);
            found.insert(number, seq);
        }
    }
    Ok(found)
}

fn first_sound_seq(path: &Path) -> io::Result<Option<u64>> {
    let bytes = fs::read(path)?;
    let mut seq = None;
    scan(&bytes, HEADER as usize, &mut Recovery::default(), false, &mut |_, _, entry| {
        seq.get_or_insert(entry.seq);
    });
    Ok(seq)
}

fn read_header(path: &Path) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER as usize];
    match File::open(path)?.read_exact_at(&mut header, 0) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let (magic, rest) = header.split_at(4);
    let (seq, crc) = rest.split_at(8);
    let sound = magic == MAGIC && crc32fast::hash(seq).to_le_bytes() == crc;
    Ok(sound.then(|| u64::from_le_bytes(seq.try_into().unwrap_or_default())))
}

fn create_segment(dir: &Path, number: u64, first_seq: u64) -> io::Result<File> {
    let path = segment_path(dir, number);
    let made = (|| {
        // A left-over of a creation that failed is overwritten; a segment with records is never created again.
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&first_seq.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&first_seq.to_le_bytes()).to_le_bytes());
        file.write_all_at(&header, 0)?;
        file.sync_all()?;
        sync_dir(dir)?;
        Ok(file)
    })();
    if made.is_err() {
        let _ = fs::remove_file(&path);
    }
    made
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.journal"))
}

impl Position {
    pub(super) fn to_bytes(self) -> [u8; 20] {
        let mut out = [0; 20];
        out[..8].copy_from_slice(&self.segment.to_be_bytes());
        out[8..16].copy_from_slice(&self.offset.to_be_bytes());
        out[16..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Position> {
        let (segment, rest) = bytes.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        Some(Position {
            segment: u64::from_be_bytes(*segment),
            offset: u64::from_be_bytes(*offset),
            len: u32::from_be_bytes(rest.try_into().ok()?),
        })
    }
}
