//! Audio between a board process and the daemon: two rings of whole-board frames in one sealed piece of shared memory.
//!
//! Each ring has one writer and one reader. The other side is not trusted: each side keeps its own index and its own
//! geometry, takes the other's index only as a hint, and touches the memory by atomics, so a process that scribbles over it
//! can make noise but no harm. The memory is made and sealed by the daemon: it cannot shrink under us.

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The daemon's side of what the lines say.
pub type RxRing = Reader;
/// The daemon's side of what the lines shall hear.
pub type TxRing = Writer;

/// Shape of a board's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Ports, 1–256.
    pub ports: usize,
    /// Samples of one port in a frame, 1–160.
    pub samples: usize,
    /// Frames in each ring, 2–1024.
    pub slots: usize,
}

/// When a frame was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Index of its first sample since audio started.
    pub sample: u64,
    /// `CLOCK_MONOTONIC`, ns.
    pub mono_ns: u64,
}

/// Takes frames out of a ring.
pub struct Reader {
    ring: Ring,
    /// How many were taken.
    at: u64,
    /// Times the writer's index made no sense.
    resyncs: u64,
}

/// Puts frames into a ring.
pub struct Writer {
    ring: Ring,
    /// How many were put.
    at: u64,
}

/// Which of the two rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Lines to daemon.
    Rx,
    /// Daemon to lines.
    Tx,
}

#[derive(Clone)]
struct Ring {
    map: Arc<Map>,
    geometry: Geometry,
    way: Way,
}

