//! A draft that decides about some calls.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use ringtrip_host::canary::{Rule, Share};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{find, must_be_open, proved};
use crate::http::{Api, Problem};
use crate::routes::CanaryView;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/drafts/{name}/canary")
            .route(web::get().to(canary))
            .route(web::post().to(start_canary))
            .route(web::delete().to(end_canary)),
    );
}

/// Which calls the draft decides about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CanaryAsk {
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
pub(in crate::http) async fn canary(
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
pub(in crate::http) async fn start_canary(
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
pub(in crate::http) async fn end_canary(
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    if api.routes.end_canary(&name) {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(Problem::missing("canary of draft", &name))
}
