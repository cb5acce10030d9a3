//! What people see of the running exchange: events and records as they pass become snapshots for the API.

use std::time::Instant;

use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::directory::Rested;
use ringtrip_exchange::line::LineStatus;
use ringtrip_exchange::supervise::PartId;
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;

use super::directory::Directory;
use super::{boards, wall};
use crate::views::{CallView, LineView, PartView};

/// An event passes.
pub(super) fn note(dir: &Directory, event: &Event) {
    let call = |id: &CallId, change: &dyn Fn(&mut CallView)| {
        dir.0.exchange.update(|views| {
            if let Some(view) = views.calls.get_mut(&id.to_string()) {
                change(view);
            }
        });
    };
    match event {
        Event::CallStarted { call, from, dialled } => {
            dir.0.exchange.update(|views| {
                // The record may have come before, and with it who calls.
                let view = views.calls.entry(call.to_string()).or_default();
                view.id = call.to_string();
                view.state = "routing".to_owned();
                view.from = from.clone();
                view.dialled = dialled.clone();
                view.started_micros = wall::now().unix_micros;
            });
            dir.0.exchange.counters().add("calls_started_total", "", 1.0);
        }
        Event::CallRinging { call: id, target, .. } => call(id, &|view| {
            if view.answered_micros.is_none() {
                view.state = "ringing".to_owned();
                view.to = Some(target.clone());
            }
        }),
        Event::CallAnswered { call: id, target, .. } => call(id, &|view| {
            view.state = "talking".to_owned();
            view.to = Some(target.clone());
            view.answered_micros = Some(wall::now().unix_micros);
        }),
        Event::CallTransferred { call: id, to, .. } => call(id, &|view| view.to = Some(to.clone())),
        Event::CallEnded { call: id, cause, .. } => {
            call(id, &|view| view.state = "ending".to_owned());
            let labels = format!("cause=\"{}\"", cause.word());
            dir.0.exchange.counters().add("calls_ended_total", &labels, 1.0);
        }
        Event::ScriptActive { script, hash } => dir.0.exchange.update(|views| {
            views.script.name = script.clone();
            views.script.hash = hash.clone();
            views.script.refused = None;
        }),
        Event::ScriptRefused { why, .. } => {
            dir.0.exchange.update(|views| views.script.refused = Some(why.clone()));
        }
        _ => {}
    }
}

/// A call's record changed.
pub(super) fn record(dir: &Directory, cdr: &Cdr) {
    dir.0.exchange.update(|views| {
        let id = cdr.call.to_string();
        // A call's first record comes before it is said to have started; its last one after it has gone.
        let view = match cdr.cause {
            None => views.calls.entry(id).or_default(),
            Some(_) => match views.calls.get_mut(&id) {
                Some(view) => view,
                None => return,
            },
        };
        view.caller =
            (!cdr.caller.private && !cdr.caller.number.is_empty()).then(|| cdr.caller.number.clone());
        view.emergency = cdr.emergency;
        if !cdr.target.is_empty() {
            view.to = Some(cdr.target.clone());
        }
        if !cdr.provenance.because.is_empty() {
            view.because = Some(cdr.provenance.because.clone());
        }
    });
}

/// A call was routed: who decided is worth seeing while it rings.
pub(super) fn routed(dir: &Directory, call: CallId, because: &str) {
    dir.0.exchange.update(|views| {
        if let Some(view) = views.calls.get_mut(&call.to_string()) {
            view.because = Some(because.to_owned()).filter(|b| !b.is_empty());
        }
    });
}

/// Somebody came into a conference room, or left it.
pub(super) fn conferences(dir: &Directory) {
    let index = dir.0.index.borrow();
    let rooms = index.config().extensions.iter().filter(|extension| extension.conference.is_some());
    let members: Vec<(String, Vec<String>)> = rooms
        .map(|room| (room.id.to_string(), index.conference(&room.id).map(|call| call.to_string()).collect()))
        .collect();
    dir.0.exchange.update(|views| {
        for (room, calls) in members {
            if let Some(view) = views.extensions.get_mut(&room) {
                view.conference = Some(calls);
            }
        }
    });
}

/// A call is over.
pub(super) fn call_gone(dir: &Directory, call: CallId) {
    dir.0.exchange.update(|views| {
        views.calls.remove(&call.to_string());
    });
}

/// A part of the supervision table changed.
pub(super) fn part(dir: &Directory, part: &PartId, up: bool, generation: u32, why: Option<&str>) {
    if matches!(part, PartId::Call(_)) {
        return;
    }
    let view = PartView { name: part.to_string(), up, generation, why: why.map(str::to_owned) };
    dir.0.exchange.update(|views| {
        views.parts.insert(view.name.clone(), view);
    });
}

impl Directory {
    /// A line after a step: what it says of itself, and whether it can take a call.
    pub(super) fn line_looks(&self, status: LineStatus) {
        let line = &status.line;
        if !self.0.lines.borrow().contains_key(line) {
            return;
        }
        let rested = self.0.index.borrow_mut().on_line_status(&status);
        let (state, board) = (status.state, status.port.board.clone());
        let call = status.leg.and_then(|leg| self.0.legs.borrow().call_of(leg));
        let now = wall::now().unix_micros;
        let since = now - i64::try_from(status.for_.as_micros()).unwrap_or(0);
        let extension = self.0.config.borrow().extension_on(line).map(|e| e.id.to_string());
        self.0.exchange.update(|views| {
            // The moment a state began is computed anew each time; it only moves when the state does.
            let before = views.lines.get(line.as_str()).filter(|view| view.state == state);
            let since_micros = before.map_or(since, |view| view.since_micros);
            let view = LineView {
                id: line.to_string(),
                kind: status.kind.word().to_owned(),
                port: status.port.to_string(),
                state,
                since_micros,
                off_hook: status.off_hook,
                volts: status.volts,
                milliamps: status.milliamps,
                call: call.map(|call| call.to_string()),
                call_type: status.call_type.map(|t| t.word().to_owned()),
                pstn_state: status.gateway_state.map(|s| s.word().to_owned()),
                last_number: status.last_number.filter(|n| !n.is_empty()),
                last_disconnect: status.last_disconnect.map(|d| d.word().to_owned()),
                fault: status.fault.map(|f| f.text(line, &status.port, status.kind)),
                extension,
            };
            views.lines.insert(line.to_string(), view);
        });
        if rested == Rested::Now {
            boards::restart_when_idle(self, &board);
        }
    }
}

/// The microseconds since 1970 of a moment in the future or past.
pub(super) fn micros_at(now: Instant, at: Instant) -> i64 {
    let wall = wall::now().unix_micros;
    match at.checked_duration_since(now) {
        Some(ahead) => wall.saturating_add(i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX)),
        None => wall.saturating_sub(i64::try_from(now.duration_since(at).as_micros()).unwrap_or(i64::MAX)),
    }
}
