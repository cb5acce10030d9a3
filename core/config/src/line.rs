//! Analog lines: a telephone on an FXS port or the landline on an FXO port, with the SPA3102's parameters as typed
//! values. Each field names its parameter.

use std::time::Duration;

use ringtrip_media::region;
use ringtrip_media::tone::ToneMatch;

use crate::{Inbound, Region};
use ringtrip_model::board::{Polarity, PortKind};
use ringtrip_model::ids::{LineId, PortRef};
use ringtrip_model::route::Target;

/// One analog line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name, `fxs1`.
    pub id: LineId,
    /// Where it is plugged in.
    pub port: PortRef,
    /// (FXS) the telephone's dial plan; (FXO) the plan that numbers to the landline must pass, `None`: any.
    pub plan: Option<String>,
    /// The script that is asked about calls from it, a path; `None`: that of its extension, or of the exchange.
    pub script: Option<String>,
    /// What it is.
    pub kind: LineKind,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq)]
pub enum LineKind {
    /// A telephone.
    Fxs(Fxs),
    /// The landline.
    Fxo(Fxo),
}

/// A telephone's line.
#[derive(Debug, Clone, PartialEq)]
pub struct Fxs {
    /// Shortest break of the loop that is a hook flash (`Hook_Flash_Timer_Min`).
    pub hook_flash_min: Duration,
    /// Longest one; a longer break is a hang-up (`Hook_Flash_Timer_Max`).
    pub hook_flash_max: Duration,
    /// Wait between keys while no number is complete (`Interdigit_Long_Timer`).
    pub interdigit_long: Duration,
    /// Wait for one more key when a number is complete (`Interdigit_Short_Timer`).
    pub interdigit_short: Duration,
    /// How long dial tone runs before reorder when no key comes.
    pub dial_tone: Duration,
    /// From the far end's hang-up to reorder tone (`Reorder_Delay`); `None`: never.
    pub reorder_delay: Option<Duration>,
    /// How long a called telephone may be hung up without ending the call (`Callee_On_Hook_Delay`).
    pub callee_on_hook_delay: Duration,
    /// From the far end's hang-up to the CPC break (`CPC_Delay`).
    pub cpc_delay: Duration,
    /// How long the battery is taken away to signal hang-up (`CPC_Duration`); zero: not at all.
    pub cpc_duration: Duration,
    /// Polarity on-hook (`Idle_Polarity`).
    pub idle_polarity: Polarity,
    /// Polarity when a call that this telephone made is answered (`Caller_Conn_Polarity`).
    pub caller_polarity: Polarity,
    /// Polarity when this telephone answered (`Callee_Conn_Polarity`).
    pub callee_polarity: Polarity,
    /// When and how caller ID is sent (`Caller_ID_Method`).
    pub caller_id: CallerIdMethod,
    /// The modem standard of caller ID (`Caller_ID_FSK_Standard`).
    pub caller_id_fsk: FskStandard,
    /// Which of the ring cadences is the usual one, 1–8 (`Default_Ring`).
    pub default_ring: u8,
    /// Ring cadences 1–8 (`Ring1_Cadence` …).
    pub rings: [Ring; 8],
    /// Ring frequency, Hz (`Ring_Frequency`).
    pub ring_hz: u8,
    /// Tone time of digits played to the telephone (`DTMF_Playback_Length`), where nobody knows how long they were held.
    pub dtmf_length: Duration,
    /// Gain of what the telephone says, dB (`FXS_Port_Input_Gain`).
    pub gain_rx_db: f32,
    /// Gain of what the telephone hears of the other side, dB (`FXS_Port_Output_Gain`).
    pub gain_tx_db: f32,
}

/// A ring cadence (`CadScript`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// On and off times in ms, at most 6 pairs, over and over.
    pub cadence: Vec<(u16, u16)>,
    /// How long to ring at most.
    pub length: Duration,
}

/// When and how caller ID is sent to a telephone, or expected from the landline (`Caller_ID_Method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerIdMethod {
    /// None.
    Off,
    /// FSK between the first and the second ring.
    Bellcore,
    /// FSK before the first ring, after a polarity reversal (UK, SIN 227).
    EtsiReversal,
    /// FSK before the first ring, after a short ring pulse.
    Etsi,
}

