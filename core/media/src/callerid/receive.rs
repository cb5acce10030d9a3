//! Hears a burst: an FSK demodulator for each standard, a byte framer, the message.
//!
//! Mark and space are correlated over one bit each; the sign of the difference is the bit. A start bit's falling edge
//! sets the clock for its byte, so a sender that is 2 % fast or slow is read.

use super::{Caller, FskStandard, MDMF, SDMF, VMWI_MDMF, VMWI_SDMF, modem::BAUD, parse};

/// Samples a bit.
const BIT: f32 = (8000.0 / BAUD) as f32;

/// Taps of the correlators: one bit, its last sample weighted by the fraction.
const TAPS: usize = 7;
const LAST_WEIGHT: f32 = BIT - (TAPS as f32 - 1.0);

/// Mean square below which there is no carrier: −45 dBm0.
const CARRIER: f32 = 8_240.0;

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Who calls.
    Caller(Caller),
    /// The message-waiting lamp shall be on or off.
    MessageWaiting(bool),
    /// A message came but its checksum was wrong or it broke off.
    Damaged,
}

/// Listens for caller ID in both standards at once.
#[derive(Debug, Clone)]
pub struct FskReceiver {
    demods: [Demod; 2],
}

impl Default for FskReceiver {
    fn default() -> FskReceiver {
        FskReceiver::new()
    }
}

impl FskReceiver {
    /// Begins to listen.
    pub fn new() -> FskReceiver {
        FskReceiver { demods: [FskStandard::Bell202, FskStandard::V23].map(Demod::new) }
    }

    /// Takes samples; a message is told once, when its checksum has come. The two standards lie so close that both
    /// demodulators may read the same burst: the first to read it right ends it, and damage is told only when both
    /// have failed.
    pub fn push(&mut self, samples: &[i16]) -> Option<Received> {
        for &s in samples {
            let mut damaged = false;
            for n in 0..self.demods.len() {
                match self.demods[n].push(s as f32) {
                    None => {}
                    Some(Received::Damaged) => damaged = true,
                    Some(good) => {
                        self.demods.iter_mut().for_each(Demod::restart);
                        return Some(good);
                    }
                }
            }
            if damaged && self.demods.iter().all(|d| matches!(d.state, State::Hunt)) {
                return Some(Received::Damaged);
            }
        }
        None
    }
}

#[derive(Debug, Clone)]
struct Demod {
    /// Local oscillators of mark and space: cos, sin, and their step.
    oscillators: [(f32, f32, f32, f32); 2],
    /// The last products with the oscillators: mark re, im, space re, im, and the sample's power.
    products: [[f32; 5]; TAPS],
    at: usize,
    samples: u32,
    /// Running mean square.
    power: f32,
    last_soft: f32,
    /// Consecutive samples of mark, for the framer to know that the line rests.
    resting: u32,
    byte: Option<Byte>,
    state: State,
    /// The message so far.
    message: Vec<u8>,
}

/// A byte being read: time since its start edge in samples, and the next bit to look at.
#[derive(Debug, Clone, Copy)]
struct Byte {
    time: f32,
    next: u8,
    bits: u16,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Waiting for a message type after mark.
    Hunt,
    /// Waiting for the length.
    Length,
    /// `left` bytes of data and checksum to come; `rest` samples of patience for the next byte.
    Data { left: u16 },
}

/// Longest mark between two bytes, in samples (GR-30 allows ten bits; some senders take more).
const PATIENCE: u32 = 400;

impl Demod {
    fn new(standard: FskStandard) -> Demod {
        let (mark, space) = standard.hz();
        let oscillator = |hz: f32| {
            let (sin, cos) = (std::f32::consts::TAU * hz / 8000.0).sin_cos();
            (1.0, 0.0, cos, sin)
        };
        Demod {
            oscillators: [oscillator(mark), oscillator(space)],
            products: [[0.0; 5]; TAPS],
            at: 0,
            samples: 0,
            power: 0.0,
            last_soft: 0.0,
            resting: 0,
            byte: None,
            state: State::Hunt,
            message: Vec::with_capacity(258),
        }
    }

    fn restart(&mut self) {
        self.state = State::Hunt;
        self.byte = None;
        self.resting = 0;
        self.message.clear();
    }

    fn push(&mut self, s: f32) -> Option<Received> {
        let soft = self.soft(s);
        let carrier = self.power > CARRIER;
        let out = match carrier {
            true => self.frame(soft),
            false => self.lost(),
        };
        self.last_soft = soft;
        out
    }

