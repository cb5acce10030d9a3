//! What was measured: rows of a table, and the same as JSON in `target/bench.json`.

use std::fmt;
use std::fs;

use anyhow::Result;

use crate::run::target;

/// One figure beside its floor or peer, both from this run.
#[derive(Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Ours.
    pub ours: f64,
    /// The floor's or the peer's, if there is one.
    pub other: Option<(String, f64)>,
    /// The unit of both.
    pub unit: &'static str,
    /// What is wanted.
    pub bound: Option<Bound>,
}

/// What is wanted of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// Not more than this.
    Most(f64),
    /// Not less than this.
    Least(f64),
    /// Not more than so many times the floor or the peer.
    Ratio(f64),
}

/// All rows of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Row {
    /// Is it within its bound?
    fn holds(&self) -> Option<bool> {
        Some(match self.bound? {
            Bound::Most(bound) => self.ours <= bound,
            Bound::Least(bound) => self.ours >= bound,
            Bound::Ratio(bound) => self.ours / self.other.as_ref()?.1 <= bound,
        })
    }
}

impl Report {
    /// Adds a row and prints it at once: a long run shows what it has.
    pub fn add(&mut self, row: Row) {
        println!("{}", line(&row));
        self.rows.push(row);
    }

    /// Prints the table and writes the JSON.
    pub fn close(self) -> Result<()> {
        println!("\n{:<58} {:>14} {:>24} {:>8} {:>10}  unit", "what", "ours", "other", "ratio", "wanted");
        for row in &self.rows {
            println!("{}", line(row));
        }
        let json: Vec<_> = self
            .rows
            .iter()
            .map(|r| {
                serde_json::json!({
                    "what": r.what, "ours": r.ours, "unit": r.unit, "wanted": r.bound.map(|b| b.to_string()),
                    "holds": r.holds(),
                    "other": r.other.as_ref().map(|(name, value)| serde_json::json!({"name": name, "value": value})),
                })
            })
            .collect();
        let path = target().join("bench.json");
        fs::write(&path, serde_json::to_string_pretty(&json)?)?;
        println!("\n{}", path.display());
        Ok(())
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Most(bound) => write!(f, "≤ {bound}"),
            Bound::Least(bound) => write!(f, "≥ {bound}"),
            Bound::Ratio(bound) => write!(f, "≤ {bound} x"),
        }
    }
}

fn line(row: &Row) -> String {
    let (other, ratio) = match &row.other {
        Some((name, value)) => (format!("{value:.3} {name}"), format!("{:.2}", row.ours / value)),
        None => (String::new(), String::new()),
    };
    let bound = row.bound.map_or(String::new(), |b| b.to_string());
    let verdict = match row.holds() {
        Some(true) => "ok",
        Some(false) => "missed",
        None => "",
    };
    format!(
        "{:<58} {:>14.3} {:>24} {:>8} {:>10}  {:<6} {verdict}",
        row.what, row.ours, other, ratio, bound, row.unit
    )
}

#[cfg(test)]
mod tests {
    use super::{Bound, Row};

    #[test]
    fn what_is_wanted_is_looked_at() {
        let row = |bound| Row {
            what: String::new(),
            ours: 5.0,
            other: Some((String::new(), 4.0)),
            unit: "",
            bound,
        };
        for (bound, holds) in [
            (None, None),
            (Some(Bound::Most(5.0)), Some(true)),
            (Some(Bound::Most(4.9)), Some(false)),
            (Some(Bound::Least(5.0)), Some(true)),
            (Some(Bound::Least(5.1)), Some(false)),
            (Some(Bound::Ratio(1.25)), Some(true)),
            (Some(Bound::Ratio(1.2)), Some(false)),
        ] {
            assert_eq!(row(bound).holds(), holds, "{bound:?}");
        }
        assert_eq!(
            Row { other: None, ..row(Some(Bound::Ratio(1.0))) }.holds(),
            None,
            "nothing to compare with"
        );
    }
}
