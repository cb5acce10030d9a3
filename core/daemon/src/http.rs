//! The HTTP face: the API under `/api/v1`, its description, events, metrics, and the console's files.
//!
//! Without identity only login, `/healthz` and the console's static files answer. Every error is problem+json.

mod access;
pub mod auth;
mod body;
mod calls;
mod client;
mod config;
mod console;
mod dialplan;
mod drafts;
mod dry_run;
pub mod events;
mod failover;
mod guard;
mod guesses;
mod health;
mod holidays;
mod if_match;
mod listen;
mod openapi;
mod operation;
#[cfg(feature = "plugins")]
mod plugins;
mod problem;
mod rates;
mod routes;
mod scripts;
mod seats;
mod sim;
mod spelling;
mod state;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, web};

use crate::control::Exchange;
use crate::deploy::Deployer;
use crate::descriptors::Budget;
use crate::drafts::Drafts;
use crate::events::EventHub;
use crate::rating::Rating;
use crate::routes::Routes;
use crate::store::Store;
use auth::Auth;
pub use holidays::HolidayView;
pub use listen::{ServerHandle, server};
use operation::{Operation, Operations, path};
pub use problem::Problem;

/// All that the handlers reach.
pub struct Api {
    /// The running exchange.
    pub exchange: Exchange,
    /// What is kept.
    pub store: Store,
    /// What happens.
    pub events: EventHub,
    /// The active routes.
    pub routes: Routes,
    /// What calls cost.
    pub rating: Rating,
    /// Routes that are not active yet.
    pub drafts: Drafts,
    /// Wasm plugins.
    #[cfg(feature = "plugins")]
    pub plugins: crate::plugins::Plugins,
    /// Sessions and attempts.
    pub auth: Auth,
    /// Who listens to the event stream.
    pub listeners: events::Listeners,
    /// Host names of this machine, lower case, beside its addresses.
    pub hosts: Vec<String>,
    /// Developer mode: faults may be injected.
    pub developer: bool,
    /// What the limit of open files carries; `None` in tests without an exchange.
    pub budget: Option<Budget>,
    /// When the daemon started.
    pub started: Instant,
}

impl Api {
    /// Activates documents.
    pub fn deployer(&self) -> Deployer {
        let (exchange, store, routes) = (self.exchange.clone(), self.store.clone(), self.routes.clone());
        Deployer { exchange, store, routes }
    }

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
        let rating = Rating::none();
        #[cfg(feature = "plugins")]
        let plugins = crate::plugins::Plugins::default();
        let drafts = Drafts::new(
            routes.clone(),
            rating.clone(),
            #[cfg(feature = "plugins")]
            plugins.clone(),
            store.clone(),
        );
        Api {
            exchange,
            store,
            events,
            routes,
            rating,
            drafts,
            #[cfg(feature = "plugins")]
            plugins,
            auth,
            listeners: events::Listeners::default(),
            hosts,
            developer,
            budget: None,
            started,
        }
    }

    /// May this address say on whose behalf it asks? Programs on this machine may.
    fn is_trusted_proxy(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        from.is_loopback() || self.routes.engine().router().config().is_trusted_proxy(from)
    }

    fn is_our_host(&self, host: &str) -> bool {
        guard::is_our_host(host, &self.hosts)
    }
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
                .configure(|scope| add(scope, api_operations()))
                .default_service(web::to(operation::nothing)),
        )
        .service(web::scope("/api").default_service(web::to(operation::nothing)))
        .configure(|root| add(root, health::root_operations()))
        .default_service(web::to(console::file));
}

fn add(config: &mut web::ServiceConfig, all: Vec<Operations>) {
    for operations in all {
        config.service(operations);
    }
}

/// The operations under `/api/v1`.
fn api_operations() -> Vec<Operations> {
    let mut all = Vec::new();
    #[cfg(feature = "plugins")]
    all.extend(plugins::operations());
    all.extend(tokens::operations());
    all.extend(state::operations());
    all.extend(calls::operations());
    all.extend(config::operations());
    all.extend(failover::operations());
    all.extend(holidays::operations());
    all.extend(dialplan::operations());
    all.extend(scripts::operations());
    all.extend(routes::operations());
    all.extend(drafts::operations());
    all.extend(rates::operations());
    all.extend(events::operations());
    all.extend(sim::operations());
    all.extend(health::operations());
    all.push(path("/openapi.json").get(openapi::document));
    all
}

/// All operations of the router, each with the prefix of its path.
fn all_operations() -> Vec<(&'static str, Operation)> {
    let with = |prefix: &'static str, all: Vec<Operations>| {
        let each = all.into_iter().flat_map(|o| o.operations().to_vec());
        each.map(|operation| (prefix, operation)).collect::<Vec<_>>()
    };
    [with("/api/v1", api_operations()), with("", health::root_operations())].concat()
}

fn is_overflow(error: &actix_web::error::JsonPayloadError) -> bool {
    use actix_web::error::JsonPayloadError as E;
    matches!(error, E::Overflow { .. } | E::OverflowKnownLength { .. })
}

fn bad_body(why: &str, too_large: bool) -> Problem {
    if too_large {
        let detail = format!("the body is larger than {JSON_MAX} octets");
        return Problem::new(actix_web::http::StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail);
    }
    Problem::bad(format!("invalid body: {why}"))
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
