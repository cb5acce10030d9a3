//! Commands that ask the running exchange.

use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, quoted};
use super::script::Script;
use super::{Call, Cdr, Command, Config, Outcome, Refusal, Route, Token, print_json, print_table};
use crate::config::DiffLine;
use crate::http::HolidayView;
use crate::store::{CdrRecord, ConfigMeta};

pub(super) fn run(client: &Client, command: Command, json: bool) -> Outcome {
    match command {
        Command::Config(command) => config(client, command, json),
        Command::Call(command) => call(client, command, json),
        Command::Cdr(command) => cdr(client, command, json),
        Command::Line(_) => {
            let columns =
                ["id", "kind", "state", "off_hook", "volts", "milliamps", "call", "last_disconnect"];
            list(client, "/lines", &columns, json)
        }
        Command::Gateway(_) => list(
            client,
            "/gateways",
            &["id", "server", "registration", "up", "latency_ms", "calls", "why"],
            json,
        ),
        Command::Extension(_) => {
            list(client, "/extensions", &["id", "name", "line", "contacts", "calls"], json)
        }
        Command::Token(command) => token(client, command, json),
        Command::Route(Route::Failover) => list(client, "/failover", &["cause", "rule", "usual"], json),
        Command::Rates(command) => super::rates::run(client, command, json),
        Command::Draft(command) => super::drafts::run(client, command, json),
        Command::Route(Route::Explain(ask)) => super::routes::explain(client, &ask, json),
        Command::Route(Route::WhoReaches { target, draft }) => {
            super::routes::who_reaches(client, &target, draft.as_deref(), json)
        }
        Command::Route(Route::Try { from, number }) => {
            let answer: Value = client.post("/route/try", &json!({ "from": from, "number": number }))?;
            if json {
                print_json(&answer);
            } else {
                println!("{}", serde_json::to_string_pretty(&answer).unwrap_or_default());
            }
            Ok(answer["verdict"] != "refuse")
        }
        Command::Script(Script::Put { file }) => super::script::put(client, &file, json),
        // Answered before a client was made.
        Command::Script(_) => Ok(false),
        // Answered before a client was made.
        #[cfg(feature = "plugins")]
        Command::Plugin(_) => Ok(false),
        Command::Serve(_) | Command::Dialplan(_) | Command::Admin(_) | Command::StoreTorture(_) => Ok(false),
    }
}

fn config(client: &Client, command: Config, json: bool) -> Outcome {
    match command {
        Config::Check { .. } => Ok(false),
        Config::Holidays { year, .. } => {
            let only = year.map(|y| format!("?year={y}")).unwrap_or_default();
            let days: Vec<HolidayView> = client.get(&format!("/holidays{only}"))?;
            super::offline::print_holidays(&days, json);
            Ok(true)
        }
        Config::Show { version, secrets } => {
            let path = version.map_or("/config".to_owned(), |v| format!("/config/versions/{v}"));
            let document: Value = client.get(&format!("{path}?secrets={secrets}"))?;
            if json {
                print_json(&document);
            } else {
                print!("{}", document["text"].as_str().unwrap_or(""));
            }
            Ok(true)
        }
        Config::Versions => {
            let versions: Vec<ConfigMeta> = client.get("/config/versions")?;
            if json {
                print_json(&versions);
            } else {
                let row = |v: &ConfigMeta| {
                    vec![v.version.to_string(), time(v.at_micros), v.author.clone(), v.note.clone()]
                };
                print_table(&["version", "at", "by", "note"], &versions.iter().map(row).collect::<Vec<_>>());
            }
            Ok(true)
        }
        Config::Diff { from, to } => {
            let mut query = Vec::new();
            query.extend(from.map(|v| format!("from={v}")));
            query.extend(to.map(|v| format!("to={v}")));
            let comparison: Value = client.get(&format!("/config/diff?{}", query.join("&")))?;
            if json {
                print_json(&comparison);
            } else {
                let lines: Vec<DiffLine> =
                    serde_json::from_value(comparison["lines"].clone()).unwrap_or_default();
                for line in lines.iter().filter(|l| l.op != ' ') {
                    println!("{} {}", line.op, line.text);
                }
                println!("{}", comparison["summary"].as_str().unwrap_or(""));
            }
            Ok(true)
        }
        Config::Put { file, note, from } => {
            let if_match = match from {
                Some(version) => version.to_string(),
                None => client.get::<Value>("/config")?["version"].to_string(),
            };
            let path = format!("/config?note={}", quoted(&note));
            applied(&client.put(&path, &format!("\"{if_match}\""), &text_of(&file)?)?, json)
        }
        Config::Undo { version } => {
            applied(&client.post("/config/undo", &json!({ "version": version }))?, json)
        }
    }
}