/// The modem standard of caller ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FskStandard {
    /// Bell 202: mark 1200 Hz, space 2200 Hz.
    Bell202,
    /// ITU-T V.23: mark 1300 Hz, space 2100 Hz.
    V23,
}

/// The landline.
#[derive(Debug, Clone, PartialEq)]
pub struct Fxo {
    /// Who is reached by a call that rings in, and after how long; `None`: nobody.
    pub ring_through: Option<RingThrough>,
    /// Ringing time after which the exchange answers by itself, when it answers by itself (`PSTN_Answer_Delay`).
    pub answer_delay: Duration,
    /// Answer by itself after `answer_delay`, and offer this (`PSTN-To-VoIP_Gateway_Enable`); `None`: no.
    pub answer: Option<Inbound>,
    /// Silence after a ring burst that means the caller gave up (`PSTN_Ring_Timeout`).
    pub ring_timeout: Duration,
    /// When and how caller ID comes; both modem standards are read.
    pub caller_id: CallerIdMethod,
    /// From seizing the line to the first digit (`PSTN_Dialing_Delay`).
    pub dialing_delay: Duration,
    /// Wait for dial tone at most this long before dialling; dialling starts then anyway. `None`: do not listen.
    pub wait_for_dial_tone: Option<Duration>,
    /// Tones or pulses.
    pub dial_by: DialBy,
    /// Tone time of a digit (`PSTN_Dial_Digit_Len`, on).
    pub digit_on: Duration,
    /// Pause between digits (`PSTN_Dial_Digit_Len`, off).
    pub digit_off: Duration,
    /// Gain of what comes from the landline, dB (`PSTN_To_SPA_Gain`).
    pub gain_rx_db: f32,
    /// Gain of what goes to the landline, dB (`SPA_To_PSTN_Gain`).
    pub gain_tx_db: f32,
    /// What counts as the far end's answer.
    pub answer_on: AnswerOn,
    /// Shortest loss of battery that is a hang-up (`Min_CPC_Duration`); `None`: not looked for (`Detect_CPC` no).
    pub min_cpc: Option<Duration>,
    /// Polarity reversal is a hang-up (`Detect_Polarity_Reversal`).
    pub detect_reversal: bool,
    /// Silence that is a hang-up (`PSTN_Long_Silence_Duration`); `None`: not looked for.
    pub long_silence: Option<Duration>,
    /// The tones that are a hang-up (`Disconnect_Tone`).
    pub disconnect_tone: DisconnectTone,
    /// Stay on-hook at least this long before seizing again, so that the office sees the hang-up.
    pub on_hook_guard: Duration,
    /// Length of a hook flash towards the office (`PSTN_Hook_Flash_Len`).
    pub hook_flash: Duration,
    /// Below this voltage another telephone on the same pair is off-hook (`Line-In-Use_Voltage`).
    pub in_use_volts: u8,
    /// The longest call over it, either way; `None`: no limit.
    pub max_call: Option<Duration>,
}

/// Which tones of the office mean that the far end hung up.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum DisconnectTone {
    /// Those of the region: busy, reorder, and dial tone after a talk.
    #[default]
    Region,
    /// None is looked for.
    Off,
    /// These.
    These(Vec<ToneMatch>),
}

/// Who is reached by a call that rings in on the landline.
#[derive(Debug, Clone, PartialEq)]
pub struct RingThrough {
    /// How long to wait for caller ID before ringing anybody (`PSTN_Ring_Thru_Delay`).
    pub delay: Duration,
    /// Who rings.
    pub to: Inbound,
}

/// How digits are dialled on the landline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialBy {
    /// DTMF.
    Tone,
    /// Breaks of the loop, ten a second.
    Pulse,
}

/// What counts as the far end's answer on an outgoing landline call. The office tells few lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerOn {
    /// As soon as the line is seized: the caller hears everything from dial tone on.
    Seize,
    /// When the digits are dialled.
    Dialed,
    /// The first polarity reversal after dialling.
    Polarity,
    /// The first voice after dialling.
    Voice,
}

impl Line {
    /// FXS or FXO.
    pub fn port_kind(&self) -> PortKind {
        match self.kind {
            LineKind::Fxs(_) => PortKind::Fxs,
            LineKind::Fxo(_) => PortKind::Fxo,
        }
    }

    /// The telephone's settings, if it is one.
    pub fn fxs(&self) -> Option<&Fxs> {
        match &self.kind {
            LineKind::Fxs(fxs) => Some(fxs),
            LineKind::Fxo(_) => None,
        }
    }

