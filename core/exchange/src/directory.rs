//! The directory: who is where, and who may. It knows the lines and which of them can take a call, the phones of
//! extensions, the calls that there are and where they come from, and who has tried too many PINs.
//!
//! It is pure, so the daemon and the simulator host the very same one. Whoever hosts it reports what it learns (a line's
//! status after each step, registrations, calls that begin and end) and asks: may this call begin, who reaches this target,
//! whose line is this port? Every answer comes from memory, at once.
//!
//! * `lines`: free, reserved, in use, unfit; emergency calls take what others may not.
//! * `contacts`: the phones that are registered, as the SIP user agent last reported them.
//! * `calls`: the index of calls, admission and its limits.
//! * `conferences`: who is in which conference room.
//! * `pins`: callers who guess PINs are shut out.

mod calls;
mod conferences;
pub(crate) mod contacts;
mod lines;
mod pins;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use ringtrip_sip::registrar::Record;

pub use self::calls::{Admission, unavailable};
pub use self::contacts::Contact;
pub use self::lines::Rested;
pub use self::pins::PinAttempt;

use self::calls::Calls;
use self::conferences::Conferences;
use self::contacts::Contacts;
use self::lines::Lines;
use self::pins::PinGuard;
use crate::leg::{LegCmd, LegEvent};
use crate::post::{CallInput, Endpoint, GatewayInput, LegInput, LineInput, MediaEvent, Post};
use crate::route::{AdHoc, Found, Target};
use ringtrip_config::Config;
use ringtrip_model::ids::{CallId, ExtId, GatewayId, LineId, PortRef};
use ringtrip_model::party::Cause;

/// The directory.
#[derive(Debug)]
pub struct Directory {
    config: Arc<Config>,
    lines: Lines,
    contacts: Contacts,
    calls: Calls,
    conferences: Conferences,
    pins: PinGuard,
}

/// What a call wants to reach: the question of [`Post::Find`].
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The target.
    pub target: &'a Target,
    /// An emergency call: it takes a line that is in use, if none is free.
    pub emergency: bool,
    /// Landlines that the call has tried in vain: not those again.
    pub except: &'a [LineId],
}

