//! Drafts as they are kept: a configuration and scripts that are not in force yet, and what ran before those that are.

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
    /// It was undone.
    #[serde(default)]
    pub undone: bool,
}

/// What a draft is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DraftPhase {
    /// Being written.
    Open,
    /// In force.
    Active,
    /// It was in force and was taken back.
    Undone,
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
