//! What calls cost and may cost: `[rates]`, `[[bundle]]`, `[money]`, and what gateways say of their decks.

use std::sync::Arc;

use ringtrip_config::{Offered, Rates};
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::bundle::Bundle;
use ringtrip_rating::limiter::{Class, Limit, LimitScope, Per};
use ringtrip_rating::money::{Currency, Money};
use ringtrip_rating::prefix::{Prefix, PrefixSet};
use ringtrip_rating::rate::Steps;
use ringtrip_rating::time::Hours;

use super::read::Section;
use crate::rating::is_deck_name;

pub(super) fn money(root: &Section<'_, '_>, rates: &mut Rates) {
    if let Some(s) = root.section("rates") {
        if let Some(currency) = s.parsed("currency", "its three letters, such as \"EUR\"") {
            rates.settings.currency = currency;
        }
        s.number("tolerance", 0..=100, &mut rates.settings.tolerance);
        exchange(&s, rates);
        let mut length = std::time::Duration::from_secs(rates.call_length.into());
        s.time("call_length", &mut length);
        match u32::try_from(length.as_secs()) {
            Ok(seconds @ 1..=86_400) => rates.call_length = seconds,
            _ => s.error("call_length", "it is not between a second and a day".to_owned(), "such as \"3m\""),
        }
        let landline = Offered { decks: decks(&s, "landline"), max_calls: None };
        if landline != Offered::default()
            && let Ok(id) = "gw0".parse::<GatewayId>()
        {
            rates.offered.insert(id, landline);
        }
        s.done();
    }
    rates.limiter.currency = rates.settings.currency;
    for (i, s) in root.tables("bundle").into_iter().enumerate() {
        if let Some(bundle) = bundle(&s, i) {
            rates.bundles.push(bundle);
        }
        s.done();
    }
    let Some(s) = root.section("money") else { return };
    seconds(&s, "least", &mut rates.limiter.least);
    seconds(&s, "lease", &mut rates.limiter.lease);
    s.number("burst_calls", 0..=10_000, &mut rates.burst.calls);
    s.time("burst_time", &mut rates.burst.time);
    for (i, limit) in s.tables("limit").into_iter().enumerate() {
        if let Some((limit, class)) = self::limit(&limit, i) {
            rates.limiter.limits.push(limit);
            rates.limiter.classes.extend(class);
        }
        limit.done();
    }
    s.done();
}

/// What a gateway's section says of its offers.
pub(super) fn offered(s: &Section<'_, '_>, id: &GatewayId, rates: &mut Rates) {
    let mut most = 0u32;
    s.number("max_calls", 1..=10_000, &mut most);
    let offered = Offered { decks: decks(s, "decks"), max_calls: (most > 0).then_some(most) };
    if offered != Offered::default() {
        rates.offered.insert(id.clone(), offered);
    }
}

fn decks(s: &Section<'_, '_>, key: &'static str) -> Vec<String> {
    let hint = "names of rate decks as `ringtrip rates list` shows them, such as \"gw1\"";
    s.list(key, hint, |name| match is_deck_name(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("invalid deck name {name:?}")),
    })
    .unwrap_or_default()
}

fn exchange(s: &Section<'_, '_>, rates: &mut Rates) {
    let texts = s.texts("exchange");
    let Some(section) = s.section("exchange") else { return };
    for (name, worth) in texts {
        let hint = "the value of one unit in the exchange's currency: USD = \"0.92\"";
        match (name.parse::<Currency>(), Money::parse(&worth)) {
            (Ok(currency), Ok(worth)) if worth > Money::ZERO => {
                rates.settings.exchange.push((currency, worth))
            }
            (Err(why), _) => section.error(&name, why.to_string(), hint),
            (_, Err(why)) => section.error(&name, why.to_string(), hint),
            _ => section.error(&name, format!("invalid exchange rate {worth}"), hint),
        }
    }
}

fn bundle(s: &Section<'_, '_>, place: usize) -> Option<Bundle> {
    let name = s.text("name").unwrap_or_else(|| format!("bundle {}", place + 1));
    let gateway = needed(s, "gateway", "the gateway that it belongs to, such as \"gw1\"");
    let prefixes = prefixes(s);
    if !s.has("prefixes") {
        s.error("prefixes", "prefixes are missing".to_owned(), "write prefixes = [\"44\"]");
    }
    let mut minutes = 0u32;
    s.number("minutes", 1..=1_000_000, &mut minutes);
    if !s.has("minutes") {
        s.error("minutes", "minutes are missing".to_owned(), "write minutes = 500");
    }
    let steps = s.parsed("steps", "how its seconds are counted, such as \"60/60\"").unwrap_or(Steps::SECOND);
    let (gateway, prefixes) = (gateway?, prefixes?);
    Some(Bundle {
        name: name.into(),
        gateway: gateway.into(),
        prefixes,
        seconds: minutes.saturating_mul(60),
        steps,
    })
}

fn limit(s: &Section<'_, '_>, place: usize) -> Option<(Limit, Option<Class>)> {
    let name: Arc<str> = s.text("name").unwrap_or_else(|| format!("limit {}", place + 1)).into();
    let amount: Option<Money> = s.parsed("amount", "write it as \"20.00\", in the currency of [rates]");
    if !s.has("amount") {
        s.error("amount", "a limit needs an amount".to_owned(), "write amount = \"20.00\"");
    }
    if amount.is_some_and(Money::is_negative) {
        s.error("amount", "it is negative".to_owned(), "write amount = \"20.00\"");
    }
    let words = [
        ("call", Per::Call),
        ("hour", Per::Hour),
        ("day", Per::Day),
        ("week", Per::Week),
        ("month", Per::Month),
    ];
    let per = s.choice("per", &words);
    if !s.has("per") {
        s.error("per", "a limit needs a period".to_owned(), "write per = \"day\"");
    }
    let extension = which(s.text("extension"));
    let gateway = which(s.text("gateway"));
    let class = prefixes(s).map(|prefixes| Class { name: name.clone(), prefixes });
    let hours = s.text("hours").and_then(|text| match Hours::parse(&text) {
        Ok(hours) => Some(hours),
        Err(why) => {
            s.error("hours", why.to_string(), "such as \"Mon-Fri 08:00-18:00, Sat 09:00-13:00\"");
            None
        }
    });
    let class_name = class.as_ref().map(|c| c.name.clone());
    let limit = Limit { name, extension, gateway, class: class_name, amount: amount?, per: per?, hours };
    Some((limit, class))
}

fn which(word: Option<String>) -> LimitScope {
    match word.as_deref() {
        None => LimitScope::All,
        Some("each") => LimitScope::Each,
        Some(one) => LimitScope::Only(one.into()),
    }
}

fn prefixes(s: &Section<'_, '_>) -> Option<PrefixSet> {
    let hint = "digits with the country code and without + or 00, such as \"4487\"";
    s.list("prefixes", hint, |text| text.parse::<Prefix>().map_err(|e| e.to_string())).map(PrefixSet::new)
}

fn needed(s: &Section<'_, '_>, key: &'static str, hint: &str) -> Option<String> {
    let text = s.text(key);
    if !s.has(key) {
        s.error(key, format!("{key} is missing"), hint);
    }
    text
}

fn seconds(s: &Section<'_, '_>, key: &'static str, to: &mut u32) {
    let mut time = std::time::Duration::from_secs((*to).into());
    s.time(key, &mut time);
    match u32::try_from(time.as_secs()) {
        Ok(seconds @ 1..=3600) => *to = seconds,
        _ => s.error(key, "it is not between a second and an hour".to_owned(), "such as \"30s\""),
    }
}
