//! What outlives a restart: spent money, used bundles, what was learned. Written *soon*; what a power cut takes of the
//! money is counted again from the call records.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_model::ids::CallId;
use ringtrip_model::party::Source;
use ringtrip_rating::brake::{self, Ask, Brake, Key, Per};
use ringtrip_rating::bundle;
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::quality::{self, Quality};
use ringtrip_rating::rate::Price;
use ringtrip_rating::time::Month;
use serde::{Deserialize, Serialize};

use super::who::extension_of;
use super::{Money, at};
use crate::exchange::wall;
use crate::store::{CdrQuery, CdrRecord, Store};

const SPENT: &str = "money/spent";
const BUNDLES: &str = "money/bundles";
const LEARNED: &str = "money/learned";
/// What was learned is not written more often: it is large, and soon learned again.
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
    told: u8,
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

impl Money {
    /// Takes back what was kept.
    pub(super) fn recall(&self) {
        let Some(store) = &self.0.store else { return };
        let spent: Vec<Spent> = store.soon(SPENT).unwrap_or_default();
        let mut rows: Vec<brake::Row> = spent.into_iter().map(Spent::row).collect();
        for counted in self.counted(store) {
            match rows.iter_mut().find(|r| is_same(r, &counted)) {
                Some(row) if row.period == counted.period => row.spent = row.spent.max(counted.spent),
                Some(row) if row.period < counted.period => *row = counted,
                Some(_) => {}
                None => rows.push(counted),
            }
        }
        self.till().brake.restore(rows);
        let used: Vec<Used> = store.soon(BUNDLES).unwrap_or_default();
        let learned: Vec<Learned> = store.soon(LEARNED).unwrap_or_default();
        let mut market = self.market_mut();
        market.bundles.restore(used.into_iter().map(Used::row));
        market.quality =
            Quality::restored(quality::Settings::default(), learned.into_iter().filter_map(Learned::row));
    }

    /// Keeps what has changed; all of it when the exchange ends.
    pub fn keep(&self, all: bool) {
        let Some(store) = &self.0.store else { return };
        let mut till = self.till();
        let rows = std::mem::take(&mut till.stirred).then(|| till.brake.rows());
        let due = all || till.kept_learned.is_none_or(|last| last.elapsed() >= LEARNED_EVERY);
        let learned = till.learned && due;
        if learned {
            till.learned = false;
            till.kept_learned = Some(Instant::now());
        }
        drop(till);
        // A house without limits and bundles writes nothing.
        let counts = |rows: &Vec<_>| !rows.is_empty() || !self.config().rates.bundles.is_empty();
        if let Some(rows) = rows.filter(counts) {
            store.keep_soon(SPENT, &rows.into_iter().map(Spent::of).collect::<Vec<_>>());
            let used: Vec<Used> = self.market().bundles.rows().map(Used::of).collect();
            store.keep_soon(BUNDLES, &used);
        }
        if learned {
            let rows: Vec<Learned> = self.market().quality.rows().map(Learned::of).collect();
            store.keep_soon(LEARNED, &rows);
        }
    }

    /// What the call records say was spent, as a brake without limits counts it.
    fn counted(&self, store: &Store) -> Vec<brake::Row> {
        let config = self.config();
        let mut settings = config.rates.brake.clone();
        let longest = settings.limits.iter().map(|l| l.per).filter(|per| *per != Per::Call).max();
        let days = match longest {
            None => return Vec::new(),
            Some(Per::Call | Per::Hour | Per::Day) => 2,
            Some(Per::Week) => 8,
            Some(Per::Month) => 32,
        };
        settings.limits.iter_mut().for_each(|limit| limit.amount = Amount::MAX);
        let mut brake = Brake::new(settings);
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
            count(&mut brake, &config, record);
        }
        brake.rows()
    }
}

fn count(brake: &mut Brake, config: &ringtrip_config::Config, record: &CdrRecord) {
    let Some(cost) = record.cost.as_ref().filter(|c| c.micros > 0) else { return };
    let call = record.call.parse::<CallId>().map_or(0, |id| id.0);
    let key = Key { call, leg: 0 };
    let now = at(&wall::at(record.started_micros));
    let name = &record.source.name;
    let source = match record.source.kind.as_str() {
        "extension" => name.parse().ok().map(Source::Extension),
        "line" => name.parse().ok().map(Source::Line),
        _ => None,
    };
    let extension = source.map_or_else(String::new, |source| extension_of(config, &source));
    let landline = record.target.parse().ok().is_some_and(|id| config.line(&id).is_some());
    let gateway = if landline { super::LANDLINE } else { record.target.as_str() };
    let number = config.numbering.e164(&ringtrip_model::party::Digits::new(&record.sent)).unwrap_or_default();
    let number = number.trim_start_matches('+');
    let mut out = Vec::new();
    let ask = Ask { key, extension: &extension, gateway, number, price: Price::default() };
    brake.admit(now, &ask, &mut out);
    brake.end(now, key, Amount::micros(cost.micros), &mut out);
}

fn is_same(a: &brake::Row, b: &brake::Row) -> bool {
    (&a.limit, &a.extension, &a.gateway) == (&b.limit, &b.extension, &b.gateway)
}

impl Spent {
    fn of(row: brake::Row) -> Spent {
        Spent {
            limit: row.limit.to_string(),
            extension: row.extension.to_string(),
            gateway: row.gateway.to_string(),
            period: row.period,
            micros: row.spent.0,
            told: row.told,
        }
    }

    fn row(self) -> brake::Row {
        brake::Row {
            limit: self.limit.into(),
            extension: self.extension.into(),
            gateway: self.gateway.into(),
            period: self.period,
            spent: Amount::micros(self.micros),
            told: self.told,
        }
    }
}

impl Used {
    fn of(row: bundle::Row) -> Used {
        let Month { year, month } = row.month;
        Used { bundle: row.bundle.to_string(), year, month, seconds: row.used }
    }

    fn row(self) -> bundle::Row {
        let month = Month { year: self.year, month: self.month };
        bundle::Row { bundle: self.bundle.into(), month, used: self.seconds }
    }
}

impl Learned {
    fn of(row: quality::Row) -> Learned {
        let quality::Row { gateway, group, at, calls, delays, sounds } = row;
        Learned { gateway: gateway.to_string(), group: group.to_string(), at, calls, delays, sounds }
    }

    fn row(self) -> Option<quality::Row> {
        let Learned { gateway, group, at, calls, delays, sounds } = self;
        let gateway: Arc<str> = gateway.into();
        Some(quality::Row { gateway, group: group.parse().ok()?, at, calls, delays, sounds })
    }
}
