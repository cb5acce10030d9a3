//! The verbs of a policy. Each decision remembers the line it was made on, for the record of the call.

use std::time::Duration;

use crate::router::{Cheapest, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict};
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, NativeCallContext};
use ringtrip_exchange::route::{Question, Wanted};
use ringtrip_model::dial_string::dial_string;
use ringtrip_model::party::{Cause, Digits};

use super::RUN;
use super::error::fault;
use super::extras::prompt;

/// What a verb gives.
#[derive(Debug, Clone)]
pub(super) struct ScriptDecision {
    pub verdict: PolicyVerdict,
    pub line: Option<usize>,
}

pub(super) type RhaiResult<T> = Result<T, Box<EvalAltResult>>;

/// More targets at once, or stages after each other, are a mistake: nobody waits that long.
const MAX_TARGETS: usize = 16;
/// The longest ring.
const MAX_SECS: INT = 600;
/// The longest text of a reason, a number or a name that is kept.
const MAX_REASON: usize = 200;
/// How often a caller may enter a PIN, unless the script says otherwise, and at most.
const TRIES: u8 = 3;
const MAX_TRIES: INT = 5;

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ScriptDecision>("Decision");
    engine.register_fn("to", |ctx: NativeCallContext, name: &str| {
        decide(&ctx, stages(vec![stage(vec![target(name, None)], None)]))
    });
    engine.register_fn("to", |ctx: NativeCallContext, name: &str, number: &str| {
        decide(&ctx, stages(vec![stage(vec![target(name, Some(number))], None)]))
    });
    engine.register_fn("ring", |ctx: NativeCallContext, name: &str| {
        decide(&ctx, stages(vec![stage(vec![target(name, None)], None)]))
    });
    engine.register_fn(
        "ring",
        |ctx: NativeCallContext, name: &str, secs: INT| -> RhaiResult<ScriptDecision> {
            let timeout = Some(ring_time(&ctx, secs)?);
            Ok(decide(&ctx, stages(vec![stage(vec![target(name, None)], timeout)])))
        },
    );
    engine.register_fn("ring", |ctx: NativeCallContext, names: Array| -> RhaiResult<ScriptDecision> {
        let together = together(&ctx, names)?;
        Ok(decide(&ctx, stages(vec![together])))
    });
    engine.register_fn(
        "ring",
        |ctx: NativeCallContext, names: Array, secs: INT| -> RhaiResult<ScriptDecision> {
            let timeout = Some(ring_time(&ctx, secs)?);
            let together = together(&ctx, names)?;
            Ok(decide(&ctx, stages(vec![PolicyStage { timeout, ..together }])))
        },
    );
    engine.register_fn("fork", |ctx: NativeCallContext, items: Array| -> RhaiResult<ScriptDecision> {
        let together = together(&ctx, items)?;
        Ok(decide(&ctx, stages(vec![together])))
    });
    engine.register_fn(
        "try_in_order",
        |ctx: NativeCallContext, items: Array| -> RhaiResult<ScriptDecision> {
            let mut all = Vec::new();
            for item in items {
                all.extend(items_of(&ctx, item)?);
                // A list of long lists is not gathered first.
                if all.len() > MAX_TARGETS {
                    break;
                }
            }
            if all.is_empty() || all.len() > MAX_TARGETS {
                return Err(fault(
                    &ctx,
                    format!("try_in_order takes 1 to {MAX_TARGETS} targets, not {}", many(all.len())),
                ));
            }
            Ok(decide(&ctx, PolicyVerdict::Stages(all)))
        },
    );
    engine.register_fn("cheapest", |ctx: NativeCallContext, most: INT| cheapest(&ctx, most, Array::new()));
    engine.register_fn("cheapest", |ctx: NativeCallContext, most: INT, among: Array| {
        cheapest(&ctx, most, among)
    });
    engine.register_fn("under", |ctx: NativeCallContext, decision: ScriptDecision, price: Dynamic| {
        under(&ctx, decision, &price)
    });
    engine.register_fn("block", |ctx: NativeCallContext, reason: &str| {
        // It stands in records, lists and logs, on one line.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let because: String = reason.chars().map(plain).take(MAX_REASON).collect();
        decide(&ctx, PolicyVerdict::Refuse { cause: Cause::Barred, because })
    });
    engine.register_fn("busy", |ctx: NativeCallContext| {
        let because = "the script says busy".to_owned();
        decide(&ctx, PolicyVerdict::Refuse { cause: Cause::Busy, because })
    });
    engine.register_fn("pass", |ctx: NativeCallContext| decide(&ctx, PolicyVerdict::Pass));
    engine.register_fn("ask_pin", |ctx: NativeCallContext| ask(&ctx, Wanted::Pin, None, INT::from(TRIES)));
    engine.register_fn("ask_pin", |ctx: NativeCallContext, prompt: &str| {
        ask(&ctx, Wanted::Pin, Some(prompt), INT::from(TRIES))
    });
    engine.register_fn("ask_pin", |ctx: NativeCallContext, prompt: &str, tries: INT| {
        ask(&ctx, Wanted::Pin, Some(prompt), tries)
    });
    engine.register_fn("ask_number", |ctx: NativeCallContext| {
        ask(&ctx, Wanted::Number, None, INT::from(TRIES))
    });
    engine.register_fn("ask_number", |ctx: NativeCallContext, prompt: &str| {
        ask(&ctx, Wanted::Number, Some(prompt), INT::from(TRIES))
    });
    engine.register_fn("dial_string", |number: &str| dial_string(number));
    engine.register_fn("starts_with_any", |number: &str, prefixes: Array| {
        prefixes.iter().any(|p| p.as_immutable_string_ref().is_ok_and(|p| number.starts_with(p.as_str())))
    });
}

