//! Registrations on their way between the desk, the store and what people see. Kept *soon*: phones bring back what a
//! power cut takes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_exchange::directory::Contact;
use ringtrip_model::ids::ExtId;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::registrar::Record;

use super::directory::Directory;
use super::{live, wall};
use crate::store::{RegistrationRecord, Store};
use crate::views::ContactView;

/// What the store kept, for the start. Reads the disk.
pub(super) fn kept_by(store: &Store) -> Vec<Record> {
    let now = wall::now().unix_micros;
    store.registrations(now).into_iter().filter_map(|kept| record(kept, now)).collect()
}

fn record(kept: RegistrationRecord, now: i64) -> Option<Record> {
    let left = u64::try_from(kept.expires_micros.checked_sub(now)?).ok()?;
    let flow = Flow {
        transport: if kept.transport == "tcp" { Transport::Tcp } else { Transport::Udp },
        local: kept.local.parse().ok()?,
        remote: kept.remote.parse().ok()?,
        connection: 0,
    };
    Some(Record {
        aor: Bytes::from(kept.ext),
        contact: Bytes::from(kept.contact),
        flow,
        path: kept.path.into_iter().map(Bytes::from).collect(),
        user_agent: Some(kept.user_agent).filter(|ua| !ua.is_empty()).map(Bytes::from),
        left: Duration::from_micros(left),
        call_id: Bytes::from(kept.call_id),
        cseq: kept.cseq,
    })
}

/// The phones of an extension are these now: to the views and the store.
pub(super) fn changed(dir: &Directory, ext: &ExtId, contacts: &[Contact]) {
    let now = Instant::now();
    let mut shown: Vec<ContactView> = contacts.iter().map(|contact| view(now, contact)).collect();
    let mut before = Vec::new();
    dir.0.exchange.update(|views| {
        if let Some(view) = views.extensions.get_mut(ext.as_str()) {
            for contact in &mut shown {
                let known = view.contacts.iter().find(|known| known.address == contact.address);
                contact.latency_ms = known.and_then(|known| known.latency_ms);
            }
            before = std::mem::replace(&mut view.contacts, shown);
        }
    });
    for gone in before.iter().filter(|was| !contacts.iter().any(|contact| is_of(was, &contact.record))) {
        dir.0.store.forget_registration(ext.as_str(), &gone.uri, &gone.address);
    }
    for contact in contacts {
        dir.0.store.save_registration(&kept(now, ext.as_str(), contact));
    }
}

/// A phone's latency is news.
pub(super) fn measured(dir: &Directory, ext: &ExtId, remote: SocketAddr, latency: Option<Duration>) {
    let remote = remote.to_string();
    dir.0.exchange.update(|views| {
        let contacts = views.extensions.get_mut(ext.as_str()).map(|view| &mut view.contacts[..]);
        for contact in contacts.unwrap_or_default().iter_mut().filter(|contact| contact.address == remote) {
            contact.latency_ms = latency.map(|latency| latency.as_secs_f32() * 1000.0);
        }
    });
}

/// Two phones behind two routers may have the same Contact, so where it comes from counts too.
fn is_of(view: &ContactView, record: &Record) -> bool {
    view.uri.as_bytes() == &record.contact[..] && view.address == record.flow.remote.to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn word(transport: Transport) -> String {
    match transport {
        Transport::Udp => "udp".to_owned(),
        Transport::Tcp => "tcp".to_owned(),
    }
}

fn view(now: Instant, contact: &Contact) -> ContactView {
    let record = &contact.record;
    ContactView {
        uri: text(&record.contact),
        address: record.flow.remote.to_string(),
        transport: word(record.flow.transport),
        user_agent: record.user_agent.as_deref().map(text).unwrap_or_default(),
        expires_micros: live::micros_at(now, contact.until),
        latency_ms: None,
    }
}

fn kept(now: Instant, ext: &str, contact: &Contact) -> RegistrationRecord {
    let record = &contact.record;
    RegistrationRecord {
        ext: ext.to_owned(),
        contact: text(&record.contact),
        instance: None,
        q: 1000,
        transport: word(record.flow.transport),
        local: record.flow.local.to_string(),
        remote: record.flow.remote.to_string(),
        path: record.path.iter().map(|p| text(p)).collect(),
        call_id: text(&record.call_id),
        cseq: record.cseq,
        user_agent: record.user_agent.as_deref().map(text).unwrap_or_default(),
        expires_micros: live::micros_at(now, contact.until),
    }
}
