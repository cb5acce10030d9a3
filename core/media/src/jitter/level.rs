//! How much delay is needed, and whether there is more or less of it.
//!
//! A packet needs to arrive before its first sample is due, and no earlier. The one of the last five seconds that came with
//! the least to spare says how much delay is too much; one that came with nothing to spare says that there is too little.

/// Samples to spare that are enough: 2 ms.
const ENOUGH: i32 = 16;
/// More than this and a pull to spare in all windows is too much: 12 ms.
const TOO_MUCH: i32 = 96;
/// Far too much: it is worth a slip that is not quite unheard.
const FAR_TOO_MUCH: i32 = 480;
/// Windows of 500 ms that are remembered.
const WINDOWS: usize = 10;
const WINDOW: u32 = 4000;
/// Samples between two slips: 30 ms when the delay is far too long, else 80 ms.
const PAUSE_FAR: u32 = 240;
const PAUSE: u32 = 640;
/// Samples after which a slip is made where the sound matches itself badly, and where it does not at all: 0.3 and 0.7 s.
/// Sound that never matches itself is noise, and hides what is done to it.
const PATIENT: u32 = 2_400;
const IMPATIENT: u32 = 5_600;

/// What the buffer should do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wish {
    /// Shorten the delay by at most so much, where the sound matches itself at least so well (1 is perfectly).
    Less { most: usize, least_alike: f32 },
    /// Lengthen it; in a hole by so much.
    More { by: usize, least_alike: f32 },
}

/// Watches how far packets arrive ahead of their play-out, in samples.
#[derive(Debug, Clone)]
pub(super) struct Level {
    /// The least of each window, the present one first; `i32::MAX` where nothing came.
    least: [i32; WINDOWS],
    in_window: u32,
    /// Windows since the beginning, as far as they are remembered.
    known: usize,
    /// Samples since the last slip.
    since: u32,
}

impl Default for Level {
    fn default() -> Level {
        Level { least: [i32::MAX; WINDOWS], in_window: 0, known: 0, since: 0 }
    }
}

impl Level {
    /// A packet came so long before it was needed.
    pub fn arrived(&mut self, ahead: i32) {
        self.least[0] = self.least[0].min(ahead);
    }

    /// Samples were taken.
    pub fn elapsed(&mut self, samples: u32) {
        self.since = self.since.saturating_add(samples);
        self.in_window += samples;
        if self.in_window >= WINDOW {
            self.in_window -= WINDOW;
            self.least.rotate_right(1);
            self.least[0] = i32::MAX;
            self.known = (self.known + 1).min(WINDOWS);
        }
    }

    /// The delay has become longer by so much (or shorter): what was measured before has moved with it.
    pub fn moved(&mut self, by: i32) {
        for least in self.least.iter_mut().filter(|l| **l != i32::MAX) {
            *least = least.saturating_add(by);
        }
    }

    /// The same by a slip.
    pub fn slipped(&mut self, by: i32) {
        self.moved(by);
        self.since = 0;
    }

    /// What should be done now. `frame` is how many samples are pulled at once: a slip moves what is to spare by as much as
    /// that more or less.
    pub fn wish(&self, frame: i32) -> Option<Wish> {
        let spare = self.least.iter().copied().min().filter(|s| *s != i32::MAX)?;
        if spare < ENOUGH {
            // Something came too late already: that is worse than a slip that can be heard.
            let least_alike = if spare < 0 { -1.0 } else { self.least_alike() };
            let due = spare < -(PAUSE_FAR as i32) || self.since >= if spare < 0 { PAUSE_FAR } else { PAUSE };
            return due.then_some(Wish::More { by: (ENOUGH - spare) as usize, least_alike });
        }
        let far = spare > FAR_TOO_MUCH;
        let due = self.known >= WINDOWS && self.since >= if far { PAUSE_FAR } else { PAUSE };
        if spare <= TOO_MUCH + frame || !due {
            return None;
        }
        let least_alike = if far && self.since >= PAUSE { -1.0 } else { self.least_alike() };
        Some(Wish::Less { most: (spare - ENOUGH - frame) as usize, least_alike })
    }

    fn least_alike(&self) -> f32 {
        match self.since {
            0..PATIENT => 0.85,
            PATIENT..IMPATIENT => 0.6,
            IMPATIENT.. => -1.0,
        }
    }
}
