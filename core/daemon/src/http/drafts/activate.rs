//! A draft is activated, and taken back: all of it in one step, or nothing.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DraftView, find, must_be_open, proved, view};
use crate::deploy::WithScripts;
use crate::drafts::{Built, Checks, NotTaken};
use crate::http::access::Admin;
use crate::http::auth::Identity;
use crate::http::config::{Applied, take};
use crate::http::operation::{Operations, path};
use crate::http::{Api, Problem, off_loop};
use crate::store::{Activated, DraftRecord, DraftState, Parts, now_micros};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/drafts/{name}/rebase").post(rebase),
        path("/drafts/{name}/activate").post(activate),
        path("/drafts/{name}/undo").post(undo),
    ]
}

/// Says that the draft was compared with what is active now, and may replace it.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/rebase", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = DraftView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn rebase(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<DraftView>, Problem> {
    let _one = api.drafts.one_change().await;
    let mut record = find(&api, &name)?;
    must_be_open(&record)?;
    record.base = api.drafts.live_state(&record.parts);
    record.revision += 1;
    let shown = view(&api, &record);
    api.store.put_draft(record).await?;
    Ok(web::Json(shown))
}

/// What was activated.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::http) struct InForceNow {
    /// The configuration version.
    version: u64,
    /// `2 lines added, 1 removed`: of the document.
    summary: String,
    /// Scripts whose text changed.
    scripts: Vec<String>,
    /// Rate decks that changed.
    decks: Vec<String>,
    /// Plugins that changed.
    plugins: Vec<String>,
    /// What the checks found; warnings.
    checks: Option<Checks>,
}

/// Activates the draft after all checks: its document, scripts, decks and plugins together.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/activate", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = InForceNow), (status = 412, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn activate(
    who: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<InForceNow>, Problem> {
    let _one = api.drafts.one_change().await;
    let mut record = find(&api, &name)?;
    must_be_open(&record)?;
    let before = api.drafts.live_state(&record.parts);
    if record.base != before {
        let detail = format!(
            "something else was activated since the draft was made from version {}: review its diff, then rebase it",
            record.base.version
        );
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail));
    }
    let (checks, built) = proved(&api, &record).await?;
    save_current_parts(&api, &before.parts).await?;
    api.routes.end_canary(&record.name);
    record.canary = None;
    // On the disk before anything is changed: a start after a power cut takes back what was half done.
    record.active = Some(Activated {
        at_micros: now_micros(),
        version: 0,
        before: before.clone(),
        undoing: false,
        undone: false,
    });
    api.store.put_draft(record.clone()).await?;
    let note = match record.note.as_str() {
        "" => format!("draft {}", record.name),
        note => format!("draft {}: {note}", record.name).chars().take(500).collect(),
    };
    let to = Wanted { config: &record.config, scripts: &record.scripts, parts: &record.parts, built };
    let applied = match step(&api, &who, &before, to, &note).await {
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
    let now = InForceNow::of(applied, &before, &record.scripts, &record.parts, Some(checks));
    api.store.put_draft(record).await?;
    Ok(web::Json(now))
}

/// Takes the draft back: the document, scripts, decks and plugins that stood before it are active again.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/undo", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = InForceNow), (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn undo(
    who: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<InForceNow>, Problem> {
    let _one = api.drafts.one_change().await;
    let mut record = find(&api, &name)?;
    let active = record.active.clone().filter(|a| !a.undone);
    let Some(active) = active else {
        let detail = format!("draft {name} is not active");
        return Err(Problem::new(StatusCode::CONFLICT, "draft-not-active", detail));
    };
    let live = api.drafts.live_state(&record.parts);
    if live.version != active.version {
        let detail = format!(
            "version {} was activated after the draft, which is version {}: `ringtrip config undo` goes back step by step",
            live.version, active.version
        );
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail));
    }
    if let Some(what) = differing(&live.parts, &record.parts) {
        let detail = format!(
            "{what} was changed after the draft was activated, and undoing the draft would lose that change: change it back by itself"
        );
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail));
    }
    let (store, version) = (api.store.clone(), active.before.version);
    let text = off_loop(move || store.config(version)).await?.text;
    let before = active.before.clone();
    let old = DraftRecord {
        config: text.clone(),
        scripts: before.scripts.clone(),
        parts: before.parts.clone(),
        ..record.clone()
    };
    let data = api.clone();
    let built = off_loop(move || data.drafts.build(&old).map_err(|f| Problem::faulty("document", f))).await?;
    // What stands goes with the draft, whose files are kept as long as it is.
    record.active = Some(Activated { undoing: true, ..active.clone() });
    api.store.put_draft(record.clone()).await?;
    let note = format!("undo: draft {name}, back to version {version}");
    let to = Wanted { config: &text, scripts: &before.scripts, parts: &before.parts, built };
    let applied = match step(&api, &who, &live, to, &note).await {
        Ok(applied) => applied,
        Err(problem) => {
            record.active = Some(active);
            api.store.put_draft(record).await?;
            return Err(problem);
        }
    };
    record.active = Some(Activated { undone: true, ..active });
    api.store.put_draft(record).await?;
    Ok(web::Json(InForceNow::of(applied, &live, &before.scripts, &before.parts, None)))
}