    /// The landline's settings, if it is one.
    pub fn fxo(&self) -> Option<&Fxo> {
        match &self.kind {
            LineKind::Fxo(fxo) => Some(fxo),
            LineKind::Fxs(_) => None,
        }
    }
}

impl Fxs {
    /// The SPA3102's defaults with the region's cadences and caller ID.
    pub fn of(region: Region) -> Fxs {
        let uk = region == Region::Uk;
        Fxs {
            hook_flash_min: Duration::from_millis(100),
            hook_flash_max: Duration::from_millis(900),
            interdigit_long: Duration::from_secs(10),
            interdigit_short: Duration::from_secs(3),
            dial_tone: Duration::from_secs(10),
            reorder_delay: Some(Duration::from_secs(5)),
            callee_on_hook_delay: Duration::ZERO,
            cpc_delay: Duration::from_secs(2),
            cpc_duration: Duration::ZERO,
            idle_polarity: Polarity::Forward,
            caller_polarity: Polarity::Forward,
            callee_polarity: Polarity::Forward,
            caller_id: if uk { CallerIdMethod::EtsiReversal } else { CallerIdMethod::Bellcore },
            caller_id_fsk: if uk { FskStandard::V23 } else { FskStandard::Bell202 },
            default_ring: 1,
            rings: rings(region),
            ring_hz: if uk { 25 } else { 20 },
            dtmf_length: Duration::from_millis(100),
            gain_rx_db: gain_db(region).1,
            gain_tx_db: gain_db(region).0,
        }
    }
}

impl Fxo {
    /// The SPA3102's defaults with the region's caller ID and disconnect tone. Nobody rings yet.
    pub fn of(region: Region) -> Fxo {
        let uk = region == Region::Uk;
        Fxo {
            ring_through: None,
            answer_delay: Duration::from_secs(16),
            answer: None,
            ring_timeout: Duration::from_secs(5),
            caller_id: if uk { CallerIdMethod::EtsiReversal } else { CallerIdMethod::Bellcore },
            dialing_delay: Duration::from_secs(1),
            wait_for_dial_tone: Some(Duration::from_secs(5)),
            dial_by: DialBy::Tone,
            digit_on: Duration::from_millis(100),
            digit_off: Duration::from_millis(100),
            gain_rx_db: 0.0,
            gain_tx_db: 0.0,
            answer_on: AnswerOn::Dialed,
            min_cpc: Some(Duration::from_millis(200)),
            detect_reversal: true,
            long_silence: Some(Duration::from_secs(30)),
            disconnect_tone: DisconnectTone::Region,
            on_hook_guard: Duration::from_millis(1500),
            hook_flash: Duration::from_millis(250),
            in_use_volts: if uk { 30 } else { 40 },
            max_call: None,
        }
    }

    /// The same, ringing these when a call comes in.
    pub fn ringing(self, targets: Vec<Target>) -> Fxo {
        let delay = Duration::from_secs(5);
        Fxo { ring_through: Some(RingThrough { delay, to: Inbound::Ring(targets) }), ..self }
    }
}

/// The region's gain towards a telephone and from it, dB.
fn gain_db(region: Region) -> (f32, f32) {
    match region {
        Region::Us => region::us().gain_db,
        Region::Uk => region::uk().gain_db,
    }
}

/// The cadences that SPA documents list as Ring1–Ring8, with the region's own as the first.
fn rings(region: Region) -> [Ring; 8] {
    let ring = |pairs: &[(u16, u16)]| Ring { cadence: pairs.to_vec(), length: Duration::from_secs(60) };
    let first: &[(u16, u16)] = match region {
        Region::Us => &[(2000, 4000)],
        Region::Uk => &[(400, 200), (400, 2000)],
    };
    [
        ring(first),
        ring(&[(800, 400), (800, 4000)]),
        ring(&[(400, 200), (400, 200), (800, 4000)]),
        ring(&[(300, 200), (1000, 200), (300, 4000)]),
        // A splash: one burst, then silence.
        Ring { cadence: vec![(500, 500)], length: Duration::from_secs(1) },
        ring(&[(200, 400), (200, 400), (200, 4000)]),
        ring(&[(400, 200), (400, 200), (400, 4000)]),
        ring(&[(250, 9750)]),
    ]
}
