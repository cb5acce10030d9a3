//! Drafts over HTTP: routes are written, compared, checked and replayed before they are active; activated and undone
//! whole, the configuration with its scripts, rate decks and plugins.

pub(super) mod activate;
pub(super) mod canary;
pub(super) mod parts;
#[cfg(feature = "plugins")]
pub(super) mod plugins;
pub(super) mod replay;

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{Admin, Reader};
use super::auth::Identity;
use super::config::toml_text;
use super::dry_run::{DryRunKind, dry_run};
use super::if_match::{etag, if_match};
use super::operation::{Operations, path};
use super::routes::dialled;
use super::{Api, Problem, off_loop};
use crate::config::{DiffLine, diff, redact, summary};
use crate::drafts::{Built, Checks};
use crate::store::{
    CanarySettings, DraftPhase, DraftRecord, DraftState, Parts, Scope, StoreError, now_micros,
};

pub(super) fn operations() -> Vec<Operations> {
    let mut all = vec![
        path("/drafts").get(list).post(create),
        path("/drafts/{name}").get(one).delete(discard),
        path("/drafts/{name}/config").put(put_config),
        path("/drafts/{name}/scripts/{script}").put(put_script),
        path("/drafts/{name}/diff").get(compare),
        path("/drafts/{name}/check").post(check),
    ];
    all.extend(replay::operations());
    all.extend(activate::operations());
    all.extend(canary::operations());
    all.extend(parts::operations());
    #[cfg(feature = "plugins")]
    all.extend(plugins::operations());
    all
}

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
    /// Something else was activated since: `rebase` it, or it cannot be activated.
    stale: bool,
    /// The version that it became.
    version: Option<u64>,
    /// Its scripts.
    scripts: Vec<String>,
    /// Rate decks that replace the active ones.
    decks: Vec<String>,
    /// Plugins that it installs, replaces or sets.
    plugins: Vec<String>,
    /// Rate decks and plugins that it removes: `deck gw1`, `plugin policy-quiet-hours`.
    removes: Vec<String>,
    /// Which calls it decides about, if it does; a start takes that up again.
    canary: Option<CanarySettings>,
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
pub(super) async fn list(_: Reader, api: web::Data<Api>) -> web::Json<Vec<DraftView>> {
    web::Json(api.store.drafts().iter().map(|d| view(&api, d)).collect())
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

/// Makes a draft of what is active.
#[utoipa::path(post, path = "/api/v1/drafts", tag = "drafts", request_body = NewDraft, responses(
    (status = 201, body = DraftView), (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    who: Admin,
    api: web::Data<Api>,
    body: web::Json<NewDraft>,
) -> Result<HttpResponse, Problem> {
    let NewDraft { name, note } = body.into_inner();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let _one = api.drafts.one_change().await;
    if name.is_empty() || name.len() > 40 || !plain {
        return Err(Problem::bad(format!(
            "invalid draft name {name:?}: expected letters, digits, '-' and '_', at most 40"
        )));
    }
    if api.store.draft(&name).is_some() {
        let detail = format!("draft {name:?} already exists; discard it, or choose another name");
        return Err(Problem::new(StatusCode::CONFLICT, "draft-exists", detail));
    }
    if api.store.drafts().len() >= MOST {
        return Err(Problem::bad(format!("there are {MOST} drafts; discard some first")));
    }
    let base = api.drafts.live_state(&Parts::default());
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
        parts: Parts::default(),
        canary: None,
        active: None,
        discarded: false,
    };
    let shown = view(&api, &record);
    api.store.put_draft(record).await?;
    Ok(HttpResponse::Created().insert_header((ETAG, etag(1))).json(shown))
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
    who: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
    shown: web::Query<Shown>,
) -> Result<HttpResponse, Problem> {
    if shown.secrets && who.scope != Scope::Admin {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "only an administrator sees passwords"));
    }
    let record = find(&api, &name)?;
    let config = if shown.secrets { record.config.clone() } else { redact(&record.config, who.viewer()) };
    let texts = DraftTexts { draft: view(&api, &record), config, script_texts: record.scripts.clone() };
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(record.revision))).json(texts))
}

