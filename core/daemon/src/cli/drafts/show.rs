//! What the exchange said of a draft, for people.

use serde_json::Value;

use crate::cli::print_table;
use crate::cli::remote::time;

pub(super) fn faults(checks: &Value) {
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

pub(super) fn in_force(now: &Value) {
    println!("version {} is active: document: {}", now["version"], now["summary"].as_str().unwrap_or(""));
    for (key, what) in [("scripts", "scripts"), ("decks", "rate decks"), ("plugins", "plugins")] {
        let names: Vec<&str> = now[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            println!("{what} changed: {}", names.join(", "));
        }
    }
}

pub(super) fn replayed(found: &Value) {
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

pub(super) fn canary(view: &Value) {
    let word = |key: &str| view[key].as_str().unwrap_or("");
    match view["returned"].as_str() {
        Some(why) => println!("draft {} was rolled back: {why}", word("draft")),
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
