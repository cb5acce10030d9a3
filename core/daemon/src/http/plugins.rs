//! Wasm plugins: installed, listed, set, switched, updated, removed. A package that is refused changes nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use ringtrip_wasm::installed::{Change, Confirmed, InstallError, Installed, PluginView};
use ringtrip_wasm::package;
use ringtrip_wasm::package::grant::{Grant, Grants};
use ringtrip_wasm::package::manifest::Settings;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::access::{Admin, Reader};
use super::operation::{Operations, path};
use super::{Api, Problem, off_loop};
use crate::plugins::NoPlugins;

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/plugins").with(web::PayloadConfig::new(package::MOST)).get(list).post(install),
        path("/plugins/{name}")
            .with(web::PayloadConfig::new(package::MOST))
            .get(show)
            .put(update)
            .patch(change)
            .delete(remove),
        path("/plugins/{name}/icon").get(icon),
    ]
}

/// The description of these paths: an exchange without plugins does not have them.
#[derive(OpenApi)]
#[openapi(paths(list, show, install, update, change, remove, icon))]
pub(super) struct Description;

/// What is confirmed with a package.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirm {
    /// Grants that are confirmed, with commas between them: `store,http:api.example.com`.
    #[serde(default)]
    grant: String,
    /// Confirm all that the package asks for.
    #[serde(default)]
    grant_all: bool,
}

/// What is to change about a plugin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginChange {
    /// Run it, or not.
    enabled: Option<bool>,
    /// Its grants from now on, of those that it asks for. Calls that stand keep what they had.
    grants: Option<Vec<String>>,
    /// Settings by key, as text; `null` takes one back to its default. Those that are not named stay.
    #[serde(default)]
    settings: std::collections::BTreeMap<String, Option<String>>,
}

/// All installed plugins, in the order in which policies are asked.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins", responses((status = 200, body = Vec<PluginView>)))]
pub(super) async fn list(_: Reader, api: web::Data<Api>) -> Result<web::Json<Vec<PluginView>>, Problem> {
    Ok(web::Json(installed(&api)?.list()))
}

/// One plugin: its grants with their reasons, its settings without secrets, and how it does.
#[utoipa::path(get, path = "/api/v1/plugins/{name}", tag = "plugins", params(("name" = String, Path)), responses(
    (status = 200, body = PluginView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<PluginView>, Problem> {
    Ok(web::Json(installed(&api)?.show(&name)?))
}

/// A plugin's icon.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/icon", tag = "plugins", params(("name" = String, Path)), responses(
    (status = 200, description = "SVG or PNG"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn icon(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let plugins = installed(&api)?;
    let asked = name.clone();
    match off_loop(move || plugins.icon(&asked)).await? {
        Some((icon, svg)) => {
            let kind = if svg { "image/svg+xml" } else { "image/png" };
            Ok(HttpResponse::Ok().content_type(kind).body(icon))
        }
        None => Err(Problem::missing("icon of plugin", &name)),
    }
}

/// Installs a package (`.rtp` in the body). All that it asks for must be confirmed.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins", params(Confirm),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 201, body = PluginView), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn install(
    who: Admin,
    api: web::Data<Api>,
    query: web::Query<Confirm>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let (plugins, confirmed, by) = (installed(&api)?, query.read()?, who.name.clone());
    let view = off_loop(move || plugins.install(&body, &confirmed, Settings::new(), &by)).await?;
    Ok(HttpResponse::Created().json(view))
}

/// Replaces a plugin by a newer version (`.rtp` in the body). Settings stay; a grant that it did not have is confirmed anew.
#[utoipa::path(put, path = "/api/v1/plugins/{name}", tag = "plugins", params(("name" = String, Path), Confirm),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = PluginView), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn update(
    who: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
    query: web::Query<Confirm>,
    body: web::Bytes,
) -> Result<web::Json<PluginView>, Problem> {
    let (plugins, confirmed, by) = (installed(&api)?, query.read()?, who.name.clone());
    let view = off_loop(move || plugins.update(&name, &body, &confirmed, &by)).await?;
    Ok(web::Json(view))
}

/// Enables, disables, sets, grants.
#[utoipa::path(patch, path = "/api/v1/plugins/{name}", tag = "plugins", params(("name" = String, Path)),
    request_body = PluginChange, responses(
    (status = 200, body = PluginView), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn change(
    who: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Json<PluginChange>,
) -> Result<web::Json<PluginView>, Problem> {
    let change = body.into_inner().read()?;
    let (plugins, by) = (installed(&api)?, who.name.clone());
    Ok(web::Json(off_loop(move || plugins.change(&name, change, &by)).await?))
}

/// Removes a plugin with all that it kept.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}", tag = "plugins", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    who: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let (plugins, by) = (installed(&api)?, who.name.clone());
    off_loop(move || plugins.remove(&name, &by)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn installed(api: &Api) -> Result<Installed, Problem> {
    api.plugins.installed().map_err(|why| {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "plugins-not-ready", why.to_string());
        if why == NoPlugins::Starting { problem.after(2) } else { problem }
    })
}

impl PluginChange {
    pub(super) fn read(self) -> Result<Change, Problem> {
        let PluginChange { enabled, grants, settings } = self;
        let grants = grants.map(|all| read_grants(all.iter().map(String::as_str))).transpose()?;
        Ok(Change { enabled, grants, settings: settings.into_iter().collect() })
    }
}

impl Confirm {
    pub(super) fn read(&self) -> Result<Confirmed, Problem> {
        if self.grant_all {
            return Ok(Confirmed::All);
        }
        read_grants(self.grant.split(',').filter(|g| !g.is_empty())).map(Confirmed::These)
    }
}

fn read_grants<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Grants, Problem> {
    let grants: Result<Grants, _> = texts.map(|text| text.trim().parse::<Grant>()).collect();
    grants.map_err(|e| Problem::bad(e.to_string()))
}

impl From<InstallError> for Problem {
    fn from(error: InstallError) -> Problem {
        let status = match &error {
            InstallError::NotThere(name) => return Problem::missing("plugin", name),
            InstallError::Unsigned(_) | InstallError::Unknown { .. } | InstallError::NotGranted { .. } => {
                StatusCode::FORBIDDEN
            }
            InstallError::There { .. } | InstallError::NotNewer { .. } => StatusCode::CONFLICT,
            InstallError::Disk(why) if crate::store::takes_nothing(why) => return Problem::disk(&error),
            InstallError::Disk(_) => return Problem::internal(format!("{error}. Nothing was changed")),
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Problem::new(status, error.word(), format!("{error}. Nothing was changed"))
    }
}