pub(super) fn applied(answer: &Value, json: bool) -> Outcome {
    if json {
        print_json(answer);
    } else {
        println!("version {} is active: {}", answer["version"], answer["summary"].as_str().unwrap_or(""));
        for fault in answer["faults"].as_array().into_iter().flatten() {
            let word = |key: &str| fault[key].as_str().unwrap_or("");
            println!("{}:{}: warning: {}; {}", fault["line"], fault["column"], word("what"), word("hint"));
        }
    }
    Ok(true)
}

fn call(client: &Client, command: Call, json: bool) -> Outcome {
    match command {
        Call::List => list(client, "/calls", &["id", "state", "from", "dialled", "to", "emergency"], json),
        Call::Originate { from, to } => {
            let started: Value = client.post("/calls", &json!({ "from": from, "to": to }))?;
            if json {
                print_json(&started);
            } else {
                println!("{}", started["id"].as_str().unwrap_or(""));
            }
            Ok(true)
        }
        Call::Hangup { id } => {
            client.delete(&format!("/calls/{}", quoted(&id)))?;
            yes(json)
        }
    }
}

fn cdr(client: &Client, command: Cdr, json: bool) -> Outcome {
    match command {
        Cdr::List { limit, party, cause, cursor } => {
            let mut path = format!("/cdrs?limit={limit}");
            for (key, value) in [("party", party), ("cause", cause), ("cursor", cursor)] {
                if let Some(value) = value {
                    path += &format!("&{key}={}", quoted(&value));
                }
            }
            let page: Value = client.get(&path)?;
            if json {
                print_json(&page);
                return Ok(true);
            }
            let records: Vec<CdrRecord> = serde_json::from_value(page["cdrs"].clone()).unwrap_or_default();
            let row = |r: &CdrRecord| {
                let talked = match (r.answered_after_us, r.ended_after_us) {
                    (Some(answered), Some(ended)) => {
                        format!("{:.1}", ended.saturating_sub(answered) as f64 / 1e6)
                    }
                    _ => "-".to_owned(),
                };
                vec![
                    r.call.clone(),
                    time(r.started_micros),
                    if r.source.name.is_empty() { r.source.kind.clone() } else { r.source.name.clone() },
                    r.dialled.clone(),
                    r.target.clone(),
                    talked,
                    r.cause.clone().unwrap_or_else(|| "in progress".to_owned()),
                ]
            };
            let head = ["call", "started", "from", "dialled", "to", "talked s", "ended"];
            print_table(&head, &records.iter().map(row).collect::<Vec<_>>());
            if let Some(next) = page["next"].as_str() {
                println!("more: --cursor {next}");
            }
            Ok(true)
        }
        Cdr::Show { id } => {
            let record: Value = client.get(&format!("/cdrs/{}", quoted(&id)))?;
            if json {
                print_json(&record);
            } else {
                super::routes::show_record(&record);
            }
            Ok(true)
        }
    }
}

fn token(client: &Client, command: Token, json: bool) -> Outcome {
    match command {
        Token::Create { name, scope } => {
            let made: Value = client.post("/tokens", &json!({ "name": name, "scope": scope }))?;
            if json {
                print_json(&made);
            } else {
                println!("{}", made["token"].as_str().unwrap_or(""));
            }
            Ok(true)
        }
        Token::List => list(client, "/tokens", &["id", "name", "scope"], json),
        Token::Revoke { id } => {
            client.delete(&format!("/tokens/{}", quoted(&id)))?;
            yes(json)
        }
    }
}

/// A list of objects as a table of these columns.
fn list(client: &Client, path: &str, columns: &[&str], json: bool) -> Outcome {
    let items: Vec<Value> = client.get(path)?;
    if json {
        print_json(&items);
        return Ok(true);
    }
    let cell = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.len().to_string(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> =
        items.iter().map(|i| columns.iter().map(|c| cell(&i[*c])).collect()).collect();
    print_table(columns, &rows);
    Ok(true)
}

pub(super) fn yes(json: bool) -> Outcome {
    if json {
        print_json(&json!({ "ok": true }));
    } else {
        println!("ok");
    }
    Ok(true)
}

pub(super) fn text_of(file: &Path) -> Result<String, Refusal> {
    std::fs::read_to_string(file).map_err(|e| Refusal::Misuse(format!("{}: {e}", file.display())))
}

/// Local time, to the second.
pub(super) fn time(micros: i64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_microsecond(micros) else { return "-".to_owned() };
    stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
