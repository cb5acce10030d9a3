//! Prices and money as people see them.

use ringtrip_exchange::rating::LANDLINE;
use ringtrip_exchange::route::WallTime;
use ringtrip_model::party::Digits;
use ringtrip_rating::import::{
    Absurd, Change, Column, Flag, Gap, Line, Listed, Options, Overlap, Preview, Scale, When, Why,
};
use ringtrip_rating::least_cost::{Budget, Candidates, LeastCostQuery};
use ringtrip_rating::limiter::{LimitScope, Per};
use ringtrip_rating::money::{Currency, Money as Amount};
use ringtrip_rating::rate::Shown;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decks::Imported;
use super::{ImportAsk, ImportError, Rating, at, decks_of};
use crate::exchange::wall;

/// A rate deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeckView {
    /// Its name.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// How many prefixes it has.
    pub prefixes: usize,
    /// How many rates: a prefix may have several, with other dates or hours.
    pub rates: usize,
    /// Octets of memory.
    pub bytes: usize,
    /// Gateways that are priced by it.
    pub gateways: Vec<String>,
    /// `ready`, or `loading` shortly after a start.
    pub state: String,
}

/// What a price list changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    /// The deck.
    pub deck: String,
    /// Gateways that are priced by it.
    pub gateways: Vec<String>,
    /// It is active now; else nothing was changed.
    pub applied: bool,
    /// What the file was taken for.
    pub dialect: String,
    /// ISO 4217.
    pub currency: String,
    /// Rows with a rate in them.
    pub rows: u64,
    /// Rates that they make.
    pub rates: usize,
    /// Prefixes that the deck in use does not have.
    pub new: ListView,
    /// Prefixes that cost something else.
    pub changed: ListView,
    /// Prefixes that are no more.
    pub removed: ListView,
    /// Prefixes that the list bars: the gateway takes no call to them, whatever a shorter prefix costs.
    #[serde(default)]
    pub not_for_sale: ListView,
    /// Prefixes that stay as they are.
    pub same: usize,
    /// Numbers without a price.
    pub gaps: ListView,
    /// The same prefix twice with another price: the dearer one counts.
    pub overlaps: ListView,
    /// Prices that want a second look.
    pub absurd: ListView,
    /// Rows that cannot be read.
    pub errors: ListView,
    /// What is still to be done before calls are priced by it.
    pub note: Option<String>,
}

/// How many there are, and the first of them in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ListView {
    /// All.
    pub count: usize,
    /// The first.
    pub some: Vec<String>,
}

/// All gateways beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompareView {
    /// The number, digits with the country code.
    pub number: String,
    /// When, local time: `2026-11-22T18:30`.
    pub at: String,
    /// How long the call is taken to last.
    pub seconds: u32,
    /// ISO 4217, of costs.
    pub currency: String,
    /// Who takes the call, the best first.
    pub offers: Vec<OfferView>,
    /// Who does not.
    pub rejected: Vec<RejectedView>,
}

/// A gateway that can take the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferView {
    /// The gateway.
    pub gateway: String,
    /// The deck.
    pub deck: String,
    /// The prefix that prices the number.
    pub prefix: String,
    /// Its name.
    pub destination: String,
    /// A minute, in the box's currency.
    pub per_minute: String,
    /// The call, in the box's currency.
    pub cost: String,
    /// The same in millionths.
    pub cost_micros: i64,
    /// Share of calls that got there, 0 to 1.
    pub answered: f32,
    /// Seconds to the first sign of ringing.
    pub delay_s: f32,
    /// How it sounds, 1 to 4.5.
    pub mos: f32,
    /// Seconds that a bundle pays.
    pub free_s: u32,
    /// One sentence.
    pub why: String,
}

/// A gateway that cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedView {
    /// The gateway.
    pub gateway: String,
    /// One sentence.
    pub why: String,
}

/// What is spent, and how much may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoneyView {
    /// ISO 4217.
    pub currency: String,
    /// The limits.
    pub limits: Vec<LimitView>,
    /// The bundles.
    pub bundles: Vec<BundleView>,
}

/// A limit, and for whom it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitView {
    /// Its name.
    pub limit: String,
    /// Counted for this extension; empty: for all together, or for nobody yet.
    pub extension: String,
    /// Counted for this gateway; empty likewise.
    pub gateway: String,
    /// `call`, `hour`, `day`, `week`, `month`.
    pub per: String,
    /// How much may be spent.
    pub amount: String,
    /// How much is, or is set aside for calls that run.
    pub spent: String,
    /// The same in millionths.
    pub spent_micros: i64,
    /// Of the amount.
    pub percent: u8,
}

