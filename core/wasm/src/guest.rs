//! What stands behind one decision: the plugin's rights and settings, its time, and its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::fault::Stop;
use crate::host::HostServices;
use crate::package::grant::{self, Grants};
use crate::package::manifest::Settings;

/// How long a plugin may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// From the question to the answer, with all that it asks the host.
    pub wall: Duration,
    /// Of that, its own computing.
    pub own: Duration,
}

impl Time {
    /// A decision: somebody waits for it with a receiver at the ear.
    pub const DECISION: Time = Time { wall: Duration::from_millis(50), own: Duration::from_millis(50) };
    /// Prices, balance, health: nobody waits, but a runaway must end.
    pub const CHORE: Time = Time { wall: Duration::from_secs(10), own: Duration::from_secs(1) };

    /// A guest is stopped a tenth (at most 5 ms) before the wall, so that what follows its end still fits.
    fn stop(self) -> Duration {
        self.wall - (self.wall / 10).min(Duration::from_millis(5))
    }
}

/// Elements of one table; interpreters compiled to Wasm have some ten thousand functions.
pub(crate) const TABLE: usize = 20_000;
/// Core instances, tables and memories of one plugin: one each is usual, interpreters link some dozens.
pub(crate) const INSTANCES: usize = 64;
pub(crate) const TABLES: usize = 16;
pub(crate) const MEMORIES: usize = 4;
/// Lines of log in one decision, and of one plugin in a minute.
const LINES: u32 = 32;
const LINES_A_MINUTE: u32 = 600;

/// What all decisions of a plugin share.
#[derive(Debug)]
pub(crate) struct Context {
    /// `policy-quiet-hours 0.1.0`.
    pub name: String,
    /// The key of its values in the store: the name without the version.
    pub plugin: String,
    pub grants: Grants,
    pub settings: Settings,
    pub services: HostServices,
    born: Instant,
    minute: AtomicU64,
    lines: AtomicU32,
}

/// The state of one decision.
#[derive(Debug)]
pub(crate) struct Guest {
    pub context: Arc<Context>,
    began: Instant,
    deadline: Instant,
    own: Duration,
    hosted: Duration,
    logged: u32,
    memory: usize,
    used: usize,
    /// A request for memory was refused.
    pub denied: bool,
}

impl Context {
    pub(crate) fn new(
        plugin: String,
        version: &semver::Version,
        grants: Grants,
        settings: Settings,
        services: HostServices,
    ) -> Context {
        Context {
            name: format!("{plugin} {version}"),
            plugin,
            grants,
            settings,
            services,
            born: Instant::now(),
            minute: AtomicU64::new(0),
            lines: AtomicU32::new(0),
        }
    }

    /// May one more line be logged? `None`: no. `Some(true)`: the last one of this minute.
    fn line(&self) -> Option<bool> {
        let minute = self.born.elapsed().as_secs() / 60;
        if self.minute.swap(minute, Ordering::Relaxed) != minute {
            self.lines.store(0, Ordering::Relaxed);
        }
        match self.lines.fetch_add(1, Ordering::Relaxed) {
            n if n < LINES_A_MINUTE => Some(n + 1 == LINES_A_MINUTE),
            _ => None,
        }
    }
}

impl Guest {
    pub(crate) fn new(context: Arc<Context>, time: Time) -> Guest {
        let began = Instant::now();
        let memory = grant::memory(&context.grants);
        Guest {
            context,
            began,
            deadline: began + time.stop(),
            own: time.own,
            hosted: Duration::ZERO,
            logged: 0,
            memory,
            used: 0,
            denied: false,
        }
    }

    /// Octets of memory that it may have.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// Asked at every tick.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        let now = Instant::now();
        let own = now.duration_since(self.began).saturating_sub(self.hosted);
        if now >= self.deadline || own >= self.own { Err(Stop::Late) } else { Ok(()) }
    }

    /// How long the host may work for it now: what is left of its time, less a little in which it can still say that
    /// the host was too late.
    pub(crate) fn left(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left - (left / 4).min(Duration::from_millis(10))
    }

    /// Runs what waits for the world; that time is not the guest's own.
    pub(crate) fn wait<T>(&mut self, work: impl FnOnce(&Guest) -> T) -> T {
        let began = Instant::now();
        let done = work(self);
        self.hosted += began.elapsed();
        done
    }

    /// One line into the log? `Some(true)`: yes, and it is the last for a while.
    pub(crate) fn line(&mut self) -> Option<bool> {
        self.logged += 1;
        if self.logged > LINES { None } else { self.context.line() }
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, now: usize, wanted: usize, most: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(wanted.saturating_sub(now));
        let fits = used <= self.memory && most.is_none_or(|most| wanted <= most);
        if fits {
            self.used = used;
        }
        self.denied |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, wanted: usize, most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= TABLE && most.is_none_or(|most| wanted <= most))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
