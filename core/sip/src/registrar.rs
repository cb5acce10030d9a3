//! The registrar's table (RFC 3261 §10.3): which contacts an address-of-record has, by which way each came, and until when.
//! Several phones may share an address; a phone that names its instance (RFC 5626) keeps one binding however often it
//! moves. Who may register is decided before: see `digest`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::address::{Contacts, NameAddr};
use crate::build;
use crate::endpoint::{Flow, Transport};
use crate::list;
use crate::message::{Headers, Response};
use crate::name::Name;
use crate::next_hop::{self, NextHop};
use crate::screen::ValidRequest;
use crate::uri::Uri;

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Shortest registration in seconds; shorter requests get 423 (§10.2.8).
    pub min: u32,
    /// Longest; longer requests are shortened.
    pub max: u32,
    /// For those who request no time.
    pub default: u32,
    /// Contacts of one address-of-record. One more pushes out the one that was refreshed longest ago, as a phone that
    /// changed its port with each reboot would otherwise lock itself out.
    pub contacts: usize,
    /// Path values of one contact.
    pub paths: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { min: 60, max: 7200, default: 3600, contacts: 10, paths: 8 }
    }
}

/// One contact of an address-of-record.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The Contact value as registered, without `expires`: unknown parameters and URI headers stay what they were
    /// (RFC 4475 §3.3.12–14).
    pub contact: NameAddr,
    /// How calls reach it: its Contact, or behind NAT the flow that the registration came by. A connection is used while
    /// it is open.
    pub flow: Flow,
    /// Proxies on the way back (RFC 3327), first hop first.
    pub path: Vec<Bytes>,
    /// Name of the phone's software.
    pub user_agent: Option<Bytes>,
    /// When it ends.
    pub until: Instant,
    /// Orders updates of one phone (§10.3 step 7).
    call_id: Bytes,
    cseq: u32,
    refreshed: Instant,
}

impl Binding {
    /// Preference in thousandths; 1000 where the phone names none.
    pub fn q(&self) -> u16 {
        self.contact.q().unwrap_or(1000)
    }
    /// The Request-URI that reaches it.
    pub fn uri(&self) -> Bytes {
        self.contact.uri.write()
    }
    fn identity(&self) -> Identity<'_> {
        Identity { contact: &self.contact, flow: self.flow, call_id: &self.call_id, alone: false }
    }
    /// The binding as the store keeps it.
    pub fn record(&self, now: Instant, aor: &Bytes) -> Record {
        Record {
            aor: aor.clone(),
            contact: self.contact.write(),
            flow: self.flow,
            path: self.path.clone(),
            user_agent: self.user_agent.clone(),
            left: self.until.saturating_duration_since(now),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
        }
    }
    /// Is it the phone that registers this contact, or another one? A Contact names a phone only where it is an address
    /// that others reach. Behind routers two homes may have the same: there the address that the registration comes from
    /// counts too, unless the Call-ID shows that it is the same phone, elsewhere or behind another port by now.
    fn is_same_as(&self, other: &Identity<'_>) -> bool {
        if let (Some(old), Some(new)) = (self.contact.instance(), other.contact.instance()) {
            // The same phone on the same of its flows, wherever it is now (RFC 5626 §6).
            return old == new && reg_id(&self.contact) == reg_id(other.contact);
        }
        let here = is_translated(&self.contact, self.flow);
        let there = is_translated(other.contact, other.flow);
        let same_call = self.call_id == other.call_id;
        match self.contact.uri == other.contact.uri {
            true if here || there => same_call || is_same_source(self.flow, other.flow),
            true => true,
            // It has moved to another network, and its address in there is another.
            false => {
                here && there
                    && same_call
                    && other.alone
                    && self.contact.uri.user() == other.contact.uri.user()
            }
        }
    }
    /// The value for a 200: what was registered and the seconds left.
    fn value(&self, now: Instant) -> Bytes {
        let left = self.until.saturating_duration_since(now);
        // Rounded up: a phone told 59 for 59.999 would come a little early for ever.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let mut contact = self.contact.clone();
        contact.params.set("expires", Some(&seconds.to_string()));
        contact.write()
    }
}

