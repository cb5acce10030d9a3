//! Rate decks: files in the data folder, imported while calls go on and replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use ringtrip_config::Config;
use ringtrip_exchange::rating::LANDLINE;
use ringtrip_model::event::Event;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::export;
use ringtrip_rating::import::{self, Bad, Import, Options, Preview, RowError, Unreadable};
use ringtrip_rating::money::Currency;

use super::{Rating, at, decks_of};
use crate::exchange::wall;
use crate::files::replace;
use crate::panics::caught;
use crate::secrets::octets_sha256;

/// Decks up to so many octets are read before the first call; larger ones beside the calls.
const SMALL: u64 = 1 << 20;

/// How a file is to be imported.
#[derive(Debug, Clone, Default)]
pub struct ImportAsk {
    /// The gateway whose prices they are; empty: nobody's yet.
    pub gateway: String,
    /// The deck's name; `None`: the gateway's first deck, or the gateway's own name.
    pub name: Option<String>,
    /// The currency, where the file names none.
    pub currency: Option<String>,
    /// What single columns are, one a line: `price=New Rate`, `prefix=3`; empty: as their headings say.
    pub columns: String,
    /// Leave bad rows out instead of refusing the file.
    pub skip_bad: bool,
    /// Activate it; else only say what would change.
    pub confirm: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The question makes no sense.
    #[error("{0}")]
    Bad(String),
    /// No such gateway.
    #[error("there is no gateway {0:?}")]
    NoGateway(String),
    /// The file is no price list.
    #[error("{0}; nothing was imported")]
    Unreadable(#[from] Unreadable),
    /// Some rows cannot be read.
    #[error("{count} rows cannot be read; nothing was imported. Correct them, or skip bad rows")]
    Rows {
        /// How many.
        count: usize,
        /// The first of them.
        some: Vec<RowError>,
    },
    /// Not one good row.
    #[error("the file has no row with a prefix and a price; nothing was imported")]
    Nothing,
    /// The disk.
    #[error("{path} cannot be written: {why}; nothing was imported")]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A fault of ours.
    #[error("the import failed ({0}); nothing was imported")]
    Panicked(String),
}

/// A file that was read.
pub(super) struct Imported {
    pub name: String,
    pub gateways: Vec<String>,
    pub preview: Preview,
    pub applied: bool,
    /// What is still to be done before calls are priced by it.
    pub note: Option<String>,
}

/// Letters, digits, `-`, `_` and dots within: it becomes a file's name.
pub fn is_deck_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

impl Rating {
    /// Reads a price list, says what would change, and activates it if that is asked. Takes as long as the file is;
    /// calls go on meanwhile.
    pub(super) fn read(&self, file: &[u8], ask: &ImportAsk) -> Result<Imported, ImportError> {
        let _one = self.one_import();
        let work = || {
            let (mut imported, import) = self.look_at(&self.config(), file, ask)?;
            if ask.confirm {
                let deck = Arc::new(accepted(import, ask.skip_bad)?);
                let text = export::to_string(&deck);
                self.keep_deck(&imported.name, text.as_bytes())?;
                self.swap(&imported.name, Some((deck, octets_sha256(text.as_bytes()))));
                imported.applied = true;
            }
            Ok(imported)
        };
        caught(work).unwrap_or_else(|why| Err(ImportError::Panicked(why)))
    }

    /// Reads a price list for this configuration and reports what would change. Nothing changes.
    pub(super) fn look_at(
        &self,
        config: &Config,
        file: &[u8],
        ask: &ImportAsk,
    ) -> Result<(Imported, Import), ImportError> {
        let known = |name: &str| name == LANDLINE || config.gateways.iter().any(|g| g.id.as_str() == name);
        let plugins = |name: &str| config.plugin_gateways.iter().any(|g| g.id.as_str() == name);
        if !ask.gateway.is_empty() && !known(&ask.gateway) && !plugins(&ask.gateway) {
            return Err(ImportError::NoGateway(ask.gateway.clone()));
        }
        let own = decks_of(config, &ask.gateway);
        let name = match &ask.name {
            Some(name) => name.clone(),
            None if ask.gateway.is_empty() => {
                return Err(ImportError::Bad("name a gateway or the deck".to_owned()));
            }
            None => own.first().cloned().unwrap_or_else(|| ask.gateway.clone()),
        };
        if !is_deck_name(&name) {
            let what = "a deck's name has letters, digits, -, _ and dots, such as gw1 or cheap-2026";
            return Err(ImportError::Bad(format!("{name:?}: {what}")));
        }
        let currency = match ask.currency.as_deref().filter(|c| !c.is_empty()) {
            Some(text) => text.parse::<Currency>().map_err(|e| ImportError::Bad(e.to_string()))?,
            None => config.rates.settings.currency,
        };
        let picks = ask.columns.lines().filter(|l| !l.trim().is_empty()).map(import::pick);
        let picks = picks.collect::<Result<_, _>>().map_err(|e| ImportError::Bad(e.to_string()))?;
        let options =
            Options { listed: 20, offset: at(&wall::now()).offset, picks, ..Options::new(&name, currency) };
        let old = self.0.decks.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let import = import::read(file, &options, old.as_deref(), &mut |_, _| true)?;
        let used = |gateway: &String| decks_of(config, gateway).contains(&name);
        let all = config.gateways.iter().map(|g| g.id.to_string()).chain([LANDLINE.to_owned()]);
        let gateways: Vec<String> = all.filter(used).collect();
        let note = (!ask.gateway.is_empty() && !gateways.contains(&ask.gateway)).then(|| {
            let mut decks = if own == [ask.gateway.clone()] { Vec::new() } else { own };
            decks.push(name.clone());
            format!(
                "{} does not use it yet: write decks = {decks:?} below [gateway.{}]",
                ask.gateway, ask.gateway
            )
        });
        let preview = import.preview.clone();
        Ok((Imported { name, gateways, preview, applied: false, note }, import))
    }

