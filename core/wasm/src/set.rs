//! The plugins that run now, as the exchange asks them. A change makes a new set; a call that began with the old one
//! holds it, and with it the versions in it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ringtrip_model::party::{CallerId, Digits};
use ringtrip_routing::router::{PolicyCall, Preparation};
use ringtrip_routing::{PluginAnswer, Plugins};

use crate::convert;
use crate::fault::PluginFault;
use crate::package::manifest::World;
use crate::plugin::Plugin;
use crate::words::{Condition, Money, Price};

/// After so many failures in a row a plugin rests: one that hangs would cost each call its 50 ms.
const FAILURES: u32 = 5;
/// How long it rests.
const REST: Duration = Duration::from_secs(30);

/// The names of the lines that are landlines; they change with the configuration.
pub(crate) type Landlines = Arc<RwLock<BTreeSet<String>>>;

/// The plugins that run now.
#[derive(Debug, Default)]
pub struct Set {
    seats: Vec<Arc<Seat>>,
    landlines: Landlines,
}

/// A plugin in its place: with how it did lately and what it said of itself.
#[derive(Debug)]
pub(crate) struct Seat {
    pub plugin: Plugin,
    failures: AtomicU32,
    rests: Mutex<Option<Instant>>,
    learned: Mutex<Learned>,
}

/// What a gateway plugin said when it was asked from time to time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned {
    pub health: Option<Result<Condition, String>>,
    pub balance: Option<Result<Option<Money>, String>>,
    pub prices: Option<Result<Vec<Price>, String>>,
}

impl Seat {
    pub(crate) fn new(plugin: Plugin) -> Seat {
        Seat { plugin, failures: AtomicU32::new(0), rests: Mutex::default(), learned: Mutex::default() }
    }

    /// The same with a copy of what it keeps, and of how it does: what happens on paper puts nobody to rest.
    fn on_paper(&self) -> Seat {
        Seat {
            plugin: self.plugin.on_paper(),
            failures: AtomicU32::new(self.failures.load(Ordering::Relaxed)),
            rests: Mutex::new(*self.rests.lock().unwrap_or_else(PoisonError::into_inner)),
            learned: Mutex::new(self.learned()),
        }
    }

    pub(crate) fn learned(&self) -> Learned {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn learn(&self, note: impl FnOnce(&mut Learned)) {
        note(&mut self.learned.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Does it rest?
    pub(crate) fn rests(&self) -> bool {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.is_some_and(|until| Instant::now() >= until) {
            *rests = None;
        }
        rests.is_some()
    }

    /// Asks it, and notes how it did.
    fn ask<T>(&self, ask: impl FnOnce(&Plugin) -> Result<T, PluginFault>) -> Result<T, PluginFault> {
        let answer = ask(&self.plugin);
        match &answer {
            Err(fault) if fault.is_misbehaviour() => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures >= FAILURES {
                    let plugin = self.plugin.label();
                    tracing::warn!(plugin, "{failures} failures in a row; it rests for {} s", REST.as_secs());
                    *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
                    // One more failure after the rest, and it rests again.
                    self.failures.store(FAILURES - 1, Ordering::Relaxed);
                }
            }
            _ => self.failures.store(0, Ordering::Relaxed),
        }
        answer
    }
}

impl Set {
    pub(crate) fn new(seats: Vec<Arc<Seat>>, landlines: Landlines) -> Set {
        Set { seats, landlines }
    }

    /// A set of these plugins, in this order.
    pub fn of(plugins: impl IntoIterator<Item = Plugin>) -> Set {
        let seats = plugins.into_iter().map(|plugin| Arc::new(Seat::new(plugin)));
        Set { seats: seats.collect(), landlines: Landlines::default() }
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.seats.iter()
    }

    fn question(&self, call: &PolicyCall) -> crate::words::Call {
        let landlines = self.landlines.read().unwrap_or_else(PoisonError::into_inner);
        convert::call(call, |line| landlines.contains(line))
    }
}

impl Plugins for Set {
    fn has_policies(&self) -> bool {
        self.seats.iter().any(|seat| seat.plugin.speaks(World::Policy))
    }

    fn dry_run(&self) -> Option<Arc<dyn Plugins>> {
        let one = |seat: &Arc<Seat>| Arc::new(seat.on_paper());
        let seats = self.seats.iter().map(one).collect();
        Some(Arc::new(Set { seats, landlines: self.landlines.clone() }))
    }

    fn route(&self, call: &PolicyCall) -> Vec<PluginAnswer> {
        let question = self.question(call);
        let mut said = Vec::new();
        for seat in self.seats.iter().filter(|seat| seat.plugin.speaks(World::Policy) && !seat.rests()) {
            let label = seat.plugin.label();
            let answer = seat.ask(|plugin| plugin.route(&question));
            let decided =
                matches!(&answer, Ok(answer) if !matches!(answer.verdict, crate::words::Verdict::Pass));
            let answer = answer.map(|a| convert::answer(a, label)).map_err(|fault| fault.to_string());
            said.push(PluginAnswer { plugin: label.to_owned(), answer });
            if decided {
                break;
            }
        }
        said
    }

    fn prepare(
        &self,
        plugin: &str,
        call: &PolicyCall,
        number: &Digits,
        caller: &CallerId,
    ) -> Result<Preparation, String> {
        let named = |seat: &&Arc<Seat>| seat.plugin.name() == plugin;
        let seat = self.seats.iter().find(named).ok_or_else(|| format!("plugin {plugin} does not run"))?;
        if seat.rests() {
            return Err(format!("plugin {plugin} failed {FAILURES} times in a row and rests for a while"));
        }
        if let Some(Ok(Condition { usable: false, why })) = seat.learned().health {
            return Err(format!("plugin {plugin} says that its provider cannot be used: {why}"));
        }
        let question = convert::attempt(self.question(call), number, caller);
        let prepared = seat.ask(|plugin| plugin.prepare(&question));
        let label = seat.plugin.label();
        prepared
            .map(|prepared| convert::preparation(prepared, label))
            .map_err(|fault| format!("plugin {label}: {fault}"))
    }
}
