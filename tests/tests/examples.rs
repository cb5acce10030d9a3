//! The three example plans under `scripts/plans`, dialled on virtual telephones: every number goes where the table of
//! the dial plan's own tests says, to a provider, out of the landline's jack, or into reorder tone.
#![allow(clippy::disallowed_methods)] // Peers are started here, and the clock is looked at.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use ringtrip_testkit::analog::{AnalogPort, multimon};
use ringtrip_testkit::live::{Daemon, has};
use ringtrip_testkit::peers::Peer;
use ringtrip_testkit::sound;
use serde_json::{Value, json};

/// The table that `core/dialplan` tests the matcher with. Numbers 18 to 51 are the examples.
const TABLE: &str = include_str!("../../core/dialplan/tests/dialplan_vectors.json");

/// One number of the table.
struct Try {
    id: u64,
    plan: String,
    keys: String,
    /// Where it must go: `gw0`, `gw1`, `gw2` (the default route), `host`, or `tone`; and the number there.
    route: &'static str,
    number: String,
    alternative: Value,
}

fn tries(bar: &str) -> Vec<Try> {
    let table: Vec<Value> = serde_json::from_str(TABLE).expect("the table is JSON");
    let ours = table.iter().filter(|v| (18..=51).contains(&v["id"].as_u64().unwrap_or_default()));
    let barred = |v: &&Value| v["options"]["bar_mode"].as_str().unwrap_or("prefix") == bar;
    ours.filter(barred).map(Try::read).collect()
}

impl Try {
    fn read(v: &Value) -> Try {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outcome = &v["outcome"];
        let route = match (outcome["result"].as_str(), outcome["route"].as_str()) {
            (Some("SEND"), Some("gw0")) => "gw0",
            (Some("SEND"), Some("gw1")) => "gw1",
            (Some("SEND"), Some("default")) => "gw2",
            (Some("SEND"), Some("sipbroker.com")) => "host",
            (Some("REJECT" | "BLOCKED"), _) => "tone",
            other => panic!("a route that this test does not know: {other:?}"),
        };
        Try {
            id: v["id"].as_u64().expect("a number"),
            plan: text(&v["plan"]),
            keys: text(&v["keys"]).replace(' ', ""),
            route,
            number: text(&outcome["number"]),
            alternative: outcome["alt"].clone(),
        }
    }
}

/// A telephone with its own plan for each number, a landline for each that takes one, three providers.
fn exchange(bar: &str, tries: &[Try], providers: &[Peer; 3]) -> Daemon {
    let mut text = format!(
        "region = \"uk\"\ndefault_plan = \"p0\"\ndefault_route = \"gw2\"\n[dialling]\nbar = \"{bar}\"\n\
         [sip]\nlisten = [\"udp:127.0.0.1:SIP_PORT\"]\n"
    );
    for (n, gateway) in [(0, "gw1"), (1, "gw2")] {
        let port = providers[n].at.port();
        let _ = write!(
            text,
            "[gateway.{gateway}]\nserver = \"127.0.0.1:{port}\"\nuser = \"house\"\nregister = false\n\
             options_interval = \"off\"\n"
        );
    }
    let host = providers[2].at.to_string();
    text.push_str("[plans]\n");
    for (n, t) in tries.iter().enumerate() {
        let _ = writeln!(text, "p{n} = '{}'", t.plan.replace("sipbroker.com", &host));
    }
    for n in 0..tries.len() {
        let _ =
            write!(text, "[line.fxs{}]\nkind = \"fxs\"\nport = \"virtual:{n}\"\nplan = \"p{n}\"\n", n + 1);
    }
    for n in 0..landlines(tries) {
        let port = tries.len() + n;
        let _ = write!(text, "[line.fxo{}]\nkind = \"fxo\"\nport = \"virtual:{port}\"\n", n + 1);
    }
    Daemon::start(&text)
}

fn landlines(tries: &[Try]) -> usize {
    tries.iter().filter(|t| t.route == "gw0").count()
}

