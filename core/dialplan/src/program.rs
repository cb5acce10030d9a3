//! A plan compiled for matching: a non-deterministic automaton whose threads are bits.
//!
//! Every key and every pause of every alternative is a state, in plan order, and each alternative has one end state
//! after them. A thread is a set bit: "about to take this". All alternatives advance together, one word of 64
//! states at a time, so that a step on a usual plan is a handful of instructions and never allocates.

use smallvec::SmallVec;

use crate::{Alternative, KeySet, PlanError, Token};

/// Bits of all states. Four words are inline: plans of 256 states and more are rare.
pub(crate) type Bits = SmallVec<[u64; 4]>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Program {
    words: usize,
    /// `take[key][word]`: the states that this key moves.
    take: Vec<Bits>,
    /// States that can take some key.
    pub takers: Bits,
    /// States that stay when they have taken, and may be skipped (`.`).
    repeat: Bits,
    /// States entered through a comma.
    tone: Bits,
    /// Pause states, and their place in `pauses`.
    pub pausing: Bits,
    pub pauses: Vec<Pause>,
    /// End states.
    pub ends: Bits,
    /// End states that count with no key dialled: their alternative carries `S` or `P`.
    pub ends_timed: Bits,
    /// End states of barred alternatives.
    pub barred: Bits,
    /// End states of star codes.
    pub stars: Bits,
    /// The first state of every alternative, skips already taken.
    pub start: Bits,
    /// Outside dial tone from the start.
    pub tone_at_start: bool,
    /// For each state: its alternative and the timers that hold there, in seconds.
    pub states: Vec<State>,
    /// Some state has a long timer of its own, so that the largest must be looked for.
    pub own_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct State {
    pub alternative: u16,
    pub short: Option<u16>,
    pub long: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pause {
    pub state: usize,
    pub secs: u16,
}

/// What a step found.
pub(crate) struct Moved {
    /// Some thread is left.
    pub alive: bool,
    /// Some thread came through a comma.
    pub tone: bool,
}

/// More pauses than this in one plan are a mistake, and would need more room in every matcher.
pub(crate) const MAX_PAUSES: usize = 32;

impl Program {
    pub fn compile(alternatives: &[Alternative]) -> Result<Program, PlanError> {
        let is_state = |t: &&Token| matches!(t, Token::Key { .. } | Token::Pause(1..));
        let count: usize = alternatives.iter().map(|a| a.tokens.iter().filter(is_state).count() + 1).sum();
        let words = count.div_ceil(64).max(1);
        let none = || Bits::from_elem(0, words);
        let mut p = Program {
            words,
            take: vec![none(); 16],
            takers: none(),
            repeat: none(),
            tone: none(),
            pausing: none(),
            pauses: Vec::new(),
            ends: none(),
            ends_timed: none(),
            barred: none(),
            stars: none(),
            start: none(),
            tone_at_start: false,
            states: Vec::with_capacity(count),
            own_long: false,
        };
        for (index, a) in alternatives.iter().enumerate() {
            let alternative = u16::try_from(index)
                .map_err(|_| PlanError::new(a.at, "too many alternatives", "at most 65,535 are allowed"))?;
            p.add(alternative, a)?;
        }
        let mut start = p.start.clone();
        p.tone_at_start = p.close(&mut start);
        p.start = start;
        Ok(p)
    }

    fn add(&mut self, alternative: u16, a: &Alternative) -> Result<(), PlanError> {
        let (mut short, mut long, mut tone) = (None, None, false);
        set(&mut self.start, self.states.len());
        for (i, token) in a.tokens.iter().enumerate() {
            let state = self.states.len();
            match token {
                Token::Emit(_) => continue,
                Token::Tone => {
                    tone = true;
                    continue;
                }
                Token::Short(secs) => {
                    short = Some(*secs);
                    continue;
                }
                Token::Long(secs) => {
                    long = Some(*secs);
                    self.own_long = true;
                    continue;
                }
                // A pause of nothing is over at once; with nothing after it to match, that accepts at once (hot line).
                Token::Pause(0) => {
                    if !a.tokens[i..].iter().any(|t| matches!(t, Token::Key { .. })) {
                        short = Some(0);
                    }
                    continue;
                }
                Token::Pause(secs) => {
                    if self.pauses.len() == MAX_PAUSES {
                        let what = format!("more than {MAX_PAUSES} pauses");
                        return Err(PlanError::new(a.at, what, "remove some P timers"));
                    }
                    set(&mut self.pausing, state);
                    self.pauses.push(Pause { state, secs: *secs });
                }
                Token::Key { set: keys, repeat, .. } => {
                    let KeySet(bits) = *keys;
                    for (key, take) in self.take.iter_mut().enumerate() {
                        if bits & (1 << key) != 0 {
                            set(take, state);
                        }
                    }
                    set(&mut self.takers, state);
                    if *repeat {
                        set(&mut self.repeat, state);
                    }
                }
            }
            if std::mem::take(&mut tone) {
                set(&mut self.tone, state);
            }
            self.states.push(State { alternative, short, long });
        }
        let end = self.states.len();
        if tone {
            set(&mut self.tone, end);
        }
        set(&mut self.ends, end);
        if a.timed {
            set(&mut self.ends_timed, end);
        }
        if a.barred {
            set(&mut self.barred, end);
        }
        if a.star {
            set(&mut self.stars, end);
        }
        self.states.push(State { alternative, short, long });
        Ok(())
    }

    /// Can some thread take this key?
    pub fn takes(&self, threads: &Bits, key: usize) -> bool {
        threads.iter().zip(&self.take[key & 15]).any(|(t, k)| t & k != 0)
    }

    /// Moves all threads by a key.
    pub fn step(&self, threads: &mut Bits, key: usize) -> Moved {
        let take = &self.take[key & 15];
        let (mut alive, mut tone) = (0, 0);
        // What moves from the top of a word to the bottom of the next: by taking, and by skipping.
        let (mut taking, mut skipping) = (0, 0);
        for w in 0..self.words {
            let taken = threads[w] & take[w];
            let moving = taken & !self.repeat[w];
            let entered = moving << 1 | taking | skipping;
            let (fill, skipped) = self.fill(w, entered | taken & self.repeat[w]);
            tone |= (entered | skipped << 1) & self.tone[w];
            (taking, skipping) = (moving >> 63, skipped >> 63);
            threads[w] = fill;
            alive |= fill;
        }
        Moved { alive: alive != 0, tone: tone != 0 }
    }

    /// Moves the thread at a pause on; says whether one came through a comma.
    pub fn pass_pause(&self, threads: &mut Bits, pause: Pause) -> bool {
        if !get(threads, pause.state) {
            return false;
        }
        clear(threads, pause.state);
        let mut moved = Bits::from_elem(0, self.words);
        set(&mut moved, pause.state + 1);
        let tone = self.close(&mut moved);
        threads.iter_mut().zip(&moved).for_each(|(t, m)| *t |= m);
        tone
    }

    /// Lets threads that have just entered their states skip what `.` allows to skip.
    fn close(&self, threads: &mut Bits) -> bool {
        let (mut tone, mut skipping) = (0, 0);
        for w in 0..self.words {
            let (fill, skipped) = self.fill(w, threads[w] | skipping);
            tone |= (threads[w] | skipping | skipped << 1) & self.tone[w];
            threads[w] = fill;
            skipping = skipped >> 63;
        }
        tone != 0
    }

    /// Adds to one word of threads the states reached by skipping, and says which were skipped. A run of repeated
    /// states is skipped in six doublings (a Kogge–Stone fill), not one by one.
    fn fill(&self, w: usize, mut threads: u64) -> (u64, u64) {
        // A state is reached by skipping when the one below it repeats.
        let mut pass = self.repeat[w] << 1;
        for shift in [1, 2, 4, 8, 16, 32] {
            threads |= pass & (threads << shift);
            pass &= pass << shift;
        }
        (threads, threads & self.repeat[w])
    }
}

pub(crate) fn set(bits: &mut Bits, i: usize) {
    bits[i / 64] |= 1 << (i % 64);
}

pub(crate) fn clear(bits: &mut Bits, i: usize) {
    bits[i / 64] &= !(1 << (i % 64));
}

pub(crate) fn get(bits: &Bits, i: usize) -> bool {
    bits[i / 64] & 1 << (i % 64) != 0
}

/// The set bits, lowest first.
pub(crate) fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(w, mut word)| {
        std::iter::from_fn(move || {
            let bit = word.trailing_zeros() as usize;
            (word != 0).then(|| {
                word &= word - 1;
                w * 64 + bit
            })
        })
    })
}
