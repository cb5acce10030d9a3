//! Recordings: two endpoints of a call, the caller on the left, in frames of 20 ms that the shell writes.
//!
//! Both sides are on one clock. Where a telephone or landline takes part it is the board's: what the line said stands
//! beside what it heard at that moment, sample by sample. Between two RTP endpoints it is ours, and each packet stands where
//! its timestamp says (`recording/track.rs`).

mod track;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use ringtrip_model::ids::CallId;

use self::track::Track;
use super::Endpoint;
use crate::codec_pair::{Decoder, LONGEST, Rate};
use crate::plc::Concealer;
use crate::rtp::Header;
use crate::sound::CodecKind;

/// Samples in 20 ms.
pub(super) const FRAME: usize = 160;
/// So much later than it came the sound of RTP endpoints is handed on: packets that wander find their place until then.
const BEHIND: Duration = Duration::from_millis(400);

/// What a recording wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingOutput {
    /// A file begins.
    Begin {
        /// The call.
        call: CallId,
        /// A file name in the recordings folder.
        file: String,
    },
    /// The next 20 ms: samples of both sides in turn, left first.
    Frame {
        /// The call.
        call: CallId,
        /// The samples.
        samples: Box<[i16; 2 * FRAME]>,
    },
    /// The file ends.
    End {
        /// The call.
        call: CallId,
    },
}

/// The calls that are being recorded.
#[derive(Default)]
pub(super) struct Recordings {
    open: HashMap<CallId, Recording>,
}

/// One of them.
pub(super) struct Recording {
    endpoints: [Endpoint; 2],
    clock: Clock,
}

/// Whose clock it is.
enum Clock {
    /// That of a board: of which side, and what has come of both.
    Board { side: usize, waiting: [VecDeque<i16>; 2], plc: Box<Concealer> },
    /// Ours: when it began, and how many frames were handed on.
    Ours { tracks: Box<[Track; 2]>, decoders: [Option<Decoder>; 2], began: Instant, frames: u64 },
}

impl Recordings {
    /// Begins with a call.
    pub fn begin(
        &mut self,
        now: Instant,
        call: CallId,
        endpoints: [Endpoint; 2],
        file: String,
        out: &mut Vec<RecordingOutput>,
    ) {
        let side = endpoints.iter().position(|endpoint| matches!(endpoint, Endpoint::Port(_)));
        let clock = match side {
            Some(side) => Clock::Board { side, waiting: Default::default(), plc: Box::default() },
            None => Clock::Ours { tracks: Default::default(), decoders: [None, None], began: now, frames: 0 },
        };
        self.open.insert(call, Recording { endpoints, clock });
        out.push(RecordingOutput::Begin { call, file });
    }

    /// A call is recorded by another engine from now on.
    pub fn give(&mut self, call: CallId) -> Option<Recording> {
        self.open.remove(&call)
    }

    /// Goes on with what another engine began.
    pub fn take(&mut self, call: CallId, recording: Recording) {
        self.open.insert(call, recording);
    }

    /// Is nothing being recorded?
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Is this call being recorded?
    pub fn has(&self, call: CallId) -> bool {
        // Most of the time nothing is, and then there is nothing to look up.
        !self.open.is_empty() && self.open.contains_key(&call)
    }

    /// A packet of sound came to an endpoint.
    pub fn packet(
        &mut self,
        now: Instant,
        call: CallId,
        endpoint: &Endpoint,
        codec: CodecKind,
        header: &Header,
        payload: &[u8],
    ) {
        let Some(Recording { endpoints, clock }) = self.open.get_mut(&call) else { return };
        let Clock::Ours { tracks, decoders, began, .. } = clock else { return };
        let Some(side) = endpoints.iter().position(|e| e == endpoint) else { return };
        let decoder = &mut decoders[side];
        if decoder.as_ref().is_none_or(|decoder| decoder.kind() != codec) {
            *decoder = Decoder::new(codec, Rate::Narrow);
        }
        let Some(decoder) = decoder else { return };
        let mut samples = [0; LONGEST];
        let n = decoder.decode(payload, &mut samples);
        tracks[side].packet(samples_of(now.saturating_duration_since(*began)), header, &samples[..n]);
    }

