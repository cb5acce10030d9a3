//! Caller ID as FSK audio: Bell 202 and V.23, SDMF and MDMF, sending and decoding.
//!
//! Bellcore GR-30 / SR-TSV-002476, ETSI EN 300 659, BT SIN 227: a message of type, length, data and checksum, sent at
//! 1200 bit/s as bytes of eight bits, least significant first, each between a start bit (space) and a stop bit (mark).

mod alert;
mod ascii;
mod modem;
mod receive;
#[cfg(test)]
mod tests;

pub use self::alert::AlertDetector;
pub use self::modem::BurstGen;
pub use self::receive::{FskReceiver, Received};

/// A finished burst of FSK: the framed data message and how to modulate it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Burst {
    /// Which frequencies.
    pub standard: FskStandard,
    /// What goes before the data.
    pub lead: Lead,
    /// Bits of channel seizure, 0101…: 300 on-hook, 0 off-hook (type 2).
    pub seizure_bits: u16,
    /// Bits of mark between seizure and data: 180 on-hook, 80 off-hook.
    pub mark_bits: u16,
    /// The message: type, length, data, checksum.
    pub message: Vec<u8>,
    /// Level, dBm0.
    pub dbm0: f32,
}

/// Frequencies of mark and space (SPA `Caller_ID_FSK_Standard`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum FskStandard {
    /// Mark 1200 Hz, space 2200 Hz.
    #[default]
    Bell202,
    /// Mark 1300 Hz, space 2100 Hz.
    V23,
}

/// What alerts the telephone before the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lead {
    /// Nothing: the silence between two rings is enough (Bellcore).
    #[default]
    None,
    /// 2130 + 2750 Hz, then silence: DT-AS of ETSI and the UK's tone alert signal (100 ms, 45 ms and more),
    /// or CAS before off-hook caller ID (80 ms; the telephone's answer belongs into the gap).
    Alert {
        /// Tone, ms.
        ms: u16,
        /// Silence after it, ms.
        gap_ms: u16,
    },
}

/// How the called telephone is told who calls (SPA `Caller_ID_Method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Method {
    /// FSK between the first and the second ring.
    #[default]
    Bellcore,
    /// DTMF digits after a polarity reversal, before the first ring: Finland, Sweden.
    DtmfSweden,
    /// DTMF digits before the first ring: Denmark.
    DtmfDenmark,
    /// DTMF digits after DT-AS.
    EtsiDtmf,
    /// DTMF digits after a polarity reversal and DT-AS.
    EtsiDtmfReversal,
    /// DTMF digits after the first ring.
    EtsiDtmfAfterRing,
    /// FSK after DT-AS, before the first ring.
    EtsiFsk,
    /// FSK after a polarity reversal and DT-AS, before the first ring: the UK.
    EtsiFskReversal,
}

/// When the call came, by the local clock of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct When {
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
    /// 0–23.
    pub hour: u8,
    /// 0–59.
    pub minute: u8,
}

/// What a caller-ID message says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// When the call came.
    pub when: Option<When>,
    /// The number; empty when it is not known or withheld.
    pub number: String,
    /// The name; empty when it is not known or withheld.
    pub name: String,
    /// Withheld by the caller.
    pub private: bool,
}

/// Type of a message in single data format.
const SDMF: u8 = 0x04;
/// Type of a message in multiple data format: call setup.
const MDMF: u8 = 0x80;
/// Message waiting, single and multiple data format.
const VMWI_SDMF: u8 = 0x06;
const VMWI_MDMF: u8 = 0x82;

/// On-hook seizure and mark (GR-30 §2.3.2.1).
const ON_HOOK: (u16, u16) = (300, 180);

/// −13.5 dBm into the line (GR-30 §2.3.2.1).
const SENT_DBM0: f32 = -13.5;

/// Number and name are cut to what every telephone takes.
const MAX_NUMBER: usize = 20;
const MAX_NAME: usize = 50;

/// Call setup in multiple data message format: date and time, number, name, or the reason why they lack.
pub fn mdmf(standard: FskStandard, caller: &Caller) -> Burst {
    let mut data = Vec::with_capacity(96);
    if let Some(when) = caller.when {
        parameter(&mut data, 0x01, when.text().as_bytes());
    }
    let number = printable(&caller.number, MAX_NUMBER);
    let name = printable(&caller.name, MAX_NAME);
    if caller.private {
        parameter(&mut data, 0x04, b"P");
        parameter(&mut data, 0x08, b"P");
    } else {
        match &number[..] {
            "" => parameter(&mut data, 0x04, b"O"),
            n => parameter(&mut data, 0x02, n.as_bytes()),
        }
        match &name[..] {
            "" => parameter(&mut data, 0x08, b"O"),
            n => parameter(&mut data, 0x07, n.as_bytes()),
        }
    }
    Burst::new(standard, MDMF, &data)
}

/// Call setup in single data message format: date, time and number only.
pub fn sdmf(standard: FskStandard, caller: &Caller) -> Burst {
    let mut data = caller.when.unwrap_or_default().text().into_bytes();
    let number = printable(&caller.number, MAX_NUMBER);
    match (caller.private, &number[..]) {
        (true, _) => data.push(b'P'),
        (false, "") => data.push(b'O'),
        (false, n) => data.extend_from_slice(n.as_bytes()),
    }
    Burst::new(standard, SDMF, &data)
}

