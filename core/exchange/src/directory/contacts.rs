//! The phones that are registered. The SIP user agent owns the registrar and reports an extension's contacts whenever they
//! change; here they are found without asking it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ringtrip_sip::registrar::Record;

use crate::route::SipWay;
use ringtrip_model::ids::ExtId;

/// A registered phone.
#[derive(Debug, Clone)]
pub struct Contact {
    /// How it is reached.
    pub way: Arc<SipWay>,
    /// When its registration ends.
    pub until: Instant,
    /// Its registration as the store keeps it, when it was reported.
    pub record: Record,
}

/// The phones of each extension, those to ring first in front.
#[derive(Debug, Default)]
pub(super) struct Contacts(HashMap<ExtId, Vec<Contact>>);

impl Contacts {
    pub(super) fn set(&mut self, ext: ExtId, contacts: Vec<Contact>) {
        if contacts.is_empty() {
            self.0.remove(&ext);
        } else {
            self.0.insert(ext, contacts);
        }
    }

    /// Those that are registered still.
    pub(super) fn of(&self, now: Instant, ext: &ExtId) -> impl Iterator<Item = &Contact> {
        self.0.get(ext).into_iter().flatten().filter(move |contact| contact.until > now)
    }

    /// Every registration that holds still, with what is left of it.
    pub(super) fn records(&self, now: Instant) -> Vec<Record> {
        let all = self.0.values().flatten().filter(|contact| contact.until > now);
        all.map(|contact| Record { left: contact.until - now, ..contact.record.clone() }).collect()
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(&ExtId) -> bool) {
        self.0.retain(|ext, _| is_there(ext));
    }
}
