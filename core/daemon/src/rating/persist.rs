//! What outlives a restart: spent money, used bundles, learned quality. Written behind; spending that a power cut loses
//! is counted again from the call records.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ringtrip_exchange::rating::{LANDLINE, extension_of};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::Source;
use ringtrip_rating::bundle::BundleRow;
use ringtrip_rating::limiter::{AccountRow, AttemptKey, Per, SpendLimiter, SpendRequest};
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::quality::QualityRow;
use ringtrip_rating::rate::Price;
use ringtrip_rating::time::Month;
use serde::{Deserialize, Serialize};

use super::{Rating, at};
use crate::exchange::wall;
use crate::store::{CdrQuery, CdrRecord, Store};

const SPENT: &str = "money/spent";
const BUNDLES: &str = "money/bundles";
const LEARNED: &str = "money/learned";
/// Learned quality is not written more often: it is large, and quickly learned again.
const LEARNED_EVERY: Duration = Duration::from_secs(10);
/// Records that are counted again at start.
const COUNTED: usize = 20_000;

#[derive(Serialize, Deserialize)]
struct Spent {
    limit: String,
    extension: String,
    gateway: String,
    period: i64,
    micros: i64,
    #[serde(rename = "told")]
    alarmed_percent: u8,
}

#[derive(Serialize, Deserialize)]
struct Used {
    bundle: String,
    year: i32,
    month: u8,
    seconds: u32,
}

#[derive(Serialize, Deserialize)]
struct Learned {
    gateway: String,
    group: String,
    at: i64,
    calls: [f32; 2],
    delays: [f32; 2],
    sounds: [f32; 2],
}

impl Rating {
    /// Restores the persisted state.
    pub(super) fn restore(&self) {
        let Some(store) = &self.0.store else { return };
        let spent: Vec<Spent> = store.written_behind(SPENT).unwrap_or_default();
        let mut rows: Vec<AccountRow> = spent.into_iter().map(Spent::row).collect();
        for counted in self.counted(store) {
            match rows.iter_mut().find(|r| is_same(r, &counted)) {
                Some(row) if row.period == counted.period => row.spent = row.spent.max(counted.spent),
                Some(row) if row.period < counted.period => *row = counted,
                Some(_) => {}
                None => rows.push(counted),
            }
        }
        let used: Vec<Used> = store.written_behind(BUNDLES).unwrap_or_default();
        let learned: Vec<Learned> = store.written_behind(LEARNED).unwrap_or_default();
        let (used, learned) = (used.into_iter().map(Used::row), learned.into_iter().filter_map(Learned::row));
        self.calls_mut().restore(rows, used, learned);
    }

    /// Persists what has changed; everything if `all` (at shutdown).
    pub fn persist(&self, all: bool) {
        let Some(store) = &self.0.store else { return };
        let mut persisted = self.0.learned_persisted.lock().unwrap_or_else(PoisonError::into_inner);
        let due = all || persisted.is_none_or(|last| last.elapsed() >= LEARNED_EVERY);
        let mut calls = self.calls_mut();
        let rows = calls.take_changed().then(|| calls.limiter().rows());
        let learned = due && calls.take_learned();
        drop(calls);
        if learned {
            *persisted = Some(Instant::now());
        }
        drop(persisted);
        // Without limits and bundles there is nothing to write.
        let counts = |rows: &Vec<_>| !rows.is_empty() || !self.config().rates.bundles.is_empty();
        if let Some(rows) = rows.filter(counts) {
            store.write_behind(SPENT, &rows.into_iter().map(Spent::of).collect::<Vec<_>>());
            let used: Vec<Used> = self.calls().least_cost().bundles.rows().map(Used::of).collect();
            store.write_behind(BUNDLES, &used);
        }
        if learned {
            let rows: Vec<Learned> = self.calls().least_cost().quality.rows().map(Learned::of).collect();
            store.write_behind(LEARNED, &rows);
        }
    }

