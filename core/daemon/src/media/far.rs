//! What an RTP peer says to a telephone on a board: packets come by the network's clock, samples are taken by the
//! board's. Between them stand the jitter buffer and the concealment of what was lost.

use ringtrip_media::g711::Law;
use ringtrip_media::jitter::JitterBuffer;
use ringtrip_media::rtp::Header;

/// The way from packets to samples.
pub struct Far {
    jitter: JitterBuffer,
    began: bool,
    samples: Vec<i16>,
}

impl Far {
    /// Nothing has come yet.
    pub fn new() -> Far {
        Far { jitter: JitterBuffer::new(), began: false, samples: vec![0; 1024] }
    }

    /// A packet of G.711 came.
    pub fn push(&mut self, law: Law, header: &Header, payload: &[u8]) {
        let n = law.decode(payload, &mut self.samples);
        self.jitter.push(header, &self.samples[..n]);
        self.began = true;
    }

    /// Adds the next samples to `out`; false while nothing has come yet.
    pub fn pull(&mut self, out: &mut [i16]) -> bool {
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
