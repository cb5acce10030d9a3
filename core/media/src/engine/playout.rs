//! What an RTP peer says to whoever takes samples by another clock, a board or a mixer: packets come by the network's
//! clock. Between the two stand the jitter buffer and the concealment of what was lost.

use std::time::Instant;

use crate::codec_pair::{Decoder, LONGEST, Rate};
use crate::jitter::JitterBuffer;
use crate::rtp::Header;
use crate::sound::CodecKind;

/// The way from packets to samples at 8 kHz.
pub(super) struct Playout {
    jitter: JitterBuffer,
    decoder: Option<Decoder>,
    began: bool,
    /// When samples were last taken.
    pulled: Option<Instant>,
    samples: Box<[i16; LONGEST]>,
}

impl Playout {
    /// Nothing has come yet.
    pub fn new() -> Playout {
        Playout {
            jitter: JitterBuffer::new(),
            decoder: None,
            began: false,
            pulled: None,
            samples: Box::new([0; LONGEST]),
        }
    }

    /// A packet of sound came. One of a codec that we cannot decode is passed over.
    pub fn push(&mut self, now: Instant, codec: CodecKind, header: &Header, payload: &[u8]) {
        if self.decoder.as_ref().is_none_or(|decoder| decoder.kind() != codec) {
            self.decoder = Decoder::new(codec, Rate::Narrow);
        }
        let Some(decoder) = &mut self.decoder else { return };
        let n = decoder.decode(payload, &mut self.samples[..]);
        let samples = &self.samples[..n];
        match self.pulled {
            Some(pulled) => {
                let since = now.saturating_duration_since(pulled).as_micros() / 125;
                self.jitter.push_after(u32::try_from(since).unwrap_or(u32::MAX), header, samples);
            }
            None => self.jitter.push(header, samples),
        }
        self.began = true;
    }

    /// The peer is silent from now on, and says how its silence sounds (RFC 3389).
    pub fn comfort_noise(&mut self, payload: &[u8]) {
        self.jitter.comfort_noise(payload);
        self.began = true;
    }

    /// Adds the next samples to `out`; false while nothing has come yet.
    pub fn pull(&mut self, now: Instant, out: &mut [i16]) -> bool {
        self.pulled = Some(now);
        if !self.began {
            return false;
        }
        let n = out.len().min(LONGEST);
        let far = &mut self.samples[..n];
        self.jitter.pull(far);
        for (o, s) in out.iter_mut().zip(far) {
            *o = o.saturating_add(*s);
        }
        true
    }
}
