//! Lines in virtual time. A ladder is script and expectation in one: lines with `>` are fed in at their time, and what
//! the machine said to it stands below with `<`. Timeouts fire by themselves.

mod fxo;
mod fxs;
mod random;
mod ringing;
mod ringing_in;
mod unfit;

use std::fmt::Write;
use std::time::{Duration, Instant};

use ringtrip_media::sound::{Codec, Sound};

use crate::leg::{LegCmd, LegEvent, Placement};
use crate::line::{Line, LineSetup, Wall};
use crate::post::{Endpoint, LegInput, LineInput, MediaCommand, MediaEvent, Post};
use crate::route::{PlanRoute, WallTime};
use ringtrip_config::{Config, Extension, LineKind, Region};
use ringtrip_dialplan::Plan;
use ringtrip_model::board::{BoardCmd, BoardEvent, CmdKind, Polarity, PortKind};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{BoardId, Ids, LegId, PortRef};
use ringtrip_model::line::LineState;
use ringtrip_model::party::{CallerId, Cause, Digits, Key, KeyForm};

/// Runs the ladder and compares it with what happened.
#[track_caller]
fn check(name: &str, config: Config, ladder: &str) {
    let mut world = World::new(config);
    let mut happened = String::from("\n");
    for line in ladder.lines().map(str::trim).filter(|l| l.contains(" > ")) {
        let (at, cmd) = line.split_once(" > ").expect("a script line");
        let at = world.start + Duration::from_secs_f64(at.trim().parse().expect("a time"));
        world.run_until(at, &mut happened);
        writeln!(happened, "{:>7.2} > {}", world.seconds(at), cmd.trim()).unwrap();
        if cmd.trim() != "wait" {
            let input = world.input(cmd.trim());
            let said = world.feed(at, input);
            if !said.is_empty() {
                writeln!(happened, "        < {}", said.join("; ")).unwrap();
            }
        }
    }
    let want: Vec<&str> = ladder.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let have: Vec<&str> = happened.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert!(want == have, "@@{name}@@{happened}@@end@@");
}

/// A line, its time, and what an onlooker can hear and see at its port.
struct World {
    line: Line,
    setup: LineSetup,
    start: Instant,
    now: Instant,
    /// The leg that the script speaks of.
    leg: LegId,
    placed: u64,
    sounding: bool,
    ringing: bool,
    seized: bool,
    lifted: bool,
}

impl World {
    fn new(config: Config) -> World {
        let id = config.lines[0].id.clone();
        let setup = LineSetup::new(config.into());
        // Any instant will do; the machine sees differences only.
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let clock = WallTime { unix_micros: 0, year: 2026, month: 3, day: 4, hour: 5, minute: 6, weekday: 3 };
        let line = Line::new(&id, &setup, Ids::new(0, 0), Wall::new(clock, start), start).expect("a line");
        let leg = LegId(0);
        let (sounding, ringing, seized, lifted) = (false, false, false, false);
        World { line, setup, start, now: start, leg, placed: 0x90, sounding, ringing, seized, lifted }
    }

    fn seconds(&self, at: Instant) -> f64 {
        (at - self.start).as_secs_f64()
    }

    /// Fires what is due up to and at `at`.
    fn run_until(&mut self, at: Instant, happened: &mut String) {
        for _ in 0..1000 {
            let Some(due) = self.line.deadline().filter(|d| *d <= at) else { return };
            let due = due.max(self.now);
            let said = self.feed(due, LineInput::Timeout);
            if !said.is_empty() {
                writeln!(happened, "{:>7.2} < {}", self.seconds(due), said.join("; ")).unwrap();
            }
        }
        panic!("the line never rests: {:?}", self.line);
    }

    fn feed(&mut self, at: Instant, input: LineInput) -> Vec<String> {
        self.now = at;
        let mut out = Vec::new();
        self.line.on(at, input, &mut out);
        out.iter().map(|post| self.see(post)).collect()
    }

