//! Drafts over HTTP: routes are written, compared, checked and replayed before they are in force; activated and undone
//! whole, the configuration and its scripts together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use ringtrip_host::canary::{Rule, Share};
use ringtrip_host::replay::{self, Changed, Replayed};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Identity;
use super::config::{WithScripts, take, toml_text};
use super::routes::dialled;
use super::{Api, Problem, off_loop};
use crate::config::{DiffLine, diff, redact, summary};
use crate::routes::CanaryView;
use crate::routes::draft::{self, Checks};
use crate::store::{Activated, CdrQuery, DraftPhase, DraftRecord, DraftState, Scope, StoreError, now_micros};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/drafts").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/drafts/{name}").route(web::get().to(one)).route(web::delete().to(discard)))
        .service(web::resource("/drafts/{name}/config").route(web::put().to(put_config)))
        .service(web::resource("/drafts/{name}/scripts/{script}").route(web::put().to(put_script)))
        .service(web::resource("/drafts/{name}/diff").route(web::get().to(compare)))
        .service(web::resource("/drafts/{name}/check").route(web::post().to(check)))
        .service(web::resource("/drafts/{name}/replay").route(web::post().to(replay)))
        .service(web::resource("/drafts/{name}/rebase").route(web::post().to(rebase)))
        .service(web::resource("/drafts/{name}/activate").route(web::post().to(activate)))
        .service(web::resource("/drafts/{name}/undo").route(web::post().to(undo)))
        .service(
            web::resource("/drafts/{name}/canary")
                .route(web::get().to(canary))
                .route(web::post().to(start_canary))
                .route(web::delete().to(end_canary)),
        );
}

/// A replay stops after so long and says so.
const REPLAY_TIME: Duration = Duration::from_secs(20);
/// Drafts kept at once.
const MOST: usize = 100;
/// A draft is one record of the store.
const LARGEST: usize = 4 << 20;

/// A draft.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct DraftView {
    /// Its name.
    name: String,
    /// Who changed it last.
    author: String,
    /// Why.
    note: String,
    /// When it was changed last, microseconds since 1970 UTC.
    at_micros: i64,
    /// Counts its changes.
    revision: u64,
    /// What it is doing.
    phase: DraftPhase,
    /// The configuration version that it was made from.
    base_version: u64,
    /// Something else was put in force since: `rebase` it, or it cannot be activated.
    stale: bool,
    /// The version that it became.
    version: Option<u64>,
    /// Its scripts.
    scripts: Vec<String>,
}

/// A draft with its texts.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct DraftTexts {
    #[serde(flatten)]
    draft: DraftView,
    /// The TOML document; passwords are `***` unless an administrator asked for them.
    config: String,
    /// Texts of scripts, by file name.
    script_texts: BTreeMap<String, String>,
}

/// All drafts.
#[utoipa::path(get, path = "/api/v1/drafts", tag = "drafts", responses((status = 200, body = Vec<DraftView>)))]
pub(super) async fn list(api: web::Data<Api>) -> web::Json<Vec<DraftView>> {
    let live = draft::live_state(&api.routes, &api.store);
    web::Json(api.store.drafts().iter().map(|d| view(d, &live)).collect())
}

/// A new draft.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDraft {
    /// Letters, digits, `-` and `_`.
    name: String,
    /// Why.
    #[serde(default)]
    note: String,
}

/// Makes a draft of what is in force.
#[utoipa::path(post, path = "/api/v1/drafts", tag = "drafts", request_body = NewDraft, responses(
    (status = 201, body = DraftView), (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    api: web::Data<Api>,
    who: Identity,
    body: web::Json<NewDraft>,
) -> Result<HttpResponse, Problem> {
    let NewDraft { name, note } = body.into_inner();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if name.is_empty() || name.len() > 40 || !plain {
        return Err(Problem::bad(format!(
            "{name:?} is no name of a draft: letters, digits, '-' and '_', at most 40"
        )));
    }
    if api.store.draft(&name).is_some() {
        let detail = format!("there is a draft {name:?} already; discard it, or take another name");
        return Err(Problem::new(StatusCode::CONFLICT, "draft-exists", detail));
    }
    if api.store.drafts().len() >= MOST {
        return Err(Problem::bad(format!("there are {MOST} drafts; discard some first")));
    }
    let base = draft::live_state(&api.routes, &api.store);
    let (store, version) = (api.store.clone(), base.version);
    let config = off_loop(move || store.config(version)).await?.text;
    let record = DraftRecord {
        name,
        author: who.name.clone(),
        note,
        at_micros: now_micros(),
        revision: 1,
        scripts: base.scripts.clone(),
        base,
        config,
        active: None,
        discarded: false,
    };
    let shown = view(&record, &record.base);
    api.store.put_draft(record).await?;
    Ok(HttpResponse::Created().insert_header((ETAG, "\"1\"")).json(shown))
}

