//! All worked examples of dialling: `dialplan_vectors.json` says, for a plan and a hand, what must happen and when.

use std::sync::Arc;
use std::time::Instant;

use ringtrip_dialplan::{Bar, Dialling, Incomplete, Plan, Timers, read_keys, try_keys};
use ringtrip_model::party::Digits;
use serde_json::{Value, json};

#[test]
fn every_vector() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("dialplan_vectors.json")).unwrap();
    assert_eq!(vectors.len(), 117);
    let wrong: Vec<String> = vectors.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
}

// Only the differences of this instant to others count.
#[allow(clippy::disallowed_methods)]
fn wrong(vector: &Value) -> Option<String> {
    let options = &vector["options"];
    let dialling = Dialling {
        bar: if options["bar_mode"] == "exact" { Bar::Exact } else { Bar::Prefix },
        incomplete: if options["incomplete"] == "as_dialed" {
            Incomplete::AsDialled
        } else {
            Incomplete::Reject
        },
        star_codes: options["vsc"]
            .as_array()
            .map_or(Vec::new(), |codes| codes.iter().filter_map(Value::as_str).map(Digits::new).collect()),
    };
    let text = vector["plan"].as_str().unwrap();
    let plan = match Plan::parse(text) {
        Ok(plan) => Arc::new(plan.with_star_codes(&dialling.star_codes)),
        Err(error) => return Some(format!("{}: {text}: {error}", vector["id"])),
    };
    let keys = read_keys(vector["keys"].as_str().unwrap()).unwrap();
    let tried = try_keys(&plan, &keys, &dialling, Timers::default(), Instant::now());
    let mut got = json!({
        "result": tried.result,
        "t_after_last_key": tried.t_after_last_key,
        "dialed": tried.dialed,
        "why": tried.why,
    });
    for (name, value) in [("alt", tried.alt), ("number", tried.number), ("route", tried.route)] {
        if let Some(value) = value {
            got[name] = value.into();
        }
    }
    if !tried.tone_after.is_empty() {
        got["tone_after"] = tried.tone_after.into();
    }
    (got != vector["outcome"])
        .then(|| format!("{}: got {got}\n    wanted {}", vector["id"], vector["outcome"]))
}
