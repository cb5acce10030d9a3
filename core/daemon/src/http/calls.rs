//! Calls in progress and calls that were.

use std::path::Path;

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use ringtrip_model::ids::CallId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{Admin, Reader};
use super::operation::{Operations, path};
use super::{Api, Problem, off_loop};
use crate::control::AdminCommand;
use crate::store::{CdrQuery, CdrRecord};
use crate::views::CallView;

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/calls").get(list).post(originate),
        path("/calls/{id}").get(one).delete(hangup),
        path("/cdrs").get(cdrs),
        path("/cdrs/{id}").get(cdr),
        path("/cdrs/{id}/recording").get(recording),
    ]
}

/// Calls in progress.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", responses((status = 200, body = Vec<CallView>)))]
pub(super) async fn list(_: Reader, api: web::Data<Api>) -> web::Json<Vec<CallView>> {
    web::Json(api.exchange.with_views(|v| v.calls.values().cloned().collect()))
}

/// A call in progress.
#[utoipa::path(get, path = "/api/v1/calls/{id}", tag = "calls", params(("id" = String, Path)), responses(
    (status = 200, body = CallView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    _: Reader,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<CallView>, Problem> {
    let found = api.exchange.with_views(|v| v.calls.get(id.as_str()).cloned());
    found.map(web::Json).ok_or_else(|| Problem::missing("call in progress", &id))
}

/// A call to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    /// Rings first: an extension or a line.
    from: String,
    /// Is then called, as if it had been dialled there.
    to: String,
}

/// A call that was started.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Started {
    /// The call.
    id: String,
}

/// Rings `from`, then calls `to`.
#[utoipa::path(post, path = "/api/v1/calls", tag = "calls", request_body = NewCall, responses(
    (status = 201, body = Started), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn originate(
    _: Admin,
    api: web::Data<Api>,
    body: web::Json<NewCall>,
) -> Result<HttpResponse, Problem> {
    let NewCall { from, to } = body.into_inner();
    if from.is_empty() || to.is_empty() || to.len() > 128 {
        return Err(Problem::bad(
            "`from` names an extension or a line, `to` is a number of 1 to 128 characters",
        ));
    }
    let call = api.exchange.ask(|reply| AdminCommand::Originate { from, to, reply }).await?;
    let location = format!("/api/v1/calls/{call}");
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(Started { id: call.to_string() }))
}

/// Hangs up.
#[utoipa::path(delete, path = "/api/v1/calls/{id}", tag = "calls", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn hangup(
    _: Admin,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let call = call_id(&id)?;
    api.exchange.ask(|reply| AdminCommand::Hangup { call, reply }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Which CDRs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// At most so many, 1–500; 50 if not given.
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Only calls that started at or after this, microseconds since 1970 UTC.
    since_micros: Option<i64>,
    /// Only calls where a number, extension, line or target contains this.
    party: Option<String>,
    /// Only calls that ended so: `normal`, `busy`, …
    cause: Option<String>,
    /// Only calls in progress (`true`) or ended (`false`).
    open: Option<bool>,
}

/// A page of CDRs, newest first.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct CdrPage {
    /// The records.
    cdrs: Vec<CdrRecord>,
    /// Cursor of the next page; null at the end.
    next: Option<String>,
}

/// Call detail records, newest first.
#[utoipa::path(get, path = "/api/v1/cdrs", tag = "calls", params(Wanted), responses((status = 200, body = CdrPage)))]
pub(super) async fn cdrs(
    _: Reader,
    api: web::Data<Api>,
    wanted: web::Query<Wanted>,
) -> Result<web::Json<CdrPage>, Problem> {
    let wanted = wanted.into_inner();
    let query = CdrQuery {
        before: wanted.cursor.as_deref().map(call_id).transpose()?.map(|c| c.0),
        since_micros: wanted.since_micros,
        limit: wanted.limit.unwrap_or(50),
        party: wanted.party,
        cause: wanted.cause,
        open: wanted.open,
    };
    let page = off_loop(move || api.store.cdrs(&query)).await?;
    Ok(web::Json(CdrPage { cdrs: page.records, next: page.next.map(|c| format!("{c:016x}")) }))
}

/// One CDR.
#[utoipa::path(get, path = "/api/v1/cdrs/{id}", tag = "calls", params(("id" = String, Path)), responses(
    (status = 200, body = CdrRecord), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cdr(
    _: Reader,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<CdrRecord>, Problem> {
    let call = call_id(&id)?;
    off_loop(move || api.store.cdr(call.0)).await.map(web::Json)
}

/// The recording of a call: stereo WAV, the caller on the left. For administrators only.
#[utoipa::path(get, path = "/api/v1/cdrs/{id}/recording", tag = "calls", params(("id" = String, Path)), responses(
    (status = 200, content_type = "audio/wav", body = Vec<u8>),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn recording(
    _: Admin,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let call = call_id(&id)?;
    let missing = Problem::missing("recording of call", &id);
    let bytes = off_loop(move || -> Result<Option<Vec<u8>>, Problem> {
        let Some(file) = api.store.cdr(call.0)?.recording else { return Ok(None) };
        // The name is ours; a record that was tampered with leads nowhere else.
        let bare = Path::new(&file).file_name().is_some_and(|name| name == file.as_str());
        if !bare {
            return Ok(None);
        }
        Ok(std::fs::read(api.store.folder().join("recordings").join(file)).ok())
    });
    let bytes = bytes.await?.ok_or(missing)?;
    Ok(HttpResponse::Ok().content_type("audio/wav").body(bytes))
}

fn call_id(text: &str) -> Result<CallId, Problem> {
    text.parse().map_err(|_| Problem::bad(format!("invalid call ID {text:?}: expected 16 hex digits")))
}
