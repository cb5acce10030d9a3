//! The console's files, embedded in the program: it works offline and asks nobody else for anything.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use rust_embed::RustEmbed;

use super::Problem;
use super::access::Anyone;

/// `build.rs` names the folder: the built console, or a page that says how to build it.
#[derive(RustEmbed)]
#[folder = "$RINGTRIP_CONSOLE"]
struct Files;

/// First segments of paths that are no pages.
const RESERVED: [&str; 3] = ["api", "metrics", "healthz"];

/// A file of the console; a path without an extension is one of its pages and gets `index.html`.
/// Nothing here is secret, so nobody needs to be known: what is not one of these files is refused.
pub(super) async fn file(_: Anyone, request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches('/');
    // A page of this name would answer 200 to a misspelt path of the API, which a script takes for success.
    let first = path.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
    let is_misspelt = RESERVED.iter().any(|name| first.eq_ignore_ascii_case(name));
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_misspelt || !is_read {
        return HttpResponse::NotFound().finish();
    }
    // No page has another letter in its name, least of all an escaped one.
    let is_page = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'));
    let (name, found) = match Files::get(path) {
        Some(found) => (path, Some(found)),
        None if is_page => ("index.html", Files::get("index.html")),
        None => (path, None),
    };
    let Some(found) = found else {
        return Problem::new(StatusCode::NOT_FOUND, "not-found", format!("the console has no file {path:?}"))
            .error_response();
    };
    let hash: String = found.metadata.sha256_hash().iter().take(16).map(|b| format!("{b:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let same = request.headers().get(IF_NONE_MATCH).is_some_and(|t| t.as_bytes() == etag.as_bytes());
    let mut response = if same { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((ETAG, etag)).insert_header((CACHE_CONTROL, "no-cache"));
    if same {
        return response.finish();
    }
    response.content_type(media_type(name)).body(found.data.into_owned())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