/// How to show it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Shown {
    /// With passwords; administrators only.
    #[serde(default)]
    secrets: bool,
}

/// A draft with its texts. Its `ETag` is what `If-Match` of a change must say.
#[utoipa::path(get, path = "/api/v1/drafts/{name}", tag = "drafts", params(("name" = String, Path), Shown), responses(
    (status = 200, body = DraftTexts), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    api: web::Data<Api>,
    who: Identity,
    name: web::Path<String>,
    shown: web::Query<Shown>,
) -> Result<HttpResponse, Problem> {
    if shown.secrets && who.scope != Scope::Admin {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "only an administrator sees passwords"));
    }
    let record = find(&api, &name)?;
    let live = draft::live_state(&api.routes, &api.store);
    let config = if shown.secrets { record.config.clone() } else { redact(&record.config) };
    let texts = DraftTexts { draft: view(&record, &live), config, script_texts: record.scripts.clone() };
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", record.revision))).json(texts))
}

/// Replaces the draft's document (TOML in the body). Nothing is checked yet, nothing is in force.
#[utoipa::path(put, path = "/api/v1/drafts/{name}/config", tag = "drafts", params(("name" = String, Path),
    ("If-Match" = String, Header)), request_body(content = String, content_type = "application/toml"), responses(
    (status = 200, body = DraftView), (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_config(
    request: HttpRequest,
    api: web::Data<Api>,
    who: Identity,
    name: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let text = toml_text(&body)?;
    edit(&request, &api, &who, &name, |record| record.config = text).await
}

/// Replaces or adds a script of the draft (Rhai in the body).
#[utoipa::path(put, path = "/api/v1/drafts/{name}/scripts/{script}", tag = "drafts", params(("name" = String, Path),
    ("script" = String, Path), ("If-Match" = String, Header)), request_body(content = String,
    content_type = "text/plain"), responses((status = 200, body = DraftView),
    (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_script(
    request: HttpRequest,
    api: web::Data<Api>,
    who: Identity,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let (name, script) = path.into_inner();
    let script = super::scripts::file_name(script)?;
    let text = super::scripts::script_text(&body)?;
    edit(&request, &api, &who, &name, |record| drop(record.scripts.insert(script, text))).await
}

async fn edit(
    request: &HttpRequest,
    api: &Api,
    who: &Identity,
    name: &str,
    change: impl FnOnce(&mut DraftRecord),
) -> Result<HttpResponse, Problem> {
    let mut record = find(api, name)?;
    must_be_open(&record)?;
    let wanted = request.headers().get(IF_MATCH).and_then(|v| v.to_str().ok()).unwrap_or("").trim();
    let revision = format!("\"{}\"", record.revision);
    if wanted.is_empty() {
        let detail =
            "say which revision was changed: `If-Match: \"7\"`, the ETag of GET /api/v1/drafts/NAME, or `*`";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match-required", detail));
    }
    if wanted != "*" && wanted != revision {
        let detail = format!(
            "the draft is at revision {revision} now, not {wanted}: read it again and repeat the change"
        );
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail));
    }
    change(&mut record);
    let octets = record.config.len() + record.scripts.values().map(String::len).sum::<usize>();
    if octets > LARGEST {
        return Err(Problem::bad(format!("the draft would have {octets} octets; {LARGEST} are the most")));
    }
    record.revision += 1;
    record.author.clone_from(&who.name);
    record.at_micros = now_micros();
    let live = draft::live_state(&api.routes, &api.store);
    let shown = view(&record, &live);
    let etag = format!("\"{}\"", record.revision);
    api.store.put_draft(record).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag)).json(shown))
}

