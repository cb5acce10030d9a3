//! The board's configuration: the JSON that comes with `open`.

use ringtrip_media::region::{self, Region};
use serde::{Deserialize, Serialize};

/// The whole board.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many telephones.
    pub fxs: u16,
    /// How many office lines. Their port numbers follow the telephones'.
    pub fxo: u16,
    /// What each port is, in order, where telephones and lines are mixed; then `fxs` and `fxo` say nothing.
    pub layout: Vec<Kind>,
    /// `us` or `uk`.
    pub region: String,
    /// Serial number.
    pub serial: String,
    /// How much sound each port remembers for `listen`, seconds.
    pub remember_s: u32,
    /// The central office.
    pub office: OfficeConfig,
}

/// What a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A telephone.
    Fxs,
    /// An office line.
    Fxo,
}

/// The central office behind the FXO ports.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfficeConfig {
    /// Number of each line, in order; for show only.
    pub lines: Vec<String>,
    /// Whom the office knows.
    pub subscribers: Vec<Subscriber>,
    /// What happens for a number that is not in the list.
    pub default: Behaviour,
    /// From seizure to dial tone, ms.
    pub dial_tone_delay_ms: u32,
    /// Silence after a digit that ends the number, ms.
    pub interdigit_ms: u32,
    /// Reverse polarity while the called subscriber talks.
    pub answer_reversal: bool,
    /// How the office says that the far end has hung up.
    pub hangup: Hangup,
    /// Length of the battery removal of `cpc`, ms.
    pub cpc_ms: u32,
    /// Rounds of the ring cadence before the office gives up.
    pub rings: u32,
    /// Send caller ID.
    pub caller_id: bool,
    /// What is wrong with all lines from the start.
    pub fault: Fault,
}

/// What may be wrong with a line, though its battery is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// A joint has corroded: there is voltage on-hook and no current off-hook, and the office never sees a seizure.
    NoLoop,
    /// The office sees the seizure and gives no dial tone; it takes no digits.
    NoDialTone,
    /// The office gives dial tone and takes no digits.
    Deaf,
    /// The port refuses to seize the line (EIO).
    Refuses,
}

/// A number and what happens when it is dialled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// Digits, `x` for any one digit, and a `*` at the end for any more.
    pub number: String,
    /// What happens.
    #[serde(flatten)]
    pub behaviour: Behaviour,
}

/// What a called number does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    /// How the call goes.
    pub does: Does,
    /// Rounds of ringback before the answer.
    pub rings: u32,
    /// What the subscriber says after the answer.
    pub says: SubscriberAudio,
    /// Hang up this long after the answer.
    pub hangup_after_ms: Option<u32>,
    /// And how; the office's own way when not given.
    pub hangup: Option<Hangup>,
}

/// How a call to a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// Rings, then answers.
    #[default]
    Answer,
    /// Busy tone.
    Busy,
    /// Rings for ever.
    NoAnswer,
    /// Congestion (fast busy) tone.
    Congestion,
    /// Special information tones: number unobtainable.
    Announcement,
    /// Silence for ever.
    Never,
}

/// What a subscriber says.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriberAudio {
    /// Nothing.
    #[default]
    Silence,
    /// A tone of so many Hz at −16 dBm0.
    Tone(u16),
    /// What it hears, half a second later.
    Echo,
}

/// How the office says that the far end has hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hangup {
    /// Takes the battery away for a moment.
    #[default]
    Cpc,
    /// Reverses polarity.
    Reversal,
    /// Plays the disconnect tone.
    Tone,
    /// Nothing but silence.
    Silence,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// Not the JSON that is wanted.
    #[error("the board's configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that makes no sense.
    #[error("{0}")]
    Value(String),
}

impl Default for Config {
    fn default() -> Self {
        Config {
            fxs: 2,
            fxo: 1,
            layout: Vec::new(),
            region: "us".into(),
            serial: "virtual0".into(),
            remember_s: 30,
            office: OfficeConfig::default(),
        }
    }
}

impl Default for OfficeConfig {
    fn default() -> Self {
        OfficeConfig {
            lines: Vec::new(),
            subscribers: Vec::new(),
            default: Behaviour::default(),
            dial_tone_delay_ms: 200,
            interdigit_ms: 3000,
            answer_reversal: false,
            hangup: Hangup::Cpc,
            cpc_ms: 500,
            rings: 8,
            caller_id: true,
            fault: Fault::None,
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            does: Does::Answer,
            rings: 1,
            says: SubscriberAudio::Tone(1004),
            hangup_after_ms: None,
            hangup: None,
        }
    }
}

impl Config {
    /// Reads the JSON of `open`; an empty text is the default board.
    pub fn parse(json: &str) -> Result<Config, BadConfig> {
        let config: Config =
            if json.trim().is_empty() { Config::default() } else { serde_json::from_str(json)? };
        let ports = config.kinds().len();
        if !(1..=256).contains(&ports) {
            return Err(BadConfig::Value(format!("fxs + fxo is {ports}: use 1 to 256 ports")));
        }
        if !(1..=600).contains(&config.remember_s) {
            return Err(BadConfig::Value(format!("remember_s is {}: use 1 to 600", config.remember_s)));
        }
        if config.serial.is_empty() || config.serial.len() > 63 {
            return Err(BadConfig::Value("serial: use 1 to 63 characters".into()));
        }
        for s in &config.office.subscribers {
            check_number(&s.number)?;
        }
        config.region()?;
        Ok(config)
    }

    /// What each port is.
    pub fn kinds(&self) -> Vec<Kind> {
        if !self.layout.is_empty() {
            return self.layout.clone();
        }
        let of = |kind, n: u16| std::iter::repeat_n(kind, n.into());
        of(Kind::Fxs, self.fxs).chain(of(Kind::Fxo, self.fxo)).collect()
    }

    /// The region's tones.
    pub fn region(&self) -> Result<Region, BadConfig> {
        region::by_name(&self.region).ok_or_else(|| {
            BadConfig::Value(format!("region {:?} is unknown: use \"us\" or \"uk\"", self.region))
        })
    }
}

/// A number as a subscriber may have it.
pub fn check_number(number: &str) -> Result<(), BadConfig> {
    let body = number.strip_suffix('*').unwrap_or(number);
    let good =
        number.len() <= 32 && !number.is_empty() && body.chars().all(|c| c.is_ascii_digit() || c == 'x');
    if good {
        return Ok(());
    }
    Err(BadConfig::Value(format!(
        "subscriber number {number:?}: use up to 32 of 0-9 and x, and a * at the end for any more digits"
    )))
}
