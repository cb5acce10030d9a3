//! The configuration over HTTP: read, check, change with `If-Match`, compare, undo. A change is checked whole, kept on
//! the disk, and only then made active ([`crate::deploy`]); if the exchange does not take it, it is undone at once.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{Admin, Reader};
use super::auth::Identity;
use super::if_match::{etag, if_match};
use super::operation::{Operations, path};
use super::{Api, Problem, off_loop};
use crate::config::{DiffLine, Fault, diff, read, redact, summary};
use crate::deploy::{Change, Deployed, WithScripts};
use crate::store::{ConfigMeta, ConfigVersion, Scope};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/config").get(current).put(put),
        path("/config/validate").post(validate),
        path("/config/versions").get(versions),
        path("/config/versions/{version}").get(version),
        path("/config/diff").get(compare),
        path("/config/undo").post(undo),
    ]
}

/// A version with its text.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Document {
    /// Version, author, time, note.
    #[serde(flatten)]
    meta: ConfigMeta,
    /// The TOML document; passwords are `***` unless an administrator asked for them.
    text: String,
}

/// How to show it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Shown {
    /// With passwords; administrators only.
    #[serde(default)]
    secrets: bool,
}

/// The newest version. Its `ETag` is what `If-Match` of a change must say.
#[utoipa::path(get, path = "/api/v1/config", tag = "config", params(Shown), responses((status = 200, body = Document),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn current(
    who: Reader,
    api: web::Data<Api>,
    shown: web::Query<Shown>,
) -> Result<HttpResponse, Problem> {
    let head = api.store.config_head();
    show(api, &who, head, shown.secrets).await
}

/// An earlier version.
#[utoipa::path(get, path = "/api/v1/config/versions/{version}", tag = "config",
    params(("version" = u64, Path), Shown), responses((status = 200, body = Document),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn version(
    who: Reader,
    api: web::Data<Api>,
    version: web::Path<u64>,
    shown: web::Query<Shown>,
) -> Result<HttpResponse, Problem> {
    show(api, &who, *version, shown.secrets).await
}

async fn show(
    api: web::Data<Api>,
    who: &Identity,
    version: u64,
    secrets: bool,
) -> Result<HttpResponse, Problem> {
    if secrets && who.scope != Scope::Admin {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "only an administrator sees passwords"));
    }
    let ConfigVersion { meta, text } = off_loop(move || api.store.config(version)).await?;
    let text = if secrets { text } else { redact(&text, who.viewer()) };
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(meta.version))).json(Document { meta, text }))
}

/// All versions, newest first.
#[utoipa::path(get, path = "/api/v1/config/versions", tag = "config", responses((status = 200, body = Vec<ConfigMeta>)))]
pub(super) async fn versions(_: Reader, api: web::Data<Api>) -> web::Json<Vec<ConfigMeta>> {
    let mut versions = api.store.configs();
    versions.reverse();
    web::Json(versions)
}

/// What a check found.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Checked {
    /// Would the document be taken?
    ok: bool,
    /// Errors and warnings, each with its place.
    faults: Vec<Fault>,
}

/// Checks a document (TOML in the body) and changes nothing.
#[utoipa::path(post, path = "/api/v1/config/validate", tag = "config", request_body(content = String,
    content_type = "application/toml"), responses((status = 200, body = Checked)))]
pub(super) async fn validate(_: Reader, body: web::Bytes) -> Result<web::Json<Checked>, Problem> {
    let text = toml_text(&body)?;
    Ok(web::Json(match read(&text) {
        Ok((_, faults)) => Checked { ok: true, faults },
        Err(faults) => Checked { ok: false, faults },
    }))
}

/// Why.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Note {
    /// A sentence for those who read the versions later.
    #[serde(default)]
    note: String,
}

/// A change that is active.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Applied {
    /// The version that is active now.
    #[serde(flatten)]
    pub meta: ConfigMeta,
    /// Warnings; the document was taken.
    pub faults: Vec<Fault>,
    /// `2 lines added, 1 removed`.
    pub summary: String,
}

