//! Drafts as they are kept: a configuration and scripts that are not active yet, and what ran before those that are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A draft. A newer record of the same name replaces the older one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftRecord {
    /// Its name.
    pub name: String,
    /// Who changed it last.
    pub author: String,
    /// Why, for people.
    #[serde(default)]
    pub note: String,
    /// When it was changed last, microseconds since 1970 UTC.
    pub at_micros: i64,
    /// Counts its changes: what `If-Match` of a change must say.
    pub revision: u64,
    /// What it was made from.
    pub base: DraftState,
    /// The TOML document.
    pub config: String,
    /// Texts of scripts, by file name.
    #[serde(default)]
    pub scripts: BTreeMap<String, String>,
    /// Rate decks and plugins that it changes; all others stay as they are.
    #[serde(default)]
    pub parts: Parts,
    /// It decides about some calls; a start takes that up again.
    #[serde(default)]
    pub canary: Option<CanarySettings>,
    /// What ran before it was activated, and the version that it became; `None`: it is not active.
    #[serde(default)]
    pub active: Option<Activated>,
    /// Discarded: kept so that a replay forgets it too.
    #[serde(default)]
    pub discarded: bool,
}

/// A configuration version with the scripts that ran beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DraftState {
    /// The configuration's version.
    pub version: u64,
    /// Texts of the scripts, by file name.
    #[serde(default)]
    pub scripts: BTreeMap<String, String>,
    /// The decks and plugins that the draft changes, as they stood.
    #[serde(default)]
    pub parts: Parts,
}

/// Rate decks and plugins by name, as they stand or shall stand; `None`: there is none of that name. Their files lie
/// beside the store, each under its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parts {
    /// SHA-256 of each deck's file.
    #[serde(default)]
    pub decks: BTreeMap<String, Option<String>>,
    /// Plugins.
    #[serde(default)]
    pub plugins: BTreeMap<String, Option<PluginRecord>>,
}

/// A plugin as it stands or shall stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// SHA-256 of its package.
    pub sha256: String,
    /// Version, rights and settings, in the words of the part that runs plugins. Secrets among them.
    pub kept: serde_json::Value,
}

/// A draft that was activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// When, microseconds since 1970 UTC.
    pub at_micros: i64,
    /// The configuration version that it became; 0 while it is being activated.
    pub version: u64,
    /// What an undo returns to.
    pub before: DraftState,
    /// It is being undone.
    #[serde(default)]
    pub undoing: bool,
    /// It was undone.
    #[serde(default)]
    pub undone: bool,
}

/// Which calls a draft decides about, as somebody wished it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CanarySettings {
    /// All calls of this extension.
    #[serde(default)]
    pub extension: Option<String>,
    /// Or so many of 100 calls, 1 to 50.
    #[serde(default)]
    pub share: Option<u8>,
    /// Calls of the last hours count; 24 if not given.
    #[serde(default)]
    pub hours: Option<u32>,
    /// Calls needed on each side; 20 if not given.
    #[serde(default)]
    pub least: Option<u32>,
}

/// What a draft is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DraftPhase {
    /// Being written.
    Open,
    /// Active.
    Active,
    /// It was active and was taken back.
    Undone,
}

impl Parts {
    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.decks.is_empty() && self.plugins.is_empty()
    }

    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let decks = self.decks.values().flatten().map(String::as_str);
        decks.chain(self.plugins.values().flatten().map(|p| p.sha256.as_str()))
    }
}

impl DraftRecord {
    /// What it is doing.
    pub fn phase(&self) -> DraftPhase {
        match &self.active {
            None => DraftPhase::Open,
            Some(Activated { undone: true, .. }) => DraftPhase::Undone,
            Some(_) => DraftPhase::Active,
        }
    }
}