/// Who knows how a target is reached.
#[derive(Debug)]
pub enum Located<'a> {
    /// The directory: these legs reach it now, or there is none, and why.
    Here(Result<Vec<Found>, Cause>),
    /// The gateway, which knows its servers.
    Gateway(&'a GatewayId),
    /// DNS.
    Host(&'a AdHoc),
}

impl Directory {
    /// A directory without lines, phones or calls. `capacity` is the number of calls that the host has room for, whatever
    /// the configuration allows.
    pub fn new(config: Arc<Config>, capacity: usize) -> Directory {
        Directory {
            config,
            lines: Lines::default(),
            contacts: Contacts::default(),
            calls: Calls::new(capacity),
            conferences: Conferences::default(),
            pins: PinGuard::default(),
        }
    }

    /// The configuration that holds now.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Another configuration. Lines are added and removed one by one ([`Directory::add_line`]), since each has a machine.
    pub fn configure(&mut self, config: Arc<Config>) {
        self.contacts.retain(|ext| config.extension(ext.as_str()).is_some());
        self.config = config;
    }

    /// Who reaches a target now? A landline that is given to one call is not given to another in the next 2 s.
    pub fn locate<'a>(&mut self, now: Instant, wanted: Wanted<'a>) -> Located<'a> {
        Located::Here(match wanted.target {
            Target::Extension(ext) => self.extension(now, ext),
            Target::Line(line) => self.lines.free(line, wanted.emergency).map(|line| vec![Found::Line(line)]),
            Target::Landline => {
                let landlines = self.config.landlines().map(|(line, _)| &line.id);
                let landlines: Vec<&LineId> = landlines.filter(|id| !wanted.except.contains(id)).collect();
                let line = self.lines.landline(now, &landlines, wanted.emergency);
                line.map(|line| vec![Found::Line(line)])
            }
            Target::Gateway(gateway) => return Located::Gateway(gateway),
            Target::Uri(to) => return Located::Host(to),
        })
    }

    /// Its telephone on a jack and its SIP phones ring together.
    fn extension(&self, now: Instant, ext: &ExtId) -> Result<Vec<Found>, Cause> {
        let extension = self.config.extension(ext.as_str()).ok_or(Cause::Unallocated)?;
        if let Some(most) = extension.conference {
            let is_full = self.conference(ext).count() >= usize::from(most);
            return if is_full { Err(Cause::Busy) } else { Ok(vec![Found::Conference(ext.clone())]) };
        }
        let phones = self.contacts.of(now, ext).map(|contact| Found::Sip(Arc::clone(&contact.way)));
        let Some(line) = &extension.line else {
            let phones: Vec<Found> = phones.collect();
            return if phones.is_empty() { Err(Cause::Unregistered) } else { Ok(phones) };
        };
        let telephone = self.lines.free(line, false);
        // A busy telephone says more than a phone that is not there.
        let because = telephone.as_ref().err().copied();
        let found: Vec<Found> = telephone.ok().map(Found::Line).into_iter().chain(phones).collect();
        if found.is_empty() { Err(because.unwrap_or(Cause::Unregistered)) } else { Ok(found) }
    }

    /// The phones of an extension, as the SIP user agent reports them whenever they change; best first.
    pub fn set_contacts(&mut self, ext: ExtId, contacts: Vec<Contact>) {
        self.contacts.set(ext, contacts);
    }

    /// Every registration that holds: what a SIP user agent that is built anew begins with.
    pub fn registrations(&self, now: Instant) -> Vec<Record> {
        self.contacts.records(now)
    }

    /// How many phones of an extension are registered.
    pub fn registered(&self, now: Instant, ext: &ExtId) -> usize {
        self.contacts.of(now, ext).count()
    }

    /// A post for a line passes: a leg that is placed on it, or taken from it, is noted.
    pub fn on_line_input(&mut self, line: &LineId, input: &LineInput) {
        if let LineInput::Leg { leg, cmd } = input {
            match cmd {
                LegCmd::Place(placement) => self.lines.occupy(line, *leg, placement.emergency),
                LegCmd::End(_) => self.lines.vacate(line, *leg),
                _ => {}
            }
        }
    }

    /// The media engine reports something: the line at that port is told, or the call.
    pub fn media(&self, call: Option<CallId>, event: MediaEvent) -> Option<Post> {
        let line = match event.endpoint() {
            Endpoint::Port(port) => self.line_at(port),
            Endpoint::Rtp(_) => None,
        };
        // Statistics of a port belong to the call that it was joined to, announcements to the call that asked for them.
        let of_call = matches!(event, MediaEvent::Stats { .. } | MediaEvent::Played { .. });
        match (line, call) {
            (Some(line), call) if call.is_none() || !of_call => {
                Some(Post::Line { line: line.clone(), input: LineInput::Media(event) })
            }
            (_, Some(call)) => Some(Post::Call { call, input: CallInput::Media(event) }),
            (_, None) => None,
        }
    }

    /// A line's machine failed: the call of the leg on it is told that the leg is gone.
    pub fn line_failed(&mut self, line: &LineId) -> Option<Post> {
        let leg = self.lines.take_leg(line)?;
        Some(Post::Leg { leg, input: LegInput::Said(LegEvent::Ended(Cause::SystemFailure)) })
    }

    /// The line at a port.
    pub fn line_at(&self, port: &PortRef) -> Option<&LineId> {
        self.lines.at(port)
    }
}

/// The answer to a post for a line that is not there, or takes nothing more: a call must not wait for it.
pub fn line_is_absent(input: &LineInput) -> Option<Post> {
    let LineInput::Leg { leg, cmd: LegCmd::Place(_) } = input else { return None };
    let event = LegEvent::Ended(Cause::Congestion);
    Some(Post::Leg { leg: *leg, input: LegInput::Said(event) })
}

/// The same for a gateway.
pub fn gateway_is_absent(input: &GatewayInput) -> Option<Post> {
    let GatewayInput::Find { call, seq, .. } = input else { return None };
    let found = Err(Cause::Failure);
    Some(Post::Call { call: *call, input: CallInput::Found { seq: *seq, found } })
}
