//! What an RTP peer says to a telephone on a board: packets come by the network's clock, samples are taken by the
//! board's. Between them stand the jitter buffer and the concealment of what was lost.

use std::time::Instant;

use ringtrip_media::g711::Law;
use ringtrip_media::jitter::JitterBuffer;
use ringtrip_media::rtp::Header;

/// The way from packets to samples.
pub struct Far {
    jitter: JitterBuffer,
    began: bool,
    /// When the board last took samples.
    pulled: Option<Instant>,
    samples: Vec<i16>,
}

impl Far {
    /// Nothing has come yet.
    pub fn new() -> Far {
        Far { jitter: JitterBuffer::new(), began: false, pulled: None, samples: vec![0; 1024] }
    }

    /// A packet of G.711 came.
    pub fn push(&mut self, now: Instant, law: Law, header: &Header, payload: &[u8]) {
        let n = law.decode(payload, &mut self.samples);
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
        let n = out.len().min(self.samples.len());
        let far = &mut self.samples[..n];
        self.jitter.pull(far);
        for (o, s) in out.iter_mut().zip(far) {
            *o = o.saturating_add(*s);
        }
        true
    }
}
