//! The HTTP face: the API under `/api/v1`, its description, events, metrics, and the console's files.
//!
//! Without identity only login, `/healthz` and the console's static files answer. Every error is problem+json.

pub mod auth;
mod calls;
mod config;
mod console;
mod dialplan;
mod drafts;
mod events;
mod failover;
mod guard;
mod health;
mod if_match;
mod openapi;
#[cfg(feature = "plugins")]
mod plugins;
mod problem;
mod rates;
mod routes;
mod scripts;
mod sim;
mod state;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, FromRequest, HttpMessage, HttpRequest, HttpServer, web};

use crate::control::Exchange;
use crate::drafts::Drafts;
use crate::events::EventHub;
use crate::money::Money;
use crate::routes::Routes;
use crate::store::Store;
use auth::{Auth, Identity};
pub use problem::Problem;

/// All that the handlers reach.
pub struct Api {
    /// The running exchange.
    pub exchange: Exchange,
    /// What is kept.
    pub store: Store,
    /// What happens.
    pub events: EventHub,
    /// The routes in force.
    pub routes: Routes,
    /// What calls cost.
    pub money: Money,
    /// Routes that are not in force yet.
    pub drafts: Drafts,
    /// Wasm plugins.
    #[cfg(feature = "plugins")]
    pub plugins: crate::plugins::Plugins,
    /// Sessions and attempts.
    pub auth: Auth,
    /// Host names of this machine, lower case, beside its addresses.
    pub hosts: Vec<String>,
    /// Developer mode: faults may be injected.
    pub developer: bool,
    /// When the daemon started.
    pub started: Instant,
}

impl Api {
    /// The API of a running exchange. `hosts` are names beyond the machine's own under which it is asked.
    pub fn new(
        exchange: Exchange,
        store: Store,
        events: EventHub,
        mut hosts: Vec<String>,
        developer: bool,
    ) -> Api {
        if let Ok(own) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
            let own = own.trim().to_ascii_lowercase();
            hosts.push(format!("{own}.local"));
            hosts.push(own);
        }
        // A running exchange puts its own routes in place of these.
        let routes = Routes::new(Arc::default(), std::path::Path::new("."), Box::new(|_| {}));
        let (auth, started) = (Auth::default(), Instant::now());
        let money = Money::none();
        #[cfg(feature = "plugins")]
        let plugins = crate::plugins::Plugins::default();
        let drafts = Drafts::new(
            routes.clone(),
            money.clone(),
            #[cfg(feature = "plugins")]
            plugins.clone(),
            store.clone(),
        );
        Api {
            exchange,
            store,
            events,
            routes,
            money,
            drafts,
            #[cfg(feature = "plugins")]
            plugins,
            auth,
            hosts,
            developer,
            started,
        }
    }

    fn is_our_host(&self, host: &str) -> bool {
        guard::is_our_host(host, &self.hosts)
    }
}

/// The HTTP server, bound and ready to be awaited. It handles no signals: the daemon does.
pub fn server(api: web::Data<Api>, listen: &[SocketAddr]) -> std::io::Result<(Server, Vec<SocketAddr>)> {
    let mut server = HttpServer::new(move || app(api.clone()))
        .workers(1)
        .max_connections(512)
        .client_request_timeout(std::time::Duration::from_secs(10))
        .shutdown_timeout(2)
        .disable_signals();
    for address in listen {
        server = server.bind(address).map_err(|e| {
            std::io::Error::new(e.kind(), format!("the HTTP API cannot listen on {address}: {e}"))
        })?;
    }
    let bound = server.addrs();
    Ok((server.run(), bound))
}

/// The application, for the server and for tests.
pub fn app(
    api: web::Data<Api>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new().app_data(api).configure(all).wrap(from_fn(guard::guard))
}

/// Octets of a JSON body; a document or a sound has its own limit.
const JSON_MAX: usize = 64 << 10;
/// Octets of a sound: about 17 minutes of telephone quality.
const SOUND_MAX: usize = 16 << 20;

fn all(config: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(JSON_MAX)
        .content_type_required(false)
        .error_handler(|error, _| bad_body(&error.to_string(), is_overflow(&error)).into());
    config
        .app_data(json)
        .app_data(web::PayloadConfig::new(crate::config::MAX))
        .app_data(
            web::QueryConfig::default().error_handler(|e, _| Problem::bad(format!("query: {e}")).into()),
        )
        .app_data(web::PathConfig::default().error_handler(|e, _| Problem::bad(format!("path: {e}")).into()))
        .service(
            web::scope("/api/v1")
                .configure(with_plugins)
                .configure(tokens::routes)
                .configure(state::routes)
                .configure(calls::routes)
                .configure(config::routes)
                .configure(failover::routes)
                .configure(dialplan::routes)
                .configure(scripts::routes)
                .configure(routes::routes)
                .configure(drafts::routes)
                .configure(rates::routes)
                .configure(events::routes)
                .configure(sim::routes)
                .configure(health::api_routes)
                .service(web::resource("/openapi.json").route(web::get().to(openapi::document))),
        )
        .configure(health::routes)
        .default_service(web::route().to(console::file));
}

#[cfg(feature = "plugins")]
fn with_plugins(config: &mut web::ServiceConfig) {
    plugins::routes(config);
}

#[cfg(not(feature = "plugins"))]
fn with_plugins(_: &mut web::ServiceConfig) {}

fn is_overflow(error: &actix_web::error::JsonPayloadError) -> bool {
    use actix_web::error::JsonPayloadError as E;
    matches!(error, E::Overflow { .. } | E::OverflowKnownLength { .. })
}

fn bad_body(why: &str, too_large: bool) -> Problem {
    if too_large {
        let detail = format!("the body is larger than {JSON_MAX} octets");
        return Problem::new(actix_web::http::StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail);
    }
    Problem::bad(format!("the body is not what is expected here: {why}"))
}

/// Who asks, in handlers. Every handler behind the guard has one.
impl FromRequest for Identity {
    type Error = Problem;
    type Future = std::future::Ready<Result<Identity, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let identity = request.extensions().get::<Identity>().cloned();
        std::future::ready(identity.ok_or_else(|| Problem::internal("nobody was identified")))
    }
}

/// Runs what reads the disk off the event loop.
async fn off_loop<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    match web::block(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Problem::internal("the work was interrupted")),
    }
}

#[cfg(test)]
mod tests;
