//! Provisional answers that arrive for sure (100rel, RFC 3262): [`Sender`] for the called side, which repeats a 1xx until
//! its PRACK, and [`Receiver`] for the calling side, which says which PRACK to send.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::message::{Request, Response};
use crate::name::Name;
use crate::screen::{OptionTags, RequestFields};
use crate::transaction::Timers;

/// May our 1xx be reliable, must they?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The far end knows nothing of it.
    None,
    /// `Supported: 100rel`.
    Supported,
    /// `Require: 100rel`: every 101–199 must be.
    Required,
}

impl Support {
    /// What the INVITE says.
    pub fn of(invite: &RequestFields) -> Support {
        if invite.requires.reliable {
            Support::Required
        } else if invite.supports.reliable {
            Support::Supported
        } else {
            Support::None
        }
    }
}

/// The called side of one INVITE.
#[derive(Debug, Clone)]
pub struct Sender {
    next: u32,
    state: Sending,
}

#[derive(Debug, Clone)]
enum Sending {
    /// Nothing waits for a PRACK.
    Idle,
    /// This one does.
    Waiting { rseq: u32, cseq: u32, response: Box<Response>, at: Instant, every: Duration, until: Instant },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Send this provisional answer again.
    Resend(Box<Response>),
    /// No PRACK came in 64·T1: refuse the INVITE with a 5xx (§3).
    GiveUp,
}

impl Sender {
    /// `first` is random; it is brought into 1 … 2³¹−1, where the first RSeq must be (§3).
    pub fn new(first: u32) -> Sender {
        Sender { next: first % 0x7fff_ffff + 1, state: Sending::Idle }
    }

    /// Is a PRACK awaited? Then no other reliable answer may go out, and no 2xx while that one carried an offer (§3, §5).
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, Sending::Waiting { .. })
    }

    /// Makes a 101–199 reliable; `cseq` is the number of the INVITE. Send what comes back. `None` while a PRACK is awaited.
    pub fn send(&mut self, now: Instant, mut response: Response, cseq: u32, t: &Timers) -> Option<Response> {
        if self.is_waiting() {
            return None;
        }
        let rseq = self.next;
        self.next = self.next.wrapping_add(1).max(1);
        response.headers.push(Name::Require, Bytes::from_static(b"100rel"));
        response.headers.push(Name::RSeq, rseq.to_string());
        self.state = Sending::Waiting {
            rseq,
            cseq,
            response: Box::new(response.clone()),
            at: now + t.t1,
            every: t.t1,
            until: now + t.t1 * 64,
        };
        Some(response)
    }

    /// Takes a PRACK: `true`, answer it 200; `false`, answer 481 (§3).
    pub fn prack(&mut self, request: &Request) -> bool {
        let Sending::Waiting { rseq, cseq, .. } = self.state else { return false };
        let Some(rack) = request.headers.text(&Name::RAck) else { return false };
        let mut words = rack.split_ascii_whitespace();
        let is_ours = words.next().and_then(|w| w.parse().ok()) == Some(rseq)
            && words.next().and_then(|w| w.parse().ok()) == Some(cseq)
            && words.next() == Some("INVITE")
            && words.next().is_none();
        if is_ours {
            self.state = Sending::Idle;
        }
        is_ours
    }

    /// A final answer was sent: nothing is repeated any more.
    pub fn stop(&mut self) {
        self.state = Sending::Idle;
    }

    /// When [`Sender::due`] has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            Sending::Idle => None,
            Sending::Waiting { at, until, .. } => Some(*at.min(until)),
        }
    }

    /// What time it is for. The pause doubles without bound (§3).
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        let Sending::Waiting { response, at, every, until, .. } = &mut self.state else { return None };
        if now >= *until {
            self.state = Sending::Idle;
            return Some(Due::GiveUp);
        }
        if now < *at {
            return None;
        }
        *every *= 2;
        *at = now + *every;
        Some(Due::Resend(response.clone()))
    }
}

/// The calling side of one early dialog.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    last: Option<u32>,
}

