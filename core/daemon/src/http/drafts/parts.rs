//! Rate decks of a draft, and what it removes.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{DraftView, changed};
use crate::http::access::Admin;
use crate::http::operation::{Operations, path};
use crate::http::rates::LARGEST;
use crate::http::{Api, Problem};
use crate::rating::{ImportAsk, ImportView, is_deck_name};
use crate::store::{DraftRecord, Parts};

pub(super) fn operations() -> Vec<Operations> {
    vec![
        path("/drafts/{name}/decks/{deck}")
            .with(web::PayloadConfig::new(LARGEST))
            .put(put_deck)
            .delete(remove_deck),
    ]
}

/// How a price list is read into a draft.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeckQuery {
    /// The gateway whose prices they are.
    #[serde(default)]
    gateway: String,
    /// The currency, where the file names none; the draft's if not given.
    #[serde(default)]
    currency: Option<String>,
    /// What single columns are, one a line: `price=New Rate` by heading, `prefix=3` by number from 1.
    #[serde(default)]
    columns: String,
    /// Leave bad rows out instead of refusing the file.
    #[serde(default)]
    skip_bad: bool,
}

/// A deck that is in the draft now.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::http) struct DraftDeck {
    #[serde(flatten)]
    draft: DraftView,
    /// What it changes against the active deck.
    import: ImportView,
}

/// How a deck or plugin leaves.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Leave {
    /// The draft says nothing about it any more, so it stays as it is active. Without it the draft removes it.
    #[serde(default)]
    pub forget: bool,
}

/// Reads a price list (CSV in the body) into the draft. Nothing is active.
#[utoipa::path(put, path = "/api/v1/drafts/{name}/decks/{deck}", tag = "drafts", params(("name" = String, Path),
    ("deck" = String, Path), ("If-Match" = String, Header), DeckQuery),
    request_body(content = String, content_type = "text/csv"), responses((status = 200, body = DraftDeck),
    (status = 412, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn put_deck(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    query: web::Query<DeckQuery>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let (name, deck) = path.into_inner();
    let DeckQuery { gateway, currency, columns, skip_bad } = query.into_inner();
    let (tag, draft, import) = changed(&request, &api, &who, &name, move |api, record| {
        remember(api, record, touched(&deck));
        let ask = ImportAsk { gateway, name: Some(deck), currency, columns, skip_bad, confirm: false };
        api.drafts.put_deck(record, &body, &ask)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(tag).json(DraftDeck { draft, import }))
}

/// The draft removes a deck, or says nothing about it any more.
#[utoipa::path(delete, path = "/api/v1/drafts/{name}/decks/{deck}", tag = "drafts", params(("name" = String, Path),
    ("deck" = String, Path), ("If-Match" = String, Header), Leave), responses((status = 200, body = DraftView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 412, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn remove_deck(
    who: Admin,
    request: HttpRequest,
    api: web::Data<Api>,
    path: web::Path<(String, String)>,
    query: web::Query<Leave>,
) -> Result<HttpResponse, Problem> {
    let (name, deck) = path.into_inner();
    let forget = query.forget;
    let (tag, draft, ()) = changed(&request, &api, &who, &name, move |api, record| {
        let missing = || Problem::missing("rate deck", &deck);
        if forget {
            record.parts.decks.remove(&deck).ok_or_else(missing)?;
            record.base.parts.decks.remove(&deck);
            return Ok::<_, Problem>(());
        }
        let is_there = record.parts.decks.get(&deck).map(Option::is_some);
        if !is_deck_name(&deck) || !is_there.unwrap_or_else(|| api.rating.deck_mark(&deck).is_some()) {
            return Err(missing());
        }
        remember(api, record, touched(&deck));
        record.parts.decks.insert(deck, None);
        Ok(())
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(tag).json(draft))
}

fn touched(deck: &str) -> Parts {
    Parts { decks: [(deck.to_owned(), None)].into(), ..Parts::default() }
}

/// The draft is about to change these: how they stand now is a part of what it is made from.
pub(super) fn remember(api: &Api, record: &mut DraftRecord, touched: Parts) {
    let current_parts = api.drafts.current_parts(&touched);
    for (name, mark) in current_parts.decks {
        record.base.parts.decks.entry(name).or_insert(mark);
    }
    for (name, kept) in current_parts.plugins {
        record.base.parts.plugins.entry(name).or_insert(kept);
    }
}