    /// A telephone or landline was heard.
    pub fn heard(
        &mut self,
        call: CallId,
        endpoint: &Endpoint,
        samples: &[i16],
        out: &mut Vec<RecordingOutput>,
    ) {
        self.board(call, endpoint, |side, waiting, _| waiting[side].extend(samples), out);
    }

    /// It heard this of the other side, in a frame that follows the one that was heard of it.
    pub fn spoken(
        &mut self,
        call: CallId,
        endpoint: &Endpoint,
        samples: &mut [i16],
        out: &mut Vec<RecordingOutput>,
    ) {
        let add = |side: usize, waiting: &mut [VecDeque<i16>; 2], plc: &mut Concealer| {
            plc.good(samples);
            waiting[1 - side].extend(&*samples);
        };
        self.board(call, endpoint, add, out);
    }

    /// It was heard, but was given no frame: one less waits on its way there.
    pub fn missed(
        &mut self,
        call: CallId,
        endpoint: &Endpoint,
        samples: usize,
        out: &mut Vec<RecordingOutput>,
    ) {
        let mut samples = vec![0; samples];
        let add = |side: usize, waiting: &mut [VecDeque<i16>; 2], plc: &mut Concealer| {
            plc.conceal(&mut samples);
            waiting[1 - side].extend(&samples);
        };
        self.board(call, endpoint, add, out);
    }

    fn board(
        &mut self,
        call: CallId,
        endpoint: &Endpoint,
        add: impl FnOnce(usize, &mut [VecDeque<i16>; 2], &mut Concealer),
        out: &mut Vec<RecordingOutput>,
    ) {
        let Some(Recording { endpoints, clock }) = self.open.get_mut(&call) else { return };
        let Clock::Board { side, waiting, plc } = clock else { return };
        if endpoints.get(*side) != Some(endpoint) {
            return;
        }
        add(*side, waiting, plc);
        while waiting.iter().all(|w| w.len() >= FRAME) {
            let mut samples = Box::new([0; 2 * FRAME]);
            for (n, w) in waiting.iter_mut().enumerate() {
                for (pair, sample) in samples.chunks_exact_mut(2).zip(w.drain(..FRAME)) {
                    pair[n] = sample;
                }
            }
            out.push(RecordingOutput::Frame { call, samples });
        }
    }

    /// Hands on what has come in by now.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<RecordingOutput>) {
        for (call, recording) in &mut self.open {
            recording.hand_on(*call, now.checked_sub(BEHIND).unwrap_or(now), out);
        }
    }

    /// The call is over.
    pub fn end(&mut self, now: Instant, call: CallId, out: &mut Vec<RecordingOutput>) {
        if let Some(mut recording) = self.open.remove(&call) {
            recording.hand_on(call, now, out);
            out.push(RecordingOutput::End { call });
        }
    }
}

impl Recording {
    /// What both sides said until then, by our clock.
    fn hand_on(&mut self, call: CallId, until: Instant, out: &mut Vec<RecordingOutput>) {
        let Clock::Ours { tracks, began, frames, .. } = &mut self.clock else { return };
        let due = samples_of(until.saturating_duration_since(*began)) / FRAME as i64;
        while (*frames as i64) < due {
            *frames += 1;
            let mut samples = Box::new([0; 2 * FRAME]);
            for (side, track) in tracks.iter_mut().enumerate() {
                let mut sound = [0; FRAME];
                track.take(&mut sound);
                for (pair, sample) in samples.chunks_exact_mut(2).zip(sound) {
                    pair[side] = sample;
                }
            }
            out.push(RecordingOutput::Frame { call, samples });
        }
    }
}

fn samples_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros() / 125).unwrap_or(i64::MAX)
}
