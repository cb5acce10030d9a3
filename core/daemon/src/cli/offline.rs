//! Commands that need no running exchange.

use std::fs;
use std::path::Path;

use super::{Dialplan, Outcome, Refusal, Torture, print_json};
use crate::config;
use crate::http::{HolidayView, auth};
use crate::plan::{self, PlanTry};
use crate::store::crash_test::{Mode, write};
use crate::store::{Store, StoreOptions};

pub(super) fn dialplan(command: Dialplan, json: bool) -> Outcome {
    match command {
        Dialplan::Try { plan, keys, vsc, bar, incomplete, long, short } => {
            let answer = plan::run(&PlanTry { plan, keys, vsc, bar, incomplete, long, short })
                .map_err(|why| Refusal::Misuse(why.to_string()))?;
            if json {
                print_json(&answer);
            } else {
                let mut line = answer.result.clone();
                if let Some(number) = &answer.number {
                    line += &format!(" {number} to {}", answer.route.as_deref().unwrap_or("default"));
                }
                println!("{line} ({}, {} s after the last key)", answer.why, answer.t_after_last_key);
                if let Some(alt) = &answer.alt {
                    println!("  by {alt}");
                }
            }
            Ok(matches!(answer.result.as_str(), "SEND" | "VSC"))
        }
        Dialplan::Check { plan } => {
            let check = plan::check(&plan);
            if json {
                print_json(&check);
            } else {
                for fault in &check.faults {
                    let severity = if fault.error { "error" } else { "warning" };
                    println!("{}: {severity}: {}; {}", fault.at, fault.what, fault.hint);
                }
                if let Some(repaired) = &check.repaired {
                    println!("perhaps: {repaired}");
                }
                if check.faults.is_empty() {
                    println!("ok");
                }
            }
            Ok(check.ok)
        }
    }
}

pub(super) fn check(file: &Path, json: bool) -> Outcome {
    let bytes = fs::read(file).map_err(|e| Refusal::Misuse(format!("{}: {e}", file.display())))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        Refusal::No(format!(
            "{}: not UTF-8 text from octet {}",
            file.display(),
            e.utf8_error().valid_up_to() + 1
        ))
    })?;
    // Calendars are looked for beside the document.
    config::calendars_in(file.parent().unwrap_or(Path::new("")));
    let (ok, faults) = match config::read(&text) {
        Ok((_, faults)) => (true, faults),
        Err(faults) => (false, faults),
    };
    if json {
        print_json(&serde_json::json!({ "ok": ok, "faults": faults }));
    } else {
        print!("{}", config::report(&file.display().to_string(), &faults));
        if ok {
            println!("{}: ok", file.display());
        }
    }
    Ok(ok)
}

/// The days that a document makes holidays, its calendars read.
pub(super) fn holidays(file: &Path, year: Option<i16>, json: bool) -> Outcome {
    let text = super::remote::text_of(file)?;
    config::calendars_in(file.parent().unwrap_or(Path::new("")));
    let (config, faults) = config::read(&text)
        .map_err(|faults| Refusal::No(config::report(&file.display().to_string(), &faults)))?;
    let of_calendars: Vec<_> = faults.into_iter().filter(|f| f.path.starts_with("holidays")).collect();
    eprint!("{}", config::report(&file.display().to_string(), &of_calendars));
    let days = config.holidays.days().iter().filter(|d| year.is_none_or(|y| d.date.0 == y));
    print_holidays(&days.map(HolidayView::from).collect::<Vec<_>>(), json);
    Ok(true)
}

pub(super) fn print_holidays(days: &[HolidayView], json: bool) {
    if json {
        return print_json(&days);
    }
    for day in days {
        println!("{}  {}", day.date, day.name);
    }
    if days.is_empty() {
        println!("no day is a holiday");
    }
}

pub(super) fn reset_secret(data: &Path, json: bool) -> Outcome {
    if !data.join("journal").is_dir() {
        return Err(Refusal::Misuse(format!("{} holds no exchange's data", data.display())));
    }
    let no = |e: crate::store::StoreError| Refusal::No(e.to_string());
    let store = Store::open(StoreOptions::new(data)).map_err(no)?;
    let secret = runtime()?.block_on(auth::new_secret(&store)).map_err(no)?;
    store.close();
    if json {
        print_json(&serde_json::json!({ "secret": secret.0 }));
    } else {
        println!("{}", secret.0);
    }
    Ok(true)
}

pub(super) fn torture(torture: &Torture) -> Outcome {
    let mode = if torture.unflushed { Mode::Unflushed } else { Mode::Durable };
    runtime()?
        .block_on(write(&torture.dir, mode, torture.seed, torture.rounds))
        .map(|()| true)
        .map_err(|e| Refusal::No(e.to_string()))
}

fn runtime() -> Result<tokio::runtime::Runtime, Refusal> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Refusal::No(e.to_string()))
}
