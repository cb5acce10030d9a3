//! Packets on the control socket: `u32` length of the JSON (little endian), the JSON, then binary data up to the end.
//! A `SOCK_SEQPACKET` socket keeps packets whole, so there is no stream to lose step with.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Binary data in one packet; longer data goes in several.
pub const CHUNK: usize = 64 * 1024;
/// Longest packet taken. JSON stays far below the other half.
pub const MAX_PACKET: usize = 2 * CHUNK;
/// Longest question or answer, over all its packets (16 min of sound).
pub const MAX_BLOB: usize = 16 * 1024 * 1024;
/// Questions or answers that may be under way in pieces at once.
const MAX_OPEN: usize = 64;

/// What is wrong with a packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// Longer than [`MAX_PACKET`].
    #[error("a packet is longer than {MAX_PACKET} bytes")]
    Long,
    /// The length word is missing or points past the end.
    #[error("a packet of {0} bytes has no whole message")]
    Cut(usize),
    /// Not the JSON that this conversation speaks.
    #[error("a packet says nothing known: {0}")]
    Unknown(String),
    /// Too much data for one question or answer.
    #[error("a question or answer exceeds {MAX_BLOB} bytes, or more than {MAX_OPEN} are in pieces")]
    Flood,
    /// The message names a port that the board does not have.
    #[error("a message names port {0}, which the board does not have")]
    Port(u16),
}

/// What came of a read.
pub enum Read {
    /// A packet of this length, with the descriptors that rode on it.
    Packet(usize, Vec<OwnedFd>),
    /// Nothing there now.
    Empty,
    /// The other side closed.
    Closed,
    /// Longer than the buffer; the rest is lost.
    TooLong,
}

/// Writes a packet.
pub fn packet(msg: &impl Serialize, blob: &[u8]) -> Vec<u8> {
    // The words are plain data with string keys: serialising them cannot fail.
    let json = serde_json::to_vec(msg).unwrap_or_default();
    let mut out = Vec::with_capacity(4 + json.len() + blob.len());
    out.extend_from_slice(&(json.len() as u32).to_le_bytes());
    out.extend_from_slice(&json);
    out.extend_from_slice(blob);
    out
}

/// Reads a packet.
///
/// # Errors
/// The packet is shorter than it says, or holds no message of this type.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), BadPacket> {
    let cut = || BadPacket::Cut(bytes.len());
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let (json, blob) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(cut)?;
    let msg = serde_json::from_slice(json).map_err(|e| BadPacket::Unknown(e.to_string()))?;
    Ok((msg, blob))
}

/// The pieces of a long question or answer. `last` tells each packet's message whether more follows.
pub fn pieces<M: Serialize>(blob: &[u8], mut message: impl FnMut(bool) -> M) -> Vec<Vec<u8>> {
    if blob.is_empty() {
        return vec![packet(&message(false), &[])];
    }
    let count = blob.len().div_ceil(CHUNK);
    blob.chunks(CHUNK).enumerate().map(|(i, piece)| packet(&message(i + 1 < count), piece)).collect()
}

/// Joins pieces by id.
#[derive(Debug, Default)]
pub struct Joiner {
    open: HashMap<u64, Vec<u8>>,
}

impl Joiner {
    /// Takes a piece; answers the whole when it was the last.
    ///
    /// # Errors
    /// [`BadPacket::Flood`]: too many joins are open, or the whole exceeds [`MAX_BLOB`].
    pub fn take(&mut self, id: u64, piece: &[u8], more: bool) -> Result<Option<Vec<u8>>, BadPacket> {
        if more && !self.open.contains_key(&id) && self.open.len() >= MAX_OPEN {
            return Err(BadPacket::Flood);
        }
        let mut whole = self.open.remove(&id).unwrap_or_default();
        if whole.len() + piece.len() > MAX_BLOB {
            return Err(BadPacket::Flood);
        }
        whole.extend_from_slice(piece);
        if more {
            self.open.insert(id, whole);
            return Ok(None);
        }
        Ok(Some(whole))
    }
}

/// Sends one packet with descriptors. `EAGAIN` when the socket is full.
///
/// # Errors
/// The error of `sendmsg`.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8], fds: &[RawFd], flags: MsgFlags) -> Result<(), Errno> {
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    loop {
        let iov = [IoSlice::new(bytes)];
        match sendmsg::<()>(fd.as_raw_fd(), &iov, control, flags | MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads one packet into `buf`.
///
/// # Errors
/// The error of `recvmsg`. An empty or closed socket is not an error; see [`Read`].
pub fn receive(fd: BorrowedFd<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Read, Errno> {
    let mut control = nix::cmsg_space!([RawFd; 4]);
    loop {
        let mut iov = [IoSliceMut::new(buf)];
        let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
        let msg = match recvmsg::<()>(fd.as_raw_fd(), &mut iov, Some(&mut control), flags) {
            Ok(msg) => msg,
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => return Ok(Read::Empty),
            Err(Errno::ECONNRESET | Errno::EPIPE) => return Ok(Read::Closed),
            Err(e) => return Err(e),
        };
        let mut fds = Vec::new();
        if let Ok(all) = msg.cmsgs() {
            for c in all {
                if let ControlMessageOwned::ScmRights(raw) = c {
                    // SAFETY: the kernel just made these descriptors for us; nobody else owns them.
                    fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                }
            }
        }
        if msg.flags.contains(MsgFlags::MSG_TRUNC) {
            return Ok(Read::TooLong);
        }
        // Every message of ours has at least its length word, so an empty packet is the end of the conversation too.
        return Ok(if msg.bytes == 0 { Read::Closed } else { Read::Packet(msg.bytes, fds) });
    }
}
