//! A leg in a network that changes: our own address may become another while the call stands.

use std::net::SocketAddr;
use std::time::Instant;

use ringtrip_sip::endpoint::Flow;

use crate::leg::sip::state::{Phase, Room, SipLeg};

impl SipLeg {
    /// The way to its peer, and whether the peer has chosen the address of ours on it: phones that register with us have,
    /// providers that we call have not.
    pub(crate) fn flow(&self) -> (Flow, bool) {
        let ours = self.way.as_ref().is_some_and(|way| way.gateway.is_some());
        (self.dialog.as_ref().map_or(self.flow, |dialog| dialog.flow), !ours)
    }

    /// A body came by this way. The peer may have moved since it last said something of its sound: its router was started
    /// anew, or it is in another network now.
    pub(super) fn heard_of_sound(&mut self, body: &[u8], flow: Flow) {
        if !body.is_empty() {
            self.signals_from = flow.remote.ip();
        }
    }

    /// The kernel sends from this address of ours now, or the router has another one. The peer sends its sound and its
    /// BYE to the old one until it is told: by a re-INVITE where the dialog stands, else by what is said next.
    pub(crate) fn relocate(&mut self, now: Instant, local: SocketAddr, room: &mut Room<'_>) {
        self.flow.local = local;
        if let Some(dialog) = &mut self.dialog {
            dialog.flow.local = local;
        }
        let me = self.address(room.setup);
        self.moved |= self.talk.relocate(me.ip());
        if matches!(self.phase, Phase::Up(_)) {
            self.change_if_free(now, room);
        }
    }
}
