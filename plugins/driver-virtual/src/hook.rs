//! Reads a loop that opens and closes: lifted, hung up, hook flash, dial pulses. The line circuit of an FXS port and the office use
//! the same reader.

/// What the loop said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Closed and stayed so.
    Lifted,
    /// Open for longer than any flash.
    HungUp,
    /// Open for so many ms.
    Flash(u32),
    /// A train of pulses.
    Digit(char),
}

/// Times that tell one from another, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Shortest flash.
    pub flash_min: u32,
    /// Longest flash; a longer break is a hang-up.
    pub flash_max: u32,
    /// Longest break that is a pulse.
    pub pulse_max: u32,
}

/// The reader, stepped once a ms.
#[derive(Debug, Clone)]
pub struct HookReader {
    windows: Windows,
    state: State,
    /// Pulses of the digit under way.
    pulses: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    OnHook { closed: u32 },
    OffHook { closed: u32 },
    Open { ms: u32 },
}

/// A loop must stay closed this long to be a lifted handset.
const DEBOUNCE: u32 = 10;
/// A break shorter than this is a bounce of the contacts.
const BOUNCE: u32 = 20;
/// A loop closed this long after a pulse ends the digit: makes last 80 ms at most, pauses between digits 240 at least.
const DIGIT_END: u32 = 200;

impl Default for Windows {
    fn default() -> Self {
        Windows { flash_min: 100, flash_max: 900, pulse_max: 80 }
    }
}

impl HookReader {
    /// A reader of a loop that is open.
    pub fn new(windows: Windows) -> HookReader {
        HookReader { windows, state: State::OnHook { closed: 0 }, pulses: 0 }
    }

    /// Other times from now on.
    pub fn set(&mut self, windows: Windows) {
        self.windows = windows;
    }

    /// Is it lifted, as far as is known?
    pub fn lifted(&self) -> bool {
        !matches!(self.state, State::OnHook { .. })
    }

    /// The handset was seen lifted by other means (ring trip).
    pub fn force_lifted(&mut self) {
        self.state = State::OffHook { closed: DEBOUNCE };
        self.pulses = 0;
    }

    /// One ms of the loop.
    pub fn step(&mut self, closed: bool) -> Option<Hook> {
        match (&mut self.state, closed) {
            (State::OnHook { closed }, true) => {
                *closed += 1;
                if *closed < DEBOUNCE {
                    return None;
                }
                self.force_lifted();
                Some(Hook::Lifted)
            }
            (State::OnHook { closed }, false) => {
                *closed = 0;
                None
            }
            (State::OffHook { closed }, true) => {
                *closed = closed.saturating_add(1);
                if self.pulses == 0 || *closed < DIGIT_END {
                    return None;
                }
                match std::mem::take(&mut self.pulses) {
                    n @ 1..=9 => char::from_digit(n, 10).map(Hook::Digit),
                    10 => Some(Hook::Digit('0')),
                    _ => None,
                }
            }
            (State::OffHook { .. }, false) => {
                self.state = State::Open { ms: 1 };
                None
            }
            (State::Open { ms }, false) => {
                *ms += 1;
                if *ms <= self.windows.flash_max {
                    return None;
                }
                self.state = State::OnHook { closed: 0 };
                self.pulses = 0;
                Some(Hook::HungUp)
            }
            (State::Open { ms }, true) => {
                let ms = *ms;
                self.state = State::OffHook { closed: 0 };
                let w = self.windows;
                if ms < BOUNCE {
                    None
                } else if ms <= w.pulse_max {
                    self.pulses += 1;
                    None
                } else if ms >= w.flash_min {
                    self.pulses = 0;
                    Some(Hook::Flash(ms))
                } else {
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps through (closed, ms) pairs and collects what is read.
    fn check(name: &str, windows: Windows, line: &[(bool, u32)], expected: &[Hook]) {
        let mut reader = HookReader::new(windows);
        let mut seen = Vec::new();
        for (closed, ms) in line {
            for _ in 0..*ms {
                seen.extend(reader.step(*closed));
            }
        }
        assert_eq!(seen, expected, "{name}");
    }

    fn digit(n: usize) -> Vec<(bool, u32)> {
        [(false, 60), (true, 40)].repeat(n)
    }

    #[test]
    fn the_loop_is_read() {
        use Hook::*;
        let us = Windows::default();
        let uk = Windows { flash_min: 85, flash_max: 150, pulse_max: 80 };
        check("lift and hang up", us, &[(true, 100), (false, 1000)], &[Lifted, HungUp]);
        check("a bounce is not a lift", us, &[(true, 9), (false, 50)], &[]);
        check("a bounce is not a hang-up", us, &[(true, 50), (false, 19), (true, 500)], &[Lifted]);
        check("flash", us, &[(true, 50), (false, 500), (true, 50)], &[Lifted, Flash(500)]);
        check("shortest flash", us, &[(true, 50), (false, 100), (true, 50)], &[Lifted, Flash(100)]);
        check("between pulse and flash", us, &[(true, 50), (false, 90), (true, 500)], &[Lifted]);
        check("longest flash", us, &[(true, 50), (false, 900), (true, 50)], &[Lifted, Flash(900)]);
        check("longer is a hang-up", us, &[(true, 50), (false, 901), (true, 50)], &[Lifted, HungUp, Lifted]);
        check("UK recall", uk, &[(true, 50), (false, 100), (true, 50)], &[Lifted, Flash(100)]);
        check("UK hang-up", uk, &[(true, 50), (false, 200)], &[Lifted, HungUp]);
        let mut line = vec![(true, 50)];
        line.extend(digit(3));
        line.push((true, 700));
        line.extend(digit(10));
        line.push((true, 700));
        check("pulses", us, &line, &[Lifted, Digit('3'), Digit('0')]);
        let mut line = vec![(true, 50)];
        line.extend(digit(3));
        line.push((false, 1000));
        check("hung up while dialling", us, &line, &[Lifted, HungUp]);
        let mut line = vec![(true, 50)];
        line.extend(digit(11));
        line.push((true, 300));
        check("eleven pulses are no digit", us, &line, &[Lifted]);
    }
}
