//! `plugin.toml`: what a plugin is, what it asks for, and what can be set.
//!
//! ```toml
//! name = "gateway-callingcard"          # a-z, 0-9 and -, at most 40
//! version = "0.1.0"                     # semver
//! title = "Calling card"
//! description = "Calls through a calling card's access number."
//! worlds = ["gateway"]                  # policy, gateway, or both
//! licence = "MIT OR Apache-2.0"         # SPDX
//! icon = "icon.svg"                     # optional: SVG or PNG beside this file, at most 64 KiB
//!
//! [[grants]]                            # what it asks for; a person confirms at install
//! grant = "http:api.example.com"        # store, clock, http:HOST[:PORT], dns:ZONE, memory:MIB
//! why = "Asks for the balance of the card."
//!
//! [[settings]]
//! key = "access"                        # a-z, 0-9, - and _
//! type = "text"                         # text, number, flag or choice
//! default = "0800 123456"               # optional; a setting without one may be required
//! required = true
//! secret = false                        # never shown again
//! choices = []                          # for choice
//! description = "The access number."
//! ```

use std::collections::BTreeMap;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::grant::Grant;

/// The longest `plugin.toml`.
pub const MOST: usize = 64 << 10;
/// Grants and settings that a plugin may name.
const MOST_GRANTS: usize = 32;
const MOST_SETTINGS: usize = 64;
/// Octets of a sentence for people.
const LONGEST_TEXT: usize = 1024;
/// Octets of a setting's value.
pub const LONGEST_VALUE: usize = 4096;

/// What a plugin is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name: `gateway-callingcard`.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// What it is asked.
    pub worlds: Vec<World>,
    /// SPDX expression.
    pub licence: String,
    /// The icon's file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// What it asks for.
    #[serde(default)]
    pub grants: Vec<Ask>,
    /// What can be set.
    #[serde(default)]
    pub settings: Vec<Setting>,
}

/// What a plugin is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Where a call should go.
    Policy,
    /// How a provider places a call.
    Gateway,
}

/// A grant that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Which.
    pub grant: Grant,
    /// What for, for the person who confirms.
    pub why: String,
}

/// Something that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// What it holds.
    #[serde(rename = "type", default)]
    pub kind: Kind,
    /// Its value while none is set, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Plain>,
    /// The plugin is of no use without it.
    #[serde(default)]
    pub required: bool,
    /// Never shown again once set.
    #[serde(default)]
    pub secret: bool,
    /// The values of a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// What a setting holds. A plugin reads all of them as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SettingKind)]
pub enum Kind {
    /// Anything.
    #[default]
    Text,
    /// A number, `12` or `0.5`.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of the choices.
    Choice,
}

/// A value as TOML or JSON writes it: text, a number, or a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain(pub String);

/// The values of a plugin's settings.
pub type Settings = BTreeMap<String, String>;

/// What is wrong with a `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin.toml: {0}")]
pub struct ManifestError(pub String);

/// A setting that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {key:?}: {what}")]
pub struct SettingError {
    /// Its key.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Manifest {
    /// Reads a `plugin.toml`.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn read(text: &str) -> Result<Manifest, ManifestError> {
        if text.len() > MOST {
            return Err(ManifestError(format!("it has {} octets; {MOST} is the most", text.len())));
        }
        let manifest: Manifest =
            toml::from_str(text).map_err(|e| ManifestError(e.to_string().trim_end().to_owned()))?;
        manifest.check().map_err(ManifestError)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!(
                "name {:?}: it begins with a letter and has a-z, 0-9 and -, at most 40",
                self.name
            ));
        }
        let mut worlds = self.worlds.clone();
        worlds.sort_unstable();
        worlds.dedup();
        if worlds.is_empty() || worlds.len() != self.worlds.len() {
            return Err("worlds: name \"policy\", \"gateway\", or both, once each".to_owned());
        }
        let texts = [("title", &self.title), ("description", &self.description), ("licence", &self.licence)];
        for (what, text) in texts {
            sentence(what, text)?;
        }
        if self.licence.trim().is_empty() {
            return Err("licence: it must be named, as an SPDX expression".to_owned());
        }
        if let Some(icon) = &self.icon
            && !is_icon(icon)
        {
            return Err(format!("icon {icon:?}: a plain file name that ends in .svg or .png"));
        }
        if self.grants.len() > MOST_GRANTS || self.settings.len() > MOST_SETTINGS {
            return Err(format!("at most {MOST_GRANTS} grants and {MOST_SETTINGS} settings"));
        }
        for (n, ask) in self.grants.iter().enumerate() {
            sentence("why", &ask.why)?;
            if ask.why.trim().is_empty() {
                return Err(format!("grant {}: say why, for the person who confirms it", ask.grant));
            }
            if self.grants[..n].iter().any(|earlier| earlier.grant == ask.grant) {
                return Err(format!("grant {} is asked for twice", ask.grant));
            }
        }
        for (n, setting) in self.settings.iter().enumerate() {
            setting.check().map_err(|what| format!("setting {:?}: {what}", setting.key))?;
            if self.settings[..n].iter().any(|earlier| earlier.key == setting.key) {
                return Err(format!("setting {:?} is there twice", setting.key));
            }
        }
        Ok(())
    }

    /// The values that the plugin will see: what is set, checked, over the defaults. A required one that is not set is
    /// no error here, so that a plugin can be installed first and set up then; see [`Manifest::missing`].
    ///
    /// # Errors
    /// The first setting that the plugin does not have, or whose value it does not accept.
    pub fn values(&self, set: &Settings) -> Result<Settings, SettingError> {
        for (key, value) in set {
            let wrong = |what: String| SettingError { key: key.clone(), what };
            let setting = self.settings.iter().find(|s| s.key == *key).ok_or_else(|| {
                let known: Vec<&str> = self.settings.iter().map(|s| s.key.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                wrong(format!("{} has no such setting; there are: {known}", self.name))
            })?;
            setting.accept(value).map_err(wrong)?;
        }
        let defaults = self.settings.iter().filter_map(|s| Some((s.key.clone(), s.default.clone()?.0)));
        let mut values: Settings = defaults.collect();
        values.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
        Ok(values)
    }

    /// Required settings that have no value.
    pub fn missing(&self, values: &Settings) -> Vec<&str> {
        let lacks = |s: &&Setting| s.required && values.get(&s.key).is_none_or(String::is_empty);
        self.settings.iter().filter(lacks).map(|s| s.key.as_str()).collect()
    }

    /// Name and version, `gateway-callingcard 0.1.0`.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// All grants asked for.
    pub fn asked(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().map(|ask| &ask.grant)
    }
}

