//! The INVITE client transaction: RFC 3261 §17.1.1 as corrected by RFC 6026 §7.2 (a 2xx leads to Accepted, so that
//! repeated and forked 2xx still find the transaction).

use std::time::{Duration, Instant};

use super::{Delivery, Resend, Timers, earlier};

/// The states of figure 5 (RFC 3261) and RFC 6026.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteClient {
    /// Sent, nothing heard. Timer A resends, timer B gives up.
    Calling { resend: Option<Resend>, until: Instant },
    /// A provisional answer came. `until` is set by a CANCEL, which must not wait for ever (RFC 3261 §9.1).
    Proceeding { until: Option<Instant> },
    /// A failure came; timer D absorbs its copies and each is acknowledged.
    Completed { until: Instant },
    /// A 2xx came; timer M lets further ones through.
    Accepted { until: Instant },
    /// Gone.
    Terminated,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A 1xx came.
    Provisional,
    /// A 2xx came.
    Success,
    /// A 300–699 came.
    Failure,
    /// We sent a CANCEL.
    Cancelled,
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
    /// Send the INVITE again.
    Resend,
    /// Tell the response.
    Tell,
    /// Tell the response and send the ACK of a failure.
    TellAndAck,
    /// Send the ACK of a failure once more.
    Ack,
    /// Tell that no answer came.
    TimedOut,
    /// Tell that the transport failed.
    Broken,
}

impl InviteClient {
    /// The INVITE has been sent.
    pub fn new(now: Instant, delivery: Delivery, t: &Timers) -> InviteClient {
        let resend = match delivery {
            Delivery::Unreliable => Some(Resend::first(now, t.t1)),
            Delivery::Reliable => None,
        };
        InviteClient::Calling { resend, until: now + t.end() }
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            InviteClient::Calling { resend, until } => Some(earlier(resend, until)),
            InviteClient::Proceeding { until } => until,
            InviteClient::Completed { until } | InviteClient::Accepted { until } => Some(until),
            InviteClient::Terminated => None,
        }
    }

    /// Has it nothing more to say, and only absorbs late copies?
    pub fn lingers(&self) -> bool {
        matches!(self, InviteClient::Completed { .. } | InviteClient::Accepted { .. })
    }

    /// One row of the table.
    pub fn on(self, now: Instant, event: Event, delivery: Delivery, t: &Timers) -> (InviteClient, Then) {
        use {Event as E, InviteClient as S};
        let completed = match delivery.linger(t.d()) {
            Duration::ZERO => S::Terminated,
            d => S::Completed { until: now + d },
        };
        match (self, event) {
            (S::Calling { .. }, E::Provisional) => (S::Proceeding { until: None }, Then::Tell),
            (S::Calling { .. } | S::Proceeding { .. }, E::Success) => {
                (S::Accepted { until: now + t.end() }, Then::Tell)
            }
            (S::Calling { .. } | S::Proceeding { .. }, E::Failure) => (completed, Then::TellAndAck),
            (S::Calling { .. } | S::Proceeding { .. }, E::Broken) => (S::Terminated, Then::Broken),
            (S::Calling { until, .. }, E::Timer) if now >= until => (S::Terminated, Then::TimedOut),
            (S::Calling { resend: Some(r), until }, E::Timer) if now >= r.at => {
                // Timer A has no cap: it doubles until B ends it.
                (S::Calling { resend: Some(r.next(now, Duration::MAX)), until }, Then::Resend)
            }

            (S::Proceeding { until }, E::Provisional) => (S::Proceeding { until }, Then::Tell),
            (S::Proceeding { .. }, E::Cancelled) => {
                (S::Proceeding { until: Some(now + t.end()) }, Then::Nothing)
            }
            (S::Proceeding { until: Some(until) }, E::Timer) if now >= until => {
                (S::Terminated, Then::TimedOut)
            }

            (S::Completed { until }, E::Failure) => (S::Completed { until }, Then::Ack),
            (S::Completed { until }, E::Timer) if now >= until => (S::Terminated, Then::Nothing),

            (S::Accepted { until }, E::Success) => (S::Accepted { until }, Then::Tell),
            (S::Accepted { until }, E::Timer) if now >= until => (S::Terminated, Then::Nothing),

            (state, _) => (state, Then::Nothing),
        }
    }
}
