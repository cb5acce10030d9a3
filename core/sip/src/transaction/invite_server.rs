//! The INVITE server transaction: RFC 3261 §17.2.1 as corrected by RFC 6026 §7.1, and the repetition of a 2xx until its
//! ACK (RFC 3261 §13.3.1.4), which the RFC leaves to the user of the transaction and the endpoint does for all of them.

use std::time::{Duration, Instant};

use super::{Delivery, Resend, Timers, earlier};

/// The states of figure 7 and RFC 6026.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteServer {
    /// No final answer yet. `trying`: when the 100 is due, if nothing has been said.
    Proceeding { trying: Option<Instant>, until: Instant },
    /// A failure was sent. Timer G resends it, timer H ends the wait for the ACK.
    Completed { resend: Option<Resend>, until: Instant },
    /// The ACK came; timer I absorbs its copies.
    Confirmed { until: Instant },
    /// A 2xx was sent and goes out again, on UDP and TCP alike, until the ACK comes; timer L is also the end of that wait.
    Accepted { resend: Resend, until: Instant },
    /// The 2xx was acknowledged; copies of the INVITE are absorbed until timer L.
    Acknowledged { until: Instant },
    /// Gone.
    Terminated,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A copy of the INVITE came.
    Again,
    /// The ACK came.
    Ack,
    /// We answer 101–199.
    Provisional,
    /// We answer 2xx.
    Success,
    /// We answer 300–699.
    Failure,
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
    /// Send the last response again, or a 100 if there is none.
    ResendOrTrying,
    /// Send a 100.
    Trying,
    /// Tell the ACK of the 2xx.
    TellAck,
    /// Nobody answers: send 500 as if it were asked for.
    GiveUp,
    /// Tell that the 2xx was never acknowledged.
    Unacknowledged,
}

/// If nothing is said for this long, 100 goes out. RFC 3261 §17.2.1 wants it at once unless an answer is known to come
/// within 200 ms; after the wait it is known, and a phone that rings at once costs one message less.
const TRYING: Duration = Duration::from_millis(200);

impl InviteServer {
    /// The INVITE has come.
    pub fn new(now: Instant, t: &Timers) -> InviteServer {
        InviteServer::Proceeding { trying: Some(now + TRYING), until: now + t.patience }
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            InviteServer::Proceeding { trying, until } => Some(trying.map_or(until, |at| at.min(until))),
            InviteServer::Completed { resend, until } => Some(earlier(resend, until)),
            InviteServer::Accepted { resend, until } => Some(earlier(Some(resend), until)),
            InviteServer::Confirmed { until } | InviteServer::Acknowledged { until } => Some(until),
            InviteServer::Terminated => None,
        }
    }

    /// Has it nothing more to say, and only absorbs late copies?
    pub fn lingers(&self) -> bool {
        matches!(self, InviteServer::Confirmed { .. } | InviteServer::Acknowledged { .. })
    }

    /// One row of the table.
    pub fn on(self, now: Instant, event: Event, delivery: Delivery, t: &Timers) -> (InviteServer, Then) {
        use {Event as E, InviteServer as S};
        let first = Resend::first(now, t.t1);
        let resend = (delivery == Delivery::Unreliable).then_some(first);
        let confirmed = match delivery.linger(t.t4) {
            Duration::ZERO => S::Terminated,
            i => S::Confirmed { until: now + i },
        };
        match (self, event) {
            (S::Proceeding { until, .. }, E::Again) => {
                (S::Proceeding { trying: None, until }, Then::ResendOrTrying)
            }
            (S::Proceeding { until, .. }, E::Provisional) => {
                (S::Proceeding { trying: None, until }, Then::Send)
            }
            (S::Proceeding { .. }, E::Success) => {
                (S::Accepted { resend: first, until: now + t.end() }, Then::Send)
            }
            (S::Proceeding { .. }, E::Failure) => (S::Completed { resend, until: now + t.end() }, Then::Send),
            (S::Proceeding { until, .. }, E::Timer) if now >= until => (self, Then::GiveUp),
            (S::Proceeding { trying: Some(at), until }, E::Timer) if now >= at => {
                (S::Proceeding { trying: None, until }, Then::Trying)
            }

            (S::Completed { .. }, E::Again) => (self, Then::Resend),
            (S::Completed { .. }, E::Ack) => (confirmed, Then::Nothing),
            (S::Completed { until, .. }, E::Timer) if now >= until => (S::Terminated, Then::Nothing),
            (S::Completed { resend: Some(r), until }, E::Timer) if now >= r.at => {
                (S::Completed { resend: Some(r.next(now, t.t2)), until }, Then::Resend)
            }
            (S::Completed { .. }, E::Broken) => (S::Terminated, Then::Nothing),

            (S::Confirmed { until }, E::Timer) if now >= until => (S::Terminated, Then::Nothing),

            (S::Accepted { until, .. }, E::Ack) => (S::Acknowledged { until }, Then::TellAck),
            (S::Accepted { .. }, E::Success) => (self, Then::Send),
            (S::Accepted { until, .. }, E::Timer) if now >= until => (S::Terminated, Then::Unacknowledged),
            (S::Accepted { resend, until }, E::Timer) if now >= resend.at => {
                (S::Accepted { resend: resend.next(now, t.t2), until }, Then::Resend)
            }

            (S::Acknowledged { until }, E::Timer) if now >= until => (S::Terminated, Then::Nothing),

            (state, _) => (state, Then::Nothing),
        }
    }
}
