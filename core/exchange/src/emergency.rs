//! Emergency calls: decided here, before dial plan, script, plugin, limit or ban. [`EmergencyCall`] has no public
//! constructor: nothing else can make one, see through it or change it.
//!
//! Only exact numbers count: `1911…` and `112233` are no emergency calls. Numbers come from the country's table and
//! from the configuration (`9911` → `911` where people dial 9 for a line). What a plan made of the digits is looked
//! at too, so that stripping a prefix cannot hide an emergency number from the table.

use std::time::Duration;

use crate::route::{Attempt, Stage, Target};
use ringtrip_config::{Config, Emergency, Gateway};
use ringtrip_model::party::{CallerId, Digits, Source};

/// How long an emergency target may ring. Control rooms queue calls; giving up early helps nobody.
const RING_TIME: Duration = Duration::from_secs(180);

/// An emergency call. Only [`crate::emergency`] makes them.
#[derive(Debug, Clone, PartialEq)]
pub struct EmergencyCall {
    number: Digits,
    ways: Vec<Stage>,
}

impl EmergencyCall {
    /// The number to send.
    pub fn number(&self) -> &Digits {
        &self.number
    }

    /// The ways to try, in order, each alone: the landline first unless configured otherwise, then the emergency
    /// providers. Where none is named, every gateway: a call that may get through beats one that cannot.
    pub fn ways(&self) -> &[Stage] {
        &self.ways
    }
}

/// Is this an emergency call? `dialled` are the digits as they came, or as a plan or script rewrote them.
pub fn decide(config: &Config, caller: &CallerId, dialled: &Digits) -> Option<EmergencyCall> {
    let number = number_for(&config.emergency, dialled.as_str())?;
    let caller = CallerId {
        number: config.emergency.caller_id.clone().unwrap_or_else(|| caller.number.clone()),
        name: caller.name.clone(),
        // Withholding does not hold towards emergency services.
        private: false,
    };
    let way = |target: Target| {
        let targets = vec![Attempt::new(target, number.clone(), caller.clone())];
        Stage { targets, timeout: RING_TIME }
    };
    let landline = config.landlines().next().map(|_| way(Target::Landline));
    let named = &config.emergency.providers;
    let providers: Vec<Stage> = match named.is_empty() {
        false => named.iter().map(|id| way(Target::Gateway(id.clone()))).collect(),
        true => config.gateways.iter().map(|g| way(Target::Gateway(g.id.clone()))).collect(),
    };
    let ways = match config.emergency.landline_first {
        true => landline.into_iter().chain(providers).collect(),
        false => providers.into_iter().chain(landline).collect(),
    };
    Some(EmergencyCall { number, ways })
}

/// Is a call that begins with this number an emergency call, before any plan? A provider sends its calls to numbers of the
/// house and never to 112: one that seems to is a mistake or somebody else's, and would take the landline. Another exchange
/// of the house may call for help here: its gateway says so (`emergency = true`), or lets it dial what it likes
/// (`inbound = "dialled"`). Whoever was `asked` for a number chose it here, wherever he calls from.
pub fn begun(
    config: &Config,
    source: &Source,
    asked: bool,
    caller: &CallerId,
    dialled: &Digits,
) -> Option<EmergencyCall> {
    match source {
        Source::Gateway(id) if !asked && !config.gateway(id).is_some_and(Gateway::may_call_for_help) => None,
        _ => decide(config, caller, dialled),
    }
}

/// Is this, exactly, an emergency number? Costs a few comparisons, so that a telephone asks at every key.
pub fn is_exact(emergency: &Emergency, dialled: &str) -> bool {
    emergency.country.numbers.contains(&dialled)
        || emergency.extra.iter().any(|e| e.dialled.as_str() == dialled)
}

/// Is this an emergency number, and does none of the country's go on from it? A telephone calls such a one at once. Where
/// Pakistan has 112 and 1122, the next key must tell which is meant, or that none follows.
pub fn is_whole(emergency: &Emergency, dialled: &str) -> bool {
    let goes_on = |number: &&str| number.len() > dialled.len() && number.starts_with(dialled);
    is_exact(emergency, dialled) && !emergency.country.numbers.iter().any(goes_on)
}

/// Could this, with more keys, become an emergency number? Whoever has dialled so far is not turned away yet.
pub fn may_become(emergency: &Emergency, dialled: &str) -> bool {
    let grows = |number: &str| number.len() > dialled.len() && number.starts_with(dialled);
    !dialled.is_empty()
        && (emergency.country.numbers.iter().any(|n| grows(n))
            || emergency.extra.iter().any(|e| grows(e.dialled.as_str())))
}

/// The number to send for an emergency call dialled so, if it is one.
fn number_for(emergency: &Emergency, dialled: &str) -> Option<Digits> {
    if let Some(extra) = emergency.extra.iter().find(|e| e.dialled.as_str() == dialled) {
        return Some(extra.send.clone());
    }
    // The pauses and the send key that a plan or a phone may have left in the number say nothing about what it is.
    let bare: String = dialled.trim_end_matches('#').chars().filter(|c| *c != ',').collect();
    if emergency.country.numbers.contains(&bare.as_str()) {
        return Some(Digits::new(emergency.country.sent(&bare)));
    }
    // RFC 5031: phones with an emergency button call a service, not a number.
    let service = dialled.get(..15).is_some_and(|s| s.eq_ignore_ascii_case("urn:service:sos"));
    let whole = matches!(dialled.as_bytes().get(15), None | Some(b'.'));
    (service && whole).then(|| Digits::new(emergency.country.numbers.first().copied().unwrap_or("112")))
}

#[cfg(test)]
mod tests;
