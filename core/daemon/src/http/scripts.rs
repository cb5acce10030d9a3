//! The routing script: read, replace, check. A broken script is refused and the running one stays.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Admin, Reader};
use super::dry_run::{DryRunKind, dry_run};
use super::operation::{Operations, path};
use super::{Api, Problem};
use crate::control::{AdminCommand, ControlError};
use crate::views::ScriptView;

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/scripts").get(running),
        path("/scripts/{name}").get(text).put(put),
        path("/scripts/{name}/check").post(check),
    ]
}

/// The script that runs.
#[utoipa::path(get, path = "/api/v1/scripts", tag = "scripts", responses((status = 200, body = ScriptView)))]
pub(super) async fn running(_: Reader, api: web::Data<Api>) -> web::Json<ScriptView> {
    web::Json(api.exchange.with_views(|v| v.script.clone()))
}

/// A script's text.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ScriptText {
    /// File name.
    name: String,
    /// Rhai.
    text: String,
}

/// A script's text.
#[utoipa::path(get, path = "/api/v1/scripts/{name}", tag = "scripts", params(("name" = String, Path)), responses(
    (status = 200, body = ScriptText), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn text(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<web::Json<ScriptText>, Problem> {
    let name = file_name(name.into_inner())?;
    let asked = name.clone();
    let text = api.exchange.ask(|reply| AdminCommand::ReadScript { name: asked, reply }).await?;
    Ok(web::Json(ScriptText { name, text }))
}

/// Replaces a script (Rhai in the body) and makes it active, or refuses it whole.
#[utoipa::path(put, path = "/api/v1/scripts/{name}", tag = "scripts", params(("name" = String, Path)),
    request_body(content = String, content_type = "text/plain"), responses((status = 204),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let (name, text) = (file_name(name.into_inner())?, script_text(&body)?);
    let asked = name.clone();
    let put = api.exchange.ask(|reply| AdminCommand::ReloadScript { name: asked, text, reply }).await;
    put.map_err(|error| match error {
        ControlError::Missing { .. } => {
            let detail = format!(
                "the configuration names no script {name}, so nobody would ask it: write script = \"scripts/{name}\" into \
                 the document, or under the extension, line or gateway whose calls it decides, put the document, and try again"
            );
            Problem { detail, ..Problem::missing("script", &name) }
        }
        error => Problem::from(error),
    })?;
    Ok(HttpResponse::NoContent().finish())
}

/// Compiles a script (Rhai in the body) and changes nothing.
#[utoipa::path(post, path = "/api/v1/scripts/{name}/check", tag = "scripts", params(("name" = String, Path)),
    request_body(content = String, content_type = "text/plain"), responses((status = 204, description = "It compiles"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn check(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let (name, text) = (file_name(name.into_inner())?, script_text(&body)?);
    dry_run(DryRunKind::Quick, move || api.routes.check(&name, &text)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A plain file name that ends in `.rhai`: nothing that could leave the scripts' folder.
pub(super) fn file_name(name: String) -> Result<String, Problem> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !name.starts_with('.') && name.ends_with(".rhai") && name.len() <= 64 {
        return Ok(name);
    }
    Err(Problem::bad(format!(
        "invalid script name {name:?}: expected letters, digits, '-' and '_', ending in .rhai"
    )))
}

pub(super) fn script_text(body: &web::Bytes) -> Result<String, Problem> {
    String::from_utf8(body.to_vec()).map_err(|_| Problem::bad("the script is not UTF-8 text"))
}
