//! Registrations on their way between the desk, the store and what people see. Kept *soon*: phones bring back what a
//! power cut takes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_exchange::desk::Desk;
use ringtrip_model::ids::ExtId;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::registrar::Record;

use super::directory::Directory;
use super::{live, wall};
use crate::store::RegistrationRecord;
use crate::views::ContactView;

/// What the store kept, for a new desk.
pub(super) fn restore(dir: &Directory) -> Vec<Record> {
    let now = wall::now().unix_micros;
    dir.0.store.registrations(now).into_iter().filter_map(|kept| record(kept, now)).collect()
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

/// The desk after a step in which registrations of these extensions changed: to the views and the store.
pub(super) fn changed(dir: &Directory, now: Instant, desk: &Desk, exts: Vec<ExtId>) {
    for ext in exts {
        let of = desk.records_of(now, &ext);
        let contacts: Vec<ContactView> =
            of.iter().map(|r| ContactView { latency_ms: latency(desk, r), ..view(now, r) }).collect();
        let mut before = Vec::new();
        dir.0.exchange.update(|views| {
            if let Some(view) = views.extensions.get_mut(ext.as_str()) {
                before = std::mem::replace(&mut view.contacts, contacts);
            }
        });
        for gone in before.iter().filter(|was| !of.iter().any(|r| is_of(was, r))) {
            dir.0.store.forget_registration(ext.as_str(), &gone.uri, &gone.address);
        }
        for record in &of {
            dir.0.store.save_registration(&kept(now, ext.as_str(), record));
        }
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

fn latency(desk: &Desk, record: &Record) -> Option<f32> {
    desk.latency(record.flow).map(|latency| latency.as_secs_f32() * 1000.0)
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

fn view(now: Instant, record: &Record) -> ContactView {
    ContactView {
        uri: text(&record.contact),
        address: record.flow.remote.to_string(),
        transport: word(record.flow.transport),
        user_agent: record.user_agent.as_deref().map(text).unwrap_or_default(),
        expires_micros: live::micros_at(now, now + record.left),
        latency_ms: None,
    }
}

fn kept(now: Instant, ext: &str, record: &Record) -> RegistrationRecord {
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
        expires_micros: live::micros_at(now, now + record.left),
    }
}
