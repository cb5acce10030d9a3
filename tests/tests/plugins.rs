//! Wasm plugins in a running exchange: a calling card out of the landline's jack, a plugin that does everything wrong,
//! packages that are refused, a plugin that is replaced while calls come.
#![allow(clippy::disallowed_methods)] // Runs programs and looks at the clock.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use ringtrip_testkit::analog::{AnalogPort, multimon};
use ringtrip_testkit::events::EventStream;
use ringtrip_testkit::live::{Daemon, free_port, has, wait};
use ringtrip_testkit::publisher::{Publisher, install, ready};
use ringtrip_testkit::ua::{Canary, Stage, Ua};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(30);
/// Dial tone of the UK.
const DIAL: [f64; 2] = [350.0, 440.0];

#[track_caller]
fn set(exchange: &Daemon, plugin: &str, settings: Value) {
    let body = json!({ "enabled": true, "settings": settings }).to_string();
    let headers = [("Content-Type", "application/json")];
    let (status, said) = exchange.request("PATCH", &format!("/plugins/{plugin}"), &headers, body.as_bytes());
    assert_eq!(status, 200, "{said}");
}

#[test]
#[cfg_attr(
    not(all(has_plugins, has_multimon)),
    ignore = "needs the plugins (`cargo xtask plugins`), multimon-ng"
)]
fn a_calling_card_goes_out_of_the_landlines_jack() {
    let Some(publisher) = Publisher::new("gateway-callingcard") else { return };
    let exchange = Daemon::start(&format!(
        r#"
region = "uk"
default_plan = "home"

[plans]
home = "(1xxS0|00xx.<:@gw3>)"

[extension.101]
line = "fxs1"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxo1]
kind = "fxo"
port = "virtual:1"
long_silence = "off"

[gateway.gw3]
plugin = "gateway-callingcard"
decks = ["gateway-callingcard"]

[plugins]
trust = ["{}"]

[board.virtual]
settings = {{ fxs = 1, fxo = 1, region = "uk" }}

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#,
        publisher.key
    ));
    let who = json!({ "number": "08001234567", "does": "answer", "rings": 1, "says": "silence" });
    exchange.sim("office.subscriber", who);
    install(&exchange, &publisher.pack("gateway-callingcard", "0.1.0"));
    let settings =
        json!({ "access": "0800 123 4567", "pin": "471155", "prices": "33 = 0.012 + 0.05 France" });
    set(&exchange, "gateway-callingcard", settings);
    wait("the card's prices", LONG, || {
        exchange.get("/rates").to_string().contains("\"gateway-callingcard\"").then_some(())
    });

    let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, 1));
    let since = office.now();
    hall.lift();
    hall.until_tone(&DIAL, LONG);
    hall.press("0033123456789");
    office.until("the card's answer", LONG, |state| (state["office"] == "talking").then_some(()));
    // Access number, two pauses of 2 s, PIN and number at ten keys in two seconds: all is over in 20 s.
    let heard = office.hear(since, 26_000);
    if has("multimon-ng") {
        assert_eq!(multimon(&heard, exchange.dir.path()), "080012345674711550033123456789#");
    }
    hall.hang_up();
    let cdr = exchange.last_cdr();
    assert_eq!((&cdr["target"], &cdr["sent"]), (&json!("gw3"), &json!("08001234567")), "{cdr}");
    assert!(cdr["provenance"].to_string().contains("calling card"), "{cdr}");
    assert_eq!(cdr["quote"]["deck"], "gateway-callingcard", "what the card says priced it: {cdr}");
    let shown = exchange.get("/plugins/gateway-callingcard").to_string();
    for (what, text) in [("record", cdr.to_string()), ("log", exchange.log()), ("view", shown)] {
        assert!(!text.contains("471155"), "the PIN stands in the {what}: {text}");
    }
}

