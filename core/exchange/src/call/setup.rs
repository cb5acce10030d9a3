//! What all calls have in common.

use std::sync::Arc;
use std::time::Duration;

use ringtrip_media::tone::Tone;
use ringtrip_sip::nat::Topology;

use ringtrip_config::Config;
use ringtrip_model::ids::{Ids, LineId, PortRef};

/// What all calls have in common; made once for each version of the configuration and shared.
#[derive(Debug, Clone)]
pub struct CallSetup {
    /// The configuration that new calls follow. A call keeps the version it was born with.
    pub config: Arc<Config>,
    /// Names for the legs that calls place.
    pub ids: Ids,
    /// The ringback tone of the region, for a SIP caller whose phone no longer makes its own.
    pub ringback: Tone,
    /// The busy tone of the region, for a caller whom the exchange has answered.
    pub busy: Tone,
    /// The prompt tone of the region: something is to be entered.
    pub prompt: Tone,
    /// Our name in messages; the endpoint puts it on those that go by the desk.
    pub agent: String,
    /// Which address of ours a peer is shown. Unlike the rest it follows the network while the call lives.
    pub topology: Arc<Topology>,
}

impl CallSetup {
    /// Where a line is plugged in.
    pub fn port(&self, line: &LineId) -> Option<&PortRef> {
        self.config.line(line).map(|l| &l.port)
    }
}

/// A route that has not answered by now is dead or mad; the caller must hear something (a route decides in
/// microseconds, a script in 20 ms at most).
pub(super) const ROUTE_WAIT: Duration = Duration::from_secs(2);

/// The directory answers from memory; a part that does not is being restarted.
pub(super) const FIND_WAIT: Duration = Duration::from_secs(2);

/// How long an emergency target may give no sign at all before the next is tried beside it.
pub(super) const EMERGENCY_WAIT: Duration = Duration::from_millis(1900);

/// The same for the question who reaches it: a name server that is silent must not hold up a call for help.
pub(super) const EMERGENCY_FIND: Duration = Duration::from_millis(1500);

/// Final figures come from memory; a media engine that does not say them in a second will not.
pub(super) const FIGURES_WAIT: Duration = Duration::from_secs(1);

/// A leg that was told to end is gone when its last transaction is: 64·T1 for the request (timer F) and as much
/// again for a challenge and its second try.
pub(super) const LEGS_WAIT: Duration = Duration::from_secs(70);

/// How long the operator's own phone rings in "click to dial".
pub(super) const SUMMON_WAIT: Duration = Duration::from_secs(60);
