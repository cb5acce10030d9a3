//! Session timers (RFC 4028): both sides agree how often somebody shows that the call still lives, and who. A call whose
//! far end vanished ends by itself.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::message::Headers;
use crate::name::Name;
use crate::params::Params;
use crate::screen::ValidRequest;

/// Smallest interval that the RFC allows (§4).
pub const FLOOR: u32 = 90;

/// What we want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// Interval to ask for, in seconds.
    pub interval: u32,
    /// Smallest that we accept.
    pub min: u32,
}

impl Default for Wishes {
    /// Half an hour, which §4 recommends.
    fn default() -> Wishes {
        Wishes { interval: 1800, min: FLOOR }
    }
}

/// Who refreshes, by role in the request that agreed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the INVITE or UPDATE.
    Uac,
    /// Who answered it.
    Uas,
}

impl Refresher {
    fn word(self) -> &'static str {
        match self {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        }
    }
}

/// What was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Seconds.
    pub interval: u32,
    /// Who refreshes.
    pub refresher: Refresher,
    /// Must the other side understand timers (`Require: timer` in the 2xx, §9)?
    pub require: bool,
}

/// The interval asked for is too small: answer 422 with this `Min-SE` (§9), or, from the other side, ask again with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSmall {
    /// The smallest in seconds.
    pub min: u32,
}

/// Adds what an INVITE or UPDATE of ours asks for (§7.1). `min` is what a 422 has demanded since, if one came.
pub fn ask(headers: &mut Headers, wishes: Wishes, min: Option<u32>) {
    let min = min.unwrap_or(0).max(wishes.min);
    headers.push(Name::SessionExpires, wishes.interval.max(min).to_string());
    if min > FLOOR {
        headers.push(Name::MinSe, min.to_string());
    }
}

/// The called side (§9): agrees with an INVITE or UPDATE.
///
/// # Errors
/// [`TooSmall`]: the interval asked for is below our minimum; answer 422 with that minimum in Min-SE.
pub fn answer(request: &ValidRequest, wishes: Wishes) -> Result<Agreed, TooSmall> {
    let fields = request.fields();
    let far_knows = fields.supports.timer || fields.requires.timer;
    let far_min = number(&request.headers, &Name::MinSe).unwrap_or(0).max(FLOOR);
    let Some((asked, refresher)) = expires(&request.headers) else {
        // They ask for nothing, so we do, and do the work where they cannot.
        return Ok(Agreed {
            interval: wishes.interval.max(wishes.min).max(far_min),
            refresher: if far_knows { Refresher::Uac } else { Refresher::Uas },
            require: far_knows,
        });
    };
    // Where a proxy asked on behalf of a phone that would not understand 422 (§8.1), the interval is raised instead.
    if asked < wishes.min && far_knows {
        return Err(TooSmall { min: wishes.min });
    }
    let interval = asked.min(wishes.interval).max(wishes.min).max(far_min);
    let refresher = match refresher {
        Some(refresher) if far_knows => refresher,
        None if far_knows => Refresher::Uac,
        _ => Refresher::Uas,
    };
    Ok(Agreed { interval, refresher, require: far_knows && refresher == Refresher::Uac })
}

impl Agreed {
    /// Adds what the 2xx says.
    pub fn tell(&self, headers: &mut Headers) {
        headers.push(Name::SessionExpires, format!("{};refresher={}", self.interval, self.refresher.word()));
        if self.require {
            headers.push(Name::Require, Bytes::from_static(b"timer"));
        }
    }
}

/// The calling side (§7.2): what a 2xx agreed to. Without `Session-Expires` the far end knows no timers; then we refresh alone.
pub fn agreed(response: &Headers, wishes: Wishes) -> Agreed {
    match expires(response) {
        Some((interval, refresher)) => {
            let refresher = refresher.unwrap_or(Refresher::Uac);
            Agreed { interval: interval.max(FLOOR), refresher, require: false }
        }
        None => {
            Agreed { interval: wishes.interval.max(wishes.min), refresher: Refresher::Uac, require: false }
        }
    }
}

/// The `Min-SE` of a 422 (§7.3).
pub fn refused(response: &Headers) -> TooSmall {
    TooSmall { min: number(response, &Name::MinSe).unwrap_or(FLOOR).max(FLOOR) }
}

/// The running timer of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// We refresh at `at`; without success the call ends at `until`.
    Ours { interval: Duration, at: Instant, until: Instant },
    /// Our refresh is on its way.
    Refreshing { interval: Duration, until: Instant },
    /// They refresh; the call ends if they do not.
    Theirs { interval: Duration, until: Instant },
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send a re-INVITE or UPDATE with the interval.
    Refresh,
    /// Send a BYE (§10).
    Expired,
}

impl Timer {
    /// Runs what was agreed. `us` is our role in that request.
    pub fn start(now: Instant, agreed: Agreed, us: Refresher) -> Timer {
        let interval = Duration::from_secs(u64::from(agreed.interval));
        // Who waits gives up a little before the end, so that the BYE is on its way when proxies forget the call (§10).
        let slack = (interval / 3).min(Duration::from_secs(32));
        let until = now + interval - slack;
        if agreed.refresher == us {
            Timer::Ours { interval, at: now + interval / 2, until }
        } else {
            Timer::Theirs { interval, until }
        }
    }

