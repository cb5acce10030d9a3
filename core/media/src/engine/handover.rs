//! An RTP endpoint goes from one engine to another: a bridge whose members are at several gathers them at one. Its peer
//! notices nothing: numbers, source and what it has learned of the peer's address go with it.

use std::time::Instant;

use ringtrip_model::ids::CallId;

use super::rtp_endpoint::{Link, RtpEndpoint};
use super::{Endpoint, Engine};

/// An RTP endpoint between two engines.
pub struct Handover(Box<RtpEndpoint>);

impl Handover {
    /// The leased port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Whose it is.
    pub fn call(&self) -> CallId {
        self.0.call
    }
}

impl Engine {
    /// Gives an endpoint away; it leaves its bridge here. `None` when no call has this port.
    pub fn give(&mut self, now: Instant, port: u16) -> Option<Handover> {
        self.leave(now, &Endpoint::Rtp(port));
        let endpoint = self.rtp.get_mut(usize::from(port / 2))?.take()?;
        self.disown(endpoint.call, port);
        Some(Handover(endpoint))
    }

    /// Takes an endpoint. It joins the bridge that has it as a member already, if there is one.
    pub fn take(&mut self, now: Instant, Handover(mut endpoint): Handover) {
        let (port, call) = (endpoint.port, endpoint.call);
        let is_busy = endpoint.is_busy();
        endpoint.set_link(None, Link::Alone);
        if let Some(slot) = self.rtp.get_mut(usize::from(port / 2)) {
            *slot = Some(endpoint);
        }
        self.calls.entry(call).or_default().push(port);
        let bridge = self.bridges.iter().find(|(_, bridge)| bridge.has(&Endpoint::Rtp(port)));
        if let Some(bridge) = bridge.map(|(call, _)| *call) {
            self.relink(now, bridge);
        }
        if is_busy {
            self.start_ticks(now);
        }
    }
}
