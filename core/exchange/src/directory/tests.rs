#![allow(clippy::disallowed_methods)] // Time begins somewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::next_hop::Reach;
use ringtrip_sip::registrar::Record;

use super::{Admission, Contact, Directory, Located, Rested, Wanted};
use crate::call::{Birth, Caller, MAX_FORWARDS};
use crate::leg::index::LegIndex;
use crate::leg::{LegCmd, Placement};
use crate::line::{Availability, Fault, LineStatus};
use crate::post::{LineInput, Post};
use crate::route::{Found, Identity, SipWay, Target, WallTime};
use ringtrip_config::{Config, DemoSecrets, Region};
use ringtrip_model::board::{Polarity, PortKind};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, LegId, LineId};
use ringtrip_model::line::LineState;
use ringtrip_model::party::{CallerId, Cause, Digits, Source};

/// A directory of the demonstration: telephones 101 and 102 on `fxs1` and `fxs2`, landlines `fxo1` and `fxo2`, SIP phones 201
/// and 202.
struct Bench {
    directory: Directory,
    now: Instant,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Config)) -> Bench {
        let secrets = DemoSecrets { first: "one".to_owned(), second: "two".to_owned() };
        let mut config = Config::demo(Region::Uk, secrets);
        change(&mut config);
        let config = Arc::new(config);
        let mut directory = Directory::new(Arc::clone(&config), 1_000);
        for line in &config.lines {
            directory.add_line(line.id.clone(), line.port.clone(), line.port_kind());
        }
        let mut bench = Bench { directory, now: Instant::now() };
        for line in &config.lines {
            bench.is(line.id.as_str(), Availability::Idle);
        }
        bench
    }

    /// A line reports this.
    fn is(&mut self, name: &str, availability: Availability) -> Rested {
        self.reports(name, availability, None)
    }

    fn reports(&mut self, name: &str, availability: Availability, fault: Option<Fault>) -> Rested {
        let line = line(name);
        let port = self.directory.port_of(&line).expect("a line").clone();
        self.directory.on_line_status(&LineStatus {
            line,
            port,
            kind: PortKind::Fxo,
            state: LineState::default(),
            availability,
            off_hook: false,
            volts: None,
            milliamps: None,
            polarity: Polarity::Forward,
            for_: Duration::ZERO,
            leg: None,
            fault,
            call_type: None,
            gateway_state: None,
            last_disconnect: None,
            last_number: None,
        })
    }

    fn place(&mut self, name: &str, leg: LegId, emergency: bool) {
        let placement = Placement {
            number: Digits::default(),
            caller: CallerId::default(),
            offer: None,
            ring: None,
            hops: MAX_FORWARDS,
            emergency,
            last_hope: false,
            prepared: None,
            referred_by: None,
        };
        let cmd = LegCmd::Place(Box::new(placement));
        self.directory.on_line_input(&line(name), &LineInput::Leg { leg, cmd });
        self.is(name, Availability::Busy);
    }

    fn find(&mut self, target: &Target, emergency: bool, except: &[&str]) -> Result<String, Cause> {
        let except: Vec<LineId> = except.iter().map(|name| line(name)).collect();
        match self.directory.locate(self.now, Wanted { target, emergency, except: &except }) {
            Located::Here(found) => found.map(|all| {
                let word = |found: &Found| match found {
                    Found::Line(line) => line.to_string(),
                    Found::Sip(way) => way.uri.clone(),
                    Found::Conference(room) => room.to_string(),
                };
                all.iter().map(word).collect::<Vec<_>>().join(" ")
            }),
            other => panic!("{other:?}"),
        }
    }

    fn landline(&mut self, emergency: bool, except: &[&str]) -> Result<String, Cause> {
        self.find(&Target::Landline, emergency, except)
    }

    fn extension(&mut self, ext: &str) -> Result<String, Cause> {
        self.find(&Target::Extension(ext.parse().expect("a name")), false, &[])
    }

    fn registers(&mut self, ext: &str, phones: &[(&str, u64)]) {
        let contact = |(uri, seconds): &(&str, u64)| Contact {
            way: Arc::new(way(uri)),
            until: self.now + Duration::from_secs(*seconds),
            record: record(ext, uri),
        };
        let contacts = phones.iter().map(contact).collect();
        self.directory.set_contacts(ext.parse().expect("a name"), contacts);
    }

    /// A call begins, if it may.
    fn call(&mut self, n: u64, source: Source, dialled: &str) -> Admission {
        let a = match &source {
            Source::Line(line) => Caller::Line { leg: LegId(n), line: line.clone() },
            _ => Caller::Operator { found: Vec::new() },
        };
        let birth = Birth {
            id: CallId(n),
            at: WallTime::default(),
            source,
            caller: CallerId::default(),
            dialled: Digits::new(dialled),
            planned: None,
            hops: MAX_FORWARDS,
            a,
            ports: [0, 0],
        };
        let admission = self.directory.admit(&birth);
        if admission != Admission::Full {
            self.directory.call_begins(&birth, admission);
        }
        admission
    }
}

