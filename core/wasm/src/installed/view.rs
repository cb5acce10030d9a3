//! A plugin as it is shown to people: never a secret.

use serde::{Deserialize, Serialize};

use super::InstalledPlugin;
use super::status::shown;
use crate::package::grant::Grant;
use crate::package::manifest::{Kind, World};

/// An installed plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PluginView {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its name for people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// `policy`, `gateway`.
    pub worlds: Vec<World>,
    /// SPDX expression.
    pub licence: String,
    /// Is it to run?
    pub enabled: bool,
    /// `running`, `disabled`, `resting` (it failed several times in a row), or `failed` (see `why`).
    pub state: String,
    /// Why it does not run.
    pub why: Option<String>,
    /// The publisher's key; `null`: unsigned, which only developer mode runs.
    pub signer: Option<String>,
    /// SHA-256 of the package.
    pub sha256: String,
    /// When it was installed, seconds since 1970 UTC.
    pub installed: i64,
    /// Who installed it.
    pub by: String,
    /// What it asks for, and whether it has it.
    pub grants: Vec<GrantView>,
    /// What can be set.
    pub settings: Vec<SettingView>,
    /// Settings without which it cannot be enabled.
    pub missing: Vec<String>,
    /// A gateway: can it be used?
    pub usable: Option<bool>,
    /// A gateway: what is left of the money, `12.340000 EUR`.
    pub balance: Option<String>,
    /// A gateway: how many prices it knows.
    pub prices: Option<usize>,
}

/// A grant that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GrantView {
    /// Which.
    #[schema(value_type = String)]
    pub grant: Grant,
    /// What for.
    pub why: String,
    /// Does it have it?
    pub granted: bool,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SettingView {
    /// Its key.
    pub key: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What it is for.
    pub description: String,
    /// The plugin is of no use without it.
    pub required: bool,
    /// Its value is never shown.
    pub secret: bool,
    /// Its value, or the default; `null` for secrets and where there is none.
    pub value: Option<String>,
    /// Somebody set it: it is not the default.
    pub set: bool,
    /// The values of a choice.
    pub choices: Vec<String>,
}

impl PluginView {
    pub(super) fn of(installed: &InstalledPlugin) -> PluginView {
        let InstalledPlugin { entry, manifest, signer, slot, code: _ } = installed;
        let running = slot.as_ref().ok();
        let learned = running.and_then(Option::as_ref).map(|slot| slot.learned()).unwrap_or_default();
        let (state, why) = match slot {
            Err(why) => ("failed", Some(why.clone())),
            Ok(None) => ("disabled", None),
            Ok(Some(slot)) if slot.is_suspended() => {
                ("resting", Some("it failed several times in a row".to_owned()))
            }
            Ok(Some(_)) => ("running", None),
        };
        let values = manifest.values(&entry.settings).unwrap_or_default();
        let health = learned.health;
        let why = why.or_else(|| match &health {
            Some(Ok(condition)) if !condition.usable => Some(condition.why.clone()),
            Some(Err(fault)) => Some(format!("its health: {fault}")),
            _ => None,
        });
        PluginView {
            name: entry.name.clone(),
            version: entry.version.to_string(),
            title: manifest.title.clone(),
            description: manifest.description.clone(),
            worlds: manifest.worlds.clone(),
            licence: manifest.licence.clone(),
            enabled: entry.enabled,
            state: state.to_owned(),
            why,
            signer: signer.clone(),
            sha256: entry.sha256.clone(),
            installed: entry.installed,
            by: entry.by.clone(),
            grants: manifest
                .grants
                .iter()
                .map(|ask| GrantView {
                    grant: ask.grant.clone(),
                    why: ask.why.clone(),
                    granted: entry.granted.contains(&ask.grant),
                })
                .collect(),
            settings: manifest
                .settings
                .iter()
                .map(|s| SettingView {
                    key: s.key.clone(),
                    kind: s.kind,
                    description: s.description.clone(),
                    required: s.required,
                    secret: s.secret,
                    value: values.get(&s.key).filter(|_| !s.secret).cloned(),
                    set: entry.settings.contains_key(&s.key),
                    choices: s.choices.clone(),
                })
                .collect(),
            missing: manifest.missing(&values).into_iter().map(str::to_owned).collect(),
            usable: health.map(|h| h.is_ok_and(|condition| condition.usable)),
            balance: learned.balance.and_then(Result::ok).flatten().map(|money| shown(&money)),
            prices: learned.prices.and_then(Result::ok).map(|prices| prices.len()),
        }
    }
}
