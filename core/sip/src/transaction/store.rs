//! Where the endpoint keeps its transactions: slots that are used again under a new generation, and a queue of wake-ups
//! that forgets lazily.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Values by number. A number names a slot and how often it was used before, so a stale one finds nothing.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The number that the next [`Slab::insert`] gives.
    pub fn next_id(&self) -> u64 {
        match self.free.last() {
            Some(&slot) => self.id(slot),
            None => self.slots.len() as u64,
        }
    }
    /// Keeps a value; its number.
    pub fn insert(&mut self, value: T) -> u64 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].1 = Some(value);
                self.id(slot)
            }
            None => {
                self.slots.push((0, Some(value)));
                self.slots.len() as u64 - 1
            }
        }
    }
    /// The value of this number.
    pub fn get(&self, id: u64) -> Option<&T> {
        let (generation, value) = self.slots.get(id as u32 as usize)?;
        if u64::from(*generation) == id >> 32 { value.as_ref() } else { None }
    }
    /// The value of this number, to change.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (generation, value) = self.slots.get_mut(id as u32 as usize)?;
        if u64::from(*generation) == id >> 32 { value.as_mut() } else { None }
    }
    /// Takes the value of this number out.
    pub fn remove(&mut self, id: u64) -> Option<T> {
        let (generation, value) = self.slots.get_mut(id as u32 as usize)?;
        if u64::from(*generation) != id >> 32 {
            return None;
        }
        let value = value.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(id as u32);
        Some(value)
    }
    /// How many values.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Every number in use.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        (0..self.slots.len() as u32).filter(|s| self.slots[*s as usize].1.is_some()).map(|s| self.id(s))
    }
    fn id(&self, slot: u32) -> u64 {
        u64::from(self.slots[slot as usize].0) << 32 | u64::from(slot)
    }
}

/// Whom to wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sleeper {
    /// A server transaction.
    Server(u64),
    /// A client transaction.
    Client(u64),
}

/// When a transaction wants to be woken, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There is something to say then.
    Act(Instant),
    /// It only absorbs late copies until then, and nobody notices if it does so a little longer.
    Forget(Instant),
}

/// Wake-ups in order of time. What a timer's move makes stale stays in the queue until it comes first: then the endpoint
/// takes it out, so each transaction has one or two entries at most, however often its timers move, and nobody is woken
/// for nothing.
#[derive(Debug, Default)]
pub struct Wakes {
    queue: BinaryHeap<Reverse<(Instant, Sleeper)>>,
    /// Where the grid of [`Wake::Forget`] begins.
    origin: Option<Instant>,
}

/// Transactions are forgotten together, twice a second: each wake-up of the exchange costs more than many of them.
const GRID: Duration = Duration::from_millis(500);

impl Wakes {
    /// Makes sure that `who` is woken for `wake`. `queued` is its earliest entry so far, kept by the sleeper.
    pub fn want(&mut self, who: Sleeper, wake: Option<Wake>, queued: &mut Option<Instant>) {
        let at = match wake {
            Some(Wake::Act(at)) => at,
            Some(Wake::Forget(at)) => self.on_grid(at),
            None => return,
        };
        if queued.is_none_or(|q| at < q) {
            *queued = Some(at);
            self.queue.push(Reverse((at, who)));
        }
    }
    /// The next one due.
    pub fn due(&mut self, now: Instant) -> Option<(Instant, Sleeper)> {
        self.first().filter(|(at, _)| *at <= now).inspect(|_| self.drop_first())
    }
    /// The first one, due or not.
    pub fn first(&self) -> Option<(Instant, Sleeper)> {
        self.queue.peek().map(|Reverse(entry)| *entry)
    }
    /// Takes the first one out.
    pub fn drop_first(&mut self) {
        self.queue.pop();
    }

    fn on_grid(&mut self, at: Instant) -> Instant {
        let origin = *self.origin.get_or_insert(at);
        let past = at.saturating_duration_since(origin).as_nanos() % GRID.as_nanos();
        // Below half a second in nanoseconds.
        if past == 0 { at } else { at + (GRID - Duration::from_nanos(past as u64)) }
    }
}