    /// The post in a word, and what it changes at the port.
    fn see(&mut self, post: &Post) -> String {
        let tones = &self.setup.region.tones;
        match post {
            Post::NewCall(birth) => {
                self.leg = birth.leg().expect("a line has a leg");
                let or_none = |s: &str| if s.is_empty() { "nothing".to_owned() } else { s.to_owned() };
                let (from, dialled) = (or_none(&birth.caller.number), or_none(birth.dialled.as_str()));
                let mut s = format!("new call from {from} dialled {dialled}");
                if let Some(planned) = &birth.planned {
                    let to = match &planned.route {
                        PlanRoute::Default => "default".to_owned(),
                        PlanRoute::Landline => "gw0".to_owned(),
                        PlanRoute::Gateway(id) => id.to_string(),
                        PlanRoute::Uri(uri) => uri.host.clone(),
                    };
                    let number = or_none(planned.number.as_str());
                    write!(s, ", planned {number} to {to} by {}", planned.alternative).unwrap();
                }
                s
            }
            Post::Leg { leg, input: LegInput::Said(event) } => {
                let who = if *leg == self.leg { String::new() } else { format!(" (leg {:x})", leg.0) };
                match event {
                    LegEvent::Ringing => format!("say ringing{who}"),
                    LegEvent::Progress(_) => format!("say progress{who}"),
                    LegEvent::Answered(_) => format!("say answered{who}"),
                    LegEvent::Digit { key, .. } => format!("say digit {}{who}", key.as_char()),
                    LegEvent::Flash => format!("say flash{who}"),
                    LegEvent::Ended(cause) => format!("say ended {}{who}", cause.word()),
                    LegEvent::Transfer(_) => format!("say transfer{who}"),
                    LegEvent::Changed(_) => format!("say changed{who}"),
                }
            }
            Post::Board { cmd, .. } => match cmd {
                BoardCmd::Ring { cadence, hz } => {
                    self.ringing = true;
                    let pairs: Vec<String> = cadence.iter().map(|(on, off)| format!("{on}/{off}")).collect();
                    format!("ring {} at {hz} Hz", pairs.join(" "))
                }
                BoardCmd::RingStop => {
                    self.ringing = false;
                    "ring stop".to_owned()
                }
                BoardCmd::Polarity(Polarity::Forward) => "polarity normal".to_owned(),
                BoardCmd::Polarity(Polarity::Reverse) => "polarity reversed".to_owned(),
                BoardCmd::Cpc(d) => format!("battery away {} ms", d.as_millis()),
                BoardCmd::OnHookAudio(d) => format!("on-hook audio {} ms", d.as_millis()),
                BoardCmd::OffHook => {
                    self.seized = true;
                    "loop closed".to_owned()
                }
                BoardCmd::OnHook => {
                    self.seized = false;
                    "loop open".to_owned()
                }
                BoardCmd::Measure => "measure".to_owned(),
                BoardCmd::Flash(d) => format!("flash {} ms", d.as_millis()),
                BoardCmd::Pulse(keys) => {
                    format!("pulse {}", keys.iter().map(|k| k.as_char()).collect::<String>())
                }
            },
            Post::Media(cmd) => match cmd {
                MediaCommand::PlayTone { tone, .. } => {
                    self.sounding = true;
                    let named = [
                        ("busy", &tones.busy),
                        ("reorder", &tones.reorder),
                        // The US has no tone of its own for it.
                        ("congestion", &tones.congestion),
                        ("off-hook warning", &tones.off_hook_warning),
                        ("ringback", &tones.ring_back),
                    ];
                    let dial = [
                        ("dial", &tones.dial),
                        ("outside dial", &tones.outside_dial),
                        ("message-waiting dial", &tones.mwi_dial),
                        ("forwarded dial", &tones.cfwd_dial),
                    ];
                    let name = dial
                        .iter()
                        .find(|(_, t)| t.endless() == *tone)
                        .or(named.iter().find(|(_, t)| *t == tone));
                    format!("tone {}", name.map_or("of no name", |(name, _)| name))
                }
                MediaCommand::StopPlayback { .. } => {
                    self.sounding = false;
                    "quiet".to_owned()
                }
                MediaCommand::SendDigits { keys, on, off, .. } => format!("digits {} {on}/{off}", keys.0),
                MediaCommand::SendCallerId { burst, .. } => {
                    let text = String::from_utf8_lossy(&burst.message);
                    let visible: String =
                        text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
                    format!("caller id {:?} {:?} {visible}", burst.standard, burst.lead)
                }
                MediaCommand::Detect { config: what, .. } => {
                    let mut s = String::from("listen");
                    let flags = [
                        (what.dtmf, " keys"),
                        (what.caller_id, " caller-id"),
                        (!what.disconnect_tone.is_empty(), " disconnect-tone"),
                        (what.dial_tone, " dial-tone"),
                        (what.voice, " voice"),
                        (what.silence.is_some(), " silence"),
                    ];
                    flags.iter().filter(|f| f.0).for_each(|f| s.push_str(f.1));
                    if s == "listen" { "listen no more".to_owned() } else { s }
                }
                other => format!("{other:?}"),
            },
            Post::Tell(Event::Alarm { what, text }) => {
                assert_eq!(*what, "line");
                format!("alarm {}", text.split_whitespace().skip(2).take(4).collect::<Vec<_>>().join(" "))
            }
            Post::Tell(Event::LineState { state, .. }) => format!("[{}]", state.word()),
            Post::Tell(Event::LineHook { off_hook, .. }) => {
                self.lifted = *off_hook;
                if *off_hook { "[off-hook]" } else { "[on-hook]" }.to_owned()
            }
            other => format!("{other:?}"),
        }
    }

