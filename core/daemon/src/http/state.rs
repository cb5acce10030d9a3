//! What is: extensions, lines, gateways, registrations, boards, parts.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Reader;
use super::operation::{Operations, path};
use super::{Api, Problem};
use crate::views::{BoardView, ContactView, ExtensionView, GatewayView, LineView, PartView, Views};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/state").get(all),
        path("/extensions").get(extensions),
        path("/extensions/{id}").get(extension),
        path("/lines").get(lines),
        path("/lines/{id}").get(line),
        path("/gateways").get(gateways),
        path("/gateways/{id}").get(gateway),
        path("/registrations").get(registrations),
        path("/boards").get(boards),
        path("/parts").get(parts),
    ]
}

/// A snapshot and the number of the newest event in it: listen to events after it and nothing is missed.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct State {
    /// The newest event when the snapshot was taken, or earlier.
    after: u64,
    /// All that is.
    #[serde(flatten)]
    views: Views,
}

/// Everything at once.
#[utoipa::path(get, path = "/api/v1/state", tag = "state", responses((status = 200, body = State)))]
pub(super) async fn all(_: Reader, api: web::Data<Api>) -> web::Json<State> {
    // The number first: an event between the two is then sent twice rather than never.
    let after = api.events.head();
    web::Json(State { after, views: api.exchange.views() })
}

/// All extensions.
#[utoipa::path(get, path = "/api/v1/extensions", tag = "state", responses((status = 200, body = Vec<ExtensionView>)))]
pub(super) async fn extensions(_: Reader, api: web::Data<Api>) -> web::Json<Vec<ExtensionView>> {
    web::Json(api.exchange.with_views(|v| v.extensions.values().cloned().collect()))
}

/// One extension with its phones.
#[utoipa::path(get, path = "/api/v1/extensions/{id}", tag = "state", params(("id" = String, Path)), responses(
    (status = 200, body = ExtensionView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn extension(
    _: Reader,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<ExtensionView>, Problem> {
    let found = api.exchange.with_views(|v| v.extensions.get(id.as_str()).cloned());
    found.map(web::Json).ok_or_else(|| Problem::missing("extension", &id))
}

/// All lines with hook, volts, current and the last disconnect reason.
#[utoipa::path(get, path = "/api/v1/lines", tag = "state", responses((status = 200, body = Vec<LineView>)))]
pub(super) async fn lines(_: Reader, api: web::Data<Api>) -> web::Json<Vec<LineView>> {
    web::Json(api.exchange.with_views(|v| v.lines.values().cloned().collect()))
}

/// One line.
#[utoipa::path(get, path = "/api/v1/lines/{id}", tag = "state", params(("id" = String, Path)), responses(
    (status = 200, body = LineView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn line(
    _: Reader,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<LineView>, Problem> {
    let found = api.exchange.with_views(|v| v.lines.get(id.as_str()).cloned());
    found.map(web::Json).ok_or_else(|| Problem::missing("line", &id))
}

/// All gateways with registration and latency.
#[utoipa::path(get, path = "/api/v1/gateways", tag = "state", responses((status = 200, body = Vec<GatewayView>)))]
pub(super) async fn gateways(_: Reader, api: web::Data<Api>) -> web::Json<Vec<GatewayView>> {
    web::Json(api.exchange.with_views(|v| v.gateways.values().cloned().collect()))
}

/// One gateway.
#[utoipa::path(get, path = "/api/v1/gateways/{id}", tag = "state", params(("id" = String, Path)), responses(
    (status = 200, body = GatewayView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn gateway(
    _: Reader,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<GatewayView>, Problem> {
    let found = api.exchange.with_views(|v| v.gateways.get(id.as_str()).cloned());
    found.map(web::Json).ok_or_else(|| Problem::missing("gateway", &id))
}

/// A registered phone.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Registration {
    /// Its extension.
    extension: String,
    /// The phone.
    #[serde(flatten)]
    contact: ContactView,
}

/// All registered phones.
#[utoipa::path(get, path = "/api/v1/registrations", tag = "state", responses((status = 200, body = Vec<Registration>)))]
pub(super) async fn registrations(_: Reader, api: web::Data<Api>) -> web::Json<Vec<Registration>> {
    let of = |e: &ExtensionView| -> Vec<Registration> {
        e.contacts.iter().map(|c| Registration { extension: e.id.clone(), contact: c.clone() }).collect()
    };
    web::Json(api.exchange.with_views(|v| v.extensions.values().flat_map(of).collect()))
}

/// All boards.
#[utoipa::path(get, path = "/api/v1/boards", tag = "state", responses((status = 200, body = Vec<BoardView>)))]
pub(super) async fn boards(_: Reader, api: web::Data<Api>) -> web::Json<Vec<BoardView>> {
    web::Json(api.exchange.with_views(|v| v.boards.values().cloned().collect()))
}

/// The supervision table as it stands.
#[utoipa::path(get, path = "/api/v1/parts", tag = "state", responses((status = 200, body = Vec<PartView>)))]
pub(super) async fn parts(_: Reader, api: web::Data<Api>) -> web::Json<Vec<PartView>> {
    web::Json(api.exchange.with_views(|v| v.parts.values().cloned().collect()))
}
