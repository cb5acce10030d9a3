//! Prefix tables: thousands of prefixes that a script asks by name, searched natively.

use std::collections::BTreeMap;

use rhai::{Dynamic, Engine};

/// Prefixes and what each means. The longest that a number begins with wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixTable {
    /// Sorted by prefix.
    rows: Vec<(String, String)>,
    longest: usize,
}

impl PrefixTable {
    /// The value of the longest prefix of `number`.
    pub fn find(&self, number: &str) -> Option<&str> {
        let longest = self.longest.min(number.len());
        (0..=longest).rev().filter_map(|len| number.get(..len)).find_map(|prefix| {
            let i = self.rows.binary_search_by(|(row, _)| row.as_str().cmp(prefix)).ok()?;
            Some(self.rows[i].1.as_str())
        })
    }
}

impl FromIterator<(String, String)> for PrefixTable {
    /// Of two rows with one prefix the later counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(rows: I) -> PrefixTable {
        let rows: BTreeMap<String, String> = rows.into_iter().collect();
        let longest = rows.keys().map(String::len).max().unwrap_or_default();
        PrefixTable { rows: rows.into_iter().collect(), longest }
    }
}

/// `lookup("table", number)` gives the value, or `()` when there is none.
pub(super) fn register(engine: &mut Engine, tables: BTreeMap<String, PrefixTable>) {
    engine.register_fn("lookup", move |table: &str, number: &str| -> Dynamic {
        match tables.get(table).and_then(|t| t.find(number)) {
            Some(value) => value.to_owned().into(),
            None => Dynamic::UNIT,
        }
    });
}
