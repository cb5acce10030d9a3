//! Lines as calls see them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Directory;
use crate::line::{Availability, LineStatus};
use ringtrip_model::board::PortKind;
use ringtrip_model::ids::{BoardId, LegId, LineId, PortRef};
use ringtrip_model::party::Cause;

/// A line that was just given to one call is not given to another before it had time to say that it is busy.
const RESERVED: Duration = Duration::from_secs(2);

/// Every line, by name and by port.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<LineId, Entry>,
    ports: HashMap<PortRef, LineId>,
}

#[derive(Debug)]
struct Entry {
    port: PortRef,
    kind: PortKind,
    /// By its own last word.
    availability: Availability,
    /// Its pair or its board failed a call a moment ago.
    faulty: bool,
    /// The leg that it carries, as far as posts told.
    leg: Option<LegId>,
    /// An emergency call has it, until it is idle again: no other call takes it.
    emergency: bool,
    /// It was given to a call and has not said yet that it is busy; until then.
    reserved: Option<Instant>,
}

/// What a status means to others than the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rested {
    /// What went on at the jack is over: its board may be started anew.
    Now,
    /// Nothing changed about that.
    Unchanged,
}

impl Lines {
    /// The line, if a call may have it. An emergency call may always: the line's machine ends the lesser call.
    pub(super) fn free(&self, line: &LineId, emergency: bool) -> Result<LineId, Cause> {
        let entry = self.lines.get(line).ok_or(Cause::Congestion)?;
        let free = entry.availability == Availability::Idle;
        if free || emergency { Ok(line.clone()) } else { Err(Cause::Busy) }
    }

    /// The first free one of these landlines, which is reserved now. For an emergency call one that works but is in use
    /// will do; so will one in doubt, after all others.
    pub(super) fn landline(
        &mut self,
        now: Instant,
        landlines: &[&LineId],
        emergency: bool,
    ) -> Result<LineId, Cause> {
        for line in landlines {
            if let Some(entry) = self.lines.get_mut(*line)
                && entry.availability == Availability::Idle
                && entry.reserved.is_none_or(|until| until <= now)
            {
                entry.reserved = Some(now + RESERVED);
                return Ok((*line).clone());
            }
        }
        if !emergency {
            // Not busy: that would mean that the called party talks.
            return Err(Cause::Congestion);
        }
        let first = |fit: &dyn Fn(&Entry) -> bool| {
            let fits = |id: &&&LineId| self.lines.get(**id).is_some_and(|e| !e.emergency && fit(e));
            landlines.iter().find(fits)
        };
        let alive = |entry: &Entry| entry.availability != Availability::OutOfService;
        let in_use = first(&|entry| alive(entry) && !entry.faulty);
        let line = in_use.or_else(|| first(&alive)).or_else(|| first(&|_| true));
        line.map(|line| (*line).clone()).ok_or(Cause::Congestion)
    }

    pub(super) fn occupy(&mut self, line: &LineId, leg: LegId, emergency: bool) {
        if let Some(entry) = self.lines.get_mut(line) {
            entry.leg = Some(leg);
            entry.emergency = emergency;
        }
    }

    pub(super) fn vacate(&mut self, line: &LineId, leg: LegId) {
        if let Some(entry) = self.lines.get_mut(line).filter(|entry| entry.leg == Some(leg)) {
            entry.leg = None;
        }
    }

    pub(super) fn take_leg(&mut self, line: &LineId) -> Option<LegId> {
        self.lines.get_mut(line)?.leg.take()
    }

    pub(super) fn at(&self, port: &PortRef) -> Option<&LineId> {
        self.ports.get(port)
    }

    /// The lines that carry a leg, and which.
    pub(super) fn legs(&self) -> impl Iterator<Item = (&LineId, LegId)> {
        self.lines.iter().filter_map(|(line, entry)| Some((line, entry.leg?)))
    }
}

impl Directory {
    /// A line has a machine from now on. It takes no call before it has reported its status.
    pub fn add_line(&mut self, line: LineId, port: PortRef, kind: PortKind) {
        self.lines.ports.insert(port.clone(), line.clone());
        let entry = Entry {
            port,
            kind,
            availability: Availability::OutOfService,
            faulty: false,
            leg: None,
            emergency: false,
            reserved: None,
        };
        self.lines.lines.insert(line, entry);
    }

    /// A line has none any more: the configuration does not name it, or it was given up.
    pub fn remove_line(&mut self, line: &LineId) {
        self.lines.lines.remove(line);
        self.lines.ports.retain(|_, on| on != line);
    }

    /// Every line.
    pub fn lines(&self) -> impl Iterator<Item = &LineId> {
        self.lines.lines.keys()
    }

    /// Is the line at this port, and of this kind?
    pub fn line_is(&self, line: &LineId, port: &PortRef, kind: PortKind) -> bool {
        self.lines.lines.get(line).is_some_and(|entry| entry.port == *port && entry.kind == kind)
    }

    /// Where a line is plugged in.
    pub fn port_of(&self, line: &LineId) -> Option<&PortRef> {
        self.lines.lines.get(line).map(|entry| &entry.port)
    }

    /// The lines on a board.
    pub fn lines_on<'a>(&'a self, board: &'a BoardId) -> impl Iterator<Item = (&'a PortRef, &'a LineId)> {
        self.lines.ports.iter().filter(move |(port, _)| port.board == *board)
    }

    /// Does something go on at a jack of this board: a call, a ring, a lifted telephone?
    pub fn is_board_busy(&self, board: &BoardId) -> bool {
        let busy = |entry: &Entry| entry.port.board == *board && entry.availability == Availability::Busy;
        self.lines.lines.values().any(busy)
    }

    /// What a line reports of itself after a step.
    pub fn on_line_status(&mut self, status: &LineStatus) -> Rested {
        let Some(entry) = self.lines.lines.get_mut(&status.line) else { return Rested::Unchanged };
        let before = std::mem::replace(&mut entry.availability, status.availability);
        entry.faulty = status.fault.is_some();
        if status.availability == Availability::Idle {
            entry.leg = None;
            entry.emergency = false;
        } else {
            entry.reserved = None;
        }
        if entry.leg.is_none() {
            entry.leg = status.leg;
        }
        let is_busy = |availability| availability == Availability::Busy;
        if is_busy(before) && !is_busy(status.availability) { Rested::Now } else { Rested::Unchanged }
    }
}
