//! Cases that a plugin's author writes beside it, in `*.test.toml`: given this call, expect that answer. They are run on
//! the component itself, in the runtime that an exchange uses.
//!
//! ```toml
//! settings = { access = "0800123456", pin = "4711" }   # for all cases; each may have its own
//!
//! [[naptr]]                                            # what DNS knows
//! name = "3.2.1.0.6.9.2.3.6.1.4.4.e164.arpa"
//! regexp = "!^.*$!sip:info@example.com!"
//!
//! [[case]]
//! name = "a call abroad"
//! call = { number = "0033145678901", e164 = "+33145678901", at = "2026-03-01T23:15" }
//! expect = { carrier = "landline", number = "0800123456", steps = "2s 4711 2s 0033145678901#" }
//! ```
//!
//! All grants that `plugin.toml` asks for are given but those for hosts: a case reaches no network.

mod show;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::contract::{Call, CallerId, Origin, WallTime};
use crate::host::{HostServices, MemoryStore, Naptr, NaptrFailure, NaptrRecord};
use crate::package::grant::{Grant, Grants};
use crate::package::manifest::{Manifest, Plain, Settings, World};
use crate::{LoadError, Plugin, PluginFault, Runtime, Time};

/// A busy machine may be slow; what takes longer than a decision may is said, and is no failure of the case.
const TIME: Time = Time { wall: Duration::from_secs(5), own: Duration::from_secs(2) };

/// A file of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    #[serde(default)]
    settings: BTreeMap<String, Plain>,
    /// Given instead of what `plugin.toml` asks for.
    grants: Option<Vec<Grant>>,
    #[serde(default)]
    naptr: Vec<Record>,
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    settings: BTreeMap<String, Plain>,
    /// Which of its worlds is asked; the first if not said.
    ask: Option<World>,
    #[serde(default)]
    call: Asked,
    expect: Expect,
}

/// The call. What is not said is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    dialled: Option<String>,
    number: String,
    e164: Option<String>,
    origin: From,
    from: String,
    caller: String,
    caller_name: String,
    withheld: bool,
    pin: Option<String>,
    at: Option<When>,
    holiday: bool,
    route: Option<String>,
    outside: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    #[default]
    Extension,
    Line,
    Landline,
    Gateway,
    Operator,
}

/// What the answer must be. `because`, `refuse`, `refused` and `fault` are parts of a text; all else is compared whole.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    /// A policy without an opinion.
    pass: bool,
    /// A policy that refuses the call, and why.
    refuse: Option<String>,
    /// The stages of a policy: `101 102 for 20 s`, `gw1:00441632960123`.
    stages: Option<Vec<String>>,
    /// `landline`, a gateway's name, or a SIP address.
    carrier: Option<String>,
    /// The number for the carrier.
    number: Option<String>,
    /// `2s 4711 500ms 0033#`; empty: none.
    steps: Option<String>,
    /// `X-Name: value`.
    headers: Option<Vec<String>>,
    /// A gateway that does not place the call, and why.
    refused: Option<String>,
    /// Why, in the record.
    because: Option<String>,
    /// The number of another caller to show.
    caller: Option<String>,
    /// The plugin fails, and how.
    fault: Option<String>,
}

/// A record of the DNS that cases see.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    name: String,
    #[serde(default = "hundred")]
    order: u16,
    #[serde(default = "hundred")]
    preference: u16,
    #[serde(default = "terminal")]
    flags: String,
    #[serde(default = "sip")]
    service: String,
    #[serde(default)]
    regexp: String,
    #[serde(default)]
    replacement: String,
}

fn hundred() -> u16 {
    100
}

fn terminal() -> String {
    "u".to_owned()
}

fn sip() -> String {
    "E2U+sip".to_owned()
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOutcome {
    /// The case.
    pub name: String,
    /// What was wrong, as text: what came, and what should have.
    pub wrong: Option<String>,
    /// How long the decision took.
    pub took: Duration,
}

/// Why cases were not run.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The file is not as it should be; line and column are in the text.
    #[error("{0}")]
    Read(String),
    /// The plugin is not.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Cases {
    /// Reads a `*.test.toml`.
    ///
    /// # Errors
    /// The text is not a file of cases, has no case, or has one that expects nothing.
    pub fn read(text: &str) -> Result<Cases, CasesError> {
        let cases: Cases =
            toml::from_str(text).map_err(|e| CasesError::Read(e.to_string().trim_end().to_owned()))?;
        if cases.cases.is_empty() {
            return Err(CasesError::Read("there is no [[case]] in it".to_owned()));
        }
        for case in &cases.cases {
            if case.expect.is_empty() {
                return Err(CasesError::Read(format!("case {:?} expects nothing", case.name)));
            }
        }
        Ok(cases)
    }

    /// Runs them all on a component.
    ///
    /// # Errors
    /// The component cannot be loaded, or a case has a setting that the plugin does not accept. A case that fails is not an
    /// error.
    pub fn run(
        &self,
        runtime: &Runtime,
        wasm: &[u8],
        manifest: &Manifest,
    ) -> Result<Vec<CaseOutcome>, CasesError> {
        let grants: Grants = match &self.grants {
            Some(given) => given.iter().cloned().collect(),
            None => manifest.asked().filter(|g| !matches!(g, Grant::Http { .. })).cloned().collect(),
        };
        let mut went = Vec::with_capacity(self.cases.len());
        let mut loaded: Option<(Settings, Plugin)> = None;
        for case in &self.cases {
            let settings = self.settings_of(case, manifest)?;
            // Most cases have the same settings: one plugin serves them.
            let plugin = match &loaded {
                Some((before, plugin)) if *before == settings => plugin,
                _ => {
                    let store = Arc::new(MemoryStore::default());
                    let services = HostServices::new(store, Arc::new(Dns(self.naptr.clone())));
                    let plugin =
                        Plugin::load(runtime, wasm, manifest, grants.clone(), settings.clone(), services)?;
                    &loaded.insert((settings, plugin.with_time(TIME))).1
                }
            };
            went.push(case.run(plugin));
        }
        Ok(went)
    }

    fn settings_of(&self, case: &Case, manifest: &Manifest) -> Result<Settings, CasesError> {
        let set = self.settings.iter().chain(&case.settings);
        let set: Settings = set.map(|(key, value)| (key.clone(), value.0.clone())).collect();
        manifest.values(&set).map_err(|e| CasesError::Read(format!("case {:?}: {e}", case.name)))
    }
}

