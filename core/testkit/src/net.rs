//! The network: every datagram takes a while, some never arrive, some overtake others.

use std::time::Duration;

use ringtrip_model::splitmix::SplitMix;

/// What the network does to datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkConditions {
    /// Of a hundred datagrams, so many are lost.
    pub loss: u8,
    /// A datagram takes up to so much longer than the one before, so that later ones overtake it.
    pub jitter: Duration,
}

impl NetworkConditions {
    /// Nothing is lost, all in order.
    pub const IDEAL: NetworkConditions = NetworkConditions { loss: 0, jitter: Duration::ZERO };
    /// One way across, in all conditions.
    pub const LATENCY: Duration = Duration::from_millis(10);

    /// How long the next datagram takes; `None`: it is lost.
    pub(crate) fn next(self, rand: &mut SplitMix) -> Option<Duration> {
        if rand.between(0, 99) < u64::from(self.loss) {
            return None;
        }
        let jitter = u64::try_from(self.jitter.as_micros()).unwrap_or(0);
        Some(NetworkConditions::LATENCY + Duration::from_micros(rand.between(0, jitter)))
    }
}
