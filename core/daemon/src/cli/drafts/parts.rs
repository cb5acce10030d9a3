//! Rate decks and plugins of a draft.

use std::path::Path;

use serde_json::Value;

use super::args::{Deck, Part};
use super::{at_revision, path, revision, said};
use crate::cli::client::{Client, quoted};
#[cfg(feature = "plugins")]
use crate::cli::plugin;
use crate::cli::{Outcome, Refusal, rates};

pub(super) fn put_deck(client: &Client, name: &str, file: &Path, how: &Deck, json: bool) -> Outcome {
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let deck = how.deck.clone().unwrap_or(stem);
    let mut to = format!(
        "{}/decks/{}?gateway={}&skip_bad={}",
        path(name),
        quoted(&deck),
        quoted(&how.gateway),
        how.skip_bad
    );
    if let Some(currency) = &how.currency {
        to = format!("{to}&currency={}", quoted(currency));
    }
    if !how.columns.is_empty() {
        to = format!("{to}&columns={}", quoted(&how.columns.join("\n")));
    }
    let revision = revision(client, name)?;
    let mut open = std::fs::File::open(file).map_err(|e| Refusal::No(format!("{}: {e}", file.display())))?;
    let body = ureq::SendBody::from_reader(&mut open);
    let draft: Value = client.change("PUT", &to, &revision, "text/csv", body)?;
    said(&draft, json, || {
        rates::show_import(&draft["import"]);
        println!("draft {name} is at revision {}", draft["revision"]);
    })
}

#[cfg(feature = "plugins")]
pub(super) fn put_plugin(
    client: &Client,
    name: &str,
    file: &Path,
    confirm: &plugin::Confirm,
    json: bool,
) -> Outcome {
    let octets = plugin::octets_of(file)?;
    let package = plugin::package_of(&octets, file)?;
    let to = format!("{}/plugins/{}?{}", path(name), quoted(&package.manifest.name), confirm.query());
    let revision = revision(client, name)?;
    let draft: Value = client.change("PUT", &to, &revision, "application/octet-stream", &octets[..])?;
    at_revision(&draft, name, json)
}

#[cfg(feature = "plugins")]
pub(super) fn set_plugin(
    client: &Client,
    name: &str,
    plugin: &str,
    settings: &[String],
    enabled: Option<bool>,
    json: bool,
) -> Outcome {
    let body = serde_json::json!({ "settings": plugin::settings_of(settings)?, "enabled": enabled });
    let to = format!("{}/plugins/{}", path(name), quoted(plugin));
    let revision = revision(client, name)?;
    let draft: Value = client.change("PATCH", &to, &revision, "application/json", body.to_string())?;
    at_revision(&draft, name, json)
}

/// The draft removes it, or says nothing about it any more.
pub(super) fn remove(client: &Client, name: &str, part: &Part, forget: bool, json: bool) -> Outcome {
    let deck = part.deck.as_ref().map(|deck| format!("decks/{}", quoted(deck)));
    #[cfg(feature = "plugins")]
    let deck = deck.or_else(|| part.plugin.as_ref().map(|plugin| format!("plugins/{}", quoted(plugin))));
    let Some(part) = deck else { return Err(Refusal::Misuse("name a deck or a plugin".to_owned())) };
    let to = format!("{}/{part}?forget={forget}", path(name));
    let revision = revision(client, name)?;
    let draft: Value = client.change("DELETE", &to, &revision, "text/plain", ())?;
    at_revision(&draft, name, json)
}