fn decide(ctx: &NativeCallContext, verdict: PolicyVerdict) -> ScriptDecision {
    let decision = ScriptDecision { verdict, line: ctx.call_position().line() };
    RUN.with_borrow_mut(|run| run.last = Some(decision.clone()));
    decision
}

fn stages(stages: Vec<PolicyStage>) -> PolicyVerdict {
    PolicyVerdict::Stages(stages.into_iter().map(PolicyItem::Ring).collect())
}

fn stage(targets: Vec<PolicyTarget>, timeout: Option<Duration>) -> PolicyStage {
    PolicyStage { targets, timeout }
}

fn target(name: &str, number: Option<&str>) -> PolicyTarget {
    PolicyTarget { name: name.chars().take(MAX_REASON).collect(), number: number.map(Digits::new) }
}

/// A name, or what a verb gave.
fn items_of(ctx: &NativeCallContext, item: Dynamic) -> RhaiResult<Vec<PolicyItem>> {
    if let Ok(name) = item.as_immutable_string_ref() {
        return Ok(vec![PolicyItem::Ring(stage(vec![target(name.as_str(), None)], None))]);
    }
    let kind = item.type_name();
    match item.try_cast::<ScriptDecision>().map(|d| d.verdict) {
        Some(PolicyVerdict::Stages(stages)) => Ok(stages),
        Some(_) => Err(fault(ctx, "a list of targets cannot hold block(), pass() or a question".to_owned())),
        None => Err(fault(ctx, format!("a list of targets holds names such as \"gw1\", not {kind}"))),
    }
}

/// All targets of these in one stage, for the longest of their times. Where one of them has no time of its own, the usual
/// time is longest: a time for one telephone does not silence the others.
fn together(ctx: &NativeCallContext, items: Array) -> RhaiResult<PolicyStage> {
    let mut all = stage(Vec::new(), None);
    let mut usual = false;
    for item in items {
        for item in items_of(ctx, item)? {
            let PolicyItem::Ring(stage) = item else {
                let what = "the cheapest gateways are tried one after the other; they cannot ring together";
                return Err(fault(ctx, what.to_owned()));
            };
            if all.targets.len() > MAX_TARGETS {
                break;
            }
            all.targets.extend(stage.targets);
            usual |= stage.timeout.is_none();
            all.timeout = all.timeout.max(stage.timeout);
        }
    }
    if usual {
        all.timeout = None;
    }
    if all.targets.is_empty() || all.targets.len() > MAX_TARGETS {
        return Err(fault(
            ctx,
            format!("1 to {MAX_TARGETS} targets can ring together, not {}", many(all.targets.len())),
        ));
    }
    Ok(all)
}