/// A comparison of one text.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct TextDiff {
    /// `config`, or a script's file name.
    what: String,
    /// `2 lines added, 1 removed`.
    summary: String,
    /// All lines of both; passwords hidden.
    lines: Vec<DiffLine>,
}

/// What the draft changes against what is in force: the texts that differ.
#[utoipa::path(get, path = "/api/v1/drafts/{name}/diff", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = Vec<TextDiff>), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn compare(
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<Vec<TextDiff>>, Problem> {
    let record = find(&api, &name)?;
    off_loop(move || {
        let live = draft::live_state(&api.routes, &api.store);
        let config = api.store.config(live.version)?.text;
        let mut out = Vec::new();
        let mut add = |what: &str, old: &str, new: &str| {
            if old != new {
                let lines = diff(old, new);
                out.push(TextDiff { what: what.to_owned(), summary: summary(&lines), lines });
            }
        };
        add("config", &redact(&config), &redact(&record.config));
        let names: std::collections::BTreeSet<&String> =
            live.scripts.keys().chain(record.scripts.keys()).collect();
        for name in names {
            let text = |of: &BTreeMap<String, String>| of.get(name).cloned().unwrap_or_default();
            add(name, &text(&live.scripts), &text(&record.scripts));
        }
        Ok::<_, StoreError>(out)
    })
    .await
    .map(web::Json)
}

/// Checks all: the document, the scripts, and the proofs. Nothing changes.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/check", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = Checks), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn check(
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<Checks>, Problem> {
    let record = find(&api, &name)?;
    off_loop(move || Ok::<_, Problem>(draft::check(&api.routes, &record, &dialled(&api)).0))
        .await
        .map(web::Json)
}

/// Which calls to replay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayAsk {
    /// The last days.
    #[serde(default = "month")]
    days: u32,
}

fn month() -> u32 {
    30
}

/// What would have been different.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ReplayView {
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
pub(super) struct PriceView {
    currency: String,
    before_micros: i64,
    after_micros: i64,
}

/// A call that differs.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ChangedView {
    call: String,
    from: String,
    dialled: String,
    at_micros: i64,
    /// Where it goes by what is in force.
    before: String,
    /// Where the draft sends it.
    after: String,
    /// What the first way costs more, millionths of a unit; negative: less.
    dearer_micros: Option<i64>,
}

