//! The calls of the last days through a draft, in a dry run.

use std::time::{Duration, Instant};

use actix_web::web;
use ringtrip_routing::replay::{self, Changed, Replayed};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find;
use crate::drafts::past;
use crate::http::access::Reader;
use crate::http::dry_run::{DryRunKind, dry_run};
use crate::http::operation::{Operations, path};
use crate::http::{Api, Problem};
use crate::store::{CdrQuery, now_micros};

/// Ten years.
const MOST_DAYS: u32 = 3650;
/// A replay stops after so long and says so.
const REPLAY_TIME: Duration = Duration::from_secs(20);

pub(super) fn operations() -> Vec<Operations> {
    vec![path("/drafts/{name}/replay").post(replay)]
}

/// Which calls to replay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReplayAsk {
    /// The last days, 1 to 3,650.
    #[serde(default = "month")]
    days: u32,
}

fn month() -> u32 {
    30
}

/// What would have been different.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::http) struct ReplayView {
    /// Calls looked at.
    calls: u64,
    /// They go where they go now.
    same: u64,
    /// They go elsewhere.
    changed: u64,
    /// They went somewhere and would be refused.
    newly_refused: u64,
    /// They are refused now and would go somewhere.
    newly_routed: u64,
    /// The draft's scripts or plugins fail.
    failed: u64,
    /// Emergency calls that would be treated differently.
    emergency_changed: u64,
    /// What the answered calls cost by the first way, by currency.
    prices: Vec<PriceView>,
    /// Calls that differ; the first 200.
    list: Vec<ChangedView>,
    /// More differ than are listed, or the time ran out.
    cut: bool,
    /// How long the decisions took, ms.
    took_ms: u64,
}

/// Prices in one currency, millionths of a unit.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::http) struct PriceView {
    currency: String,
    before_micros: i64,
    after_micros: i64,
}

/// A call that differs.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::http) struct ChangedView {
    call: String,
    from: String,
    dialled: String,
    at_micros: i64,
    /// Where it goes by what is active.
    before: String,
    /// Where the draft sends it.
    after: String,
    /// What the first way costs more, millionths of a unit; negative: less.
    dearer_micros: Option<i64>,
}

/// Puts the calls of the last days through the draft, in a dry run.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/replay", tag = "drafts", params(("name" = String, Path)),
    request_body = ReplayAsk, responses((status = 200, body = ReplayView),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn replay(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Json<ReplayAsk>,
) -> Result<web::Json<ReplayView>, Problem> {
    let record = find(&api, &name)?;
    if !(1..=MOST_DAYS).contains(&body.days) {
        return Err(Problem::bad(format!("invalid number of days {}: expected 1 to {MOST_DAYS}", body.days)));
    }
    let since = now_micros().saturating_sub(i64::from(body.days) * 86_400_000_000);
    dry_run(DryRunKind::Long, move || {
        let built = api.drafts.build(&record).map_err(|f| Problem::faulty("draft", f))?;
        let (live, next) = api.drafts.fair(&built);
        let began = Instant::now();
        let go_on = || began.elapsed() < REPLAY_TIME;
        let mut calls = Vec::new();
        let mut before = None;
        while go_on() {
            let query = CdrQuery { before, since_micros: Some(since), limit: 500, ..CdrQuery::default() };
            let page = api.store.cdrs(&query)?;
            calls.extend(page.records.iter().filter_map(past));
            before = page.next;
            // Later pages are older still.
            if before.is_none() || page.records.is_empty() {
                break;
            }
        }
        let asked = Instant::now();
        let found = replay::replay(calls, &live, &next, go_on);
        Ok::<_, Problem>(ReplayView::of(found, asked.elapsed(), began.elapsed() >= REPLAY_TIME))
    })
    .await
    .map(web::Json)
}

impl ReplayView {
    fn of(found: Replayed, took: Duration, late: bool) -> ReplayView {
        let changed = |c: Changed| ChangedView {
            call: c.call.to_string(),
            from: c.from,
            dialled: c.dialled.to_string(),
            at_micros: c.at_micros,
            before: c.before,
            after: c.after,
            dearer_micros: c.dearer,
        };
        let price = |p: replay::Price| PriceView {
            currency: p.currency,
            before_micros: p.before,
            after_micros: p.after,
        };
        ReplayView {
            calls: found.calls,
            same: found.same,
            changed: found.changed,
            newly_refused: found.newly_refused,
            newly_routed: found.newly_routed,
            failed: found.failed,
            emergency_changed: found.emergency_changed,
            prices: found.prices.into_iter().map(price).collect(),
            list: found.list.into_iter().map(changed).collect(),
            cut: found.cut || late,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
