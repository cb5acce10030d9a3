//! Routes in a dry run: a decision as a tree, who reaches a target, and a record that explains itself.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::client::Client;
use super::remote::{text_of, time};
use super::{Explain, Outcome, Refusal, print_json};

/// `ringtrip route explain`.
pub(super) fn explain(client: &Client, ask: &Explain, json: bool) -> Outcome {
    let mut body = instead(ask.draft.as_deref())?;
    body.insert("number".to_owned(), json!(ask.number));
    body.insert("from".to_owned(), json!(ask.from));
    if let Some(at) = &ask.at {
        body.insert("at".to_owned(), json!(at));
    }
    body.insert("lines".to_owned(), states(&ask.line_state)?);
    body.insert("gateways".to_owned(), states(&ask.gateway_state)?);
    let answer: Value = client.post("/routes/explain", &Value::Object(body))?;
    if json {
        print_json(&answer);
    } else {
        tree(&answer);
    }
    Ok(answer["verdict"] != "refuse")
}

/// `ringtrip route who-reaches`.
pub(super) fn who_reaches(client: &Client, target: &str, draft: Option<&str>, json: bool) -> Outcome {
    let mut body = instead(draft)?;
    body.insert("target".to_owned(), json!(target));
    let answer: Value = client.post("/routes/who-reaches", &Value::Object(body))?;
    let ways = answer["ways"].as_array().cloned().unwrap_or_default();
    if json {
        print_json(&answer);
        return Ok(!ways.is_empty());
    }
    println!("{target} is reached by (of {} probe calls):", answer["decisions"]);
    for way in &ways {
        let from = list(&way["from"]);
        let from = if from.is_empty() { "everywhere".to_owned() } else { from };
        let rule = match (word(way, "script"), word(way, "alternative")) {
            ("", "") => word(way, "because").to_owned(),
            ("", alternative) => alternative.to_owned(),
            (script, "") => script.to_owned(),
            (script, alternative) => format!("{alternative} and {script}"),
        };
        println!("  {rule}");
        println!("    numbers  {} ({} tried)", list(&way["numbers"]), way["tried"]);
        println!("    from     {from}");
        println!("    when     {}", word(way, "when"));
        if way["stage"] != 1 {
            println!("    stage    {}", way["stage"]);
        }
    }
    if ways.is_empty() {
        println!("  nobody");
    }
    if answer["cut"] == true {
        println!("The time ran out before all was tried.");
    }
    Ok(!ways.is_empty())
}

/// `ringtrip cdr show`: the record, and why it went that way.
pub(super) fn show_record(record: &Value) {
    let mut plain = record.clone();
    let steps = plain["provenance"].as_object_mut().and_then(|p| p.remove("steps")).unwrap_or(Value::Null);
    println!("{}", serde_json::to_string_pretty(&plain).unwrap_or_default());
    let at = record["started_micros"].as_i64().map_or(String::new(), time);
    println!("{} from {}, {at}", word(record, "dialled"), word(&record["source"], "name"));
    for step in steps.as_array().into_iter().flatten() {
        let part = |n: usize| step[n].as_str().unwrap_or("");
        line(part(0), part(1), part(2));
    }
    println!("{}", outcome(record));
}

/// What became of a recorded call: who was reached or tried last, or why nobody was.
fn outcome(record: &Value) -> String {
    let because = word(&record["provenance"], "because");
    let because = if because.is_empty() { String::new() } else { format!(": {because}") };
    match (word(record, "target"), word(record, "cause")) {
        ("", "") => format!("= nobody is tried yet{because}"),
        ("", cause) => format!("= {cause}{because}"),
        (target, _) => format!("= {target}{because}"),
    }
}

/// A decision as indented lines.
fn tree(answer: &Value) {
    println!("{} from {}, {}", word(answer, "number"), word(answer, "from"), word(answer, "at"));
    for step in answer["steps"].as_array().into_iter().flatten() {
        let kind = word(step, "kind");
        line(kind, word(step, "subject"), word(step, "said"));
        if kind == "plan" {
            for other in answer["considered"].as_array().into_iter().flatten().filter(|o| o["won"] != true) {
                println!("               {} {}", word(other, "alternative"), word(other, "said"));
            }
        }
    }
    for failed in answer["failed"].as_array().into_iter().flatten() {
        line("failed", "", failed.as_str().unwrap_or(""));
    }
    for (n, stage) in answer["stages"].as_array().into_iter().flatten().enumerate() {
        let seconds = stage["timeout_ms"].as_u64().unwrap_or(0) / 1000;
        println!("  {}. for {seconds} s", n + 1);
        for target in stage["targets"].as_array().into_iter().flatten() {
            let shown = target["caller"].as_str().unwrap_or("withheld");
            let price = target["price"].as_str().map(|p| format!("; {p}")).unwrap_or_default();
            let (to, number, state) = (word(target, "target"), word(target, "number"), word(target, "state"));
            println!("     {to} {number}, shown as {shown} [{state}]{price}");
        }
    }
    let because = word(answer, "because");
    match word(answer, "verdict") {
        "refuse" => println!("= refused, {}: {because}", word(answer, "cause")),
        "ask" => println!("= {because}"),
        verdict => println!("= {verdict}: {because} ({} µs)", answer["took_us"]),
    }
}

fn line(kind: &str, subject: &str, said: &str) {
    // Some sentences begin with the name of whom they speak.
    let said = said.strip_prefix(subject).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(said);
    let subject = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
    println!("  {kind:<10} {subject}{said}");
}

/// Other routes: a draft's name, or a file's text.
fn instead(draft: Option<&str>) -> Result<Map<String, Value>, Refusal> {
    let mut body = Map::new();
    let Some(draft) = draft else { return Ok(body) };
    let file = Path::new(draft);
    match file.extension().and_then(|e| e.to_str()) {
        Some("toml") => {
            body.insert("config".to_owned(), json!(text_of(file)?));
        }
        Some("rhai") => {
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("default.rhai");
            body.insert("scripts".to_owned(), json!({ name: text_of(file)? }));
        }
        _ => {
            body.insert("draft".to_owned(), json!(draft));
        }
    }
    Ok(body)
}

/// `fxo1=busy` by name.
fn states(words: &[String]) -> Result<Value, Refusal> {
    let mut states = Map::new();
    for word in words {
        let (name, state) = word.split_once('=').ok_or_else(|| {
            Refusal::Misuse(format!("invalid state {word:?}: expected fxo1=busy or gw1=down"))
        })?;
        states.insert(name.to_owned(), json!(state));
    }
    Ok(Value::Object(states))
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

fn list(values: &Value) -> String {
    let words = values.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.map(|w| if w.is_empty() { "(nothing)" } else { w }).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_became_of_the_call() {
        let record = |target: &str, cause: Value, because: &str| {
            outcome(&json!({ "target": target, "cause": cause, "provenance": { "because": because } }))
        };
        assert_eq!(
            record("gw1", json!("normal"), "the plan names the route"),
            "= gw1: the plan names the route"
        );
        assert_eq!(record("", json!("spent"), "limit children"), "= spent: limit children");
        assert_eq!(record("", Value::Null, ""), "= nobody is tried yet");
    }
}
