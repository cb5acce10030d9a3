//! The telephone rings: cadence, caller ID before or after the first ring, answer.
//!
//! Bellcore (GR-30): ring, at least 500 ms of silence, data, at least 200 ms of silence, ring.
//! UK (BT SIN 227): polarity reversal, at least 100 ms, tone alert signal, at least 45 ms, data, at least 200 ms,
//! polarity restored, ring. ETSI EN 300 659-1 with a ring pulse: 200–300 ms of ringing, 500–800 ms, data, 200–500 ms,
//! ring.

use std::time::{Duration, Instant};

use ringtrip_media::callerid::{self, Burst, Lead, When};
use ringtrip_media::sound::Sound;

use crate::leg::{LegEvent, Placement};
use crate::line::wire::{Far, Outbox, first};
use crate::line::words::Disconnect;
use crate::post::{MediaCommand, Post};
use ringtrip_config::{CallerIdMethod, FskStandard};
use ringtrip_model::board::{BoardCmd, Polarity};
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{CallerId, Cause, Side};

use super::{Fxs, KEYS, State, Talk};

/// A telephone that rings, or is about to.
#[derive(Debug)]
pub(super) struct Ringing {
    pub leg: LegId,
    far: Far,
    cadence: Vec<(u16, u16)>,
    /// The ring cadence's own end: it has rung in vain.
    vain: Instant,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Before the first ring: the polarity is reversed, or a ring pulse sent; the burst goes out at this time.
    Alert { at: Instant, burst: Box<Burst> },
    /// Before the first ring: the burst is on its way, for so long at most.
    Data { until: Instant },
    /// Before the first ring: the silence after the burst.
    Gap { until: Instant },
    /// It rings for the first time; the burst goes out at this time, in the pause.
    FirstRing { at: Instant, burst: Box<Burst> },
    /// It rings.
    Ring,
}

impl Ringing {
    pub fn deadline(&self) -> Option<Instant> {
        let step = match &self.step {
            Step::Alert { at, .. } | Step::FirstRing { at, .. } => Some(*at),
            Step::Data { until } | Step::Gap { until } => Some(*until),
            Step::Ring => None,
        };
        first([step, Some(self.vain)])
    }
}

impl Fxs {
    /// A call wants this telephone to ring.
    pub(super) fn ring(
        &mut self,
        now: Instant,
        leg: LegId,
        placement: Placement,
        out: &mut Vec<Post>,
    ) -> State {
        self.last_number = Some(placement.caller.number.clone());
        let ring = match placement.ring {
            Some(n @ 1..=8) => n,
            _ => self.set.default_ring.clamp(1, 8),
        };
        let ring = self.set.rings[usize::from(ring) - 1].clone();
        let burst = Box::new(self.burst(&placement.caller, now));
        self.wire.say(leg, LegEvent::Ringing, out);
        let step = match self.set.caller_id {
            CallerIdMethod::EtsiReversal => {
                self.set_polarity(reverse(self.set.idle_polarity), out);
                let burst = Box::new(burst.after(Lead::Alert { ms: 100, gap_ms: 70 }));
                Step::Alert { at: now + AFTER_REVERSAL, burst }
            }
            CallerIdMethod::Etsi => {
                // One short burst; the board would repeat it only after the data.
                let pulse = BoardCmd::Ring { cadence: vec![(RING_PULSE_MS, u16::MAX)], hz: self.set.ring_hz };
                self.wire.board(pulse, out);
                Step::Alert {
                    at: now + Duration::from_millis(RING_PULSE_MS.into()) + AFTER_RING_PULSE,
                    burst,
                }
            }
            CallerIdMethod::Bellcore => {
                self.start_ring(&ring.cadence, out);
                match first_pause(&ring.cadence, burst.ms()) {
                    Some(pause) => Step::FirstRing { at: now + pause + AFTER_RING, burst },
                    None => Step::Ring,
                }
            }
            CallerIdMethod::Off => {
                self.start_ring(&ring.cadence, out);
                Step::Ring
            }
        };
        let far = placement.offer.as_ref().map_or(Far::Rtp, Far::of);
        let vain = now + ring.length;
        State::Ringing(Box::new(Ringing { leg, far, cadence: ring.cadence, vain, step }))
    }

    pub(super) fn ringing_timeout(
        &mut self,
        mut ringing: Box<Ringing>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        if ringing.vain <= now {
            self.last_disconnect = Some(Disconnect::VoipFailed);
            self.wire.say(ringing.leg, LegEvent::Ended(Cause::NoAnswer), out);
            return self.stop_ringing(*ringing, out);
        }
        ringing.step = match ringing.step {
            Step::Alert { at, burst } if at <= now => {
                if self.set.caller_id == CallerIdMethod::Etsi {
                    self.wire.board(BoardCmd::RingStop, out);
                }
                let until = now + Duration::from_millis(burst.ms().into()) + LATE;
                self.send(*burst, out);
                Step::Data { until }
            }
            Step::FirstRing { at, burst } if at <= now => {
                self.send(*burst, out);
                Step::Ring
            }
            Step::Data { until } if until <= now => Step::Gap { until: now + AFTER_DATA },
            Step::Gap { until } if until <= now => {
                self.set_polarity(self.set.idle_polarity, out);
                self.start_ring(&ringing.cadence, out);
                Step::Ring
            }
            step => step,
        };
        State::Ringing(ringing)
    }

