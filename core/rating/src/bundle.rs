//! Bundles: free minutes a month with a gateway to some prefixes. Counted in seconds, begun anew with each month of the
//! box's calendar, and used before money is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::prefix::{Prefix, PrefixSet};
use crate::rate::Steps;
use crate::time::{At, Month};

/// What a provider gives for its monthly fee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its name, for people.
    pub name: Arc<str>,
    /// The gateway that it belongs to.
    pub gateway: Arc<str>,
    /// Where it holds.
    pub prefixes: PrefixSet,
    /// Free seconds a month.
    pub seconds: u32,
    /// In which steps the provider counts them.
    pub steps: Steps,
}

/// A bundle that pays for a call, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The bundle.
    pub bundle: Arc<str>,
    /// Seconds that are neither used nor held by a call that runs.
    pub seconds: u32,
}

/// How much of a bundle was used; a plain row to be stored and given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The bundle.
    pub bundle: Arc<str>,
    /// In this month.
    pub month: Month,
    /// Seconds.
    pub used: u32,
}

/// All bundles, and what is used of them.
#[derive(Debug, Clone, Default)]
pub struct Bundles {
    bundles: Vec<Bundle>,
    used: BTreeMap<Arc<str>, (Month, u32)>,
    held: BTreeMap<u64, Held>,
}

/// Seconds that a running call may use.
#[derive(Debug, Clone)]
struct Held {
    bundle: Arc<str>,
    month: Month,
    seconds: u32,
}

impl Bundles {
    /// Bundles with nothing used. Of several that cover a call, the first that has seconds left pays.
    pub fn new(bundles: Vec<Bundle>) -> Bundles {
        Bundles { bundles, ..Bundles::default() }
    }

    /// Other bundles from now on; what was used of one that keeps its name stays used.
    pub fn set(&mut self, bundles: Vec<Bundle>) {
        self.used.retain(|name, _| bundles.iter().any(|b| b.name == *name));
        self.bundles = bundles;
    }

    /// The bundle that pays for a call to this number by this gateway, if one has seconds left.
    pub fn left(&self, gateway: &str, number: Prefix, at: At) -> Option<Left> {
        if self.bundles.is_empty() {
            return None;
        }
        let month = at.month();
        self.bundles
            .iter()
            .filter(|b| &*b.gateway == gateway && b.prefixes.covers(number))
            .map(|b| Left {
                bundle: Arc::clone(&b.name),
                seconds: b.seconds.saturating_sub(self.spent(&b.name, month)),
            })
            .find(|left| left.seconds > 0)
    }

    /// A call begins: up to so many seconds are kept for it, so that calls at the same time do not count on the same
    /// ones. Answers what it got. A call that held some already gives them back first.
    pub fn hold(&mut self, call: u64, gateway: &str, number: Prefix, at: At, seconds: u32) -> u32 {
        self.held.remove(&call);
        let Some(left) = self.left(gateway, number, at) else { return 0 };
        let seconds = seconds.min(left.seconds);
        self.held.insert(call, Held { bundle: left.bundle, month: at.month(), seconds });
        seconds
    }

    /// The call is over after so many seconds (0: it was never answered). What it held and did not use is free again.
    /// Answers how many seconds the bundle paid. The month in which a call begins is the one that pays.
    pub fn settle(&mut self, call: u64, seconds: u32) -> u32 {
        let Some(held) = self.held.remove(&call) else { return 0 };
        let steps = self.bundles.iter().find(|b| b.name == held.bundle).map_or(Steps::SECOND, |b| b.steps);
        let paid = steps.billed(seconds).min(held.seconds);
        let entry = self.used.entry(held.bundle).or_insert((held.month, 0));
        if entry.0 < held.month {
            *entry = (held.month, 0);
        }
        // A call of last month that ends in this one was paid then.
        if entry.0 == held.month {
            entry.1 = entry.1.saturating_add(paid);
        }
        paid.min(seconds)
    }

    /// Used and held seconds.
    fn spent(&self, name: &Arc<str>, month: Month) -> u32 {
        let used = self.used.get(name).filter(|u| u.0 == month).map_or(0, |u| u.1);
        let held = self.held.values().filter(|h| h.bundle == *name && h.month == month).map(|h| h.seconds);
        held.fold(used, u32::saturating_add)
    }

    /// The bundles.
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// What is used, to be stored.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.used.iter().map(|(bundle, (month, used))| Row {
            bundle: Arc::clone(bundle),
            month: *month,
            used: *used,
        })
    }

    /// Takes back what was stored, for bundles that still are.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            if self.bundles.iter().any(|b| b.name == row.bundle) {
                self.used.insert(row.bundle, (row.month, row.used));
            }
        }
    }
}

#[cfg(test)]
mod tests;