/// What a provisional answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Not reliable: just take it.
    Plain,
    /// Take it, and send a PRACK with this `RAck`.
    Prack(Bytes),
    /// A copy, or one that overtook another and will come again: leave it (§4).
    Ignore,
}

impl Receiver {
    /// Looks at a 101–199 to our INVITE.
    pub fn take(&mut self, response: &Response) -> Taken {
        if response.code <= 100 || !OptionTags::read(&response.headers, &Name::Require).reliable {
            return Taken::Plain;
        }
        let rseq = response.headers.text(&Name::RSeq).and_then(|s| s.trim().parse::<u32>().ok());
        let (Some(rseq), Some(cseq)) = (rseq, response.headers.text(&Name::CSeq)) else {
            return Taken::Ignore;
        };
        if self.last.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return Taken::Ignore;
        }
        self.last = Some(rseq);
        Taken::Prack(format!("{rseq} {}", cseq.trim()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Headers, Method};

    // Tests need some instant to count from; the machine itself never asks for one.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    fn ringing() -> Response {
        let mut headers = Headers::default();
        headers.push(Name::CSeq, "7 INVITE");
        Response { code: 180, reason: "Ringing".into(), headers, body: Bytes::new() }
    }

    fn prack(rack: &str) -> Request {
        let mut headers = Headers::default();
        headers.push(Name::RAck, rack.to_owned());
        Request { method: Method::Prack, uri: "sip:a@b".into(), headers, body: Bytes::new() }
    }

    #[test]
    fn a_reliable_1xx_is_repeated_until_its_prack() {
        let (t, timers, ms) = (start(), Timers::default(), Duration::from_millis);
        let mut sender = Sender::new(41);
        let sent = sender.send(t, ringing(), 7, &timers).expect("nothing is awaited");
        assert_eq!(sent.headers.text(&Name::RSeq), Some("42"));
        assert_eq!(sender.send(t, ringing(), 7, &timers), None, "one at a time");
        let mut at = Vec::new();
        while let (Some(next), true) = (sender.deadline(), at.len() < 4) {
            assert!(matches!(sender.due(next), Some(Due::Resend(_))));
            at.push(next - t);
        }
        assert_eq!(at, [ms(500), ms(1500), ms(3500), ms(7500)]);
        assert!(!sender.prack(&prack("41 7 INVITE")));
        assert!(!sender.prack(&prack("42 8 INVITE")));
        assert!(!sender.prack(&prack("42 7 INVITE x")));
        assert!(sender.prack(&prack("42  7 INVITE")));
        assert!(!sender.prack(&prack("42 7 INVITE")), "acknowledged already");
        assert_eq!(sender.deadline(), None);
    }

    #[test]
    fn without_prack_the_call_is_given_up_after_32_s() {
        let (t, timers) = (start(), Timers::default());
        let mut sender = Sender::new(u32::MAX);
        sender.send(t, ringing(), 7, &timers).expect("nothing is awaited");
        assert_eq!(sender.due(t + timers.end()), Some(Due::GiveUp));
        assert!(!sender.is_waiting());
    }

    #[test]
    fn the_caller_acknowledges_in_order_and_once() {
        let (t, timers) = (start(), Timers::default());
        let mut receiver = Receiver::default();
        assert_eq!(receiver.take(&ringing()), Taken::Plain);
        let mut sender = Sender::new(9);
        let first = sender.send(t, ringing(), 7, &timers).expect("nothing is awaited");
        sender.stop();
        let second = sender.send(t, ringing(), 7, &timers).expect("nothing is awaited");
        sender.stop();
        let third = sender.send(t, ringing(), 7, &timers).expect("nothing is awaited");
        assert_eq!(receiver.take(&first), Taken::Prack("10 7 INVITE".into()));
        assert_eq!(receiver.take(&first), Taken::Ignore);
        assert_eq!(receiver.take(&third), Taken::Ignore, "the second will come again");
        assert_eq!(receiver.take(&second), Taken::Prack("11 7 INVITE".into()));
        assert_eq!(receiver.take(&third), Taken::Prack("12 7 INVITE".into()));
    }
}
