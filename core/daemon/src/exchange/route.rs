//! The route of live calls. What the emergency table and the plan decide is decided at once on the control arbiter; only a
//! question to scripts and plugins goes to other threads. A call keeps the engine that it was first asked about with,
//! whatever is changed meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_exchange::post::{CallInput, Post};
use ringtrip_exchange::route::{RoutePlan, RouteQuery};
use ringtrip_exchange::supervise::PartId;
use ringtrip_model::event::Event;
use ringtrip_model::party::Cause;
use ringtrip_routing::Engine;
use ringtrip_routing::router::RouterStep;

use super::directory::Directory;
use super::front::{Door, Knock};
use crate::control::{ControlError, Reply};
use crate::panics::caught;
use crate::routes::{Answered, Routes, Workers};

/// How often the scripts' files are looked at: "save it, and it is active".
const LOOK: Duration = Duration::from_secs(2);

/// Answers `Post::Ask`: at once, or later, when scripts and plugins have been asked.
pub(super) fn ask(dir: &Directory, query: Box<RouteQuery>) -> Option<Box<RoutePlan>> {
    let call = query.call;
    let engine = engine_of(dir, &query);
    let now = Instant::now();
    let attempt = match dir.0.index.borrow().pin_attempt(now, &query) {
        Ok(attempt) => attempt,
        Err(plan) => return Some(plan),
    };
    let begun = caught(|| engine.begin(*query));
    if let (Some(attempt), Ok(step)) = (attempt, &begun) {
        dir.0.index.borrow_mut().pin_tried(now, &attempt, step.proved_pin());
    }
    Some(match begun {
        Ok(RouterStep::Done(plan)) => plan,
        Ok(RouterStep::AskPolicy(question)) => match dir.0.workers.ask(engine, question) {
            Ok(()) => return None,
            Err(question) => {
                crate::logging::warn_counted("scripts-full", || {
                    format!("scripts and plugins are overloaded: call {call} takes the plan's own route")
                });
                Box::new(question.default)
            }
        },
        Err(why) => {
            dir.fell(&PartId::Route, &why);
            Box::new(RoutePlan::refused(Cause::SystemFailure, "the route failed"))
        }
    })
}

/// The engine that this call began with, or begins with now.
fn engine_of(dir: &Directory, query: &RouteQuery) -> Arc<Engine> {
    let mut calls = dir.0.calls.borrow_mut();
    let entry = calls.get_mut(&query.call);
    if let Some(engine) = entry.as_ref().and_then(|entry| entry.engine.clone()) {
        return engine;
    }
    let (engine, canary) = dir.0.routes.engine_for(query);
    if let Some(entry) = entry {
        entry.engine = Some(engine.clone());
        entry.canary = canary;
    }
    engine
}

/// The threads for scripts and plugins; their answers come through the door.
pub(super) fn workers(door: Door) -> std::io::Result<Workers> {
    Workers::start(move |call, answered| {
        let knock = |knock| drop(door.try_send(knock));
        let plan = match answered {
            Answered::Decided(decision) => {
                decision.events.into_iter().for_each(|event| knock(Knock::Tell(event)));
                Box::new(decision.plan)
            }
            Answered::Late(plan) => {
                crate::logging::warn_counted("scripts-slow", || {
                    format!("scripts and plugins are slow: call {call} takes the plan's own route")
                });
                plan
            }
            Answered::Panicked(plan, why) => {
                knock(Knock::Fell { part: PartId::Route, why });
                plan
            }
            Answered::DeliberatePanic(why) => return knock(Knock::Fell { part: PartId::Route, why }),
        };
        knock(Knock::Post(Post::Call { call, input: CallInput::Routed(plan) }));
    })
}

/// The routes of a configuration; what they tell comes through the door.
pub(super) fn routes(config: Arc<ringtrip_config::Config>, folder: &std::path::Path, door: Door) -> Routes {
    Routes::new(config, folder, Box::new(move |event: Event| drop(door.try_send(Knock::Tell(event)))))
}

/// Looks at the scripts' files, for ever.
pub(super) async fn watch(routes: Routes) {
    loop {
        actix_rt::time::sleep(LOOK).await;
        let routes = routes.clone();
        let _ = actix_rt::task::spawn_blocking(move || caught(|| routes.look_at_files())).await;
    }
}

/// Makes a script's new text active.
pub(super) fn reload(dir: &Directory, name: String, text: String, reply: Reply<()>) {
    off(dir, reply, move |routes| routes.reload(&name, &text));
}

/// The running text.
pub(super) fn read(dir: &Directory, name: &str, reply: Reply<String>) {
    let _ = reply.send(dir.0.routes.read(name));
}

/// A panic in a thread of scripts (developer mode).
pub(super) fn fall(dir: &Directory, why: &'static str) {
    dir.0.workers.inject_panic(why);
}

/// Does this off the control arbiter: it compiles, and writes files.
fn off<T: Send + 'static>(
    dir: &Directory,
    reply: Reply<T>,
    work: impl FnOnce(&Routes) -> Result<T, ControlError> + Send + 'static,
) {
    let routes = dir.0.routes.clone();
    drop(actix_rt::task::spawn_blocking(move || {
        let done = caught(|| work(&routes)).unwrap_or_else(|why| Err(ControlError::Failed(why)));
        let _ = reply.send(done);
    }));
}