    /// Removes a deck and its file; `false`: there is none of that name.
    ///
    /// # Errors
    /// The file cannot be removed; the deck stays.
    pub fn remove_deck(&self, name: &str) -> io::Result<bool> {
        let _one = self.one_import();
        if !is_deck_name(name) || !self.decks().contains_key(name) {
            return Ok(false);
        }
        match fs::remove_file(self.file_of(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => self.swap(name, None),
        }
        Ok(true)
    }

    /// A deck as our own CSV.
    pub fn export_deck(&self, name: &str) -> Option<String> {
        let deck = self.0.decks.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()?;
        Some(export::to_string(&deck))
    }

    /// Reads the decks of the folder: small ones at once, large ones on a thread.
    pub(super) fn load(&self) {
        let (small, large): (Vec<_>, Vec<_>) =
            files(&self.0.folder).into_iter().partition(|f| f.octets <= SMALL);
        small.into_iter().for_each(|file| self.load_one(&file));
        if large.is_empty() {
            return;
        }
        *self.0.loading.write().unwrap_or_else(PoisonError::into_inner) =
            large.iter().map(|f| f.name.clone()).collect();
        let money = self.clone();
        let work = move || {
            for file in large {
                money.load_one(&file);
                let mut loading = money.0.loading.write().unwrap_or_else(PoisonError::into_inner);
                loading.retain(|name| *name != file.name);
            }
        };
        if let Err(e) = std::thread::Builder::new().name("rates".to_owned()).spawn(work) {
            self.alarm(format!("rate decks cannot be read: {e}"));
        }
    }

    fn load_one(&self, file: &DeckFile) {
        let read = || {
            let text = fs::read(&file.path).map_err(|e| e.to_string())?;
            let deck = read_back(&file.name, &text, self.config().rates.settings.currency)?;
            Ok::<_, String>((Arc::new(deck), octets_sha256(&text)))
        };
        match read() {
            // What was imported meanwhile is newer.
            Ok(_) if self.decks().contains_key(&file.name) => {}
            Ok(deck) => self.swap(&file.name, Some(deck)),
            Err(why) => self.alarm(format!("the rate deck {} cannot be used: {why}", file.path.display())),
        }
    }

    /// Another deck of this name is active, or none.
    fn swap(&self, name: &str, deck: Option<(Arc<Deck>, String)>) {
        self.swap_all([(name.to_owned(), deck)]);
    }

    /// Other decks of these names are active, or none; at once. A deck comes with the SHA-256 of its file.
    pub(super) fn swap_all(&self, new: impl IntoIterator<Item = (String, Option<(Arc<Deck>, String)>)>) {
        let mut before = Vec::new();
        {
            let mut decks = self.0.decks.write().unwrap_or_else(PoisonError::into_inner);
            let mut marks = self.0.marks.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, deck) in new {
                before.push(match deck {
                    Some((deck, mark)) => {
                        marks.insert(name.clone(), mark);
                        decks.insert(name, deck)
                    }
                    None => {
                        marks.remove(&name);
                        decks.remove(&name)
                    }
                });
            }
        }
        self.offer();
        // The last handle on a large deck is let go outside of the locks.
        drop(before);
    }

    /// Writes a deck's file: beside, to the disk, then in its place.
    fn keep_deck(&self, name: &str, text: &[u8]) -> Result<(), ImportError> {
        let path = self.file_of(name);
        let write = || {
            fs::create_dir_all(&self.0.folder)?;
            replace(&self.beside(name), &path, text)
        };
        write().map_err(|why| ImportError::Disk { path: path.clone(), why })
    }

    /// Where a deck's new file is written.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.0.folder.join(format!(".{name}.new"))
    }

    /// One at a time: each needs much memory for a moment.
    pub(super) fn one_import(&self) -> MutexGuard<'_, ()> {
        self.0.importing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn file_of(&self, name: &str) -> PathBuf {
        self.0.folder.join(format!("{name}.csv"))
    }

    pub(super) fn alarm(&self, text: String) {
        (self.0.tell)(Event::Alarm { what: "rates", text });
    }
}

/// Reads the file of a deck that was accepted before.
pub(super) fn read_back(name: &str, text: &[u8], currency: Currency) -> Result<Deck, String> {
    let read = || {
        let options = Options::new(name, currency);
        let import = import::read(text, &options, None, &mut |_, _| true).map_err(|e| e.to_string())?;
        import.accept(Bad::Refuse).map_err(|e| e.to_string())
    };
    caught(read).and_then(|read| read)
}

pub(super) fn accepted(import: Import, skip_bad: bool) -> Result<Deck, ImportError> {
    let errors = import.preview.errors.clone();
    import.accept(if skip_bad { Bad::Skip } else { Bad::Refuse }).map_err(|refused| match refused {
        import::Refused::Rows { count, .. } => {
            ImportError::Rows { count, some: errors.some.into_iter().take(20).collect() }
        }
        import::Refused::Nothing => ImportError::Nothing,
    })
}

struct DeckFile {
    name: String,
    path: PathBuf,
    octets: u64,
}

fn files(folder: &Path) -> Vec<DeckFile> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<DeckFile> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".csv")?.to_owned();
            let octets = entry.metadata().ok().filter(|m| m.is_file())?.len();
            is_deck_name(&name).then_some(DeckFile { name, path, octets })
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}
