//! What an answer to REGISTER or OPTIONS means.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::address::{Contacts, NameAddr};
use ringtrip_sip::endpoint::ClientTx;
use ringtrip_sip::message::Response;
use ringtrip_sip::name::Name;

use super::{Gateway, Probe, Purpose, RETRY_REFUSED, Registration, client};
use crate::post::Post;

impl Gateway {
    pub(super) fn answered(&mut self, now: Instant, tx: ClientTx, response: &Response, out: &mut Vec<Post>) {
        if response.code < 200 {
            return;
        }
        match (self.registration, self.probe) {
            (Registration::Trying(asked), _) if asked.tx == tx => {
                self.latency = Some(now.saturating_duration_since(asked.since));
                self.registered(now, response, out);
            }
            (_, Probe::Trying(asked)) if asked.tx == tx => {
                self.probe_later(now);
                self.latency = Some(now.saturating_duration_since(asked.since));
                match response.code {
                    503 if self.servers.is_current(asked.server) => {
                        self.next_server(now, "503 to OPTIONS".to_owned(), out);
                    }
                    503 => {}
                    _ => self.lives(now, asked.server, out),
                }
            }
            _ => self.answered_late(now, tx, response, out),
        }
    }

    /// An answer to what was given up. It counts as long as nothing else was begun: a provider that is always slow would
    /// never be registered at otherwise.
    fn answered_late(&mut self, now: Instant, tx: ClientTx, response: &Response, out: &mut Vec<Post>) {
        let Some(at) = self.late.iter().position(|(_, asked)| asked.tx == tx) else { return };
        let (purpose, asked) = self.late.swap_remove(at);
        if response.code >= 500 || !self.servers.is_current(asked.server) {
            return;
        }
        self.latency = Some(now.saturating_duration_since(asked.since));
        match (purpose, self.registration) {
            (Purpose::Register, Registration::Wait { .. }) => self.registered(now, response, out),
            (Purpose::Register, _) => {}
            (Purpose::Options, _) => self.lives(now, asked.server, out),
        }
    }

    /// It answered OPTIONS. Any answer shows that it lives, and many providers answer with 4xx; but where we must
    /// register, only a registration makes calls possible.
    fn lives(&mut self, now: Instant, server: SocketAddr, out: &mut Vec<Post>) {
        let registered = matches!(self.registration, Registration::Off | Registration::Up { .. });
        if registered && self.servers.is_current(server) {
            self.up(now, out);
        }
    }

    fn registered(&mut self, now: Instant, response: &Response, out: &mut Vec<Post>) {
        match response.code {
            200..=299 => {
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
            500..=599 => self.next_server(now, words(response), out),
            _ => self.refused(now, words(response), out),
        }
    }

    /// The seconds granted: at our own Contact, else in Expires, else what we asked for.
    fn granted(&self, response: &Response) -> u32 {
        let ours = Bytes::from(self.contact());
        let ours = NameAddr::read(&ours).ok();
        let at_contact = match Contacts::read(&response.headers) {
            Ok(Contacts::Each(contacts)) => {
                let own = contacts.iter().find(|c| ours.as_ref().is_some_and(|o| o.uri == c.uri));
                // Behind a router the provider may show the address that it sees; a single contact is ours then.
                own.or(contacts.first().filter(|_| contacts.len() == 1)).and_then(|c| c.expires())
            }
            _ => None,
        };
        let header = || response.headers.text(&Name::Expires).and_then(|v| v.trim().parse().ok());
        at_contact.or_else(header).unwrap_or(self.expires)
    }

    fn refused(&mut self, now: Instant, why: String, out: &mut Vec<Post>) {
        self.auth = client(&self.setup.settings);
        self.registration = Registration::Wait { until: now + RETRY_REFUSED };
        self.down(now, why, out);
    }
}

fn words(response: &Response) -> String {
    format!("{} {}", response.code, String::from_utf8_lossy(&response.reason))
}
