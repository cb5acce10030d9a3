//! A telephone: hook, keypad or dial, mouth- and earpiece, bell, caller-ID display.

use std::collections::VecDeque;

use ringtrip_media::callerid::{Caller, FskReceiver, Received};
use ringtrip_media::dtmf::{DtmfGen, Sending};
use ringtrip_media::tone::Play;

use crate::sound::{Recording, Speech};
use crate::{Block, STEP};

/// The telephone on an FXS port.
#[derive(Debug, Clone)]
pub struct Telephone {
    lifted: bool,
    /// Breaks and makes still to be done (flash, pulses): loop closed?, ms.
    contacts: VecDeque<(bool, u32)>,
    keys: Option<DtmfGen>,
    /// What it says.
    pub speech: Speech,
    /// What is in its earpiece, or on the pair while on-hook.
    pub heard: Recording,
    /// Its bell.
    pub bell: Bell,
    display: FskReceiver,
    /// ms that nothing at all has been on the pair.
    silent: u32,
    /// What the display showed, oldest first.
    pub shown: Vec<Shown>,
}

/// The bell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bell {
    /// It sounds now.
    pub sounding: bool,
    /// Bursts of the call that rings, or rang last.
    pub bursts: u32,
    /// Quiet for so many ms.
    pub quiet_ms: u32,
}

/// A line on the display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Who calls.
    Caller(Caller),
    /// Messages wait, or no longer do.
    MessageWaiting(bool),
    /// Something came that could not be read.
    Damaged,
}

/// Bursts after a longer pause belong to another call.
const NEW_CALL_MS: u32 = 8000;
const MOST_SHOWN: usize = 20;

impl Telephone {
    /// A telephone on its hook that remembers so much sound.
    pub fn new(remember_s: u32) -> Telephone {
        Telephone {
            lifted: false,
            contacts: VecDeque::new(),
            keys: None,
            speech: Speech::default(),
            heard: Recording::new(remember_s),
            bell: Bell { quiet_ms: NEW_CALL_MS, ..Bell::default() },
            display: FskReceiver::new(),
            silent: 0,
            shown: Vec::new(),
        }
    }

    /// Is the handset lifted?
    pub fn lifted(&self) -> bool {
        self.lifted
    }

    /// Lifts the handset.
    pub fn lift(&mut self) {
        self.lifted = true;
    }

    /// Hangs up; what was being dialled or said is over.
    pub fn hang_up(&mut self) {
        self.lifted = false;
        self.contacts.clear();
        self.keys = None;
        self.speech.clear();
    }

    /// Opens the loop for a moment.
    pub fn flash(&mut self, ms: u32) {
        self.contacts.push_back((false, ms));
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str, on_ms: u16, off_ms: u16) {
        let sending = Sending { on: on_ms, off: off_ms, ..Sending::default() };
        match &mut self.keys {
            Some(going) => going.push(keys),
            None => self.keys = Some(DtmfGen::new(keys, sending)),
        }
    }

    /// Dials: break, make, and pause between digits in ms.
    pub fn dial(&mut self, digits: &str, break_ms: u32, make_ms: u32, pause_ms: u32) {
        for d in digits.chars().filter_map(|c| c.to_digit(10)) {
            for _ in 0..if d == 0 { 10 } else { d } {
                self.contacts.extend([(false, break_ms), (true, make_ms)]);
            }
            self.contacts.push_back((true, pause_ms));
        }
    }

    /// Are keys, pulses or flashes still going out?
    pub fn dialling(&self) -> bool {
        self.keys.is_some() || !self.contacts.is_empty()
    }

    /// Is the loop closed in this ms?
    pub fn closed(&self) -> bool {
        self.lifted && self.contacts.front().is_none_or(|(closed, _)| *closed)
    }

    /// One ms. `ringing`: alternating voltage is on the pair; `current`: the loop carries current; `pair`: what is to be heard.
    pub fn step(&mut self, ringing: bool, current: bool, pair: &Block) -> Block {
        let mut says = [0; STEP];
        if let Some((_, left)) = self.contacts.front_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.contacts.pop_front();
            }
        }
        if current {
            if let Some(keys) = &mut self.keys
                && keys.fill(&mut says) == Play::Ended
            {
                self.keys = None;
            }
            self.speech.mix(&mut says);
        }
        self.heard.push(pair);
        if !self.lifted {
            self.show(pair);
        }
        self.ring(ringing);
        says
    }

    fn show(&mut self, pair: &Block) {
        // An idle board should cost nothing: a message has no pause that long.
        self.silent = if pair == &[0; STEP] { self.silent.saturating_add(1) } else { 0 };
        if self.silent > 500 {
            return;
        }
        let shown = match self.display.push(pair) {
            None => return,
            Some(Received::Caller(caller)) => Shown::Caller(caller),
            Some(Received::MessageWaiting(on)) => Shown::MessageWaiting(on),
            Some(Received::Damaged) => Shown::Damaged,
        };
        if self.shown.len() >= MOST_SHOWN {
            self.shown.remove(0);
        }
        self.shown.push(shown);
    }

    fn ring(&mut self, ringing: bool) {
        let bell = &mut self.bell;
        if ringing && !bell.sounding {
            bell.bursts = if bell.quiet_ms >= NEW_CALL_MS { 1 } else { bell.bursts + 1 };
            bell.quiet_ms = 0;
        }
        bell.sounding = ringing;
        if !ringing {
            bell.quiet_ms = bell.quiet_ms.saturating_add(1);
        }
    }
}
