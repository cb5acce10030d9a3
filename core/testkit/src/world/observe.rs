//! What a test sees of the world: what was said, the records, what is left over.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_exchange::cdr::Cdr;
use ringtrip_model::ids::CallId;

use super::World;

impl World {
    /// The last message that the exchange sent to this phone.
    pub fn last_to(&mut self, phone: &str) -> String {
        self.said_to(phone, "")
    }

    /// The last message that the exchange sent to this phone which begins so.
    pub fn said_to(&mut self, phone: &str, beginning: &str) -> String {
        let addr = self.phone(phone).outside_addr();
        let hit = |(to, text): &&(SocketAddr, String)| *to == addr && text.starts_with(beginning);
        self.said.iter().rev().find(hit).map(|(_, text)| text.clone()).unwrap_or_default()
    }

    /// Every tag, Call-ID, branch and cnonce in what was sent so far.
    pub fn identifiers(&self) -> BTreeSet<String> {
        let lines = self.said.iter().flat_map(|(_, text)| text.lines());
        let end = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
            text[..end].to_owned()
        };
        let mut found = BTreeSet::new();
        for line in lines {
            found.extend(line.strip_prefix("Call-ID: ").map(end));
            for mark in [";tag=", ";branch=", "cnonce=\""] {
                found.extend(line.split(mark).skip(1).map(end));
            }
        }
        // What the phones call themselves is shorter.
        found.retain(|id| id.len() >= 16);
        found
    }

    /// The records of all calls, the earliest first; of those that live as they are now.
    pub fn records(&self) -> Vec<Cdr> {
        let now =
            |(id, kept): (&CallId, &Cdr)| self.calls.get(id).map_or(kept, |call| call.record().0).clone();
        self.cdrs.iter().map(now).collect()
    }

    /// How long the phone of this extension took to answer when its way was kept open.
    pub fn latency(&self, ext: &str) -> Option<Duration> {
        let records = self.desk.records_of(self.now, &ext.parse().expect("a name"));
        records.iter().find_map(|record| self.desk.latency(record.flow))
    }

    /// The calls that live.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What must be nothing when all calls have ended: calls, leases, transactions of the desk, sound paths.
    pub fn left_over(&self) -> Vec<String> {
        let mut left = Vec::new();
        let held = self.desk.held();
        for (what, n) in [
            ("calls", self.calls.len()),
            ("legs", self.legs.len()),
            ("calls in the directory", self.directory.calls()),
            ("calls that count", self.directory.seats()),
            ("conferences", self.directory.conferences()),
            ("rated calls", self.rating.read().calls()),
            ("leases", self.leased.len()),
            ("server transactions", held.servers),
            ("client transactions", held.clients),
            ("sound paths", usize::from(!self.media.is_empty())),
            ("endpoints", usize::from(self.audio.as_ref().is_some_and(|audio| !audio.is_idle()))),
        ] {
            if n > 0 {
                left.push(format!("{n} {what}"));
            }
        }
        left
    }
}
