//! What goes on beside the calls: values that plugins keep come to the disk within a second, and gateway plugins are
//! asked for their health each minute, their balance each quarter of an hour, and their prices once a day.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringtrip_model::event::Event;

use super::standing::Standing;
use super::values::Values;
use super::{Tell, TellPrices};
use crate::fault::PluginFault;
use crate::package::manifest::World;
use crate::set::{Seat, Set};
use crate::words::Price;

const KEEP: Duration = Duration::from_secs(1);
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(2);
const HEALTH: Duration = Duration::from_secs(60);
const BALANCE: Duration = Duration::from_secs(15 * 60);
const PRICES: Duration = Duration::from_secs(24 * 3600);

/// Two threads: one writes, one asks, so that an answer that takes its time keeps nobody's values from the disk.
pub(super) struct Keeper {
    set: Arc<Mutex<Arc<Set>>>,
    stop: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Keeper {
    pub fn start(values: Arc<Values>, prices: TellPrices, tell: Tell) -> io::Result<Keeper> {
        let set: Arc<Mutex<Arc<Set>>> = Arc::default();
        let asked = set.clone();
        let keep = every(KEEP, Last::Once, "plugin-values", move || values.keep())?;
        let mut chores = Chores::default();
        let ask = every(LOOK, Last::No, "plugin-chores", move || {
            let set = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            chores.run(&set, &*prices, &*tell);
        })?;
        Ok(Keeper { set, stop: vec![keep, ask] })
    }

    /// These plugins from now on.
    pub fn attend(&self, set: Arc<Set>) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = set;
    }
}

impl Drop for Keeper {
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

/// When which seat was asked last. A seat is new after each change of its plugin, and is then asked at once.
#[derive(Default)]
struct Chores {
    asked: Vec<(Arc<Seat>, [Option<Instant>; 3])>,
    /// By name: a new seat of a plugin may be why its provider can be used again.
    standings: BTreeMap<String, Standing>,
}

impl Chores {
    fn run(&mut self, set: &Set, priced: &dyn Fn(&str, &[Price]), tell: &dyn Fn(Event)) {
        let seats: Vec<&Arc<Seat>> = set.seats().filter(|seat| seat.plugin.speaks(World::Gateway)).collect();
        self.asked.retain(|(seat, _)| seats.iter().any(|s| Arc::ptr_eq(s, seat)));
        self.standings.retain(|name, _| seats.iter().any(|seat| seat.plugin.name() == name));
        for seat in seats {
            if !self.asked.iter().any(|(known, _)| Arc::ptr_eq(known, seat)) {
                self.asked.push((seat.clone(), [None; 3]));
            }
        }
        for (seat, [health, balance, prices]) in &mut self.asked {
            let name = seat.plugin.name();
            let standing = self.standings.entry(name.to_owned()).or_default();
            if due(health, HEALTH) {
                let said = noted(seat, "health", seat.plugin.health());
                let event = standing.health(name, &said);
                seat.learn(|learned| learned.health = Some(said));
                event.into_iter().for_each(tell);
            }
            if due(balance, BALANCE) {
                let said = noted(seat, "balance", seat.plugin.balance());
                let event = standing.balance(name, &said);
                seat.learn(|learned| learned.balance = Some(said));
                event.into_iter().for_each(tell);
            }
            if due(prices, PRICES) {
                let said = noted(seat, "prices", seat.plugin.prices());
                if let Ok(prices) = &said {
                    priced(name, prices);
                }
                seat.learn(|learned| learned.prices = Some(said));
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

fn noted<T>(seat: &Seat, what: &str, said: Result<T, PluginFault>) -> Result<T, String> {
    said.map_err(|fault| {
        tracing::warn!(plugin = seat.plugin.label(), "asked for its {what}: {fault}");
        fault.to_string()
    })
}
