//! The interface for those who hold the telephones and run the office: one verb a request, JSON in and out, sound behind the JSON.
//!
//! A request is a JSON object with `do` and mostly `port`; binary data (a WAV file) follows after one line feed. An answer has
//! the same form. `README.md` lists the verbs; the exchange's API passes them on as they are.

use ringtrip_media::callerid::{Caller, When};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{self, Behaviour, Config, Fault, Hangup, Kind, Subscriber};
use crate::fxo::FxoPort;
use crate::fxs::FxsPort;
use crate::office::{Incoming, OfficeLine};
use crate::sound::{Recording, Speech, read_wav, sine, write_wav};
use crate::telephone::Shown;
use crate::{Block, STEP};

/// All ports of a board.
pub struct Ports {
    /// Telephones: ports from 0.
    pub fxs: Vec<FxsPort>,
    /// Office lines: the ports after them, unless the configuration mixes them.
    pub fxo: Vec<FxoPort>,
    /// Which of these each port is.
    at: Vec<At>,
}

/// Where a port is found.
#[derive(Debug, Clone, Copy)]
enum At {
    Fxs(usize),
    Fxo(usize),
}

/// A port.
pub enum Port<'a> {
    /// A telephone's.
    Fxs(&'a mut FxsPort),
    /// An office line's.
    Fxo(&'a mut FxoPort),
}

/// A verb with its arguments.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Verb {
    Lift {
        port: u32,
    },
    Hangup {
        port: u32,
    },
    Flash {
        port: u32,
        #[serde(default = "default_flash")]
        ms: u32,
    },
    Press {
        port: u32,
        keys: String,
        #[serde(default)]
        how: How,
        #[serde(default = "default_key")]
        on_ms: u16,
        #[serde(default = "default_key")]
        off_ms: u16,
    },
    Speak {
        port: u32,
        tone: Option<ToneSpec>,
    },
    Quiet {
        port: u32,
    },
    Listen {
        port: u32,
        since: Option<u64>,
        #[serde(default = "default_listen")]
        max_ms: u32,
        #[serde(default)]
        format: Format,
    },
    State {
        port: Option<u32>,
    },
    #[serde(rename = "office.call")]
    OfficeCall {
        port: u32,
        #[serde(default)]
        number: String,
        #[serde(default)]
        name: String,
        #[serde(default)]
        private: bool,
        rings: Option<u32>,
        when: Option<WhenSpec>,
    },
    #[serde(rename = "office.hangup")]
    OfficeHangup {
        port: u32,
        how: Option<Hangup>,
    },
    #[serde(rename = "office.answer")]
    OfficeAnswer {
        port: u32,
    },
    #[serde(rename = "office.speak")]
    OfficeSpeak {
        port: u32,
        tone: Option<ToneSpec>,
    },
    #[serde(rename = "office.quiet")]
    OfficeQuiet {
        port: u32,
    },
    #[serde(rename = "office.heard")]
    OfficeHeard {
        port: u32,
        since: Option<u64>,
        #[serde(default = "default_listen")]
        max_ms: u32,
        #[serde(default)]
        format: Format,
    },
    #[serde(rename = "office.subscriber")]
    OfficeSubscriber {
        port: Option<u32>,
        number: String,
        #[serde(flatten)]
        behaviour: Behaviour,
    },
    #[serde(rename = "office.battery")]
    OfficeBattery {
        port: u32,
        on: bool,
    },
    #[serde(rename = "office.fault")]
    OfficeFault {
        port: u32,
        fault: Fault,
    },
    #[serde(rename = "office.parallel")]
    OfficeParallel {
        port: u32,
        up: bool,
    },
}

/// How keys are dialled.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    #[default]
    Dtmf,
    Pulse,
}

