//! What follows when a server of a provider fails: it gives no answer, says 503, or has no luck with a call.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{
    Asked, DOUBT, DOUBT_MAX, Gateway, Probe, Purpose, RETRY, RETRY_MAX, Registration, Resolve, Why, client,
};
use crate::post::{Doubt, Post};

impl Gateway {
    /// The endpoint has given up a request of ours.
    pub(super) fn failed(&mut self, now: Instant, n: u32, out: &mut Vec<Post>) {
        match (self.registration, self.probe) {
            (Registration::Trying(asked), _) if asked.n == n => {
                self.unanswered(now, Purpose::Register, asked, out);
            }
            (_, Probe::Trying(asked)) if asked.n == n => {
                self.unanswered(now, Purpose::Options, asked, out);
            }
            _ => {}
        }
        self.late.retain(|(_, asked)| asked.n != n);
    }

    /// No answer to a request of ours: its server failed, and is left if it is the one in use.
    pub(super) fn unanswered(&mut self, now: Instant, purpose: Purpose, asked: Asked, out: &mut Vec<Post>) {
        self.late.push((purpose, asked));
        let is_current = self.servers.is_current(asked.server);
        let why = || format!("no answer from {}", asked.server);
        match purpose {
            Purpose::Register => {
                self.registration = Registration::Wait { until: now, why: Why::Silent };
                if is_current {
                    return self.next_server(now, why(), Why::Silent, out);
                }
            }
            Purpose::Options => {
                self.unanswered = self.unanswered.saturating_add(1);
                self.probe_later(now);
                if is_current {
                    self.options_unanswered(now, why(), out);
                }
            }
        }
        self.timeout(now, out);
    }

    /// OPTIONS is a hint. One that never answered it is not judged by it, and where a registration waits already the wait
    /// becomes no longer.
    fn options_unanswered(&mut self, now: Instant, why: String, out: &mut Vec<Post>) {
        match self.registration {
            Registration::Wait { .. } | Registration::Trying(_) => {}
            _ if self.answers_options => self.next_server(now, why, Why::Silent, out),
            // Perhaps another of its servers answers. Where none does it stays as it is.
            Registration::Off => {
                if self.servers.advance(now)
                    && let Probe::Wait { until } = &mut self.probe
                {
                    *until = now;
                }
            }
            Registration::Up { .. } => {}
        }
    }

    /// A call had no luck with a server: calls after it try that one last. Whether it lives is asked at once.
    pub(super) fn doubted(&mut self, now: Instant, server: SocketAddr, why: Doubt, out: &mut Vec<Post>) {
        let (time, words) = match why {
            Doubt::Silent => (DOUBT, format!("no answer from {server} to a call")),
            Doubt::Unavailable { retry_after } => {
                (retry_after.unwrap_or(DOUBT).min(DOUBT_MAX), format!("503 from {server} to a call"))
            }
        };
        if !self.servers.doubt(now, server, time) {
            return;
        }
        self.last_error = Some(words);
        if why != Doubt::Silent || !self.servers.is_current(server) {
            return;
        }
        match (&mut self.registration, &mut self.probe) {
            (Registration::Up { refresh, .. }, _) => *refresh = now,
            (Registration::Off, Probe::Wait { until }) => *until = now,
            _ => return,
        }
        self.timeout(now, out);
    }

    /// The server in use failed: the next one; when all have failed, a wait that grows.
    pub(super) fn next_server(&mut self, now: Instant, why: String, kind: Why, out: &mut Vec<Post>) {
        self.give_up_all(now);
        let before = self.servers.current();
        let others = self.servers.advance(now);
        if before != self.servers.current() {
            // Another server knows nothing of the challenges of this one.
            self.auth = client(&self.setup.settings);
        }
        let until = if others {
            now
        } else {
            let wait = RETRY.saturating_mul(1 << self.failures.min(8)).min(RETRY_MAX);
            self.failures += 1;
            // A tenth of chance, so that all customers of a provider do not come back in the same second.
            let until =
                now + wait + Duration::from_millis(self.rand.between(0, wait.as_millis() as u64 / 10));
            // Perhaps it has moved.
            if matches!(self.resolve, Resolve::Known { .. }) {
                self.ask_where(now, out);
            }
            self.servers.hold_of_current(now).map_or(until, |held| held.max(until))
        };
        if !matches!(self.registration, Registration::Off) {
            let kind = if others { Why::Due } else { kind };
            self.registration = Registration::Wait { until, why: kind };
            self.service_route.clear();
        }
        if others {
            if let Probe::Wait { until } = &mut self.probe {
                *until = now;
            }
            self.last_error = Some(why);
            self.timeout(now, out);
        } else {
            self.down(now, why, out);
        }
    }

    /// What else is on its way to the server that failed: one dead server is one failure, not two.
    fn give_up_all(&mut self, now: Instant) {
        if let Registration::Trying(asked) = self.registration {
            self.late.push((Purpose::Register, asked));
            self.registration = Registration::Wait { until: now, why: Why::Due };
        }
        if let Probe::Trying(asked) = self.probe {
            self.late.push((Purpose::Options, asked));
            self.probe_later(now);
        }
    }
}
