//! Scripts that were written to take the exchange down, against the running exchange: each is checked, explained and
//! activated, many at once, and the exchange answers all the while and holds no more memory than before.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::Daemon;
use serde_json::json;

const HOUSE: &str = r#"
region = "us"
default_plan = "home"
script = "scripts/policy.rhai"
[plans]
home = "(911S0<:@gw1>|8xxx<:@gw1>|xxx)"
[extension.201]
password = "pw-201-phones"
[extension.202]
password = "pw-202-phones"
[gateway.gw1]
server = "127.0.0.9:9"
user = "acct"
register = false
[emergency]
providers = ["gw1"]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

/// The exchange may hold so much more afterwards: stacks and caches of threads that were not there before.
const MORE: u64 = 256 << 20;
/// How long anything else is kept waiting, on a machine that does other things as well.
const SLOWEST_REPLY: Duration = Duration::from_secs(3);

fn memory(daemon: &Daemon) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", daemon.pid())).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// The standing corpus of the scripts' own tests, and texts that are bombs for a parser.
fn bombs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/routing/tests/abuse");
    let files = std::fs::read_dir(folder).expect("the corpus").map(|e| e.expect("an entry").path());
    let mut all: Vec<(String, String)> = files
        .map(|file| {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&file).expect("a script"))
        })
        .collect();
    for piece in ["`${", "(", "'", "#", "[", "1+", "a b ", "fn a(", "import \"uk\" as uk;"] {
        all.push((piece.to_owned(), piece.repeat((200 << 10) / piece.len())));
    }
    all.sort();
    assert!(all.len() > 40, "{}", all.len());
    all
}

#[test]
fn no_script_takes_the_exchange_down_or_keeps_others_waiting() {
    let daemon = Daemon::start(HOUSE);
    let good = "fn route(c) { pass() }";
    assert_eq!(daemon.send("PUT", "/scripts/policy.rhai", "text/plain", good.as_bytes()).0, 204);
    let document = HOUSE.replace("SIP_PORT", "5999");
    let explain = |text: &str| {
        let ask =
            json!({ "from": "201", "number": "202", "config": document, "scripts": { "policy.rhai": text } });
        daemon.send("POST", "/routes/explain", "application/json", ask.to_string().as_bytes())
    };
    assert_eq!(explain(good).0, 200);
    let before = memory(&daemon);
    let all = bombs();
    let slowest = std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(6)) {
            let (daemon, explain) = (&daemon, &explain);
            scope.spawn(move || {
                for (name, text) in part {
                    let check =
                        daemon.send("POST", "/scripts/policy.rhai/check", "text/plain", text.as_bytes());
                    assert!(matches!(check.0, 204 | 422 | 503), "{name}: {check:?}");
                    let explained = explain(text);
                    assert!(matches!(explained.0, 200 | 400 | 422 | 503), "{name}: {explained:?}");
                    // Active, for one number that no dry run dials.
                    let text = text.replacen("fn route(c)", "fn bomb(c)", 1)
                        + "\nfn route(c) { if c.dialled == \"87\" + \"31\" { bomb(c) } else { pass() } }";
                    let put = daemon.send("PUT", "/scripts/policy.rhai", "text/plain", text.as_bytes());
                    assert!(matches!(put.0, 204 | 422), "{name}: {put:?}");
                    let asked = json!({ "from": "201", "number": "8731" }).to_string();
                    let tried = daemon.send("POST", "/route/try", "application/json", asked.as_bytes());
                    assert!(matches!(tried.0, 200 | 503), "{name}: {tried:?}");
                }
            });
        }
        // Meanwhile the exchange answers, and help is reached.
        let (began, mut slowest) = (Instant::now(), Duration::ZERO);
        while began.elapsed() < Duration::from_secs(8) {
            let asked = Instant::now();
            assert_eq!(daemon.try_get("/state").0, 200);
            slowest = slowest.max(asked.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
        slowest
    });
    assert!(slowest < SLOWEST_REPLY, "{slowest:?}");
    let grew = memory(&daemon).saturating_sub(before);
    println!("slowest answer beside them {slowest:?}; {} MiB more", grew >> 20);
    assert!(grew < MORE, "{} MiB more", grew >> 20);
    assert_eq!(daemon.send("PUT", "/scripts/policy.rhai", "text/plain", good.as_bytes()).0, 204);
    let help = daemon.post("/route/try", json!({ "from": "201", "number": "911" }));
    assert_eq!(help["verdict"], "emergency", "{help}");
}