struct Map {
    base: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the memory is only touched through atomics, and lives as long as the Map.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

/// The first page holds the indices, each on a cache line of its own.
const HEADER_WORDS: usize = 512;
const SLOT_HEADER_WORDS: usize = 2;

impl Geometry {
    /// Values in one frame: samples of all ports.
    pub fn frame_len(&self) -> usize {
        self.ports * self.samples
    }
    fn sane(&self) -> bool {
        (1..=256).contains(&self.ports)
            && (1..=160).contains(&self.samples)
            && (2..=1024).contains(&self.slots)
    }
    fn slot_words(&self) -> usize {
        SLOT_HEADER_WORDS + self.frame_len().div_ceil(4)
    }
    fn words(&self) -> usize {
        HEADER_WORDS + 2 * self.slots * self.slot_words()
    }
}

/// Makes the memory for a board, sealed against change of size.
pub(crate) fn create(geometry: Geometry) -> Result<OwnedFd, Errno> {
    if !geometry.sane() {
        return Err(Errno::EINVAL);
    }
    let fd = memfd_create(c"ringtrip-board", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    nix::unistd::ftruncate(&fd, (geometry.words() * 8) as i64)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}

/// The daemon's ends.
pub(crate) fn daemon_ends(fd: &OwnedFd, geometry: Geometry) -> Result<(Reader, Writer), Errno> {
    let map = Arc::new(Map::new(fd, geometry)?);
    Ok((Reader::new(&map, geometry, Way::Rx), Writer::new(&map, geometry, Way::Tx)))
}

/// The board process's ends.
pub(crate) fn board_ends(fd: &OwnedFd, geometry: Geometry) -> Result<(Writer, Reader), Errno> {
    let map = Arc::new(Map::new(fd, geometry)?);
    Ok((Writer::new(&map, geometry, Way::Rx), Reader::new(&map, geometry, Way::Tx)))
}

impl Reader {
    fn new(map: &Arc<Map>, geometry: Geometry, way: Way) -> Reader {
        Reader { ring: Ring { map: map.clone(), geometry, way }, at: 0, resyncs: 0 }
    }

    /// Shape of the frames.
    pub fn geometry(&self) -> Geometry {
        self.ring.geometry
    }

    /// How many frames wait.
    pub fn waiting(&mut self) -> usize {
        let written = self.ring.written().load(Ordering::Acquire);
        let n = written.wrapping_sub(self.at);
        if n as usize <= self.ring.geometry.slots && n <= usize::MAX as u64 {
            return n as usize;
        }
        // Either we were lapped, which a well-behaved writer does not do, or the index is noise. Both ends count from what is
        // now there.
        self.at = written;
        self.resyncs += 1;
        self.ring.taken().store(self.at, Ordering::Release);
        0
    }

    /// Takes the oldest frame into `out`, which holds `frame_len` values; `None` when nothing waits.
    pub fn pop(&mut self, out: &mut [i16]) -> Option<Stamp> {
        if self.waiting() == 0 || out.len() != self.ring.geometry.frame_len() {
            return None;
        }
        let slot = self.ring.slot(self.at);
        let stamp = Stamp { sample: self.ring.load(slot), mono_ns: self.ring.load(slot + 1) };
        for (i, four) in out.chunks_mut(4).enumerate() {
            let word = self.ring.load(slot + SLOT_HEADER_WORDS + i).to_ne_bytes();
            for (to, from) in four.iter_mut().zip(word.chunks_exact(2)) {
                *to = i16::from_ne_bytes([from[0], from[1]]);
            }
        }
        self.at = self.at.wrapping_add(1);
        self.ring.taken().store(self.at, Ordering::Release);
        Some(stamp)
    }

    /// Leaves out the oldest frames until at most `keep` wait; answers how many.
    pub fn skip_to(&mut self, keep: usize) -> usize {
        let extra = self.waiting().saturating_sub(keep);
        self.at = self.at.wrapping_add(extra as u64);
        self.ring.taken().store(self.at, Ordering::Release);
        extra
    }

    /// Tells the writer how many frames ago that which was taken last was asked for.
    pub fn tell_age(&self, frames: u64) {
        self.ring.age().store(frames, Ordering::Relaxed);
    }

    /// How often the writer's index made no sense.
    pub fn resyncs(&self) -> u64 {
        self.resyncs
    }
}

impl Writer {
    fn new(map: &Arc<Map>, geometry: Geometry, way: Way) -> Writer {
        Writer { ring: Ring { map: map.clone(), geometry, way }, at: 0 }
    }

    /// Shape of the frames.
    pub fn geometry(&self) -> Geometry {
        self.ring.geometry
    }

    /// How many frames the reader has not taken. An index that makes no sense counts as all taken.
    pub fn waiting(&self) -> usize {
        let n = self.at.wrapping_sub(self.ring.taken().load(Ordering::Acquire));
        if n as usize <= self.ring.geometry.slots { n as usize } else { 0 }
    }

    /// How many frames ago that which the reader took last was asked for, as the reader says.
    pub fn age(&self) -> u64 {
        self.ring.age().load(Ordering::Relaxed)
    }

    /// Puts a frame of `frame_len` values; false when the ring is full or the length is wrong.
    pub fn push(&mut self, frame: &[i16], stamp: Stamp) -> bool {
        if frame.len() != self.ring.geometry.frame_len() || self.waiting() >= self.ring.geometry.slots {
            return false;
        }
        let slot = self.ring.slot(self.at);
        self.ring.store(slot, stamp.sample);
        self.ring.store(slot + 1, stamp.mono_ns);
        for (i, four) in frame.chunks(4).enumerate() {
            let mut word = [0u8; 8];
            for (to, from) in word.chunks_exact_mut(2).zip(four) {
                to.copy_from_slice(&from.to_ne_bytes());
            }
            self.ring.store(slot + SLOT_HEADER_WORDS + i, u64::from_ne_bytes(word));
        }
        self.at = self.at.wrapping_add(1);
        self.ring.written().store(self.at, Ordering::Release);
        true
    }
}

impl Ring {
    fn written(&self) -> &AtomicU64 {
        self.map.word(if self.way == Way::Rx { 0 } else { 16 })
    }
    fn taken(&self) -> &AtomicU64 {
        self.map.word(if self.way == Way::Rx { 8 } else { 24 })
    }
    fn age(&self) -> &AtomicU64 {
        self.map.word(if self.way == Way::Rx { 32 } else { 40 })
    }
    /// Word index of the slot for frame `n`: in bounds for every `n`.
    fn slot(&self, n: u64) -> usize {
        let g = self.geometry;
        let ring = if self.way == Way::Rx { 0 } else { g.slots };
        HEADER_WORDS + (ring + (n % g.slots as u64) as usize) * g.slot_words()
    }
    fn load(&self, word: usize) -> u64 {
        self.map.word(word).load(Ordering::Relaxed)
    }
    fn store(&self, word: usize, value: u64) {
        self.map.word(word).store(value, Ordering::Relaxed);
    }
}

impl Map {
    fn new(fd: &OwnedFd, geometry: Geometry) -> Result<Map, Errno> {
        let words = geometry.words();
        let size = nix::sys::stat::fstat(fd)?.st_size;
        let seals = SealFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GET_SEALS)?);
        if !geometry.sane() || size != (words * 8) as i64 || !seals.contains(SealFlag::F_SEAL_SHRINK) {
            return Err(Errno::EINVAL);
        }
        let len = std::num::NonZeroUsize::new(words * 8).ok_or(Errno::EINVAL)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice; the file is sealed, so it never gets shorter.
        let base = unsafe { mmap(None, len, prot, MapFlags::MAP_SHARED, fd.as_fd(), 0) }?;
        Ok(Map { base: base.cast(), words })
    }

    fn word(&self, i: usize) -> &AtomicU64 {
        assert!(i < self.words, "word {i} of {}: our own geometry is wrong", self.words);
        // SAFETY: in bounds by the line above, aligned because the base is a page and words are 8 bytes; atomics may be
        // shared with another process.
        unsafe { &*self.base.as_ptr().add(i) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this length, and no reference outlives the Map.
        let _ = unsafe { munmap(self.base.cast(), self.words * 8) };
    }
}

#[cfg(test)]
mod tests;