/// Message waiting lamp on or off, in both formats' simplest form (GR-1401).
pub fn message_waiting(standard: FskStandard, waiting: bool) -> Burst {
    Burst::new(standard, VMWI_SDMF, if waiting { &[0x42; 3] } else { &[0x6F; 3] })
}

impl Burst {
    /// Frames data as a message for an on-hook telephone.
    pub fn new(standard: FskStandard, kind: u8, data: &[u8]) -> Burst {
        let data = &data[..data.len().min(255)];
        let mut message = Vec::with_capacity(data.len() + 3);
        message.extend_from_slice(&[kind, data.len() as u8]);
        message.extend_from_slice(data);
        message.push(checksum(&message));
        let (seizure_bits, mark_bits) = ON_HOOK;
        Burst { standard, lead: Lead::None, seizure_bits, mark_bits, message, dbm0: SENT_DBM0 }
    }

    /// The same for a telephone off-hook (type 2, call waiting): no seizure, 80 bits of mark.
    pub fn off_hook(self) -> Burst {
        Burst { seizure_bits: 0, mark_bits: 80, ..self }
    }

    /// The same after an alerting tone.
    pub fn after(self, lead: Lead) -> Burst {
        Burst { lead, ..self }
    }

    /// How long it takes, ms.
    pub fn ms(&self) -> u32 {
        let lead = match self.lead {
            Lead::None => 0,
            Lead::Alert { ms, gap_ms } => ms as u32 + gap_ms as u32,
        };
        let bits = self.seizure_bits as u32 + self.mark_bits as u32 + self.message.len() as u32 * 10;
        lead + (bits * 10).div_ceil(12)
    }
}

impl FskStandard {
    /// Frequencies of mark (1) and space (0), Hz.
    pub fn hz(self) -> (f32, f32) {
        match self {
            FskStandard::Bell202 => (1200.0, 2200.0),
            FskStandard::V23 => (1300.0, 2100.0),
        }
    }
}

impl When {
    /// `MMDDhhmm`.
    fn text(&self) -> String {
        format!("{:02}{:02}{:02}{:02}", self.month % 100, self.day % 100, self.hour % 100, self.minute % 100)
    }

    fn parse(text: &[u8]) -> Option<When> {
        let two = |at: usize| match text.get(at..at + 2)? {
            &[a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some((a - b'0') * 10 + (b - b'0')),
            _ => None,
        };
        let when = When { month: two(0)?, day: two(2)?, hour: two(4)?, minute: two(6)? };
        let sane = (1..=12).contains(&when.month)
            && (1..=31).contains(&when.day)
            && when.hour < 24
            && when.minute < 60;
        sane.then_some(when)
    }
}

fn parameter(data: &mut Vec<u8>, kind: u8, value: &[u8]) {
    data.extend_from_slice(&[kind, value.len() as u8]);
    data.extend_from_slice(value);
}

/// Two's complement of the sum of all bytes before it: the sum with it is zero.
fn checksum(message: &[u8]) -> u8 {
    message.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg()
}

/// Telephones show ASCII: other characters become the nearest, control characters vanish.
fn printable(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            ' '..='~' => shown.push(c),
            _ => shown.push_str(ascii::nearest(c)),
        }
    }
    shown.truncate(most);
    shown
}

/// Reads a whole message; `None` if it is not call setup, is cut short or its checksum is wrong.
pub fn parse(message: &[u8]) -> Option<Caller> {
    let (&kind, &length) = (message.first()?, message.get(1)?);
    let data = message.get(2..2 + length as usize)?;
    let sum = message.get(2 + length as usize)?;
    if checksum(&message[..2 + length as usize]) != *sum {
        return None;
    }
    match kind {
        SDMF => Some(parse_sdmf(data)),
        MDMF => Some(parse_mdmf(data)),
        _ => None,
    }
}

fn parse_sdmf(data: &[u8]) -> Caller {
    let mut caller = Caller { when: When::parse(data), ..Caller::default() };
    match data.get(8..).unwrap_or_default() {
        b"P" => caller.private = true,
        b"O" => {}
        number => caller.number = text(number),
    }
    caller
}

fn parse_mdmf(mut data: &[u8]) -> Caller {
    let mut caller = Caller::default();
    // A parameter that runs over the end is dropped: the checksum was right, so the sender's length was wrong.
    while let [kind, length, rest @ ..] = data {
        let Some((value, rest)) = rest.split_at_checked(*length as usize) else { break };
        match kind {
            0x01 => caller.when = When::parse(value),
            0x02 => caller.number = text(value),
            // Dialable directory number: only when the calling number itself did not come.
            0x03 if caller.number.is_empty() => caller.number = text(value),
            0x04 | 0x08 => caller.private |= value == b"P",
            0x07 => caller.name = text(value),
            _ => {}
        }
        data = rest;
    }
    caller
}

/// Text of a field. Some senders set the parity bit; octets that are no parity are UTF-8 where they can be, else Latin-1
/// (ETSI EN 300 659-3).
fn text(value: &[u8]) -> String {
    let parity = |odd: u32| value.iter().all(|b| b.count_ones() % 2 == odd);
    let high = value.iter().any(|b| *b > 0x7F);
    let read: String = match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        // One octet in two has the right parity by chance: a name has more than one.
        Err(_) if high && value.len() > 3 && (parity(0) || parity(1)) => {
            value.iter().map(|b| char::from(b & 0x7F)).collect()
        }
        Err(_) => value.iter().map(|b| char::from(*b)).collect(),
    };
    read.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}