    /// When [`Timer::due`] has something to say.
    pub fn deadline(&self) -> Instant {
        match *self {
            Timer::Ours { at, until, .. } => at.min(until),
            Timer::Refreshing { until, .. } | Timer::Theirs { until, .. } => until,
        }
    }

    /// When the call ends without a refresh.
    pub fn until(&self) -> Instant {
        match *self {
            Timer::Ours { until, .. } | Timer::Refreshing { until, .. } | Timer::Theirs { until, .. } => {
                until
            }
        }
    }

    /// What time it is for. After a refresh was agreed on, start anew.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        match *self {
            Timer::Ours { until, .. } | Timer::Refreshing { until, .. } | Timer::Theirs { until, .. }
                if now >= until =>
            {
                Some(Due::Expired)
            }
            Timer::Ours { interval, at, until } if now >= at => {
                *self = Timer::Refreshing { interval, until };
                Some(Due::Refresh)
            }
            _ => None,
        }
    }
}

fn expires(headers: &Headers) -> Option<(u32, Option<Refresher>)> {
    let value = headers.get(&Name::SessionExpires)?;
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let seconds = digits(&value[..end])?;
    let params = Params::read(&value.slice(end..)).unwrap_or_default();
    let refresher = params.get("refresher").and_then(|word| match word {
        w if w.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
        w if w.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
        _ => None,
    });
    Some((seconds, refresher))
}

fn number(headers: &Headers, name: &Name) -> Option<u32> {
    let value = headers.get(name)?;
    digits(value.split(|b| *b == b';').next()?)
}

fn digits(raw: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(raw.trim_ascii()).ok()?;
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;
    use crate::screen;

    // Tests need some instant to count from; the machine itself never asks for one.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    fn headers(lines: &[(Name, &'static str)]) -> Headers {
        let mut h = Headers::default();
        for (name, value) in lines {
            h.push(name.clone(), Bytes::from_static(value.as_bytes()));
        }
        h
    }

    fn check(what: &str, lines: &[(Name, &'static str)], want: Result<(u32, Refresher, bool), u32>) {
        let wishes = Wishes { interval: 1800, min: 120 };
        let usual =
            [(Name::From, "<sip:a@far>;tag=1"), (Name::To, "<sip:b@box>"), (Name::Contact, "<sip:a@far>")];
        let lines: Vec<_> = lines.iter().cloned().chain(usual).collect();
        let invite = screen::sample(Method::Invite, &lines).expect("a valid INVITE");
        let got = answer(&invite, wishes).map(|a| (a.interval, a.refresher, a.require));
        assert_eq!(got, want.map_err(|min| TooSmall { min }), "{what}");
    }

    #[test]
    fn the_called_side_agrees_as_the_table_of_section_9() {
        use Name::*;
        use Refresher::*;
        check("nothing asked, nothing known", &[], Ok((1800, Uas, false)));
        check("known, nothing asked", &[(Supported, "100rel, timer")], Ok((1800, Uac, true)));
        check("asked", &[(Supported, "timer"), (SessionExpires, "600")], Ok((600, Uac, true)));
        check(
            "asked for us",
            &[(Supported, "timer"), (SessionExpires, "600;refresher=uas")],
            Ok((600, Uas, false)),
        );
        check("too long", &[(Supported, "timer"), (SessionExpires, "9999")], Ok((1800, Uac, true)));
        check("too short", &[(Supported, "timer"), (SessionExpires, "100")], Err(120));
        check("too short, by a proxy", &[(SessionExpires, "100")], Ok((120, Uas, false)));
        check(
            "their least",
            &[(Supported, "timer"), (SessionExpires, "600"), (MinSe, "700")],
            Ok((700, Uac, true)),
        );
        check("no number", &[(Supported, "timer"), (SessionExpires, "soon")], Ok((1800, Uac, true)));
    }

    #[test]
    fn the_calling_side_takes_what_the_2xx_says_and_asks_again_after_422() {
        let wishes = Wishes::default();
        let got = agreed(&headers(&[(Name::SessionExpires, "900;refresher=uas")]), wishes);
        assert_eq!((got.interval, got.refresher), (900, Refresher::Uas));
        assert_eq!(agreed(&Headers::default(), wishes).refresher, Refresher::Uac);
        assert_eq!(refused(&headers(&[(Name::MinSe, "3600")])), TooSmall { min: 3600 });
        let mut again = Headers::default();
        ask(&mut again, wishes, Some(3600));
        assert_eq!(again.text(&Name::SessionExpires), Some("3600"));
        assert_eq!(again.text(&Name::MinSe), Some("3600"));
    }

    #[test]
    fn refresh_at_half_and_expiry_before_the_end() {
        let t = start();
        let s = Duration::from_secs;
        let agreed = Agreed { interval: 600, refresher: Refresher::Uac, require: false };
        let mut ours = Timer::start(t, agreed, Refresher::Uac);
        assert_eq!(ours.deadline(), t + s(300));
        assert_eq!(ours.due(t + s(299)), None);
        assert_eq!(ours.due(t + s(300)), Some(Due::Refresh));
        assert_eq!(ours.due(t + s(301)), None, "once");
        assert_eq!(ours.deadline(), t + s(568));
        assert_eq!(ours.due(t + s(568)), Some(Due::Expired));
        let mut theirs = Timer::start(t, agreed, Refresher::Uas);
        assert_eq!(theirs.due(t + s(567)), None);
        assert_eq!(theirs.due(t + s(568)), Some(Due::Expired));
    }
}
