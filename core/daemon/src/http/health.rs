//! Signs of life, system information, Prometheus metrics.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Anyone, Reader};
use super::operation::{Operations, path};
use super::{Api, Problem};
use crate::descriptors;
use crate::store::Scope;

pub(super) fn root_operations() -> Vec<Operations> {
    vec![path("/healthz").get(healthz).head(healthz), path("/metrics").get(metrics)]
}

pub(super) fn operations() -> Vec<Operations> {
    vec![path("/system").get(system), path("/whoami").get(whoami)]
}

/// Does the exchange answer? Says nothing else: anybody may ask.
#[utoipa::path(method(get, head), path = "/healthz", tag = "system", security(()), responses((status = 200, body = String),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn healthz(_: Anyone, api: web::Data<Api>) -> HttpResponse {
    if api.exchange.is_alive() {
        return HttpResponse::Ok().content_type("text/plain").body("ok\n");
    }
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "exchange-silent", "the exchange does not answer");
    actix_web::ResponseError::error_response(&problem.after(2))
}

/// Who is asking.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Who {
    /// `admin` or the token's name.
    name: String,
    /// What they may do.
    scope: Scope,
}

/// Who am I?
#[utoipa::path(get, path = "/api/v1/whoami", tag = "access", responses((status = 200, body = Who)))]
pub(super) async fn whoami(who: Reader) -> web::Json<Who> {
    web::Json(Who { name: who.name.clone(), scope: who.scope })
}

/// The machine and the program.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct System {
    /// Version of the program.
    version: String,
    /// Seconds since it started.
    uptime_s: u64,
    /// How often it was started with this data.
    boot: u64,
    /// Resident memory, octets.
    resident_octets: u64,
    /// Configuration version that is active.
    config_version: u64,
    /// Number of the newest event.
    newest_event: u64,
    /// CDRs that wait in memory for the disk; more than 0 means that the disk refuses.
    cdrs_waiting: u64,
    /// The disk takes nothing: it is full, read-only or broken. Changes are refused with 507.
    disk_refuses: bool,
    /// CDRs closed at the start because their calls died with the process.
    orphans: u64,
    /// Octets cut off the journal's end at the start, and damaged stretches skipped.
    journal_torn: u64,
    /// Damaged stretches in the journal.
    journal_holes: u64,
    /// Files, sockets among them, that are open now.
    open_files: u64,
    /// How many the process may open.
    open_files_limit: u64,
    /// Calls at once that this limit carries. Fewer than `limits.calls` are an alarm at the start.
    calls_by_open_files: u64,
    /// Started with `--developer`.
    developer: bool,
}

/// The machine and the program.
#[utoipa::path(get, path = "/api/v1/system", tag = "system", responses((status = 200, body = System)))]
pub(super) async fn system(_: Reader, api: web::Data<Api>) -> web::Json<System> {
    web::Json(System {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: api.started.elapsed().as_secs(),
        boot: api.store.boot(),
        resident_octets: resident(),
        config_version: api.store.config_head(),
        newest_event: api.events.head(),
        cdrs_waiting: api.store.waiting(),
        disk_refuses: api.store.is_write_failing(),
        orphans: api.store.unfinished(),
        journal_torn: api.store.recovery().torn,
        journal_holes: api.store.recovery().holes,
        open_files: descriptors::open(),
        open_files_limit: api.budget.map_or(0, |budget| budget.limit),
        calls_by_open_files: api.budget.map_or(0, |budget| budget.calls as u64),
        developer: api.developer,
    })
}

/// Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, body = String)))]
pub(super) async fn metrics(_: Reader, api: web::Data<Api>) -> HttpResponse {
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, series: &[(String, f64)]| {
        let _ = writeln!(out, "# HELP ringtrip_{name} {help}\n# TYPE ringtrip_{name} gauge");
        for (labels, value) in series {
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let _ = writeln!(out, "ringtrip_{name}{labels} {value}");
        }
    };
    let one = |value: f64| vec![(String::new(), value)];
    gauge("uptime_seconds", "Since the program started.", &one(api.started.elapsed().as_secs_f64()));
    gauge("resident_bytes", "Resident memory.", &one(resident() as f64));
    gauge("cdrs_waiting", "CDRs that wait in memory for the disk.", &one(api.store.waiting() as f64));
    gauge("config_version", "Configuration version that is active.", &one(api.store.config_head() as f64));
    gauge("open_files", "Files and sockets that are open.", &one(descriptors::open() as f64));
    if let Some(budget) = api.budget {
        gauge("open_files_limit", "Files and sockets that may be open.", &one(budget.limit as f64));
    }
    let views = api.exchange.views();
    gauge("calls", "Calls in progress.", &one(views.calls.len() as f64));
    let up = |flag: bool| if flag { 1.0 } else { 0.0 };
    let lines: Vec<_> = views.lines.values().map(|l| (label("line", &l.id), up(l.off_hook))).collect();
    gauge("line_off_hook", "A telephone is lifted, or a landline seized.", &lines);
    let gateways: Vec<_> = views.gateways.values().map(|g| (label("gateway", &g.id), up(g.up))).collect();
    gauge("gateway_up", "The provider takes calls.", &gateways);
    let boards: Vec<_> = views.boards.values().map(|b| (label("board", &b.id), up(b.up))).collect();
    gauge("board_up", "The board's process lives.", &boards);
    let contacts: Vec<_> =
        views.extensions.values().map(|e| (label("extension", &e.id), e.contacts.len() as f64)).collect();
    gauge("extension_contacts", "Phones registered.", &contacts);
    let mut named = "";
    for (name, labels, value) in api.exchange.counters().all() {
        if name != named {
            let _ = writeln!(out, "# TYPE ringtrip_{name} untyped");
            named = name;
        }
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "ringtrip_{name}{labels} {value}");
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(out)
}

fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Resident memory: the second field of statm counts pages of 4 KiB on every machine that we run on.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}
