//! What every request passes: Host and Origin (DNS rebinding, cross-site requests), the spelling of its path; and what
//! every answer gets: problem+json for errors that have no body, and the headers that keep a browser on our side.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{ResponseError, web};

use super::problem::Problem;
use super::spelling;
use super::{Api, body};

/// The guard of the whole application.
pub(super) async fn guard(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let too_slow = body::limit_time(&mut request);
    let mut response = match admit(&request) {
        Err(problem) => request.into_response(problem.error_response()),
        Ok(()) => match next.call(request).await {
            Ok(response) => response,
            Err(error) => return Err(error),
        },
    };
    if too_slow.is_so() {
        let detail =
            "the body did not arrive in time: it has 10 s, and longer if it comes at 16 KiB/s or more";
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail);
        response = response.into_response(problem.error_response());
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
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
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// What is asked of every request before the router sees it. Who may do what is asked later, by each operation.
fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    let Some(api) = request.app_data::<web::Data<Api>>() else {
        return Err(Problem::internal("the API is not set up"));
    };
    let host = host(request)?;
    if !api.is_our_host(host) {
        let detail = format!(
            "{host:?} is not a name of this exchange; ask it by address, or set its name in the configuration"
        );
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host", detail));
    }
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
    spelling::check(request.uri().path()).map_err(|why| Problem::bad(why.to_string()))
}

/// The host that is asked: of the Host header, of which there is one, and of a target in absolute form, which names the
/// same (RFC 9112 §3.2).
fn host(request: &ServiceRequest) -> Result<&str, Problem> {
    let mut hosts = request.headers().get_all(header::HOST);
    let host = hosts.next().map_or(Ok(""), |h| h.to_str()).unwrap_or("");
    if hosts.next().is_some() {
        return Err(Problem::bad("the request has more than one Host header"));
    }
    match request.uri().authority() {
        Some(target) if !target.as_str().eq_ignore_ascii_case(host) => {
            Err(Problem::bad(format!("the request is for {target}, but its Host header says {host:?}")))
        }
        _ => Ok(host),
    }
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
/// at, so that port forwarding works; but what stands there must be a port.
pub(super) fn is_our_host(host: &str, ours: &[String]) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || is_port(rest));
    }
    let (name, port) = host.find(':').map_or((host, ""), |at| host.split_at(at));
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (port.is_empty() || is_port(port))
        && (name.parse::<Ipv4Addr>().is_ok() || name == "localhost" || ours.contains(&name))
}

/// `:8080`.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()))
}
