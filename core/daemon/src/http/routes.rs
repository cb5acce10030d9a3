//! Routes asked in a dry run: what would happen to a call, and who reaches a target. Nothing rings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ringtrip_config::Config;
use ringtrip_exchange::route::WallTime;
use ringtrip_model::party::Digits;
use ringtrip_routing::Engine;
use ringtrip_routing::coverage::Probes;
use ringtrip_routing::reverse_lookup::{RouteMatch, reverse_lookup};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Reader;
use super::dry_run::{DryRunKind, dry_run};
use super::operation::{Operations, path};
use super::{Api, Problem};
use crate::config::read;
use crate::drafts::Built;
use crate::exchange::wall;
use crate::routes::explain::{self, AssumedState, Explained, Question, source_of};
use crate::routes::{Scripts, known};
use crate::store::{CdrQuery, DraftRecord};

/// A document and scripts in a question.
const LARGEST: usize = 2 << 20;
/// How long faces wait for `who-reaches`.
const TIME_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn operations() -> Vec<Operations> {
    let json = || {
        web::JsonConfig::default()
            .limit(LARGEST)
            .content_type_required(false)
            .error_handler(|error, _| Problem::bad(format!("invalid body: {error}")).into())
    };
    vec![
        path("/routes/explain").with(json()).post(explain),
        path("/routes/who-reaches").with(json()).post(who_reaches),
    ]
}

/// Other routes than the active ones.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub(super) struct RouteOverrides {
    /// A draft, by name.
    #[serde(default)]
    draft: Option<String>,
    /// A TOML document.
    #[serde(default)]
    config: Option<String>,
    /// Texts of scripts, by file name.
    #[serde(default)]
    scripts: BTreeMap<String, String>,
}

/// A probe call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct RouteQuestion {
    /// What is dialled.
    number: String,
    /// An extension, a line or a gateway.
    from: String,
    /// When: `2026-12-24T18:00` in the box's zone, or with a zone; now if not given.
    #[serde(default)]
    at: Option<String>,
    /// States of lines that are assumed: `{"fxo1":"busy"}`.
    #[serde(default)]
    lines: BTreeMap<String, String>,
    /// States of gateways that are assumed: `{"gw1":"down"}`.
    #[serde(default)]
    gateways: BTreeMap<String, String>,
    /// By other routes.
    #[serde(flatten)]
    instead: RouteOverrides,
}

/// The whole decision about a call, step by step. Nothing rings.
#[utoipa::path(post, path = "/api/v1/routes/explain", tag = "routes", request_body = RouteQuestion, responses(
    (status = 200, body = Explained), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn explain(
    _: Reader,
    api: web::Data<Api>,
    body: web::Json<RouteQuestion>,
) -> Result<web::Json<Explained>, Problem> {
    let ask = body.into_inner();
    dry_run(DryRunKind::Quick, move || {
        let engine = engine(&api, &ask.instead)?;
        let source = source_of(engine.router().config(), &ask.from)?;
        let at = ask.at.as_deref().map_or_else(|| Ok(wall::now()), time)?;
        let assumed = assumed(engine.router().config(), ask.lines, ask.gateways)?;
        let question = Question { source, number: Digits::new(&ask.number), at, assumed };
        Ok::<_, Problem>(explain::explain(&engine, &api.rating, &api.exchange, &question))
    })
    .await
    .map(web::Json)
}

/// Whom to look for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct WhoReaches {
    /// `101`, `fxs1`, `gw0`, `gw1`, a host.
    target: String,
    /// By other routes.
    #[serde(flatten)]
    instead: RouteOverrides,
}

/// Ways to a target.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ReachedView {
    /// The target.
    target: String,
    /// The ways.
    ways: Vec<WayView>,
    /// Probe calls that were decided.
    decisions: u64,
    /// The time ran out before all was tried.
    cut: bool,
}

