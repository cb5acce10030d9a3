//! The doors of simulated boards: lift, hang up, press keys, speak a WAV, listen as a WAV. The board's own driver says
//! which verbs there are; here they only pass through.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use ringtrip_exchange::supervise::{BadPart, PartId};
use serde_json::{Map, Value};

use super::access::{Admin, Reader};
use super::operation::{Operations, path};
use super::{Api, Problem, SOUND_MAX};
use crate::control::{AdminCommand, ControlError, Fault, SimAnswer, SimAsk};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/sim/{board}/{verb}").with(web::PayloadConfig::new(SOUND_MAX)).get(get).post(post),
        path("/fault").post(inject),
    ]
}

/// Verbs that change nothing.
const LOOKING: &[&str] = &["state", "listen", "office.heard"];

/// Asks a simulated board something that changes nothing: `state`, `listen`, … Arguments are query parameters.
#[utoipa::path(get, path = "/api/v1/sim/{board}/{verb}", tag = "sim",
    params(("board" = String, Path), ("verb" = String, Path)), responses(
    (status = 200, description = "JSON or a WAV file"), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 405, description = "The verb changes something: POST it", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get(
    _: Reader,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    query: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    // A token that may only look gets as far as a GET: it must not lift a telephone.
    if !LOOKING.contains(&path.1.as_str()) {
        let detail = format!("{} requires POST; GET supports {}", path.1, LOOKING.join(", "));
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail));
    }
    ask(&api, path.into_inner(), arguments(query.into_inner()), Bytes::new()).await
}

/// Does something to a simulated board. The body is a JSON object, or a WAV file with the arguments as query parameters.
#[utoipa::path(post, path = "/api/v1/sim/{board}/{verb}", tag = "sim",
    request_body(content = String, description = "A JSON object, or a WAV file (audio/wav)"), params(("board" = String, Path), ("verb" = String, Path)), responses(
    (status = 200, description = "JSON or a WAV file"), (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn post(
    _: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    query: web::Query<Vec<(String, String)>>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let kind =
        request.headers().get(CONTENT_TYPE).and_then(|t| t.to_str().ok()).unwrap_or("application/json");
    let mut json = arguments(query.into_inner());
    if kind.starts_with("audio/") {
        check_wav(&body)?;
        return ask(&api, path.into_inner(), json, body).await;
    }
    if body.len() > super::JSON_MAX {
        return Err(super::bad_body("", true));
    }
    if !body.is_empty() {
        let given: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|e| super::bad_body(&e.to_string(), false))?;
        json.extend(given);
    }
    ask(&api, path.into_inner(), json, Bytes::new()).await
}

async fn ask(
    api: &web::Data<Api>,
    (board, verb): (String, String),
    json: Map<String, Value>,
    blob: Bytes,
) -> Result<HttpResponse, Problem> {
    let json = Value::Object(json).to_string();
    let answer =
        api.exchange.ask(|reply| AdminCommand::Sim(SimAsk { board, verb, json, blob, reply })).await?;
    Ok(match answer {
        SimAnswer::Json(text) => HttpResponse::Ok().content_type("application/json").body(text),
        SimAnswer::Sound { said, sound } => {
            let kind = if sound.starts_with(b"RIFF") { "audio/wav" } else { "application/octet-stream" };
            HttpResponse::Ok().content_type(kind).insert_header(("Ringtrip-Answer", said)).body(sound)
        }
    })
}

/// Query parameters as JSON: numbers and flags become numbers and flags.
fn arguments(query: Vec<(String, String)>) -> Map<String, Value> {
    let read = |text: String| match serde_json::from_str::<Value>(&text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text),
    };
    query.into_iter().map(|(key, text)| (key, read(text))).collect()
}

/// Is it a WAV file that a telephone can speak?
fn check_wav(bytes: &[u8]) -> Result<(), Problem> {
    let bad = |why: String| {
        let detail = format!("{why}; send a WAV file with PCM of 16 bits, one channel, 8000 Hz");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-wav", detail)
    };
    let reader = hound::WavReader::new(bytes).map_err(|e| bad(format!("this is no WAV file ({e})")))?;
    let spec = reader.spec();
    let right = spec.channels == 1
        && spec.sample_rate == 8000
        && spec.bits_per_sample == 16
        && spec.sample_format == hound::SampleFormat::Int;
    if right {
        return Ok(());
    }
    Err(bad(format!(
        "it has {} bits, {} channels, {} Hz",
        spec.bits_per_sample, spec.channels, spec.sample_rate
    )))
}

/// What to break.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Break {
    /// The part: `line fxs1`, `gateway gw1`, `call ID`, `desk`, `route`, `media`, `board virtual`, `store`.
    part: String,
    /// How.
    kind: Fault,
}

/// Breaks a part on purpose, to see that it comes back. Only with `--developer`.
#[utoipa::path(post, path = "/api/v1/fault", tag = "sim", request_body = Break, responses((status = 204),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn inject(
    _: Admin,
    api: web::Data<Api>,
    body: web::Json<Break>,
) -> Result<HttpResponse, Problem> {
    if !api.developer {
        let detail = "faults are injected only into an exchange started with --developer";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-a-developer", detail));
    }
    let Break { part, kind } = body.into_inner();
    let part = part.parse().map_err(|bad| match bad {
        BadPart::Name => ControlError::Missing { what: "part", name: part },
        BadPart::Kind => ControlError::unbreakable(&part, kind),
    })?;
    if part == PartId::Store && kind != Fault::Panic {
        let (write, sync) = match kind {
            Fault::None => (0, 0),
            Fault::DiskFull => (nix::libc::ENOSPC, 0),
            Fault::DiskError => (0, nix::libc::EIO),
            Fault::Kill | Fault::Panic => {
                return Err(Problem::bad(
                    "invalid fault for the store: expected panic, disk-full, disk-error or none",
                ));
            }
        };
        api.store.faults().write.store(write, std::sync::atomic::Ordering::Relaxed);
        api.store.faults().sync.store(sync, std::sync::atomic::Ordering::Relaxed);
        return Ok(HttpResponse::NoContent().finish());
    }
    api.exchange.ask(|reply| AdminCommand::InjectFault { part, kind, reply }).await?;
    Ok(HttpResponse::NoContent().finish())
}