/// A bundle, and what is used of it this month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleView {
    /// Its name.
    pub bundle: String,
    /// The gateway.
    pub gateway: String,
    /// Free seconds a month.
    pub seconds: u32,
    /// Seconds used this month.
    pub used: u32,
}

impl Rating {
    /// Reads a price list, and says what it changes; activates it if that is asked.
    ///
    /// # Errors
    /// The price list cannot be read, has errors that were not to be skipped, or cannot be written.
    pub fn import(&self, file: &[u8], ask: &ImportAsk) -> Result<ImportView, ImportError> {
        self.read(file, ask).map(import)
    }

    /// All decks.
    pub fn list_decks(&self) -> Vec<DeckView> {
        let config = self.config();
        let gateways = config.gateways.iter().map(|g| g.id.to_string());
        let gateways: Vec<String> = gateways
            .chain(config.plugin_gateways.iter().map(|g| g.id.to_string()))
            .chain([LANDLINE.to_owned()])
            .collect();
        let users = |name: &String| {
            gateways.iter().filter(|g| decks_of(&config, g).contains(name)).cloned().collect::<Vec<_>>()
        };
        let decks = self.decks();
        let mut views: Vec<DeckView> = decks
            .iter()
            .map(|(name, deck)| DeckView {
                name: name.clone(),
                currency: deck.currency().as_str().to_owned(),
                prefixes: deck.prefixes(),
                rates: deck.len(),
                bytes: deck.bytes(),
                gateways: users(name),
                state: "ready".to_owned(),
            })
            .collect();
        views.extend(self.loading().into_iter().filter(|name| !decks.contains_key(name)).map(|name| {
            DeckView {
                gateways: users(&name),
                name,
                currency: String::new(),
                prefixes: 0,
                rates: 0,
                bytes: 0,
                state: "loading".to_owned(),
            }
        }));
        views
    }

    /// What each gateway says to a call to this number; `None`: it is not a public number.
    pub fn compare(&self, number: &str, wall: &WallTime, seconds: Option<u32>) -> Option<CompareView> {
        let config = self.config();
        let e164 = config.numbering.e164(&Digits::new(number))?;
        let number = e164.trim_start_matches('+');
        let seconds = seconds.unwrap_or(config.rates.call_length);
        let budget = Budget::default();
        let mut names: Vec<&str> = config.gateways.iter().map(|g| g.id.as_str()).collect();
        names.extend(config.plugin_gateways.iter().map(|g| g.id.as_str()));
        let calls = self.calls();
        let least_cost = calls.least_cost();
        if least_cost.gateways().iter().any(|g| &*g.name == LANDLINE) {
            names.push(LANDLINE);
        }
        let candidates = Candidates::These(&names);
        let ranking = least_cost.rank(&LeastCostQuery { number, at: at(wall), candidates, seconds, budget });
        let currency = least_cost.settings.currency;
        drop(calls);
        let offers = ranking.offers.into_iter().map(|o| OfferView {
            gateway: o.gateway.to_string(),
            deck: o.deck.to_string(),
            prefix: o.rate.prefix.to_string(),
            destination: o.rate.destination.to_string(),
            per_minute: o.price.tariff.per_minute.to_string(),
            cost: o.cost.to_string(),
            cost_micros: o.cost.0,
            answered: o.quality.answered,
            delay_s: o.quality.delay,
            mos: o.quality.mos,
            free_s: o.price.free,
            why: o.why,
        });
        let rejected = ranking.rejected.into_iter();
        Some(CompareView {
            number: number.to_owned(),
            at: format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}",
                wall.year, wall.month, wall.day, wall.hour, wall.minute
            ),
            seconds,
            currency: currency.as_str().to_owned(),
            offers: offers.collect(),
            rejected: rejected.map(|r| RejectedView { gateway: r.gateway.to_string(), why: r.why }).collect(),
        })
    }

    /// What is spent and how much may be. A limit that nobody has touched yet is shown with nothing spent.
    pub fn spending(&self) -> MoneyView {
        let now = at(&wall::now());
        let calls = self.calls();
        let status = calls.limiter().status(now);
        let mut limits = Vec::new();
        for limit in &calls.limiter().settings().limits {
            let before = limits.len();
            limits.extend(status.iter().filter(|s| s.limit == limit.name).map(|s| {
                let (extension, gateway) = (s.extension.to_string(), s.gateway.to_string());
                limit_view(&limit.name, extension, gateway, s.per, s.amount, s.spent)
            }));
            if limits.len() == before {
                let (extension, gateway) = (named(&limit.extension), named(&limit.gateway));
                limits.push(limit_view(
                    &limit.name,
                    extension,
                    gateway,
                    limit.per,
                    limit.amount,
                    Amount::ZERO,
                ));
            }
        }
        let least_cost = calls.least_cost();
        let month = now.month();
        let used = |name: &str| {
            least_cost.bundles.rows().find(|r| &*r.bundle == name && r.month == month).map_or(0, |r| r.used)
        };
        let bundles = least_cost.bundles.bundles().iter().map(|b| BundleView {
            bundle: b.name.to_string(),
            gateway: b.gateway.to_string(),
            seconds: b.seconds,
            used: used(&b.name),
        });
        MoneyView {
            currency: least_cost.settings.currency.as_str().to_owned(),
            limits,
            bundles: bundles.collect(),
        }
    }
}

