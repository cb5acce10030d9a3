//! The API's description, made from the handlers' own types.

use actix_web::HttpResponse;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    auth, calls, config, dialplan, drafts, events, failover, health, rates, routes, scripts, sim, state,
    tokens,
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
        config::undo, dialplan::try_plan, dialplan::check, dialplan::try_route,
        routes::explain, routes::who_reaches, drafts::list, drafts::create, drafts::one, drafts::put_config,
        drafts::put_script, drafts::compare, drafts::check, drafts::replay::replay, drafts::activate::rebase,
        drafts::activate::activate, drafts::activate::undo, drafts::parts::put_deck, drafts::parts::remove_deck,
        rates::list, rates::import, rates::compare, rates::export, rates::remove, rates::money,
        drafts::discard, drafts::canary::canary, drafts::canary::start_canary, drafts::canary::end_canary,
        scripts::running, scripts::text, scripts::put, scripts::check, events::listen,
        sim::get, sim::post, sim::inject, health::healthz, health::metrics, health::system,
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
    #[allow(unused_mut, reason = "without plugins, nothing is added")]
    let mut all = Description::openapi();
    #[cfg(feature = "plugins")]
    {
        all.merge(super::plugins::Description::openapi());
        all.merge(drafts::plugins::Description::openapi());
    }
    all
}

/// The description, OpenAPI 3.1.
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(description())
}

/// The description as text, for tests and the book.
#[cfg(test)]
pub(super) fn text() -> String {
    description().to_pretty_json().unwrap_or_default()
}