fn line(name: &str) -> LineId {
    name.parse().expect("a name")
}

fn of_extension(name: &str) -> Source {
    Source::Extension(name.parse().expect("a name"))
}

fn flow() -> Flow {
    let addr = "192.0.2.11:5060".parse().expect("an address");
    Flow { transport: Transport::Udp, local: addr, remote: addr, connection: 0 }
}

fn record(ext: &str, uri: &str) -> Record {
    Record {
        aor: Bytes::copy_from_slice(ext.as_bytes()),
        contact: Bytes::from(format!("<{uri}>")),
        flow: flow(),
        path: Vec::new(),
        user_agent: None,
        left: Duration::ZERO,
        call_id: Bytes::from_static(b"c"),
        cseq: 1,
    }
}

fn way(uri: &str) -> SipWay {
    SipWay {
        uri: uri.to_owned(),
        flows: vec![flow()],
        first: None,
        reach: Reach::Contact,
        answer_within: None,
        credentials: None,
        identity: Identity { user: None, domain: String::new(), contact_user: String::new() },
        routes: Vec::new(),
        trusted: false,
        codecs: Vec::new(),
        srtp: ringtrip_media::sdp::SrtpPolicy::Off,
        headers: Vec::new(),
        name: uri.to_owned(),
        gateway: None,
    }
}

#[test]
fn a_landline_is_given_to_one_call_at_a_time() {
    let mut bench = Bench::new();
    assert_eq!(bench.landline(false, &[]), Ok("fxo1".to_owned()));
    assert_eq!(bench.landline(false, &[]), Ok("fxo2".to_owned()), "the first is reserved");
    assert_eq!(bench.landline(false, &[]), Err(Cause::Congestion));
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.landline(false, &[]), Ok("fxo1".to_owned()), "nobody came for it");
    // It has said that it is busy, and later that it is free: the reservation has done its work.
    bench.is("fxo1", Availability::Busy);
    bench.is("fxo1", Availability::Idle);
    assert_eq!(bench.landline(false, &[]), Ok("fxo1".to_owned()));
}

#[test]
fn a_landline_that_was_tried_in_vain_is_not_given_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.landline(false, &["fxo1"]), Ok("fxo2".to_owned()));
    assert_eq!(bench.landline(true, &["fxo1", "fxo2"]), Err(Cause::Congestion));
}

#[test]
fn an_emergency_call_takes_what_others_may_not() {
    use Availability::{Busy, Idle, OutOfService, Unfit};
    let bad = Some(Fault::NoPort);
    let cases = [
        // What the two landlines report; which of them an emergency call is given.
        ([(Idle, None), (Idle, None)], "fxo1"),
        ([(Busy, None), (Idle, None)], "fxo2"),
        ([(Busy, None), (Busy, None)], "fxo1"),
        ([(Busy, bad), (Busy, None)], "fxo2"),
        ([(OutOfService, None), (Busy, None)], "fxo2"),
        ([(OutOfService, None), (Unfit, bad)], "fxo2"),
        ([(OutOfService, None), (OutOfService, None)], "fxo1"),
    ];
    for ([one, two], given) in cases {
        let mut bench = Bench::new();
        bench.reports("fxo1", one.0, one.1);
        bench.reports("fxo2", two.0, two.1);
        assert_eq!(bench.landline(true, &[]), Ok(given.to_owned()), "{one:?} {two:?}");
        let free = one.0 == Idle || two.0 == Idle;
        let mut bench = Bench::new();
        bench.reports("fxo1", one.0, one.1);
        bench.reports("fxo2", two.0, two.1);
        assert_eq!(bench.landline(false, &[]).is_ok(), free, "another call");
    }
}

#[test]
fn an_emergency_call_does_not_end_another_one() {
    let mut bench = Bench::new();
    let (one, two) = (LegId(1), LegId(2));
    bench.place("fxo1", one, true);
    assert_eq!(bench.landline(true, &[]), Ok("fxo2".to_owned()));
    bench.place("fxo2", two, false);
    assert_eq!(bench.landline(true, &[]), Ok("fxo2".to_owned()), "that call is none for help");
    bench.place("fxo2", two, true);
    assert_eq!(bench.landline(true, &[]), Err(Cause::Congestion));
    // Its leg has ended, but the line is not idle yet: the office must notice first.
    let cmd = LegCmd::End(Cause::Normal);
    bench.directory.on_line_input(&line("fxo1"), &LineInput::Leg { leg: one, cmd });
    assert_eq!(bench.landline(true, &[]), Err(Cause::Congestion));
    bench.is("fxo1", Availability::Idle);
    assert_eq!(bench.landline(true, &[]), Ok("fxo1".to_owned()));
}

