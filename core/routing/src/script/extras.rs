//! What stands on a line of its own before a verb: another number or caller, an announcement, a wait, a recording.

use std::time::Duration;

use rhai::{Dynamic, Engine, NativeCallContext};
use ringtrip_exchange::route::Prelude;
use ringtrip_model::party::Digits;

use super::RUN;
use super::error::fault;
use super::verbs::RhaiResult;

/// Announcements and waits before a call.
const MAX_BEFORE: usize = 8;
/// The longest wait, all together.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// The longest name of a prompt, and of a caller.
const MAX_NAME: usize = 64;

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("rewrite", |number: &str| {
        RUN.with_borrow_mut(|run| run.number = Some(Digits::new(number)));
    });
    engine.register_fn("caller_id", |number: &str| {
        RUN.with_borrow_mut(|run| run.caller.number = Some(Digits::new(number).to_string()));
    });
    engine.register_fn("caller_id", |number: &str, name: &str| {
        RUN.with_borrow_mut(|run| {
            run.caller.number = Some(Digits::new(number).to_string());
            // A line end in a name would end a header.
            run.caller.name = Some(name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect());
        });
    });
    engine.register_fn("withhold", || RUN.with_borrow_mut(|run| run.caller.private = Some(true)));
    engine.register_fn("show", || RUN.with_borrow_mut(|run| run.caller.private = Some(false)));
    engine.register_fn("record", || RUN.with_borrow_mut(|run| run.extras.record = true));
    engine.register_fn("say", |ctx: NativeCallContext, said: &str| -> RhaiResult<()> {
        let said = prompt(&ctx, said)?;
        RUN.with_borrow_mut(|run| run.extras.say = Some(said));
        Ok(())
    });
    engine.register_fn("play", |ctx: NativeCallContext, said: &str| -> RhaiResult<()> {
        let said = prompt(&ctx, said)?;
        before(&ctx, Prelude::Play(said))
    });
    engine.register_fn("delay", |ctx: NativeCallContext, seconds: Dynamic| -> RhaiResult<()> {
        let time = seconds.to_string().parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
        match time.filter(|time| *time <= MAX_DELAY) {
            Some(time) => before(&ctx, Prelude::Delay(time)),
            None => {
                let most = MAX_DELAY.as_secs();
                Err(fault(&ctx, format!("a call waits for 0 to {most} seconds, not {seconds}")))
            }
        }
    });
}

fn before(ctx: &NativeCallContext, prelude: Prelude) -> RhaiResult<()> {
    RUN.with_borrow_mut(|run| {
        let all = &mut run.extras.before;
        all.push(prelude);
        let waits = all.iter().map(|p| if let Prelude::Delay(time) = p { *time } else { Duration::ZERO });
        if waits.sum::<Duration>() > MAX_DELAY {
            return Err(format!("a call waits for {} seconds at most", MAX_DELAY.as_secs()));
        }
        match all.len() {
            0..=MAX_BEFORE => Ok(()),
            _ => Err(format!("at most {MAX_BEFORE} announcements and waits stand before a call")),
        }
    })
    .map_err(|what| fault(ctx, what))
}

/// The name of an announcement: nothing that could leave the folder of prompts.
pub(super) fn prompt(ctx: &NativeCallContext, name: &str) -> RhaiResult<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_NAME || name.starts_with('.') || !name.chars().all(plain) {
        let what = format!("invalid prompt name {name:?}: expected \"closed\" or \"my-greeting.wav\"");
        return Err(fault(ctx, what));
    }
    Ok(name.to_owned())
}
