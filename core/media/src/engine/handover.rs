//! An RTP endpoint moves from one engine to another: the members of a bridge are gathered at one engine. Its peer notices
//! nothing: sequence numbers, source and what was learned of the peer's address go with it, and so does the recording of
//! its call.

use std::fmt;
use std::time::Instant;

use ringtrip_model::ids::CallId;

use super::recording::Recording;
use super::rtp_endpoint::{Link, RtpEndpoint};
use super::{Endpoint, Engine};

/// An RTP endpoint on its way between two engines.
pub struct Handover {
    endpoint: Box<RtpEndpoint>,
    recording: Option<Recording>,
}

impl Handover {
    /// Whose it is.
    pub fn call(&self) -> CallId {
        self.endpoint.call
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handover({} of {})", self.endpoint.port, self.endpoint.call)
    }
}

impl Engine {
    /// Gives an RTP endpoint away; it leaves its bridge here. `None` if no call has this port.
    pub fn give(&mut self, now: Instant, port: u16) -> Option<Handover> {
        self.leave(now, &Endpoint::Rtp(port));
        let endpoint = self.rtp.get_mut(usize::from(port / 2))?.take()?;
        self.disown(endpoint.call, port);
        Some(Handover { recording: self.recordings.give(endpoint.call), endpoint })
    }

    /// Takes an endpoint. It joins the bridge that has it as a member already, if there is one.
    pub fn take(&mut self, now: Instant, Handover { mut endpoint, recording }: Handover) {
        let (port, call) = (endpoint.port, endpoint.call);
        let is_busy = endpoint.is_busy() || recording.is_some();
        endpoint.set_link(None, Link::Alone);
        let Some(slot) = self.rtp.get_mut(usize::from(port / 2)) else { return };
        *slot = Some(endpoint);
        self.calls.entry(call).or_default().push(port);
        if let Some(recording) = recording {
            self.recordings.take(call, recording);
        }
        let member = Endpoint::Rtp(port);
        let bridge = self.bridges.iter().find(|(_, members)| members.contains(&member)).map(|(id, _)| *id);
        if let Some(bridge) = bridge {
            self.relink(now, bridge);
        }
        if is_busy {
            self.start_ticks(now);
        }
    }
}
