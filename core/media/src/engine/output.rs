//! What the engine wants done: packets sent, events told, recordings written. One [`Output`] is used again and again, so
//! that nothing is allocated in the steady state.

use std::net::{IpAddr, SocketAddr};

use ringtrip_model::ids::CallId;

use super::{MediaEvent, RecordingOutput};
use crate::session::Outgoing;

/// The largest packet that is written: more than a network carries in one piece.
const LARGEST: usize = 2048;

/// What should now happen.
#[derive(Debug, Default)]
pub struct Output {
    /// Packets to send, in this order.
    pub transmits: Vec<Transmit>,
    /// What was heard or done, and whose call it is; `None`: whoever has the board port.
    pub events: Vec<(Option<CallId>, MediaEvent)>,
    /// Sound for recordings.
    pub recordings: Vec<RecordingOutput>,
    /// RTP ports that no call has any more.
    pub closed: Vec<u16>,
    /// The frame of a board that was given needs no answer.
    pub leave_out: bool,
    /// Before the answer to it the board is to be given so many silent frames, which then wait: a pause now, so that there is
    /// none in what follows if this machine is late.
    pub put_ahead: u64,
    bytes: Vec<u8>,
    used: usize,
}

/// A packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// From which leased port: the even number.
    pub port: u16,
    /// From the RTP socket, or from that of the odd port after it.
    pub channel: Channel,
    /// The address of ours that the peer knows, if that matters.
    pub source: Option<IpAddr>,
    /// Where to.
    pub to: SocketAddr,
    /// The octets.
    pub data: TransmitData,
}

/// Which of a pair of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// Where the octets of a packet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransmitData {
    /// So many octets of the buffer in which the packet came that was given: it was changed in place.
    Received(usize),
    /// In the output itself.
    Written {
        /// Where they begin.
        at: usize,
        /// How many.
        len: usize,
    },
}

impl Output {
    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        self.transmits.clear();
        self.events.clear();
        self.recordings.clear();
        self.closed.clear();
        (self.used, self.leave_out, self.put_ahead) = (0, false, 0);
    }

    /// The octets of a packet to send; `received` is the buffer that was given with the input.
    pub fn bytes<'a>(&'a self, transmit: &Transmit, received: &'a [u8]) -> &'a [u8] {
        match transmit.data {
            TransmitData::Received(len) => received.get(..len).unwrap_or_default(),
            TransmitData::Written { at, len } => self.bytes.get(at..at + len).unwrap_or_default(),
        }
    }

    /// Sends on the packet that was given.
    pub(super) fn received(&mut self, port: u16, source: Option<IpAddr>, outgoing: Outgoing) {
        if let Outgoing::Send { to, len } = outgoing {
            let data = TransmitData::Received(len);
            self.transmits.push(Transmit { port, channel: Channel::Rtp, source, to, data });
        }
    }

    /// Room for a packet of ours.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.bytes.len() < self.used + LARGEST {
            self.bytes.resize(self.used + LARGEST, 0);
        }
        &mut self.bytes[self.used..self.used + LARGEST]
    }

    /// Sends what was written into [`Output::room`].
    pub(super) fn written(
        &mut self,
        port: u16,
        channel: Channel,
        source: Option<IpAddr>,
        outgoing: Outgoing,
    ) {
        if let Outgoing::Send { to, len } = outgoing {
            let data = TransmitData::Written { at: self.used, len };
            self.transmits.push(Transmit { port, channel, source, to, data });
            self.used += len;
        }
    }

    /// Tells an event.
    pub(super) fn tell(&mut self, call: Option<CallId>, event: MediaEvent) {
        self.events.push((call, event));
    }
}
