//! The route. What the plan and the emergency table decide is decided at once on the control arbiter; a policy script
//! runs on an arbiter of its own, so that one which uses up its whole budget delays nobody else. The script is compiled
//! once; a new text that does not compile is refused and the one before stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use ringtrip_host::{Limits, Script, ScriptError};
use ringtrip_switch::config::Config;
use ringtrip_switch::event::Event;
use ringtrip_switch::ids::CallId;
use ringtrip_switch::party::{CallerId, Cause, Digits, Source};
use ringtrip_switch::post::{CallInput, Post};
use ringtrip_switch::route::{Extras, Provenance, RoutePlan, RouteQuery, Verdict};
use ringtrip_switch::router::{PolicyCall, Router, Step};

use super::directory::Directory;
use super::front::{Door, Knock};
use super::wall;
use crate::control::{ControlError, Reply, ScriptRefused};
use crate::panics::caught;
use crate::secrets::sha256;

/// Questions that may wait for the script. At 20 ms each the last one would be late anyway.
const MAILBOX: usize = 128;
/// The longest script text read.
const LONGEST: usize = 256 << 10;

/// A handle on the script's actor.
#[derive(Clone)]
pub struct Handle(Addr<Policy>);

/// The actor: a router and the script that it asks.
struct Policy {
    router: Router,
    script: Option<Running>,
    /// The script's file, from the configuration.
    file: Option<PathBuf>,
    folder: PathBuf,
    limits: Limits,
    door: Door,
}

struct Running {
    script: Script,
    text: String,
}

#[derive(Message)]
#[rtype(result = "()")]
enum Word {
    Ask(Box<PolicyCall>),
    Config(Arc<Config>),
    Reload { name: String, text: String, reply: Reply<()> },
    Check { name: String, text: String, reply: Reply<()> },
    Read { name: String, reply: Reply<String> },
    Try { call: Box<PolicyCall>, reply: Reply<RoutePlan> },
    Fall(&'static str),
}

impl Handle {
    /// Starts the actor on its own arbiter. `folder` is where relative script paths begin.
    pub fn start(config: Arc<Config>, folder: PathBuf, door: Door) -> Handle {
        let arbiter = Arbiter::new();
        let addr = Policy::start_in_arbiter(&arbiter.handle(), move |ctx: &mut Context<Policy>| {
            ctx.set_mailbox_capacity(MAILBOX);
            let mut policy = Policy {
                router: Router::new(config.clone()),
                script: None,
                file: None,
                folder,
                limits: Limits::default(),
                door,
            };
            policy.configure(config);
            policy
        });
        Handle(addr)
    }

    /// A new configuration: new calls follow it.
    pub fn configure(&self, config: Arc<Config>) {
        let _ = self.0.try_send(Word::Config(config));
    }
}

/// Answers `Post::Ask`.
pub(super) fn ask(dir: &Directory, query: Box<RouteQuery>) {
    let call = query.call;
    let router = dir.0.router.borrow().clone();
    let plan = match caught(|| router.before_policy(*query)) {
        Ok(Step::Done(plan)) => plan,
        Ok(Step::AskPolicy(question)) => {
            let default = question.default.clone();
            match dir.0.route.0.try_send(Word::Ask(question)) {
                Ok(()) => return,
                Err(_) => {
                    tracing::warn!(%call, "the routing script is overloaded: the plan's own route is taken");
                    Box::new(default)
                }
            }
        }
        Err(why) => {
            dir.fell("route", &why);
            Box::new(refused(Cause::SystemFailure, "the route failed"))
        }
    };
    dir.deliver(Post::Call { call, input: CallInput::Routed(plan) });
}

/// Makes a script's new text active.
pub(super) fn reload(dir: &Directory, name: String, text: String, reply: Reply<()>) {
    send(dir, Word::Reload { name, text, reply });
}

/// Compiles a text and changes nothing.
pub(super) fn check(dir: &Directory, name: String, text: String, reply: Reply<()>) {
    send(dir, Word::Check { name, text, reply });
}

/// The running text.
pub(super) fn read(dir: &Directory, name: &str, reply: Reply<String>) {
    send(dir, Word::Read { name: name.to_owned(), reply });
}

/// What would happen if this source dialled this number now?
pub(super) fn try_it(
    dir: &Directory,
    source: Result<Source, ControlError>,
    number: String,
    reply: Reply<RoutePlan>,
) {
    let source = match source {
        Ok(source) => source,
        Err(e) => {
            let _ = reply.send(Err(e));
            return;
        }
    };
    let number_shown = match &source {
        Source::Extension(ext) => ext.to_string(),
        Source::Line(line) => line.to_string(),
        Source::Gateway(_) | Source::Operator => String::new(),
    };
    let query = RouteQuery {
        call: CallId(0),
        source,
        caller: CallerId { number: number_shown, ..CallerId::default() },
        dialled: Digits::new(&number),
        planned: None,
        at: wall::now(),
        pin: None,
        entered: None,
        user: String::new(),
    };
    match dir.0.router.borrow().before_policy(query) {
        Step::Done(plan) => {
            let _ = reply.send(Ok(*plan));
        }
        Step::AskPolicy(call) => send(dir, Word::Try { call, reply }),
    }
}

/// A panic in the actor (developer mode).
pub(super) fn fall(dir: &Directory, why: &'static str) {
    send(dir, Word::Fall(why));
}

/// A full mailbox drops the reply, and the face says that nobody answers.
fn send(dir: &Directory, word: Word) {
    let _ = dir.0.route.0.try_send(word);
}

fn refused(cause: Cause, because: &str) -> RoutePlan {
    let provenance = Provenance { because: because.to_owned(), ..Provenance::default() };
    RoutePlan { verdict: Verdict::Refuse(cause), provenance, extras: Extras::default() }
}

impl Policy {
    fn configure(&mut self, config: Arc<Config>) {
        self.limits = Limits { time: config.limits.script_time, operations: config.limits.script_operations };
        let file = config.script.as_ref().map(|name| self.folder.join(name));
        self.router = Router::new(config);
        if file != self.file {
            self.file = file;
            self.script = None;
        }
        let Some(file) = self.file.clone() else { return };
        let name = file_name(&file);
        match std::fs::read_to_string(&file) {
            Ok(text) if self.script.as_ref().is_some_and(|s| s.text == text) => {}
            Ok(text) => {
                if let Err(e) = self.take(&name, text) {
                    self.tell(Event::ScriptRefused { script: name, why: refusal(&e) });
                }
            }
            Err(e) => {
                let why = format!("{}: {e}", file.display());
                self.tell(Event::ScriptRefused { script: name, why });
            }
        }
    }

