//! What the exchange asks of the engine.

use std::fmt;
use std::time::Duration;

use ringtrip_model::ids::{CallId, PortRef};
use ringtrip_model::route::Keys;

use crate::callerid::Burst;
use crate::session::MediaParameters;
use crate::tone::{Tone, ToneMatch};

/// One end of a sound path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A leased RTP port of ours; the number is the even UDP port.
    Rtp(u16),
    /// A port of a board.
    Port(PortRef),
}

impl Endpoint {
    /// The even RTP port; `None`: it is a port of a board.
    pub fn rtp_port(&self) -> Option<u16> {
        match self {
            Endpoint::Rtp(port) => Some(*port),
            Endpoint::Port(_) => None,
        }
    }
}

/// The name of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BridgeId {
    /// That of a call.
    Call(CallId),
    /// That of a conference room; its members belong to calls of their own.
    Conference(u32),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Rtp(port) => port.fmt(f),
            Endpoint::Port(port) => port.fmt(f),
        }
    }
}

/// What the engine is asked to do. Each command is whole in itself; the last one for an endpoint or a bridge wins, so none
/// needs an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaCommand {
    /// Sets or changes how an RTP endpoint talks to its peer.
    SetParameters {
        /// Our leased port.
        port: u16,
        /// What offer and answer agreed on.
        parameters: Box<MediaParameters>,
    },
    /// Bridges these endpoints and no others: each hears all others and never itself. Two RTP endpoints are relayed packet
    /// by packet, anything else is mixed. An endpoint is in one bridge at most: it leaves the one that it was in. With fewer
    /// than two members nothing is heard.
    Bridge {
        /// The bridge. A board port in the bridge of a call is that call's.
        bridge: BridgeId,
        /// Its members.
        members: Vec<Endpoint>,
    },
    /// Takes a bridge apart; RTP endpoints fall silent, tones go on.
    Unbridge {
        /// The bridge.
        bridge: BridgeId,
    },
    /// From now on this endpoint is this call's: its events go there, and it leaves its bridge with that call. Its peer
    /// notices nothing. Who joins the bridge of a conference needs this first.
    Assign {
        /// Which.
        endpoint: Endpoint,
        /// Whose it is.
        call: CallId,
    },
    /// Plays a tone to an endpoint until it has run out ([`MediaEvent::ToneEnded`](super::MediaEvent::ToneEnded)) or
    /// something else is played.
    PlayTone {
        /// To whom.
        endpoint: Endpoint,
        /// What.
        tone: Tone,
    },
    /// Plays ringback to a board port while nothing comes from its bridge: a provider may promise sound before the answer
    /// and send none. [`MediaCommand::StopPlayback`] or another tone ends it.
    PlayRingback {
        /// To whom.
        port: PortRef,
        /// The tone.
        tone: Tone,
    },
    /// Plays an announcement to an endpoint, from its beginning: the name of a prompt of ours or of a WAV file in the
    /// prompts folder. [`MediaEvent::Played`](super::MediaEvent::Played) follows when it has ended, at once where there is
    /// none of that name.
    PlayPrompt {
        /// The call: it is told of the end, whatever kind of endpoint it is.
        call: CallId,
        /// To whom.
        endpoint: Endpoint,
        /// What, by name.
        prompt: String,
    },
    /// Stops the tone or the announcement at an endpoint.
    StopPlayback {
        /// To whom.
        endpoint: Endpoint,
    },
    /// Sends these keys to an endpoint: in-band on a board port (tone on/off times in ms), RFC 4733 or in-band on RTP.
    /// [`MediaEvent::DigitsSent`](super::MediaEvent::DigitsSent) follows.
    SendDigits {
        /// To whom.
        endpoint: Endpoint,
        /// Which keys; `,` is a pause of one second, `p` of 100 ms. `Debug` hides them: they may be a PIN.
        keys: Keys,
        /// Tone time, ms.
        on: u16,
        /// Pause between tones, ms.
        off: u16,
    },
    /// Sends caller ID as FSK to a board port, now (the line machine chose the moment).
    SendCallerId {
        /// Which port.
        port: PortRef,
        /// The finished data message (SDMF or MDMF with checksum) and how to modulate it.
        burst: Burst,
    },
    /// From now on nothing of its bridge reaches this endpoint; tones and keys of ours do. Or it does again.
    Mute {
        /// Whom.
        endpoint: Endpoint,
        /// From now on, or no more.
        on: bool,
    },
    /// Listens for key tones in what comes by RTP, for a peer that sends its keys in no other form. Or no more.
    DetectDtmf {
        /// Our leased port.
        port: u16,
        /// From now on, or no more.
        on: bool,
    },
    /// What to listen for on a board port. Replaces what was asked before.
    Detect {
        /// Which port.
        port: PortRef,
        /// What to report.
        config: DetectorConfig,
    },
    /// Records two endpoints of a call, the caller on the left, until it is closed.
    Record {
        /// The call; its endpoints are bridged already.
        call: CallId,
        /// The caller's endpoint.
        a: Endpoint,
        /// The called endpoint.
        b: Endpoint,
        /// A file name in the recordings folder.
        file: String,
    },
    /// The call is over: tell the final statistics of its endpoints ([`MediaEvent::Stats`](super::MediaEvent::Stats)) and
    /// forget them.
    Close {
        /// The call.
        call: CallId,
    },
}

impl MediaCommand {
    /// The RTP port that it is about; `None`: a port of a board, or a bridge, a recording or a call as a whole.
    pub fn rtp_port(&self) -> Option<u16> {
        match self {
            MediaCommand::SetParameters { port, .. } | MediaCommand::DetectDtmf { port, .. } => Some(*port),
            MediaCommand::Assign { endpoint, .. }
            | MediaCommand::PlayTone { endpoint, .. }
            | MediaCommand::PlayPrompt { endpoint, .. }
            | MediaCommand::StopPlayback { endpoint }
            | MediaCommand::SendDigits { endpoint, .. }
            | MediaCommand::Mute { endpoint, .. } => endpoint.rtp_port(),
            MediaCommand::PlayRingback { .. }
            | MediaCommand::SendCallerId { .. }
            | MediaCommand::Detect { .. }
            | MediaCommand::Bridge { .. }
            | MediaCommand::Unbridge { .. }
            | MediaCommand::Record { .. }
            | MediaCommand::Close { .. } => None,
        }
    }

    /// Is it only about packets that are still to come? Then it may wait a little for others.
    pub fn can_wait(&self) -> bool {
        matches!(
            self,
            MediaCommand::SetParameters { .. }
                | MediaCommand::Bridge { .. }
                | MediaCommand::Unbridge { .. }
                | MediaCommand::Assign { .. }
                | MediaCommand::Close { .. }
        )
    }
}

/// What to listen for on a board port. A detector runs only while somebody asked for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DetectorConfig {
    /// DTMF keys.
    pub dtmf: bool,
    /// Caller ID as FSK.
    pub caller_id: bool,
    /// Tones that mean "the far end hung up".
    pub disconnect_tone: Vec<ToneMatch>,
    /// Dial tone of the central office.
    pub dial_tone: bool,
    /// A human voice: a called party has answered (`answer_on = "voice"`); ringback and busy tone are none.
    pub voice: bool,
    /// Report when nothing was heard for this long.
    pub silence: Option<Duration>,
}