impl Setting {
    fn check(&self) -> Result<(), String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if self.key.is_empty() || self.key.len() > 40 || !self.key.bytes().all(plain) {
            return Err("a key has a-z, 0-9, - and _, at most 40".to_owned());
        }
        sentence("description", &self.description)?;
        let is_choice = self.kind == Kind::Choice;
        if is_choice == self.choices.is_empty() || self.choices.len() > 64 {
            return Err("choices: 1 to 64 for a choice, none for the others".to_owned());
        }
        self.choices.iter().try_for_each(|choice| sentence("choices", choice))?;
        if let Some(default) = &self.default {
            self.accept(&default.0).map_err(|e| format!("default: {e}"))?;
            if self.secret {
                return Err("a secret has no default: it would be in the package for all to read".to_owned());
            }
        }
        Ok(())
    }

    fn accept(&self, value: &str) -> Result<(), String> {
        if value.len() > LONGEST_VALUE {
            return Err(format!("{} octets are too long; {LONGEST_VALUE} is the most", value.len()));
        }
        if value.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err("control characters are not allowed".to_owned());
        }
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Number if value.parse::<f64>().is_ok_and(f64::is_finite) => Ok(()),
            Kind::Number => Err(format!("invalid number {}", self.shown(value))),
            Kind::Flag if matches!(value, "true" | "false") => Ok(()),
            Kind::Flag => Err(format!("{} is neither true nor false", self.shown(value))),
            Kind::Choice if self.choices.iter().any(|c| c == value) => Ok(()),
            Kind::Choice => Err(format!("{} is none of {}", self.shown(value), self.choices.join(", "))),
        }
    }

    /// A value in an error; never a secret.
    fn shown(&self, value: &str) -> String {
        if self.secret { "the value".to_owned() } else { format!("{value:?}") }
    }
}

impl World {
    /// `policy` or `gateway`.
    pub fn word(self) -> &'static str {
        match self {
            World::Policy => "policy",
            World::Gateway => "gateway",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Plain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Plain;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true or false")
            }
            fn visit_str<E>(self, v: &str) -> Result<Plain, E> {
                Ok(Plain(v.to_owned()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Plain, E> {
                Ok(Plain(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Plain, E> {
                Ok(Plain(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Plain, E> {
                Ok(Plain(v.to_string()))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Plain, E> {
                Ok(Plain(v.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A plugin's name is also a folder's: nothing that could leave the plugins' folder.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= 40
        && name.bytes().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
}

fn is_icon(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let stem = name.strip_suffix(".svg").or_else(|| name.strip_suffix(".png"));
    stem.is_some_and(|s| !s.is_empty() && !s.starts_with('.')) && name.len() <= 64 && name.bytes().all(plain)
}

/// A text that is shown to people: one line, not endless.
fn sentence(what: &str, text: &str) -> Result<(), String> {
    if text.len() > LONGEST_TEXT {
        return Err(format!("{what}: {} octets are too long; {LONGEST_TEXT} is the most", text.len()));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(format!("{what}: control characters are not allowed"));
    }
    Ok(())
}
