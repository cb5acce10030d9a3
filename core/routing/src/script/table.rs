//! Tables: lists of numbers and prefixes that a script asks by name, searched natively.
//!
//! A table is a file in `scripts/tables`. `NAME.csv`: a prefix, a comma, what it means. `NAME.txt`: a prefix or number a
//! line. A line that begins with `#` is a comment; so is what follows `#` after a blank.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext};

use super::error::{ScriptError, fault, nearest};
use super::verbs::RhaiResult;

/// Prefixes and what each means. The longest that a number begins with wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixTable {
    /// Sorted by prefix.
    rows: Vec<(String, ImmutableString)>,
    longest: usize,
}

/// Tables by name.
pub(super) type Tables = Arc<BTreeMap<String, PrefixTable>>;

/// The most rows of a table.
const MOST: usize = 200_000;
/// The longest prefix and the longest meaning.
const LONGEST: usize = 64;

impl PrefixTable {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The first 20 bad lines, each with its number.
    pub fn read(text: &str) -> Result<PrefixTable, Vec<ScriptError>> {
        let (mut rows, mut errors) = (BTreeMap::new(), Vec::new());
        // A mark of the order of octets belongs to no number; some programs end lines with a carriage return alone.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        for (i, line) in text.lines().enumerate() {
            let line = line.split_once(" #").map_or(line, |(before, _)| before).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (prefix, value) = line.split_once([',', ';', '\t']).unwrap_or((line, ""));
            let (prefix, value) = (prefix.trim().trim_matches('"'), value.trim().trim_matches('"'));
            let mut wrong = |what: String, hint: &str| errors.push(ScriptError::new(i + 1, 1, what, hint));
            let keys = |c: char| c.is_ascii_digit() || matches!(c, '+' | '*' | '#');
            if prefix.is_empty() || prefix.len() > LONGEST || !prefix.chars().all(keys) {
                let hint = "a line holds digits, and after a comma what they mean: 09,premium";
                wrong(format!("invalid number {prefix:?}"), hint);
            } else if value.len() > LONGEST || value.contains([',', ';']) {
                wrong(format!("invalid meaning {value:?}"), "one word or a few, without a comma");
            } else if rows.insert(prefix.to_owned(), value.to_owned()).is_some() {
                wrong(format!("{prefix} stands in the table already"), "remove one of the two lines");
            } else if rows.len() > MOST {
                wrong(format!("the table has more than {MOST} rows"), "use a rate deck for so many prefixes");
                break;
            }
            if errors.len() >= 20 {
                break;
            }
        }
        if errors.is_empty() { Ok(rows.into_iter().collect()) } else { Err(errors) }
    }

    /// The value of the longest prefix of `number`.
    pub fn find(&self, number: &str) -> Option<&str> {
        self.row(number).map(|value| value.as_str())
    }

    fn row(&self, number: &str) -> Option<&ImmutableString> {
        let longest = self.longest.min(number.len());
        (0..=longest).rev().filter_map(|len| number.get(..len)).find_map(|prefix| {
            let i = self.rows.binary_search_by(|(row, _)| row.as_str().cmp(prefix)).ok()?;
            self.rows.get(i).map(|(_, value)| value)
        })
    }

    fn holds(&self, number: &str) -> bool {
        self.rows.binary_search_by(|(row, _)| row.as_str().cmp(number)).is_ok()
    }
}

impl FromIterator<(String, String)> for PrefixTable {
    /// Of two rows with one prefix the later counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(rows: I) -> PrefixTable {
        let rows: BTreeMap<String, String> = rows.into_iter().collect();
        let longest = rows.keys().map(String::len).max().unwrap_or_default();
        let rows = rows.into_iter().map(|(prefix, value)| (prefix, value.into())).collect();
        PrefixTable { rows, longest }
    }
}

/// `lookup("table", number)` gives the meaning of the longest prefix, or `()`; `in_table("table", number)` says whether
/// there is one; `is_row("table", number)` whether the very number stands there.
pub(super) fn register(engine: &mut Engine, tables: Tables) {
    let all = Arc::clone(&tables);
    engine.register_fn(
        "lookup",
        move |ctx: NativeCallContext, table: &str, number: &str| -> RhaiResult<Dynamic> {
            Ok(named(&ctx, &all, table)?.row(number).map_or(Dynamic::UNIT, |value| value.clone().into()))
        },
    );
    let all = Arc::clone(&tables);
    engine.register_fn(
        "in_table",
        move |ctx: NativeCallContext, table: &str, number: &str| -> RhaiResult<bool> {
            Ok(named(&ctx, &all, table)?.row(number).is_some())
        },
    );
    engine.register_fn(
        "is_row",
        move |ctx: NativeCallContext, table: &str, number: &str| -> RhaiResult<bool> {
            Ok(named(&ctx, &tables, table)?.holds(number))
        },
    );
}