/// Who registers a contact.
struct Identity<'a> {
    contact: &'a NameAddr,
    flow: Flow,
    call_id: &'a Bytes,
    /// The request names no other contact.
    alone: bool,
}

/// Does the Contact name another address than the one that its registration came from? Then a router stands between.
pub fn is_translated(contact: &NameAddr, flow: Flow) -> bool {
    let Some(uri) = contact.uri.sip() else { return false };
    let Some(ip) = uri.host.ip() else { return false };
    let port = flow.transport == Transport::Udp && uri.port.unwrap_or(5060) != flow.remote.port();
    ip != flow.remote.ip().to_canonical() || port
}

/// Do both come from the same place? Each connection has a port of its own, so for streams the address alone counts.
fn is_same_source(a: Flow, b: Flow) -> bool {
    let same_port = a.transport == Transport::Tcp || a.remote.port() == b.remote.port();
    a.transport == b.transport && a.remote.ip() == b.remote.ip() && same_port
}

fn reg_id(contact: &NameAddr) -> Option<u32> {
    contact.params.number("reg-id")
}

/// A REGISTER that was admitted.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Whose: the key of the table, chosen by the caller, who knows which users are one.
    pub aor: &'a Bytes,
    /// The REGISTER.
    pub request: &'a ValidRequest,
    /// The way it came.
    pub flow: Flow,
    /// It listens on the port that it sends from, by all that is known (`Endpoint::is_symmetric`).
    pub symmetric: bool,
    /// The `Date` for the answer, if the wall clock is known.
    pub date: Option<&'a str>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A contact is new or was refreshed. The store should keep it.
    Registered { aor: Bytes, contact: Bytes, expires: u32, new: bool },
    /// A contact is gone.
    Unregistered { aor: Bytes, contact: Bytes, why: Why },
    /// A phone has another way now: its router was started anew, or it is in another network. What is sent the old way
    /// does not reach it any more.
    Moved { from: Flow, to: Flow },
    /// The connection of a contact closed: calls connect anew.
    Unconnected { aor: Bytes },
}

/// Why a contact is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The phone took it back.
    Removed,
    /// It was not refreshed in time.
    Expired,
    /// The same phone has another contact now, or too many others have come.
    Replaced,
    /// Its connection closed.
    Disconnected,
}

impl Why {
    /// The word used in events.
    pub fn word(self) -> &'static str {
        match self {
            Why::Removed => "removed",
            Why::Expired => "expired",
            Why::Replaced => "replaced",
            Why::Disconnected => "disconnected",
        }
    }
}

/// A binding as the store keeps it: plain values, time as what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub aor: Bytes,
    /// The Contact value without `expires`.
    pub contact: Bytes,
    /// How it came. A connection does not outlive us, so it is 0 after a start.
    pub flow: Flow,
    /// Proxies on the way back.
    pub path: Vec<Bytes>,
    /// Name of the phone's software.
    pub user_agent: Option<Bytes>,
    /// How much longer it is good.
    pub left: Duration,
    /// Call-ID of the registration.
    pub call_id: Bytes,
    /// Its CSeq number.
    pub cseq: u32,
}

/// The table.
#[derive(Debug, Default)]
pub struct Registrar {
    rules: Rules,
    records: HashMap<Bytes, Entry>,
    /// Addresses by the time at which one of their contacts may end; each is looked at and put back.
    wakes: BinaryHeap<Reverse<(Instant, Bytes)>>,
}

#[derive(Debug, Default)]
struct Entry {
    bindings: Vec<Binding>,
    queued: Option<Instant>,
}

impl Entry {
    /// The place of the contact that was refreshed longest ago.
    fn oldest(&self) -> usize {
        self.bindings.iter().enumerate().min_by_key(|(_, b)| b.refreshed).map_or(0, |(i, _)| i)
    }
}

/// What a REGISTER asks of one contact.
struct Wish {
    contact: NameAddr,
    expires: u32,
}

impl Registrar {
    /// An empty table.
    pub fn new(rules: Rules) -> Registrar {
        Registrar { rules, ..Registrar::default() }
    }

