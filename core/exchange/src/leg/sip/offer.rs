//! Offer and answer (RFC 3264) between the peer and the far side of the call. Sound passes through where both speak
//! the same codec, and is transcoded between PCMU, PCMA, G.722 and linear where they do not; Opus only passes.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use ringtrip_media::negotiate;
use ringtrip_media::sdp::sdes::Crypto;
use ringtrip_media::sdp::{Audio, NoAudio, Sdp, SdpSession, SrtpPolicy};
use ringtrip_media::sound::{CodecKind, Direction, RtcpPort, Sound};
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::next_hop::HostName;
use ringtrip_sip::{Headers, body};

use crate::leg::sip::srtp::Keying;
use crate::post::MediaParameters;

/// The talk of one leg with its peer about sound.
#[derive(Debug)]
pub(super) struct Talk {
    /// Our leased RTP port.
    port: u16,
    /// Our name and version of it in `o=`, and our keys.
    session: SdpSession,
    keying: Keying,
    /// The sections of the peer's last body, and which of them is the sound: every later body has as many.
    shape: Option<(Sdp, usize)>,
    /// What we said last: offer or answer.
    local: Option<Sound>,
    /// What they said last.
    remote: Option<Sound>,
    /// Where they last wanted their sound: kept over a hold by address 0.0.0.0 (RFC 2543).
    address: Option<SocketAddr>,
    /// Where its signalling comes from: where its sound goes while a name in its SDP is resolved.
    signalling: IpAddr,
    /// The name in its SDP, with the port, and where that is once it is known.
    named: Option<Named>,
    /// What the far side speaks, as far as it has said.
    far: Sound,
    /// The only codecs to speak, best first; none: all.
    allowed: Vec<CodecKind>,
    /// Our offer has no answer yet.
    offering: bool,
    /// The parameters changed since the media engine was told.
    dirty: bool,
    /// How many offers have had their answer.
    agreement: u32,
}

/// A host name in `c=` (RFC 8866 §5.7).
#[derive(Debug)]
struct Named {
    name: HostName,
    asked: bool,
    at: Option<SocketAddr>,
}

/// Packet time that we send where the peer has no wish, ms.
const PTIME: u8 = 20;

/// Payload type of RFC 4733 events in our offers, unless a codec has taken it.
const EVENTS: u8 = 101;

impl Talk {
    pub(super) fn new(port: u16, signalling: IpAddr) -> Talk {
        Talk {
            port,
            session: SdpSession::default(),
            keying: Keying::default(),
            shape: None,
            local: None,
            remote: None,
            address: None,
            signalling,
            named: None,
            far: Sound::default(),
            allowed: Vec::new(),
            offering: false,
            dirty: false,
            agreement: 0,
        }
    }

    /// Gives the session its name.
    pub(super) fn name(&mut self, session: u64) {
        self.session = SdpSession::new(session);
        // Legs that have a port one after the other must not be taken for each other.
        self.agreement = session as u32;
    }

    /// Speaks these codecs alone from now on, best first; none: all.
    pub(super) fn allow(&mut self, codecs: Vec<CodecKind>) {
        self.allowed = codecs;
        if let Some(remote) = &mut self.remote {
            negotiate::restrict(&mut remote.codecs, &self.allowed);
        }
    }

    /// Our RTP port is this one from now on. True if the peer was told another.
    pub(super) fn move_to(&mut self, port: u16) -> bool {
        let moved = self.port != port && self.local.is_some();
        self.port = port;
        if let Some(addr) = self.local.as_mut().and_then(|local| local.addr.as_mut()) {
            addr.set_port(port);
        }
        self.dirty = true;
        moved
    }

    pub(super) fn show_face_again(&mut self) {
        self.dirty = true;
    }

    /// Speaks SRTP by this policy, with keys from this seed.
    pub(super) fn secure(&mut self, policy: SrtpPolicy, seed: [u8; 32]) {
        self.keying = Keying::new(policy, seed);
    }

    /// It is a call for help: no policy of SRTP stops it.
    pub(super) fn help(&mut self) {
        self.keying.help();
    }

