//! What every request passes: Host and Origin (DNS rebinding, cross-site requests), identity, scope; and what every
//! answer gets: problem+json for errors that have no body, and the headers that keep a browser on our side.

use std::net::IpAddr;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};

use super::Api;
use super::problem::Problem;
use crate::store::Scope;

/// The guard of the whole application.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let api_path = is_api(request.path());
    let mut response = match admit(&request) {
        Err(problem) => request.into_response(problem.error_response()),
        Ok(()) => match next.call(request).await {
            Ok(response) => response,
            Err(error) => return Err(error),
        },
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = with_body(response);
    }
    let headers = response.headers_mut();
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    // Everything from this very server; sound goes through blob: and data:, styles may be set by scripts.
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' blob: data:; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    if api_path {
        set(header::CACHE_CONTROL, "no-store");
    }
    Ok(response)
}

fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    let Some(api) = request.app_data::<web::Data<Api>>() else {
        return Err(Problem::internal("the API is not set up"));
    };
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
    if !api.is_our_host(host) {
        let detail = format!(
            "{host:?} is not a name of this exchange; ask it by address, or set its name in the configuration"
        );
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host", detail));
    }
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = request.headers().get(header::ORIGIN).map(|o| o.to_str().unwrap_or("?"));
    if let Some(origin) = origin
        && origin.split_once("://").map(|(_, rest)| rest) != Some(host)
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "foreign-origin",
            format!("requests from {origin} are refused"),
        ));
    }
    if is_public(request) {
        return Ok(());
    }
    let Some(identity) = api.auth.identify(request.request(), &api.store) else {
        let detail = "log in, or send `Authorization: Bearer TOKEN`; `ringtrip token create NAME` makes one";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    };
    let marked = origin.is_some() || request.headers().contains_key("x-ringtrip");
    if identity.by_cookie && !safe && !marked {
        let detail = "a change by session cookie needs an Origin or an X-Ringtrip header";
        return Err(Problem::new(StatusCode::FORBIDDEN, "unproven-origin", detail));
    }
    if identity.scope != Scope::Admin && !safe && !is_harmless(request.path()) {
        let detail = format!("the token {:?} may read, not change", identity.name);
        return Err(Problem::new(StatusCode::FORBIDDEN, "read-only-token", detail));
    }
    request.extensions_mut().insert(identity);
    Ok(())
}

/// What needs no identity: the door itself, the sign of life, and the console's files, which hold no data.
fn is_public(request: &ServiceRequest) -> bool {
    let path = request.path();
    match *request.method() {
        Method::POST => path == "/api/v1/login",
        Method::GET | Method::HEAD => path == "/healthz" || !is_api(path),
        _ => false,
    }
}

fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || path.starts_with("/metrics")
}

/// POSTs that only compute.
fn is_harmless(path: &str) -> bool {
    matches!(
        path,
        "/api/v1/config/validate"
            | "/api/v1/dialplan/try"
            | "/api/v1/dialplan/check"
            | "/api/v1/route/try"
            | "/api/v1/routes/explain"
            | "/api/v1/routes/who-reaches"
            | "/api/v1/logout"
    ) || path.starts_with("/api/v1/drafts/") && (path.ends_with("/check") || path.ends_with("/replay"))
}

/// An error without a body gets one: 404 and 405 of the router, 413 and 400 of the payload readers.
fn with_body(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"application/problem+json"));
    if is_problem || response.status() == StatusCode::NOT_MODIFIED {
        return response;
    }
    let status = response.status();
    let text = match response.response().body().size() {
        BodySize::Sized(n) if n > 0 => "the request could not be read",
        _ => "",
    };
    let (word, detail) = match status {
        StatusCode::NOT_FOUND => ("not-found", "nothing here; the API is described at /api/v1/openapi.json"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method-not-allowed", "this cannot be done here; see /api/v1/openapi.json")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("media-type", "this content type is not taken here"),
        _ if text.is_empty() => ("failed", "the request failed"),
        _ => ("failed", text),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut answer = Problem::new(status, word, detail).error_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    response.into_response(answer)
}

/// Is the Host header one of ours? An address always is: a rebinding attacker needs a name. The port is not looked
/// at, so that port forwarding works.
pub(super) fn is_our_host(host: &str, ours: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host
            .rsplit_once(':')
            .map_or(host, |(name, port)| if port.chars().all(|c| c.is_ascii_digit()) { name } else { host }),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok() || name == "localhost" || ours.contains(&name)
}