    /// Spending according to the call records, counted by a limiter with unlimited amounts.
    fn counted(&self, store: &Store) -> Vec<AccountRow> {
        let config = self.config();
        let mut settings = config.rates.limiter.clone();
        let longest = settings.limits.iter().map(|l| l.per).filter(|per| *per != Per::Call).max();
        let days = match longest {
            None => return Vec::new(),
            Some(Per::Call | Per::Hour | Per::Day) => 2,
            Some(Per::Week) => 8,
            Some(Per::Month) => 32,
        };
        settings.limits.iter_mut().for_each(|limit| limit.amount = Amount::MAX);
        let mut limiter = SpendLimiter::new(settings);
        let since = wall::now().unix_micros - days * 86_400_000_000;
        let mut query = CdrQuery { since_micros: Some(since), limit: 500, ..CdrQuery::default() };
        let mut records = Vec::new();
        while records.len() < COUNTED
            && let Ok(page) = store.cdrs(&query)
        {
            let old = page.records.last().is_some_and(|r| r.started_micros < since);
            records.extend(page.records.into_iter().filter(|r| r.cost.is_some() && !r.emergency));
            query.before = page.next;
            if old || page.next.is_none() {
                break;
            }
        }
        // The oldest first: an account begins anew with each period.
        for record in records.iter().rev() {
            count(&mut limiter, &config, record);
        }
        limiter.rows()
    }
}

fn count(limiter: &mut SpendLimiter, config: &ringtrip_config::Config, record: &CdrRecord) {
    let Some(cost) = record.cost.as_ref().filter(|c| c.micros > 0) else { return };
    let call = record.call.parse::<CallId>().map_or(0, |id| id.0);
    let key = AttemptKey { call, leg: 0 };
    let now = at(&wall::at(record.started_micros));
    let name = &record.source.name;
    let source = match record.source.kind.as_str() {
        "extension" => name.parse().ok().map(Source::Extension),
        "line" => name.parse().ok().map(Source::Line),
        _ => None,
    };
    let extension = source.map_or_else(String::new, |source| extension_of(config, &source));
    let landline = record.target.parse().ok().is_some_and(|id| config.line(&id).is_some());
    let gateway = if landline { LANDLINE } else { record.target.as_str() };
    let number = config.numbering.e164(&ringtrip_model::party::Digits::new(&record.sent)).unwrap_or_default();
    let number = number.trim_start_matches('+');
    let mut out = Vec::new();
    let ask = SpendRequest { key, extension: &extension, gateway, number, price: Price::default() };
    limiter.admit(now, &ask, &mut out);
    limiter.end(now, key, Amount::micros(cost.micros), &mut out);
}

fn is_same(a: &AccountRow, b: &AccountRow) -> bool {
    (&a.limit, &a.extension, &a.gateway) == (&b.limit, &b.extension, &b.gateway)
}

impl Spent {
    fn of(row: AccountRow) -> Spent {
        Spent {
            limit: row.limit.to_string(),
            extension: row.extension.to_string(),
            gateway: row.gateway.to_string(),
            period: row.period,
            micros: row.spent.0,
            alarmed_percent: row.alarmed_percent,
        }
    }

    fn row(self) -> AccountRow {
        AccountRow {
            limit: self.limit.into(),
            extension: self.extension.into(),
            gateway: self.gateway.into(),
            period: self.period,
            spent: Amount::micros(self.micros),
            alarmed_percent: self.alarmed_percent,
        }
    }
}

impl Used {
    fn of(row: BundleRow) -> Used {
        let Month { year, month } = row.month;
        Used { bundle: row.bundle.to_string(), year, month, seconds: row.used }
    }

    fn row(self) -> BundleRow {
        let month = Month { year: self.year, month: self.month };
        BundleRow { bundle: self.bundle.into(), month, used: self.seconds }
    }
}

impl Learned {
    fn of(row: QualityRow) -> Learned {
        let QualityRow { gateway, group, at, calls, delays, sounds } = row;
        Learned { gateway: gateway.to_string(), group: group.to_string(), at, calls, delays, sounds }
    }

    fn row(self) -> Option<QualityRow> {
        let Learned { gateway, group, at, calls, delays, sounds } = self;
        let gateway: Arc<str> = gateway.into();
        Some(QualityRow { gateway, group: group.parse().ok()?, at, calls, delays, sounds })
    }
}