/// How sound is answered.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Wav,
    /// 16-bit little-endian samples without a header, for streams put together from several answers.
    Raw,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToneSpec {
    hz: f32,
    ms: u32,
    #[serde(default = "default_level")]
    dbm0: f32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhenSpec {
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
}

fn default_flash() -> u32 {
    500
}
fn default_key() -> u16 {
    100
}
fn default_listen() -> u32 {
    5000
}
fn default_level() -> f32 {
    -16.0
}

/// A pulse telephone's times, ms: break, make, pause.
const DIAL: (u32, u32, u32) = (60, 40, 700);

impl Ports {
    /// The ports of a configuration.
    pub fn new(config: &Config) -> Result<Ports, config::BadConfig> {
        let region = config.region()?;
        let windows = crate::hook::Windows {
            // The SPA3102's defaults: .1 to .9 s; the UK's recall button breaks for 100 ms and fits.
            flash_min: 90,
            flash_max: region.flash_max.as_millis() as u32,
            pulse_max: 80,
        };
        let (mut fxs, mut fxo, mut at) = (Vec::new(), Vec::new(), Vec::new());
        let line = |n: usize| {
            let number = config.office.lines.get(n).cloned().unwrap_or_default();
            FxoPort::new(OfficeLine::new(number, config.office.clone(), region.clone(), config.remember_s))
        };
        for kind in config.kinds() {
            match kind {
                Kind::Fxs => {
                    at.push(At::Fxs(fxs.len()));
                    fxs.push(FxsPort::new(windows, config.remember_s));
                }
                Kind::Fxo => {
                    at.push(At::Fxo(fxo.len()));
                    fxo.push(line(fxo.len()));
                }
            }
        }
        Ok(Ports { fxs, fxo, at })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// The port of this number.
    pub fn port(&mut self, port: usize) -> Option<Port<'_>> {
        match self.at.get(port)? {
            At::Fxs(n) => self.fxs.get_mut(*n).map(Port::Fxs),
            At::Fxo(n) => self.fxo.get_mut(*n).map(Port::Fxo),
        }
    }

    /// The telephone on this port.
    pub fn telephone(&self, port: usize) -> Option<&FxsPort> {
        match self.at.get(port)? {
            At::Fxs(n) => self.fxs.get(*n),
            At::Fxo(_) => None,
        }
    }

    /// The office line on this port.
    pub fn line(&self, port: usize) -> Option<&FxoPort> {
        match self.at.get(port)? {
            At::Fxs(_) => None,
            At::Fxo(n) => self.fxo.get(*n),
        }
    }

    /// Is the port of this number a telephone's? `None`: there is no such port.
    pub fn is_fxs(&self, port: usize) -> Option<bool> {
        self.at.get(port).map(|at| matches!(at, At::Fxs(_)))
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One ms of one port.
    pub fn step(&mut self, port: usize, tx: &Block, out: &mut Vec<ringtrip_driver::PortEvent>) -> Block {
        match self.port(port) {
            Some(Port::Fxs(fxs)) => fxs.step(tx, out),
            Some(Port::Fxo(fxo)) => fxo.step(tx, out),
            None => [0; STEP],
        }
    }

    /// Does a verb. The error is a sentence for the client.
    pub fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        // A stream of JSON values stops by itself at the end of the first, whatever line feeds are in it.
        let mut stream = serde_json::Deserializer::from_slice(request).into_iter::<Verb>();
        let verb = match stream.next() {
            Some(Ok(verb)) => verb,
            Some(Err(e)) => return Err(format!("the request: {e}")),
            None => return Err("the request is empty: send a JSON object with \"do\"".into()),
        };
        let rest = request.get(stream.byte_offset()..).unwrap_or_default();
        let blob = rest.strip_prefix(b"\n").unwrap_or_default();
        if blob.is_empty() && !rest.trim_ascii().is_empty() {
            return Err("after the JSON object comes a line feed, then the sound".into());
        }
        self.perform(verb, blob)
    }

    fn perform(&mut self, verb: Verb, blob: &[u8]) -> Result<Vec<u8>, String> {
        if !blob.is_empty() && !matches!(verb, Verb::Speak { .. } | Verb::OfficeSpeak { .. }) {
            return Err("this verb takes no sound".into());
        }
        match verb {
            Verb::Lift { port } => {
                let telephone = &mut self.fxs(port)?.telephone;
                telephone.lift();
                answer(json!({ "ok": true, "heard": telephone.heard.total() }), &[])
            }
            Verb::Hangup { port } => {
                self.fxs(port)?.telephone.hang_up();
                done()
            }
            Verb::Flash { port, ms } => {
                within("ms", ms, 20, 2000)?;
                self.lifted(port)?.telephone.flash(ms);
                done()
            }
            Verb::Press { port, keys, how, on_ms, off_ms } => self.press(port, &keys, how, on_ms, off_ms),
            Verb::Speak { port, tone } => {
                let sound = sound(tone, blob)?;
                say(&mut self.lifted(port)?.telephone.speech, &sound)
            }
            Verb::Quiet { port } => {
                self.fxs(port)?.telephone.speech.clear();
                done()
            }
            Verb::Listen { port, since, max_ms, format } => {
                listen(&self.fxs(port)?.telephone.heard, since, max_ms, format)
            }
            Verb::State { port: None } => {
                let all = (0..self.len() as u32).map(|p| self.state(p)).collect::<Result<Vec<_>, _>>()?;
                answer(json!({ "ports": all }), &[])
            }
            Verb::State { port: Some(port) } => answer(self.state(port)?, &[]),
            Verb::OfficeCall { port, number, name, private, rings, when } => {
                if let Some(bad) =
                    number.chars().find(|c| !(c.is_ascii_digit() || matches!(c, '+' | '*' | '#')))
                {
                    return Err(format!("number: invalid digit {bad:?}"));
                }
                let when = when.map(|w| When { month: w.month, day: w.day, hour: w.hour, minute: w.minute });
                if when.is_some_and(|w| {
                    !(1..=12).contains(&w.month) || !(1..=31).contains(&w.day) || w.hour > 23 || w.minute > 59
                }) {
                    return Err("when: use month 1 to 12, day 1 to 31, hour 0 to 23, minute 0 to 59".into());
                }
                let rings = rings.unwrap_or(8);
                within("rings", rings, 1, 100)?;
                let caller = Caller { when, number, name, private };
                to_answer(self.fxo(port)?.office.call(Incoming { caller, rings }))
            }
            Verb::OfficeHangup { port, how } => to_answer(self.fxo(port)?.office.hang_up(how)),
            Verb::OfficeAnswer { port } => to_answer(self.fxo(port)?.office.answer()),
            Verb::OfficeSpeak { port, tone } => {
                let sound = sound(tone, blob)?;
                let office = &mut self.fxo(port)?.office;
                if office.word() != "talking" {
                    return Err(format!(
                        "nobody talks on port {port} ({}): there is nobody to say it",
                        office.word()
                    ));
                }
                say(&mut office.speech, &sound)
            }
            Verb::OfficeQuiet { port } => {
                self.fxo(port)?.office.speech.clear();
                done()
            }
            Verb::OfficeHeard { port, since, max_ms, format } => {
                listen(&self.fxo(port)?.office.heard, since, max_ms, format)
            }
            Verb::OfficeSubscriber { port, number, behaviour } => {
                config::check_number(&number).map_err(|e| e.to_string())?;
                within("rings", behaviour.rings, 0, 100)?;
                let subscriber = Subscriber { number, behaviour };
                match port {
                    Some(port) => self.fxo(port)?.office.subscribe(subscriber),
                    None => self.fxo.iter_mut().for_each(|p| p.office.subscribe(subscriber.clone())),
                }
                done()
            }
            Verb::OfficeBattery { port, on } => {
                self.fxo(port)?.office.cut = !on;
                done()
            }
            Verb::OfficeFault { port, fault } => {
                self.fxo(port)?.office.fault = fault;
                done()
            }
            Verb::OfficeParallel { port, up } => {
                self.fxo(port)?.parallel = up;
                done()
            }
        }
    }

    fn press(&mut self, port: u32, keys: &str, how: How, on_ms: u16, off_ms: u16) -> Result<Vec<u8>, String> {
        within("on_ms", on_ms.into(), 20, 5000)?;
        within("off_ms", off_ms.into(), 20, 5000)?;
        if keys.is_empty() || keys.len() > 128 {
            return Err("keys: press 1 to 128".into());
        }
        let allowed = match how {
            How::Dtmf => "0123456789*#ABCD,p",
            How::Pulse => "0123456789",
        };
        if let Some(bad) = keys.chars().find(|c| !allowed.contains(*c)) {
            return Err(format!("keys: {bad:?} cannot be pressed, use {allowed}"));
        }
        let telephone = &mut self.lifted(port)?.telephone;
        match how {
            How::Dtmf => telephone.press(keys, on_ms, off_ms),
            How::Pulse => telephone.dial(keys, DIAL.0, DIAL.1, DIAL.2),
        }
        done()
    }

    fn state(&self, port: u32) -> Result<Value, String> {
        let at = self.at.get(port as usize).ok_or_else(|| self.no_port(port))?;
        if let At::Fxs(n) = at
            && let Some(p) = self.fxs.get(*n)
        {
            let (volts, milliamps) = p.electrics();
            let t = &p.telephone;
            let shown: Vec<Value> = t.shown.iter().map(shown).collect();
            return Ok(json!({
                "port": port, "kind": "fxs", "lifted": t.lifted(), "off_hook": p.off_hook(),
                "volts": volts, "milliamps": milliamps, "reversed": p.polarity() == ringtrip_driver::Polarity::Reverse,
                "ring_volts": p.ringing().map_or(0.0, |r| r.0), "ring_hz": p.ringing().map_or(0, |r| r.1),
                "bell": { "sounding": t.bell.sounding, "bursts": t.bell.bursts },
                "dialling": t.dialling(), "speaking_ms": t.speech.left_ms(), "heard": t.heard.total(), "display": shown,
            }));
        }
        let At::Fxo(n) = at else { return Err(self.no_port(port)) };
        let Some(p) = self.fxo.get(*n) else { return Err(self.no_port(port)) };
        let (volts, milliamps) = p.electrics();
        let office = &p.office;
        let log: Vec<Value> = office.log.iter().map(|e| json!({ "ms": e.ms, "what": e.what })).collect();
        Ok(json!({
            "port": port, "kind": "fxo", "number": office.number, "off_hook": p.off_hook(), "volts": volts, "milliamps": milliamps,
            "reversed": volts < 0.0, "ringing": office.ringing().is_some(), "parallel": p.parallel, "battery": !office.cut, "fault": office.fault,
            "office": office.word(), "digits": office.digits, "keys": office.keys, "flashes": office.flashes,
            "speaking_ms": office.speech.left_ms(), "heard": office.heard.total(), "log": log,
        }))
    }

    fn fxs(&mut self, port: u32) -> Result<&mut FxsPort, String> {
        let (no_port, telephones) = (self.no_port(port), self.numbers(true));
        match self.port(port as usize) {
            Some(Port::Fxs(fxs)) => Ok(fxs),
            Some(Port::Fxo(_)) => {
                Err(format!("port {port} is an office line: telephones are on {telephones}"))
            }
            None => Err(no_port),
        }
    }

    fn lifted(&mut self, port: u32) -> Result<&mut FxsPort, String> {
        let fxs = self.fxs(port)?;
        if fxs.telephone.lifted() {
            return Ok(fxs);
        }
        Err(format!("the telephone on port {port} is on its hook: lift it first"))
    }

    fn fxo(&mut self, port: u32) -> Result<&mut FxoPort, String> {
        let (no_port, lines) = (self.no_port(port), self.numbers(false));
        match self.port(port as usize) {
            Some(Port::Fxo(fxo)) => Ok(fxo),
            Some(Port::Fxs(_)) => Err(format!("port {port} is a telephone: office lines {lines}")),
            None => Err(no_port),
        }
    }

    /// The ports of a kind, in words.
    fn numbers(&self, fxs: bool) -> String {
        let of: Vec<usize> = (0..self.len()).filter(|n| self.is_fxs(*n) == Some(fxs)).collect();
        let in_a_row = |first: usize, last: usize| last - first + 1 == of.len();
        match of.as_slice() {
            [] => "are on no port".to_owned(),
            [0, .., last] if in_a_row(0, *last) => format!("are on ports 0 to {last}"),
            [0] => "are on ports 0 to 0".to_owned(),
            [first, ..] if in_a_row(*first, self.len() - 1) => format!("begin at port {first}"),
            many => {
                let numbers: Vec<String> = many.iter().map(ToString::to_string).collect();
                format!("are on ports {}", numbers.join(", "))
            }
        }
    }

    fn no_port(&self, port: u32) -> String {
        format!("there is no port {port}: this board has ports 0 to {}", self.len().max(1) - 1)
    }
}

fn done() -> Result<Vec<u8>, String> {
    answer(json!({ "ok": true }), &[])
}

fn to_answer(result: Result<(), crate::office::Refusal>) -> Result<Vec<u8>, String> {
    result.map_err(|e| e.to_string()).and_then(|()| done())
}

fn answer(json: Value, blob: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = json.to_string().into_bytes();
    if !blob.is_empty() {
        bytes.push(b'\n');
        bytes.extend_from_slice(blob);
    }
    Ok(bytes)
}

fn within(what: &str, value: u32, low: u32, high: u32) -> Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("{what} is {value}: use {low} to {high}"))
}

