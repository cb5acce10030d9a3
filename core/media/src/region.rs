//! What a country sounds like: the tones, cadences and signalling defaults of the SPA3102's regional tab, for the US
//! and the UK (BT's supervisory tones).

use std::time::Duration;

use crate::cadence::Cadence;
use crate::callerid::{FskStandard, Method};
use crate::tone::{Component, Sweep, Tone, ToneMatch};

/// One country's telephony.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// `us` or `uk`.
    pub name: &'static str,
    /// Its tones.
    pub tones: ToneSet,
    /// `Ring1`…`Ring9` cadences; the first is the usual one.
    pub rings: Vec<Cadence>,
    /// `CWT1`…`CWT9` cadences: call waiting while one talks.
    pub call_waiting: Vec<Cadence>,
    /// Ring frequency, Hz (`Ring_Frequency`).
    pub ring_hz: u8,
    /// How a telephone is told who calls (`Caller_ID_Method`).
    pub caller_id: Method,
    /// And in which frequencies (`Caller_ID_FSK_Standard`).
    pub fsk: FskStandard,
    /// What the office sends when the far end has hung up (`Disconnect_Tone`).
    pub disconnect: ToneMatch,
    /// The office's dial tone.
    pub office_dial: ToneMatch,
    /// Shortest break that is a hook flash (`Hook_Flash_Timer_Min`).
    pub flash_min: Duration,
    /// Longest break that is a hook flash (`Hook_Flash_Timer_Max`); a longer one is a hang-up.
    pub flash_max: Duration,
    /// Flash that we make towards the office (`PSTN_Hook_Flash_Len`).
    pub flash_sent: Duration,
    /// Gain towards the telephone and from it, dB (`FXS_Port_Output_Gain`, `FXS_Port_Input_Gain`).
    pub gain_db: (f32, f32),
}

/// Tones by their SPA names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToneSet {
    /// `Dial_Tone`.
    pub dial: Tone,
    /// `Second_Dial_Tone`: before the second leg of a three-way call.
    pub second_dial: Tone,
    /// `Outside_Dial_Tone`: after a prefix, by `,` in a dial plan.
    pub outside_dial: Tone,
    /// `Prompt_Tone`.
    pub prompt: Tone,
    /// `Busy_Tone`.
    pub busy: Tone,
    /// `Reorder_Tone`: the call cannot be completed.
    pub reorder: Tone,
    /// All paths engaged; the UK's own, elsewhere as reorder.
    pub congestion: Tone,
    /// `Off_Hook_Warning_Tone`: hang up the telephone.
    pub off_hook_warning: Tone,
    /// `Ring_Back_Tone`.
    pub ring_back: Tone,
    /// `Ring_Back_2_Tone`: the call is queued (SIP 182).
    pub ring_back_2: Tone,
    /// `CWT_Frequency` in the cadence `CWT1`.
    pub call_waiting: Tone,
    /// `Confirm_Tone`.
    pub confirm: Tone,
    /// `SIT1_Tone`…`SIT4_Tone`: special information.
    pub sit: [Tone; 4],
    /// `MWI_Dial_Tone`: messages wait.
    pub mwi_dial: Tone,
    /// `Cfwd_Dial_Tone`: calls are forwarded.
    pub cfwd_dial: Tone,
    /// `Holding_Tone`.
    pub holding: Tone,
    /// `Conference_Tone`.
    pub conference: Tone,
    /// `Secure_Call_Indication_Tone`.
    pub secure_call: Tone,
    /// `VoIP_PIN_Tone`.
    pub voip_pin: Tone,
    /// `PSTN_PIN_Tone`.
    pub pstn_pin: Tone,
    /// `Feature_Invocation_Tone`.
    pub feature_invocation: Tone,
}