impl Case {
    fn run(&self, plugin: &Plugin) -> CaseOutcome {
        let call = self.call.call();
        let world = self.ask.or_else(|| plugin.manifest().worlds.first().copied()).unwrap_or(World::Policy);
        let began = Instant::now();
        let came = match world {
            World::Policy => plugin.route(&call).map(show::Came::of_policy),
            World::Gateway => plugin.prepare(&call).map(show::Came::of_gateway),
        };
        let took = began.elapsed();
        let came = match came {
            Ok(came) => came,
            Err(PluginFault::Declined(why)) => show::Came { refused: Some(why), ..show::Came::default() },
            Err(fault) => show::Came { fault: Some(fault.to_string()), ..show::Came::default() },
        };
        CaseOutcome { name: self.name.clone(), wrong: self.expect.compare(&came), took }
    }
}

impl Asked {
    fn call(&self) -> Call {
        Call {
            dialled: self.dialled.clone().unwrap_or_else(|| self.number.clone()),
            number: self.number.clone(),
            e164: self.e164.clone(),
            origin: match self.origin {
                From::Extension => Origin::Extension,
                From::Line => Origin::Line,
                From::Landline => Origin::Landline,
                From::Gateway => Origin::Gateway,
                From::Operator => Origin::Operator,
            },
            origin_name: self.from.clone(),
            caller: CallerId {
                number: self.caller.clone(),
                name: self.caller_name.clone(),
                withheld: self.withheld,
            },
            pin: self.pin.clone(),
            at: WallTime { holiday: self.holiday, ..self.at.as_ref().unwrap_or(&When::NOON).0 },
            default_route: self.route.clone(),
            outside: self.outside,
        }
    }
}

/// `2026-03-01T23:15`, as text or as TOML's own; taken for the time of the box's zone, which is UTC here.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
struct When(WallTime);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Toml(toml::value::Datetime),
}

impl When {
    /// Sunday, 1 March 2026, 12:00.
    const NOON: When = When(WallTime {
        unix_millis: 1_772_366_400_000,
        year: 2026,
        month: 3,
        day: 1,
        hour: 12,
        minute: 0,
        weekday: 7,
        holiday: false,
    });
}

impl TryFrom<Written> for When {
    type Error = String;

    fn try_from(written: Written) -> Result<When, String> {
        let text = match written {
            Written::Text(text) => text,
            Written::Toml(time) => time.to_string(),
        };
        read_time(&text).ok_or_else(|| format!("invalid time {text:?}: expected 2026-03-01T23:15"))
    }
}

fn read_time(text: &str) -> Option<When> {
    let (date, time) = text.trim().split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-');
    let year: i16 = date.next()?.parse().ok().filter(|y| (1970..=9999).contains(y))?;
    let month: u8 = date.next()?.parse().ok().filter(|m| (1..=12).contains(m))?;
    let day: u8 = date.next()?.parse().ok().filter(|d| (1..=31).contains(d))?;
    let mut time = time.splitn(3, ':');
    let hour: u8 = time.next()?.parse().ok().filter(|h| *h < 24)?;
    let minute: u8 = time.next()?.parse().ok().filter(|m| *m < 60)?;
    let days = days_since_1970(i64::from(year), i64::from(month), i64::from(day));
    let minutes = (days * 24 + i64::from(hour)) * 60 + i64::from(minute);
    // 1 January 1970 was a Thursday.
    let weekday = (days + 3).rem_euclid(7) as u8 + 1;
    Some(When(WallTime {
        unix_millis: minutes * 60_000,
        year,
        month,
        day,
        hour,
        minute,
        weekday,
        holiday: false,
    }))
}

/// Days of the Gregorian calendar; a year is taken to begin in March, so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = if month <= 2 { month + 9 } else { month - 3 };
    let leap = year / 4 - year / 100 + year / 400;
    year * 365 + leap + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The DNS of the cases.
struct Dns(Vec<Record>);

impl Naptr for Dns {
    fn look_up(&self, name: &str, _: Duration) -> Result<Vec<NaptrRecord>, NaptrFailure> {
        let name = name.trim_end_matches('.');
        let found = self.0.iter().filter(|r| r.name.trim_end_matches('.').eq_ignore_ascii_case(name));
        let records: Vec<NaptrRecord> = found
            .map(|r| NaptrRecord {
                order: r.order,
                preference: r.preference,
                flags: r.flags.clone(),
                service: r.service.clone(),
                regexp: r.regexp.clone(),
                replacement: r.replacement.clone(),
            })
            .collect();
        if records.is_empty() { Err(NaptrFailure::None) } else { Ok(records) }
    }
}

#[cfg(test)]
mod tests;
