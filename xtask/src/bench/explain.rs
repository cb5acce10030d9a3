//! `route explain` from end to end: asked over the HTTP API of a running exchange, with a script, gateways and prices.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::exchange::{Exchange, bench_config, launch};
use super::procs::{answers_sip, free_port, wait_for};
use super::report::{Bound, Report, Row};

/// Questions that are counted, after some that are not.
const ASKED: usize = 1000;
const WARM: usize = 100;

const SCRIPT: &str = r#"
fn premium() {
    ["1900", "1976", "900", "976"]
}
fn night(c) {
    c.hour >= 23 || c.hour < 6
}
fn route(c) {
    if c.source == "gateway" {
        return pass();
    }
    if starts_with_any(c.number, premium()) {
        return block("premium");
    }
    if night(c) && !c.number.starts_with("1800") {
        return block("no calls at night");
    }
    if c.number.starts_with("011") {
        return cheapest(2);
    }
    pass()
}
"#;

/// Asks a thousand times for a call abroad over one connection.
pub fn explain(report: &mut Report) -> Result<()> {
    let dir = std::env::temp_dir().join(format!("ringtrip-bench-explain-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let measured = ask(&dir);
    let _ = fs::remove_dir_all(&dir);
    let mut all = measured?;
    all.sort_unstable();
    for (what, ours, bound) in [
        ("explain over HTTP, median", all[ASKED / 2], Some(Bound::Most(2000.0))),
        ("explain over HTTP, 99 of 100", all[ASKED * 99 / 100], None),
    ] {
        let ours = ours.as_secs_f64() * 1e6;
        report.add(Row { what: what.into(), ours, other: None, unit: "µs", bound });
    }
    Ok(())
}

fn ask(dir: &Path) -> Result<Vec<Duration>> {
    let scripts = dir.join("data/scripts");
    fs::create_dir_all(&scripts)?;
    fs::write(scripts.join("house.rhai"), SCRIPT)?;
    let config = format!("script = \"scripts/house.rhai\"\n{}", bench_config(free_port()?)?);
    let exchange = launch(dir, &config)?;
    wait_for("the exchange's first answer", || answers_sip(exchange.sip_port))?;
    let client = ApiClient::open(&exchange, dir)?;
    for (gateway, price) in [("gw1", "0.02"), ("gw2", "0.03")] {
        let list = format!("prefix,destination,rate\n33,France,{price}\n");
        client.post(&format!("/rates/import?gateway={gateway}&confirm=true"), "text/csv", &list)?;
    }
    let mut took = Vec::with_capacity(ASKED);
    for n in 0..WARM + ASKED {
        let number = format!("01133{}", 123_456_789 + n);
        let question = json!({"number": number, "from": "10000", "at": "2026-06-01T12:00"}).to_string();
        let began = Instant::now();
        let answer = client.post("/routes/explain", "application/json", &question)?;
        if n >= WARM {
            took.push(began.elapsed());
        } else if answer["stages"].as_array().map(Vec::len) != Some(2) {
            bail!("the call abroad should have two stages, the cheaper one first: {answer}");
        }
    }
    Ok(took)
}

/// The HTTP API, with the first administrator's token.
struct ApiClient {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl ApiClient {
    fn open(exchange: &Exchange, dir: &Path) -> Result<ApiClient> {
        let file = dir.join("data/client.json");
        wait_for("the client of the exchange", || file.is_file())?;
        let client: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let token = client["token"].as_str().context("a client without a token")?.to_owned();
        let url = format!("http://127.0.0.1:{}/api/v1", exchange.http_port);
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
        Ok(ApiClient { agent: agent.http_status_as_error(false).build().into(), url, token })
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.url)).header("Content-Type", kind);
        let mut answer = request.header("Authorization", format!("Bearer {}", self.token)).send(body)?;
        let text = answer.body_mut().read_to_string()?;
        if !answer.status().is_success() {
            bail!("POST {path}: {} {text}", answer.status());
        }
        Ok(serde_json::from_str(&text)?)
    }
}