#[test]
fn a_telephone_and_the_sip_phones_of_its_extension_ring_together() {
    let mut bench = Bench::with(|config| {
        let own = config.extensions.iter_mut().find(|e| e.id.as_str() == "201").expect("an extension");
        own.line = Some(line("fxs1"));
    });
    let (free, busy) = (Availability::Idle, Availability::Busy);
    let cases: [(Availability, &[&str], Result<&str, Cause>); 4] = [
        (free, &["sip:a", "sip:b"], Ok("fxs1 sip:a sip:b")),
        (free, &[], Ok("fxs1")),
        (busy, &["sip:a"], Ok("sip:a")),
        // A busy telephone says more than a phone that is not there.
        (busy, &[], Err(Cause::Busy)),
    ];
    for (telephone, phones, found) in cases {
        bench.is("fxs1", telephone);
        let phones: Vec<(&str, u64)> = phones.iter().map(|uri| (*uri, 60)).collect();
        bench.registers("201", &phones);
        assert_eq!(bench.extension("201"), found.map(str::to_owned), "{telephone:?} {phones:?}");
    }
    assert_eq!(bench.extension("999"), Err(Cause::Unallocated));
    assert_eq!(bench.extension("202"), Err(Cause::Unregistered));
}

#[test]
fn a_registration_ends_by_itself() {
    let mut bench = Bench::new();
    bench.registers("201", &[("sip:a", 60), ("sip:b", 120)]);
    assert_eq!(bench.extension("201"), Ok("sip:a sip:b".to_owned()));
    bench.now += Duration::from_secs(60);
    let kept = bench.directory.registrations(bench.now);
    assert_eq!(kept.iter().map(|record| record.left.as_secs()).collect::<Vec<_>>(), [60]);
    assert_eq!(bench.extension("201"), Ok("sip:b".to_owned()));
    bench.now += Duration::from_secs(60);
    assert_eq!(bench.extension("201"), Err(Cause::Unregistered));
    // An extension that the configuration does not name any more has no phones when it comes back.
    bench.registers("201", &[("sip:a", 60)]);
    let before = Arc::clone(bench.directory.config());
    let mut without = Config::clone(&before);
    without.extensions.retain(|e| e.id.as_str() != "201");
    bench.directory.configure(Arc::new(without));
    bench.directory.configure(before);
    assert_eq!(bench.extension("201"), Err(Cause::Unregistered));
}

#[test]
fn a_named_line_is_busy_or_there_for_help() {
    let mut bench = Bench::new();
    let target = Target::Line(line("fxs1"));
    assert_eq!(bench.find(&target, false, &[]), Ok("fxs1".to_owned()));
    bench.is("fxs1", Availability::Busy);
    assert_eq!(bench.find(&target, false, &[]), Err(Cause::Busy));
    assert_eq!(bench.find(&target, true, &[]), Ok("fxs1".to_owned()));
    bench.directory.remove_line(&line("fxs1"));
    assert_eq!(bench.find(&target, true, &[]), Err(Cause::Congestion), "it was given up");
}

#[test]
fn limits_count_calls_and_those_of_one_source_and_never_calls_for_help() {
    let mut bench = Bench::with(|config| {
        config.limits.calls = 3;
        config.limits.calls_per_source = 2;
    });
    let (ann, bob, cid) = (of_extension("201"), of_extension("202"), of_extension("203"));
    assert_eq!(bench.call(1, ann.clone(), "555"), Admission::Admitted);
    assert_eq!(bench.call(2, ann.clone(), "555"), Admission::Admitted);
    assert_eq!(bench.call(3, ann.clone(), "555"), Admission::Full, "two of one source");
    assert_eq!(bench.call(3, bob.clone(), "555"), Admission::Admitted);
    assert_eq!(bench.call(4, cid.clone(), "555"), Admission::Full, "three in all");
    assert_eq!(bench.call(4, ann.clone(), "999"), Admission::Emergency);
    assert_eq!(bench.directory.seats(), 4);
    // One that has ended does not count, though it lingers.
    assert!(bench.directory.call_ended(CallId(1)) && !bench.directory.call_ended(CallId(1)));
    assert!(bench.directory.call_ended(CallId(4)));
    assert_eq!((bench.directory.seats(), bench.directory.calls()), (2, 4));
    assert_eq!(bench.call(5, ann.clone(), "555"), Admission::Admitted);
    for n in 1..=5 {
        bench.directory.call_over(CallId(n));
    }
    assert_eq!((bench.directory.seats(), bench.directory.calls()), (0, 0));
    assert_eq!(bench.directory.calls_of(&ann), 0);
}

