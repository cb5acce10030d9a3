//! What a route costs: decisions, prices, plugins, replays, explanations; and whether calls wait for an import.

use anyhow::{Context, Result};

use super::explain;
use super::measured::{Measured, measure};
use super::report::{Bound, Report, Row};
use crate::plugins;

/// Where the figures come from.
const BENCHES: &[(&str, &str)] = &[
    ("ringtrip-rating", "deck"),
    ("ringtrip-routing", "policy"),
    ("ringtrip-routing", "replay"),
    ("ringtrip-wasm", "decision"),
    ("ringtrip", "least_cost"),
    ("ringtrip", "swap"),
];

/// The longest decisions, µs.
const INTERNAL: Bound = Bound::Most(5.0);
const SCRIPTED: Bound = Bound::Most(25.0);
const LEAST_COST: Bound = Bound::Most(30.0);
const PLUGIN: Bound = Bound::Most(60.0);
const EXPLAINED: Bound = Bound::Most(2000.0);
/// Times, µs: what they are called in the table, the bench, what is wanted, and the floor if there is one.
type Time = (&'static str, &'static str, Option<Bound>, Option<(&'static str, &'static str)>);
const TIMES: &[Time] = &[
    ("decision, internal call", "decision without a script, an extension", Some(INTERNAL), None),
    ("decision, plan alone, landline", "decision without a script, the landline", None, None),
    (
        "decision, plan and script, internal",
        "decision with a script of 30 lines, an extension",
        Some(SCRIPTED),
        None,
    ),
    (
        "decision, plan and script, landline",
        "decision with a script of 30 lines, the landline",
        Some(SCRIPTED),
        None,
    ),
    (
        "decision, plan and script, three stages",
        "decision with a script of 30 lines, abroad",
        Some(SCRIPTED),
        None,
    ),
    (
        "decision, script, cheapest 3 of 3 decks of 1M",
        "decision with the 3 cheapest of 3 decks of 1M prefixes",
        Some(LEAST_COST),
        None,
    ),
    ("limits looked at before a call", "limits looked at, and given back", None, None),
    ("Wasm, policy-quiet-hours, refuses", "policy-quiet-hours, refuses", Some(PLUGIN), Some(FLOOR)),
    ("Wasm, policy-quiet-hours, no opinion", "policy-quiet-hours, no opinion", Some(PLUGIN), Some(FLOOR)),
    ("Wasm, gateway-callingcard, prepares", "gateway-callingcard, prepares", Some(PLUGIN), Some(FLOOR)),
    ("decision with policy-quiet-hours", "decision with policy-quiet-hours", Some(PLUGIN), None),
    (
        "explain, script of 30 lines",
        "decision with a script of 30 lines, the landline, explained",
        Some(EXPLAINED),
        None,
    ),
    (
        "explain, cheapest 3 of 3 decks of 1M",
        "decision with the 3 cheapest of 3 decks of 1M prefixes, explained",
        Some(EXPLAINED),
        None,
    ),
];
/// A guest that does next to nothing: what is left is the fresh instance.
const FLOOR: (&str, &str) = ("bare guest", "wasm, a few instructions, no opinion");

/// Plugins whose memory is measured.
const LOADED: &[&str] =
    &["policy-quiet-hours", "gateway-callingcard", "gateway-enum", "a plugin of a few instructions"];

/// Everything about routes.
pub fn routes(report: &mut Report) -> Result<()> {
    plugins::plugins()?;
    let measured = measure(BENCHES, &[("RINGTRIP_PLUGINS", plugins::folder())])?;
    for (what, bench, bound, floor) in TIMES {
        let micros = |bench: &str| Ok::<_, anyhow::Error>(measured.median(bench)? / 1000.0);
        let other = floor.map(|(name, bench)| Ok::<_, anyhow::Error>((name.to_owned(), micros(bench)?)));
        let (what, other) = ((*what).to_owned(), other.transpose()?);
        report.add(Row { what, ours: micros(bench)?, other, unit: "µs", bound: *bound });
    }
    explain::explain(report)?;
    replays(report, &measured)?;
    decks(report, &measured)?;
    loaded(report, &measured)?;
    swap(report, &measured)
}

fn replays(report: &mut Report, measured: &Measured) -> Result<()> {
    for (what, bench) in [
        ("replay, plan against plan", "replay/plan against plan"),
        ("replay, script against script", "replay/script against script"),
    ] {
        // The bench replays a thousand records at a time.
        let ours = 1000.0 * 1e9 / measured.median(bench)?;
        let bound = Some(Bound::Least(20_000.0));
        report.add(Row { what: what.into(), ours, other: None, unit: "CDRs/s", bound });
    }
    Ok(())
}

fn decks(report: &mut Report, measured: &Measured) -> Result<()> {
    let look_up = |name: &str| measured.median(&format!("longest prefix of 1,000,000/{name}"));
    let octets = |name: &str| measured.figure(&format!("octets a prefix, {name}"));
    for (name, bench) in [
        ("fst", "fst, index only"),
        ("sorted array", "sorted array for each length, index only"),
        ("hash table", "hash table for each length, index only"),
    ] {
        report.add(Row {
            what: "look-up among 1M prefixes, with price and date".into(),
            ours: look_up("this deck, with price and date")?,
            other: Some((name.into(), look_up(bench)?)),
            unit: "ns",
            bound: Some(Bound::Most(300.0)),
        });
        report.add(Row {
            what: "memory of a prefix; the others their index alone".into(),
            ours: octets("this deck")?,
            other: Some((name.into(), octets(name)?)),
            unit: "octets",
            bound: Some(Bound::Most(48.0)),
        });
    }
    let read = |name: &str| Ok(1e6 * 1e9 / measured.median(&format!("import of 1,000,000 rows/{name}"))?);
    let rates: [(&str, Result<f64>); 3] = [
        ("import of 1M rows", read("a provider's list")),
        ("import of 1M rows, with preview", read("a provider's list, with preview against the old deck")),
        (
            "import of 1M rows, preview, to disk, active",
            measured.figure("import, compared, written and active"),
        ),
    ];
    for (what, ours) in rates {
        let bound = Some(Bound::Least(500_000.0));
        report.add(Row { what: what.into(), ours: ours?, other: None, unit: "rows/s", bound });
    }
    Ok(())
}

fn loaded(report: &mut Report, measured: &Measured) -> Result<()> {
    for name in LOADED {
        let ours = measured.figure(&format!("memory of {name}"))?;
        report.add(Row { what: format!("memory of {name}"), ours, other: None, unit: "KiB", bound: None });
    }
    Ok(())
}

/// Beside an import, beside a thread that only computes, and alone. The slowest ones are what the scheduler makes them:
/// they are shown, and compared, and have no bound.
fn swap(report: &mut Report, measured: &Measured) -> Result<()> {
    for (share, bound) in [("median", None), ("99 of 100", Some(1.5)), ("slowest", None)] {
        let of = |setting: &str| {
            let figure = measured.figure(&format!("decision {setting}, {share}"));
            figure.with_context(|| "the bench of swapping decks says something else")
        };
        let computing = of("beside a computing thread")?;
        for (setting, bound) in [("alone", None), ("beside an import", bound.map(Bound::Ratio))] {
            report.add(Row {
                what: format!("decision {setting}, {share}"),
                ours: of(setting)?,
                other: Some(("beside computing".into(), computing)),
                unit: "µs",
                bound,
            });
        }
    }
    Ok(())
}