/// Replaces the draft's document (TOML in the body). Nothing is checked yet, nothing is active.
#[utoipa::path(put, path = "/api/v1/drafts/{name}/config", tag = "drafts", params(("name" = String, Path),
    ("If-Match" = String, Header)), request_body(content = String, content_type = "application/toml"), responses(
    (status = 200, body = DraftView), (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put_config(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
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
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
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
    api: &web::Data<Api>,
    who: &Identity,
    name: &str,
    change: impl FnOnce(&mut DraftRecord) + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let work = |_: &Api, record: &mut DraftRecord| {
        change(record);
        Ok::<_, Problem>(())
    };
    let (tag, shown, ()) = changed(request, api, who, name, work).await?;
    Ok(HttpResponse::Ok().insert_header(tag).json(shown))
}

/// Changes a draft at the revision that the request names, and keeps it: its tag, its view, and what the work gives. What
/// is refused changes nothing.
async fn changed<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    request: &HttpRequest,
    api: &web::Data<Api>,
    who: &Identity,
    name: &str,
    work: impl FnOnce(&Api, &mut DraftRecord) -> Result<T, E> + Send + 'static,
) -> Result<(Tag, DraftView, T), Problem> {
    let _one = api.drafts.one_change().await;
    let mut record = open_for(request, api, name)?;
    let data = api.clone();
    let (record, made) = off_loop(move || {
        let made = work(&data, &mut record)?;
        Ok::<_, E>((record, made))
    })
    .await?;
    let (tag, shown) = save(api, who, record).await?;
    Ok((tag, shown, made))
}

type Tag = (actix_web::http::header::HeaderName, String);

/// The draft that a request changes, at the revision that it names.
fn open_for(request: &HttpRequest, api: &Api, name: &str) -> Result<DraftRecord, Problem> {
    let record = find(api, name)?;
    must_be_open(&record)?;
    let of = format!("/api/v1/drafts/{name}");
    match if_match(request, &of)? {
        Some(wanted) if wanted != record.revision => {
            let detail = format!(
                "the draft is at revision {} now, not {wanted}: read it again and repeat the change",
                record.revision
            );
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail))
        }
        _ => Ok(record),
    }
}

/// Keeps a changed draft as its next revision.
async fn save(api: &Api, who: &Identity, mut record: DraftRecord) -> Result<(Tag, DraftView), Problem> {
    let octets = record.config.len() + record.scripts.values().map(String::len).sum::<usize>();
    if octets > LARGEST {
        return Err(Problem::bad(format!("the draft is too large: {octets} octets, at most {LARGEST}")));
    }
    record.revision += 1;
    record.author.clone_from(&who.name);
    record.at_micros = now_micros();
    let (tag, shown) = ((ETAG, etag(record.revision)), view(api, &record));
    api.store.put_draft(record).await?;
    Ok((tag, shown))
}

/// A comparison of one part.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct TextDiff {
    /// `config`, a script's file name, `deck gw1`, or `plugin policy-quiet-hours`.
    what: String,
    /// `2 lines added, 1 removed`.
    summary: String,
    /// All lines of both, of a deck the first that differ; passwords hidden.
    lines: Vec<DiffLine>,
}

/// What the draft changes against what is active: texts, decks and plugins that differ.
#[utoipa::path(get, path = "/api/v1/drafts/{name}/diff", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = Vec<TextDiff>), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn compare(
    who: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<Vec<TextDiff>>, Problem> {
    let record = find(&api, &name)?;
    let viewer = who.viewer();
    off_loop(move || {
        let live = api.drafts.live_state(&Parts::default());
        let config = api.store.config(live.version)?.text;
        let mut out = Vec::new();
        let mut add = |what: &str, old: &str, new: &str| {
            if old != new {
                let lines = diff(old, new);
                out.push(TextDiff { what: what.to_owned(), summary: summary(&lines), lines });
            }
        };
        let (before, after) = (redact(&config, viewer), redact(&record.config, viewer));
        add("config", &before, &after);
        if before == after && config != record.config {
            add("config", "", "a password differs");
        }
        let names: BTreeSet<&String> = live.scripts.keys().chain(record.scripts.keys()).collect();
        for name in names {
            let text = |of: &BTreeMap<String, String>| of.get(name).cloned().unwrap_or_default();
            add(name, &text(&live.scripts), &text(&record.scripts));
        }
        let parts = api.drafts.part_diffs(&record).into_iter();
        out.extend(parts.map(|p| TextDiff { what: p.what, summary: p.summary, lines: p.lines }));
        Ok::<_, StoreError>(out)
    })
    .await
    .map(web::Json)
}