    /// Compiles and takes a text; a refused one changes nothing.
    fn take(&mut self, name: &str, text: String) -> Result<(), ScriptError> {
        let script = compile(name, &text, self.limits)?;
        let hash = sha256(&text);
        self.script = Some(Running { script, text });
        self.tell(Event::ScriptActive { script: name.to_owned(), hash: hash[..16].to_owned() });
        Ok(())
    }

    fn decide(&self, call: Box<PolicyCall>) -> (RoutePlan, Option<Event>) {
        let Some(running) = &self.script else {
            return (call.default, None);
        };
        let answer = running.script.run(&call).map_err(|fault| fault.to_string());
        self.router.after_policy(*call, running.script.name(), answer)
    }

    fn is_mine(&self, name: &str) -> Result<PathBuf, ControlError> {
        let file = self.file.clone().filter(|file| file_name(file) == name);
        file.ok_or_else(|| ControlError::Missing { what: "script", name: name.to_owned() })
    }

    fn reload(&mut self, name: &str, text: String) -> Result<(), ControlError> {
        let file = self.is_mine(name)?;
        compiled(name, &text, self.limits)?;
        // The file first, by a rename, so that a restart runs what runs now.
        let fresh = file.with_extension("rhai.new");
        let written = std::fs::write(&fresh, &text).and_then(|()| std::fs::rename(&fresh, &file));
        written
            .map_err(|e| ControlError::Failed(format!("{}: {e}; the script before stays", file.display())))?;
        self.take(name, text).map_err(|e| ControlError::Script(script_refused(name, &e)))
    }

    fn fell(&self, why: String) {
        let _ = self.door.try_send(Knock::Fell { part: "route", why });
    }

    fn tell(&self, event: Event) {
        let _ = self.door.try_send(Knock::Tell(event));
    }
}

impl Actor for Policy {
    type Context = Context<Self>;
}

impl Handler<Word> for Policy {
    type Result = ();

    fn handle(&mut self, word: Word, _: &mut Self::Context) {
        match word {
            Word::Ask(call) => {
                let (id, default) = (call.query.call, call.default.clone());
                let decided = caught(|| self.decide(call));
                let (plan, event) = decided.unwrap_or_else(|why| {
                    self.fell(why);
                    (default, None)
                });
                if let Some(event) = event {
                    self.tell(event);
                }
                let input = CallInput::Routed(Box::new(plan));
                let _ = self.door.try_send(Knock::Post(Post::Call { call: id, input }));
            }
            Word::Config(config) => {
                if let Err(why) = caught(|| self.configure(config)) {
                    self.fell(why);
                }
            }
            Word::Reload { name, text, reply } => {
                let reloaded = caught(|| self.reload(&name, text));
                let _ = reply.send(reloaded.unwrap_or_else(|why| Err(ControlError::Failed(why))));
            }
            Word::Check { name, text, reply } => {
                let checked = caught(|| compiled(&name, &text, self.limits));
                let _ = reply.send(checked.unwrap_or_else(|why| Err(ControlError::Failed(why))));
            }
            Word::Read { name, reply } => {
                let text = self
                    .is_mine(&name)
                    .map(|_| self.script.as_ref().map_or(String::new(), |s| s.text.clone()));
                let _ = reply.send(text);
            }
            Word::Try { call, reply } => {
                let default = call.default.clone();
                let decided = caught(|| self.decide(call));
                let _ = reply.send(Ok(decided.map_or(default, |(plan, _)| plan)));
            }
            Word::Fall(why) => {
                if let Err(why) = caught(|| -> () { std::panic::panic_any(why) }) {
                    self.fell(why);
                }
            }
        }
    }
}

/// Compiles a script; its clock begins now.
fn compile(name: &str, text: &str, limits: Limits) -> Result<Script, ScriptError> {
    let began = Instant::now();
    Script::compile(name, text, limits, BTreeMap::new(), move || began.elapsed())
}

fn compiled(name: &str, text: &str, limits: Limits) -> Result<(), ControlError> {
    if text.len() > LONGEST {
        let what = format!("the script has {} octets", text.len());
        return Err(ControlError::Bad { what, hint: format!("{LONGEST} is the most that is read") });
    }
    compile(name, text, limits).map(|_| ()).map_err(|e| ControlError::Script(script_refused(name, &e)))
}

fn script_refused(name: &str, e: &ScriptError) -> ScriptRefused {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    ScriptRefused {
        script: name.to_owned(),
        line: number(e.line),
        column: number(e.column),
        what: refusal(e),
    }
}

fn refusal(e: &ScriptError) -> String {
    e.to_string()
}

fn file_name(file: &std::path::Path) -> String {
    file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}