    /// The data are out; the sooner it rings.
    pub(super) fn caller_id_sent(&mut self, state: State, now: Instant, _out: &mut Vec<Post>) -> State {
        match state {
            State::Ringing(mut ringing) => {
                if let Step::Data { .. } = ringing.step {
                    ringing.step = Step::Gap { until: now + AFTER_DATA };
                }
                State::Ringing(ringing)
            }
            state => state,
        }
    }

    /// Lifted: answered.
    pub(super) fn pick_up(&mut self, ringing: Ringing, out: &mut Vec<Post>) -> State {
        let leg = ringing.leg;
        self.quiet_bell(&ringing, out);
        self.set_polarity(self.set.callee_polarity, out);
        self.wire.listen(KEYS, out);
        self.wire.say(leg, LegEvent::Answered(Sound::analog()), out);
        let (far, keys) = (ringing.far, Outbox::default());
        State::Talking(Talk { leg, side: Side::Called, far, emergency: false, keys })
    }

    /// Not answered: silent and at rest again.
    pub(super) fn stop_ringing(&mut self, ringing: Ringing, out: &mut Vec<Post>) -> State {
        self.quiet_bell(&ringing, out);
        self.idle(out)
    }

    fn quiet_bell(&self, ringing: &Ringing, out: &mut Vec<Post>) {
        self.wire.board(BoardCmd::RingStop, out);
        if let Step::Data { .. } | Step::Ring = ringing.step {
            // Data may still be sounding; nobody wants to hear them.
            out.push(Post::Media(MediaCommand::StopPlayback { endpoint: self.wire.end() }));
        }
    }

    fn start_ring(&self, cadence: &[(u16, u16)], out: &mut Vec<Post>) {
        self.wire.board(BoardCmd::Ring { cadence: cadence.to_vec(), hz: self.set.ring_hz }, out);
    }

    fn send(&self, burst: Burst, out: &mut Vec<Post>) {
        let open = Duration::from_millis(burst.ms().into()) + ON_HOOK_AUDIO;
        self.wire.board(BoardCmd::OnHookAudio(open), out);
        out.push(Post::Media(MediaCommand::SendCallerId { port: self.wire.port.clone(), burst }));
    }

    fn burst(&self, caller: &CallerId, now: Instant) -> Burst {
        let standard = match self.set.caller_id_fsk {
            FskStandard::Bell202 => callerid::FskStandard::Bell202,
            FskStandard::V23 => callerid::FskStandard::V23,
        };
        let at = self.wire.wall.now(now);
        let when = When { month: at.month, day: at.day, hour: at.hour, minute: at.minute };
        let caller = callerid::Caller {
            when: Some(when),
            number: caller.number.clone(),
            name: caller.name.clone(),
            private: caller.private,
        };
        callerid::mdmf(standard, &caller)
    }
}

fn reverse(polarity: Polarity) -> Polarity {
    match polarity {
        Polarity::Forward => Polarity::Reverse,
        Polarity::Reverse => Polarity::Forward,
    }
}

/// From the start of ringing to the first pause that holds the burst and the silences around it; `None` if the
/// cadence has none: then there is no caller ID, for data under a ring reach nobody.
fn first_pause(cadence: &[(u16, u16)], burst_ms: u32) -> Option<Duration> {
    let needed = AFTER_RING + Duration::from_millis(burst_ms.into()) + BEFORE_RING;
    let mut at = Duration::ZERO;
    for &(on, off) in cadence {
        at += Duration::from_millis(on.into());
        let off = Duration::from_millis(off.into());
        if off >= needed {
            return Some(at);
        }
        at += off;
    }
    None
}

/// Between a ring and the data: 500 ms (GR-30), and some for the way of the word to the board.
const AFTER_RING: Duration = Duration::from_millis(600);
/// Between the data and the next ring (GR-30).
const BEFORE_RING: Duration = Duration::from_millis(200);
/// Between the reversal and the alert signal: at least 100 ms (SIN 227).
const AFTER_REVERSAL: Duration = Duration::from_millis(150);
/// A ring pulse that alerts: 200–300 ms (EN 300 659-1).
const RING_PULSE_MS: u16 = 250;
/// Between the ring pulse and the data: 500–800 ms (EN 300 659-1).
const AFTER_RING_PULSE: Duration = Duration::from_millis(650);
/// Between the data and the first ring: 200–500 ms.
const AFTER_DATA: Duration = Duration::from_millis(250);
/// How late `CallerIdSent` may come before it is taken for lost.
const LATE: Duration = Duration::from_millis(500);
/// How much longer than the data the on-hook telephone is let hear.
const ON_HOOK_AUDIO: Duration = Duration::from_millis(200);
