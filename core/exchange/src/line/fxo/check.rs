//! Is the port a landline, does the board obey, does the pair carry current? A call out goes on only when they say so:
//! an attempt on a dead pair fails within a second or two, so that the next way is tried.
//!
//! Loop current is believed to be missing only where the port tells of it ([`BoardEvent::Measures`]); a board that
//! cannot measure is judged by battery and dial tone alone.

use std::time::{Duration, Instant};

use crate::line::fault::Fault;
use crate::line::words::Disconnect;
use crate::post::Post;
use ringtrip_model::board::{BoardCmd, CmdKind};
use ringtrip_model::party::Cause;

use super::{Fxo, Seizing, State};

/// Less than this is leakage; the longest loops still carry 15 mA or so, and a telephone beside us takes its half.
const LOOP_MILLIAMPS: f32 = 3.0;
/// Below this there is no battery at all.
const NO_BATTERY: f32 = 1.0;
/// Current flows some 50 ms after the contact closes; a driver that smooths its readings may need longer.
const LOOP_WAIT: Duration = Duration::from_millis(1200);
/// From the seizure to the first question for readings, and between questions.
const MEASURE: Duration = Duration::from_millis(150);

/// Waiting for loop current after the seizure.
#[derive(Debug, Clone, Copy)]
pub(super) struct AwaitLoop {
    pub seized: Instant,
    /// When the board is asked (again).
    pub ask: Instant,
    /// When the pair counts as dead.
    by: Instant,
}

impl AwaitLoop {
    pub(super) fn new(seized: Instant) -> AwaitLoop {
        AwaitLoop { seized, ask: seized + MEASURE, by: seized + LOOP_WAIT }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.ask.min(self.by)
    }
}

impl Fxo {
    /// The port is no landline.
    pub(super) fn unfit(&mut self, state: State, now: Instant, fault: Fault, out: &mut Vec<Post>) -> State {
        let state = self.lost(state, out);
        self.fault(now, fault, out);
        state
    }

    /// Why nothing can be placed on a line that is out of service.
    pub(super) fn lost_cause(&self) -> Cause {
        match self.faults.fault() {
            Some(Fault::WrongKind(_) | Fault::NoPort) => Cause::WrongPort,
            _ => Cause::BoardLost,
        }
    }

    /// The board did not do as it was told: what depends on it fails at once.
    pub(super) fn refused(&mut self, state: State, now: Instant, cmd: CmdKind, out: &mut Vec<Post>) -> State {
        match (cmd, &state) {
            (CmdKind::OffHook, State::Seizing(_) | State::Calling(_) | State::Talking(_))
            | (CmdKind::Pulse, State::Seizing(_)) => {
                self.fault(now, Fault::Refused, out);
                self.finish(&state, now, Cause::BoardRefused, Disconnect::BoardRefused, out)
            }
            // Perhaps it still holds the office's line: nobody should be surprised by that.
            (CmdKind::OnHook, _) => {
                self.fault(now, Fault::Refused, out);
                state
            }
            // It cannot measure after all.
            (CmdKind::Measure, _) => {
                self.measures = false;
                match state {
                    State::Seizing(seizing) => self.loop_closed(seizing, now, out),
                    state => state,
                }
            }
            _ => state,
        }
    }

    /// Readings of the pair: loop current is what the seizure waits for.
    pub(super) fn measured(
        &mut self,
        state: State,
        now: Instant,
        milliamps: f32,
        out: &mut Vec<Post>,
    ) -> State {
        match state {
            State::Seizing(mut seizing) if milliamps.abs() >= LOOP_MILLIAMPS => {
                if seizing.awaits_loop().is_some() {
                    self.faults.clear();
                }
                self.loop_closed(seizing, now, out)
            }
            state => state,
        }
    }

    /// `Line-In-Use_Voltage`: on-hook, less than this is what another telephone of the house leaves of the battery. While it
    /// rings, alternating voltage says nothing.
    pub(super) fn looks_in_use(&mut self, state: State, volts: f32, out: &mut Vec<Post>) -> State {
        if !matches!(state, State::Idle { .. }) || !self.pair.battery {
            return state;
        }
        let low = (NO_BATTERY..f32::from(self.set.in_use_volts)).contains(&volts.abs());
        let was = std::mem::replace(&mut self.pair.low, low);
        if low && !was { self.answered_beside(state, out) } else { state }
    }

    /// No loop current yet.
    pub(super) fn no_loop_yet(
        &mut self,
        mut seizing: Box<Seizing>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        let Some(wait) = seizing.awaits_loop() else { return State::Seizing(seizing) };
        if wait.by <= now {
            self.fault(now, Fault::NoLoop, out);
            return self.finish(&State::Seizing(seizing), now, Cause::NoLoop, Disconnect::NoLoop, out);
        }
        if wait.ask <= now {
            wait.ask = now + MEASURE;
            self.wire.board(BoardCmd::Measure, out);
        }
        State::Seizing(seizing)
    }

    fn fault(&mut self, now: Instant, fault: Fault, out: &mut Vec<Post>) {
        let line = (&self.wire.line, &self.wire.port, ringtrip_model::board::PortKind::Fxo);
        self.faults.set(fault, now, line, out);
    }
}
