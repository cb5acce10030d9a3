//! What people see of the running exchange: plain snapshots, written by the actors that know, read by the API.

use std::collections::BTreeMap;

use ringtrip_model::line::LineState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A snapshot of the exchange.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Views {
    /// Extensions by number.
    pub extensions: BTreeMap<String, ExtensionView>,
    /// Analog lines by name.
    pub lines: BTreeMap<String, LineView>,
    /// SIP providers by name.
    pub gateways: BTreeMap<String, GatewayView>,
    /// Calls in progress by id.
    pub calls: BTreeMap<String, CallView>,
    /// Boards by name.
    pub boards: BTreeMap<String, BoardView>,
    /// Parts of the exchange that can fail and come back by themselves.
    pub parts: BTreeMap<String, PartView>,
    /// The routing script.
    pub script: ScriptView,
}

/// An extension.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExtensionView {
    /// Its number.
    pub id: String,
    /// Name shown when it calls.
    pub name: String,
    /// The line whose telephone is this extension's, if there is one.
    pub line: Option<String>,
    /// Registered phones.
    pub contacts: Vec<ContactView>,
    /// How many calls it is in.
    pub calls: u32,
    /// The calls in the room in the order in which they came, where it is a conference room.
    #[serde(default)]
    pub conference: Option<Vec<String>>,
}

/// A registered phone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContactView {
    /// Contact URI.
    pub uri: String,
    /// Where it really is.
    pub address: String,
    /// `udp` or `tcp`.
    pub transport: String,
    /// What it calls itself.
    pub user_agent: String,
    /// When the registration runs out, microseconds since 1970 UTC.
    pub expires_micros: i64,
    /// Round trip of the last keep-alive, ms.
    pub latency_ms: Option<f32>,
}

/// An analog line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// Its name.
    pub id: String,
    /// `fxs` (a telephone) or `fxo` (the landline).
    pub kind: String,
    /// Board and port, `virtual:0`.
    pub port: String,
    /// `idle`, `dialling`, `ringing`, `talking`, `reorder`, `out-of-service`, …
    #[serde(with = "line_state")]
    #[schema(value_type = String)]
    pub state: LineState,
    /// Since when, microseconds since 1970 UTC.
    pub since_micros: i64,
    /// (FXS) the telephone is lifted; (FXO) the line is seized.
    pub off_hook: bool,
    /// Battery voltage.
    pub volts: Option<f32>,
    /// Loop current, mA.
    pub milliamps: Option<f32>,
    /// The call that it carries.
    pub call: Option<String>,
    /// (FXO) Which way its call goes: `PSTN Gateway Call`, `VoIP Gateway Call`, `PSTN To Line 1`, …
    pub call_type: Option<String>,
    /// (FXO) How far its call has come: `Idle`, `Caller Accepted`, `Connected`, …
    pub pstn_state: Option<String>,
    /// The caller's number of the last call that came in, or the number that the last one dialled.
    pub last_number: Option<String>,
    /// Why the last call over it ended.
    pub last_disconnect: Option<String>,
    /// The extension that its telephone calls as.
    pub extension: Option<String>,
    /// What is wrong with it and how to correct it; null when nothing is.
    pub fault: Option<String>,
}

/// The state of a line by its word.
mod line_state {
    use ringtrip_model::line::LineState;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(state: &LineState, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.word())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LineState, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// A SIP provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewayView {
    /// Its name.
    pub id: String,
    /// Host.
    pub server: String,
    /// `registered`, `registering`, `refused`, `unreachable`, `static` (it wants no registration).
    pub registration: String,
    /// Why, when something is wrong.
    pub why: Option<String>,
    /// Does it take calls?
    pub up: bool,
    /// Round trip of the last OPTIONS or REGISTER, ms.
    pub latency_ms: Option<f32>,
    /// When the registration runs out, microseconds since 1970 UTC.
    pub expires_micros: Option<i64>,
    /// The address in use.
    pub address: Option<String>,
    /// How many calls go over it.
    pub calls: u32,
}

/// A call in progress.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Its id.
    pub id: String,
    /// `routing`, `ringing`, `talking`, `ending`.
    pub state: String,
    /// Where it comes from: `101`, `fxo1`, `gw1`, `operator`.
    pub from: String,
    /// How the caller is shown; `null` when withheld.
    pub caller: Option<String>,
    /// What was dialled.
    pub dialled: String,
    /// Who was reached or is being tried.
    pub to: Option<String>,
    /// Start, microseconds since 1970 UTC.
    pub started_micros: i64,
    /// Answer, microseconds since 1970 UTC.
    pub answered_micros: Option<i64>,
    /// An emergency call.
    pub emergency: bool,
    /// Who decided.
    pub because: Option<String>,
}

/// A board.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoardView {
    /// Its name.
    pub id: String,
    /// Is its process alive and answering?
    pub up: bool,
    /// The process.
    pub pid: Option<u32>,
    /// The driver.
    pub driver: String,
    /// How often it was started.
    pub generation: u32,
    /// Ports: `fxs` or `fxo`, in order.
    pub ports: Vec<String>,
    /// Why it is down, or what it said last.
    pub why: Option<String>,
    /// Alarms of its ports that stand now: `port 2: thermal`.
    pub alarms: Vec<String>,
    /// Frames of sound that the board has lost, as it says.
    pub xruns: u64,
}

/// A part of the exchange.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartView {
    /// Its name in the supervision table.
    pub name: String,
    /// Does it run?
    pub up: bool,
    /// How often it was started.
    pub generation: u32,
    /// Why it last fell.
    pub why: Option<String>,
}

/// The routing script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScriptView {
    /// Its file name; empty when the plan alone decides.
    pub name: String,
    /// Hash of the running text.
    pub hash: String,
    /// Why the newest text was refused, if it was; the one before runs on.
    pub refused: Option<String>,
}

/// Counters for `/metrics`. Written by the part that counts.
#[derive(Debug, Default)]
pub struct Counters(std::sync::Mutex<BTreeMap<(&'static str, String), f64>>);

impl Counters {
    /// Adds to a counter; `name` without the `ringtrip_` that is printed before it; `labels` is ready for print,
    /// `transport="udp"`, or empty.
    pub fn add(&self, name: &'static str, labels: &str, n: f64) {
        *self.lock().entry((name, labels.to_owned())).or_default() += n;
    }
    /// Sets a gauge or a counter that is kept elsewhere.
    pub fn set(&self, name: &'static str, labels: &str, value: f64) {
        self.lock().insert((name, labels.to_owned()), value);
    }
    /// All of them, sorted.
    pub fn all(&self) -> Vec<(&'static str, String, f64)> {
        self.lock().iter().map(|((name, labels), value)| (*name, labels.clone(), *value)).collect()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(&'static str, String), f64>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}