    /// By which policy a body of the peer is read: as an offer, or as the answer to ours.
    pub(super) fn policy(&self) -> SrtpPolicy {
        self.keying.policy(&self.session, self.offering)
    }

    /// Our RTP port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn remote(&self) -> Option<&Sound> {
        self.remote.as_ref()
    }

    /// Have both sides said what they speak?
    pub(super) fn settled(&self) -> bool {
        self.local.is_some() && self.remote.is_some() && !self.offering
    }

    /// Is an offer of ours without its answer?
    pub(super) fn offering(&self) -> bool {
        self.offering
    }

    pub(super) fn speaks_events(&self) -> bool {
        let events = |s: &Option<Sound>| s.as_ref().is_some_and(|s| s.telephone_event.is_some());
        events(&self.local) && events(&self.remote)
    }

    /// The peer offers; what it can hear and say is known from now on, our answer follows.
    pub(super) fn offered(&mut self, mut offer: Heard) {
        self.place(&mut offer);
        negotiate::restrict(&mut offer.sound.codecs, &self.allowed);
        self.address = offer.sound.addr.or(self.address);
        self.keying.theirs = offer.crypto;
        self.remote = Some(offer.sound);
        self.shape = Some((offer.sdp, offer.at));
    }

    /// Our offer to a peer: what the far side speaks, and all that can be transcoded, whatever it speaks.
    pub(super) fn offer(&mut self, far: Option<&Sound>, me: SocketAddr) -> Bytes {
        if let Some(far) = far {
            self.far = far.clone();
        }
        let mut codecs = negotiate::offer(far);
        // A payload type means the same for the whole session (RFC 3264 §8.3.2).
        for codec in &mut codecs {
            let known = self.remote.iter().flat_map(|r| &r.codecs).find(|c| c.kind == codec.kind);
            if let Some(known) = known {
                *codec = known.clone();
            }
        }
        negotiate::restrict(&mut codecs, &self.allowed);
        let taken = |pt| codecs.iter().any(|c| c.pt == pt);
        let events = far.and_then(|far| far.telephone_event).filter(|pt| !taken(*pt));
        let events = events.or_else(|| [EVENTS, 102, 103, 127].into_iter().find(|pt| !taken(*pt)));
        let sound = Sound {
            addr: Some(SocketAddr::new(me.ip(), self.port)),
            codecs,
            telephone_event: events,
            ptime: Some(PTIME),
            direction: far.map_or(Direction::SendRecv, |far| far.direction),
            rtcp: self.own_rtcp(),
        };
        self.offering = true;
        self.keying.offer(&mut self.session);
        self.say(sound)
    }

    /// Our answer to the peer's last offer, for a far side that speaks this; `None` if nothing fits.
    pub(super) fn answer(&mut self, far: &Sound, me: SocketAddr) -> Option<Bytes> {
        self.far = far.clone();
        let offer = self.remote.as_ref()?;
        let codec = negotiate::choose(offer, far)?.clone();
        let sound = Sound {
            addr: Some(SocketAddr::new(me.ip(), self.port)),
            codecs: vec![codec],
            telephone_event: offer.telephone_event,
            ptime: Some(offer.ptime.unwrap_or(PTIME)),
            direction: far.direction.within(offer.direction),
            // Who would share a port with RTCP is met there (RFC 5761 §5.1.1); ours is else the next one.
            rtcp: if offer.rtcp == RtcpPort::Shared { RtcpPort::Shared } else { RtcpPort::Next },
        };
        self.offering = false;
        self.dirty = true;
        self.agreement = self.agreement.wrapping_add(1);
        self.keying.answer(&mut self.session);
        Some(self.say(sound))
    }

    /// Takes the peer's answer to our offer. False if it has no codec that we offered.
    pub(super) fn accept(&mut self, mut answer: Heard) -> bool {
        self.place(&mut answer);
        let Some(local) = &self.local else { return false };
        let fits = answer.sound.codecs.iter().any(|c| local.codecs.iter().any(|ours| ours.kind == c.kind))
            && self.keying.accept(&mut self.session, answer.crypto.as_ref());
        if fits {
            self.address = answer.sound.addr.or(self.address);
            self.remote = Some(answer.sound);
            self.shape = Some((answer.sdp, answer.at));
            self.offering = false;
            self.dirty = true;
            self.agreement = self.agreement.wrapping_add(1);
        }
        fits
    }

    /// A name in place of the address: its sound goes where its signalling comes from until the name is resolved.
    fn place(&mut self, heard: &mut Heard) {
        let media = heard.sdp.media.get(heard.at);
        let Some((name, port)) = media.and_then(|m| Some((m.name.clone()?, m.port))) else {
            self.named = None;
            return;
        };
        let name = HostName { host: name, port: Some(port), transport: Some(Transport::Udp) };
        let named = self.named.take().filter(|named| named.name == name);
        let named = named.unwrap_or(Named { name, asked: false, at: None });
        heard.sound.addr = Some(named.at.unwrap_or(SocketAddr::new(self.signalling, port)));
        self.named = Some(named);
    }

    /// The name that has to be resolved, once.
    pub(super) fn take_name(&mut self) -> Option<HostName> {
        let named = self.named.as_mut().filter(|named| !named.asked)?;
        named.asked = true;
        Some(named.name.clone())
    }

    /// DNS has answered.
    pub(super) fn located(&mut self, name: &HostName, at: SocketAddr) {
        let Some(named) = self.named.as_mut().filter(|named| named.name == *name) else { return };
        named.at = Some(at);
        self.address = Some(at);
        if let Some(remote) = &mut self.remote {
            remote.addr = Some(at);
        }
        self.dirty = true;
    }

    /// Our last offer was refused: all stays as it was.
    pub(super) fn withdraw(&mut self, before: Option<Sound>) {
        self.local = before;
        self.offering = false;
    }

    /// A new offer within the dialog; our answer for the far side as it is, or `None`, and all stays as it was.
    pub(super) fn reoffered(&mut self, offer: Heard, me: SocketAddr) -> Option<Bytes> {
        let (remote, address, shape) = (self.remote.clone(), self.address, self.shape.clone());
        let theirs = self.keying.theirs.clone();
        self.offered(offer);
        let far = self.far.clone();
        let answer = self.answer(&far, me);
        if answer.is_none() {
            (self.remote, self.address, self.shape) = (remote, address, shape);
            self.keying.theirs = theirs;
        }
        answer
    }

    /// The far side speaks this from now on.
    pub(super) fn far(&mut self, far: Sound) {
        self.far = far;
    }

    /// What we said last, as an offer: to refresh the session, or because the peer asks for one.
    pub(super) fn offer_again(&mut self) -> Option<Bytes> {
        self.offering = self.local.is_some();
        self.again()
    }

    /// An offer as for a new call: all codecs, both ways. The peer asks for one within the dialog.
    pub(super) fn offer_anew(&mut self, me: SocketAddr) -> Bytes {
        let far = Sound { direction: Direction::SendRecv, ..self.far.clone() };
        let kept = self.far.clone();
        // Who will answer may be another, who cannot know how far our packets have counted.
        self.keying.renew();
        let sdp = self.offer(Some(&far), me);
        // What the far side wants has not changed.
        self.far = kept;
        sdp
    }

    /// What we said last.
    pub(super) fn said(&self) -> Option<&Sound> {
        self.local.as_ref()
    }

    /// Our address is this one now. True if the peer was told another.
    pub(super) fn relocate(&mut self, ip: IpAddr) -> bool {
        let Some(addr) = self.local.as_mut().and_then(|local| local.addr.as_mut()) else { return false };
        let moved = addr.ip() != ip;
        addr.set_ip(ip);
        moved
    }

    /// The same words again: for a 200 after a 183, or to refresh the session.
    pub(super) fn again(&mut self) -> Option<Bytes> {
        self.local.take().map(|sound| self.say(sound))
    }

    /// What the peer speaks, for the far side: the one codec that was agreed on, so that the far side agrees on the
    /// same if it can only pass through.
    pub(super) fn heard(&self) -> Sound {
        let (Some(local), Some(remote)) = (&self.local, &self.remote) else { return Sound::default() };
        let agreed = remote.codecs.iter().find(|c| local.codecs.iter().any(|l| l.kind == c.kind));
        Sound { codecs: agreed.cloned().into_iter().collect(), ..remote.clone() }
    }

    /// Would the far side's change make us say something else?
    pub(super) fn must_change(&self, far: &Sound) -> bool {
        let Some(local) = &self.local else { return false };
        let heard = self.heard();
        let agreed = heard.codecs.first().map(|c| c.kind);
        let passes = agreed.is_none_or(|kind| negotiate::reaches(kind, far));
        local.direction != far.direction || !passes
    }

    pub(super) fn take_parameters(&mut self) -> Option<MediaParameters> {
        if !self.dirty || !self.settled() {
            return None;
        }
        let (local, remote) = (self.local.as_ref()?, self.remote.as_ref()?);
        let parameters = MediaParameters {
            remote: self.address?,
            also: None,
            agreement: self.agreement,
            unreachable: false,
            local: None,
            rtcp: rtcp(local, remote),
            protection: self.keying.protection(),
            send: remote.codecs.iter().find(|c| local.codecs.iter().any(|l| l.kind == c.kind))?.clone(),
            receive: local.codecs.clone(),
            telephone_event: remote.telephone_event.filter(|_| local.telephone_event.is_some()),
            telephone_event_in: local.telephone_event.filter(|_| remote.telephone_event.is_some()),
            ptime: remote.ptime.unwrap_or(PTIME),
            direction: local.direction.within(remote.direction),
            timeout: None,
        };
        self.dirty = false;
        Some(parameters)
    }

    /// Do both sides share the port of RTP? We do not begin with that, but keep it in later offers.
    fn own_rtcp(&self) -> RtcpPort {
        let shares = |sound: &Option<Sound>| sound.as_ref().is_some_and(|s| s.rtcp == RtcpPort::Shared);
        if shares(&self.local) && shares(&self.remote) { RtcpPort::Shared } else { RtcpPort::Next }
    }

    /// Writes what we say. The version grows by itself when it differs from what we said before.
    fn say(&mut self, sound: Sound) -> Bytes {
        let at = sound.addr.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], self.port)));
        let text = match &self.shape {
            Some((sdp, n)) => self.session.answer(sdp, at, Some((*n, &sound))),
            None => self.session.offer(at, &sound),
        };
        self.local = Some(sound);
        text.into()
    }
}