    /// Mark minus space over the last bit, between −1 and 1.
    fn soft(&mut self, s: f32) -> f32 {
        let mut p = [0.0; 5];
        for (n, o) in self.oscillators.iter_mut().enumerate() {
            (p[2 * n], p[2 * n + 1]) = (s * o.0, s * o.1);
            (o.0, o.1) = (o.0 * o.2 - o.1 * o.3, o.1 * o.2 + o.0 * o.3);
        }
        p[4] = s * s;
        self.products[self.at] = p;
        self.samples += 1;
        if self.samples == 8000 {
            // Once a second the oscillators are set back to length 1.
            self.samples = 0;
            for o in &mut self.oscillators {
                let length = (o.0 * o.0 + o.1 * o.1).sqrt();
                (o.0, o.1) = (o.0 / length, o.1 / length);
            }
        }
        self.at = (self.at + 1) % TAPS;
        // `at` is now the oldest sample.
        let mut sum = self.products[self.at].map(|x| x * LAST_WEIGHT);
        for n in 1..TAPS {
            let p = &self.products[(self.at + n) % TAPS];
            for (a, b) in sum.iter_mut().zip(p) {
                *a += b;
            }
        }
        self.power += (sum[4] / BIT - self.power) * 0.05;
        let mark = sum[0] * sum[0] + sum[1] * sum[1];
        let space = sum[2] * sum[2] + sum[3] * sum[3];
        (mark - space) / (mark + space + 1.0)
    }

    fn frame(&mut self, soft: f32) -> Option<Received> {
        let Some(mut byte) = self.byte else {
            self.resting = if soft > 0.0 { self.resting.saturating_add(1) } else { 0 };
            let in_message = self.state != State::Hunt;
            if in_message && self.resting > PATIENCE {
                return self.broken();
            }
            if soft <= 0.0 && self.last_soft > 0.0 {
                // Where between the two samples the edge was. The correlation over a bit crosses zero in the middle
                // of the change, half a bit after the start bit began.
                let after = -soft / (self.last_soft - soft).max(1e-6);
                self.byte = Some(Byte { time: after, next: 0, bits: 0 });
            }
            return None;
        };
        byte.time += 1.0;
        // Bit n is wholly inside the correlator half a bit after its middle: n + ½ bits after the crossing.
        let due = (byte.next as f32 + 0.5) * BIT;
        if byte.time < due {
            self.byte = Some(byte);
            return None;
        }
        let back = byte.time - due;
        let value = soft + (self.last_soft - soft) * back.min(1.0);
        byte.bits |= ((value > 0.0) as u16) << byte.next;
        byte.next += 1;
        if byte.next == 1 && byte.bits & 1 == 1 {
            // Not a start bit after all.
            self.byte = None;
            return None;
        }
        if byte.next < 10 {
            self.byte = Some(byte);
            return None;
        }
        self.byte = None;
        self.resting = 0;
        let stop = byte.bits >> 9 & 1 == 1;
        self.take((byte.bits >> 1) as u8, stop)
    }

    fn take(&mut self, byte: u8, stop: bool) -> Option<Received> {
        match self.state {
            // Channel seizure reads as 55h or AAh, never as a type.
            State::Hunt => {
                if stop && [SDMF, MDMF, VMWI_SDMF, VMWI_MDMF].contains(&byte) {
                    self.message.clear();
                    self.message.push(byte);
                    self.state = State::Length;
                }
                None
            }
            State::Length => {
                self.message.push(byte);
                self.state = State::Data { left: byte as u16 + 1 };
                None
            }
            State::Data { left } => {
                // At most 255 bytes and the checksum: `message` never grows past its first capacity.
                self.message.push(byte);
                if left > 1 {
                    self.state = State::Data { left: left - 1 };
                    return None;
                }
                let told = understand(&self.message);
                self.restart();
                Some(told)
            }
        }
    }

    fn lost(&mut self) -> Option<Received> {
        self.byte = None;
        self.resting = 0;
        self.broken()
    }

    fn broken(&mut self) -> Option<Received> {
        // A type byte alone may have been noise.
        let was_message = matches!(self.state, State::Data { .. }) && self.message.len() > 4;
        if self.state != State::Hunt {
            self.restart();
        }
        was_message.then_some(Received::Damaged)
    }
}

fn understand(message: &[u8]) -> Received {
    if super::checksum(message) != 0 {
        return Received::Damaged;
    }
    match message {
        [VMWI_SDMF, _, first, ..] => Received::MessageWaiting(*first == 0x42),
        [VMWI_MDMF, _, 0x0B, 1, on, ..] => Received::MessageWaiting(*on != 0),
        _ => parse(message).map_or(Received::Damaged, Received::Caller),
    }
}
