//! What calls cost, through a real daemon: the cheapest healthy provider takes the call, limits refuse and end calls, an
//! emergency call has no price, and a price list with bad rows changes nothing.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, programs, wait};
use ringtrip_testkit::peers::{Events, Message, Peer, Ua, sdp};
use serde_json::{Value, json};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
SCRIPT

[plans]
home = "(xxxS0|<9,:>xx.<:@gw1>)"

[extension.201]
password = "first-secret"

[emergency]
providers = ["gw1"]

GATEWAYS

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]

MORE
"#;

/// As dialled, and as decks know it.
const NUMBER: &str = "902079460000";
/// A slow machine is not a silent provider. The exchange itself is asked for two seconds a failure.
const SOON: Duration = Duration::from_secs(8);
const LONG: Duration = Duration::from_secs(20);

struct Testbed {
    daemon: Daemon,
    phone: Ua,
    providers: Vec<Ua>,
    /// Where the phone hears.
    ear: UdpSocket,
}

impl Testbed {
    #[track_caller]
    fn new(providers: usize, script: Option<&str>, more: &str) -> Testbed {
        let peers: Vec<Peer> = (0..providers).map(|n| Peer::udp(&format!("127.0.0.{}", n + 2))).collect();
        let gateway = |(n, peer): (usize, &Peer)| {
            format!(
                "[gateway.gw{}]\nserver = \"{}\"\nuser = \"u\"\nregister = false\noptions_interval = \"off\"\n",
                n + 1,
                peer.at
            )
        };
        let gateways: String = peers.iter().enumerate().map(gateway).collect();
        let named = script.map_or("", |_| "script = \"scripts/test.rhai\"");
        let config = CONFIG.replace("SCRIPT", named).replace("GATEWAYS", &gateways).replace("MORE", more);
        let daemon = Daemon::start(&config);
        if let Some(script) = script {
            let put = daemon.request("PUT", "/scripts/test.rhai", &[("If-Match", "*")], script.as_bytes());
            assert!(put.0 < 300, "{put:?}");
        }
        let exchange = ([127, 0, 0, 1], daemon.sip).into();
        let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
        phone.register();
        let providers = peers.into_iter().map(|peer| Ua::new(peer, exchange, "provider", "")).collect();
        let ear = UdpSocket::bind("127.0.0.1:0").expect("a port");
        Testbed { daemon, phone, providers, ear }
    }

    /// Imports a price list for a gateway: so much a minute to 44.
    #[track_caller]
    fn price(&self, gateway: &str, per_minute: &str) {
        let csv = format!("prefix,destination,rate\n44,United Kingdom,{per_minute}\n33,France,9.99\n");
        let (status, text) = self.import(&format!("gateway={gateway}&confirm=true"), &csv);
        assert_eq!(status, 200, "{text}");
    }

    fn import(&self, query: &str, csv: &str) -> (u16, String) {
        self.daemon.send("POST", &format!("/rates/import?{query}"), "text/csv", csv.as_bytes())
    }

    fn sdp(&self) -> String {
        sdp(self.ear.local_addr().expect("it is bound"), "sendrecv", 1)
    }

    #[track_caller]
    fn over(&self) -> Value {
        wait("an exchange without calls", LONG, || {
            self.daemon.get("/calls").as_array().filter(|calls| calls.is_empty()).map(drop)
        });
        self.daemon.last_cdr()
    }

    /// Packets of sound that came to the phone; those that wait are taken.
    fn heard(&self) -> usize {
        let mut packet = [0; 1500];
        self.ear.set_nonblocking(true).expect("a socket");
        std::iter::from_fn(|| self.ear.recv(&mut packet).ok()).filter(|n| *n > 12).count()
    }
}

/// How many INVITEs came to a provider, repeated ones too.
fn invites(provider: &Ua) -> usize {
    provider.peer.seen().iter().filter(|m| m.asks("INVITE")).count()
}

fn far() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

/// The INVITE, if one comes soon.
fn maybe_called(provider: &Ua, most: Duration) -> Option<Message> {
    provider.peer.within(most, &|m: &Message| m.asks("INVITE"))
}

