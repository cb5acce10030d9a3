//! The session timer (RFC 4028): a call whose peer has vanished ends by itself.

use std::time::{Duration, Instant};

use ringtrip_sip::Headers;
use ringtrip_sip::name::Name;

use crate::config::Sip;

/// The session timer of one dialog.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    /// `Session-Expires` as agreed, seconds; none: no timer.
    interval: Option<u32>,
    /// Who refreshes.
    ours: bool,
    /// When to refresh, or to give up.
    at: Option<Instant>,
    /// `Min-SE` for our requests, if a 422 raised it.
    min: Option<u32>,
}

impl Refresh {
    /// Reads the wish of an INVITE or UPDATE to us. `Err`: too short, with the shortest that we take (422).
    pub(super) fn asked(&mut self, headers: &Headers, sip: &Sip) -> Result<(), u32> {
        let Some((wish, refresher)) = read(headers) else {
            self.interval = None;
            return Ok(());
        };
        let min = seconds(sip.min_session_expires);
        if wish < min {
            return Err(min);
        }
        self.interval = Some(wish);
        // Who asked and named nobody does it himself (§9, table 2).
        self.ours = refresher == Some("uas");
        Ok(())
    }

    /// Says what was agreed, in our 2xx.
    pub(super) fn grant(&mut self, now: Instant, headers: &mut Headers, peer_speaks_timer: bool) {
        let Some(interval) = self.interval else { return self.arm(now) };
        if !peer_speaks_timer {
            // A proxy asked for it; only we can refresh (§9).
            self.ours = true;
        } else {
            headers.push(Name::Require, "timer");
        }
        let refresher = if self.ours { "uas" } else { "uac" };
        headers.push(Name::SessionExpires, format!("{interval};refresher={refresher}"));
        self.arm(now);
    }

    /// Puts our wish on a request of ours.
    pub(super) fn ask(&self, headers: &mut Headers, sip: &Sip) {
        let Some(wish) = self.interval.or(sip.session_expires.map(seconds)) else { return };
        let min = self.min.unwrap_or(0).max(seconds(sip.min_session_expires));
        let wish = wish.max(min);
        // In the first request nobody is named; in a refresh the one who does it goes on doing it (§7.4).
        match self.interval {
            Some(_) if self.ours => headers.push(Name::SessionExpires, format!("{wish};refresher=uac")),
            Some(_) => headers.push(Name::SessionExpires, format!("{wish};refresher=uas")),
            None => headers.push(Name::SessionExpires, wish.to_string()),
        }
        headers.push(Name::MinSe, min.to_string());
    }

    /// Takes what a 2xx to our request says.
    pub(super) fn agreed(&mut self, now: Instant, headers: &Headers) {
        match read(headers) {
            Some((interval, refresher)) => {
                self.interval = Some(interval);
                self.ours = refresher != Some("uas");
            }
            None => self.interval = None,
        }
        self.arm(now);
    }

    /// A 422 names the shortest time that is taken. False if it names none that is longer than ours was.
    pub(super) fn too_small(&mut self, headers: &Headers) -> bool {
        let Some(min) = headers.text(&Name::MinSe).and_then(number) else { return false };
        let raised = self.min.is_none_or(|old| min > old);
        self.min = Some(min);
        raised
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// Is it time, and for what? `Some(true)`: refresh; `Some(false)`: the peer has not, end the call.
    pub(super) fn due(&mut self, now: Instant) -> Option<bool> {
        if !self.at.is_some_and(|at| at <= now) {
            return None;
        }
        // A refresh that gets no answer ends the call by itself.
        self.at = None;
        Some(self.ours)
    }

    fn arm(&mut self, now: Instant) {
        self.at = self.interval.map(|interval| {
            // §10: refresh at half time; give up a third of the time, at most 32 s, before the end.
            let wait = if self.ours { interval / 2 } else { interval - (interval / 3).min(32) };
            now + Duration::from_secs(u64::from(wait.max(1)))
        });
    }
}

fn read(headers: &Headers) -> Option<(u32, Option<&'static str>)> {
    let value = headers.text(&Name::SessionExpires)?;
    let mut parts = value.split(';').map(str::trim);
    let interval = number(parts.next()?)?;
    let refresher = parts.find_map(|p| p.strip_prefix("refresher=")).and_then(|who| match who.trim() {
        who if who.eq_ignore_ascii_case("uac") => Some("uac"),
        who if who.eq_ignore_ascii_case("uas") => Some("uas"),
        _ => None,
    });
    Some((interval, refresher))
}

fn number(text: &str) -> Option<u32> {
    text.split(';').next()?.trim().parse().ok()
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