    /// A line of the script as input.
    fn input(&mut self, cmd: &str) -> LineInput {
        let mut words = cmd.split(' ');
        let (verb, rest): (&str, Vec<&str>) = (words.next().unwrap_or_default(), words.collect());
        let key = || Key::new(rest[0].chars().next().expect("a key")).expect("a key");
        let board = LineInput::Board;
        let end = || Endpoint::Port(self.line.port().clone());
        let leg = |cmd| LineInput::Leg { leg: self.leg, cmd };
        match verb {
            "ready" => board(BoardEvent::Ready(self.line.status(self.now).kind)),
            "ready-fxs" => board(BoardEvent::Ready(PortKind::Fxs)),
            "ready-fxo" => board(BoardEvent::Ready(PortKind::Fxo)),
            "no-port" => board(BoardEvent::Missing),
            "measures" => board(BoardEvent::Measures),
            "current" => board(BoardEvent::Reading { volts: 8.0, milliamps: rest[0].parse().expect("mA") }),
            "volts" => board(BoardEvent::Reading { volts: rest[0].parse().expect("V"), milliamps: 0.0 }),
            "refused" => board(BoardEvent::Refused(match rest[0] {
                "ring" => CmdKind::Ring,
                "off-hook" => CmdKind::OffHook,
                "on-hook" => CmdKind::OnHook,
                "pulse" => CmdKind::Pulse,
                "measure" => CmdKind::Measure,
                _ => CmdKind::Other,
            })),
            "lost" => board(BoardEvent::Lost),
            "lift" => board(BoardEvent::OffHook),
            "hang-up" => board(BoardEvent::OnHook),
            "trip" => board(BoardEvent::RingTrip),
            "flash" => board(BoardEvent::Flash),
            "pulse" => board(BoardEvent::PulseDigit(key())),
            "rings" => board(BoardEvent::RingBegin),
            "rang" => board(BoardEvent::RingEnd),
            "reversed" => board(BoardEvent::Polarity(Polarity::Reverse)),
            "normal" => board(BoardEvent::Polarity(Polarity::Forward)),
            "cpc" => board(BoardEvent::Cpc),
            "battery-lost" => board(BoardEvent::BatteryLost),
            "battery-ok" => board(BoardEvent::BatteryOk),
            "parallel" => board(BoardEvent::ParallelPickup(rest[0] == "lifted")),
            "key" => LineInput::Key { key: key(), ms: 80 },
            "sent" => LineInput::Media(MediaEvent::DigitsSent { endpoint: end() }),
            "caller-id-sent" => LineInput::Media(MediaEvent::CallerIdSent { endpoint: end() }),
            "caller-id" => {
                let caller = CallerId { number: rest[0].to_owned(), ..CallerId::default() };
                LineInput::Media(MediaEvent::CallerId { endpoint: end(), caller })
            }
            "dial-tone" => LineInput::Media(MediaEvent::DialTone { endpoint: end() }),
            "hang-up-tone" => LineInput::Media(MediaEvent::DisconnectTone { endpoint: end() }),
            "silence" => LineInput::Media(MediaEvent::Silence { endpoint: end() }),
            "voice" => LineInput::Media(MediaEvent::Voice { endpoint: end() }),
            // `place 01632 from 555 sip|port [ring 2] [emergency]`, on a leg of its own each time.
            "place" => {
                let after = |word| rest.iter().position(|w| *w == word).and_then(|i| rest.get(i + 1));
                let offer = if rest.contains(&"sip") { sip() } else { Sound::analog() };
                let number = after("from").map_or("", |n| *n);
                let placement = Placement {
                    hops: 70,
                    number: Digits::new(if rest[0] == "none" { "" } else { rest[0] }),
                    caller: CallerId {
                        number: number.to_owned(),
                        name: "Ann".to_owned(),
                        private: number == "private",
                    },
                    offer: Some(offer),
                    ring: after("ring").and_then(|n| n.parse().ok()),
                    emergency: rest.contains(&"emergency"),
                    last_hope: !rest.contains(&"with-others"),
                    referred_by: None,
                    prepared: None,
                };
                self.placed += 1;
                let leg = LegId(self.placed);
                // A leg that will be refused is not the one that the script goes on with.
                if !rest.contains(&"refused") {
                    self.leg = leg;
                }
                LineInput::Leg { leg, cmd: LegCmd::Place(Box::new(placement)) }
            }
            "ringing" => leg(LegCmd::Ringing),
            "progress" => leg(LegCmd::Progress(sip())),
            "answer" => leg(LegCmd::Answer(if rest.contains(&"port") { Sound::analog() } else { sip() })),
            "digit" => leg(LegCmd::Digit { key: key(), ms: 100, form: KeyForm::Signalled }),
            "far-flash" => leg(LegCmd::Flash),
            "end" => leg(LegCmd::End(cause(rest[0]))),
            other => panic!("no such input: {other}"),
        }
    }
}

