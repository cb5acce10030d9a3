//! Threads that run scripts and plugins, so that one that uses its whole time budget delays neither the control arbiter
//! nor the next call. The queue is bounded; a query that waits too long gets the dial plan's own route.

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
/// A query that waited this long for a thread gets the dial plan's own route: the caller has heard nothing yet.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(500);

/// The result of a query.
#[derive(Debug)]
pub enum Answered {
    /// A decision.
    Decided(Box<Decision>),
    /// It waited too long: the plan's own route.
    Late(Box<RoutePlan>),
    /// The engine panicked: the plan's own route, and the panic message.
    Panicked(Box<RoutePlan>, String),
    /// A panic on purpose (developer mode).
    DeliberatePanic(String),
}

/// The threads' queue. Cheap to clone.
#[derive(Clone)]
pub struct Workers(SyncSender<Job>);

enum Job {
    Ask { engine: Arc<Engine>, call: Box<PolicyCall>, since: Instant },
    InjectPanic(&'static str),
}

impl Workers {
    /// Starts the threads; each answer goes to `answer`, which must not block.
    ///
    /// # Errors
    /// A thread cannot be started.
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
    ///
    /// # Errors
    /// The question itself, when the queue is full or the threads have ended.
    pub fn ask(&self, engine: Arc<Engine>, call: Box<PolicyCall>) -> Result<(), Box<PolicyCall>> {
        let job = Job::Ask { engine, call, since: Instant::now() };
        self.0.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(Job::Ask { call, .. }) | TrySendError::Disconnected(Job::Ask { call, .. }) => {
                call
            }
            // Only what was sent comes back.
            TrySendError::Full(Job::InjectPanic(_)) | TrySendError::Disconnected(Job::InjectPanic(_)) => {
                unreachable!()
            }
        })
    }

    /// A panic in one of them (developer mode).
    pub fn inject_panic(&self, why: &'static str) {
        let _ = self.0.try_send(Job::InjectPanic(why));
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, answer: &(dyn Fn(CallId, Answered) + Send + Sync)) {
    loop {
        let job = jobs.lock().unwrap_or_else(|e| e.into_inner()).recv();
        match job {
            Ok(Job::Ask { engine, call, since }) => {
                let (id, default) = (call.query.call, Box::new(call.default.clone()));
                let answered = if since.elapsed() > QUEUE_TIMEOUT {
                    Answered::Late(default)
                } else {
                    match caught(|| engine.finish(*call)) {
                        Ok(decision) => Answered::Decided(Box::new(decision)),
                        Err(why) => Answered::Panicked(default, why),
                    }
                };
                answer(id, answered);
            }
            Ok(Job::InjectPanic(why)) => {
                if let Err(why) = caught(|| -> () { std::panic::panic_any(why) }) {
                    answer(CallId(0), Answered::DeliberatePanic(why));
                }
            }
            Err(_) => return,
        }
    }
}
