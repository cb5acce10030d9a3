//! What both kinds of line have in common: a port, its sound, the names of the calls it makes, its readings.

use std::time::{Duration, Instant};

use ringtrip_media::sound::Sound;
use ringtrip_media::tone::Tone;

use crate::leg::LegEvent;
use crate::line::wall::Wall;
use crate::post::{DetectorConfig, Endpoint, LegInput, MediaCommand, Post};
use crate::route::Keys;
use ringtrip_model::board::BoardCmd;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{Ids, LegId, LineId, PortRef};
use ringtrip_model::line::LineState;

/// A port and what is known about it.
#[derive(Debug)]
pub(super) struct Wire {
    pub line: LineId,
    pub port: PortRef,
    pub ids: Ids,
    pub wall: Wall,
    /// As last read.
    pub volts: Option<f32>,
    /// As last read.
    pub milliamps: Option<f32>,
    /// A tone of ours may be sounding. `ToneEnded` does not clear it: that word may cross the next tone on its way.
    sounding: bool,
    listening: DetectorConfig,
}

impl Wire {
    pub fn new(line: LineId, port: PortRef, ids: Ids, wall: Wall) -> Wire {
        let (volts, milliamps, sounding) = (None, None, false);
        Wire { line, port, ids, wall, volts, milliamps, sounding, listening: DetectorConfig::default() }
    }

    pub fn end(&self) -> Endpoint {
        Endpoint::Port(self.port.clone())
    }

    pub fn board(&self, cmd: BoardCmd, out: &mut Vec<Post>) {
        out.push(Post::Board { port: self.port.clone(), cmd });
    }

    pub fn tone(&mut self, tone: &Tone, out: &mut Vec<Post>) {
        self.sounding = true;
        out.push(Post::Media(MediaCommand::PlayTone { endpoint: self.end(), tone: tone.clone() }));
    }

    /// Ringback, unless the far side sounds.
    pub fn ringback(&mut self, tone: &Tone, out: &mut Vec<Post>) {
        self.sounding = true;
        let port = self.port.clone();
        out.push(Post::Media(MediaCommand::PlayRingback { port, tone: tone.clone() }));
    }

    /// The far side promises sound before the answer. Where it rings already, that goes on until the sound is there.
    pub fn early(&mut self, far: Far, ring_back: &Tone, out: &mut Vec<Post>) {
        match far {
            Far::Rtp if self.sounding => self.ringback(ring_back, out),
            Far::Rtp | Far::Port => self.hush(out),
        }
    }

    /// Stops a tone, if one may be sounding.
    pub fn hush(&mut self, out: &mut Vec<Post>) {
        if std::mem::take(&mut self.sounding) {
            out.push(Post::Media(MediaCommand::StopPlayback { endpoint: self.end() }));
        }
    }

    /// Silent and deaf, whatever a line before this one (that failed and was replaced) left going on.
    pub fn clear(&mut self, out: &mut Vec<Post>) {
        self.sounding = true;
        self.hush(out);
        self.listening = DetectorConfig::default();
        out.push(Post::Media(MediaCommand::Detect {
            port: self.port.clone(),
            config: DetectorConfig::default(),
        }));
    }

    /// Listens for this and nothing else.
    pub fn listen(&mut self, what: DetectorConfig, out: &mut Vec<Post>) {
        if self.listening != what {
            self.listening = what.clone();
            out.push(Post::Media(MediaCommand::Detect { port: self.port.clone(), config: what }));
        }
    }

    pub fn say(&self, leg: LegId, event: LegEvent, out: &mut Vec<Post>) {
        out.push(Post::Leg { leg, input: LegInput::Said(event) });
    }

    /// Tells the people who watch what has changed.
    pub fn tell(&self, was: (LineState, bool), is: (LineState, bool), out: &mut Vec<Post>) {
        if was.1 != is.1 {
            out.push(Post::Tell(Event::LineHook { line: self.line.clone(), off_hook: is.1 }));
        }
        if was.0 != is.0 {
            out.push(Post::Tell(Event::LineState { line: self.line.clone(), state: is.0 }));
        }
    }
}

/// What is at the other end of a call's sound path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    /// Another port of a board: its key tones come through with the sound, and must not be made a second time.
    Port,
    /// RTP: keys come as words and have to be made into tones here.
    Rtp,
}

impl Far {
    /// Who speaks like this. A board port has neither an address nor telephone-events; a SIP side has one of them even
    /// when it starts on hold with an address of 0.0.0.0.
    pub fn of(sound: &Sound) -> Far {
        match sound.addr.is_none() && sound.telephone_event.is_none() {
            true => Far::Port,
            false => Far::Rtp,
        }
    }
}

/// Keys on their way to a port. The media engine lets a later command replace an earlier one, so keys that come while
/// others are still sounding wait here.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// When the keys that sound now are over, should `DigitsSent` get lost.
    over: Option<Instant>,
    waiting: String,
}

/// Tone and pause of dialled keys, ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub on: u16,
    pub off: u16,
}

impl Pace {
    pub fn of(on: Duration, off: Duration) -> Pace {
        let ms = |d: Duration| u16::try_from(d.as_millis()).unwrap_or(u16::MAX);
        Pace { on: ms(on), off: ms(off) }
    }

    /// How long these keys take, with a second for the way there and back.
    fn time(self, keys: &str) -> Duration {
        let each = u64::from(self.on) + u64::from(self.off);
        let of = |c| match c {
            ',' => 1000,
            'p' => 100,
            _ => each,
        };
        let ms: u64 = keys.chars().map(of).sum();
        Duration::from_millis(ms + 1000)
    }
}

impl Outbox {
    pub fn deadline(&self) -> Option<Instant> {
        self.over
    }

    pub fn is_empty(&self) -> bool {
        self.over.is_none()
    }

    pub fn push(&mut self, now: Instant, keys: &str, pace: Pace, wire: &Wire, out: &mut Vec<Post>) {
        // A peer that floods keys cannot make us hoard them.
        if self.waiting.len() + keys.len() <= MOST_WAITING {
            self.waiting.push_str(keys);
        }
        if self.over.is_none() {
            self.sent(now, pace, wire, out);
        }
    }

    /// What sounded is over: the next, if there is one.
    pub fn sent(&mut self, now: Instant, pace: Pace, wire: &Wire, out: &mut Vec<Post>) {
        let keys = std::mem::take(&mut self.waiting);
        self.over = (!keys.is_empty()).then(|| now + pace.time(&keys));
        if !keys.is_empty() {
            out.push(Post::Media(MediaCommand::SendDigits {
                endpoint: wire.end(),
                keys: Keys(keys),
                on: pace.on,
                off: pace.off,
            }));
        }
    }

    /// `DigitsSent` got lost.
    pub fn timeout(&mut self, now: Instant, pace: Pace, wire: &Wire, out: &mut Vec<Post>) {
        if self.over.is_some_and(|t| t <= now) {
            self.sent(now, pace, wire, out);
        }
    }
}

/// Longer than any number with all that a plugin may send after it, its pauses included: 16 parts of 64 keys or of 30 s
/// and a tenth.
const MOST_WAITING: usize = 2048;

/// The first of these instants.
pub(super) fn first(deadlines: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}