#[test]
fn too_many_lingering_calls_stand_in_the_way_of_new_ones() {
    let mut bench = Bench::new();
    bench.directory = Directory::new(Arc::clone(bench.directory.config()), 1);
    for n in 0..800 {
        assert_eq!(bench.call(n, Source::Operator, "555"), Admission::Admitted, "{n}");
        bench.directory.call_ended(CallId(n));
    }
    assert_eq!(bench.call(800, Source::Operator, "555"), Admission::Full);
    assert_eq!(bench.call(800, of_extension("201"), "999"), Admission::Emergency);
    bench.directory.call_over(CallId(0));
    bench.directory.call_over(CallId(800));
    assert_eq!(bench.call(801, Source::Operator, "555"), Admission::Admitted);
}

#[test]
fn a_telephone_whose_call_is_refused_hears_so_and_the_operator_once_a_minute() {
    let mut bench = Bench::new();
    let refuse = |bench: &mut Bench, n| {
        let birth = Birth {
            id: CallId(n),
            at: WallTime::default(),
            source: Source::Line(line("fxs1")),
            caller: CallerId::default(),
            dialled: Digits::new("555"),
            planned: None,
            hops: MAX_FORWARDS,
            a: Caller::Line { leg: LegId(n), line: line("fxs1") },
            ports: [0, 0],
        };
        let mut out = Vec::new();
        bench.directory.refuse(bench.now, birth, &mut out);
        let alarms = out.iter().filter(|post| matches!(post, Post::Tell(Event::Alarm { .. }))).count();
        let leg = LegId(n);
        let ends = |post: &Post| match post {
            Post::Line { input: LineInput::Leg { leg: of, cmd: LegCmd::End(cause) }, .. } => {
                *of == leg && *cause == Cause::Congestion
            }
            _ => false,
        };
        assert_eq!(out.iter().filter(|post| ends(post)).count(), 1);
        alarms
    };
    assert_eq!(refuse(&mut bench, 1), 1);
    assert_eq!(refuse(&mut bench, 2), 0);
    bench.now += Duration::from_secs(61);
    assert_eq!(refuse(&mut bench, 3), 1);
}

#[test]
fn the_lines_of_a_call_that_failed_are_freed() {
    let mut bench = Bench::new();
    let (leg, mut legs) = (LegId(72), LegIndex::default());
    legs.put(CallId(7), leg);
    legs.put(CallId(8), LegId(81));
    bench.place("fxs1", LegId(81), false);
    bench.call(7, of_extension("201"), "555");
    bench.place("fxs2", leg, false);
    let mut out = Vec::new();
    bench.directory.call_failed(CallId(7), &legs, WallTime::default(), &mut out);
    let freed = |post: &Post| match post {
        Post::Line { line, input: LineInput::Leg { leg: of, cmd: LegCmd::End(_) } } => {
            line.as_str() == "fxs2" && *of == leg
        }
        _ => false,
    };
    assert!(out.iter().any(freed), "{out:?}");
    assert_eq!(out.iter().filter(|post| matches!(post, Post::Line { .. })).count(), 1, "{out:?}");
}

#[test]
fn a_line_whose_machine_failed_ends_its_leg_once() {
    let mut bench = Bench::new();
    let leg = LegId(72);
    bench.place("fxs2", leg, false);
    assert!(matches!(bench.directory.line_failed(&line("fxs2")), Some(Post::Leg { leg: LegId(72), .. })));
    assert!(bench.directory.line_failed(&line("fxs2")).is_none());
}

#[test]
fn a_board_rests_when_the_last_of_its_lines_does() {
    let mut bench = Bench::new();
    let board = bench.directory.port_of(&line("fxs1")).expect("a port").board.clone();
    assert!(!bench.directory.is_board_busy(&board));
    assert_eq!(bench.is("fxs1", Availability::Busy), Rested::Unchanged);
    assert!(bench.directory.is_board_busy(&board));
    assert_eq!(bench.is("fxs1", Availability::Unfit), Rested::Now);
    assert_eq!(bench.is("fxs1", Availability::Idle), Rested::Unchanged);
    assert!(!bench.directory.is_board_busy(&board));
}
