//! How a call goes out by a gateway, and what it is told while that is not known.

use std::sync::Arc;
use std::time::Instant;

use ringtrip_sip::next_hop::Reach;

use super::{Asker, EARLY, Gateway, Health, Resolve};
use crate::leg::sip::identity::escape_user;
use crate::post::{CallInput, Post};
use crate::route::{Found, Identity, SipWay};
use ringtrip_model::party::Cause;

impl Gateway {
    /// May a call be tried? Unknown is worth a try, down is not.
    pub(super) fn is_usable(&self) -> bool {
        !self.servers.is_empty() && !matches!(self.health, Health::Down { .. })
    }

    /// Is it being found out for the first time where the provider is? Who asks then waits: after a restart that is a
    /// matter of milliseconds, and a call is more patient than that.
    pub(super) fn is_new(&self) -> bool {
        self.servers.is_empty()
            && self.last_error.is_none()
            && matches!(self.resolve, Resolve::Asked { .. })
            && self.early.len() < EARLY
    }

    pub(super) fn found(&self, now: Instant, asker: Asker, out: &mut Vec<Post>) {
        let found = self.way(now, asker.emergency).map(|way| vec![Found::Sip(Arc::new(way))]);
        out.push(Post::Call { call: asker.call, input: CallInput::Found { seq: asker.seq, found } });
    }

    /// Answers those who asked early.
    pub(super) fn answer_early(&mut self, now: Instant, out: &mut Vec<Post>) {
        for asker in std::mem::take(&mut self.early) {
            self.found(now, asker, out);
        }
    }

    fn way(&self, now: Instant, emergency: bool) -> Result<SipWay, Cause> {
        if self.servers.is_empty() {
            return Err(Cause::Congestion);
        }
        // A call for help tries what seems dead: it may have come back a moment ago.
        if !self.is_usable() && !emergency {
            return Err(Cause::Failure);
        }
        let settings = &self.setup.settings;
        Ok(SipWay {
            uri: format!("sip:{{number}}@{}{}", settings.server, self.transport()),
            flows: self.servers.for_call(now),
            first: None,
            reach: Reach::Contact,
            answer_within: settings.answer_within,
            credentials: settings.credentials(),
            identity: Identity {
                // A peer without an account for us hears who calls, not who we are.
                user: settings.own_number().map(str::to_owned),
                domain: settings.domain().to_owned(),
                contact_user: escape_user(&self.setup.contact_user),
            },
            routes: self.call_routes(),
            trusted: settings.trusted,
            codecs: settings.codecs.clone(),
            srtp: settings.srtp,
            headers: Vec::new(),
            name: settings.id.to_string(),
            gateway: Some(settings.id.clone()),
        })
    }
}
