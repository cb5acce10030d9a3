//! Lines: one pure machine for each port of a board. [`Fxs`] serves a telephone, [`Fxo`] the landline; [`Line`] is
//! either.
//!
//! A line hears its board ([`ringtrip_model::board::BoardEvent`]), the media engine (keys, caller ID, tones) and the call whose
//! leg it carries ([`crate::leg::LegCmd`]). It plays its own tones and asks its board for ringing and hooks; joining
//! the sound of two legs is the call's business. A leg is gone when its line says `Ended` or its call says `End`;
//! neither is answered.
//!
//! The shell renews the wall clock with [`Line::set_wall`] and hands over new settings with [`Line::configure`].

mod fault;
mod fxo;
mod fxs;
mod setup;
mod wall;
mod wire;
mod words;

use std::time::Instant;

pub use self::fault::Fault;
pub use self::fxo::Fxo;
pub use self::fxs::{DialTone, Fxs};
pub use self::setup::LineSetup;
pub use self::wall::Wall;
pub use self::words::{Availability, CallType, Disconnect, GatewayWord, LineStatus};

use crate::post::{LineInput, Post};
use ringtrip_config::LineKind;
use ringtrip_model::ids::{Ids, LineId, PortRef};

use self::wire::Wire;

/// One port of a board, with what it does.
#[derive(Debug)]
pub enum Line {
    /// A telephone.
    Fxs(Box<Fxs>),
    /// The landline.
    Fxo(Box<Fxo>),
}

impl Line {
    /// The line of this name, out of service until its board says `Ready`; `None` if the configuration has none.
    pub fn new(id: &LineId, setup: &LineSetup, ids: Ids, wall: Wall, now: Instant) -> Option<Line> {
        let line = setup.config.line(id)?;
        let wire = Wire::new(line.id.clone(), line.port.clone(), ids, wall);
        Some(match &line.kind {
            LineKind::Fxs(set) => Line::Fxs(Box::new(Fxs::new(wire, set.clone(), setup, now))),
            LineKind::Fxo(set) => Line::Fxo(Box::new(Fxo::new(wire, set.clone(), setup, now))),
        })
    }

    /// Its name.
    pub fn id(&self) -> &LineId {
        &self.wire().line
    }

    /// Where it is plugged in.
    pub fn port(&self) -> &PortRef {
        &self.wire().port
    }

    /// Given the time and one input, appends what should now happen.
    pub fn on(&mut self, now: Instant, input: LineInput, out: &mut Vec<Post>) {
        match self {
            Line::Fxs(fxs) => fxs.on(now, input, out),
            Line::Fxo(fxo) => fxo.on(now, input, out),
        }
    }

    /// When it wants [`LineInput::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Line::Fxs(fxs) => fxs.deadline(),
            Line::Fxo(fxo) => fxo.deadline(),
        }
    }

    /// What it is doing.
    pub fn status(&self, now: Instant) -> LineStatus {
        match self {
            Line::Fxs(fxs) => fxs.status(now),
            Line::Fxo(fxo) => fxo.status(now),
        }
    }

    /// What the wall clock shows; the shell says so about once a minute.
    pub fn set_wall(&mut self, wall: Wall) {
        match self {
            Line::Fxs(fxs) => fxs.wire.wall = wall,
            Line::Fxo(fxo) => fxo.wire.wall = wall,
        }
    }

    /// A new version of the configuration. False if this line is not in it any more, or has become another kind or
    /// moved to another port: then the shell ends it and starts one anew.
    #[must_use]
    pub fn configure(&mut self, setup: &LineSetup) -> bool {
        let Some(line) = setup.config.line(self.id()) else { return false };
        if line.port != *self.port() {
            return false;
        }
        match (self, &line.kind) {
            (Line::Fxs(fxs), LineKind::Fxs(set)) => fxs.configure(set.clone(), setup),
            (Line::Fxo(fxo), LineKind::Fxo(set)) => fxo.configure(set.clone(), setup),
            _ => return false,
        }
        true
    }

    fn wire(&self) -> &Wire {
        match self {
            Line::Fxs(fxs) => &fxs.wire,
            Line::Fxo(fxo) => &fxo.wire,
        }
    }
}

#[cfg(test)]
mod tests;