    /// Follows other rules from now on; contacts that are there already stay as they are.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Leaves an address so many contacts, those that were refreshed last.
    pub fn limit(&mut self, aor: &Bytes, contacts: usize, changes: &mut Vec<Change>) {
        let Some(entry) = self.records.get_mut(aor) else { return };
        while entry.bindings.len() > contacts {
            let gone = entry.bindings.remove(entry.oldest()).uri();
            changes.push(Change::Unregistered { aor: aor.clone(), contact: gone, why: Why::Removed });
        }
        if entry.bindings.is_empty() {
            self.records.remove(aor);
        }
    }

    /// Carries out an admitted REGISTER, wholly or not at all, and answers it.
    pub fn register(&mut self, now: Instant, ask: Registration<'_>, changes: &mut Vec<Change>) -> Response {
        match self.update(now, ask, changes) {
            Ok(()) => self.ok(now, ask),
            Err(code) => {
                let mut response = build::response(ask.request, code);
                if code == 423 {
                    response.headers.push(Name::MinExpires, self.rules.min.to_string());
                }
                response
            }
        }
    }

    /// The contacts of an address, those to ring first in front: by `q`, then the latest refreshed.
    pub fn bindings(&self, now: Instant, aor: &Bytes) -> Vec<&Binding> {
        let mut found: Vec<&Binding> =
            self.records.get(aor).into_iter().flat_map(|e| &e.bindings).filter(|b| b.until > now).collect();
        found.sort_by_key(|b| (Reverse(b.q()), Reverse(b.refreshed)));
        found
    }

    /// The contacts of an address as they stand, perhaps with some that have just ended.
    pub fn of(&self, aor: &Bytes) -> &[Binding] {
        self.records.get(aor).map_or(&[], |entry| &entry.bindings)
    }

