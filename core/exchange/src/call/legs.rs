//! The legs of a call: placed, told, ended, and which of them is which.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringtrip_sip::nat::Topology;
use smallvec::SmallVec;

use crate::call::application::Application;
use crate::call::machine::{Call, State};
use crate::call::setup::CallSetup;
use crate::leg::sip::{Room, SipLeg};
use crate::leg::{LegCmd, LegEvent, Placement, Random};
use crate::post::{Endpoint, LineInput, Post};
use crate::route::{Attempt, Credentials, Found, HeaderName, Target};
use ringtrip_model::ids::{ExtId, GatewayId, LegId, LineId};
use ringtrip_model::party::{Cause, Side, Source};

/// One leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) kind: Kind,
    /// Its RTP port, where it speaks by RTP. Phones that ring together share one.
    pub(super) port: Option<u16>,
    pub(super) stage: LegStage,
    /// Whose phone it is: an extension proved by digest, or called as such.
    pub(super) ext: Option<ExtId>,
    /// The target's name for events and the CDR.
    pub(super) target: Arc<str>,
    /// What carries it, where that is another than its target.
    pub(super) carrier: Option<Arc<str>>,
    /// When it was placed, µs after the call's start.
    pub(super) since: u64,
    /// What it tries; none for the caller's side.
    pub(super) attempt: Option<Arc<Attempt>>,
}

/// What a leg is made of.
#[derive(Debug)]
pub(super) enum Kind {
    Sip(Box<SipLeg>),
    Line(LineId),
    Application(Application),
}

/// How far a leg has come, as the call sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegStage {
    /// Placed; no sign of life yet. The caller's leg is here until it is answered.
    Trying,
    /// It rings.
    Ringing,
    /// It plays something before the answer.
    Early,
    /// Answered.
    Up,
    /// Told to end; only its last transactions are awaited.
    Leaving,
    /// Nothing is left of it.
    Gone,
}

/// Legs that a call may place: no plan has so many targets, and a loop of them must end.
const MOST: usize = 255;

impl Call {
    /// One of its legs, in whatever stage.
    pub(super) fn leg(&self, n: LegId) -> Option<&Leg> {
        self.legs.iter().find(|l| l.id == n)
    }