/// One way.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct WayView {
    /// The dial plan's alternative; empty where none is asked, as for calls from outside.
    alternative: String,
    /// The script and line that decided.
    script: Option<String>,
    /// One sentence.
    because: String,
    /// From where; empty: from everywhere.
    from: Vec<String>,
    /// `always`, or hours of the week.
    when: String,
    /// Numbers that lead there, some of them.
    numbers: Vec<String>,
    /// How many of the numbers tried lead there.
    tried: u64,
    /// The stage in which it rings; 1 is at once.
    stage: u64,
}

/// Which numbers, callers and times lead to a target: found by deciding over probe calls.
#[utoipa::path(post, path = "/api/v1/routes/who-reaches", tag = "routes", request_body = WhoReaches, responses(
    (status = 200, body = ReachedView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn who_reaches(
    _: Reader,
    api: web::Data<Api>,
    body: web::Json<WhoReaches>,
) -> Result<web::Json<ReachedView>, Problem> {
    let ask = body.into_inner();
    dry_run(DryRunKind::Long, move || {
        let engine = engine(&api, &ask.instead)?;
        let config = engine.router().config();
        let Some(target) = ringtrip_routing::router::Router::target_named(config, &ask.target) else {
            return Err(Problem::missing("extension, line, gateway or host", &ask.target));
        };
        let now = wall::now();
        let texts: Vec<String> = api.routes.now().scripts.iter().map(|(_, text)| text.clone()).collect();
        let dialled = dialled(&api);
        let probes = Probes::new(
            config,
            ringtrip_routing::coverage::Known { dialled: &dialled, ..known(&now, &texts) },
        );
        let began = Instant::now();
        let found = reverse_lookup(&engine.dry_run(), &probes, &target, &|| began.elapsed() < TIME_LIMIT);
        let ways = found.matches.into_iter().map(WayView::from).collect();
        Ok(ReachedView { target: ask.target, ways, decisions: found.decisions, cut: found.cut })
    })
    .await
    .map(web::Json)
}

impl From<RouteMatch> for WayView {
    fn from(way: RouteMatch) -> WayView {
        WayView {
            alternative: crate::secrets::hide_in_plan(&way.alternative),
            script: way.script,
            because: way.because,
            from: way.from,
            when: way.when,
            numbers: way.numbers,
            tried: way.tried as u64,
            stage: way.stage as u64,
        }
    }
}

/// Numbers of the newest records: what people here really dial.
pub(super) fn dialled(api: &Api) -> Vec<String> {
    let page = api.store.cdrs(&CdrQuery { limit: 500, ..CdrQuery::default() }).unwrap_or_default();
    let mut numbers: Vec<String> = page.records.into_iter().map(|r| r.dialled).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The active engine, or the one that a question names.
fn engine(api: &Api, instead: &RouteOverrides) -> Result<Arc<Engine>, Problem> {
    if let Some(name) = &instead.draft {
        let record = api.store.draft(name).ok_or_else(|| Problem::missing("draft", name))?;
        return built(api, &record);
    }
    if instead.config.is_none() && instead.scripts.is_empty() {
        return Ok(api.routes.engine());
    }
    let config = match &instead.config {
        Some(text) => text.clone(),
        None => api.store.config(api.store.config_head())?.text,
    };
    let scripts = &instead.scripts;
    let record = DraftRecord {
        name: String::new(),
        author: String::new(),
        note: String::new(),
        at_micros: 0,
        revision: 0,
        base: Default::default(),
        config,
        scripts: scripts.clone(),
        parts: Default::default(),
        canary: None,
        active: None,
        discarded: false,
    };
    // Its own faults first: they have better places.
    read(&record.config).map_err(|faults| Problem::faulty("document", faults))?;
    let built = build(api, &record)?;
    all_used(scripts.keys(), &built.active.scripts)?;
    Ok(built.active.engine)
}

fn built(api: &Api, record: &DraftRecord) -> Result<Arc<Engine>, Problem> {
    Ok(build(api, record)?.active.engine)
}

fn build(api: &Api, record: &DraftRecord) -> Result<Built, Problem> {
    api.drafts.build(record).map_err(|faults| Problem::faulty("draft", faults))
}

/// A text that nothing asks would leave the answer as it is, and the client would believe that it has decided.
fn all_used<'a>(mut texts: impl Iterator<Item = &'a String>, scripts: &Scripts) -> Result<(), Problem> {
    let Some(name) = texts.find(|name| !scripts.asks(name)) else { return Ok(()) };
    let named: Vec<&str> = scripts.iter().map(|(named, _)| named.name.as_str()).collect();
    let named = if named.is_empty() { "no script".to_owned() } else { named.join(", ") };
    Err(Problem::bad(format!(
        "nothing asks {name}: the configuration names {named}. Give the file one of these names, or put it into a \
         draft whose document names it"
    )))
}

/// What is assumed about lines and gateways, by name: each there, each in a state that means something.
fn assumed(
    config: &Config,
    lines: BTreeMap<String, String>,
    gateways: BTreeMap<String, String>,
) -> Result<BTreeMap<String, AssumedState>, Problem> {
    let is_line = |name: &str| name == "gw0" || config.lines.iter().any(|l| l.id.as_str() == name);
    let is_gateway = |name: &str| {
        name == "gw0"
            || name.parse().is_ok_and(|id| config.gateway(&id).is_some() || config.plugin_of(&id).is_some())
    };
    let mut states = BTreeMap::new();
    for (name, state) in lines.iter().chain(&gateways) {
        let there = if lines.contains_key(name) { is_line(name) } else { is_gateway(name) };
        if !there {
            let what = if lines.contains_key(name) { "line" } else { "gateway" };
            return Err(Problem::missing(what, name));
        }
        let Some(assumed) = AssumedState::of(state) else {
            return Err(Problem::bad(format!(
                "invalid state {state:?} of {name}: expected free, busy or down for a line, up or down for a gateway"
            )));
        };
        states.insert(name.clone(), assumed);
    }
    Ok(states)
}

/// A moment as people write it; without a zone of its own by the box's.
pub(super) fn time(text: &str) -> Result<WallTime, Problem> {
    let zone = wall::zone();
    let wrong = || {
        Problem::bad(format!(
            "invalid time {text:?}: expected 2026-12-24T18:00, or with a zone 2026-12-24T18:00Z"
        ))
    };
    moment(text, zone).map(|s| wall::at(s.as_microsecond())).ok_or_else(wrong)
}

fn moment(text: &str, zone: TimeZone) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(zone).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_by_the_box() {
        let hour = |text: &str, zone: &str| moment(text, TimeZone::get(zone).unwrap()).map(|t| t.to_string());
        let utc = |text: &str| Some(text.to_owned());
        assert_eq!(hour("2026-07-01T12:00", "America/New_York"), utc("2026-07-01T16:00:00Z"));
        assert_eq!(hour("2026-07-01T12:00", "Europe/London"), utc("2026-07-01T11:00:00Z"));
        assert_eq!(hour("2026-07-01T12:00Z", "Europe/London"), utc("2026-07-01T12:00:00Z"));
        assert_eq!(hour("2026-13-01", "UTC"), None);
    }

    #[test]
    fn assumed_states_are_of_what_is_there() {
        let mut config = Config::demo(
            ringtrip_config::Region::Uk,
            ringtrip_config::DemoSecrets { first: String::new(), second: String::new() },
        );
        let gateway = ringtrip_config::Gateway::new;
        config.gateways.push(gateway("gw1".parse().unwrap(), "sip.example.com".parse().unwrap(), "me"));
        let map = |name: &str, state: &str| BTreeMap::from([(name.to_owned(), state.to_owned())]);
        let none = BTreeMap::new;
        for (lines, gateways, wrong) in [
            (map("fxo1", "busy"), map("gw1", "down"), None),
            (map("gw0", "free"), none(), None),
            (map("fxo9", "busy"), none(), Some("fxo9")),
            (map("gw1", "down"), none(), Some("gw1")),
            (none(), map("gw9", "down"), Some("gw9")),
            (none(), map("gw1", "broken"), Some("invalid state \"broken\" of gw1")),
        ] {
            match (assumed(&config, lines, gateways), wrong) {
                (Ok(_), None) => {}
                (Err(problem), Some(words)) => assert!(problem.detail.contains(words), "{problem:?}"),
                (found, wrong) => panic!("{found:?}, not {wrong:?}"),
            }
        }
    }
}