/// An SDP body that was understood.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    sdp: Sdp,
    at: usize,
    sound: Sound,
    crypto: Option<Crypto>,
}

/// Why an SDP body is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not SDP (400).
    Broken,
    /// It has no sound that may be taken (488).
    NoAudio(NoAudio),
}

/// Reads the session description of a message, if it has one.
pub(super) fn of(headers: &Headers, body: &Bytes, policy: SrtpPolicy) -> Option<Result<Heard, Unfit>> {
    body::find(headers, body).sdp.map(|sdp| read(&sdp, policy))
}

/// Reads a session description.
pub(super) fn read(body: &[u8], policy: SrtpPolicy) -> Result<Heard, Unfit> {
    let sdp = Sdp::parse(body).map_err(|_| Unfit::Broken)?;
    let Audio { at, sound, crypto } = sdp.audio(policy).map_err(Unfit::NoAudio)?;
    Ok(Heard { sdp, at, sound, crypto })
}

/// What a 488 says of it (RFC 3261 §20.43).
pub(super) fn warning(why: NoAudio) -> String {
    let code = if why == NoAudio::NoCodec { 305 } else { 399 };
    format!("{code} ringtrip \"{why}\"")
}

/// Where the peer's RTCP is: shared only if both sides said so (RFC 5761 §5.1.1).
fn rtcp(local: &Sound, remote: &Sound) -> RtcpPort {
    match (local.rtcp, remote.rtcp) {
        (RtcpPort::Shared, RtcpPort::Shared) => RtcpPort::Shared,
        (_, RtcpPort::Shared) => RtcpPort::Next,
        (_, other) => other,
    }
}
