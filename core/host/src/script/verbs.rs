//! The verbs of a policy. Each decision remembers the line it was made on, for the record of the call.

use std::time::Duration;

use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, NativeCallContext};
use ringtrip_switch::party::{Cause, Digits};
use ringtrip_switch::router::{PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict};

use super::RUN;

/// What a verb gives.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    pub verdict: PolicyVerdict,
    pub line: Option<usize>,
}

type Told<T> = Result<T, Box<EvalAltResult>>;

/// More targets at once, or stages after each other, are a mistake: nobody waits that long.
const MAX_TARGETS: usize = 16;
/// The longest ring.
const MAX_SECS: INT = 600;
/// The longest text of a reason, a number or a name that is kept.
const MAX_REASON: usize = 200;

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Decision>("Decision");
    engine.register_fn("to", |ctx: NativeCallContext, name: &str| {
        decide(&ctx, stages(vec![stage(vec![target(name, None)], None)]))
    });
    engine.register_fn("to", |ctx: NativeCallContext, name: &str, number: &str| {
        decide(&ctx, stages(vec![stage(vec![target(name, Some(number))], None)]))
    });
    engine.register_fn("ring", |ctx: NativeCallContext, name: &str, secs: INT| -> Told<Decision> {
        let timeout = Some(ring_time(&ctx, secs)?);
        Ok(decide(&ctx, stages(vec![stage(vec![target(name, None)], timeout)])))
    });
    engine.register_fn("ring", |ctx: NativeCallContext, names: Array, secs: INT| -> Told<Decision> {
        let timeout = Some(ring_time(&ctx, secs)?);
        let together = together(&ctx, names)?;
        Ok(decide(&ctx, stages(vec![PolicyStage { timeout, ..together }])))
    });
    engine.register_fn("fork", |ctx: NativeCallContext, items: Array| -> Told<Decision> {
        let together = together(&ctx, items)?;
        Ok(decide(&ctx, stages(vec![together])))
    });
    engine.register_fn("try_in_order", |ctx: NativeCallContext, items: Array| -> Told<Decision> {
        let mut all = Vec::new();
        for item in items {
            all.extend(items_of(&ctx, item)?);
        }
        if all.is_empty() || all.len() > MAX_TARGETS {
            return Err(fault(
                &ctx,
                format!("try_in_order takes 1 to {MAX_TARGETS} targets, not {}", all.len()),
            ));
        }
        Ok(decide(&ctx, PolicyVerdict::Stages(all)))
    });
    engine.register_fn("block", |ctx: NativeCallContext, reason: &str| {
        let because: String = reason.chars().take(MAX_REASON).collect();
        decide(&ctx, PolicyVerdict::Refuse { cause: Cause::Barred, because })
    });
    engine.register_fn("busy", |ctx: NativeCallContext| {
        let because = "the script says busy".to_owned();
        decide(&ctx, PolicyVerdict::Refuse { cause: Cause::Busy, because })
    });
    engine.register_fn("pass", |ctx: NativeCallContext| decide(&ctx, PolicyVerdict::Pass));

    engine.register_fn("rewrite", |number: &str| {
        RUN.with_borrow_mut(|run| run.number = Some(Digits::new(number)));
    });
    engine.register_fn("caller_id", |number: &str, name: &str| {
        RUN.with_borrow_mut(|run| {
            run.caller.number = Some(Digits::new(number).to_string());
            // A line end in a name would end a header.
            run.caller.name = Some(name.chars().filter(|c| !c.is_control()).take(64).collect());
        });
    });
    engine.register_fn("withhold", || RUN.with_borrow_mut(|run| run.caller.private = Some(true)));
    engine.register_fn("show", || RUN.with_borrow_mut(|run| run.caller.private = Some(false)));
    engine.register_fn("starts_with_any", |number: &str, prefixes: Array| {
        prefixes.iter().any(|p| p.as_immutable_string_ref().is_ok_and(|p| number.starts_with(p.as_str())))
    });
}

fn decide(ctx: &NativeCallContext, verdict: PolicyVerdict) -> Decision {
    let decision = Decision { verdict, line: ctx.call_position().line() };
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
fn items_of(ctx: &NativeCallContext, item: Dynamic) -> Told<Vec<PolicyItem>> {
    if let Ok(name) = item.as_immutable_string_ref() {
        return Ok(vec![PolicyItem::Ring(stage(vec![target(name.as_str(), None)], None))]);
    }
    let kind = item.type_name();
    match item.try_cast::<Decision>().map(|d| d.verdict) {
        Some(PolicyVerdict::Stages(stages)) => Ok(stages),
        Some(_) => Err(fault(ctx, "a list of targets cannot hold block() or pass()".to_owned())),
        None => Err(fault(ctx, format!("a list of targets holds names such as \"gw1\", not {kind}"))),
    }
}

/// All targets of these in one stage, for the longest of their times.
fn together(ctx: &NativeCallContext, items: Array) -> Told<PolicyStage> {
    let mut all = stage(Vec::new(), None);
    for item in items {
        for item in items_of(ctx, item)? {
            let PolicyItem::Ring(stage) = item else {
                let what = "the cheapest gateways are tried one after the other; they cannot ring together";
                return Err(fault(ctx, what.to_owned()));
            };
            all.targets.extend(stage.targets);
            all.timeout = all.timeout.max(stage.timeout);
        }
    }
    if all.targets.is_empty() || all.targets.len() > MAX_TARGETS {
        return Err(fault(
            ctx,
            format!("1 to {MAX_TARGETS} targets can ring together, not {}", all.targets.len()),
        ));
    }
    Ok(all)
}

fn ring_time(ctx: &NativeCallContext, secs: INT) -> Told<Duration> {
    match u64::try_from(secs) {
        Ok(n @ 1..) if secs <= MAX_SECS => Ok(Duration::from_secs(n)),
        _ => Err(fault(ctx, format!("something rings for 1 to {MAX_SECS} seconds, not {secs}"))),
    }
}

fn fault(ctx: &NativeCallContext, what: String) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(what.into(), ctx.call_position()))
}
