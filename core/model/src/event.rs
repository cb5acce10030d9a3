//! Events for the people who watch: ordered, resumable, and plain. One closed enum; [`Event::describe`] gives the
//! name and the fields that the API shows.

use crate::ids::{BoardId, CallId, ExtId, GatewayId, LegId, LineId};
use crate::line::LineState;
use crate::party::{Cause, EndedBy};

/// Something that a person who watches wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A call started.
    CallStarted { call: CallId, from: String, dialled: String },
    /// A leg rings.
    CallRinging { call: CallId, leg: LegId, target: String },
    /// The call was answered.
    CallAnswered { call: CallId, leg: LegId, target: String },
    /// The call ended.
    CallEnded { call: CallId, cause: Cause, by: EndedBy },
    /// A call was handed on: `by` is out of it and `to` is in it.
    CallTransferred { call: CallId, by: String, to: String },
    /// A key was passed on within a call.
    CallDigit { call: CallId, from: LegId, key: char },
    /// A line changed its state.
    LineState { line: LineId, state: LineState },
    /// A telephone was lifted or hung up, or a landline seized or released.
    LineHook { line: LineId, off_hook: bool },
    /// A phone registered, refreshed or left an extension.
    Registered { ext: ExtId, contact: String, expires_s: u32 },
    /// A contact is gone.
    Unregistered { ext: ExtId, contact: String, why: &'static str },
    /// A gateway is up or down.
    GatewayState { gateway: GatewayId, up: bool, why: String },
    /// A board host started, stopped or crashed.
    BoardState { board: BoardId, up: bool, why: String },
    /// A port of a board raised alarms, or they ended: `power`, `thermal`, `link`, `clock`, `calibration`.
    BoardAlarm { board: BoardId, port: u32, alarms: String, raised: bool },
    /// The office lit the message lamp on a landline, or put it out.
    LineMessages { line: LineId, waiting: bool },
    /// A part of the exchange failed and was (or was not) restarted.
    Restarted { part: String, why: String, generation: u32, gave_up: bool },
    /// A script was refused; the one before stays.
    ScriptRefused { script: String, why: String },
    /// A script or plan is active.
    ScriptActive { script: String, hash: String },
    /// A script failed while deciding; the default decided instead.
    ScriptFailed { script: String, call: CallId, why: String },
    /// A plugin failed while deciding; it counted as having no opinion.
    PluginFailed { plugin: String, call: CallId, why: String },
    /// A plugin was installed, updated, switched, set or removed.
    PluginInstalled { plugin: String, by: String, what: String },
    /// A plugin was refused at install, or could not be started; nothing was changed.
    PluginRefused { plugin: String, why: String },
    /// The provider of a gateway plugin became `usable`, `unusable`, or `unanswered`: three questions in a row were.
    PluginHealth { plugin: String, state: &'static str, why: String },
    /// What a gateway plugin tells of its money became `left`, `spent`, or `unanswered`; `balance`: how much, or why not.
    PluginBalance { plugin: String, state: &'static str, balance: String },
    /// A configuration version is active.
    ConfigActive { version: u64, by: String, summary: String },
    /// An emergency call is made.
    Emergency { call: CallId, from: String, number: String, location: String },
    /// Somebody failed to prove who they are.
    AuthFailed { what: &'static str, who: String, from: String },
    /// That happened so often of late that it is reported as totals: how often, from how many addresses, most from which.
    AuthFailures { what: &'static str, count: u64, addresses: u32, most_from: String },
    /// Something an operator must know.
    Alarm { what: &'static str, text: String },
}

/// The value of an event's field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

macro_rules! describe {
    ($self:ident; $($variant:ident $name:literal { $($field:ident),* };)*) => {
        match $self {
            $(Event::$variant { $($field),* } => ($name, vec![$((stringify!($field), $field.field())),*]),)*
        }
    };
}

impl Event {
    /// The event's name, which never changes once released, and its fields.
    pub fn describe(&self) -> (&'static str, Vec<(&'static str, Field)>) {
        describe! { self;
            CallStarted "call.started" { call, from, dialled };
            CallRinging "call.ringing" { call, leg, target };
            CallAnswered "call.answered" { call, leg, target };
            CallEnded "call.ended" { call, cause, by };
            CallTransferred "call.transferred" { call, by, to };
            CallDigit "call.digit" { call, from, key };
            LineState "line.state" { line, state };
            LineHook "line.hook" { line, off_hook };
            Registered "extension.registered" { ext, contact, expires_s };
            Unregistered "extension.unregistered" { ext, contact, why };
            GatewayState "gateway.state" { gateway, up, why };
            BoardState "board.state" { board, up, why };
            BoardAlarm "board.alarm" { board, port, alarms, raised };
            LineMessages "line.messages" { line, waiting };
            Restarted "part.restarted" { part, why, generation, gave_up };
            ScriptRefused "script.refused" { script, why };
            ScriptActive "script.active" { script, hash };
            ScriptFailed "script.failed" { script, call, why };
            PluginFailed "plugin.failed" { plugin, call, why };
            PluginInstalled "plugin.installed" { plugin, by, what };
            PluginRefused "plugin.refused" { plugin, why };
            PluginHealth "plugin.health" { plugin, state, why };
            PluginBalance "plugin.balance" { plugin, state, balance };
            ConfigActive "config.active" { version, by, summary };
            Emergency "emergency" { call, from, number, location };
            AuthFailed "auth.failed" { what, who, from };
            AuthFailures "auth.failures" { what, count, addresses, most_from };
            Alarm "alarm" { what, text };
        }
    }
}

trait AsField {
    fn field(&self) -> Field;
}

macro_rules! as_field {
    ($($type:ty => |$v:ident| $body:expr;)*) => {
        $(impl AsField for $type { fn field(&self) -> Field { let $v = self; $body } })*
    };
}

as_field! {
    String => |v| Field::Text(v.clone());
    &'static str => |v| Field::Text((*v).to_owned());
    char => |v| Field::Text(v.to_string());
    bool => |v| Field::Flag(*v);
    u32 => |v| Field::Number(i64::from(*v));
    u64 => |v| Field::Number(i64::try_from(*v).unwrap_or(i64::MAX));
    Cause => |v| Field::Text(v.word().to_owned());
    LineState => |v| Field::Text(v.word().to_owned());
    EndedBy => |v| Field::Text(v.word().to_owned());
    CallId => |v| Field::Text(v.to_string());
    LegId => |v| Field::Text(v.to_string());
    ExtId => |v| Field::Text(v.to_string());
    LineId => |v| Field::Text(v.to_string());
    GatewayId => |v| Field::Text(v.to_string());
    BoardId => |v| Field::Text(v.to_string());
}
