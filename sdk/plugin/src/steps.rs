//! What is dialled after the called side has answered: pauses and keys.

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Wait so many milliseconds; at most 30,000.
    Pause(u32),
    /// Send these keys as DTMF: 0-9, A-D, * and #; at most 64.
    Keys(String),
}

/// Steps in order. Neighbours of one kind become one; what is too long for one step becomes several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps(Vec<Step>);

/// Why a sequence was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadSequence {
    /// `{word}` stands for nothing that is known here.
    Unknown(String),
    /// A brace that is not closed.
    Open(String),
    /// This is no key of a telephone.
    NoKey(char),
}

impl std::fmt::Display for BadSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadSequence::Unknown(word) => write!(f, "{{{word}}} stands for nothing here"),
            BadSequence::Open(word) => write!(f, "{{{word} has no closing brace"),
            BadSequence::NoKey(c) => {
                write!(f, "invalid key {c:?}: expected 0 to 9, A to D, * or #, or a pause such as `1.5s`")
            }
        }
    }
}

impl std::error::Error for BadSequence {}

impl Steps {
    /// Longest pause of one step, in milliseconds.
    pub const LONGEST_PAUSE: u32 = 30_000;
    /// Most keys of one step.
    pub const MOST_KEYS: usize = 64;

    /// Nothing to do.
    pub fn new() -> Steps {
        Steps::default()
    }

    /// The same and then a pause of so many milliseconds.
    #[must_use]
    pub fn pause(mut self, millis: u32) -> Steps {
        let mut left = match self.0.last_mut() {
            Some(Step::Pause(before)) => {
                let sum = before.saturating_add(millis);
                *before = sum.min(Self::LONGEST_PAUSE);
                sum - *before
            }
            _ => millis,
        };
        while left > 0 {
            let now = left.min(Self::LONGEST_PAUSE);
            self.0.push(Step::Pause(now));
            left -= now;
        }
        self
    }

    /// The same and then these keys. What is no key is left out: write keys only, or use [`Steps::read`].
    #[must_use]
    pub fn keys(mut self, keys: &str) -> Steps {
        for key in keys.chars().filter_map(key) {
            match self.0.last_mut() {
                Some(Step::Keys(before)) if before.len() < Self::MOST_KEYS => before.push(key),
                _ => self.0.push(Step::Keys(key.to_string())),
            }
        }
        self
    }

    /// Reads a sequence as people write it: words with blanks between them. `1.5s` and `800ms` are pauses, all else is
    /// keys, in which `{word}` is replaced by what `value` says that it stands for.
    ///
    /// ```
    /// use ringtrip_plugin::{Step, Steps};
    /// let steps = Steps::read("2s {pin}# 500ms 0", |word| (word == "pin").then(|| "1234".to_owned()));
    /// let keys = |k: &str| Step::Keys(k.to_owned());
    /// assert_eq!(steps.unwrap().as_slice(), [Step::Pause(2000), keys("1234#"), Step::Pause(500), keys("0")]);
    /// ```
    ///
    /// # Errors
    /// A placeholder without a value, a brace that is not closed, or a character that is not a key.
    pub fn read(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<Steps, BadSequence> {
        let mut steps = Steps::new();
        for word in text.split_whitespace() {
            if let Some(millis) = pause(word) {
                steps = steps.pause(millis);
                continue;
            }
            let mut rest = word;
            while let Some(c) = rest.chars().next() {
                if c == '{' {
                    let inside = rest.get(1..).unwrap_or_default();
                    let (name, after) =
                        inside.split_once('}').ok_or_else(|| BadSequence::Open(inside.to_owned()))?;
                    let keys = value(name).ok_or_else(|| BadSequence::Unknown(name.to_owned()))?;
                    steps = steps.checked(&keys)?;
                    rest = after;
                } else {
                    let end = rest.find('{').unwrap_or(rest.len());
                    let (keys, after) = rest.split_at(end);
                    steps = steps.checked(keys)?;
                    rest = after;
                }
            }
        }
        Ok(steps)
    }

    fn checked(self, keys: &str) -> Result<Steps, BadSequence> {
        match keys.chars().find(|c| key(*c).is_none()) {
            Some(c) => Err(BadSequence::NoKey(c)),
            None => Ok(self.keys(keys)),
        }
    }

    /// The steps.
    pub fn as_slice(&self) -> &[Step] {
        &self.0
    }
}

/// Steps exactly as they are; the exchange refuses what it cannot do.
impl From<Vec<Step>> for Steps {
    fn from(steps: Vec<Step>) -> Steps {
        Steps(steps)
    }
}

impl IntoIterator for Steps {
    type Item = Step;
    type IntoIter = std::vec::IntoIter<Step>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Step> for Steps {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Steps {
        steps.into_iter().fold(Steps::new(), |all, step| match step {
            Step::Pause(millis) => all.pause(millis),
            Step::Keys(keys) => all.keys(&keys),
        })
    }
}

fn key(c: char) -> Option<char> {
    matches!(c.to_ascii_uppercase(), '0'..='9' | 'A'..='D' | '*' | '#').then(|| c.to_ascii_uppercase())
}

/// The milliseconds of `2s`, `1.5s` or `800ms`.
fn pause(word: &str) -> Option<u32> {
    if let Some(millis) = word.strip_suffix("ms") {
        return millis.parse().ok();
    }
    let seconds: f64 = word.strip_suffix('s')?.parse().ok()?;
    (0.0..=600.0).contains(&seconds).then(|| (seconds * 1000.0).round() as u32)
}