    pub(super) fn leg_mut(&mut self, n: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|l| l.id == n)
    }

    /// Places a leg on a side of the call, whose media port it takes.
    pub(super) fn place(
        &mut self,
        now: Instant,
        found: Found,
        placement: Placement,
        side: Side,
        attempt: Option<Arc<Attempt>>,
        out: &mut Vec<Post>,
    ) {
        if self.legs.len() >= MOST {
            return;
        }
        let id = self.setup.ids.leg();
        out.push(Post::Owns { call: self.id, leg: id });
        let prepared = placement.prepared.as_deref();
        let (kind, name, by): (Kind, Arc<str>, Option<GatewayId>) = match found {
            Found::Sip(mut way) => {
                if let Some(credentials) = prepared.and_then(|p| p.credentials.as_ref()) {
                    let way = Arc::make_mut(&mut way);
                    // The carrier's realm is the only one to be answered, whoever's account is used there.
                    let realm = way.credentials.take().and_then(|own| own.realm);
                    let realm = credentials.realm.clone().or(realm);
                    way.credentials = Some(Credentials { realm, ..credentials.clone() });
                }
                if way.trusted && way.gateway.is_some() {
                    let headers = self.diversions();
                    if !headers.is_empty() {
                        Arc::make_mut(&mut way).headers = headers;
                    }
                }
                let (name, by) = (way.name.as_str().into(), way.gateway.clone());
                (Kind::Sip(Box::new(SipLeg::outgoing(id, way, self.port_of(side)))), name, by)
            }
            Found::Line(line) => {
                let name = line.as_str().into();
                (Kind::Line(line), name, None)
            }
            Found::Conference(room) => {
                let name = room.as_str().into();
                (Kind::Application(Application::Conference(room)), name, None)
            }
        };
        // A plugin's gateway is who was called; what carries the call there is another matter.
        let (name, carrier) = match prepared.and_then(|p| p.gateway.as_ref()) {
            Some(gateway) if by.as_ref() != Some(gateway) => (gateway.as_str().into(), Some(name)),
            _ => (name, None),
        };
        let port = matches!(kind, Kind::Sip(_)).then(|| self.port_of(side));
        self.add(now, id, kind, port, name, carrier, attempt);
        if side == Side::Called {
            // Unless somebody answers, the record names who was tried last.
            self.note_target(id);
        }
        self.tell(now, id, LegCmd::Place(Box::new(placement)), out);
    }

    /// Who diverted the call before it came to us, in the words of a trusted gateway.
    fn diversions(&self) -> Vec<(HeaderName, Bytes)> {
        let Source::Gateway(id) = &self.cdr.source else { return Vec::new() };
        let trusted = self.setup.config.gateway(id).is_some_and(|g| g.trusted);
        let caller = self.leg(self.a).filter(|_| trusted);
        match caller.map(|l| &l.kind) {
            Some(Kind::Sip(sip)) => sip.diversions(),
            _ => Vec::new(),
        }
    }

    /// The media port of a new leg. Where a target is looked for in a call that
    /// stands, it is the one that the party that waits does not have.
    fn port_of(&self, side: Side) -> u16 {
        let waits = self.leg(self.a).and_then(|l| l.port);
        let callers = side == Side::Caller || waits == Some(self.ports[1]);
        self.ports[usize::from(!callers)]
    }

    fn ext_of(&self, kind: &Kind, attempt: Option<&Attempt>) -> Option<ExtId> {
        match (kind, attempt.map(|attempt| &attempt.target), &self.cdr.source) {
            (Kind::Sip(_), Some(Target::Extension(ext)), _) => Some(ext.clone()),
            (Kind::Sip(_), None, Source::Extension(ext)) => Some(ext.clone()),
            _ => None,
        }
    }

    /// Which side of the call a leg is on.
    pub(super) fn side(&self, n: LegId) -> Side {
        let caller = self.legs.iter().any(|l| l.id == n && l.attempt.is_none());
        if caller { Side::Caller } else { Side::Called }
    }

    /// The record names this leg as the target.
    pub(super) fn note_target(&mut self, n: LegId) {
        let Some(leg) = self.legs.iter().find(|l| l.id == n) else { return };
        // Who was called first stays so when the call is handed on; the parties say who else talked.
        if self.hunts_for_transfer() {
            return;
        }
        self.cdr.target = leg.target.to_string();
        self.cdr.carrier = leg.carrier.as_deref().unwrap_or_default().to_owned();
        self.cdr.sent = leg.attempt.as_ref().map(|a| a.number.clone()).unwrap_or_default();
        self.cdr.quote = leg.attempt.as_ref().and_then(|a| a.quote.clone());
    }

    #[allow(clippy::too_many_arguments)] // All that a leg is made of.
    pub(super) fn add(
        &mut self,
        now: Instant,
        id: LegId,
        kind: Kind,
        port: Option<u16>,
        target: Arc<str>,
        carrier: Option<Arc<str>>,
        attempt: Option<Arc<Attempt>>,
    ) {
        let since = self.age(now);
        let ext = self.ext_of(&kind, attempt.as_deref());
        let stage = LegStage::Trying;
        self.legs.push(Leg { id, kind, port, stage, ext, target, carrier, since, attempt });
    }

    /// Tells a leg something.
    pub(super) fn tell(&mut self, now: Instant, n: LegId, cmd: LegCmd, out: &mut Vec<Post>) {
        let Some(leg) = self.legs.iter_mut().find(|l| l.id == n && l.stage.lives()) else { return };
        leg.tell(now, cmd, &self.setup, &mut self.rand, &mut self.inbox, out);
    }

    pub(super) fn with_sip(
        &mut self,
        n: LegId,
        out: &mut Vec<Post>,
        step: impl FnOnce(&mut SipLeg, &mut Room<'_>),
    ) {
        let Some(Leg { kind: Kind::Sip(sip), .. }) = self.legs.iter_mut().find(|l| l.id == n) else { return };
        let mut said = SmallVec::new();
        let mut room = Room { setup: &self.setup, rand: &mut self.rand, said: &mut said, out };
        step(sip, &mut room);
        self.inbox.extend(said.into_iter().map(|event| (n, event)));
    }

    /// The networks around us changed: each leg learns by which address of ours its peer reaches us now.
    pub(super) fn network_changed(&mut self, topology: Arc<Topology>, out: &mut Vec<Post>) {
        Arc::make_mut(&mut self.setup).topology = topology;
        for leg in self.legs.iter().filter(|leg| leg.stage.lives()) {
            if let Kind::Sip(sip) = &leg.kind {
                let (flow, peer_knows_it) = sip.flow();
                out.push(Post::LocalAddress { leg: leg.id, flow, peer_knows_it });
            }
        }
    }

    /// The leg that talks, or is about to talk, with leg `n`.
    pub(super) fn other(&self, n: LegId) -> Option<LegId> {
        let b = match self.state {
            State::Up { b, .. } => b,
            State::Hunting(_) => self.path.joined()?,
            _ => return None,
        };
        match n {
            n if n == self.a => Some(b),
            n if n == b => Some(self.a),
            _ => None,
        }
    }

    pub(super) fn living(&self, which: impl Fn(&Leg) -> bool) -> SmallVec<[LegId; 4]> {
        self.legs.iter().filter(|l| l.stage.lives() && which(l)).map(|l| l.id).collect()
    }

    /// Ends a leg that is not the talk of the call any more.
    pub(super) fn end_leg(&mut self, now: Instant, n: LegId, cause: Cause, out: &mut Vec<Post>) {
        self.tell(now, n, LegCmd::End(cause), out);
        for leg in self.legs.iter_mut().filter(|l| l.id == n && l.stage.lives()) {
            leg.stage = match &leg.kind {
                Kind::Sip(sip) if !sip.is_gone() => LegStage::Leaving,
                _ => LegStage::Gone,
            };
        }
    }

    pub(super) fn end_all(&mut self, now: Instant, cause: Cause, but: Option<LegId>, out: &mut Vec<Post>) {
        for n in self.living(|l| Some(l.id) != but) {
            self.end_leg(now, n, cause, out);
        }
    }

    /// The media end of a leg; a line that the configuration does not know has none, nor has a service of the exchange.
    pub(super) fn end_of(&self, n: LegId) -> Option<Endpoint> {
        let leg = self.leg(n)?;
        match &leg.kind {
            Kind::Sip(_) => leg.port.map(Endpoint::Rtp),
            Kind::Line(line) => self.setup.port(line).cloned().map(Endpoint::Port),
            Kind::Application(_) => None,
        }
    }
}

impl Leg {
    #[allow(clippy::too_many_arguments)] // Parts of a call, borrowed apart.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        cmd: LegCmd,
        setup: &CallSetup,
        rand: &mut Random,
        inbox: &mut VecDeque<(LegId, LegEvent)>,
        out: &mut Vec<Post>,
    ) {
        match &mut self.kind {
            Kind::Line(line) => {
                out.push(Post::Line { line: line.clone(), input: LineInput::Leg { leg: self.id, cmd } })
            }
            Kind::Application(application) => application.tell(self.id, &cmd, inbox),
            Kind::Sip(sip) => {
                let mut said = SmallVec::new();
                sip.cmd(now, cmd, &mut Room { setup, rand, said: &mut said, out });
                inbox.extend(said.into_iter().map(|event| (self.id, event)));
            }
        }
    }
}

impl LegStage {
    /// May it still say and be told something?
    pub(super) fn lives(self) -> bool {
        !matches!(self, LegStage::Leaving | LegStage::Gone)
    }
}