/// Puts the calls of the last days through the draft, on paper.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/replay", tag = "drafts", params(("name" = String, Path)),
    request_body = ReplayAsk, responses((status = 200, body = ReplayView),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn replay(
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Json<ReplayAsk>,
) -> Result<web::Json<ReplayView>, Problem> {
    let record = find(&api, &name)?;
    let since = now_micros().saturating_sub(i64::from(body.days) * 86_400_000_000);
    off_loop(move || {
        let built = draft::build(&api.routes, &record).map_err(|f| Problem::faulty("draft", f))?;
        let live = api.routes.engine();
        let began = Instant::now();
        let go_on = || began.elapsed() < REPLAY_TIME;
        let mut calls = Vec::new();
        let mut before = None;
        while go_on() {
            let query = CdrQuery { before, since_micros: Some(since), limit: 500, ..CdrQuery::default() };
            let page = api.store.cdrs(&query)?;
            calls.extend(page.records.iter().filter_map(draft::past));
            before = page.next;
            // Later pages are older still.
            if before.is_none() || page.records.is_empty() {
                break;
            }
        }
        let asked = Instant::now();
        let found = replay::replay(calls, &live, &built.in_force.engine, go_on);
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

/// Says that the draft was compared with what is in force now, and may replace it.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/rebase", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = DraftView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rebase(
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<DraftView>, Problem> {
    let mut record = find(&api, &name)?;
    must_be_open(&record)?;
    record.base = draft::live_state(&api.routes, &api.store);
    record.revision += 1;
    let shown = view(&record, &record.base);
    api.store.put_draft(record).await?;
    Ok(web::Json(shown))
}

/// What was put in force.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct InForceNow {
    /// The configuration version.
    version: u64,
    /// `2 lines added, 1 removed`: of the document.
    summary: String,
    /// Scripts whose text changed.
    scripts: Vec<String>,
    /// What the checks found; warnings.
    checks: Option<Checks>,
}

/// Puts the draft in force, its document and its scripts together, after all checks.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/activate", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = InForceNow), (status = 412, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn activate(
    api: web::Data<Api>,
    who: Identity,
    name: web::Path<String>,
) -> Result<web::Json<InForceNow>, Problem> {
    let mut record = find(&api, &name)?;
    must_be_open(&record)?;
    let live = draft::live_state(&api.routes, &api.store);
    if record.base != live {
        let detail = format!(
            "something else was put in force since the draft was made from version {}: look at its diff, then rebase it",
            record.base.version
        );
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail));
    }
    let (checks, built) = proved(&api, &record).await?;
    api.routes.end_canary(&record.name);
    // On the disk before anything is changed: a start after a power cut takes back what was half done.
    let before = live.clone();
    record.active =
        Some(Activated { at_micros: now_micros(), version: 0, before: before.clone(), undone: false });
    api.store.put_draft(record.clone()).await?;
    let scripts = WithScripts {
        prepared: built.in_force,
        texts: record.scripts.clone(),
        before: before.scripts.clone(),
    };
    let note = match record.note.as_str() {
        "" => format!("draft {}", record.name),
        note => format!("draft {}: {note}", record.name).chars().take(500).collect(),
    };
    let taken = take(&api, &who, Some(before.version), &note, record.config.clone(), Some(scripts)).await;
    let applied = match taken {
        Ok(applied) => applied,
        Err(problem) => {
            record.active = None;
            api.store.put_draft(record).await?;
            return Err(problem);
        }
    };
    if let Some(active) = &mut record.active {
        active.version = applied.meta.version;
    }
    let changed = changed(&before.scripts, &record.scripts);
    api.store.put_draft(record).await?;
    let (version, summary) = (applied.meta.version, applied.summary);
    Ok(web::Json(InForceNow { version, summary, scripts: changed, checks: Some(checks) }))
}

/// Takes the draft back: the document and the scripts that ran before it are in force again.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/undo", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = InForceNow), (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn undo(
    api: web::Data<Api>,
    who: Identity,
    name: web::Path<String>,
) -> Result<web::Json<InForceNow>, Problem> {
    let mut record = find(&api, &name)?;
    let active = record.active.clone().filter(|a| !a.undone);
    let Some(active) = active else {
        let detail = format!("draft {name} is not in force");
        return Err(Problem::new(StatusCode::CONFLICT, "draft-not-active", detail));
    };
    let live = draft::live_state(&api.routes, &api.store);
    if live.version != active.version {
        let detail = format!(
            "version {} was put in force after the draft, which is version {}: `ringtrip config undo` goes back step by step",
            live.version, active.version
        );
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail));
    }
    let (store, version) = (api.store.clone(), active.before.version);
    let text = off_loop(move || store.config(version)).await?.text;
    let old = DraftRecord { config: text.clone(), scripts: active.before.scripts.clone(), ..record.clone() };
    let routes = api.routes.clone();
    let built =
        off_loop(move || draft::build(&routes, &old).map_err(|f| Problem::faulty("document", f))).await?;
    let scripts = WithScripts {
        prepared: built.in_force,
        texts: active.before.scripts.clone(),
        before: live.scripts.clone(),
    };
    let note = format!("undo: draft {name}, back to version {version}");
    let applied = take(&api, &who, Some(live.version), &note, text, Some(scripts)).await?;
    record.active = Some(Activated { undone: true, ..active.clone() });
    api.store.put_draft(record).await?;
    let scripts = changed(&live.scripts, &active.before.scripts);
    let (version, summary) = (applied.meta.version, applied.summary);
    Ok(web::Json(InForceNow { version, summary, scripts, checks: None }))
}

