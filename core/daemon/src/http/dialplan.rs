//! The dial-plan tester, and what the whole route would decide.

use actix_web::web;
use ringtrip_exchange::route::{RoutePlan, Target, Verdict};
use ringtrip_model::party::Digits;
use ringtrip_routing::coverage::Probe;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Reader;
use super::dry_run::{DryRunKind, dry_run};
use super::operation::{Operations, path};
use super::{Api, Problem};
use crate::exchange::wall;
use crate::plan::{self, PlanAnswer, PlanCheck, PlanTry};
use crate::routes::explain::source_of;
use crate::store::{ProvenanceRecord, StepRecord};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/dialplan/try").post(try_plan),
        path("/dialplan/check").post(check),
        path("/route/try").post(try_route),
    ]
}

/// Presses keys on a plan, in a dry run.
#[utoipa::path(post, path = "/api/v1/dialplan/try", tag = "dialplan", request_body = PlanTry, responses(
    (status = 200, body = PlanAnswer), (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn try_plan(_: Reader, body: web::Json<PlanTry>) -> Result<web::Json<PlanAnswer>, Problem> {
    plan::run(&body).map(web::Json).map_err(|why| Problem::bad(why.to_string()))
}

/// A plan to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanText {
    /// The plan.
    plan: String,
}

/// Checks a plan: errors with their place, warnings, and a repair where one can be guessed.
#[utoipa::path(post, path = "/api/v1/dialplan/check", tag = "dialplan", request_body = PlanText, responses(
    (status = 200, body = PlanCheck)))]
pub(super) async fn check(_: Reader, body: web::Json<PlanText>) -> web::Json<PlanCheck> {
    web::Json(plan::check(&body.plan))
}

/// A probe call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteAsk {
    /// An extension, a line or a gateway.
    from: String,
    /// What is dialled.
    number: String,
}

/// What would be done.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct RouteView {
    /// `stages`, `refuse`, `emergency` or `ask`.
    verdict: String,
    /// Why it is refused.
    cause: Option<String>,
    /// The emergency number.
    emergency: Option<String>,
    /// What is tried, one after the other.
    stages: Vec<StageView>,
    /// Who decided.
    provenance: ProvenanceRecord,
}

/// Targets that ring together.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct StageView {
    /// How long, ms.
    timeout_ms: u64,
    /// Who rings.
    targets: Vec<AttemptView>,
}

/// One of them.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct AttemptView {
    /// `extension 101`, `line fxs1`, `landline`, `gateway gw1`, `uri host`.
    target: String,
    /// The number for it.
    number: String,
    /// The caller as shown to it; null when withheld.
    caller: Option<String>,
}

/// Asks plan and script what they would do. Nothing rings.
#[utoipa::path(post, path = "/api/v1/route/try", tag = "dialplan", request_body = RouteAsk, responses(
    (status = 200, body = RouteView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn try_route(
    _: Reader,
    api: web::Data<Api>,
    body: web::Json<RouteAsk>,
) -> Result<web::Json<RouteView>, Problem> {
    let RouteAsk { from, number } = body.into_inner();
    let engine = api.routes.engine();
    let source = source_of(engine.router().config(), &from)?;
    let probe = Probe { source, number: Digits::new(&number), at: wall::now() };
    let decide = move || Ok::<_, Problem>(view(engine.dry_run().decide(probe.query()).plan));
    dry_run(DryRunKind::Quick, decide).await.map(web::Json)
}

fn view(plan: RoutePlan) -> RouteView {
    let provenance = ProvenanceRecord {
        alternative: plan.provenance.alternative.as_deref().map(crate::secrets::hide_in_plan),
        script: plan.provenance.script,
        because: plan.provenance.because,
        steps: plan.provenance.steps.iter().map(StepRecord::from).collect(),
    };
    let mut view =
        RouteView { verdict: String::new(), cause: None, emergency: None, stages: Vec::new(), provenance };
    view.verdict = match plan.verdict {
        Verdict::Stages(stages) => {
            let attempt = |a: ringtrip_exchange::route::Attempt| AttemptView {
                target: target(&a.target),
                number: a.number.to_string(),
                caller: (!a.caller.private).then_some(a.caller.number),
            };
            let stage = |s: ringtrip_exchange::route::Stage| StageView {
                timeout_ms: u64::try_from(s.timeout.as_millis()).unwrap_or(u64::MAX),
                targets: s.targets.into_iter().map(attempt).collect(),
            };
            view.stages = stages.into_iter().map(stage).collect();
            "stages"
        }
        Verdict::Refuse(cause) => {
            view.cause = Some(cause.word().to_owned());
            "refuse"
        }
        Verdict::Ask(_) => "ask",
        Verdict::Emergency(call) => {
            view.emergency = Some(call.number().to_string());
            "emergency"
        }
    }
    .to_owned();
    view
}

fn target(target: &Target) -> String {
    match target {
        Target::Extension(id) => format!("extension {id}"),
        Target::Line(id) => format!("line {id}"),
        Target::Landline => "landline".to_owned(),
        Target::Gateway(id) => format!("gateway {id}"),
        Target::Uri(uri) => format!("uri {}", uri.host),
    }
}
