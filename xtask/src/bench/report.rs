//! What was measured: rows of a table, and the same as JSON in `target/bench.json`.

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
    /// The bound: on the ratio if there is a peer, else on the figure itself.
    pub bound: Option<f64>,
}

/// All rows of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Row {
    /// Is it within its bound?
    fn holds(&self) -> Option<bool> {
        let bound = self.bound?;
        Some(match &self.other {
            Some((_, other)) => self.ours / other <= bound,
            None => self.ours <= bound,
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
        println!("\n{:<46} {:>12} {:>12} {:>8} {:>8}  unit", "what", "ours", "other", "ratio", "bound");
        for row in &self.rows {
            println!("{}", line(row));
        }
        let json: Vec<_> = self
            .rows
            .iter()
            .map(|r| {
                serde_json::json!({
                    "what": r.what, "ours": r.ours, "unit": r.unit, "bound": r.bound, "holds": r.holds(),
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

fn line(row: &Row) -> String {
    let (other, ratio) = match &row.other {
        Some((name, value)) => (format!("{value:.3} {name}"), format!("{:.2}", row.ours / value)),
        None => (String::new(), String::new()),
    };
    let bound = row.bound.map_or(String::new(), |b| format!("{b}"));
    let verdict = match row.holds() {
        Some(true) => "ok",
        Some(false) => "MISSED",
        None => "",
    };
    format!(
        "{:<46} {:>12.3} {:>22} {:>8} {:>8}  {:<6} {verdict}",
        row.what, row.ours, other, ratio, bound, row.unit
    )
}
