//! `ringtrip rates`: price lists, what calls cost by which gateway, and what is spent.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::client::{Client, quoted};
use super::{Outcome, Refusal, print_json, print_table};

#[derive(Subcommand, Debug)]
pub(super) enum Rates {
    /// Read a price list (CSV), show what would change, and activate it.
    Import(Import),
    /// List the rate decks.
    List,
    /// What a call to a number costs, by the gateway that is best for it.
    Quote(Ask),
    /// What a call to a number costs by each gateway, and why some cannot take it.
    Compare(Ask),
    /// Print a deck as CSV.
    Export {
        /// Its name.
        name: String,
    },
    /// Remove a deck.
    Remove {
        /// Its name.
        name: String,
    },
    /// Show the money limits and what is spent of them.
    Limits,
}

#[derive(Args, Debug)]
pub(super) struct Import {
    /// The file.
    file: PathBuf,
    /// The gateway whose prices they are; gw0 is the landline.
    #[arg(long)]
    gateway: String,
    /// The deck's name; the gateway's first deck, or the gateway's own name, if not given.
    #[arg(long)]
    name: Option<String>,
    /// Only show what would change.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Activate it without asking.
    #[arg(long)]
    yes: bool,
    /// Leave rows out that cannot be read, instead of refusing the file.
    #[arg(long)]
    skip_bad: bool,
    /// The currency, where the file names none.
    #[arg(long)]
    currency: Option<String>,
    /// What a column is, by its heading or its number: price="New Rate", prefix=3. May be given several times.
    #[arg(long = "column", value_name = "WHAT=HEADING")]
    columns: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct Ask {
    /// The number, as dialled here or with +.
    number: String,
    /// When: 2026-12-24T18:00, in the zone of the exchange.
    #[arg(long)]
    at: Option<String>,
    /// How many seconds the call lasts.
    #[arg(long)]
    seconds: Option<u32>,
}

pub(super) fn run(client: &Client, command: Rates, json: bool) -> Outcome {
    match command {
        Rates::Import(import) => self::import(client, &import, json),
        Rates::List => {
            let decks: Value = client.get("/rates")?;
            show(&decks, &["name", "state", "currency", "prefixes", "rates", "bytes", "gateways"], json);
            Ok(true)
        }
        Rates::Quote(ask) => quote(client, &ask, json),
        Rates::Compare(ask) => compare(client, &ask, json),
        Rates::Export { name } => {
            print!("{}", client.get_text(&format!("/rates/decks/{}", quoted(&name)))?);
            Ok(true)
        }
        Rates::Remove { name } => {
            client.delete(&format!("/rates/decks/{}", quoted(&name)))?;
            if json {
                print_json(&json!({ "removed": name }));
            } else {
                println!("the deck {name} is removed; calls that stand keep their price");
            }
            Ok(true)
        }
        Rates::Limits => {
            let money: Value = client.get("/money")?;
            if json {
                print_json(&money);
                return Ok(true);
            }
            println!("in {}", word(&money, "currency"));
            let columns = ["limit", "extension", "gateway", "per", "amount", "spent", "percent"];
            show(&money["limits"], &columns, false);
            if money["bundles"].as_array().is_some_and(|b| !b.is_empty()) {
                println!();
                show(&money["bundles"], &["bundle", "gateway", "seconds", "used"], false);
            }
            Ok(true)
        }
    }
}

/// First in a dry run, then, if it is wanted, active. Nothing is changed in between.
fn import(client: &Client, ask: &Import, json: bool) -> Outcome {
    let file = read(&ask.file)?;
    let mut path = format!("/rates/import?gateway={}", quoted(&ask.gateway));
    for (key, value) in [("name", &ask.name), ("currency", &ask.currency)] {
        if let Some(value) = value {
            path += &format!("&{key}={}", quoted(value));
        }
    }
    if !ask.columns.is_empty() {
        path += &format!("&columns={}", quoted(&ask.columns.join("\n")));
    }
    path += &format!("&skip_bad={}", ask.skip_bad);
    let preview: Value = sent(client, &path, &file)?;
    let errors = preview["errors"]["count"].as_u64().unwrap_or(0);
    if !json || ask.dry_run {
        if json { print_json(&preview) } else { show_import(&preview) }
    }
    if errors > 0 && !ask.skip_bad {
        let why = format!("{errors} rows cannot be read; nothing was imported. Mend them, or say --skip-bad");
        return Err(Refusal::No(why));
    }
    if ask.dry_run {
        return Ok(true);
    }
    if !ask.yes && !confirmed("Activate it?")? {
        println!("nothing was imported");
        return Ok(false);
    }
    let done: Value = sent(client, &format!("{path}&confirm=true"), &file)?;
    if json {
        print_json(&done);
    } else {
        println!("the deck {} is active: {} rates", word(&done, "deck"), done["rates"]);
        if let Some(note) = done["note"].as_str() {
            println!("{note}");
        }
    }
    Ok(true)
}

/// The file, with a bar on a terminal.
fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let no = |e: std::io::Error| Refusal::Misuse(format!("{}: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(no)?;
    let length = file.metadata().map_err(no)?.len();
    let bar = bar(length);
    let mut octets = Vec::new();
    bar.wrap_read(file).read_to_end(&mut octets).map_err(no)?;
    bar.finish_and_clear();
    Ok(octets)
}

/// Sends the file; a bar moves while the exchange reads it.
fn sent(client: &Client, path: &str, file: &[u8]) -> Result<Value, Refusal> {
    let bar = bar(file.len() as u64);
    let answer = client.post_csv(path, bar.wrap_read(file));
    bar.finish_and_clear();
    answer
}

fn bar(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn confirmed(question: &str) -> Result<bool, Refusal> {
    if !std::io::stdin().is_terminal() {
        let why = "nothing was imported: use --yes to activate the deck, or --dry-run to only compare";
        return Err(Refusal::Misuse(why.to_owned()));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|e| Refusal::No(e.to_string()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn show_import(preview: &Value) {
    println!(
        "deck {}: {} rates of {} rows, in {}",
        word(preview, "deck"),
        preview["rates"],
        preview["rows"],
        word(preview, "currency")
    );
    println!("read as {}", word(preview, "dialect"));
    let lists = [
        ("errors", "rows that cannot be read"),
        ("new", "new prefixes"),
        ("changed", "changed prices"),
        ("removed", "removed prefixes"),
        ("not_for_sale", "prefixes that are not for sale"),
        ("overlaps", "prefixes twice"),
        ("gaps", "gaps"),
        ("absurd", "prices that want a second look"),
    ];
    for (key, title) in lists {
        let list = &preview[key];
        let count = list["count"].as_u64().unwrap_or(0);
        if count == 0 {
            continue;
        }
        println!("{count} {title}");
        let most = if key == "errors" { 20 } else { 5 };
        let some = list["some"].as_array().map(Vec::as_slice).unwrap_or_default();
        for line in some.iter().take(most).filter_map(Value::as_str) {
            println!("  {line}");
        }
        if count > some.len().min(most) as u64 {
            println!("  …");
        }
    }
    println!("{} prefixes stay as they are", preview["same"]);
}

fn asked(client: &Client, ask: &Ask) -> Result<Value, Refusal> {
    let mut path = format!("/rates/compare?number={}", quoted(&ask.number));
    if let Some(at) = &ask.at {
        path += &format!("&at={}", quoted(at));
    }
    if let Some(seconds) = ask.seconds {
        path += &format!("&seconds={seconds}");
    }
    client.get(&path)
}

fn quote(client: &Client, ask: &Ask, json: bool) -> Outcome {
    let found = asked(client, ask)?;
    let best = &found["offers"][0];
    if json {
        print_json(best);
    } else if best.is_null() {
        println!(
            "no gateway has a price for {} now; `ringtrip rates compare` says why",
            word(&found, "number")
        );
    } else {
        println!("{}", word(best, "why"));
    }
    Ok(!best.is_null())
}

fn compare(client: &Client, ask: &Ask, json: bool) -> Outcome {
    let found = asked(client, ask)?;
    let any = found["offers"].as_array().is_some_and(|o| !o.is_empty());
    if json {
        print_json(&found);
        return Ok(any);
    }
    println!(
        "{} at {}, {} s, in {}",
        word(&found, "number"),
        word(&found, "at"),
        found["seconds"],
        word(&found, "currency")
    );
    let columns = [
        "gateway",
        "cost",
        "per_minute",
        "prefix",
        "destination",
        "deck",
        "answered",
        "delay_s",
        "mos",
        "free_s",
    ];
    show(&found["offers"], &columns, false);
    for rejected in found["rejected"].as_array().into_iter().flatten() {
        println!("not {}", word(rejected, "why"));
    }
    Ok(any)
}

fn show(rows: &Value, columns: &[&str], json: bool) {
    if json {
        return print_json(rows);
    }
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            Some(n) => format!("{n:.2}"),
            None => n.to_string(),
        },
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = rows
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|column| cell(&row[*column])).collect())
        .collect();
    print_table(columns, &rows);
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}
