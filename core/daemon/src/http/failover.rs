//! When a call that failed outside is tried another way: the table that is active.

use actix_web::web;
use ringtrip_config::Failover;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Reader;
use super::operation::{Operations, path};
use super::{Api, Problem, off_loop};
use crate::store::StoreError;

pub(super) fn operations() -> Vec<Operations> {
    vec![path("/failover").get(table)]
}

/// A rule for a cause.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct RuleView {
    /// How an attempt ended: `busy`, `failure`, …
    cause: String,
    /// `next`: the next way to the same party is tried; `stop`: none is.
    rule: String,
    /// The rule where the configuration says nothing.
    usual: String,
}

/// What becomes of a call after an attempt outside has failed, for each cause.
#[utoipa::path(get, path = "/api/v1/failover", tag = "config", responses((status = 200, body = Vec<RuleView>)))]
pub(super) async fn table(_: Reader, api: web::Data<Api>) -> Result<web::Json<Vec<RuleView>>, Problem> {
    let text = off_loop(move || -> Result<String, StoreError> {
        let head = api.store.config_head();
        if head == 0 { Ok(String::new()) } else { Ok(api.store.config(head)?.text) }
    });
    let failover = crate::config::read(&text.await?).map(|(config, _)| config.failover).unwrap_or_default();
    let rules = failover.table().map(|(cause, rule)| RuleView {
        cause: cause.word().to_owned(),
        rule: rule.word().to_owned(),
        usual: Failover::usual(cause).word().to_owned(),
    });
    Ok(web::Json(rules.collect()))
}
