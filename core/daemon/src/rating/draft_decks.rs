//! Rate decks of drafts: imported like any price list, used in dry runs together with the learned quality, and activated
//! together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use ringtrip_config::Config;
use ringtrip_exchange::rating::{offered, quote_of};
use ringtrip_exchange::route::{Quote, WallTime};
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::bundle::Bundles;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::export;
use ringtrip_rating::import::{self, Options};
use ringtrip_rating::least_cost::{Gateway, Health, LeastCostView};
use ringtrip_routing::router::{Prices, RankQuery, Ranking, rank};

use super::decks::{accepted, is_deck_name, read_back};
use super::view::{DeckChanges, ImportView, changes, import as shown};
use super::{FOLDER, ImportAsk, ImportError, Rating};
use crate::files::{replace, write_synced};
use crate::panics::caught;
use crate::secrets::octets_sha256;

/// A deck that is not active yet.
#[derive(Clone)]
pub struct DraftDeck {
    /// What it says.
    pub deck: Arc<Deck>,
    /// Its file: our own CSV.
    pub text: Arc<Vec<u8>>,
    /// The SHA-256 of it.
    mark: String,
}

/// Which gateway health a dry run assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthView {
    /// The health at the time of the question.
    Current,
    /// All gateways are up and idle: a replay of last month should not depend on a provider that is down today.
    AllAvailable,
}

/// Decks by name; `None`: it is removed.
pub type DraftDecks = BTreeMap<String, Option<DraftDeck>>;

impl DraftDeck {
    /// Reads back a file that an import has made.
    ///
    /// # Errors
    /// The file cannot be read as a deck in the currency of the configuration.
    pub fn read(name: &str, text: Vec<u8>, config: &Config) -> Result<DraftDeck, String> {
        let deck = read_back(name, &text, config.rates.settings.currency)?;
        Ok(DraftDeck::new(deck, text))
    }

    fn new(deck: Deck, text: Vec<u8>) -> DraftDeck {
        let mark = octets_sha256(&text);
        DraftDeck { deck: Arc::new(deck), text: Arc::new(text), mark }
    }
}

impl Rating {
    /// Imports a price list into a draft of this configuration. The active decks do not change.
    ///
    /// # Errors
    /// The price list cannot be read, has errors that were not to be skipped, or its reader panicked.
    pub fn draft_deck(
        &self,
        config: &Config,
        file: &[u8],
        ask: &ImportAsk,
    ) -> Result<(ImportView, DraftDeck), ImportError> {
        let _one = self.one_import();
        let work = || {
            let (imported, import) = self.look_at(config, file, ask)?;
            let deck = accepted(import, ask.skip_bad)?;
            let text = export::to_string(&deck).into_bytes();
            Ok((shown(imported), DraftDeck::new(deck, text)))
        };
        caught(work).unwrap_or_else(|why| Err(ImportError::Panicked(why)))
    }

    /// What this deck changes against the one of its name that is active.
    pub fn compare_deck(&self, name: &str, draft_decks: &DraftDeck) -> Option<DeckChanges> {
        let _one = self.one_import();
        let options = Options { listed: 20, ..Options::new(name, draft_decks.deck.currency()) };
        let old = self.decks().get(name).cloned();
        let import = import::read(&draft_decks.text, &options, old.as_deref(), &mut |_, _| true).ok()?;
        Some(changes(import.preview))
    }

