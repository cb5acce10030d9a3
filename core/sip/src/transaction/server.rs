//! The server transaction of every request but INVITE and ACK: RFC 3261 §17.2.2 with RFC 4320 (a 100 neither too early nor
//! too late, no other provisional, never a late final).

use std::time::{Duration, Instant};

use super::{Delivery, Timers};

/// The states of figure 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonInviteServer {
    /// Nothing said yet; at `trying` a 100 is due (RFC 4320 §4.1). At `until` the client has given up, so do we.
    Trying { trying: Instant, until: Instant },
    /// The 100 was sent.
    Proceeding { until: Instant },
    /// The final answer was sent; timer J answers copies of the request with it.
    Completed { until: Instant },
    /// Gone.
    Terminated,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A copy of the request came.
    Again,
    /// We answer 200–699.
    Final,
    /// The transport failed.
    Broken,
    /// Time passed.
    Timer,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// Send the response that caused the event and keep it as the last.
    Send,
    /// Send the last response again.
    Resend,
    /// Send a 100.
    Trying,
}

impl NonInviteServer {
    /// The request has come.
    pub fn new(now: Instant, t: &Timers) -> NonInviteServer {
        NonInviteServer::Trying { trying: now + t.late(), until: now + t.end() }
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            NonInviteServer::Trying { trying, until } => Some(trying.min(until)),
            NonInviteServer::Proceeding { until } | NonInviteServer::Completed { until } => Some(until),
            NonInviteServer::Terminated => None,
        }
    }

    /// Has it nothing more to say, and only absorbs late copies?
    pub fn lingers(&self) -> bool {
        matches!(self, NonInviteServer::Completed { .. })
    }

    /// One row of the table.
    pub fn on(self, now: Instant, event: Event, delivery: Delivery, t: &Timers) -> (NonInviteServer, Then) {
        use {Event as E, NonInviteServer as S};
        let completed = match delivery.linger(t.end()) {
            Duration::ZERO => S::Terminated,
            j => S::Completed { until: now + j },
        };
        match (self, event) {
            (S::Trying { .. } | S::Proceeding { .. }, E::Final) => (completed, Then::Send),
            (S::Trying { .. } | S::Proceeding { .. }, E::Broken) => (S::Terminated, Then::Nothing),
            (S::Trying { until, .. } | S::Proceeding { until } | S::Completed { until }, E::Timer)
                if now >= until =>
            {
                (S::Terminated, Then::Nothing)
            }
            (S::Trying { trying, until }, E::Timer) if now >= trying => {
                (S::Proceeding { until }, Then::Trying)
            }
            (S::Proceeding { .. } | S::Completed { .. }, E::Again) => (self, Then::Resend),
            (state, _) => (state, Then::Nothing),
        }
    }
}