impl ToneSet {
    /// The tone with this SPA name (`Dial_Tone`, `SIT1_Tone`), to be replaced by configuration.
    pub fn by_name(&mut self, name: &str) -> Option<&mut Tone> {
        Some(match name {
            "Dial_Tone" => &mut self.dial,
            "Second_Dial_Tone" => &mut self.second_dial,
            "Outside_Dial_Tone" => &mut self.outside_dial,
            "Prompt_Tone" => &mut self.prompt,
            "Busy_Tone" => &mut self.busy,
            "Reorder_Tone" => &mut self.reorder,
            "Congestion_Tone" => &mut self.congestion,
            "Off_Hook_Warning_Tone" => &mut self.off_hook_warning,
            "Ring_Back_Tone" => &mut self.ring_back,
            "Ring_Back_2_Tone" => &mut self.ring_back_2,
            "Call_Waiting_Tone" => &mut self.call_waiting,
            "Confirm_Tone" => &mut self.confirm,
            "SIT1_Tone" => &mut self.sit[0],
            "SIT2_Tone" => &mut self.sit[1],
            "SIT3_Tone" => &mut self.sit[2],
            "SIT4_Tone" => &mut self.sit[3],
            "MWI_Dial_Tone" => &mut self.mwi_dial,
            "Cfwd_Dial_Tone" => &mut self.cfwd_dial,
            "Holding_Tone" => &mut self.holding,
            "Conference_Tone" => &mut self.conference,
            "Secure_Call_Indication_Tone" => &mut self.secure_call,
            "VoIP_PIN_Tone" => &mut self.voip_pin,
            "PSTN_PIN_Tone" => &mut self.pstn_pin,
            "Feature_Invocation_Tone" => &mut self.feature_invocation,
            _ => return None,
        })
    }
}

impl Region {
    /// What the office plays when the far end has hung up or cannot be reached: busy, reorder, congestion, and the tone
    /// that is for that alone. Each must be heard for some rounds: nobody who talks is cut off by a word that sounds so.
    pub fn hangup_tones(&self) -> Vec<ToneMatch> {
        let tones = &self.tones;
        let heard = [&tones.busy, &tones.reorder, &tones.congestion];
        let mut all = vec![self.disconnect.clone()];
        for tone in heard.into_iter().filter_map(|tone| ToneMatch::of(tone, HANGUP_MS)) {
            if !all.iter().any(|known| known.hz == tone.hz && known.pairs == tone.pairs) {
                all.push(tone);
            }
        }
        all
    }

    /// The dial tone that an office gives after a talk, heard for longer than anybody needs to begin dialling by it.
    pub fn dial_tone_after(&self) -> ToneMatch {
        ToneMatch::steady(self.office_dial.hz, HANGUP_MS)
    }
}

/// How long a tone must be heard to be the end of a talk, ms.
const HANGUP_MS: u32 = 4_000;

/// The region of this name.
pub fn by_name(name: &str) -> Option<Region> {
    match name.to_ascii_lowercase().as_str() {
        "us" => Some(us()),
        "uk" | "gb" => Some(uk()),
        _ => None,
    }
}

