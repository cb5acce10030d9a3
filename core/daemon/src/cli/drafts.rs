//! Drafts of routes on the command line.

mod args;
mod parts;
mod show;
mod texts;

use std::path::Path;

use serde_json::{Value, json};

pub(super) use args::Draft;

use super::client::{Client, quoted};
use super::remote::{time, yes};
use super::{Outcome, Refusal, print_json, print_table};

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
            let text = texts::text_in(&draft, script.as_deref())?;
            said(&draft, json, || print!("{text}"))
        }
        #[cfg(feature = "plugins")]
        Draft::Put { name, file, confirm, .. } if is(&file, "rtp") => {
            parts::put_plugin(client, &name, &file, &confirm, json)
        }
        Draft::Put { name, file, deck, .. } if is(&file, "csv") => {
            parts::put_deck(client, &name, &file, &deck, json)
        }
        Draft::Put { name, file, .. } => texts::put(client, &name, &file, json),
        #[cfg(feature = "plugins")]
        Draft::Set { name, plugin, settings, enable, disable } => {
            let enabled = (enable || disable).then_some(enable);
            parts::set_plugin(client, &name, &plugin, &settings, enabled, json)
        }
        Draft::Remove { name, part } => parts::remove(client, &name, &part, false, json),
        Draft::Forget { name, part } => parts::remove(client, &name, &part, true, json),
        Draft::Edit { name, script } => texts::edit(client, &name, script.as_deref(), json),
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
                println!("nothing differs from what is active");
            }
            Ok(true)
        }
        Draft::Check { name } => {
            let checks: Value = client.post(&format!("{}/check", path(&name)), &json!({}))?;
            let ok = checks["ok"] == true;
            said(&checks, json, || {
                show::faults(&checks);
                println!("{}: {} probe calls", if ok { "ok" } else { "refused" }, checks["decisions"]);
            })?;
            Ok(ok)
        }
        Draft::Replay { name, days } => {
            let found: Value = client.post(&format!("{}/replay", path(&name)), &json!({ "days": days }))?;
            said(&found, json, || show::replayed(&found))
        }
        Draft::Rebase { name } => {
            let draft: Value = client.post(&format!("{}/rebase", path(&name)), &json!({}))?;
            said(&draft, json, || println!("draft {name} may replace version {}", draft["base_version"]))
        }
        Draft::Activate { name } => {
            let now: Value = client.post(&format!("{}/activate", path(&name)), &json!({}))?;
            said(&now, json, || {
                show::faults(&now["checks"]);
                show::in_force(&now);
            })
        }
        Draft::Undo { name } => {
            let now: Value = client.post(&format!("{}/undo", path(&name)), &json!({}))?;
            said(&now, json, || show::in_force(&now))
        }
        Draft::Discard { name, force } => {
            client.delete(&format!("{}?force={force}", path(&name)))?;
            yes(json)
        }
        Draft::Canary { name, stop: true, .. } => {
            client.delete(&format!("{}/canary", path(&name)))?;
            yes(json)
        }
        Draft::Canary { name, extension: None, share: None, .. } => {
            let view: Value = client.get(&format!("{}/canary", path(&name)))?;
            said(&view, json, || show::canary(&view))
        }
        Draft::Canary { name, extension, share, hours, least, .. } => {
            let share = share.map(|s| percent(&s)).transpose()?;
            let body = json!({ "extension": extension, "share": share, "hours": hours, "least": least });
            let view: Value = client.post(&format!("{}/canary", path(&name)), &body)?;
            said(&view, json, || show::canary(&view))
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

fn percent(text: &str) -> Result<u8, Refusal> {
    let wrong = || Refusal::Misuse(format!("invalid share {text:?}: expected 10%"));
    text.trim_end_matches('%').parse().map_err(|_| wrong())
}

fn is(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// A draft was changed.
fn at_revision(draft: &Value, name: &str, json: bool) -> Outcome {
    said(draft, json, || println!("draft {name} is at revision {}", draft["revision"]))
}

/// The revision of a draft, as `If-Match` wants it.
fn revision(client: &Client, name: &str) -> Result<String, Refusal> {
    Ok(format!("\"{}\"", client.get::<Value>(&path(name))?["revision"]))
}
