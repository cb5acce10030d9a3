//! The API's description, made from the handlers' own types.

use actix_web::HttpResponse;
use actix_web::http::Method;
use utoipa::openapi::path::Operation as Described;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::access::{Access, Reader};
use super::operation::Operation;
use super::{
    auth, calls, config, dialplan, drafts, events, failover, health, holidays, rates, routes, scripts, sim,
    state, tokens,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Ringtrip", description = "A telephone exchange in a box. Errors are problem+json (RFC 9457). \
        `/api/v1` is stable: fields and paths are added, never renamed."),
    paths(
        tokens::login, tokens::logout, tokens::list, tokens::create, tokens::revoke, health::whoami,
        state::all, state::extensions, state::extension, state::lines, state::line, state::gateways, state::gateway,
        state::registrations, state::boards, state::parts,
        calls::list, calls::one, calls::originate, calls::hangup, calls::cdrs, calls::cdr,
        calls::recording, failover::table,
        config::current, config::version, config::versions, config::validate, config::put, config::compare,
        config::undo, holidays::holidays, dialplan::try_plan, dialplan::check, dialplan::try_route,
        routes::explain, routes::who_reaches, drafts::list, drafts::create, drafts::one, drafts::put_config,
        drafts::put_script, drafts::compare, drafts::check, drafts::replay::replay, drafts::activate::rebase,
        drafts::activate::activate, drafts::activate::undo, drafts::parts::put_deck, drafts::parts::remove_deck,
        rates::list, rates::import, rates::compare, rates::export, rates::remove, rates::money,
        drafts::discard, drafts::canary::canary, drafts::canary::start_canary, drafts::canary::end_canary,
        scripts::running, scripts::text, scripts::put, scripts::check, events::listen,
        sim::get, sim::post, sim::inject, health::healthz, health::metrics, health::system, document,
    ),
    security(("bearer" = []), ("session" = [])),
    modifiers(&Schemes)
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(auth::COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// All paths of this build.
fn description() -> utoipa::openapi::OpenApi {
    let mut all = Description::openapi();
    #[cfg(feature = "plugins")]
    {
        all.merge(super::plugins::Description::openapi());
        all.merge(drafts::plugins::Description::openapi());
    }
    for (prefix, operation) in super::all_operations() {
        let path = format!("{prefix}{}", operation.path);
        let item = all.paths.paths.get_mut(&path);
        if let Some(described) = item.and_then(|item| of_method(item, &operation.method)) {
            complete(described, &operation);
        }
    }
    all
}

fn of_method<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Described> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::HEAD => item.head.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::PATCH => item.patch.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

/// Adds the answers that do not depend on what an operation does, but on what every request passes before it.
fn complete(described: &mut Described, operation: &Operation) {
    let is_safe = matches!(operation.method, Method::GET | Method::HEAD);
    let has_body = described.request_body.is_some();
    let may_write = operation.access == Access::Admin && !is_safe;
    let names_a_version = described.parameters.iter().flatten().any(|p| p.name == "If-Match");
    let usual = [
        (true, "400", "The path, the query, a header or the body cannot be read"),
        (operation.access != Access::Public, "401", "No token or session, or one that does not count"),
        (true, "403", "Not for this token, or asked from another site"),
        (operation.path.contains('{'), "404", "There is nothing of this name"),
        (has_body, "408", "The body did not arrive in time"),
        (may_write, "409", "Not in this state, or too many requests are pending"),
        (names_a_version, "412", "Somebody else changed it"),
        (has_body, "413", "The body is too large"),
        (true, "421", "Asked by a name that is not this exchange's"),
        (has_body || may_write, "422", "What was sent has faults"),
        (names_a_version, "428", "No If-Match"),
        (true, "500", "A fault of the exchange"),
        (true, "503", "The exchange does not answer, or is not ready"),
        (may_write, "507", "The disk is full; nothing was changed"),
    ];
    for (is_so, status, description) in usual {
        if is_so {
            let answer = described.responses.responses.entry(status.to_owned());
            answer.or_insert_with(|| problem(description));
        }
    }
}

fn problem(description: &str) -> RefOr<Response> {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", body).build().into()
}

/// The description, OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", responses(
    (status = 200, description = "This document", content_type = "application/json", body = String)))]
pub(super) async fn document(_: Reader) -> HttpResponse {
    HttpResponse::Ok().json(description())
}

/// The description as text, for tests and the book.
#[cfg(test)]
pub(super) fn text() -> String {
    description().to_pretty_json().unwrap_or_default()
}