/// An exchange whose numbers 6661… go out by a provider, who answers; and two phones whose call must not suffer.
fn testbed(publisher: &Publisher, more: &str) -> (Daemon, Ua) {
    let exchange = Daemon::start(&format!(
        r#"
region = "uk"
default_plan = "home"

[plans]
home = "(6661xx<:@gw1>|[12]xx)"

[extension.201]
password = "pw-201-canary"
[extension.202]
password = "pw-202-canary"
[extension.203]
password = "pw-203-phones"
[extension.204]
password = "pw-204-phones"

[gateway.gw1]
server = "127.0.0.9:5999"
user = "204"
register = false
options_interval = "off"

[plugins]
trust = ["{}"]

[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
{more}
"#,
        publisher.key
    ));
    let provider = Ua::start_at([127, 0, 0, 9].into(), exchange.sip, "204", "pw-204-phones");
    let text = exchange.get("/config?secrets=true")["text"].as_str().expect("a document").to_owned();
    let text = text.replace("127.0.0.9:5999", &provider.addr().to_string());
    let (status, said) = exchange.put_config(&text, "*");
    assert_eq!(status, 200, "{said}");
    (exchange, provider)
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn a_plugin_that_does_everything_wrong_costs_nothing() {
    let Some(publisher) = Publisher::new("fixture") else { return };
    let (exchange, provider) = testbed(&publisher, "");
    provider.answers(true);
    let canary = Canary::sing(&exchange, ("201", "pw-201-canary"), ("202", "pw-202-canary"));
    let events = EventStream::start(&exchange);
    install(&exchange, &publisher.pack("fixture", "0.1.0"));
    let phone = Ua::start(exchange.sip, "203", "pw-203-phones");
    phone.register();
    // Traps, loops, sleeps, eats memory, recurses, and lies in five ways: the plan's own route is taken.
    for mode in ["01", "02", "03", "04", "06", "07", "08", "09", "10", "12"] {
        let call = phone.call(&format!("6661{mode}"));
        wait(&format!("the call in mode {mode}"), LONG, || {
            (phone.stage(&call) == Some(Stage::Up)).then_some(())
        });
        phone.bye(&call);
        phone.is(&call, Stage::Over(200));
        let failed = events.next("plugin.failed", &[]);
        println!("mode {mode}: {failed}");
        // A right answer between them: a plugin that fails five times in a row is left alone for a while.
        let call = phone.call("666100");
        wait("a right answer", LONG, || (phone.stage(&call) == Some(Stage::Up)).then_some(()));
        phone.bye(&call);
    }
    // An ungranted host is refused, and the plugin hears so.
    let call = phone.invite("666117");
    assert!(phone.ended(&call) >= 400);
    let cdr = exchange.last_cdr();
    assert!(cdr["provenance"].to_string().contains("grant"), "{cdr}");
    canary.sings("a plugin that misbehaves");
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn a_package_that_is_refused_changes_nothing() {
    let Some(publisher) = Publisher::new("fixture") else { return };
    let (exchange, _provider) = testbed(&publisher, "");
    ready(&exchange);
    let package = publisher.pack("fixture", "0.1.0");
    let mut tampered = package.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    let stranger = Publisher::new("fixture").expect("it is built").pack("fixture", "0.1.0");
    let check = |path: &str, package: &[u8], wanted: u16, kind: &str| {
        let (status, said) = exchange.send("POST", path, "application/octet-stream", package);
        assert_eq!(status, wanted, "{said}");
        assert!(said.contains(kind) && said.contains("Nothing was changed"), "{kind}: {said}");
        assert_eq!(exchange.get("/plugins"), json!([]));
    };
    check("/plugins?grant_all=true", &tampered, 422, "plugin-tampered");
    check("/plugins?grant_all=true", &package[..package.len() - 9], 422, "plugin-broken");
    check("/plugins?grant_all=true", &stranger, 403, "plugin-publisher-unknown");
    check("/plugins?grant=store", &package, 403, "plugin-not-granted");
    check("/plugins", b"not a package at all", 422, "plugin-broken");
    install(&exchange, &package);
    assert_eq!(exchange.get("/plugins")[0]["name"], "fixture");
}

#[test]
#[cfg_attr(not(all(has_plugins, has_sipp)), ignore = "needs the plugins (`cargo xtask plugins`), sipp")]
fn a_plugin_is_replaced_while_fifty_calls_a_second_come() {
    let Some(publisher) = Publisher::new("policy-quiet-hours") else { return };
    if !has("sipp") {
        return;
    }
    let (uas, uac) = (free_port(), free_port());
    let more = format!(
        r#"
[gateway.gw2]
server = "127.0.0.5:{uac}"
user = "in"
register = false
options_interval = "off"
inbound = {{ number = "7000" }}

[gateway.gw4]
server = "127.0.0.6:{uas}"
user = "out"
register = false
options_interval = "off"
"#
    );
    let (exchange, _provider) = testbed(&publisher, &more);
    let text = exchange.get("/config?secrets=true")["text"].as_str().expect("a document").to_owned();
    let text = text.replace("(6661xx<:@gw1>|", "(7000<:@gw4>|6661xx<:@gw1>|");
    let (status, said) = exchange.put_config(&text, "*");
    assert_eq!(status, 200, "{said}");
    let name = "policy-quiet-hours";
    install(&exchange, &publisher.pack(name, "0.1.0"));
    // It is asked about each call and refuses none, whatever the hour is.
    set(&exchange, name, json!({ "extensions": "199" }));

    let seconds = 8;
    let calls = (50 * seconds).to_string();
    let sipp = |at: &str, args: &[&str]| {
        let mut command = Command::new("sipp");
        command.args(args).args(["-nostdin", "-i", at, "-timeout", "60s"]);
        command
            .current_dir(publisher.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().expect("sipp starts")
    };
    let mut answers = sipp("127.0.0.6", &["-sn", "uas", "-p", &uas.to_string()]);
    let to: SocketAddr = ([127, 0, 0, 1], exchange.sip).into();
    let mut asks = sipp(
        "127.0.0.5",
        &[
            "-sn",
            "uac",
            "-s",
            "7000",
            "-r",
            "50",
            "-m",
            &calls,
            "-d",
            "1000",
            "-p",
            &uac.to_string(),
            &to.to_string(),
        ],
    );
    for version in ["0.1.1", "0.1.2", "0.1.3"] {
        let package = publisher.pack(name, version);
        std::thread::sleep(Duration::from_secs(1));
        let (status, said) = exchange.send(
            "PUT",
            &format!("/plugins/{name}?grant_all=true"),
            "application/octet-stream",
            &package,
        );
        assert_eq!(status, 200, "{said}");
    }
    let ended = wait("the end of the calls", Duration::from_secs(55), || asks.try_wait().ok().flatten());
    let _ = answers.kill();
    let _ = answers.wait();
    let failed = || {
        let page = exchange.get("/cdrs?limit=500&open=false");
        let all = page["cdrs"].as_array().cloned().unwrap_or_default();
        let shown = |c: &Value| format!("{} {} {:?}", c["call"], c["cause"], c["provenance"]["because"]);
        let failed: Vec<String> = all.iter().filter(|c| c["cause"] != "normal").map(shown).collect();
        format!("{} records; {failed:#?}", all.len())
    };
    assert!(ended.success(), "sipp: {ended}; some of {calls} calls failed: {}", failed());
    assert_eq!(exchange.get(&format!("/plugins/{name}"))["version"], "0.1.3");
    let page = exchange.get("/cdrs?limit=100");
    let asked = page["cdrs"].as_array().expect("records").iter().filter(|cdr| {
        let steps = cdr["provenance"]["steps"].as_array();
        steps.is_some_and(|steps| steps.iter().any(|s| s.to_string().contains("policy-quiet-hours 0.1.3")))
    });
    assert!(asked.count() > 10, "the newest version is asked: {}", page["cdrs"][0]);
}