    /// SHA-256 of the file of an active deck; `None`: there is no such deck.
    pub fn deck_mark(&self, name: &str) -> Option<String> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The file of an active deck.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn deck_file(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.file_of(name))
    }

    /// Prices of a draft configuration with these decks, combined with the learned quality and the given gateway health.
    pub fn prices_with_overrides(
        &self,
        config: Arc<Config>,
        draft_decks: &DraftDecks,
        seen: HealthView,
    ) -> Arc<dyn Prices> {
        let mut decks = self.decks();
        for (name, deck) in draft_decks {
            match deck {
                Some(draft_decks) => drop(decks.insert(name.clone(), draft_decks.deck.clone())),
                None => drop(decks.remove(name)),
            }
        }
        let one = |(name, decks, most): (String, _, _)| Gateway {
            name: name.into(),
            decks,
            most,
            busy: 0,
            health: Health::Well,
        };
        let mut gateways: Vec<Gateway> = offered(&config, &decks).into_iter().map(one).collect();
        gateways.sort_by(|a, b| a.name.cmp(&b.name));
        let bundles = (config.rates.bundles != self.config().rates.bundles).then(|| {
            let mut bundles = self.calls().least_cost().bundles.clone();
            bundles.set(config.rates.bundles.clone());
            bundles
        });
        Arc::new(DraftPrices { money: self.clone(), config, gateways, seen, bundles })
    }

    /// Activates these decks together, their files first. All or none, but for a disk that fails between two renames.
    /// Those that stand so already are left alone.
    ///
    /// # Errors
    /// The first file that cannot be written, renamed or removed.
    pub fn exchange_decks(&self, draft_decks: &DraftDecks) -> Result<(), ImportError> {
        let _one = self.one_import();
        let mark = |deck: &DraftDeck| deck.mark.clone();
        let stands =
            |(name, deck): &(&String, &Option<DraftDeck>)| self.deck_mark(name) == deck.as_ref().map(mark);
        let new = draft_decks.iter().filter(|part| !stands(part));
        let draft_decks: DraftDecks = new.map(|(name, deck)| (name.clone(), deck.clone())).collect();
        if draft_decks.is_empty() {
            return Ok(());
        }
        let at = |name: &str| {
            let path = self.file_of(name);
            |why| ImportError::Disk { path, why }
        };
        let folder = &self.0.folder;
        fs::create_dir_all(folder).map_err(|why| ImportError::Disk { path: folder.clone(), why })?;
        let written = draft_decks.iter().filter_map(|(name, deck)| Some((name, deck.as_ref()?)));
        for (name, deck) in written {
            write_synced(&self.beside(name), &deck.text).map_err(at(name)).inspect_err(|_| {
                draft_decks.keys().for_each(|name| drop(fs::remove_file(self.beside(name))));
            })?;
        }
        for (name, deck) in &draft_decks {
            let done = match deck {
                Some(_) => fs::rename(self.beside(name), self.file_of(name)),
                None => fs::remove_file(self.file_of(name)).or_else(|e| match e.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(e),
                }),
            };
            done.map_err(at(name))?;
        }
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|why| ImportError::Disk { path: folder.clone(), why })?;
        self.swap_all(draft_decks.iter().map(|(name, deck)| {
            let deck = deck.as_ref().map(|d| (d.deck.clone(), mark(d)));
            (name.clone(), deck)
        }));
        Ok(())
    }
}

/// Gives the decks of a data folder these files again, by the SHA-256 of what they hold (`None`: none), before any is read.
///
/// # Errors
/// The first file that cannot be read, written or removed.
pub fn restore_files(
    data: &Path,
    decks: &BTreeMap<String, Option<String>>,
    file: impl Fn(&str) -> io::Result<Vec<u8>>,
) -> io::Result<()> {
    let folder = data.join(FOLDER);
    for (name, mark) in decks.iter().filter(|(name, _)| is_deck_name(name)) {
        let path = folder.join(format!("{name}.csv"));
        match mark {
            Some(mark) => {
                fs::create_dir_all(&folder)?;
                replace(&folder.join(format!(".{name}.new")), &path, &file(mark)?)?;
            }
            None if path.exists() => fs::remove_file(&path)?,
            None => {}
        }
    }
    if decks.is_empty() { Ok(()) } else { fs::File::open(&folder)?.sync_all() }
}

/// Least-cost routing of a draft configuration.
#[derive(Debug)]
struct DraftPrices {
    money: Rating,
    config: Arc<Config>,
    /// With its decks; sorted by name.
    gateways: Vec<Gateway>,
    seen: HealthView,
    /// Where they are others than the active ones.
    bundles: Option<Bundles>,
}

impl DraftPrices {
    /// Queries the current quality with the gateways and settings of the draft.
    fn ask<T>(&self, ask: impl FnOnce(LeastCostView<'_>, u32) -> T) -> T {
        let calls = self.money.calls();
        let least_cost = calls.least_cost();
        let as_now = |gateway: &Gateway| match least_cost.view().of(&gateway.name) {
            Some(now) if self.seen == HealthView::Current => {
                Gateway { busy: now.busy, health: now.health.clone(), ..gateway.clone() }
            }
            _ => gateway.clone(),
        };
        let gateways: Vec<Gateway> = self.gateways.iter().map(as_now).collect();
        let rates = &self.config.rates;
        let bundles = self.bundles.as_ref().unwrap_or(&least_cost.bundles);
        let view = LeastCostView {
            settings: &rates.settings,
            gateways: &gateways,
            bundles,
            quality: &least_cost.quality,
        };
        ask(view, rates.call_length)
    }
}

impl Prices for DraftPrices {
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking {
        self.ask(|least_cost, seconds| rank(least_cost, seconds, ask))
    }

    fn quote(&self, gateway: &GatewayId, number: &str, wall: &WallTime) -> Option<Arc<Quote>> {
        self.ask(|least_cost, seconds| quote_of(least_cost, seconds, gateway, number, wall))
    }
}
