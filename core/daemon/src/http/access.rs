//! Who may ask for an operation. A handler receives the identity as its first argument, [`Reader`] or [`Admin`], and
//! only extraction from a request makes one of these: a handler cannot be written without a decision about who may
//! call it. Nothing here looks at the path: the router has matched it already, whatever its spelling was.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::header::ORIGIN;
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpRequest, web};

use super::auth::Identity;
use super::listen::Connection;
use super::{Api, Problem};
use crate::store::Scope;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everybody, without identity.
    Public,
    /// Any identity.
    Read,
    /// Administrators.
    Admin,
}

/// Nobody needs to be known. The list of such operations is short; a test holds it.
pub struct Anyone(());

/// Somebody known: every token and every session.
pub struct Reader(Identity);

/// An administrator: the admin secret's session, or a token of scope `admin`.
pub struct Admin(Identity);

/// The first argument of a handler.
pub trait Caller: FromRequest + 'static {
    /// Who gets through.
    const ACCESS: Access;
}

impl Caller for Anyone {
    const ACCESS: Access = Access::Public;
}

impl Caller for Reader {
    const ACCESS: Access = Access::Read;
}

impl Caller for Admin {
    const ACCESS: Access = Access::Admin;
}

/// A handler's arguments, of which the first says who may call it. Arguments are extracted in their order, so
/// strangers are refused before a body is read.
pub trait Guarded: FromRequest + 'static {
    /// The first argument.
    type Caller: Caller;
}

macro_rules! guarded {
    ($($rest:ident)*) => {
        impl<C: Caller, $($rest: FromRequest + 'static),*> Guarded for (C, $($rest,)*) {
            type Caller = C;
        }
    };
}

guarded!();
guarded!(T1);
guarded!(T1 T2);
guarded!(T1 T2 T3);
guarded!(T1 T2 T3 T4);
guarded!(T1 T2 T3 T4 T5);
guarded!(T1 T2 T3 T4 T5 T6);

impl Deref for Reader {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Deref for Admin {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Ready<Result<Anyone, Problem>>;
    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Anyone(())))
    }
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = Ready<Result<Reader, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identify(request).map(Reader))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Admin, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identify(request).and_then(|identity| administrator(request, identity)).map(Admin))
    }
}

fn identify(request: &HttpRequest) -> Result<Identity, Problem> {
    let Some(api) = request.app_data::<web::Data<Api>>() else {
        return Err(Problem::internal("the API is not set up"));
    };
    let Some(identity) = api.auth.identify(request, &api.store) else {
        let detail = "log in, or send `Authorization: Bearer TOKEN`; `ringtrip token create NAME` makes one";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    };
    // A browser sends its cookie with the requests of any page; only our own pages add these headers.
    let is_marked = request.headers().contains_key(ORIGIN) || request.headers().contains_key("x-ringtrip");
    if identity.by_cookie && !is_safe(request.method()) && !is_marked {
        let detail = "a change by session cookie needs an Origin or an X-Ringtrip header";
        return Err(Problem::new(StatusCode::FORBIDDEN, "unproven-origin", detail));
    }
    Connection::identified(request);
    Ok(identity)
}

fn administrator(request: &HttpRequest, identity: Identity) -> Result<Identity, Problem> {
    if identity.scope == Scope::Admin {
        return Ok(identity);
    }
    if is_safe(request.method()) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "only an administrator may read this"));
    }
    let detail = format!("the token {:?} may read, not change", identity.name);
    Err(Problem::new(StatusCode::FORBIDDEN, "read-only-token", detail))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
