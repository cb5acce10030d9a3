//! Login, logout, tokens.

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use ringtrip_model::event::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Admin, Anyone, Reader};
use super::auth::{COOKIE, create_token};
use super::operation::{Operations, path};
use super::{Api, Problem, client};
use crate::store::Scope;

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/login").post(login),
        path("/logout").post(logout),
        path("/tokens").get(list).post(create),
        path("/tokens/{id}").delete(revoke),
    ]
}

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The admin secret.
    secret: String,
    /// Answer the session too, for programs that keep no cookies: send it as a bearer token.
    #[serde(default)]
    bearer: bool,
}

/// An open session.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Session {
    /// What it may do.
    scope: Scope,
    /// The session, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// Opens a session with the admin secret. The cookie is HttpOnly and SameSite=Strict.
#[utoipa::path(post, path = "/api/v1/login", tag = "access", request_body = Login, security(()), responses(
    (status = 200, body = Session), (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many attempts", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn login(
    _: Anyone,
    request: HttpRequest,
    api: web::Data<Api>,
    body: web::Json<Login>,
) -> Result<HttpResponse, Problem> {
    let from = client::address(&request, &api);
    let body = body.into_inner();
    match api.auth.login(from, body.secret, &api.store).await {
        Ok(session) => {
            let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", session.0);
            let session = body.bearer.then_some(session.0);
            Ok(HttpResponse::Ok()
                .insert_header((SET_COOKIE, cookie))
                .json(Session { scope: Scope::Admin, session }))
        }
        Err(wrong) => {
            // A flood of guesses must not wash all other events away.
            if wrong.attempts <= 5 || wrong.attempts.is_power_of_two() {
                let who = "admin".to_owned();
                api.events.publish(Event::AuthFailed { what: "login", who, from: from.to_string() });
            }
            Err(wrong.into())
        }
    }
}

/// Ends the session that asks, sent as a cookie or as a bearer token. An API token is no session: it is revoked.
#[utoipa::path(post, path = "/api/v1/logout", tag = "access", responses((status = 204),
    (status = 409, description = "It was a token", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn logout(who: Reader, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    if !api.auth.logout(&who) {
        let detail = format!(
            "{:?} is an API token, not a session: logging out does not end it. DELETE /api/v1/tokens/{{id}} revokes it",
            who.name
        );
        return Err(Problem::new(StatusCode::CONFLICT, "not-a-session", detail));
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(HttpResponse::NoContent().insert_header((SET_COOKIE, gone)).finish())
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is for.
    name: String,
    /// What it may do.
    scope: Scope,
}

/// A token, without the token.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct TokenView {
    /// Its public name.
    id: String,
    /// What it is for.
    name: String,
    /// What it may do.
    scope: Scope,
    /// When it was made, microseconds since 1970 UTC.
    created_micros: i64,
    /// The token itself: shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// All tokens.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "access", responses((status = 200, body = Vec<TokenView>)))]
pub(super) async fn list(_: Reader, api: web::Data<Api>) -> web::Json<Vec<TokenView>> {
    let view = |t: crate::store::TokenRecord| TokenView {
        id: t.id,
        name: t.name,
        scope: t.scope,
        created_micros: t.created_micros,
        token: None,
    };
    web::Json(api.store.tokens().into_iter().map(view).collect())
}

/// Makes a token. It is shown once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "access", request_body = NewToken, responses(
    (status = 201, body = TokenView), (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    who: Admin,
    api: web::Data<Api>,
    body: web::Json<NewToken>,
) -> Result<HttpResponse, Problem> {
    let name = body.name.trim();
    if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        return Err(Problem::bad("invalid token name: expected 1 to 64 characters that say what it is for"));
    }
    let (record, token) = create_token(&api.store, name, body.scope).await?;
    tracing::info!(id = record.id, name, by = who.name, "token made");
    Ok(HttpResponse::Created().json(TokenView {
        id: record.id,
        name: record.name,
        scope: record.scope,
        created_micros: record.created_micros,
        token: Some(token.0),
    }))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "access", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke(
    _: Admin,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let token =
        api.store.tokens().into_iter().find(|t| t.id == *id).ok_or_else(|| Problem::missing("token", &id))?;
    api.store.put_token(crate::store::TokenRecord { revoked: true, ..token }).await?;
    api.auth.token_ended();
    Ok(HttpResponse::NoContent().finish())
}
