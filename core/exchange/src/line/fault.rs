//! What makes a line unfit for calls though its board runs: the port is another thing than the line, or the pair is
//! dead. A fault is shown and alarmed when it begins, and never guessed away: a port of another kind stays out of service
//! until its board comes up anew.

use std::time::{Duration, Instant};

use crate::post::Post;
use ringtrip_model::board::PortKind;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{LineId, PortRef};

/// Why no call is given to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The board's port is of this kind, and the line of the other.
    WrongKind(PortKind),
    /// The board has no such port.
    NoPort,
    /// Seized, and no loop current flowed.
    NoLoop,
    /// The board did not seize the line.
    Refused,
}

/// The fault of a line, and until when it is taken for granted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    now: Option<(Fault, Option<Instant>)>,
}

/// A pair that was dead a minute ago may be mended: it is tried again.
const DOUBT: Duration = Duration::from_secs(60);

impl Fault {
    /// One sentence for a person: what is wrong with this line, and how to mend it.
    pub fn text(self, line: &LineId, port: &PortRef, kind: PortKind) -> String {
        let name = |kind| match kind {
            PortKind::Fxs => "a telephone port (fxs)",
            PortKind::Fxo => "a landline port (fxo)",
        };
        match self {
            Fault::WrongKind(is) => format!(
                "line {line} needs {}, but port {port} is {}: change `kind` or `port` of the line, or the board's settings",
                name(kind),
                name(is)
            ),
            Fault::NoPort => format!("line {line}: the board has no port {port}; change `port` of the line"),
            Fault::NoLoop => {
                format!(
                    "line {line}: no loop current flows on {port} when it is seized; look at the cable and the office"
                )
            }
            Fault::Refused => format!("line {line}: the board refuses commands on {port}; look at its log"),
        }
    }
}

impl Faults {
    pub(super) fn fault(&self) -> Option<Fault> {
        self.now.map(|(fault, _)| fault)
    }

    /// Until a fault that may pass is believed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.now.and_then(|(_, until)| until)
    }

    pub(super) fn clear(&mut self) {
        self.now = None;
    }

    /// A fault that may pass is not believed any longer.
    pub(super) fn forget(&mut self, now: Instant) {
        self.now = self.now.filter(|(_, until)| until.is_none_or(|until| until > now));
    }

    /// It has this fault; those who watch are told when that is new.
    pub(super) fn set(
        &mut self,
        fault: Fault,
        now: Instant,
        (line, port, kind): (&LineId, &PortRef, PortKind),
        out: &mut Vec<Post>,
    ) {
        let until = match fault {
            Fault::WrongKind(_) | Fault::NoPort => None,
            Fault::NoLoop | Fault::Refused => Some(now + DOUBT),
        };
        if self.fault() != Some(fault) {
            out.push(Post::Tell(Event::Alarm { what: "line", text: fault.text(line, port, kind) }));
        }
        self.now = Some((fault, until));
    }
}
