//! Replay: calls of the past through what runs and through a draft. Which go elsewhere, what the difference costs, and
//! what would now fail. Nothing rings.

use ringtrip_exchange::route::{Quote, RoutePlan, RouteQuery, Verdict, WallTime};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};

use crate::decide::{Decision, Engine};
use crate::script;

/// A call of the past, as its record tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastCall {
    /// Which.
    pub call: CallId,
    /// From where.
    pub source: Source,
    /// How the caller was shown.
    pub caller: CallerId,
    /// What was dialled.
    pub dialled: Digits,
    /// When.
    pub at: WallTime,
    /// The name of the PIN that was proved.
    pub pin: Option<String>,
    /// How long they talked, seconds; `None`: it was not answered.
    pub talked: Option<u32>,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replayed {
    /// Calls looked at.
    pub calls: u64,
    /// They go where they would go now.
    pub same: u64,
    /// They go elsewhere.
    pub changed: u64,
    /// They went somewhere and would now be refused.
    pub newly_refused: u64,
    /// They are refused now and would go somewhere.
    pub newly_routed: u64,
    /// The draft's scripts or plugins fail.
    pub failed: u64,
    /// Emergency calls that would be treated differently. Any is one too many.
    pub emergency_changed: u64,
    /// What the answered calls cost by the first way, before and after, by currency, millionths of a unit.
    pub prices: Vec<Price>,
    /// Calls that differ, the first of them.
    pub list: Vec<Changed>,
    /// More differ than the list holds.
    pub cut: bool,
}

/// Prices in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Price {
    /// ISO 4217.
    pub currency: String,
    /// By what runs.
    pub before: i64,
    /// By the draft.
    pub after: i64,
}

/// A call that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub call: CallId,
    /// From where, in a word.
    pub from: String,
    /// What was dialled.
    pub dialled: Digits,
    /// When, microseconds since 1970 UTC.
    pub at_micros: i64,
    /// Where it goes now: `gw1 01480123456, then gw0 …`; or why not.
    pub before: String,
    /// Where the draft would send it.
    pub after: String,
    /// What the first way costs more (or less), millionths of a unit, if both are priced in one currency.
    pub dearer: Option<i64>,
}

/// Calls listed one by one.
pub const LISTED: usize = 200;

/// Puts each call through both. `go_on` is asked between calls, so that somebody who waits can be given up.
pub fn replay(
    calls: impl IntoIterator<Item = PastCall>,
    live: &Engine,
    draft: &Engine,
    mut go_on: impl FnMut() -> bool,
) -> Replayed {
    script::on_deep_stack(|| {
        let mut found = Replayed::default();
        for call in calls {
            if !go_on() {
                found.cut = true;
                break;
            }
            let query = call.query();
            let before = live.decide(query.clone());
            let after = draft.decide(query);
            found.compare(&call, &before, &after);
        }
        found
    })
}

impl PastCall {
    fn query(&self) -> RouteQuery {
        let user = match &self.source {
            Source::Extension(id) => id.to_string(),
            _ => String::new(),
        };
        RouteQuery {
            call: self.call,
            source: self.source.clone(),
            caller: self.caller.clone(),
            dialled: self.dialled.clone(),
            planned: None,
            at: self.at,
            pin: self.pin.clone(),
            entered: None,
            user,
            asked: false,
        }
    }
}

impl Replayed {
    fn compare(&mut self, call: &PastCall, before: &Decision, after: &Decision) {
        self.calls += 1;
        self.failed += u64::from(!after.events.is_empty());
        let (old, new) = (first_quote(&before.plan), first_quote(&after.plan));
        if let Some(seconds) = call.talked {
            self.price(old, seconds, |price| &mut price.before);
            self.price(new, seconds, |price| &mut price.after);
        }
        if same(&before.plan, &after.plan) {
            self.same += 1;
            return;
        }
        let refused = |plan: &RoutePlan| matches!(plan.verdict, Verdict::Refuse(_));
        let emergency = |plan: &RoutePlan| matches!(plan.verdict, Verdict::Emergency(_));
        match (refused(&before.plan), refused(&after.plan)) {
            (false, true) => self.newly_refused += 1,
            (true, false) => self.newly_routed += 1,
            _ => self.changed += 1,
        }
        self.emergency_changed += u64::from(emergency(&before.plan) || emergency(&after.plan));
        if self.list.len() == LISTED {
            self.cut = true;
            return;
        }
        let seconds = call.talked.unwrap_or(0);
        let dearer = match (old, new) {
            (Some(old), Some(new)) if old.currency == new.currency => {
                Some(charged(new, seconds) - charged(old, seconds))
            }
            _ => None,
        };
        self.list.push(Changed {
            call: call.call,
            from: crate::coverage::word(&call.source),
            dialled: call.dialled.clone(),
            at_micros: call.at.unix_micros,
            before: words(&before.plan),
            after: words(&after.plan),
            dearer,
        });
    }

    fn price(&mut self, quote: Option<&Quote>, seconds: u32, of: impl Fn(&mut Price) -> &mut i64) {
        let Some(quote) = quote else { return };
        let at = self.prices.iter().position(|p| p.currency == quote.currency).unwrap_or_else(|| {
            self.prices.push(Price { currency: quote.currency.clone(), ..Price::default() });
            self.prices.len() - 1
        });
        *of(&mut self.prices[at]) += charged(quote, seconds);
    }
}

/// Do both send the call the same way: the same targets, with the same numbers, in the same order?
pub fn same(a: &RoutePlan, b: &RoutePlan) -> bool {
    match (&a.verdict, &b.verdict) {
        (Verdict::Stages(a), Verdict::Stages(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    a.targets.len() == b.targets.len()
                        && a.targets.iter().zip(&b.targets).all(|(a, b)| {
                            a.target == b.target && a.number == b.number && a.caller == b.caller
                        })
                })
        }
        (Verdict::Refuse(a), Verdict::Refuse(b)) => a == b,
        (Verdict::Emergency(a), Verdict::Emergency(b)) => a.number() == b.number() && a.ways() == b.ways(),
        (Verdict::Ask(a), Verdict::Ask(b)) => a == b,
        _ => false,
    }
}

/// Where a plan sends a call, in words.
pub fn words(plan: &RoutePlan) -> String {
    match &plan.verdict {
        Verdict::Stages(stages) => {
            let stage = |s: &ringtrip_exchange::route::Stage| {
                let one = |a: &ringtrip_exchange::route::Attempt| format!("{} {}", a.target.word(), a.number);
                s.targets.iter().map(one).collect::<Vec<_>>().join(" and ")
            };
            stages.iter().map(stage).collect::<Vec<_>>().join(", then ")
        }
        Verdict::Refuse(cause) => format!("refused: {}", cause.word()),
        Verdict::Emergency(call) => format!("emergency {}", call.number()),
        Verdict::Ask(_) => "the caller is asked".to_owned(),
    }
}

fn first_quote(plan: &RoutePlan) -> Option<&Quote> {
    match &plan.verdict {
        Verdict::Stages(stages) => stages.first()?.targets.first()?.quote.as_deref(),
        _ => None,
    }
}

/// What so many seconds cost, with the deck's steps and fees.
fn charged(quote: &Quote, seconds: u32) -> i64 {
    quote.price.cost(seconds).0
}

#[cfg(test)]
mod tests;
