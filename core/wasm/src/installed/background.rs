//! What goes on beside the calls: values that plugins keep come to the disk within a second, and gateway plugins are
//! asked for their health each minute, their balance each quarter of an hour, and their prices once a day.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringtrip_model::event::Event;

use super::status::ProviderStatus;
use super::values::Values;
use super::{EventSink, PriceSink};
use crate::contract::Price;
use crate::fault::PluginFault;
use crate::package::manifest::World;
use crate::plugin_set::{PluginSet, Slot};

const KEEP: Duration = Duration::from_secs(1);
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(2);
const HEALTH: Duration = Duration::from_secs(60);
const BALANCE: Duration = Duration::from_secs(15 * 60);
const PRICES: Duration = Duration::from_secs(24 * 3600);

/// Two threads: one writes, one asks, so that an answer that takes its time keeps nobody's values from the disk.
pub(super) struct BackgroundTasks {
    set: Arc<Mutex<Arc<PluginSet>>>,
    stop: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl BackgroundTasks {
    pub fn start(values: Arc<Values>, prices: PriceSink, tell: EventSink) -> io::Result<BackgroundTasks> {
        let set: Arc<Mutex<Arc<PluginSet>>> = Arc::default();
        let asked = set.clone();
        let keep = every(KEEP, Last::Once, "plugin-values", move || values.keep())?;
        let mut chores = Chores::default();
        let ask = every(LOOK, Last::No, "plugin-chores", move || {
            let set = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            chores.run(&set, &*prices, &*tell);
        })?;
        Ok(BackgroundTasks { set, stop: vec![keep, ask] })
    }

    /// These plugins from now on.
    pub fn set_plugins(&self, set: Arc<PluginSet>) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = set;
    }
}

impl Drop for BackgroundTasks {
    fn drop(&mut self) {
        for (stop, thread) in self.stop.drain(..) {
            drop(stop);
            // The one that asks may be in the middle of ten seconds; the one that writes ends at once, and writes.
            if thread.thread().name() == Some("plugin-values") {
                let _ = thread.join();
            }
        }
    }
}

/// Is there work to be done once more at the end?
#[derive(PartialEq)]
enum Last {
    Once,
    No,
}

/// Runs `work` at this pace on a thread of its own.
fn every(
    pace: Duration,
    last: Last,
    name: &str,
    mut work: impl FnMut() + Send + 'static,
) -> io::Result<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = mpsc::channel();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pace) {
            work();
        }
        if last == Last::Once {
            work();
        }
    })?;
    Ok((stop, thread))
}

/// When which slot was asked last. A slot is new after each change of its plugin, and is then asked at once.
#[derive(Default)]
struct Chores {
    asked: Vec<(Arc<Slot>, [Option<Instant>; 3])>,
    /// By name: a new slot of a plugin may be why its provider can be used again.
    statuses: BTreeMap<String, ProviderStatus>,
}

impl Chores {
    fn run(&mut self, set: &PluginSet, priced: &dyn Fn(&str, &[Price]), tell: &dyn Fn(Event)) {
        let slots: Vec<&Arc<Slot>> =
            set.slots().filter(|slot| slot.plugin.implements(World::Gateway)).collect();
        self.asked.retain(|(slot, _)| slots.iter().any(|s| Arc::ptr_eq(s, slot)));
        self.statuses.retain(|name, _| slots.iter().any(|slot| slot.plugin.name() == name));
        for slot in slots {
            if !self.asked.iter().any(|(known, _)| Arc::ptr_eq(known, slot)) {
                self.asked.push((slot.clone(), [None; 3]));
            }
        }
        for (slot, [health, balance, prices]) in &mut self.asked {
            let name = slot.plugin.name();
            let status = self.statuses.entry(name.to_owned()).or_default();
            if due(health, HEALTH) {
                let said = noted(slot, "health", slot.plugin.health());
                let event = status.health(name, &said);
                slot.learn(|learned| learned.health = Some(said));
                event.into_iter().for_each(tell);
            }
            if due(balance, BALANCE) {
                let said = noted(slot, "balance", slot.plugin.balance());
                let event = status.balance(name, &said);
                slot.learn(|learned| learned.balance = Some(said));
                event.into_iter().for_each(tell);
            }
            if due(prices, PRICES) {
                let said = noted(slot, "prices", slot.plugin.prices());
                if let Ok(prices) = &said {
                    priced(name, prices);
                }
                slot.learn(|learned| learned.prices = Some(said));
            }
        }
    }
}

fn due(last: &mut Option<Instant>, pace: Duration) -> bool {
    let due = last.is_none_or(|at| at.elapsed() >= pace);
    if due {
        *last = Some(Instant::now());
    }
    due
}

fn noted<T>(slot: &Slot, what: &str, said: Result<T, PluginFault>) -> Result<T, String> {
    said.map_err(|fault| {
        tracing::warn!(plugin = slot.plugin.label(), "asked for its {what}: {fault}");
        fault.to_string()
    })
}