/// North America: the SPA3102's tones, at the levels of GR-506.
pub fn us() -> Region {
    let call_waiting = call_waiting();
    Region {
        name: "us",
        tones: ToneSet {
            dial: tone("350@-13,440@-13;10(*/0/1+2)"),
            second_dial: tone("420@-13,520@-13;10(*/0/1+2)"),
            outside_dial: tone("420@-16;10(*/0/1)"),
            prompt: tone("520@-13,620@-13;10(*/0/1+2)"),
            busy: tone("480@-24,620@-24;10(.5/.5/1+2)"),
            reorder: tone("480@-24,620@-24;10(.25/.25/1+2)"),
            congestion: tone("480@-24,620@-24;10(.25/.25/1+2)"),
            off_hook_warning: tone("1400@-9,2060@-9,2450@-9,2600@-9;10(.1/.1/1+2+3+4)"),
            ring_back: tone("440@-19,480@-19;*(2/4/1+2)"),
            ring_back_2: tone("440@-19,480@-19;*(1/1/1+2)"),
            call_waiting: Tone::in_cadence(vec![Component { hz: 440.0, dbm0: -13.0 }], &call_waiting[0]),
            confirm: tone("600@-16;1(.25/.25/1)"),
            sit: [
                tone("985@-16,1428@-16,1777@-16;20(.380/0/1,.380/0/2,.380/0/3,0/4/0)"),
                tone("914@-16,1371@-16,1777@-16;20(.274/0/1,.274/0/2,.380/0/3,0/4/0)"),
                tone("914@-16,1371@-16,1777@-16;20(.380/0/1,.380/0/2,.380/0/3,0/4/0)"),
                tone("985@-16,1371@-16,1777@-16;20(.380/0/1,.274/0/2,.380/0/3,0/4/0)"),
            ],
            mwi_dial: tone("350@-13,440@-13;2(.1/.1/1+2);10(*/0/1+2)"),
            cfwd_dial: tone("350@-13,440@-13;2(.2/.2/1+2);10(*/0/1+2)"),
            holding: tone("600@-19;*(.1/.1/1,.1/.1/1,.1/9.5/1)"),
            conference: tone("350@-19;20(.1/.1/1,.1/9.7/1)"),
            secure_call: tone("397@-19,507@-19;15(0/2/0,.2/.1/1,.1/2.1/2)"),
            voip_pin: tone("600@-10;*(0/1/1,.1/.1/1,.1/.1/1,.1/.5/1)"),
            pstn_pin: tone("600@-10;*(0/.7/1,.2/.1/1,.2/.1/1,.2/.5/1)"),
            feature_invocation: tone("350@-16;*(.1/.1/1)"),
        },
        rings: rings("60(2/4)"),
        call_waiting,
        ring_hz: 20,
        caller_id: Method::Bellcore,
        fsk: FskStandard::Bell202,
        disconnect: matching("480@-30,620@-30;4(.25/.25/1+2)"),
        office_dial: ToneMatch::steady([350.0, 440.0], 500),
        flash_min: Duration::from_millis(100),
        flash_max: Duration::from_millis(900),
        flash_sent: Duration::from_millis(250),
        gain_db: (-3.0, -3.0),
    }
}

/// The UK: BT's tones, ring and caller ID.
pub fn uk() -> Region {
    let us = us();
    let call_waiting_tone = Cadence::parse("30(.1/2)").unwrap_or_default();
    let mut cadences = us.call_waiting;
    cadences[0] = call_waiting_tone.clone();
    Region {
        name: "uk",
        tones: ToneSet {
            dial: tone("350@-22,440@-18;10(*/0/1+2)"),
            second_dial: tone("350@-22,440@-18;10(*/0/1+2)"),
            busy: tone("400@-18;10(.375/.375/1)"),
            reorder: tone("400@-18;10(*/0/1)"),
            congestion: tone("400@-25,400@-19;10(.4/.35/1,.225/.525/2)"),
            off_hook_warning: howler(),
            ring_back: tone("400@-21,450@-21;*(.4/.2/1+2,.4/2/1+2)"),
            ring_back_2: tone("400@-21,450@-21;*(.4/.2/1+2,.4/2/1+2)"),
            call_waiting: Tone::in_cadence(vec![Component { hz: 400.0, dbm0: -10.0 }], &call_waiting_tone),
            sit: [
                tone("950@-16,1400@-16,1800@-16;20(.330/0/1,.330/0/2,.330/0/3,0/1/0)"),
                us.tones.sit[1].clone(),
                us.tones.sit[2].clone(),
                us.tones.sit[3].clone(),
            ],
            mwi_dial: tone("350@-22,440@-18;10(.75/0/1+2,.75/0/2)"),
            ..us.tones
        },
        rings: rings("60(.4/.2,.4/2)"),
        call_waiting: cadences,
        ring_hz: 25,
        caller_id: Method::EtsiFskReversal,
        fsk: FskStandard::V23,
        disconnect: matching("400@-30,400@-30;2(3/0/1+2)"),
        office_dial: ToneMatch::steady([350.0, 440.0], 500),
        // The UK's timed break (the R key) lasts 50–130 ms.
        flash_min: Duration::from_millis(50),
        ..us
    }
}