fn cause(word: &str) -> Cause {
    let all = [
        Cause::Normal,
        Cause::Cancelled,
        Cause::Busy,
        Cause::Congestion,
        Cause::Unallocated,
        Cause::Declined,
    ];
    all.into_iter().find(|c| c.word() == word).expect("a cause")
}

/// What a SIP phone speaks.
fn sip() -> Sound {
    let addr = "192.0.2.1:4000".parse().ok();
    Sound { addr, codecs: vec![Codec::PCMA], telephone_event: Some(101), ..Sound::default() }
}

/// An exchange whose first line is this.
fn config(region: Region, plan: &str, kind: LineKind) -> Config {
    let port = PortRef { board: "virtual".parse::<BoardId>().expect("a name"), port: 0 };
    let id: ringtrip_model::ids::LineId = "line1".parse().expect("a name");
    let mut config = Config { region, default_plan: "p".to_owned(), ..Config::default() };
    config.plans.insert(
        "p".to_owned(),
        Plan::parse(plan).expect("a plan").with_star_codes(&[Digits::new("*69")]).into(),
    );
    config
        .extensions
        .push(Extension { line: Some(id.clone()), ..Extension::new("101".parse().expect("a name")) });
    config.lines.push(ringtrip_config::Line { id, port, plan: None, script: None, kind });
    config
}
