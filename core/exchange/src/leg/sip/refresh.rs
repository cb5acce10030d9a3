//! The session timer of one leg (RFC 4028): a call whose peer has vanished ends by itself.

use std::time::{Duration, Instant};

use ringtrip_sip::Headers;
use ringtrip_sip::screen::ValidRequest;
use ringtrip_sip::session_timer::{self, Agreed, Due, Refresher, Timer, TooSmall, Wishes};

use ringtrip_config::Sip;

/// What was agreed, and the timer that runs by it.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    agreed: Option<Agreed>,
    timer: Option<Timer>,
    /// The interval that runs, in seconds: what a refresh says again (§7.4).
    current: Option<u32>,
    /// `Min-SE` for our requests, if a 422 raised it.
    min: Option<u32>,
}

impl Refresh {
    /// Reads the wish of an INVITE or UPDATE to us. `Err`: too short, with the shortest that we take (422).
    pub(super) fn asked(&mut self, request: &ValidRequest, sip: &Sip) -> Result<(), u32> {
        self.agreed = match wishes(sip) {
            Some(wishes) => Some(session_timer::answer(request, wishes).map_err(|TooSmall { min }| min)?),
            None => None,
        };
        Ok(())
    }

    /// Says what was agreed, in our 2xx.
    pub(super) fn grant(&mut self, now: Instant, headers: &mut Headers) {
        let Some(agreed) = self.agreed else { return };
        agreed.tell(headers);
        self.current = Some(agreed.interval);
        self.timer = Some(Timer::start(now, agreed, Refresher::Uas));
    }

    /// Puts our wish on a request of ours.
    pub(super) fn ask(&self, headers: &mut Headers, sip: &Sip) {
        if let Some(wishes) = wishes(sip) {
            let interval = self.current.unwrap_or(wishes.interval);
            session_timer::ask(headers, Wishes { interval, ..wishes }, self.min);
        }
    }

    /// Takes what a 2xx to our request says.
    pub(super) fn agree(&mut self, now: Instant, headers: &Headers, sip: &Sip) {
        let agreed = wishes(sip).map(|wishes| session_timer::agreed(headers, wishes));
        self.current = agreed.as_ref().map(|agreed| agreed.interval);
        self.timer = agreed.map(|agreed| Timer::start(now, agreed, Refresher::Uac));
    }

    /// A 422 names the shortest time that is taken. False if it names none that is longer than ours was.
    pub(super) fn too_small(&mut self, headers: &Headers) -> bool {
        let TooSmall { min } = session_timer::refused(headers);
        let raised = self.min.is_none_or(|old| min > old);
        self.min = Some(min);
        raised
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer.as_ref().map(Timer::deadline)
    }

    /// How long the session has before it counts as expired.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        Some(self.timer.as_ref()?.until().saturating_duration_since(now))
    }

    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        self.timer.as_mut()?.due(now)
    }
}

fn wishes(sip: &Sip) -> Option<Wishes> {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let interval = seconds(sip.session_expires?);
    Some(Wishes { interval, min: seconds(sip.min_session_expires) })
}
