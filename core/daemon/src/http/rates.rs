//! Rate decks and money: imported with a preview, compared, exported, removed; limits and what is spent of them.

use std::io;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use jiff::civil::DateTime;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::access::{Admin, Reader};
use super::operation::{Operations, path};
use super::{Api, Problem, off_loop};
use crate::config::{Fault, FaultSeverity};
use crate::exchange::wall;
use crate::rating::{CompareView, DeckView, ImportAsk, ImportError, ImportView, MoneyView};

/// Octets of a price list: some millions of rows.
pub(super) const LARGEST: usize = 256 << 20;

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/rates").get(list),
        path("/rates/compare").get(compare),
        path("/rates/import").with(web::PayloadConfig::new(LARGEST)).post(import),
        path("/rates/decks/{name}").get(export).delete(remove),
        path("/money").get(money),
    ]
}

/// All rate decks.
#[utoipa::path(get, path = "/api/v1/rates", tag = "rates", responses((status = 200, body = Vec<DeckView>)))]
pub(super) async fn list(_: Reader, api: web::Data<Api>) -> web::Json<Vec<DeckView>> {
    web::Json(api.rating.list_decks())
}

/// How a price list is imported.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// The gateway whose prices they are.
    #[serde(default)]
    gateway: String,
    /// The deck's name; the gateway's first deck if not given.
    #[serde(default)]
    name: Option<String>,
    /// The currency, where the file names none; the box's if not given.
    #[serde(default)]
    currency: Option<String>,
    /// What single columns are, one a line: `price=New Rate` by heading, `prefix=3` by number from 1. As the headings say
    /// if not given.
    #[serde(default)]
    columns: String,
    /// Leave bad rows out instead of refusing the file.
    #[serde(default)]
    skip_bad: bool,
    /// Activate it. Without it the answer only says what would change.
    #[serde(default)]
    confirm: bool,
}

/// Reads a price list (CSV in the body) and says what it changes; with `confirm=true` it is active afterwards.
#[utoipa::path(post, path = "/api/v1/rates/import", tag = "rates", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"), responses(
    (status = 200, body = ImportView), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn import(
    _: Admin,
    api: web::Data<Api>,
    query: web::Query<ImportQuery>,
    body: web::Bytes,
) -> Result<web::Json<ImportView>, Problem> {
    let ImportQuery { gateway, name, currency, columns, skip_bad, confirm } = query.into_inner();
    let ask = ImportAsk { gateway, name, currency, columns, skip_bad, confirm };
    off_loop(move || api.rating.import(&body, &ask)).await.map(web::Json)
}

/// Which call to compare for.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareQuery {
    /// The number, as dialled here or with `+`.
    number: String,
    /// When: `2026-12-24T18:00` in the box's zone; now if not given.
    #[serde(default)]
    at: Option<String>,
    /// How long the call lasts; `call_length` of the configuration if not given.
    #[serde(default)]
    seconds: Option<u32>,
}

/// What a call to a number costs by each gateway: the best first, and who was rejected with the reason.
#[utoipa::path(get, path = "/api/v1/rates/compare", tag = "rates", params(CompareQuery), responses(
    (status = 200, body = CompareView), (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn compare(
    _: Reader,
    api: web::Data<Api>,
    query: web::Query<CompareQuery>,
) -> Result<web::Json<CompareView>, Problem> {
    let at = match &query.at {
        None => wall::now(),
        Some(text) => {
            let local = text.parse::<DateTime>().ok();
            let zone = wall::zone();
            let stamp = local.and_then(|local| local.to_zoned(zone).ok());
            let bad = || Problem::bad(format!("invalid time {text:?}: expected 2026-12-24T18:00"));
            wall::at(stamp.ok_or_else(bad)?.timestamp().as_microsecond())
        }
    };
    let found = api.rating.compare(&query.number, &at, query.seconds);
    let number = &query.number;
    let bad = || {
        Problem::bad(format!(
            "invalid public number {number:?}: it has no country code, too few digits, or letters"
        ))
    };
    found.map(web::Json).ok_or_else(bad)
}

/// A deck as our own CSV, which imports back to the same deck.
#[utoipa::path(get, path = "/api/v1/rates/decks/{name}", tag = "rates", params(("name" = String, Path)), responses(
    (status = 200, description = "CSV"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn export(
    _: Reader,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = name.clone();
    let text = off_loop(move || Ok::<_, Problem>(api.rating.export_deck(&asked))).await?;
    let text = text.ok_or_else(|| Problem::missing("rate deck", &name))?;
    Ok(HttpResponse::Ok().content_type("text/csv; charset=utf-8").body(text))
}

/// Removes a deck. Calls that stand keep their price.
#[utoipa::path(delete, path = "/api/v1/rates/decks/{name}", tag = "rates", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    _: Admin,
    api: web::Data<Api>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let asked = name.clone();
    let refused = |e: io::Error| Problem::unwritten("the folder of decks", &e);
    let removed = off_loop(move || api.rating.remove_deck(&asked).map_err(refused)).await?;
    if removed { Ok(HttpResponse::NoContent().finish()) } else { Err(Problem::missing("rate deck", &name)) }
}

/// Limits and bundles, and what is spent and used of them.
#[utoipa::path(get, path = "/api/v1/money", tag = "rates", responses((status = 200, body = MoneyView)))]
pub(super) async fn money(_: Reader, api: web::Data<Api>) -> web::Json<MoneyView> {
    web::Json(api.rating.spending())
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Problem {
        let detail = error.to_string();
        let refused = |word| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, word, detail.clone());
        match error {
            ImportError::Bad(_) => Problem::bad(detail),
            ImportError::NoGateway(name) => Problem::missing("gateway", &name),
            ImportError::Unreadable(_) => refused("no-price-list"),
            ImportError::Nothing => refused("bad-rows"),
            ImportError::Rows { some, .. } => {
                let fault = |e: ringtrip_rating::import::RowError| Fault {
                    severity: FaultSeverity::Error,
                    line: usize::try_from(e.line).unwrap_or(usize::MAX),
                    column: e.column,
                    path: String::new(),
                    what: e.what,
                    hint: e.hint.to_owned(),
                };
                Problem { faults: some.into_iter().map(fault).collect(), ..refused("bad-rows") }
            }
            ImportError::Disk { why, .. } if crate::store::takes_nothing(&why) => Problem::disk(detail),
            ImportError::Disk { .. } | ImportError::Panicked(_) => Problem::internal(detail),
        }
    }
}
