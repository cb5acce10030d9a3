//! A leg on a board port, as its call sees it: leg words go to the line that owns the port, and its words come back as
//! [`crate::post::CallInput::Leg`]. There is nothing to translate; the type keeps a call from speaking for a line
//! that is none of its legs.

use crate::ids::{LegId, LineId, PortRef};
use crate::leg::LegCmd;
use crate::post::{End, LineInput, Post};

/// A leg on a board port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalogLeg {
    leg: LegId,
    line: LineId,
    port: PortRef,
}

impl AnalogLeg {
    /// The leg that this line carries or shall carry.
    pub fn new(leg: LegId, line: LineId, port: PortRef) -> AnalogLeg {
        AnalogLeg { leg, line, port }
    }

    /// Its name.
    pub fn id(&self) -> LegId {
        self.leg
    }

    /// Its line.
    pub fn line(&self) -> &LineId {
        &self.line
    }

    /// Where its sound goes in and out.
    pub fn end(&self) -> End {
        End::Port(self.port.clone())
    }

    /// Tells it something.
    pub fn on(&self, cmd: LegCmd, out: &mut Vec<Post>) {
        let input = LineInput::Leg { leg: self.leg, cmd };
        out.push(Post::Line { line: self.line.clone(), input });
    }
}
