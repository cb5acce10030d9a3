//! Rate decks and plugins of a draft: how they stand, how they shall stand, and the step from one to the other.

use ringtrip_config::Config;

use super::{DraftDeck, Drafts};
use crate::config::{DiffLine, Fault};
use crate::rating::{DraftDecks, ImportAsk, ImportError, ImportView};
use crate::store::{DraftRecord, Parts};

/// Decks that are kept read.
const READ: usize = 4;

/// Why decks and plugins were not exchanged. Nothing is different then from before.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// A deck.
    #[error("{0}")]
    Deck(#[from] ImportError),
    /// A plugin, or the disk.
    #[error("{0}")]
    Other(String),
    /// What stood before could not be put back either.
    #[error("{why}; and what stood before could not be put back: {back}")]
    Torn {
        /// Why it was refused.
        why: Box<NotTaken>,
        /// Why it could not be put back.
        back: Box<NotTaken>,
    },
}

/// What a draft changes of one deck or plugin.
pub struct PartDiff {
    /// `deck gw1`, `plugin policy-quiet-hours`.
    pub what: String,
    /// One sentence.
    pub summary: String,
    /// What is new and what is gone, the first of it.
    pub lines: Vec<DiffLine>,
}

impl Drafts {
    /// How the decks and plugins that these name stand now.
    pub fn current_parts(&self, parts: &Parts) -> Parts {
        let deck = |name: &String| (name.clone(), self.rating.deck_mark(name));
        Parts { decks: parts.decks.keys().map(deck).collect(), plugins: self.current_plugins(&parts.plugins) }
    }

    /// Keeps the files of what stands, so that it can be put back.
    ///
    /// # Errors
    /// A file cannot be read, or its copy not be written.
    pub fn save_current_parts(&self, current_parts: &Parts) -> std::io::Result<()> {
        for (name, mark) in &current_parts.decks {
            if mark.is_some() {
                self.files.keep(&self.rating.deck_file(name)?)?;
            }
        }
        self.keep_packages(current_parts.plugins.iter().filter_map(|(name, p)| p.as_ref().map(|_| name)))
    }

    /// Reads a price list into a draft; what it changes against the active deck.
    ///
    /// # Errors
    /// The price list cannot be imported, or its file not be kept.
    pub fn put_deck(
        &self,
        draft: &mut DraftRecord,
        file: &[u8],
        ask: &ImportAsk,
    ) -> Result<ImportView, ImportError> {
        let (view, deck) = self.rating.draft_deck(&config_of(draft), file, ask)?;
        let path = || self.routes.folder().join("drafts");
        let mark = self.files.keep(&deck.text).map_err(|why| ImportError::Disk { path: path(), why })?;
        self.remember(mark.clone(), deck);
        draft.parts.decks.insert(view.deck.clone(), Some(mark));
        Ok(view)
    }

    /// The decks of a draft, read.
    pub(super) fn draft_decks(&self, config: &Config, parts: &Parts) -> Result<DraftDecks, Fault> {
        let read = |name: &str, mark: &str| {
            if let Some(deck) = self.remembered(mark) {
                return Ok(deck);
            }
            let text = self.files.get(mark).map_err(|e| e.to_string())?;
            let deck = DraftDeck::read(name, text, config)?;
            self.remember(mark.to_owned(), deck.clone());
            Ok(deck)
        };
        let one = |(name, mark): (&String, &Option<String>)| {
            let deck = mark.as_ref().map(|mark| read(name, mark)).transpose();
            let deck = deck.map_err(|what: String| {
                Fault::elsewhere(format!("deck {name}"), what, "put the price list into the draft again")
            })?;
            Ok((name.clone(), deck))
        };
        parts.decks.iter().map(one).collect()
    }

    /// Activates decks and plugins as `to` says; on failure what stood before is put back, as `back` says.
    ///
    /// # Errors
    /// Why `to` was not activated: with [`NotTaken::Torn`], what stood before could not be put back either.
    pub fn exchange(&self, config: &Config, to: &Parts, back: &Parts, by: &str) -> Result<(), NotTaken> {
        let decks = |parts: &Parts| {
            self.draft_decks(config, parts).map_err(|f| NotTaken::Other(format!("{}: {}", f.path, f.what)))
        };
        let new = decks(to)?;
        self.exchange_plugins(to, by).map_err(NotTaken::Other)?;
        let Err(why) = self.rating.exchange_decks(&new) else { return Ok(()) };
        let why = NotTaken::from(why);
        // Each for itself: one that cannot be put back does not keep the other.
        let plugins = self.exchange_plugins(back, by).map_err(NotTaken::Other);
        let decks = decks(back).and_then(|old| Ok(self.rating.exchange_decks(&old)?));
        match plugins.and(decks) {
            Ok(()) => Err(why),
            Err(back) => Err(NotTaken::Torn { why: Box::new(why), back: Box::new(back) }),
        }
    }

    /// What a draft changes of decks and plugins.
    pub fn part_diffs(&self, draft: &DraftRecord) -> Vec<PartDiff> {
        let current_parts = self.current_parts(&draft.parts);
        let mut out = Vec::new();
        let config = config_of(draft);
        for (name, mark) in &draft.parts.decks {
            if current_parts.decks.get(name) == Some(mark) {
                continue;
            }
            let what = format!("deck {name}");
            let one = Parts { decks: [(name.clone(), mark.clone())].into(), ..Parts::default() };
            let (summary, lines) = match self.draft_decks(&config, &one) {
                Err(fault) => (fault.what, Vec::new()),
                Ok(decks) => match decks.into_values().flatten().next() {
                    None => ("it is removed".to_owned(), Vec::new()),
                    Some(deck) => self.deck_diff(name, &deck),
                },
            };
            out.push(PartDiff { what, summary, lines });
        }
        out.extend(self.plugin_diffs(&draft.parts, &current_parts));
        out
    }

    fn deck_diff(&self, name: &str, deck: &DraftDeck) -> (String, Vec<DiffLine>) {
        let Some(found) = self.rating.compare_deck(name, deck) else {
            return ("it cannot be read".to_owned(), Vec::new());
        };
        let summary = format!(
            "{} new, {} changed, {} gone, {} as they were",
            found.new.count, found.changed, found.gone.count, found.same
        );
        let mut lines = Vec::new();
        let mut add = |op: char, text: String| lines.push(DiffLine { op, text });
        for (op, list) in [('-', found.gone), ('+', found.new)] {
            let more = list.count - list.some.len();
            list.some.into_iter().for_each(|line| add(op, line));
            if more > 0 {
                add(op, format!("and {more} more"));
            }
        }
        let more = found.changed - found.pairs.len();
        for (old, new) in found.pairs {
            add('-', old);
            add('+', new);
        }
        if more > 0 {
            add('+', format!("and {more} more with another price"));
        }
        (summary, lines)
    }

    fn remembered(&self, mark: &str) -> Option<DraftDeck> {
        let decks = self.decks.lock().unwrap_or_else(|e| e.into_inner());
        decks.iter().find(|(m, _)| m == mark).map(|(_, deck)| deck.clone())
    }

    fn remember(&self, mark: String, deck: DraftDeck) {
        let mut decks = self.decks.lock().unwrap_or_else(|e| e.into_inner());
        decks.retain(|(m, _)| *m != mark);
        decks.push((mark, deck));
        if decks.len() > READ {
            decks.remove(0);
        }
    }
}

/// The draft's configuration; the usual one while its document cannot be read.
fn config_of(draft: &DraftRecord) -> Config {
    crate::config::read(&draft.config).map_or_else(|_| Config::default(), |(config, _)| config)
}
