//! Threads that ask scripts and plugins, so that one which uses up its whole budget delays neither the control arbiter
//! nor the next call. The queue is bounded, and what waited too long takes the plan's own route.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringtrip_exchange::route::RoutePlan;
use ringtrip_model::ids::CallId;
use ringtrip_routing::router::PolicyCall;
use ringtrip_routing::script::STACK;
use ringtrip_routing::{Decision, Engine};

use crate::panics::caught;

/// Threads. A script has 20 ms, a plugin 50 ms: four that sleep still leave the exchange its own threads.
const THREADS: usize = 4;
/// Questions that may wait.
const WAITING: usize = 128;
/// A caller who waited so long for a thread gets the plan's own route: he has heard nothing yet.
const PATIENCE: Duration = Duration::from_millis(500);

/// What became of a question.
#[derive(Debug)]
pub enum Answered {
    /// A decision.
    Decided(Box<Decision>),
    /// It waited too long: the plan's own route.
    Late(Box<RoutePlan>),
    /// The engine panicked: the plan's own route, and the words of the panic.
    Fell(Box<RoutePlan>, String),
    /// A panic on purpose (developer mode).
    Broken(String),
}

/// The threads' queue. Cheap to clone.
#[derive(Clone)]
pub struct Workers(SyncSender<Job>);

enum Job {
    Ask { engine: Arc<Engine>, call: Box<PolicyCall>, since: Instant },
    Fall(&'static str),
}

impl Workers {
    /// Starts the threads; each answer goes to `answer`, which must not block.
    pub fn start(answer: impl Fn(CallId, Answered) + Send + Sync + 'static) -> std::io::Result<Workers> {
        let (queue, jobs) = sync_channel(WAITING);
        let jobs = Arc::new(Mutex::new(jobs));
        let answer: Arc<dyn Fn(CallId, Answered) + Send + Sync> = Arc::new(answer);
        for n in 1..=THREADS {
            let (jobs, answer) = (jobs.clone(), answer.clone());
            let thread = std::thread::Builder::new().name(format!("route {n}")).stack_size(STACK);
            thread.spawn(move || work(&jobs, &*answer))?;
        }
        Ok(Workers(queue))
    }

    /// Asks; the question comes back when too many wait.
    pub fn ask(&self, engine: Arc<Engine>, call: Box<PolicyCall>) -> Result<(), Box<PolicyCall>> {
        let job = Job::Ask { engine, call, since: Instant::now() };
        self.0.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(Job::Ask { call, .. }) | TrySendError::Disconnected(Job::Ask { call, .. }) => {
                call
            }
            // Only what was sent comes back.
            TrySendError::Full(Job::Fall(_)) | TrySendError::Disconnected(Job::Fall(_)) => unreachable!(),
        })
    }

    /// A panic in one of them (developer mode).
    pub fn fall(&self, why: &'static str) {
        let _ = self.0.try_send(Job::Fall(why));
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, answer: &(dyn Fn(CallId, Answered) + Send + Sync)) {
    loop {
        let job = jobs.lock().unwrap_or_else(|e| e.into_inner()).recv();
        match job {
            Ok(Job::Ask { engine, call, since }) => {
                let (id, default) = (call.query.call, Box::new(call.default.clone()));
                let answered = if since.elapsed() > PATIENCE {
                    Answered::Late(default)
                } else {
                    match caught(|| engine.finish(*call)) {
                        Ok(decision) => Answered::Decided(Box::new(decision)),
                        Err(why) => Answered::Fell(default, why),
                    }
                };
                answer(id, answered);
            }
            Ok(Job::Fall(why)) => {
                if let Err(why) = caught(|| -> () { std::panic::panic_any(why) }) {
                    answer(CallId(0), Answered::Broken(why));
                }
            }
            Err(_) => return,
        }
    }
}
