//! The table that the router is made of: paths, their methods, and who may use them. An operation gets into the router
//! only through here, so what a test reads from the table is what the router answers.

use actix_web::dev::{AppService, Handler, HttpServiceFactory};
use actix_web::http::header::ALLOW;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, Resource, Responder, ResponseError, web};

use super::access::{Access, Anyone, Caller, Guarded, Reader};
use super::problem::Problem;

/// One operation of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path with `{names}`, without the prefix of its scope.
    pub path: &'static str,
    /// Who may ask for it.
    pub access: Access,
}

/// A path with its operations.
pub struct Operations {
    path: &'static str,
    resource: Resource,
    all: Vec<Operation>,
}

/// A path without operations yet.
pub fn path(path: &'static str) -> Operations {
    Operations { path, resource: web::resource(path), all: Vec::new() }
}

impl Operations {
    /// GET.
    pub fn get<F, Args>(self, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        self.on(Method::GET, handler)
    }

    /// HEAD.
    pub fn head<F, Args>(self, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        self.on(Method::HEAD, handler)
    }

    /// POST.
    pub fn post<F, Args>(self, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        self.on(Method::POST, handler)
    }

    /// PUT.
    pub fn put<F, Args>(self, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        self.on(Method::PUT, handler)
    }

    /// PATCH: only plugins are changed in part.
    #[cfg(feature = "plugins")]
    pub fn patch<F, Args>(self, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        self.on(Method::PATCH, handler)
    }

    /// DELETE.
    pub fn delete<F, Args>(self, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        self.on(Method::DELETE, handler)
    }

    /// Settings of the path: limits of its bodies.
    pub fn with<T: 'static>(mut self, data: T) -> Operations {
        self.resource = self.resource.app_data(data);
        self
    }

    /// What the path can do.
    pub fn operations(&self) -> &[Operation] {
        &self.all
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Operations
    where
        F: Handler<Args, Output: Responder + 'static>,
        Args: Guarded,
    {
        let access = <Args::Caller as Caller>::ACCESS;
        self.resource = self.resource.route(web::method(method.clone()).to(handler));
        self.all.push(Operation { method, path: self.path, access });
        self
    }
}

impl HttpServiceFactory for Operations {
    fn register(self, config: &mut AppService) {
        let methods: Vec<&str> = self.all.iter().map(|o| o.method.as_str()).collect();
        let allow = methods.join(", ");
        let refused = move || {
            let detail =
                format!("the methods here are {allow}; the API is described at /api/v1/openapi.json");
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
            let mut response = problem.error_response();
            if let Ok(value) = allow.parse() {
                response.headers_mut().insert(ALLOW, value);
            }
            std::future::ready(response)
        };
        // Which methods a path has is no secret, but strangers get one answer to everything.
        let is_public = self.all.iter().any(|o| o.access == Access::Public);
        let refuse =
            if is_public { web::to(move |_: Anyone| refused()) } else { web::to(move |_: Reader| refused()) };
        self.resource.default_service(refuse).register(config);
    }
}

/// Where the router finds no path.
pub async fn nothing(_: Reader) -> HttpResponse {
    let detail = "no such path; the API is described at /api/v1/openapi.json";
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail).error_response()
}