#[test]
fn the_cheapest_healthy_provider_takes_the_call() {
    let testbed = Testbed::new(3, Some("fn route(c) { cheapest(3) }"), "");
    for (gateway, per_minute) in [("gw1", "0.01"), ("gw2", "0.02"), ("gw3", "0.60")] {
        testbed.price(gateway, per_minute);
    }
    let [failing, silent, good] = &testbed.providers[..] else { panic!("three providers") };
    let compared = testbed.daemon.get("/rates/compare?number=02079460000&seconds=60");
    let order: Vec<&str> =
        compared["offers"].as_array().unwrap().iter().filter_map(|o| o["gateway"].as_str()).collect();
    assert_eq!(order, ["gw1", "gw2", "gw3"], "{compared:#}");

    // The cheapest says 503, the next says nothing at all, the dearest answers.
    let mut talk = testbed.phone.dial(NUMBER, "", &testbed.sdp());
    let invite = failing.called();
    let failed = Instant::now();
    failing.peer.answer(&invite, "503 Service Unavailable", "", "");
    maybe_called(silent, SOON).expect("the second cheapest is tried");
    let moved = failed.elapsed();
    let invite = good.called();
    let took = failed.elapsed();
    println!(
        "after the 503 the next provider was called in {moved:?}, after its silence the third in {took:?}"
    );
    assert!(moved < SOON && took < SOON * 2, "{moved:?} {took:?}");
    let theirs = good.pick_up(&invite, &sdp(far(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    testbed.phone.hang_up(&talk);
    good.is_hung_up(&theirs);
    let cdr = testbed.over();
    assert_eq!((&cdr["target"], &cdr["cost"]["deck"]), (&json!("gw3"), &json!("gw3")), "{cdr:#}");
    assert_eq!(cdr["quote"]["prefix"], "44");
    assert_eq!(cdr["quote"]["per_minute_micros"], 600_000);
    assert_eq!(cdr["cost"]["currency"], "EUR");
    // A cent a second, by the second.
    let micros = cdr["cost"]["micros"].as_i64().unwrap();
    assert!(micros >= 10_000 && micros % 10_000 == 0, "{cdr:#}");
    assert!(cdr["cost"]["rule"].as_str().unwrap().contains("44 United Kingdom"), "{cdr:#}");

    // Once more the cheapest fails. Then it is the last that is tried.
    let mut talk = testbed.phone.dial(NUMBER, "", &testbed.sdp());
    if let Some(invite) = maybe_called(failing, Duration::from_secs(3)) {
        failing.peer.answer(&invite, "500 Server Internal Error", "", "");
    }
    let invite = good.called();
    good.peer.answer(&invite, "486 Busy Here", "", "");
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(486));
    testbed.over();

    // Busy is the called party's word: nobody else is asked.
    let before = (invites(failing), invites(silent));
    let mut talk = testbed.phone.dial(NUMBER, "", &testbed.sdp());
    let invite = good.called();
    good.peer.answer(&invite, "486 Busy Here", "", "");
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(486));
    let cdr = testbed.over();
    assert_eq!((&cdr["cause"], &cdr["target"]), (&json!("busy"), &json!("gw3")));
    assert_eq!((invites(failing), invites(silent)), before);
    let compared = testbed.daemon.get("/rates/compare?number=02079460000");
    assert_eq!(compared["offers"][0]["gateway"], "gw3", "{compared:#}");
}

/// A pound a second, and five of them a day.
const LIMIT: &str = r#"
[rates]
currency = "GBP"

[money]
least = "2s"
lease = "2s"

[[money.limit]]
name = "kids"
extension = "201"
per = "day"
amount = "5.00"
"#;

#[test]
fn a_limit_ends_a_call_and_refuses_the_next_but_not_an_emergency() {
    let mut testbed = Testbed::new(1, None, LIMIT);
    testbed.price("gw1", "60.00");
    let events = Events::open(&testbed.daemon);
    let [provider] = &testbed.providers[..] else { panic!("one provider") };

    let mut talk = testbed.phone.dial(NUMBER, "", &testbed.sdp());
    let invite = provider.called();
    let theirs = provider.pick_up(&invite, &sdp(far(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    let begin = Instant::now();
    provider.is_hung_up(&theirs);
    println!("five seconds' worth of money ended the call after {:?}", begin.elapsed());
    // The provider said nothing: what was heard so far is the warning. Now the caller hears why it is gone.
    assert!(testbed.heard() > 20, "the caller is warned");
    if let Some(again) = testbed.phone.asked(&talk, "INVITE", Duration::from_millis(500)) {
        testbed.phone.peer.answer(&again, "200 OK", &testbed.phone.peer.contact("201"), &testbed.sdp());
    }
    let bye = testbed.phone.asked(&talk, "BYE", LONG).expect("a BYE");
    testbed.phone.peer.answer(&bye, "200 OK", "", "");
    assert!(testbed.heard() > 20, "the reason is spoken");
    let cdr = testbed.over();
    assert_eq!(cdr["cause"], "spent", "{cdr:#}");
    let micros = cdr["cost"]["micros"].as_i64().unwrap();
    assert!((4_000_000..=8_000_000).contains(&micros), "{cdr:#}");
    for begins in ["80 % of a limit", "a limit refuses or ends calls"] {
        let says =
            |e: &Value| e["text"].as_str().is_some_and(|t| t.starts_with(begins) && t.contains("kids"));
        events.expect("alarm", |e| e["what"] == "money" && says(e));
    }

    // The next one is refused before the provider hears of it.
    let before = invites(provider);
    let mut talk = testbed.phone.dial(NUMBER, "", &testbed.sdp());
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(403));
    assert!(testbed.heard() > 20, "the reason is spoken");
    let cdr = testbed.over();
    assert_eq!((&cdr["cause"], &cdr["cost"]), (&json!("spent"), &Value::Null), "{cdr:#}");
    let steps = cdr["provenance"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|s| s[0] == "money"), "{cdr:#}");
    assert_eq!(invites(provider), before);
    let money = testbed.daemon.get("/money");
    assert_eq!(money["limits"][0]["limit"], "kids");
    assert!(money["limits"][0]["percent"].as_i64().unwrap() >= 75, "{money:#}");

    // Help is never too dear, before a crash and after it.
    call_for_help(&testbed);
    testbed.daemon.kill_and_restart();
    testbed.phone.register();
    let after = testbed.daemon.get("/money");
    assert_eq!(after["limits"][0]["spent"], money["limits"][0]["spent"], "{after:#}");
    let mut talk = testbed.phone.dial(NUMBER, "", &testbed.sdp());
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(403));
    call_for_help(&testbed);
}

#[track_caller]
fn call_for_help(testbed: &Testbed) {
    let provider = &testbed.providers[0];
    let mut talk = testbed.phone.dial("112", "", &testbed.sdp());
    let invite = provider.called();
    assert!(invite.dialled().contains("112"), "{}", invite.text);
    let theirs = provider.pick_up(&invite, &sdp(far(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    testbed.phone.hang_up(&talk);
    provider.is_hung_up(&theirs);
    let cdr = testbed.over();
    assert_eq!((&cdr["emergency"], &cdr["cost"]), (&json!(true), &Value::Null), "{cdr:#}");
}

#[test]
fn a_price_list_with_bad_rows_changes_nothing() {
    let testbed = Testbed::new(1, None, "");
    testbed.price("gw1", "0.01");
    let before = testbed.daemon.try_get("/rates/decks/gw1");
    assert_eq!(before.0, 200);
    let mut bad = "prefix,destination,rate\n44,United Kingdom,0.02\n".to_owned();
    for n in 0..30 {
        bad += &format!("4x{n},Nowhere,0.02\n");
    }
    let (status, text) = testbed.import("gateway=gw1&confirm=true", &bad);
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &problem["type"]), (422, &json!("urn:ringtrip:problem:bad-rows")), "{text}");
    let faults = problem["faults"].as_array().unwrap();
    assert_eq!(
        (faults.len(), &faults[0]["line"], &faults[0]["column"]),
        (20, &json!(3), &json!(1)),
        "{text}"
    );
    assert!(!faults[0]["hint"].as_str().unwrap().is_empty());
    assert_eq!(testbed.daemon.try_get("/rates/decks/gw1"), before);
    // A look shows what would change, and changes nothing.
    let (status, text) = testbed.import("gateway=gw1&skip_bad=true", &bad);
    let preview: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &preview["applied"], &preview["errors"]["count"]), (200, &json!(false), &json!(30)));
    assert_eq!(
        (&preview["changed"]["count"], &preview["removed"]["count"]),
        (&json!(1), &json!(1)),
        "{text}"
    );
    assert_eq!(testbed.daemon.try_get("/rates/decks/gw1"), before);

    // The same by hand.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bad).expect("it can be written");
    let path = file.path().display().to_string();
    let (ok, said) = ringtrip(&testbed, &["rates", "import", &path, "--gateway", "gw1", "--yes"]);
    assert!(!ok && said.contains("line 3, column 1") && said.contains("nothing was imported"), "{said}");
    assert_eq!(testbed.daemon.try_get("/rates/decks/gw1"), before);
    let (ok, said) =
        ringtrip(&testbed, &["rates", "import", &path, "--gateway", "gw1", "--yes", "--skip-bad"]);
    assert!(ok && said.contains("the deck gw1 is active: 1 rates"), "{said}");
    let (ok, said) = ringtrip(&testbed, &["rates", "quote", "02079460000"]);
    assert!(ok && said.contains("gw1: 0.02 EUR/min by prefix 44 of deck gw1"), "{said}");
    let (ok, said) = ringtrip(&testbed, &["rates", "compare", "0033123456789"]);
    assert!(!ok && said.contains("not gw1: deck gw1 has no price"), "{said}");
    let (ok, said) = ringtrip(&testbed, &["rates", "export", "gw1"]);
    assert!(ok && said.contains("44,United Kingdom,0.02,"), "{said}");
    let (ok, _) = ringtrip(&testbed, &["rates", "remove", "gw1"]);
    assert!(ok);
    assert_eq!(testbed.daemon.get("/rates"), json!([]));
}

/// The command line as a person uses it: did it say yes, and what?
fn ringtrip(testbed: &Testbed, args: &[&str]) -> (bool, String) {
    let out = Command::new(programs().join("ringtrip"))
        .env("RINGTRIP_URL", &testbed.daemon.url)
        .env("RINGTRIP_TOKEN", &testbed.daemon.token)
        .args(args)
        .output()
        .expect("ringtrip starts");
    let said = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8_lossy(&said).into_owned())
}