/// For whom a limit is counted, before anybody has spent: the one that it names.
fn named(which: &LimitScope) -> String {
    match which {
        LimitScope::All | LimitScope::Each => String::new(),
        LimitScope::Only(name) => name.to_string(),
    }
}

fn limit_view(
    name: &str,
    extension: String,
    gateway: String,
    per: Per,
    amount: Amount,
    spent: Amount,
) -> LimitView {
    let percent = spent.0.saturating_mul(100).checked_div(amount.0).unwrap_or(100);
    LimitView {
        limit: name.to_owned(),
        extension,
        gateway,
        per: match per {
            Per::Call => "call",
            Per::Hour => "hour",
            Per::Day => "day",
            Per::Week => "week",
            Per::Month => "month",
        }
        .to_owned(),
        amount: amount.to_string(),
        spent: spent.to_string(),
        spent_micros: spent.0,
        percent: u8::try_from(percent.clamp(0, 255)).unwrap_or(u8::MAX),
    }
}

pub(super) fn import(imported: Imported) -> ImportView {
    let Imported { name, gateways, preview: p, applied, note } = imported;
    let currency = p.currency;
    let dialect = if p.dialect.ours {
        "one of our own exports".to_owned()
    } else {
        let separator = char::from(p.dialect.separator);
        let decimal = p.dialect.decimal;
        let columns: Vec<&str> = p.dialect.columns.iter().map(column).collect();
        let mut said = format!("{}; parted by {separator:?}, decimal sign {decimal:?}", columns.join(", "));
        if p.dialect.columns.iter().any(|c| matches!(c, Column::From | Column::Until)) {
            let order =
                if p.dialect.day_first { "03/04 is the 3rd of April" } else { "03/04 is the 4th of March" };
            said += &format!(", {order}");
        }
        if p.dialect.columns.iter().any(|c| matches!(c, Column::Price(When::Peak | When::OffPeak, _))) {
            said += &format!(", peak is {}", Options::new("", currency).peak);
        }
        if p.rounded > 0 {
            said += &format!(", {} prices finer than a millionth are rounded up", p.rounded);
        }
        said
    };
    ImportView {
        deck: name,
        gateways,
        applied,
        dialect,
        currency: currency.as_str().to_owned(),
        rows: p.rows,
        rates: p.rates,
        new: listed(&p.new, |l| line(l, currency)),
        changed: listed(&p.changed, |c| change(c, currency)),
        removed: listed(&p.removed, |l| line(l, currency)),
        not_for_sale: listed(&p.barred, |l| format!("{} {}{}", l.prefix, l.destination, since(l.from))),
        same: p.same,
        gaps: listed(&p.gaps, gap),
        overlaps: listed(&p.overlaps, |o| overlap(o, currency)),
        absurd: listed(&p.absurd, |a| absurd(a, currency)),
        errors: listed(&p.errors, |e| {
            format!("line {}, column {}: {}; {}", e.line, e.column, e.what, e.hint)
        }),
        note,
    }
}

/// What a deck changes, against one before it.
pub struct DeckChanges {
    /// Prefixes that are new.
    pub new: ListView,
    /// Prefixes that are no more.
    pub gone: ListView,
    /// Prefixes with another price.
    pub changed: usize,
    /// The first of them: before, and after.
    pub pairs: Vec<(String, String)>,
    /// Prefixes that stay as they are.
    pub same: usize,
}