/// A number of targets: more than the most are not counted.
fn many(found: usize) -> String {
    if found > MAX_TARGETS { "more".to_owned() } else { found.to_string() }
}

fn cheapest(ctx: &NativeCallContext, most: INT, among: Array) -> RhaiResult<ScriptDecision> {
    let most = u8::try_from(most).ok().filter(|n| (1..=MAX_TARGETS).contains(&usize::from(*n)));
    let Some(most) = most else {
        return Err(fault(ctx, format!("cheapest tries 1 to {MAX_TARGETS} gateways")));
    };
    let name = |item: &Dynamic| item.as_immutable_string_ref().ok().map(|name| name.to_string());
    let Some(among) = among.iter().map(name).collect::<Option<Vec<_>>>() else {
        return Err(fault(ctx, "cheapest compares gateways by name, such as [\"gw1\", \"gw2\"]".to_owned()));
    };
    let request = Cheapest { most, among, budget: None, number: None };
    Ok(decide(ctx, PolicyVerdict::Stages(vec![PolicyItem::Cheapest(request)])))
}

/// `cheapest(2).under("0.05")`: at most so much a minute.
fn under(ctx: &NativeCallContext, decision: ScriptDecision, price: &Dynamic) -> RhaiResult<ScriptDecision> {
    let PolicyVerdict::Stages(mut items) = decision.verdict else {
        return Err(fault(ctx, "under() follows cheapest(): cheapest(2).under(\"0.05\")".to_owned()));
    };
    let budget = millionths(&price.to_string())
        .ok_or_else(|| fault(ctx, format!("invalid price {price}: expected \"0.05\"")))?;
    for item in &mut items {
        match item {
            PolicyItem::Cheapest(request) => request.budget = Some(budget),
            PolicyItem::Ring(_) => {
                return Err(fault(ctx, "under() follows cheapest(): cheapest(2).under(\"0.05\")".to_owned()));
            }
        }
    }
    Ok(decide(ctx, PolicyVerdict::Stages(items)))
}

/// `0.05` as millionths of a unit.
pub(super) fn millionths(text: &str) -> Option<i64> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 12 {
        return None;
    }
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(part.parse().ok()?)
}

fn ask(
    ctx: &NativeCallContext,
    wanted: Wanted,
    said: Option<&str>,
    tries: INT,
) -> RhaiResult<ScriptDecision> {
    if !(1..=MAX_TRIES).contains(&tries) {
        return Err(fault(ctx, format!("a caller may try 1 to {MAX_TRIES} times, not {tries}")));
    }
    let prompt = said.map(|said| prompt(ctx, said)).transpose()?;
    let tries = u8::try_from(tries).unwrap_or(TRIES);
    Ok(decide(ctx, PolicyVerdict::Ask(Question { wanted, prompt, tries })))
}

fn ring_time(ctx: &NativeCallContext, secs: INT) -> RhaiResult<Duration> {
    match u64::try_from(secs) {
        Ok(n @ 1..) if secs <= MAX_SECS => Ok(Duration::from_secs(n)),
        _ => Err(fault(ctx, format!("the ring time must be 1 to {MAX_SECS} seconds, not {secs}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::millionths;

    #[test]
    fn prices_are_read_exactly() {
        for (text, wanted) in [
            ("0.05", Some(50_000)),
            ("1", Some(1_000_000)),
            ("0.0123456789", Some(12_345)),
            ("12.5", Some(12_500_000)),
            (".5", None),
            ("-1", None),
            ("cheap", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(millionths(text), wanted, "{text}");
        }
    }
}
