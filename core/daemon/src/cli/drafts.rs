//! Drafts of routes on the command line.

use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, quoted};
use super::remote::{text_of, time, yes};
use super::{Draft, Outcome, Refusal, print_json, print_table};

pub(super) fn run(client: &Client, command: Draft, json: bool) -> Outcome {
    match command {
        Draft::New { name, note } => {
            let made: Value = client.post("/drafts", &json!({ "name": name, "note": note }))?;
            said(&made, json, || println!("draft {name} was made from version {}", made["base_version"]))
        }
        Draft::List => {
            let drafts: Vec<Value> = client.get("/drafts")?;
            if json {
                print_json(&drafts);
                return Ok(true);
            }
            let text = |v: &Value, key: &str| v[key].as_str().unwrap_or("").to_owned();
            let row = |d: &Value| {
                let stale = if d["stale"] == true { "yes" } else { "no" }.to_owned();
                let at = time(d["at_micros"].as_i64().unwrap_or(0));
                vec![
                    text(d, "name"),
                    text(d, "phase"),
                    d["base_version"].to_string(),
                    stale,
                    at,
                    text(d, "author"),
                    text(d, "note"),
                ]
            };
            let head = ["name", "phase", "from version", "stale", "changed", "by", "note"];
            print_table(&head, &drafts.iter().map(row).collect::<Vec<_>>());
            Ok(true)
        }
        Draft::Show { name, script, secrets } => {
            let draft: Value = client.get(&format!("{}?secrets={secrets}", path(&name)))?;
            let text = text_in(&draft, script.as_deref())?;
            said(&draft, json, || print!("{text}"))
        }
        Draft::Put { name, file } => {
            let text = text_of(&file)?;
            put(client, &name, script_of(&file)?.as_deref(), &text, json)
        }
        Draft::Edit { name, script } => edit(client, &name, script.as_deref(), json),
        Draft::Diff { name } => {
            let texts: Vec<Value> = client.get(&format!("{}/diff", path(&name)))?;
            if json {
                print_json(&texts);
                return Ok(true);
            }
            for text in &texts {
                println!(
                    "{}: {}",
                    text["what"].as_str().unwrap_or(""),
                    text["summary"].as_str().unwrap_or("")
                );
                for line in text["lines"].as_array().into_iter().flatten().filter(|l| l["op"] != " ") {
                    println!("{} {}", line["op"].as_str().unwrap_or(""), line["text"].as_str().unwrap_or(""));
                }
            }
            if texts.is_empty() {
                println!("nothing differs from what is in force");
            }
            Ok(true)
        }
        Draft::Check { name } => {
            let checks: Value = client.post(&format!("{}/check", path(&name)), &json!({}))?;
            let ok = checks["ok"] == true;
            said(&checks, json, || {
                faults(&checks);
                println!("{}: {} calls on paper", if ok { "ok" } else { "refused" }, checks["decisions"]);
            })?;
            Ok(ok)
        }
        Draft::Replay { name, days } => {
            let found: Value = client.post(&format!("{}/replay", path(&name)), &json!({ "days": days }))?;
            said(&found, json, || replayed(&found))
        }
        Draft::Rebase { name } => {
            let draft: Value = client.post(&format!("{}/rebase", path(&name)), &json!({}))?;
            said(&draft, json, || println!("draft {name} may replace version {}", draft["base_version"]))
        }
        Draft::Activate { name } => {
            let now: Value = client.post(&format!("{}/activate", path(&name)), &json!({}))?;
            said(&now, json, || {
                faults(&now["checks"]);
                in_force(&now);
            })
        }
        Draft::Undo { name } => {
            let now: Value = client.post(&format!("{}/undo", path(&name)), &json!({}))?;
            said(&now, json, || in_force(&now))
        }
        Draft::Discard { name } => {
            client.delete(&path(&name))?;
            yes(json)
        }
        Draft::Canary { name, stop: true, .. } => {
            client.delete(&format!("{}/canary", path(&name)))?;
            yes(json)
        }
        Draft::Canary { name, extension: None, share: None, .. } => {
            let view: Value = client.get(&format!("{}/canary", path(&name)))?;
            said(&view, json, || canary(&view))
        }
        Draft::Canary { name, extension, share, hours, least, .. } => {
            let share = share.map(|s| percent(&s)).transpose()?;
            let body = json!({ "extension": extension, "share": share, "hours": hours, "least": least });
            let view: Value = client.post(&format!("{}/canary", path(&name)), &body)?;
            said(&view, json, || canary(&view))
        }
    }
}

fn path(name: &str) -> String {
    format!("/drafts/{}", quoted(name))
}

fn said(answer: &Value, json: bool, print: impl FnOnce()) -> Outcome {
    if json {
        print_json(answer);
    } else {
        print();
    }
    Ok(true)
}

/// `None` for a document, the name for a script.
fn script_of(file: &Path) -> Result<Option<String>, Refusal> {
    match file.extension().and_then(|e| e.to_str()) {
        Some("toml") => Ok(None),
        Some("rhai") => Ok(file.file_name().and_then(|n| n.to_str()).map(str::to_owned)),
        _ => Err(Refusal::Misuse(format!("{} is no document (.toml) and no script (.rhai)", file.display()))),
    }
}

fn put(client: &Client, name: &str, script: Option<&str>, text: &str, json: bool) -> Outcome {
    let revision = client.get::<Value>(&path(name))?["revision"].to_string();
    put_from(client, name, script, text, &revision, json)
}

