//! Plugins of a draft.

use actix_web::{HttpRequest, HttpResponse, web};
use ringtrip_wasm::installed::InstallError;
use ringtrip_wasm::package;
use utoipa::OpenApi;

use super::parts::{Leave, remember};
use super::{DraftView, changed};
use crate::http::access::Admin;
use crate::http::auth::Identity;
use crate::http::operation::{Operations, path};
use crate::http::plugins::{Confirm, PluginChange};
use crate::http::{Api, Problem};
use crate::store::{DraftRecord, Parts};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/drafts/{name}/plugins/{plugin}")
            .with(web::PayloadConfig::new(package::MOST))
            .put(put)
            .patch(change)
            .delete(remove),
    ]
}

/// The description of these paths: an exchange without plugins does not have them.
#[derive(OpenApi)]
#[openapi(paths(put, change, remove))]
pub(in crate::http) struct Description;

/// Puts a package (`.rtp` in the body) into the draft: the plugin is installed or replaced when the draft is activated.
/// All that it asks for must be confirmed now.
#[utoipa::path(put, path = "/api/v1/drafts/{name}/plugins/{plugin}", tag = "drafts", params(("name" = String, Path),
    ("plugin" = String, Path), ("If-Match" = String, Header), Confirm),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = DraftView), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn put(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    query: web::Query<Confirm>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let confirmed = query.read()?;
    edit(&request, &api, &who, path.into_inner(), move |api, record, plugin, by| {
        api.drafts.put_plugin(record, plugin, &body, &confirmed, by)
    })
    .await
}

/// Enables, disables, sets or grants in the draft.
#[utoipa::path(patch, path = "/api/v1/drafts/{name}/plugins/{plugin}", tag = "drafts", params(("name" = String, Path),
    ("plugin" = String, Path), ("If-Match" = String, Header)), request_body = PluginChange, responses(
    (status = 200, body = DraftView), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn change(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    body: web::Json<PluginChange>,
) -> Result<HttpResponse, Problem> {
    let wanted = body.into_inner().read()?;
    edit(&request, &api, &who, path.into_inner(), move |api, record, plugin, _| {
        api.drafts.change_plugin(record, plugin, wanted)
    })
    .await
}

/// The draft removes a plugin, or says nothing about it any more.
#[utoipa::path(delete, path = "/api/v1/drafts/{name}/plugins/{plugin}", tag = "drafts", params(("name" = String, Path),
    ("plugin" = String, Path), ("If-Match" = String, Header), Leave), responses((status = 200, body = DraftView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn remove(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    query: web::Query<Leave>,
) -> Result<HttpResponse, Problem> {
    let forget = query.forget;
    edit(&request, &api, &who, path.into_inner(), move |api, record, plugin, _| {
        let missing = || InstallError::NotThere(plugin.to_owned());
        if forget {
            record.parts.plugins.remove(plugin).ok_or_else(missing)?;
            record.base.parts.plugins.remove(plugin);
        } else if api.drafts.has_plugin(record, plugin) {
            record.parts.plugins.insert(plugin.to_owned(), None);
        } else {
            return Err(missing());
        }
        Ok(())
    })
    .await
}

async fn edit(
    request: &HttpRequest,
    api: &web::Data<Api>,
    who: &Identity,
    (name, plugin): (String, String),
    work: impl FnOnce(&Api, &mut DraftRecord, &str, &str) -> Result<(), InstallError> + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let by = who.name.clone();
    let (tag, draft, ()) = changed(request, api, who, &name, move |api, record| {
        remember(api, record, Parts { plugins: [(plugin.clone(), None)].into(), ..Parts::default() });
        work(api, record, &plugin, &by)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(tag).json(draft))
}
