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
        Library { scripts: BTreeMap::new(), modules: modules.into(), tables: tables.into() }
    }

    /// What ships, the modules and tables of `data`/scripts, and these scripts, whose paths begin at `data`. A script that
    /// cannot be read is an error; all of them are named.
    pub fn read<'p>(
        data: &Path,
        scripts: impl IntoIterator<Item = &'p str>,
    ) -> Result<Library, Vec<PoolError>> {
        let mut library = Library::shipped();
        let mut errors = library.add(&data.join(FOLDER));
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

    /// Adds the modules and tables of a folder; what cannot be read is named.
    pub fn add(&mut self, folder: &Path) -> Vec<PoolError> {
        let mut errors = Vec::new();
        for (name, text) in files(folder, &["rhai"], MAX_SCRIPT, &mut errors) {
            self.modules.insert(name.trim_end_matches(".rhai").to_owned(), text);
        }
        let ours = Library::shipped().tables;
        for (name, text) in files(&folder.join("tables"), &["csv", "txt"], MAX_TABLE, &mut errors) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            // A folder's uk.txt takes the place of the shipped uk.csv.
            self.tables.retain(|other, text| {
                let same = other.rsplit_once('.').is_some_and(|(other, _)| other == stem);
                !same || ours.get(other) != Some(text)
            });
            self.tables.insert(name, text);
        }
        errors
    }

    /// The same with another text for a script: a draft. It is that module, too, when it stands in the scripts folder.
    pub fn with(mut self, file: &str, text: &str) -> Library {
        self.scripts.insert(file.to_owned(), text.to_owned());
        let name = file.strip_prefix("scripts/").unwrap_or(file);
        if let Some(module) = name.strip_suffix(".rhai").filter(|m| !m.contains('/')) {
            self.modules.insert(module.to_owned(), text.to_owned());
        }
        self
    }
}

/// The readable files of a folder with one of these endings, in the order of their names. No folder: none.
fn files(
    folder: &Path,
    endings: &[&str],
    most: u64,
    errors: &mut Vec<PoolError>,
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
            Err(e) => errors.push(PoolError::read(name, &e)),
        }
    }
    found
}

fn text_of(path: &Path, most: u64) -> io::Result<String> {
    let size = fs::metadata(path)?.len();
    if size > most {
        return Err(io::Error::other(format!("it has {size} octets; at most {most} are read")));
    }
    fs::read_to_string(path)
}

impl PoolError {
    fn read(file: &str, error: &io::Error) -> PoolError {
        let hint = "see that the file exists and is text in UTF-8";
        PoolError { file: file.to_owned(), error: ScriptError::new(0, 0, error.to_string(), hint) }
    }
}