/// Forgets the draft. What is in force stays.
#[utoipa::path(delete, path = "/api/v1/drafts/{name}", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn discard(api: web::Data<Api>, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let record = find(&api, &name)?;
    api.routes.end_canary(&record.name);
    let gone = DraftRecord {
        discarded: true,
        config: String::new(),
        scripts: BTreeMap::new(),
        active: None,
        ..record
    };
    api.store.put_draft(gone).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which calls the draft decides about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CanaryAsk {
    /// All calls of this extension.
    #[serde(default)]
    extension: Option<String>,
    /// Or so many of 100 calls, 1 to 50.
    #[serde(default)]
    share: Option<u8>,
    /// Calls of the last hours count; 24 if not given.
    #[serde(default)]
    hours: Option<u32>,
    /// Calls needed on each side; 20 if not given.
    #[serde(default)]
    least: Option<u32>,
}

/// The canary of this draft.
#[utoipa::path(get, path = "/api/v1/drafts/{name}/canary", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = CanaryView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn canary(
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<CanaryView>, Problem> {
    let view = api.routes.canary().filter(|c| c.draft == *name);
    view.map(web::Json).ok_or_else(|| Problem::missing("canary of draft", &name))
}

/// Lets the draft decide about some calls. It is called back by itself when they go worse than the others.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/canary", tag = "drafts", params(("name" = String, Path)),
    request_body = CanaryAsk, responses((status = 200, body = CanaryView),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn start_canary(
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Json<CanaryAsk>,
) -> Result<web::Json<CanaryView>, Problem> {
    let record = find(&api, &name)?;
    must_be_open(&record)?;
    let share = match (&body.extension, body.share) {
        (Some(extension), None) => {
            let id = extension.parse().map_err(|e| Problem::bad(format!("extension {extension:?}: {e}")))?;
            Share::Extension(id)
        }
        (None, Some(share @ 1..=50)) => Share::Percent(share),
        _ => return Err(Problem::bad("name one extension, or a share of 1 to 50 of 100 calls")),
    };
    let usual = Rule::default();
    let rule = Rule {
        window: body.hours.map_or(usual.window, |h| Duration::from_secs(u64::from(h.clamp(1, 720)) * 3600)),
        least: body.least.map_or(usual.least, |n| n.clamp(1, 1000) as usize),
        ..usual
    };
    let (_, built) = proved(&api, &record).await?;
    api.routes.start_canary(&record.name, &built.in_force, share, rule)?;
    canary(api, name).await
}

/// Ends the canary. Calls in progress keep their routes.
#[utoipa::path(delete, path = "/api/v1/drafts/{name}/canary", tag = "drafts", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end_canary(
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    if api.routes.end_canary(&name) {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(Problem::missing("canary of draft", &name))
}

fn find(api: &Api, name: &str) -> Result<DraftRecord, Problem> {
    api.store.draft(name).ok_or_else(|| Problem::missing("draft", name))
}

/// All checks of the draft, which it must pass, and what it is made of.
async fn proved(api: &web::Data<Api>, record: &DraftRecord) -> Result<(Checks, draft::Built), Problem> {
    let (api, record) = (api.clone(), record.clone());
    let (checks, built) =
        off_loop(move || Ok::<_, Problem>(draft::check(&api.routes, &record, &dialled(&api)))).await?;
    match built {
        Some(built) if checks.ok => Ok((checks, built)),
        _ => Err(Problem::faulty("draft", checks.faults)),
    }
}

fn must_be_open(record: &DraftRecord) -> Result<(), Problem> {
    if record.phase() == DraftPhase::Open {
        return Ok(());
    }
    let detail = format!("draft {} was activated already; make a new one of what is in force", record.name);
    Err(Problem::new(StatusCode::CONFLICT, "draft-active", detail))
}

fn changed(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    new.iter().filter(|(name, text)| old.get(*name) != Some(text)).map(|(name, _)| name.clone()).collect()
}

fn view(record: &DraftRecord, live: &DraftState) -> DraftView {
    DraftView {
        name: record.name.clone(),
        author: record.author.clone(),
        note: record.note.clone(),
        at_micros: record.at_micros,
        revision: record.revision,
        phase: record.phase(),
        base_version: record.base.version,
        stale: record.phase() == DraftPhase::Open && record.base != *live,
        version: record.active.as_ref().map(|a| a.version),
        scripts: record.scripts.keys().cloned().collect(),
    }
}