fn rings(first: &str) -> Vec<Cadence> {
    [
        first,
        "60(.8/.4,.8/4)",
        "60(.4/.2,.4/.2,.8/4)",
        "60(.3/.2,1/.2,.3/4)",
        "1(.5/.5)",
        "60(.2/.4,.2/.4,.2/4)",
        "60(.4/.2,.4/.2,.4/4)",
        "60(.25/9.75)",
        "60(.4/.2,.4/2)",
    ]
    .map(cadence)
    .into()
}

fn call_waiting() -> Vec<Cadence> {
    [
        "30(.3/9.7)",
        "30(.1/.1,.1/9.7)",
        "30(.1/.1,.1/.1,.1/9.7)",
        "30(.1/.1,.3/.1,.1/9.3)",
        "1(.5/.5)",
        "30(.1/.1,.3/.2,.3/9.1)",
        "30(.3/.1,.3/.1,.1/9.1)",
        "2.3(.3/2)",
        "30(.3/9.7)",
    ]
    .map(cadence)
    .into()
}

// The scripts above are constants; the test below parses each of them, so no default is ever taken.
fn tone(script: &str) -> Tone {
    Tone::parse(script).unwrap_or_default()
}

fn matching(script: &str) -> ToneMatch {
    ToneMatch::parse(script).unwrap_or_default()
}

fn cadence(script: &str) -> Cadence {
    Cadence::parse(script).unwrap_or_default()
}

/// BT's howler (SIN 350): a tone that sweeps from 800 to 2,500 Hz each second and grows louder, in the end as loud as the
/// line can carry.
fn howler() -> Tone {
    let sweep = Sweep { to_hz: 2500.0, period: 8000, rise_db: 19.0, rise: 8 * 8000 };
    Tone::sweeping(Component { hz: 800.0, dbm0: -19.0 }, sweep, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_of_every_region_parses() {
        const NAMES: [&str; 24] = [
            "Dial_Tone",
            "Second_Dial_Tone",
            "Outside_Dial_Tone",
            "Prompt_Tone",
            "Busy_Tone",
            "Reorder_Tone",
            "Congestion_Tone",
            "Off_Hook_Warning_Tone",
            "Ring_Back_Tone",
            "Ring_Back_2_Tone",
            "Call_Waiting_Tone",
            "Confirm_Tone",
            "SIT1_Tone",
            "SIT2_Tone",
            "SIT3_Tone",
            "SIT4_Tone",
            "MWI_Dial_Tone",
            "Cfwd_Dial_Tone",
            "Holding_Tone",
            "Conference_Tone",
            "Secure_Call_Indication_Tone",
            "VoIP_PIN_Tone",
            "PSTN_PIN_Tone",
            "Feature_Invocation_Tone",
        ];
        for mut region in [us(), uk()] {
            for name in NAMES {
                let tone = region.tones.by_name(name).unwrap_or_else(|| panic!("{name}"));
                assert_ne!(*tone, Tone::none(), "{} {name}", region.name);
            }
            assert_eq!(region.tones.by_name("Nonsense"), None);
            for c in region.rings.iter().chain(&region.call_waiting) {
                assert!(!c.pairs().is_empty(), "{}", region.name);
            }
            assert_eq!((region.rings.len(), region.call_waiting.len()), (9, 9));
            assert!(!region.disconnect.pairs.is_empty());
        }
    }

    #[test]
    fn regions_have_names() {
        assert_eq!(by_name("UK").map(|r| r.ring_hz), Some(25));
        assert_eq!(by_name("us").map(|r| r.ring_hz), Some(20));
        assert_eq!(by_name("atlantis"), None);
    }
}
