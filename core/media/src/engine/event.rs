//! What the engine heard or did.

use ringtrip_model::party::{CallerId, Key, KeyForm};

use super::Endpoint;
use crate::session::RtpStats;

/// What the engine heard or did.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEvent {
    /// A key, in RFC 4733 form or in-band.
    Digit {
        /// Where.
        endpoint: Endpoint,
        /// Which.
        key: Key,
        /// How long, ms. 100 where it is told while it is still down.
        ms: u16,
        /// What has become of it already.
        form: KeyForm,
    },
    /// A tone played to its end.
    ToneEnded {
        /// Where.
        endpoint: Endpoint,
    },
    /// An announcement has ended.
    Played {
        /// Where.
        endpoint: Endpoint,
    },
    /// All keys were sent.
    DigitsSent {
        /// Where.
        endpoint: Endpoint,
    },
    /// The caller-ID burst has been sent.
    CallerIdSent {
        /// Where.
        endpoint: Endpoint,
    },
    /// Caller ID was decoded from the line.
    CallerId {
        /// Where.
        endpoint: Endpoint,
        /// Whose.
        caller: CallerId,
    },
    /// The disconnect tone was heard.
    DisconnectTone {
        /// Where.
        endpoint: Endpoint,
    },
    /// Dial tone was heard.
    DialTone {
        /// Where.
        endpoint: Endpoint,
    },
    /// A voice was heard.
    Voice {
        /// Where.
        endpoint: Endpoint,
    },
    /// Nothing was heard for as long as asked.
    Silence {
        /// Where.
        endpoint: Endpoint,
    },
    /// No packet came for [`MediaParameters::timeout`](crate::session::MediaParameters::timeout) though some should.
    RtpTimeout {
        /// Where.
        endpoint: Endpoint,
    },
    /// Final statistics of an endpoint, after [`MediaCommand::Close`](super::MediaCommand::Close).
    Stats {
        /// Where.
        endpoint: Endpoint,
        /// The statistics.
        stats: RtpStats,
    },
}

impl MediaEvent {
    /// The endpoint that it is about.
    pub fn endpoint(&self) -> &Endpoint {
        match self {
            MediaEvent::Digit { endpoint, .. }
            | MediaEvent::ToneEnded { endpoint }
            | MediaEvent::Played { endpoint }
            | MediaEvent::DigitsSent { endpoint }
            | MediaEvent::CallerIdSent { endpoint }
            | MediaEvent::CallerId { endpoint, .. }
            | MediaEvent::DisconnectTone { endpoint }
            | MediaEvent::DialTone { endpoint }
            | MediaEvent::Voice { endpoint }
            | MediaEvent::Silence { endpoint }
            | MediaEvent::RtpTimeout { endpoint }
            | MediaEvent::Stats { endpoint, .. } => endpoint,
        }
    }
}
