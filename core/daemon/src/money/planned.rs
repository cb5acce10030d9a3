//! Rate decks that are not in force yet: read like any price list, asked on paper beside all that was learned, and then put
//! in force together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use ringtrip_config::Config;
use ringtrip_exchange::route::{Quote, WallTime};
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::bundle::Bundles;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::export;
use ringtrip_rating::import::{self, Options};
use ringtrip_rating::market::{Gateway, Health, View};
use ringtrip_routing::router::{Prices, RankAsk, Ranking};

use super::decks::{accepted, is_deck_name, read_back};
use super::view::{DeckChanges, ImportView, changes, import as shown};
use super::{FOLDER, ImportAsk, ImportError, Money, offered, quote_of, rank};
use crate::files::{replace, write_synced};
use crate::panics::caught;
use crate::secrets::octets_sha256;

/// A deck for later.
#[derive(Clone)]
pub struct PlannedDeck {
    /// What it says.
    pub deck: Arc<Deck>,
    /// Its file: our own CSV.
    pub text: Arc<Vec<u8>>,
    /// The SHA-256 of it.
    mark: String,
}

/// How gateways are taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// As they are at the question.
    AsNow,
    /// All work and are idle: the routes of a month say nothing of a provider that is down today.
    AllWell,
}

/// Decks by name; `None`: it is removed.
pub type Planned = BTreeMap<String, Option<PlannedDeck>>;

impl PlannedDeck {
    /// Reads back a file that an import has made.
    pub fn read(name: &str, text: Vec<u8>, config: &Config) -> Result<PlannedDeck, String> {
        let deck = read_back(name, &text, config.rates.settings.currency)?;
        Ok(PlannedDeck::new(deck, text))
    }

    fn new(deck: Deck, text: Vec<u8>) -> PlannedDeck {
        let mark = octets_sha256(&text);
        PlannedDeck { deck: Arc::new(deck), text: Arc::new(text), mark }
    }
}

impl Money {
    /// Reads a price list for a house of this configuration. Nothing changes here.
    pub fn plan_deck(
        &self,
        config: &Config,
        file: &[u8],
        ask: &ImportAsk,
    ) -> Result<(ImportView, PlannedDeck), ImportError> {
        let _one = self.one_import();
        let work = || {
            let (imported, import) = self.look_at(config, file, ask)?;
            let deck = accepted(import, ask.skip_bad)?;
            let text = export::to_string(&deck).into_bytes();
            Ok((shown(imported), PlannedDeck::new(deck, text)))
        };
        caught(work).unwrap_or_else(|why| Err(ImportError::Fell(why)))
    }

    /// What this deck changes against the one of its name that is in force.
    pub fn compare_deck(&self, name: &str, planned: &PlannedDeck) -> Option<DeckChanges> {
        let _one = self.one_import();
        let options = Options { listed: 20, ..Options::new(name, planned.deck.currency()) };
        let old = self.decks().get(name).cloned();
        let import = import::read(&planned.text, &options, old.as_deref(), &mut |_, _| true).ok()?;
        Some(changes(import.preview))
    }

    /// SHA-256 of the file of a deck in force; `None`: there is no such deck.
    pub fn deck_mark(&self, name: &str) -> Option<String> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The file of a deck in force.
    pub fn deck_file(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.file_of(name))
    }

    /// What calls cost in a house of this configuration with these decks: prices of paper, beside what is learned of the
    /// gateways as they are at each question, or as if all of them worked.
    pub fn prices_as_if(&self, config: Arc<Config>, planned: &Planned, seen: Seen) -> Arc<dyn Prices> {
        let mut decks = self.decks();
        for (name, deck) in planned {
            match deck {
                Some(planned) => drop(decks.insert(name.clone(), planned.deck.clone())),
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
            let mut bundles = self.market().bundles.clone();
            bundles.set(config.rates.bundles.clone());
            bundles
        });
        Arc::new(AsIf { money: self.clone(), config, gateways, seen, bundles })
    }

    /// Puts these decks in force together, their files first. All or none, but for a disk that fails between two renames.
    /// Those that stand so already are left alone.
    pub fn exchange_decks(&self, planned: &Planned) -> Result<(), ImportError> {
        let _one = self.one_import();
        let mark = |deck: &PlannedDeck| deck.mark.clone();
        let stands =
            |(name, deck): &(&String, &Option<PlannedDeck>)| self.deck_mark(name) == deck.as_ref().map(mark);
        let new = planned.iter().filter(|part| !stands(part));
        let planned: Planned = new.map(|(name, deck)| (name.clone(), deck.clone())).collect();
        if planned.is_empty() {
            return Ok(());
        }
        let at = |name: &str| {
            let path = self.file_of(name);
            |why| ImportError::Disk { path, why }
        };
        let folder = &self.0.folder;
        fs::create_dir_all(folder).map_err(|why| ImportError::Disk { path: folder.clone(), why })?;
        let written = planned.iter().filter_map(|(name, deck)| Some((name, deck.as_ref()?)));
        for (name, deck) in written {
            write_synced(&self.beside(name), &deck.text).map_err(at(name)).inspect_err(|_| {
                planned.keys().for_each(|name| drop(fs::remove_file(self.beside(name))));
            })?;
        }
        for (name, deck) in &planned {
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
        self.swap_all(planned.iter().map(|(name, deck)| {
            let deck = deck.as_ref().map(|d| (d.deck.clone(), mark(d)));
            (name.clone(), deck)
        }));
        Ok(())
    }
}

/// Gives the decks of a data folder these files again, by the SHA-256 of what they hold (`None`: none), before any is read.
pub fn put_back(
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

/// The market of a house that is not in force.
#[derive(Debug)]
struct AsIf {
    money: Money,
    config: Arc<Config>,
    /// With its decks; sorted by name.
    gateways: Vec<Gateway>,
    seen: Seen,
    /// Where they are others than those in force.
    bundles: Option<Bundles>,
}

impl AsIf {
    /// Asks the market of now, with the gateways and settings of this house.
    fn ask<T>(&self, ask: impl FnOnce(View<'_>, u32) -> T) -> T {
        let market = self.money.market();
        let as_now = |gateway: &Gateway| match market.view().of(&gateway.name) {
            Some(now) if self.seen == Seen::AsNow => {
                Gateway { busy: now.busy, health: now.health.clone(), ..gateway.clone() }
            }
            _ => gateway.clone(),
        };
        let gateways: Vec<Gateway> = self.gateways.iter().map(as_now).collect();
        let rates = &self.config.rates;
        let bundles = self.bundles.as_ref().unwrap_or(&market.bundles);
        let view = View { settings: &rates.settings, gateways: &gateways, bundles, quality: &market.quality };
        ask(view, rates.call_length)
    }
}

impl Prices for AsIf {
    fn rank(&self, ask: &RankAsk<'_>) -> Ranking {
        self.ask(|market, seconds| rank(market, seconds, ask))
    }

    fn quote(&self, gateway: &GatewayId, number: &str, wall: &WallTime) -> Option<Arc<Quote>> {
        self.ask(|market, seconds| quote_of(market, seconds, gateway, number, wall))
    }
}