/// What is to be active.
struct Wanted<'a> {
    config: &'a str,
    scripts: &'a BTreeMap<String, String>,
    parts: &'a Parts,
    built: Built,
}

/// From what stands to what is wanted, in one step: decks and plugins first, then the scripts with the document. Where one
/// of them is refused, those before it are put back.
async fn step(
    api: &web::Data<Api>,
    who: &Identity,
    current_parts: &DraftState,
    to: Wanted<'_>,
    note: &str,
) -> Result<Applied, Problem> {
    // Plugins are asked together with the document that names them, not before.
    let held = api.routes.defer_plugins();
    let config = to.built.config.clone();
    let exchange = |to: &Parts, back: &Parts| {
        let (api, config, by) = (api.clone(), config.clone(), who.name.clone());
        let (to, back) = (to.clone(), back.clone());
        off_loop(move || api.drafts.exchange(&config, &to, &back, &by).map_err(Problem::from))
    };
    exchange(to.parts, &current_parts.parts).await?;
    let scripts = WithScripts {
        prepared: to.built.active,
        texts: to.scripts.clone(),
        before: current_parts.scripts.clone(),
    };
    let taken = take(api, who, Some(current_parts.version), note, to.config.to_owned(), Some(scripts)).await;
    let taken = match taken {
        Ok(applied) => Ok(applied),
        Err(problem) => match exchange(&current_parts.parts, to.parts).await {
            Ok(()) => Err(problem),
            Err(back) => {
                let detail = format!("{} {}", problem.detail, back.detail);
                Err(Problem { detail, ..problem })
            }
        },
    };
    drop(held);
    taken
}

async fn save_current_parts(api: &web::Data<Api>, current_parts: &Parts) -> Result<(), Problem> {
    let (api, current_parts) = (api.clone(), current_parts.clone());
    let refused = |e: std::io::Error| Problem::unwritten("what stands now, kept for an undoing,", &e);
    off_loop(move || api.drafts.save_current_parts(&current_parts).map_err(refused)).await
}

/// The first deck or plugin in which these differ.
fn differing(a: &Parts, b: &Parts) -> Option<String> {
    let deck = a.decks.iter().find(|(name, mark)| b.decks.get(*name) != Some(*mark));
    let plugin = a.plugins.iter().find(|(name, kept)| b.plugins.get(*name) != Some(*kept));
    deck.map(|(name, _)| format!("deck {name}")).or_else(|| plugin.map(|(name, _)| format!("plugin {name}")))
}

impl InForceNow {
    fn of(
        applied: Applied,
        before: &DraftState,
        scripts: &BTreeMap<String, String>,
        parts: &Parts,
        checks: Option<Checks>,
    ) -> InForceNow {
        InForceNow {
            version: applied.meta.version,
            summary: applied.summary,
            scripts: changed(&before.scripts, scripts),
            decks: changed(&before.parts.decks, &parts.decks),
            plugins: changed(&before.parts.plugins, &parts.plugins),
            checks,
        }
    }
}

fn changed<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    new.iter().filter(|(name, to)| old.get(*name) != Some(to)).map(|(name, _)| name.clone()).collect()
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Problem {
        match why {
            NotTaken::Deck(why) => why.into(),
            NotTaken::Other(why) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "draft-not-taken",
                format!("{why}. Nothing was changed"),
            ),
            torn @ NotTaken::Torn { .. } => Problem::internal(torn.to_string()),
        }
    }
}