fn named<'t>(ctx: &NativeCallContext<'_>, tables: &'t Tables, name: &str) -> RhaiResult<&'t PrefixTable> {
    tables.get(name).ok_or_else(|| {
        let hint = match nearest(name, tables.keys().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("put {name}.csv or {name}.txt into scripts/tables"),
        };
        fault(ctx, format!("there is no table {name:?}; {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let table =
            PrefixTable::read("# UK\n09,premium\n0871, dear # since 2015\n\n\"07\";\"mobile\"\n").unwrap();
        assert_eq!(table.find("0901234"), Some("premium"));
        assert_eq!(table.find("08711"), Some("dear"));
        assert_eq!(table.find("07700900123"), Some("mobile"));
        assert_eq!(table.find("0870"), None);
        assert!(table.holds("09") && !table.holds("091"));
    }

    #[test]
    fn tables_are_read_as_spreadsheets_save_them() {
        let wanted = PrefixTable::read("09,premium\n0871,\u{fc}ber\n").unwrap();
        let utf16 = |mark: [u8; 2], order: fn(u16) -> [u8; 2]| {
            let text = "09,premium\r\n0871,\u{fc}ber\r\n".encode_utf16();
            mark.into_iter().chain(text.flat_map(order)).collect::<Vec<u8>>()
        };
        let files: [Vec<u8>; 6] = [
            "\u{feff}09,premium\r\n0871,\u{fc}ber\r\n".as_bytes().to_vec(),
            utf16([0xff, 0xfe], u16::to_le_bytes),
            utf16([0xfe, 0xff], u16::to_be_bytes),
            b"09,premium\r\n0871,\xfcber\r\n".to_vec(),
            b"09,premium\r0871,\xc3\xbcber\r".to_vec(),
            "\u{feff}\u{feff}09;premium\n0871\t\u{fc}ber".as_bytes().to_vec(),
        ];
        for file in files {
            let text = crate::script::decoded(&file).unwrap();
            assert_eq!(PrefixTable::read(&text).as_ref(), Ok(&wanted), "{file:?}");
        }
        assert!(crate::script::decoded(b"09,\0premium").is_err());
        assert!(crate::script::decoded(&[0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00]).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_harms_only_those_who_use_it() {
        use crate::script::Library;
        let folder = std::env::temp_dir().join(format!("ringtrip-tables-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("tables")).unwrap();
        std::fs::write(folder.join("tables/zero.csv"), b"09,\0premium").unwrap();
        std::fs::write(folder.join("tables/uk.csv"), b"\0").unwrap();
        std::fs::write(folder.join("bad.rhai"), b"\0").unwrap();
        let mut library = Library::shipped();
        library.add(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            library.broken.keys().collect::<Vec<_>>(),
            ["bad.rhai", "tables/uk.csv", "tables/zero.csv"]
        );
        assert!(
            !library.tables.contains_key("uk.csv"),
            "the shipped one is not asked in place of a broken one"
        );
        let still = || std::sync::Arc::new(std::time::Duration::default) as crate::script::Clock;
        let faults = |text: &str| {
            let found = crate::Pool::check(&library, "a.rhai", text, crate::Limits::default(), still());
            found.into_iter().map(|e| e.file).collect::<Vec<_>>()
        };
        assert_eq!(faults("fn route(c) { pass() }"), [""; 0]);
        assert_eq!(faults("fn route(c) { block(lookup(\"zero\", c.number)) }"), ["tables/zero.csv"]);
        assert_eq!(faults("import \"uk\" as uk;\nfn route(c) { pass() }"), ["tables/uk.csv"]);
        assert_eq!(faults("import \"bad\" as bad;\nfn route(c) { pass() }"), ["bad.rhai"]);
    }

    #[test]
    fn bad_lines_are_all_named() {
        let errors = PrefixTable::read("09,premium\nnine,premium\n09,again\n08,a,b\n").unwrap_err();
        let shown: Vec<String> = errors.iter().map(|e| e.to_string()).collect();
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3, 4], "{shown:?}");
        assert!(shown[0].contains("invalid number \"nine\"") && shown[1].contains("already"), "{shown:?}");
    }
}
