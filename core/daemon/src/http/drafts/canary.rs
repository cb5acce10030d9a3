//! A draft that decides about some calls.

use actix_web::{HttpResponse, web};

use super::{find, must_be_open, proved};
use crate::drafts::share_and_rule;
use crate::http::access::{Admin, Reader};
use crate::http::operation::{Operations, path};
use crate::http::{Api, Problem};
use crate::routes::CanaryView;
use crate::store::CanarySettings;

pub(super) fn operations() -> Vec<Operations> {
    vec![path("/drafts/{name}/canary").get(canary).post(start_canary).delete(end_canary)]
}

/// The canary of this draft.
#[utoipa::path(get, path = "/api/v1/drafts/{name}/canary", tag = "drafts", params(("name" = String, Path)), responses(
    (status = 200, body = CanaryView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn canary(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<CanaryView>, Problem> {
    view(&api, &name)
}

fn view(api: &Api, name: &str) -> Result<web::Json<CanaryView>, Problem> {
    let view = api.routes.canary().filter(|c| c.draft == name);
    view.map(web::Json).ok_or_else(|| Problem::missing("canary of draft", name))
}

/// Lets the draft decide about some calls. It is rolled back by itself when they go worse than the others.
#[utoipa::path(post, path = "/api/v1/drafts/{name}/canary", tag = "drafts", params(("name" = String, Path)),
    request_body = CanarySettings, responses((status = 200, body = CanaryView),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn start_canary(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Json<CanarySettings>,
) -> Result<web::Json<CanaryView>, Problem> {
    let _one = api.drafts.one_change().await;
    let mut record = find(&api, &name)?;
    must_be_open(&record)?;
    let settings = body.into_inner();
    let (share, rule) = share_and_rule(&settings).map_err(Problem::bad)?;
    let (_, built) = proved(&api, &record).await?;
    api.routes.start_canary(&record.name, &built.active, share, rule)?;
    record.canary = Some(settings);
    api.store.put_draft(record).await?;
    view(&api, &name)
}

/// Ends the canary. Calls in progress keep their routes.
#[utoipa::path(delete, path = "/api/v1/drafts/{name}/canary", tag = "drafts", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn end_canary(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    if !api.routes.end_canary(&name) {
        return Err(Problem::missing("canary of draft", &name));
    }
    api.drafts.canary_over(&name).await?;
    Ok(HttpResponse::NoContent().finish())
}
