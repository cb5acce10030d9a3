//! Leg words: all that a call and its legs say to each other. A desk phone, a telephone on an FXS port, the
//! landline and a SIP provider are equally good legs; `leg/sip.rs` translates for SIP, `line` for telephones and landlines.

pub mod index;
pub mod sip;

use std::sync::Arc;

use bytes::Bytes;
use ringtrip_media::sound::Sound;
pub use ringtrip_sip::random::Random;
pub use ringtrip_sip::refer::Replaces;

use crate::route::Prepared;
use ringtrip_model::party::{CallerId, Cause, Digits, Key, KeyForm};

/// What a call tells a leg.
#[derive(Debug, Clone, PartialEq)]
pub enum LegCmd {
    /// (callee) Ring it: INVITE a phone or provider, ring a bell, or seize the landline and dial.
    Place(Box<Placement>),
    /// (caller) The far end rings: 180, or ringback tone on a telephone.
    Ringing,
    /// (caller) There is sound before the answer: 183 with SDP, or the far end's tones on a telephone.
    Progress(Sound),
    /// (caller) The exchange takes the call itself, to ask or to say something; nobody else has answered yet.
    Attend,
    /// (caller) Answered; `Sound` is what the far side speaks, codecs in the order to prefer.
    Answer(Sound),
    /// The far side changed what it speaks, or held / resumed (`Sound::direction`).
    Change(Sound),
    /// The far side pressed a key; send it on in the form that this leg negotiated.
    Digit { key: Key, ms: u16, form: KeyForm },
    /// The far side pressed hook flash.
    Flash,
    /// How the transfer that it asked for stands.
    Transfer(TransferStatus),
    /// End the leg. Before the answer a caller's leg is refused with this cause, a callee's is cancelled.
    End(Cause),
}

/// What to ring and how to introduce the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The number for the far end, after all transformations.
    pub number: Digits,
    /// Who calls.
    pub caller: CallerId,
    /// What the caller speaks; `None` when the caller sent no offer.
    pub offer: Option<Sound>,
    /// Distinctive ring 1–8 (SPA `Ring1`…`Ring8`); `None` is the line's default.
    pub ring: Option<u8>,
    /// `Max-Forwards` of the INVITE.
    pub hops: u8,
    /// An emergency call: seize the landline at any price.
    pub emergency: bool,
    /// The call has nothing to try when this fails: a leg that is slow beats none.
    pub last_hope: bool,
    /// Who transfers the call to it (RFC 3892), for phones of ours.
    pub referred_by: Option<Bytes>,
    /// How a gateway plugin wants it placed.
    pub prepared: Option<Arc<Prepared>>,
}

/// What a leg asks for that wants to hand its call on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRequest {
    /// To whom, as it would dial it.
    pub target: Digits,
    /// A dialog of its own whose other side is to be connected (RFC 3891): an attended transfer.
    pub replaces: Option<Replaces>,
    /// Who says that he transfers, for the target (RFC 3892): the value of `Referred-By`.
    pub referred_by: Option<Bytes>,
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferStatus {
    /// It may, and it is tried.
    Accepted,
    /// The target rings.
    Ringing,
    /// Both others talk; the leg that asked is ended next.
    Done,
    /// It came to nothing; the leg that asked has its call back.
    Failed(Cause),
    /// It may not.
    Refused(Cause),
}

/// What a leg tells its call.
#[derive(Debug, Clone, PartialEq)]
pub enum LegEvent {
    /// The far end rings (180).
    Ringing,
    /// Early media (183 with SDP, or the landline after dialling).
    Progress(Sound),
    /// Answered.
    Answered(Sound),
    /// It changed what it speaks (re-INVITE or UPDATE with SDP; hold and resume are directions).
    Changed(Sound),
    /// A key was pressed, whatever form it came in.
    Digit { key: Key, ms: u16, form: KeyForm },
    /// Hook flash.
    Flash,
    /// It asks that the other side be connected to somebody else. Answered by [`LegCmd::Transfer`], always.
    Transfer(Box<TransferRequest>),
    /// It ended. The leg is gone after this word.
    Ended(Cause),
}