    /// Every address with its contacts.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &[Binding])> {
        self.records.iter().map(|(aor, entry)| (aor, &entry.bindings[..]))
    }

    /// How many contacts there are.
    pub fn len(&self) -> usize {
        self.records.values().map(|e| e.bindings.len()).sum()
    }

    /// Nobody registered?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// When [`Registrar::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out what has run out.
    pub fn expire(&mut self, now: Instant, changes: &mut Vec<Change>) {
        while self.wakes.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((at, aor))) = self.wakes.pop() else { return };
            if let Some(entry) = self.records.get_mut(&aor).filter(|e| e.queued == Some(at)) {
                entry.queued = None;
            }
            self.drop_if(&aor, Why::Expired, changes, |b| b.until <= now);
        }
    }

    /// A stream connection closed. Who registered it as an outbound flow (RFC 5626 §5.3) is not reached by anything else;
    /// all other bindings live until they expire, and calls connect anew.
    pub fn disconnected(&mut self, flow: Flow, changes: &mut Vec<Change>) {
        if flow.transport == Transport::Udp || flow.connection == 0 {
            return;
        }
        let lost = |b: &Binding| {
            let same = b.flow.transport == flow.transport && b.flow.connection == flow.connection;
            same && reg_id(&b.contact).is_some()
        };
        let hit: Vec<Bytes> = self
            .records
            .iter()
            .filter(|(_, e)| e.bindings.iter().any(lost))
            .map(|(aor, _)| aor.clone())
            .collect();
        for aor in hit {
            self.drop_if(&aor, Why::Disconnected, changes, lost);
        }
        let by_it =
            |b: &&mut Binding| b.flow.transport == flow.transport && b.flow.connection == flow.connection;
        for (aor, entry) in &mut self.records {
            let mut closed = entry.bindings.iter_mut().filter(by_it).peekable();
            if closed.peek().is_some() {
                changes.push(Change::Unconnected { aor: aor.clone() });
            }
            closed.for_each(|binding| binding.flow.connection = 0);
        }
    }

    /// Takes every contact of an address out: the operator deleted it.
    pub fn forget(&mut self, aor: &Bytes, changes: &mut Vec<Change>) {
        self.drop_if(aor, Why::Removed, changes, |_| true);
    }

    /// All bindings for the store.
    pub fn export(&self, now: Instant) -> Vec<Record> {
        self.records.iter().flat_map(|(aor, e)| e.bindings.iter().map(move |b| b.record(now, aor))).collect()
    }

    /// The bindings of one address for the store.
    pub fn export_of(&self, now: Instant, aor: &Bytes) -> Vec<Record> {
        self.records.get(aor).into_iter().flat_map(|e| &e.bindings).map(|b| b.record(now, aor)).collect()
    }

    /// Bindings from the store, at start. A record that no longer reads is left out.
    pub fn import(&mut self, now: Instant, records: impl IntoIterator<Item = Record>) {
        for r in records {
            let Ok(contact) = NameAddr::read(&r.contact) else { continue };
            if r.left.is_zero() {
                continue;
            }
            let binding = Binding {
                contact,
                flow: Flow { connection: 0, ..r.flow },
                path: r.path,
                user_agent: r.user_agent,
                until: now + r.left,
                call_id: r.call_id,
                cseq: r.cseq,
                refreshed: now,
            };
            let entry = self.records.entry(r.aor.clone()).or_default();
            // Two records of one phone: the later one counts.
            let same = |b: &Binding| b.is_same_as(&binding.identity());
            if entry.bindings.iter().any(|b| same(b) && b.until > binding.until) {
                continue;
            }
            entry.bindings.retain(|b| !same(b));
            entry.bindings.push(binding);
            self.queue(&r.aor);
        }
    }

    fn update(&mut self, now: Instant, ask: Registration<'_>, changes: &mut Vec<Change>) -> Result<(), u16> {
        let (headers, fields) = (&ask.request.headers, ask.request.fields());
        let cseq = fields.head.cseq.number;
        let call_id = Bytes::copy_from_slice(&fields.head.call_id);
        let held: &[Binding] = self.records.get(ask.aor).map_or(&[], |e| &e.bindings);
        let is_late = |b: &Binding| b.call_id == call_id && cseq <= b.cseq;

        // Everything is judged before anything changes (§10.3 step 7).
        let wishes = match &fields.contacts {
            Contacts::All => {
                if headers.text(&Name::Expires).map(str::trim) != Some("0") {
                    return Err(400);
                }
                if held.iter().any(is_late) {
                    return Err(500);
                }
                self.drop_if(ask.aor, Why::Removed, changes, |_| true);
                return Ok(());
            }
            Contacts::Each(contacts) => self.wishes(headers, contacts)?,
        };
        if wishes.iter().filter(|w| w.expires > 0).count() > self.rules.contacts {
            return Err(403);
        }
        let alone = wishes.len() == 1;
        let is_of = |b: &Binding, contact: &NameAddr| {
            b.is_same_as(&Identity { contact, flow: way_to(contact, ask), call_id: &call_id, alone })
        };
        if wishes.iter().any(|w| held.iter().any(|b| is_of(b, &w.contact) && is_late(b))) {
            return Err(500);
        }
        let path: Vec<Bytes> =
            headers.all(&Name::Path).flat_map(list::split).map(|p| Bytes::copy_from_slice(&p)).collect();
        if path.len() > self.rules.paths {
            return Err(400);
        }

        for wish in wishes {
            if wish.expires == 0 {
                self.drop_if(ask.aor, Why::Removed, changes, |b| is_of(b, &wish.contact));
                continue;
            }
            let flow = way_to(&wish.contact, ask);
            let binding = Binding {
                // Written anew: a slice would hold the whole datagram for an hour.
                contact: NameAddr::read(&wish.contact.write()).unwrap_or(wish.contact),
                flow,
                path: path.clone(),
                user_agent: headers.get(&Name::UserAgent).map(|v| Bytes::copy_from_slice(v)),
                until: now + Duration::from_secs(u64::from(wish.expires)),
                call_id: call_id.clone(),
                cseq,
                refreshed: now,
            };
            self.keep(ask.aor, binding, wish.expires, alone, changes);
        }
        self.queue(ask.aor);
        Ok(())
    }

    /// What the request asks of each contact (§10.2.1.1): its own `expires`, else that of the request, else ours.
    fn wishes(&self, headers: &Headers, contacts: &[NameAddr]) -> Result<Vec<Wish>, u16> {
        // One that is no number counts as missing, one too large as the largest (RFC 4475 §3.1.2.4).
        let all = headers.text(&Name::Expires).and_then(|text| seconds(text.trim()));
        let mut wishes = Vec::with_capacity(contacts.len());
        for contact in contacts {
            let mut contact = contact.clone();
            if !matches!(contact.uri, Uri::Sip(_) | Uri::Tel(_)) {
                return Err(400);
            }
            let expires = contact.expires().or(all).unwrap_or(self.rules.default).min(self.rules.max);
            if expires != 0 && expires < self.rules.min {
                return Err(423);
            }
            contact.params.remove("expires");
            wishes.push(Wish { contact, expires });
        }
        Ok(wishes)
    }

    /// Puts a binding in the place of those that it replaces.
    fn keep(&mut self, aor: &Bytes, binding: Binding, expires: u32, alone: bool, changes: &mut Vec<Change>) {
        let entry = self.records.entry(aor.clone()).or_default();
        let uri = binding.uri();
        let who = Identity { alone, ..binding.identity() };
        let mut gone = Vec::new();
        for old in entry.bindings.extract_if(.., |b| b.is_same_as(&who)) {
            if old.flow.remote != binding.flow.remote {
                changes.push(Change::Moved { from: old.flow, to: binding.flow });
            }
            gone.push(old.uri());
        }
        let new = gone.is_empty();
        gone.retain(|old| *old != uri);
        entry.bindings.push(binding);
        while entry.bindings.len() > self.rules.contacts {
            gone.push(entry.bindings.remove(entry.oldest()).uri());
        }
        for contact in gone {
            changes.push(Change::Unregistered { aor: aor.clone(), contact, why: Why::Replaced });
        }
        changes.push(Change::Registered { aor: aor.clone(), contact: uri, expires, new });
    }

    fn drop_if(&mut self, aor: &Bytes, why: Why, changes: &mut Vec<Change>, gone: impl Fn(&Binding) -> bool) {
        let Some(entry) = self.records.get_mut(aor) else { return };
        for b in entry.bindings.extract_if(.., |b| gone(b)) {
            changes.push(Change::Unregistered { aor: aor.clone(), contact: b.uri(), why });
        }
        if entry.bindings.is_empty() {
            self.records.remove(aor);
        } else {
            self.queue(aor);
        }
    }

    /// Makes sure that the address is looked at when its next contact ends.
    fn queue(&mut self, aor: &Bytes) {
        let Some(entry) = self.records.get_mut(aor) else { return };
        let Some(next) = entry.bindings.iter().map(|b| b.until).min() else { return };
        if entry.queued.is_none_or(|q| next < q) {
            entry.queued = Some(next);
            self.wakes.push(Reverse((next, aor.clone())));
        }
    }

    /// The 200 (§10.3 step 8): every contact with the time left.
    fn ok(&self, now: Instant, ask: Registration<'_>) -> Response {
        let mut response = build::response(ask.request, 200);
        for binding in self.bindings(now, ask.aor) {
            response.headers.push(Name::Contact, binding.value(now));
        }
        // The phone learns the path that was stored (RFC 3327 §5.3).
        for path in ask.request.headers.all(&Name::Path) {
            response.headers.push(Name::Path, path.clone());
        }
        if let Some(date) = ask.date {
            response.headers.push(Name::Date, Bytes::copy_from_slice(date.as_bytes()));
        }
        response
    }
}

/// The flow by which calls reach this contact.
fn way_to(contact: &NameAddr, ask: Registration<'_>) -> Flow {
    let reach = next_hop::reach(contact, ask.flow, ask.symmetric);
    match next_hop::next_hop(&[], &contact.uri.write(), ask.flow, reach) {
        NextHop::Flow(flow) => flow,
        NextHop::Name(_) => ask.flow,
    }
}

/// Decimal seconds; too many to hold are the most that can be.
fn seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