/// Checks all: the document, the scripts, and the proofs. Nothing changes.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/check", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = Checks), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn check(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<Checks>, Problem> {
    let record = find(&api, &name)?;
    let check = move || Ok::<_, Problem>(api.drafts.check(&record, &dialled(&api)).0);
    dry_run(DryRunKind::Long, check).await.map(web::Json)
}

/// How it is discarded.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Discard {
    /// Though it is active, and can then not be undone.
    #[serde(default)]
    force: bool,
}

/// Forgets the draft. What is active stays.
#[utoipa::path(delete, path = "/api/v1/drafts/{name}", tag = "drafts", params(("name" = String, Path), Discard),
    responses((status = 204), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn discard(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
    how: web::Query<Discard>,
) -> Result<HttpResponse, Problem> {
    let _one = api.drafts.one_change().await;
    let record = find(&api, &name)?;
    if record.phase() == DraftPhase::Active && !how.force {
        let detail = format!(
            "draft {name} is active, and what was active before it could not be restored any more: undo it first, or discard \
             it with force=true"
        );
        return Err(Problem::new(StatusCode::CONFLICT, "draft-active", detail));
    }
    api.routes.end_canary(&record.name);
    let gone = DraftRecord {
        discarded: true,
        config: String::new(),
        scripts: BTreeMap::new(),
        parts: Parts::default(),
        base: DraftState::default(),
        canary: None,
        active: None,
        ..record
    };
    api.store.put_draft(gone).await?;
    let drafts = api.drafts.clone();
    off_loop(move || {
        drafts.tidy();
        Ok::<_, Problem>(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn find(api: &Api, name: &str) -> Result<DraftRecord, Problem> {
    api.store.draft(name).ok_or_else(|| Problem::missing("draft", name))
}

/// All checks of the draft, which it must pass, and what it is made of.
async fn proved(api: &web::Data<Api>, record: &DraftRecord) -> Result<(Checks, Built), Problem> {
    let (api, record) = (api.clone(), record.clone());
    let check = move || Ok::<_, Problem>(api.drafts.check(&record, &dialled(&api)));
    let (checks, built) = dry_run(DryRunKind::Long, check).await?;
    match built {
        Some(built) if checks.ok => Ok((checks, built)),
        _ => Err(Problem::faulty("draft", checks.faults)),
    }
}

fn must_be_open(record: &DraftRecord) -> Result<(), Problem> {
    if record.phase() == DraftPhase::Open {
        return Ok(());
    }
    let detail =
        format!("draft {} was activated already; create a new one from the active routing", record.name);
    Err(Problem::new(StatusCode::CONFLICT, "draft-active", detail))
}

fn view(api: &Api, record: &DraftRecord) -> DraftView {
    let named = |there: bool| {
        let decks = record.parts.decks.iter().filter(move |(_, d)| d.is_some() == there);
        let plugins = record.parts.plugins.iter().filter(move |(_, p)| p.is_some() == there);
        (decks.map(|(name, _)| name.clone()), plugins.map(|(name, _)| name.clone()))
    };
    let ((decks, plugins), (no_decks, no_plugins)) = (named(true), named(false));
    let removes = no_decks.map(|d| format!("deck {d}")).chain(no_plugins.map(|p| format!("plugin {p}")));
    DraftView {
        name: record.name.clone(),
        author: record.author.clone(),
        note: record.note.clone(),
        at_micros: record.at_micros,
        revision: record.revision,
        phase: record.phase(),
        base_version: record.base.version,
        stale: record.phase() == DraftPhase::Open && !api.drafts.stands(&record.base),
        version: record.active.as_ref().map(|a| a.version),
        scripts: record.scripts.keys().cloned().collect(),
        decks: decks.collect(),
        plugins: plugins.collect(),
        removes: removes.collect(),
        canary: record.canary.clone(),
    }
}
