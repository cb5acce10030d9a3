//! `If-Match`: a client that changes what others change too says what its change was made from.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::IF_MATCH;

use super::Problem;

/// The number in `If-Match`; `None`: `*`, whatever is current. `of` is the path whose ETag it is.
pub(super) fn if_match(request: &HttpRequest, of: &str) -> Result<Option<u64>, Problem> {
    let Some(value) = request.headers().get(IF_MATCH) else {
        let detail =
            format!("missing If-Match header: expected `If-Match: \"7\"`, the ETag of GET {of}, or `*`");
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match-required", detail));
    };
    match value.to_str().unwrap_or("").trim() {
        "*" => Ok(None),
        tag => tag.trim_matches('"').parse().map(Some).map_err(|_| {
            let detail = format!("invalid ETag {tag} for {of}: expected `If-Match: \"7\"`, or `*`");
            Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail)
        }),
    }
}

/// The ETag of a version or revision.
pub(super) fn etag(number: u64) -> String {
    format!("\"{number}\"")
}
