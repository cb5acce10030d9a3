//! The client transaction of every request but INVITE and ACK: RFC 3261 §17.1.2.

use std::time::{Duration, Instant};

use super::{Delivery, Resend, Timers, earlier};

/// The states of figure 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonInviteClient {
    /// Sent. Timer E resends, timer F gives up.
    Trying { resend: Option<Resend>, until: Instant },
    /// A provisional answer came: resend each T2 only.
    Proceeding { resend: Option<Resend>, until: Instant },
    /// A final answer came; timer K absorbs its copies.
    Completed { until: Instant },
    /// Gone.
    Terminated,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A 1xx came.
    Provisional,
    /// A 200–699 came.
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
    /// Send the request again.
    Resend,
    /// Tell the response.
    Tell,
    /// Tell that no answer came.
    TimedOut,
    /// Tell that the transport failed.
    Broken,
}

impl NonInviteClient {
    /// The request has been sent.
    pub fn new(now: Instant, delivery: Delivery, t: &Timers) -> NonInviteClient {
        let resend = match delivery {
            Delivery::Unreliable => Some(Resend::first(now, t.t1)),
            Delivery::Reliable => None,
        };
        NonInviteClient::Trying { resend, until: now + t.end() }
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            NonInviteClient::Trying { resend, until } | NonInviteClient::Proceeding { resend, until } => {
                Some(earlier(resend, until))
            }
            NonInviteClient::Completed { until } => Some(until),
            NonInviteClient::Terminated => None,
        }
    }

    /// Has it nothing more to say, and only absorbs late copies?
    pub fn lingers(&self) -> bool {
        matches!(self, NonInviteClient::Completed { .. })
    }

    /// One row of the table.
    pub fn on(self, now: Instant, event: Event, delivery: Delivery, t: &Timers) -> (NonInviteClient, Then) {
        use {Event as E, NonInviteClient as S};
        let completed = match delivery.linger(t.t4) {
            Duration::ZERO => S::Terminated,
            k => S::Completed { until: now + k },
        };
        match (self, event) {
            (S::Trying { .. } | S::Proceeding { .. }, E::Final) => (completed, Then::Tell),
            (S::Trying { .. } | S::Proceeding { .. }, E::Broken) => (S::Terminated, Then::Broken),
            (S::Trying { until, .. } | S::Proceeding { until, .. }, E::Timer) if now >= until => {
                (S::Terminated, Then::TimedOut)
            }
            (S::Trying { resend, until }, E::Provisional) => {
                let resend = resend.map(|r| Resend { every: t.t2, ..r });
                (S::Proceeding { resend, until }, Then::Tell)
            }
            (S::Trying { resend: Some(r), until }, E::Timer) if now >= r.at => {
                (S::Trying { resend: Some(r.next(now, t.t2)), until }, Then::Resend)
            }
            (S::Proceeding { resend: Some(r), until }, E::Timer) if now >= r.at => {
                (S::Proceeding { resend: Some(r.next(now, t.t2)), until }, Then::Resend)
            }
            (S::Proceeding { resend, until }, E::Provisional) => {
                (S::Proceeding { resend, until }, Then::Tell)
            }
            (S::Completed { until }, E::Timer) if now >= until => (S::Terminated, Then::Nothing),
            (state, _) => (state, Then::Nothing),
        }
    }
}