fn examples(bar: &str) {
    let tries = tries(bar);
    let providers = [Peer::udp("127.0.0.1"), Peer::udp("127.0.0.1"), Peer::udp("127.0.0.1")];
    let exchange = exchange(bar, &tries, &providers);
    for t in tries.iter().filter(|t| t.route == "gw0") {
        let who = json!({ "number": t.number, "does": "answer", "rings": 100, "says": "silence" });
        exchange.sim("office.subscriber", who);
    }
    let telephones: Vec<AnalogPort<'_>> =
        (0..tries.len()).map(|n| AnalogPort::telephone(&exchange, n as u16)).collect();
    let offices: Vec<AnalogPort<'_>> =
        (0..landlines(&tries)).map(|n| AnalogPort::office(&exchange, (tries.len() + n) as u16)).collect();
    for telephone in &telephones {
        telephone.lift();
    }
    for (telephone, t) in telephones.iter().zip(&tries) {
        telephone.until_tone(&[350.0, 440.0], Duration::from_secs(20));
        telephone.press(&t.keys);
    }

    // What must come where, by place.
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for t in tries.iter().filter(|t| t.route != "tone") {
        wanted.entry(t.route).or_default().push(&t.number);
    }
    wanted.values_mut().for_each(|numbers| numbers.sort_unstable());
    let mut came: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let until = Instant::now() + Duration::from_secs(40);
    loop {
        for (peer, name) in providers.iter().zip(["gw1", "gw2", "host"]) {
            while let Some(message) = peer.next(Duration::from_millis(1)) {
                if message.asks("INVITE") {
                    came.entry(name).or_default().push(message.dialled().to_owned());
                    peer.answer(&message, "486 Busy Here", "", "");
                }
            }
        }
        let state = |office: &AnalogPort<'_>| {
            let state = office.state();
            let whole = state["office"] == "ringback";
            whole.then(|| state["digits"].as_str().unwrap_or_default().to_owned())
        };
        came.insert("gw0", offices.iter().filter_map(state).collect());
        came.retain(|_, numbers| !numbers.is_empty());
        came.values_mut().for_each(|numbers| numbers.sort_unstable());
        if came.iter().map(|(k, v)| (*k, v.iter().map(String::as_str).collect())).eq(wanted.clone()) {
            break;
        }
        assert!(Instant::now() < until, "what came where: {came:#?}\nwhat should: {wanted:#?}");
    }

    // What was refused hears reorder, which in the UK is a steady tone.
    for (telephone, t) in telephones.iter().zip(&tries).filter(|(_, t)| t.route == "tone") {
        println!("{} {}", t.id, t.keys);
        let line = format!("fxs{}", 1 + tries.iter().position(|other| other.id == t.id).expect("it is ours"));
        exchange.line_is(&line, "reorder", Duration::from_secs(20));
        telephone.until_tone(&[400.0], Duration::from_secs(20));
    }
    // The landlines' digits as somebody else hears them.
    if has("multimon-ng") {
        for office in &offices {
            let heard = office.hear(0, u32::try_from(office.now() / 8).expect("seconds"));
            let digits = office.state()["digits"].clone();
            assert_eq!(multimon(&heard, exchange.dir.path()), digits, "{}", sound::describe(&heard));
        }
    }
    for telephone in &telephones {
        telephone.hang_up();
    }
    provenance(&exchange, &tries);
}

/// Each record says by which alternative of the plan the call went.
fn provenance(exchange: &Daemon, tries: &[Try]) {
    let until = Instant::now() + Duration::from_secs(20);
    for (n, t) in tries.iter().enumerate().filter(|(_, t)| t.route != "tone" && t.keys != "999") {
        let line = format!("fxs{}", n + 1);
        let cdr = loop {
            let page = exchange.get("/cdrs?limit=100");
            let all = page["cdrs"].as_array().cloned().unwrap_or_default();
            let closed = |c: &&Value| c["source"]["name"] == line && !c["cause"].is_null();
            if let Some(cdr) = all.iter().find(closed) {
                break cdr.clone();
            }
            assert!(Instant::now() < until, "no closed record of {line} ({}) in {page}", t.keys);
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(cdr["sent"], json!(t.number), "{}: {cdr}", t.id);
        if t.route != "host" {
            assert_eq!(cdr["provenance"]["alternative"], t.alternative, "{}: {cdr}", t.id);
        }
    }
}

#[test]
#[cfg_attr(not(has_multimon), ignore = "needs multimon-ng")]
fn every_number_goes_where_it_should() {
    examples("prefix");
}

#[test]
#[cfg_attr(not(has_multimon), ignore = "needs multimon-ng")]
fn every_number_goes_where_it_should_when_bars_are_exact() {
    examples("exact");
}
