//! What a pool is made of: the texts of scripts, modules and tables. Modules and tables that ship with the exchange are
//! always there; a file of the same name in the scripts folder takes the place of one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::error::ScriptError;
use super::pool::PoolError;

/// Texts, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Library {
    /// Scripts, by the path that the configuration names.
    pub scripts: BTreeMap<String, String>,
    /// What `import` finds: `uk` is `scripts/uk.rhai`.
    pub modules: BTreeMap<String, String>,
    /// Tables, by file name: `uk.csv`.
    pub tables: BTreeMap<String, String>,
    /// What lies there and cannot be read, by file: `uk.rhai`, `tables/uk.csv`. It harms those who use it, and nobody else.
    pub broken: BTreeMap<String, ScriptError>,
}

/// The folder in the folder of data.
const FOLDER: &str = "scripts";
/// The largest table.
const MAX_TABLE: u64 = 8 << 20;
/// The largest script that is read; the compiler says what is too much.
const MAX_SCRIPT: u64 = 1 << 20;

macro_rules! shipped {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../../scripts/", $name)))),*]
    };
}

impl Library {
    /// What ships with the exchange.
    pub fn shipped() -> Library {
        let modules = shipped!("uk.rhai", "us.rhai", "eu.rhai", "hours.rhai");
        let tables = shipped!("tables/uk.csv", "tables/us.csv", "tables/eu.csv", "tables/countries.csv");
        let modules =
            modules.map(|(name, text)| (name.trim_end_matches(".rhai").to_owned(), text.to_owned()));
        let tables =
            tables.map(|(name, text)| (name.trim_start_matches("tables/").to_owned(), text.to_owned()));
        Library { modules: modules.into(), tables: tables.into(), ..Library::default() }
    }

    /// What ships, the modules and tables of `data`/scripts, and these scripts, whose paths begin at `data`.
    ///
    /// # Errors
    /// Every script that cannot be read. A broken module or table is an error only of the scripts that use it.
    pub fn read<'p>(
        data: &Path,
        scripts: impl IntoIterator<Item = &'p str>,
    ) -> Result<Library, Vec<PoolError>> {
        let mut library = Library::shipped();
        library.add(&data.join(FOLDER));
        let mut errors = Vec::new();
        for file in scripts {
            match text_of(&data.join(file), MAX_SCRIPT) {
                Ok(text) => {
                    library.scripts.insert(file.to_owned(), text);
                }
                Err(e) => errors.push(PoolError::read(file, &e)),
            }
        }
        if errors.is_empty() { Ok(library) } else { Err(errors) }
    }

    /// Adds the modules and tables of a folder. What cannot be read is noted as broken.
    pub fn add(&mut self, folder: &Path) {
        let mut broken = BTreeMap::new();
        for (name, text) in files(folder, "", &["rhai"], MAX_SCRIPT, &mut broken) {
            self.modules.insert(name.trim_end_matches(".rhai").to_owned(), text);
        }
        let ours = Library::shipped().tables;
        for (name, text) in files(&folder.join("tables"), "tables/", &["csv", "txt"], MAX_TABLE, &mut broken)
        {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            // A folder's uk.txt takes the place of the shipped uk.csv.
            self.tables.retain(|other, text| {
                let same = other.rsplit_once('.').is_some_and(|(other, _)| other == stem);
                !same || ours.get(other) != Some(text)
            });
            self.tables.insert(name, text);
        }
        for file in broken.keys() {
            // It was to take the place of one that ships.
            match file.strip_prefix("tables/").and_then(|name| name.rsplit_once('.')) {
                Some((stem, _)) => {
                    self.tables
                        .retain(|other, _| other.rsplit_once('.').is_none_or(|(other, _)| other != stem));
                }
                None => drop(self.modules.remove(file.trim_end_matches(".rhai"))),
            }
        }
        self.broken.extend(broken);
    }

    /// The same with another text for a script: a draft. It is that module, too, when it stands in the scripts folder.
    pub fn with(mut self, file: &str, text: &str) -> Library {
        self.scripts.insert(file.to_owned(), text.to_owned());
        let name = file.strip_prefix("scripts/").unwrap_or(file);
        if let Some(module) = name.strip_suffix(".rhai").filter(|m| !m.contains('/')) {
            self.broken.remove(name);
            self.modules.insert(module.to_owned(), text.to_owned());
        }
        self
    }
}

/// The readable files of a folder with one of these endings, in the order of their names. No folder: none.
fn files(
    folder: &Path,
    shown: &str,
    endings: &[&str],
    most: u64,
    broken: &mut BTreeMap<String, ScriptError>,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if !endings.contains(&ending) || name.starts_with('.') || !path.is_file() {
            continue;
        }
        match text_of(&path, most) {
            Ok(text) => {
                found.insert(name.to_owned(), text);
            }
            Err(e) => drop(broken.insert(format!("{shown}{name}"), PoolError::read(name, &e).error)),
        }
    }
    found
}

fn text_of(path: &Path, most: u64) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > most {
        return Err(io::Error::other(format!("it has {size} octets; at most {most} are read")));
    }
    decoded(&fs::read(path)?).map_err(io::Error::other)
}

/// The text of a file as programs write it: UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252, which is
/// what spreadsheets save when they are not asked.
///
/// # Errors
/// A byte order mark that the rest does not keep to, or NUL bytes: then it is not a text file.
pub fn decoded(octets: &[u8]) -> Result<String, String> {
    let utf16 = |octets: &[u8], read: fn([u8; 2]) -> u16| {
        let units = octets.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map_err(|_| "it is no UTF-16 text, though it begins like one".to_owned())
    };
    match octets {
        [0xef, 0xbb, 0xbf, rest @ ..] => match std::str::from_utf8(rest) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => Err(format!("it is no UTF-8 text from octet {}", e.valid_up_to() + 4)),
        },
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if octets.contains(&0) => Err("it is not text: it contains NUL bytes".to_owned()),
        _ => Ok(match std::str::from_utf8(octets) {
            Ok(text) => text.to_owned(),
            Err(_) => octets.iter().map(|octet| windows_1252(*octet)).collect(),
        }),
    }
}

fn windows_1252(octet: u8) -> char {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match octet {
        0x80..=0x9f => FROM_0X80[usize::from(octet - 0x80)],
        _ => char::from(octet),
    }
}

impl PoolError {
    fn read(file: &str, error: &io::Error) -> PoolError {
        let hint = "see that the file exists and is text in UTF-8";
        PoolError { file: file.to_owned(), error: ScriptError::new(0, 0, error.to_string(), hint) }
    }
}
