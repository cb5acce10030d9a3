//! The plugins that run now, as the exchange asks them. A change makes a new set; a call that began with the old one
//! holds it, and with it the versions in it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ringtrip_model::party::{CallerId, Digits};
use ringtrip_routing::router::{PolicyCall, Preparation};
use ringtrip_routing::{PluginAnswer, Plugins};

use crate::contract::{Condition, Money, Price};
use crate::convert;
use crate::fault::PluginFault;
use crate::package::manifest::World;
use crate::plugin::Plugin;

/// After so many failures in a row a plugin is suspended: one that hangs would cost each call its 50 ms.
const FAILURES: u32 = 5;
/// How long it is suspended.
const SUSPENSION: Duration = Duration::from_secs(30);

/// The names of the lines that are landlines; they change with the configuration.
pub(crate) type Landlines = Arc<RwLock<BTreeSet<String>>>;

/// The plugins that run now.
#[derive(Debug, Default)]
pub struct PluginSet {
    slots: Vec<Arc<Slot>>,
    landlines: Landlines,
}

/// A plugin in its place in the order: with how it did lately and what it said of itself.
#[derive(Debug)]
pub(crate) struct Slot {
    pub plugin: Plugin,
    failures: AtomicU32,
    suspended_until: Mutex<Option<Instant>>,
    learned: Mutex<Learned>,
}

/// What a gateway plugin said when it was asked from time to time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned {
    pub health: Option<Result<Condition, String>>,
    pub balance: Option<Result<Option<Money>, String>>,
    pub prices: Option<Result<Vec<Price>, String>>,
}

impl Slot {
    pub(crate) fn new(plugin: Plugin) -> Slot {
        Slot {
            plugin,
            failures: AtomicU32::new(0),
            suspended_until: Mutex::default(),
            learned: Mutex::default(),
        }
    }

    /// The same with a copy of what it keeps, and of how it does: a dry run suspends nothing.
    fn dry_run(&self) -> Slot {
        Slot {
            plugin: self.plugin.dry_run(),
            failures: AtomicU32::new(self.failures.load(Ordering::Relaxed)),
            suspended_until: Mutex::new(*self.suspended_until.lock().unwrap_or_else(PoisonError::into_inner)),
            learned: Mutex::new(self.learned()),
        }
    }

    pub(crate) fn learned(&self) -> Learned {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn learn(&self, note: impl FnOnce(&mut Learned)) {
        note(&mut self.learned.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Is it suspended?
    pub(crate) fn is_suspended(&self) -> bool {
        let mut suspended = self.suspended_until.lock().unwrap_or_else(PoisonError::into_inner);
        if suspended.is_some_and(|until| Instant::now() >= until) {
            *suspended = None;
        }
        suspended.is_some()
    }

    /// Asks it, and notes how it did.
    fn ask<T>(&self, ask: impl FnOnce(&Plugin) -> Result<T, PluginFault>) -> Result<T, PluginFault> {
        let answer = ask(&self.plugin);
        match &answer {
            Err(fault) if fault.is_misbehaviour() => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures >= FAILURES {
                    let plugin = self.plugin.label();
                    tracing::warn!(
                        plugin,
                        "{failures} failures in a row; it is not asked for {} s",
                        SUSPENSION.as_secs()
                    );
                    *self.suspended_until.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Instant::now() + SUSPENSION);
                    // One more failure after that time, and it is suspended again.
                    self.failures.store(FAILURES - 1, Ordering::Relaxed);
                }
            }
            _ => self.failures.store(0, Ordering::Relaxed),
        }
        answer
    }
}

impl PluginSet {
    pub(crate) fn new(slots: Vec<Arc<Slot>>, landlines: Landlines) -> PluginSet {
        PluginSet { slots, landlines }
    }

    /// A set of these plugins, in this order.
    pub fn of(plugins: impl IntoIterator<Item = Plugin>) -> PluginSet {
        let slots = plugins.into_iter().map(|plugin| Arc::new(Slot::new(plugin)));
        PluginSet { slots: slots.collect(), landlines: Landlines::default() }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.iter()
    }

    fn question(&self, call: &PolicyCall) -> crate::contract::Call {
        let landlines = self.landlines.read().unwrap_or_else(PoisonError::into_inner);
        convert::call(call, |line| landlines.contains(line))
    }
}

impl Plugins for PluginSet {
    fn has_policies(&self) -> bool {
        self.slots.iter().any(|slot| slot.plugin.implements(World::Policy))
    }

    fn dry_run(&self) -> Option<Arc<dyn Plugins>> {
        let one = |slot: &Arc<Slot>| Arc::new(slot.dry_run());
        let slots = self.slots.iter().map(one).collect();
        Some(Arc::new(PluginSet { slots, landlines: self.landlines.clone() }))
    }

    fn route(&self, call: &PolicyCall) -> Vec<PluginAnswer> {
        let question = self.question(call);
        let mut said = Vec::new();
        for slot in
            self.slots.iter().filter(|slot| slot.plugin.implements(World::Policy) && !slot.is_suspended())
        {
            let label = slot.plugin.label();
            let answer = slot.ask(|plugin| plugin.route(&question));
            let decided =
                matches!(&answer, Ok(answer) if !matches!(answer.verdict, crate::contract::Verdict::Pass));
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
        let named = |slot: &&Arc<Slot>| slot.plugin.name() == plugin;
        let slot = self.slots.iter().find(named).ok_or_else(|| format!("plugin {plugin} does not run"))?;
        if slot.is_suspended() {
            return Err(format!(
                "plugin {plugin} failed {FAILURES} times in a row and is not asked for a while"
            ));
        }
        if let Some(Ok(Condition { usable: false, why })) = slot.learned().health {
            return Err(format!("plugin {plugin} says that its provider cannot be used: {why}"));
        }
        let question = convert::attempt(self.question(call), number, caller);
        let prepared = slot.ask(|plugin| plugin.prepare(&question));
        let label = slot.plugin.label();
        prepared
            .map(|prepared| convert::preparation(prepared, label))
            .map_err(|fault| format!("plugin {label}: {fault}"))
    }
}
