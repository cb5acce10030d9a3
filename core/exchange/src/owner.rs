//! Who sends SIP requests, and is told their answers: the transaction users of the endpoint (RFC 3261 §17). Each kind has
//! names of its own, so no leg can ever be taken for a gateway, nor one gateway for another.

use ringtrip_model::ids::{GatewayId, LegId};
use ringtrip_sip::endpoint;

/// The owner of a client transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A leg of a call: INVITE and all that follows in its dialog.
    Leg(LegId),
    /// A gateway: REGISTER and OPTIONS.
    Gateway(GatewayId),
    /// What keeps the ways to phones open: OPTIONS.
    KeepAlive,
}

/// A client transaction of one of these.
pub type ClientTx = endpoint::ClientTx<Owner>;
/// What they ask of the endpoint.
pub type Ask = endpoint::Ask<Owner>;
/// What the endpoint tells them.
pub type Told = endpoint::Told<Owner>;
/// The endpoint that serves them.
pub type Endpoint = endpoint::Endpoint<Owner>;
/// What that endpoint is told.
pub type Input = endpoint::Input<Owner>;
/// What that endpoint wants done.
pub type Output = endpoint::Output<Owner>;
