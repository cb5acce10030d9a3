//! Errors of the API: `application/problem+json` (RFC 9457), always with a sentence that says what to do.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Fault;
use crate::control::ControlError;
use crate::deploy::DeployError;
use crate::store::StoreError;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:ringtrip:problem:…`, which never changes once released.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this type.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This one, and what to do about it.
    pub detail: String,
    /// Faults of a document, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Seconds after which it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem; `word` becomes the end of its type.
    pub fn new(status: StatusCode, word: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:ringtrip:problem:{word}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            faults: Vec::new(),
            retry_after_s: None,
        }
    }
    /// 400.
    pub fn bad(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }
    /// 404.
    pub fn missing(what: &str, name: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what} {name:?}"))
    }
    /// 422 with the faults of a document.
    pub fn faulty(what: &str, faults: Vec<Fault>) -> Problem {
        let detail =
            format!("the {what} is refused; nothing was changed. See `faults` for each place and its cure");
        Problem { faults, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "faulty-document", detail) }
    }
    /// 500.
    pub fn internal(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
    /// The disk is full or read-only: nothing was changed.
    pub fn disk(detail: impl std::fmt::Display) -> Problem {
        let detail = format!("{detail}. Nothing was changed");
        Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", detail)
    }
    /// A file could not be written.
    pub fn unwritten(what: impl std::fmt::Display, why: &std::io::Error) -> Problem {
        if crate::store::takes_nothing(why) {
            return Problem::disk(format_args!("{what} cannot be written: {why}"));
        }
        Problem::internal(format!("{what} cannot be written: {why}. Nothing was changed"))
    }
    /// The same, worth trying again after some seconds.
    pub fn after(self, seconds: u32) -> Problem {
        Problem { retry_after_s: Some(seconds), ..self }
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        for fault in &self.faults {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response.insert_header(ContentType("application/problem+json".parse().unwrap_or(mime_json())));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        response.body(serde_json::to_string(self).unwrap_or_default())
    }
}

fn mime_json() -> actix_web::mime::Mime {
    actix_web::mime::APPLICATION_JSON
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Problem {
        let detail = error.to_string();
        match error {
            ControlError::Missing { what, name } => Problem::missing(what, &name),
            ControlError::Bad { .. } => Problem::bad(detail),
            ControlError::Busy(_) => Problem::new(StatusCode::CONFLICT, "busy", detail),
            ControlError::Forbidden(_) => Problem::new(StatusCode::FORBIDDEN, "forbidden", detail),
            ControlError::Script(refused) => {
                let fault = Fault {
                    severity: crate::config::FaultSeverity::Error,
                    line: refused.line as usize,
                    column: refused.column as usize,
                    path: refused.script,
                    what: refused.what,
                    hint: "the script that ran before stays active".to_owned(),
                };
                Problem::faulty("script", vec![fault])
            }
            ControlError::Silent => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "exchange-silent", detail).after(2)
            }
            ControlError::Disk(_) => Problem::disk(detail),
            ControlError::Failed(_) => Problem::internal(detail),
        }
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Problem {
        let detail = error.to_string();
        match error {
            DeployError::Note | DeployError::File { .. } => Problem::bad(detail),
            DeployError::Document(faults) => Problem::faulty("document", faults),
            DeployError::Control(why) => why.into(),
            DeployError::Store(why) => why.into(),
            DeployError::Script(why) => Problem::unwritten("a script", &why),
            DeployError::NotTaken { why, .. } => Problem { detail, ..Problem::from(why) },
            DeployError::Interrupted => Problem::internal(detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let detail = error.to_string();
        match error {
            StoreError::Disk { full: true, .. } => Problem::disk(detail),
            StoreError::Disk { .. } => Problem::internal(format!("{detail}. Nothing was changed")),
            StoreError::Conflict { .. } => {
                Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail)
            }
            StoreError::Missing(_) => Problem::new(StatusCode::NOT_FOUND, "not-found", detail),
            StoreError::Index(_) | StoreError::Busy(_) | StoreError::Closed => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-not-ready", detail).after(2)
            }
            StoreError::InUse(_) | StoreError::Newer { .. } | StoreError::Gone(_) => {
                Problem::internal(detail)
            }
        }
    }
}
