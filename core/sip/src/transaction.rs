//! Transactions (RFC 3261 §17 with the corrections of RFC 6026 and RFC 4320), as four pure state machines. A machine knows
//! time and states, not messages: it learns what kind of thing happened and says what to do next. The endpoint keeps
//! the messages, looks machines up and carries out what they say.

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod server;
pub mod store;

use std::time::{Duration, Instant};

pub use client::NonInviteClient;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use server::NonInviteServer;

/// The times of RFC 3261 Table 4 that all others are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round trip: the first retransmission comes after it.
    pub t1: Duration,
    /// Longest pause between retransmissions of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// Longest time that a message stays in the network.
    pub t4: Duration,
    /// How long an INVITE may wait for its final answer from us before the endpoint says 500 itself. Not of the RFC, which
    /// lets it wait for ever; without it a part of the exchange that died would leave the transaction behind.
    pub patience: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            patience: Duration::from_secs(15 * 60),
        }
    }
}

impl Timers {
    /// 64·T1: timers B, F, H, J, L and M.
    pub fn end(&self) -> Duration {
        self.t1 * 64
    }
    /// Timer D: how long a client keeps acknowledging a repeated failure; at least 32 s where datagrams may linger.
    pub fn d(&self) -> Duration {
        self.end().max(Duration::from_secs(32))
    }
    /// When timer E has grown to T2: no 100 to a non-INVITE request before, one after (RFC 4320 §4.1).
    pub fn late(&self) -> Duration {
        let (mut sum, mut every) = (Duration::ZERO, self.t1);
        while every < self.t2 {
            sum += every;
            every *= 2;
        }
        sum
    }
}

/// Does the transport deliver by itself (TCP, TLS, WebSocket) or must we repeat (UDP)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Datagrams may get lost.
    Unreliable,
    /// A stream: no retransmissions.
    Reliable,
}

impl Delivery {
    /// The wait in states that only absorb late copies: zero where there are none.
    fn linger(self, time: Duration) -> Duration {
        match self {
            Delivery::Unreliable => time,
            Delivery::Reliable => Duration::ZERO,
        }
    }
}

/// A message that is sent again and again, each pause twice the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// The next copy.
    pub at: Instant,
    /// The pause before it.
    pub every: Duration,
}

impl Resend {
    fn first(now: Instant, t1: Duration) -> Resend {
        Resend { at: now + t1, every: t1 }
    }
    /// The one after this, at most `cap` later. Counted from `now`, so that a late wake-up does not make a burst.
    fn next(self, now: Instant, cap: Duration) -> Resend {
        let every = (self.every * 2).min(cap);
        Resend { at: now + every, every }
    }
}

/// The earlier of a resend and an end.
fn earlier(resend: Option<Resend>, until: Instant) -> Instant {
    resend.map_or(until, |r| r.at.min(until))
}

#[cfg(test)]
mod tests;