pub(super) fn changes(p: Preview) -> DeckChanges {
    let currency = p.currency;
    let pair = |c: &Change| {
        let one = |tariff| format!("{} {}: {}", c.prefix, c.destination, Shown(tariff, currency));
        (one(&c.old), one(&c.new))
    };
    DeckChanges {
        new: listed(&p.new, |l| line(l, currency)),
        gone: listed(&p.removed, |l| line(l, currency)),
        changed: p.changed.count,
        pairs: p.changed.some.iter().map(pair).collect(),
        same: p.same,
    }
}

fn listed<T>(list: &Listed<T>, words: impl Fn(&T) -> String) -> ListView {
    ListView { count: list.count, some: list.some.iter().take(20).map(words).collect() }
}

fn line(line: &Line, currency: Currency) -> String {
    let hours = line.hours.as_ref().map(|hours| format!(", only {hours}")).unwrap_or_default();
    let price = Shown(&line.tariff, currency);
    format!("{} {}: {price}{hours}{}", line.prefix, line.destination, since(line.from))
}

fn change(change: &Change, currency: Currency) -> String {
    let (old, new) = (Shown(&change.old, currency), Shown(&change.new, currency));
    let tariffs = if change.old == change.new {
        format!("{new}, other dates or hours")
    } else {
        format!("{old} becomes {new}")
    };
    format!("{} {}: {tariffs}{}", change.prefix, change.destination, since(change.from))
}

/// ` from 2026-02-01`, by the calendar of the box.
fn since(from: Option<i64>) -> String {
    let Some(from) = from else { return String::new() };
    let at = wall::at(from.saturating_mul(1_000_000));
    format!(" from {:04}-{:02}-{:02}", at.year, at.month, at.day)
}

/// A column in words.
fn column(column: &Column) -> &'static str {
    match column {
        Column::Prefix => "prefix",
        Column::CountryCode => "country code",
        Column::Country => "country",
        Column::Destination => "destination",
        Column::Price(When::Always, Scale::Unit) => "price",
        Column::Price(When::Always, Scale::Hundredth) => "price in hundredths",
        Column::Price(When::Always, Scale::Second) => "price a second",
        Column::Price(When::Peak, _) => "peak price",
        Column::Price(When::OffPeak, _) => "off-peak price",
        Column::Price(When::Weekend, _) => "weekend price",
        Column::Connection(Scale::Hundredth) => "connection in hundredths",
        Column::Connection(_) => "connection",
        Column::Minimum => "minimum",
        Column::MinimumCharge(Scale::Hundredth) => "minimum charge in hundredths",
        Column::MinimumCharge(_) => "minimum charge",
        Column::MinimumSeconds => "minimum seconds",
        Column::Steps => "billing steps",
        Column::First => "first step",
        Column::Next => "next step",
        Column::From => "from",
        Column::Until => "until",
        Column::Currency => "currency",
        Column::Hours => "hours",
        Column::NorthAmerica => "prefix without the 1 of North America",
        Column::AreaCode => "area code of North America",
        Column::Before(_) => "price until then",
        Column::Sale(Flag::Sold) => "for sale",
        Column::Sale(Flag::Barred) => "not for sale",
        Column::Sale(Flag::Said) => "status",
        Column::Ignored => "(not used)",
    }
}

fn gap(gap: &Gap) -> String {
    match gap {
        Gap::NoParent { country, prefixes, example } => format!(
            "{country}: {prefixes} prefixes have a price, such as {example}, and the rest of the country has none"
        ),
        Gap::NoPrice { line, prefix, destination } => {
            format!("line {line}: {prefix} {destination} has no price, so it is not for sale")
        }
    }
}

fn overlap(o: &Overlap, currency: Currency) -> String {
    format!(
        "{}: {} of line {} counts, {} of line {} does not",
        o.prefix,
        Shown(&o.taken, currency),
        o.taken_line,
        Shown(&o.dropped, currency),
        o.dropped_line
    )
}

fn absurd(a: &Absurd, currency: Currency) -> String {
    let why = match a.why {
        Why::Negative => "less than nothing".to_owned(),
        Why::Zero => "nothing at all".to_owned(),
        Why::Outlier(middle) => format!("most of its kind cost about {middle}"),
        Why::Jump(before) => format!("it was {before} before"),
    };
    format!("{} {}: {} {currency}/min; {why}", a.prefix, a.destination, a.price)
}
