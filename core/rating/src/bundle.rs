//! Bundles: free minutes a month on a gateway to some prefixes. Counted in seconds, reset each calendar month, and used
//! before money is charged.

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
pub struct BundleBalance {
    /// The bundle.
    pub bundle: Arc<str>,
    /// Seconds that are neither used nor held by a call that runs.
    pub seconds: u32,
}

/// How much of a bundle was used; a plain row to be stored and given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRow {
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
    reserved: BTreeMap<u64, Reserved>,
}

/// Seconds that a running call may use.
#[derive(Debug, Clone)]
struct Reserved {
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
    pub fn left(&self, gateway: &str, number: Prefix, at: At) -> Option<BundleBalance> {
        if self.bundles.is_empty() {
            return None;
        }
        let month = at.month();
        self.bundles
            .iter()
            .filter(|b| &*b.gateway == gateway && b.prefixes.covers(number))
            .map(|b| BundleBalance {
                bundle: Arc::clone(&b.name),
                seconds: b.seconds.saturating_sub(self.spent(&b.name, month)),
            })
            .find(|left| left.seconds > 0)
    }

    /// Reserves up to this many seconds for a call, so that concurrent calls do not count on the same ones. Returns
    /// what was reserved. An earlier reservation of the same call is released first.
    pub fn reserve(&mut self, call: u64, gateway: &str, number: Prefix, at: At, seconds: u32) -> u32 {
        self.reserved.remove(&call);
        let Some(left) = self.left(gateway, number, at) else { return 0 };
        let seconds = seconds.min(left.seconds);
        self.reserved.insert(call, Reserved { bundle: left.bundle, month: at.month(), seconds });
        seconds
    }

    /// The call ended after so many seconds (0: it was never answered). Unused reserved seconds are released. Returns
    /// the seconds that the bundle paid. They count against the month in which the call began.
    pub fn commit(&mut self, call: u64, seconds: u32) -> u32 {
        let Some(reserved) = self.reserved.remove(&call) else { return 0 };
        let steps =
            self.bundles.iter().find(|b| b.name == reserved.bundle).map_or(Steps::SECOND, |b| b.steps);
        let paid = steps.billed(seconds).min(reserved.seconds);
        let entry = self.used.entry(reserved.bundle).or_insert((reserved.month, 0));
        if entry.0 < reserved.month {
            *entry = (reserved.month, 0);
        }
        // A call of last month that ends in this one was paid then.
        if entry.0 == reserved.month {
            entry.1 = entry.1.saturating_add(paid);
        }
        paid.min(seconds)
    }

    /// Used and held seconds.
    fn spent(&self, name: &Arc<str>, month: Month) -> u32 {
        let used = self.used.get(name).filter(|u| u.0 == month).map_or(0, |u| u.1);
        let reserved =
            self.reserved.values().filter(|h| h.bundle == *name && h.month == month).map(|h| h.seconds);
        reserved.fold(used, u32::saturating_add)
    }

    /// The bundles.
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// What is used, to be stored.
    pub fn rows(&self) -> impl Iterator<Item = BundleRow> {
        self.used.iter().map(|(bundle, (month, used))| BundleRow {
            bundle: Arc::clone(bundle),
            month: *month,
            used: *used,
        })
    }

    /// Takes back what was stored, for bundles that still are.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = BundleRow>) {
        for row in rows {
            if self.bundles.iter().any(|b| b.name == row.bundle) {
                self.used.insert(row.bundle, (row.month, row.used));
            }
        }
    }
}

#[cfg(test)]
mod tests;
