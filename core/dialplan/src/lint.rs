//! What a plan says but its author probably did not mean: the mistakes that plans on the web repeat.

use crate::{Alternative, Plan, Token, Warning};

pub(super) fn lint(plan: &mut Plan) {
    let mut found = std::mem::take(&mut plan.warnings);
    for a in &plan.alternatives {
        found.extend(empty(a));
        found.extend(bar_of_exact_length(a));
        found.extend(lost_repeat(a));
        found.extend(empty_hot_line(a));
        found.extend(hot_line_at_once(a));
        found.extend(swallowed(a));
    }
    found.extend(slow_beside_catch_all(&plan.alternatives));
    found.sort_by_key(|w| w.at);
    plan.warnings = found;
}

fn keys(a: &Alternative) -> impl Iterator<Item = (u16, bool)> {
    a.tokens.iter().filter_map(|t| match t {
        Token::Key { set, repeat, .. } => Some((set.0, *repeat)),
        _ => None,
    })
}

fn empty(a: &Alternative) -> Option<Warning> {
    let nothing = a.tokens.is_empty() && a.route_text.is_empty();
    nothing.then(|| Warning::new(a.at, "an empty alternative takes no number", "remove one of the |"))
}

/// `0898!` bars the four digits; whether also what follows depends on how the plan is read.
fn bar_of_exact_length(a: &Alternative) -> Option<Warning> {
    let fixed = a.barred && keys(a).all(|(_, repeat)| !repeat) && keys(a).count() > 0;
    let short = keys(a).count() < 7;
    let first = a.text.replace('!', "");
    (fixed && short).then(|| {
        let what = format!("{} names {} digits; SPA adapters bar nothing longer", a.text, keys(a).count());
        Warning::new(a.at, what, format!("write {first}xx.! to bar longer numbers in every reading"))
    })
}

/// `<*:**473*>xx`: the final dot is often lost in print.
fn lost_repeat(a: &Alternative) -> Option<Warning> {
    (a.text.ends_with(">xx") || a.text.ends_with(">x")).then(|| {
        let what = format!(
            "{} takes exactly {} digits after the >",
            a.text,
            if a.text.ends_with("xx") { 2 } else { 1 }
        );
        Warning::new(a.at, what, format!("write {}. for any number of digits", a.text))
    })
}

/// `x.S0` is complete as soon as the handset is lifted, with an empty number, which goes nowhere. `P9` alone says how long
/// somebody may wait for the first key: that is meant so.
fn empty_hot_line(a: &Alternative) -> Option<Warning> {
    let emits = a.tokens.iter().any(|t| matches!(t, Token::Emit(_))) || !a.route_text.is_empty();
    let off_hook_timer =
        !a.tokens.is_empty() && a.tokens.iter().all(|t| matches!(t, Token::Pause(1..) | Token::Tone));
    let optional = a.timed && !emits && !off_hook_timer && keys(a).all(|(_, repeat)| repeat);
    optional.then(|| {
        let what = format!(
            "{} is complete before any key is pressed: its number is empty, and reorder tone follows",
            a.text
        );
        let hint = match keys(a).count() {
            0 => "write what it dials: <:100>, or P9 for the time until reorder tone",
            _ => "ask for one key at least: xx.",
        };
        Warning::new(a.at, what, hint)
    })
}

/// `<:@host;pwd=hush|0xx.<:@gw1>`: without its `>` a password runs on over the alternatives behind it. What it is, is not
/// shown.
fn swallowed(a: &Alternative) -> Option<Warning> {
    a.route_text.contains(['|', '<']).then(|| {
        let what =
            "a parameter of the route goes on over a | or a <, and takes the alternatives behind it along";
        Warning::new(a.at, what, "write > where the route ends")
    })
}

/// `S0<:100>` calls when the handset is lifted: before a person has pressed the first key of 112.
fn hot_line_at_once(a: &Alternative) -> Option<Warning> {
    /// A person who is in a hurry presses the first key sooner.
    const TIME: u16 = 3;
    let emits = a.tokens.iter().any(|t| matches!(t, Token::Emit(_))) || !a.route_text.is_empty();
    let waits = a.tokens.iter().map(|t| match t {
        Token::Pause(seconds) | Token::Short(seconds) => *seconds,
        _ => 0,
    });
    let at_once =
        a.timed && !a.barred && emits && keys(a).count() == 0 && waits.fold(0, u16::saturating_add) < TIME;
    at_once.then(|| {
        let what = format!(
            "{} calls as soon as the handset is lifted: nobody can dial an emergency number on such a telephone",
            a.text
        );
        let later = a.text.replacen("S0", "P5", 1);
        let hint = if later == a.text { "wait with P5 for the first key".to_owned() } else { format!("{later} waits 5 s for the first key") };
        Warning::new(a.at, what, hint)
    })
}

/// Beside `xx.` every shorter number waits for the short timer, unless it says S0.
fn slow_beside_catch_all(alternatives: &[Alternative]) -> Option<Warning> {
    const DIGITS: u16 = 0x03ff;
    let catch_all = |a: &&Alternative| {
        keys(a).all(|(set, _)| set == DIGITS) && keys(a).last().is_some_and(|(_, repeat)| repeat)
    };
    let all = alternatives.iter().find(catch_all)?;
    let fixed = |a: &&Alternative| {
        keys(a).all(|(set, repeat)| !repeat && set & !DIGITS == 0)
            && keys(a).count() > 1
            && !a.tokens.contains(&Token::Short(0))
            && !a.barred
    };
    let slow: Vec<&str> = alternatives.iter().filter(fixed).map(|a| a.text.as_str()).collect();
    (!slow.is_empty()).then(|| {
        let what = format!("{} waits for the short timer, because {} could go on", slow.join(", "), all.text);
        Warning::new(
            all.at,
            what,
            format!("write S0 after what is complete: {}S0", slow[0].split('<').next().unwrap_or_default()),
        )
    })
}