fn put_from(
    client: &Client,
    name: &str,
    script: Option<&str>,
    text: &str,
    revision: &str,
    json: bool,
) -> Outcome {
    let part = script.map_or_else(|| "config".to_owned(), |s| format!("scripts/{}", quoted(s)));
    let draft: Value = client.put(&format!("{}/{part}", path(name)), &format!("\"{revision}\""), text)?;
    said(&draft, json, || println!("draft {name} is at revision {}", draft["revision"]))
}

fn edit(client: &Client, name: &str, script: Option<&str>, json: bool) -> Outcome {
    let draft: Value = client.get(&format!("{}?secrets=true", path(name)))?;
    let before = text_in(&draft, script)?;
    let file = std::env::temp_dir().join(format!(
        "ringtrip-{}-{}",
        std::process::id(),
        script.unwrap_or("draft.toml")
    ));
    let failed = |e: std::io::Error| Refusal::No(format!("{}: {e}", file.display()));
    write_private(&file, &before).map_err(failed)?;
    let editor = std::env::var("EDITOR").unwrap_or_else(|_| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let run = std::process::Command::new(words.next().unwrap_or("vi")).args(words).arg(&file).status();
    let after = std::fs::read_to_string(&file);
    let _ = std::fs::remove_file(&file);
    match run {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Refusal::No(format!("{editor} ended with {status}; the draft stays as it was")));
        }
        Err(e) => return Err(Refusal::No(format!("{editor}: {e}; set EDITOR"))),
    }
    let after = after.map_err(failed)?;
    if after == before {
        println!("nothing was changed");
        return Ok(true);
    }
    put_from(client, name, script, &after, &draft["revision"].to_string(), json)
}

/// A document has passwords in it.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    open.write_all(text.as_bytes())
}

fn text_in(draft: &Value, script: Option<&str>) -> Result<String, Refusal> {
    let text = match script {
        None => draft["config"].as_str(),
        Some(name) => draft["script_texts"][name].as_str(),
    };
    text.map(str::to_owned)
        .ok_or_else(|| Refusal::No(format!("the draft has no script {}", script.unwrap_or(""))))
}

fn faults(checks: &Value) {
    for fault in checks["faults"].as_array().into_iter().flatten() {
        let word = |key: &str| fault[key].as_str().unwrap_or("");
        let place = match fault["line"].as_u64() {
            Some(0) | None => String::new(),
            Some(line) => format!("{line}:{}: ", fault["column"]),
        };
        println!("{place}{}: {}: {}; {}", word("severity"), word("path"), word("what"), word("hint"));
    }
    for example in checks["examples"].as_array().into_iter().flatten() {
        let word = |key: &str| example[key].as_str().unwrap_or("");
        println!(
            "  for example {:?} from {} at {} ({})",
            word("number"),
            word("from"),
            word("at"),
            word("rule")
        );
    }
}

fn in_force(now: &Value) {
    let scripts: Vec<&str> =
        now["scripts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let scripts = if scripts.is_empty() { "no script changed".to_owned() } else { scripts.join(", ") };
    println!("version {} is active: {}; {scripts}", now["version"], now["summary"].as_str().unwrap_or(""));
}

fn replayed(found: &Value) {
    println!(
        "{} calls: {} as now, {} go elsewhere, {} would be refused, {} would go through, {} fail, {} emergency calls differ",
        found["calls"],
        found["same"],
        found["changed"],
        found["newly_refused"],
        found["newly_routed"],
        found["failed"],
        found["emergency_changed"]
    );
    for price in found["prices"].as_array().into_iter().flatten() {
        let (before, after) = (money(&price["before_micros"]), money(&price["after_micros"]));
        println!("{} {before:.2} now, {after:.2} with the draft", price["currency"].as_str().unwrap_or(""));
    }
    let row = |c: &Value| {
        let word = |key: &str| c[key].as_str().unwrap_or("").to_owned();
        let dearer =
            c["dearer_micros"].as_i64().map_or("-".to_owned(), |m| format!("{:+.4}", m as f64 / 1e6));
        vec![
            time(c["at_micros"].as_i64().unwrap_or(0)),
            word("from"),
            word("dialled"),
            word("before"),
            word("after"),
            dearer,
        ]
    };
    let rows: Vec<Vec<String>> = found["list"].as_array().into_iter().flatten().map(row).collect();
    if !rows.is_empty() {
        print_table(&["when", "from", "dialled", "now", "with the draft", "dearer"], &rows);
    }
    if found["cut"] == true {
        println!("not all calls are listed");
    }
}

fn money(micros: &Value) -> f64 {
    micros.as_i64().unwrap_or(0) as f64 / 1e6
}

fn canary(view: &Value) {
    let word = |key: &str| view[key].as_str().unwrap_or("");
    match view["returned"].as_str() {
        Some(why) => println!("draft {} was called back: {why}", word("draft")),
        None => println!("draft {} decides about {} of the calls", word("draft"), word("share")),
    }
    for (name, key) in [("canary", "canary"), ("others", "rest")] {
        let side = &view[key];
        let delay =
            side["delay_ms"].as_u64().map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1e3));
        let price =
            side["per_minute_micros"].as_i64().map_or("-".to_owned(), |m| format!("{:.4}", m as f64 / 1e6));
        println!(
            "  {name}: {} calls, {} % answered, after {delay}, {price} a minute",
            side["calls"], side["answered_percent"]
        );
    }
    println!("  {} calls are needed on each side", view["least"]);
}

fn percent(text: &str) -> Result<u8, Refusal> {
    let wrong = || Refusal::Misuse(format!("{text:?} is no share of calls: write 10%"));
    text.trim_end_matches('%').parse().map_err(|_| wrong())
}
