//! What is at the end of a landline's wire, and what the port says of it.

use std::time::Duration;

use ringtrip_exchange::post::LineInput;
use ringtrip_model::board::{BoardCmd, BoardEvent, CmdKind};
use ringtrip_model::ids::{LineId, PortRef};

use super::{Job, World};

/// What is at the end of a landline's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// An office.
    Good,
    /// An office, and a port that cannot measure though it says so.
    Unmeasured,
    /// Battery, but no current flows.
    NoLoop,
    /// An office that gives no dial tone.
    NoDialTone,
    /// The board does not seize the line.
    Refuses,
    /// The board obeys no command.
    Silent,
}

impl Wire {
    pub(super) fn has_dial_tone(self) -> bool {
        matches!(self, Wire::Good | Wire::Unmeasured)
    }
}

impl World {
    pub(super) fn command(&mut self, port: &PortRef, cmd: BoardCmd) {
        let Some(line) = self.line_at(port) else { return };
        // What is asked again and again is no news.
        if cmd != BoardCmd::Measure {
            self.say(format_args!("{line} ◂ {cmd:?}"));
        }
        let Some(wire) = self.wires.get(&line) else { return };
        let answer = match (wire, cmd) {
            (Wire::Refuses, BoardCmd::OffHook) => BoardEvent::Refused(CmdKind::OffHook),
            (Wire::Unmeasured, BoardCmd::Measure) => BoardEvent::Refused(CmdKind::Measure),
            (Wire::Good | Wire::NoDialTone, BoardCmd::Measure) => {
                BoardEvent::Reading { volts: 8.0, milliamps: 25.0 }
            }
            (Wire::NoLoop, BoardCmd::Measure) => BoardEvent::Reading { volts: 9.0, milliamps: 0.1 },
            _ => return,
        };
        self.after(Duration::from_millis(20), Job::Line(line, LineInput::Board(answer)));
    }

    /// What is at the end of a landline's wire from now on; the port tells its loop current.
    pub fn wire(&mut self, line: &str, wire: Wire) {
        self.board(line, BoardEvent::Measures);
        self.wires.insert(line.parse().expect("a line's name"), wire);
    }

    pub(super) fn line_at(&self, port: &PortRef) -> Option<LineId> {
        self.directory.line_at(port).cloned()
    }
}