/// Replaces the document (TOML in the body). `If-Match` names the version that was changed.
#[utoipa::path(put, path = "/api/v1/config", tag = "config", params(Note, ("If-Match" = String, Header)),
    request_body(content = String, content_type = "application/toml"), responses((status = 200, body = Applied),
    (status = 412, description = "Somebody else changed it", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Faults", body = Problem, content_type = "application/problem+json"),
    (status = 428, description = "No If-Match", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "Disk full", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    note: web::Query<Note>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let expected = if_match(&request, "/api/v1/config")?;
    change(&api, &who, expected, &note.note, toml_text(&body)?).await
}

/// Which version to return to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undo {
    /// The version whose text becomes the newest again; the one before the newest if not given.
    version: Option<u64>,
}

/// Makes an earlier text active again, as a new version.
#[utoipa::path(post, path = "/api/v1/config/undo", tag = "config", request_body = Undo, responses(
    (status = 200, body = Applied), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn undo(
    who: Admin,
    api: web::Data<Api>,
    body: web::Json<Undo>,
) -> Result<HttpResponse, Problem> {
    let head = api.store.config_head();
    let back_to = body.version.map_or_else(|| before(head), Ok)?;
    let store = api.store.clone();
    let old = off_loop(move || store.config(back_to)).await?;
    change(&api, &who, Some(head), &format!("undo: back to version {back_to}"), old.text).await
}

/// Which versions to compare.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Pair {
    /// The older; the one before `to` if not given.
    from: Option<u64>,
    /// The newer; the newest if not given.
    to: Option<u64>,
}

/// A comparison.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Comparison {
    /// The older version.
    from: u64,
    /// The newer version.
    to: u64,
    /// `2 lines added, 1 removed`.
    summary: String,
    /// All lines of both; passwords hidden.
    lines: Vec<DiffLine>,
}

/// Compares two versions line by line.
#[utoipa::path(get, path = "/api/v1/config/diff", tag = "config", params(Pair), responses(
    (status = 200, body = Comparison), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn compare(
    who: Reader,
    api: web::Data<Api>,
    pair: web::Query<Pair>,
) -> Result<web::Json<Comparison>, Problem> {
    let to = pair.to.unwrap_or_else(|| api.store.config_head());
    let from = pair.from.map_or_else(|| before(to), Ok)?;
    let viewer = who.viewer();
    off_loop(move || {
        let (old, new) = (api.store.config(from)?, api.store.config(to)?);
        let lines = diff(&redact(&old.text, viewer), &redact(&new.text, viewer));
        Ok::<_, crate::store::StoreError>(Comparison { from, to, summary: summary(&lines), lines })
    })
    .await
    .map(web::Json)
}

/// The version before this one.
fn before(version: u64) -> Result<u64, Problem> {
    let detail = "there is no version before the first; `ringtrip config versions` lists what there is";
    let none = || Problem::new(StatusCode::NOT_FOUND, "not-found", detail);
    version.checked_sub(1).filter(|n| *n > 0).ok_or_else(none)
}

async fn change(
    api: &web::Data<Api>,
    who: &Identity,
    expected: Option<u64>,
    note: &str,
    text: String,
) -> Result<HttpResponse, Problem> {
    let applied = take(api, who, expected, note, text, None).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(applied.meta.version))).json(applied))
}

/// Makes a text the newest version and activates it, with its scripts if there are any: both or neither.
pub(super) async fn take(
    api: &web::Data<Api>,
    who: &Identity,
    expected: Option<u64>,
    note: &str,
    text: String,
    scripts: Option<WithScripts>,
) -> Result<Applied, Problem> {
    let (by, note) = (who.name.clone(), note.to_owned());
    let deployed = api.deployer().activate(Change { by, note, from: expected, text, scripts }).await?;
    let Deployed { meta, faults, summary } = deployed;
    Ok(Applied { meta, faults, summary })
}

pub(super) fn toml_text(body: &web::Bytes) -> Result<String, Problem> {
    String::from_utf8(body.to_vec()).map_err(|e| {
        Problem::bad(format!("the document is not UTF-8 text (octet {})", e.utf8_error().valid_up_to() + 1))
    })
}