/// The sound of a `speak`: a tone, or the WAV file behind the JSON.
fn sound(tone: Option<ToneSpec>, blob: &[u8]) -> Result<Vec<i16>, String> {
    match tone {
        Some(_) if !blob.is_empty() => Err("give a tone or a WAV file, not both".into()),
        Some(t) => {
            within("tone.ms", t.ms, 1, 600_000)?;
            if !(20.0..=3900.0).contains(&t.hz) || !(-60.0..=3.0).contains(&t.dbm0) {
                return Err("tone: use 20 to 3900 Hz and -60 to 3 dBm0".into());
            }
            Ok(sine(t.hz, t.ms, t.dbm0))
        }
        None if blob.is_empty() => Err("nothing to say: give a tone, or a WAV file after the JSON".into()),
        None => read_wav(blob).map_err(|e| e.to_string()),
    }
}

fn say(speech: &mut Speech, sound: &[i16]) -> Result<Vec<u8>, String> {
    speech.push(sound).map_err(|e| e.to_string())?;
    answer(json!({ "ok": true, "speaking_ms": speech.left_ms() }), &[])
}

/// Sound from an offset on, or the latest when none is given.
fn listen(heard: &Recording, since: Option<u64>, max_ms: u32, format: Format) -> Result<Vec<u8>, String> {
    within("max_ms", max_ms, 1, 600_000)?;
    let most = max_ms as usize * STEP;
    let since = since.unwrap_or_else(|| heard.total().saturating_sub(most as u64));
    let (from, samples) = heard.since(since, most);
    let to = from + samples.len() as u64;
    let blob = match format {
        Format::Wav => write_wav(&samples).map_err(|e| e.to_string())?,
        Format::Raw => samples.iter().flat_map(|s| s.to_le_bytes()).collect(),
    };
    answer(json!({ "from": from, "to": to, "total": heard.total(), "rate": 8000 }), &blob)
}

fn shown(s: &Shown) -> Value {
    match s {
        Shown::Caller(c) => json!({
            "number": c.number, "name": c.name, "private": c.private,
            "when": c.when.map(|w| format!("{:02}-{:02} {:02}:{:02}", w.month, w.day, w.hour, w.minute)),
        }),
        Shown::MessageWaiting(on) => json!({ "message_waiting": on }),
        Shown::Damaged => json!({ "damaged": true }),
    }
}
