//! What an answer to REGISTER or OPTIONS means.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::address::{Contacts, NameAddr};
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::list;
use ringtrip_sip::message::{Headers, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::via::Via;

use super::{
    Asked, COPY, COPY_MAX, Gateway, HOLD_MAX, MOVED_AGAIN, Probe, Purpose, RETRY_REFUSED, Registration, Why,
    client,
};
use crate::leg::sip::headers::retry_after;
use crate::post::Post;

impl Gateway {
    pub(super) fn answered(&mut self, now: Instant, n: u32, response: &Response, out: &mut Vec<Post>) {
        if response.code < 200 {
            return;
        }
        match (self.registration, self.probe) {
            (Registration::Trying(asked), _) if asked.n == n => {
                self.measure(now, asked);
                self.servers.trust(asked.server);
                self.registered(now, asked.server, response, out);
            }
            (_, Probe::Trying(asked)) if asked.n == n => {
                (self.answers_options, self.unanswered) = (true, 0);
                self.probe_later(now);
                self.measure(now, asked);
                match response.code {
                    503 if self.servers.is_current(asked.server) => {
                        self.hold(now, asked.server, response);
                        self.next_server(now, "503 to OPTIONS".to_owned(), Why::Refused, out);
                    }
                    503 => {}
                    _ => self.lives(now, asked.server, out),
                }
                self.is_seen(now, asked.server, seen(&response.headers), out);
            }
            _ => self.answered_late(now, n, response, out),
        }
    }

    /// An answer to what was given up. It counts as long as nothing else was begun: a provider that is always slow would
    /// never be registered at otherwise. How long it took says how long the server was away.
    fn answered_late(&mut self, now: Instant, n: u32, response: &Response, out: &mut Vec<Post>) {
        let Some(at) = self.late.iter().position(|(_, asked)| asked.n == n) else { return };
        let (purpose, asked) = self.late.swap_remove(at);
        if purpose == Purpose::Options {
            self.answers_options = true;
        }
        if response.code >= 500 || !self.servers.is_current(asked.server) {
            return;
        }
        match (purpose, self.registration) {
            (Purpose::Register, Registration::Wait { .. }) => {
                self.registered(now, asked.server, response, out);
            }
            (Purpose::Register, _) => {}
            (Purpose::Options, _) => self.lives(now, asked.server, out),
        }
    }

    /// Notes the round trip. Once copies of the request are under way the answer may be to any of them; the one that
    /// agrees best with what is known is taken, the last one where nothing is.
    fn measure(&mut self, now: Instant, asked: Asked) {
        let elapsed = now.saturating_duration_since(asked.since);
        let mut best = elapsed;
        if self.setup.settings.transport == Transport::Udp {
            let (mut sent, mut wait) = (Duration::ZERO, COPY);
            while sent + wait < elapsed {
                sent += wait;
                wait = (wait * 2).min(COPY_MAX);
                let this = elapsed - sent;
                let known = self.latency.unwrap_or_default();
                if this.abs_diff(known) < best.abs_diff(known) {
                    best = this;
                }
            }
        }
        self.latency = Some(best);
    }

    /// It answered OPTIONS. Any answer shows that it lives, and many providers answer with 4xx; but where we must
    /// register, only a registration makes calls possible. One that was silent is registered at now.
    fn lives(&mut self, now: Instant, server: SocketAddr, out: &mut Vec<Post>) {
        self.servers.trust(server);
        if !self.servers.is_current(server) {
            return;
        }
        match &mut self.registration {
            Registration::Off | Registration::Up { .. } => self.up(now, out),
            Registration::Wait { until, why: Why::Silent } => {
                *until = now;
                self.failures = 0;
                self.timeout(now, out);
            }
            Registration::Wait { .. } | Registration::Trying(_) => {}
        }
    }

    /// A call got an answer from this server.
    pub(super) fn is_alive(
        &mut self,
        now: Instant,
        server: SocketAddr,
        seen: Option<SocketAddr>,
        out: &mut Vec<Post>,
    ) {
        self.unanswered = 0;
        self.lives(now, server, out);
        self.is_seen(now, server, seen, out);
    }

    /// The server sees us at this address. Another than it registered means that a router between us has a new one, and
    /// that calls to us go to the old: we register anew at once.
    fn is_seen(&mut self, now: Instant, server: SocketAddr, seen: Option<SocketAddr>, out: &mut Vec<Post>) {
        let (Some(seen), Some(before)) = (seen, self.seen) else { return };
        let Registration::Up { refresh, .. } = &mut self.registration else { return };
        let lately = self.moved.is_some_and(|at| now.saturating_duration_since(at) < MOVED_AGAIN);
        if seen == before || lately || !self.servers.is_current(server) {
            return;
        }
        *refresh = now;
        self.moved = Some(now);
        self.timeout(now, out);
    }

    /// Keeps what the server says in Retry-After.
    fn hold(&mut self, now: Instant, server: SocketAddr, response: &Response) {
        if let Some(wait) = retry_after(&response.headers) {
            self.servers.hold(server, now + wait.min(HOLD_MAX));
        }
    }

    fn registered(&mut self, now: Instant, server: SocketAddr, response: &Response, out: &mut Vec<Post>) {
        match response.code {
            200..=299 => {
                self.seen = seen(&response.headers);
                self.service_route = service_route(&response.headers);
                if let Some(auth) = &mut self.auth {
                    auth.accepted();
                }
                let granted = Duration::from_secs(u64::from(self.granted(response).max(1)));
                // Half time, as said; a few seconds before the end where half would be too late for a lost packet.
                self.registration = Registration::Up { refresh: now + granted / 2, until: now + granted };
                self.up(now, out);
            }
            401 | 407 => match self.auth.as_mut().map(|auth| auth.challenged(&response.headers)) {
                Some(Ok(())) => self.register(now, out),
                Some(Err(why)) => self.refused(now, why.to_string(), out),
                None => self.refused(now, "it asks for a password, and none is configured".to_owned(), out),
            },
            423 => {
                let min = response.headers.text(&Name::MinExpires).and_then(|v| v.trim().parse::<u32>().ok());
                match min.filter(|min| *min > self.expires) {
                    Some(min) => {
                        self.expires = min;
                        self.register(now, out);
                    }
                    None => self.refused(now, "423 without a longer Min-Expires".to_owned(), out),
                }
            }
            500..=599 => {
                self.hold(now, server, response);
                self.next_server(now, words(response), Why::Refused, out);
            }
            _ => {
                self.hold(now, server, response);
                self.refused(now, words(response), out);
            }
        }
    }

    /// The seconds granted: at our own Contact, else the shortest that is listed, else in Expires, else what we asked for.
    fn granted(&self, response: &Response) -> u32 {
        let ours = Bytes::from(self.contact());
        let ours = NameAddr::read(&ours).ok();
        let header = response.headers.text(&Name::Expires).and_then(|v| v.trim().parse().ok());
        let at_contact = match Contacts::read(&response.headers) {
            Ok(Contacts::Each(contacts)) => {
                let own = contacts.iter().find(|c| ours.as_ref().is_some_and(|o| o.uri == c.uri));
                let own = own.or_else(|| contacts.iter().find(|c| self.is_ours_rewritten(c)));
                match own {
                    Some(own) => own.expires().or(header),
                    // Behind a router the provider may show the address that it sees: one of these is ours.
                    None => contacts.iter().filter_map(|c| c.expires().or(header)).min(),
                }
            }
            _ => None,
        };
        at_contact.or(header).unwrap_or(self.expires)
    }

    /// Our Contact at the address where the server sees us.
    fn is_ours_rewritten(&self, contact: &NameAddr) -> bool {
        let Some(seen) = self.seen else { return false };
        let user = contact.uri.user().is_some_and(|user| user == self.setup.contact_user.as_bytes());
        let host = contact.uri.host().is_some_and(|host| host.ip() == Some(seen.ip()));
        let port = contact.uri.sip().and_then(|uri| uri.port).unwrap_or(5060);
        user && host && port == seen.port()
    }

    fn refused(&mut self, now: Instant, why: String, out: &mut Vec<Post>) {
        self.auth = client(&self.setup.settings);
        let until = self
            .servers
            .hold_of_current(now)
            .map_or(now + RETRY_REFUSED, |held| held.max(now + RETRY_REFUSED));
        self.registration = Registration::Wait { until, why: Why::Refused };
        self.down(now, why, out);
    }
}

fn words(response: &Response) -> String {
    format!("{} {}", response.code, String::from_utf8_lossy(&response.reason))
}

/// Our address as the other side saw it: `received` and `rport` of the Via that it sends back (RFC 3581 §4).
pub(crate) fn seen(headers: &Headers) -> Option<SocketAddr> {
    let via = Via::top(headers).ok()?;
    let port = via.rport().flatten()?;
    Some(SocketAddr::new(via.received().or_else(|| via.host.ip())?, port))
}

/// The proxies that requests of ours have to pass (RFC 3608 §5), each a value for Route.
fn service_route(headers: &Headers) -> Vec<String> {
    let lines = headers.all(&Name::ServiceRoute).flat_map(list::split);
    let is_route = |value: &Bytes| NameAddr::read(value).is_ok_and(|route| route.uri.sip().is_some());
    lines.filter(is_route).take(ROUTES).map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
}

/// More proxies than these have no carrier.
const ROUTES: usize = 8;
