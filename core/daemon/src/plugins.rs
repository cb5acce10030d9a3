//! Wasm plugins in the exchange: opened beside the start, because compiling one may take a while and nobody who lifts a
//! handset waits for that; then handed to the routes, now and after each change.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{RData, RecordType};
use ringtrip_config::{Config, LineKind};
use ringtrip_model::event::Event;
use ringtrip_wasm::contract::Price;
use ringtrip_wasm::host::{Naptr, NaptrFailure, NaptrRecord};
use ringtrip_wasm::installed::{EventSink, Options};
use ringtrip_wasm::package::key::PublicKey;
use ringtrip_wasm::{Compiler, Installed};

use crate::cli::ServeOptions;
use crate::rating::{ImportAsk, Rating};
use crate::routes::Routes;

/// The plugins of this exchange. Cheap to clone; until [`Plugins::start`] has opened them, there are none.
#[derive(Clone, Default)]
pub struct Plugins(Arc<Inner>);

#[derive(Default)]
struct Inner {
    opened: OnceLock<Result<Installed, String>>,
    /// What the configuration says, for when they are opened.
    applied: Mutex<AppliedConfig>,
}

#[derive(Default, Clone)]
struct AppliedConfig {
    landlines: Vec<String>,
    trust: Vec<PublicKey>,
}

/// The prices that a gateway plugin tells become a deck of the plugin's name. A plugin without prices leaves the deck of
/// that name, which may be the operator's, alone.
fn price_list(rating: &Rating, plugin: &str, prices: &[Price]) {
    if prices.is_empty() {
        return;
    }
    let mut list = "prefix,destination,per_minute,connection,currency\n".to_owned();
    for p in prices {
        let amount = |micros: i64| ringtrip_rating::money::Money(micros).to_string();
        let destination = p.destination.replace(['"', ',', '\n', '\r'], " ");
        let (minute, connection) = (amount(p.per_minute.micros), amount(p.connection.micros));
        let _ = writeln!(list, "{},{destination},{minute},{connection},{}", p.prefix, p.per_minute.currency);
    }
    let ask = ImportAsk { name: Some(plugin.to_owned()), confirm: true, ..ImportAsk::default() };
    match rating.import(list.as_bytes(), &ask) {
        Ok(_) => {
            tracing::info!(plugin, prices = prices.len(), "the plugin's prices were imported as a rate deck")
        }
        Err(why) => tracing::warn!(plugin, "the plugin's prices were rejected: {why}"),
    }
}

/// The program that compiles plugins: this one, or else the one beside us.
pub fn compiler(given: Option<PathBuf>) -> Compiler {
    Compiler::at(given.unwrap_or_else(|| {
        let us = std::env::current_exe().unwrap_or_default();
        us.with_file_name("ringtrip-wasmc")
    }))
}

/// Why there are no plugins to ask about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlugins {
    /// Not yet.
    #[error("the plugins are being started; ask again in a moment")]
    Starting,
    /// Not here.
    #[error("plugins cannot run here: {0}")]
    Never(String),
}

impl Plugins {
    /// Opens the plugins of the data folder on a thread of their own. Call it within the runtime that asks name servers.
    pub fn start(
        &self,
        options: &ServeOptions,
        servers: &[SocketAddr],
        routes: Routes,
        rating: Rating,
        tell: EventSink,
    ) {
        let options = Options {
            folder: options.data.join("plugins"),
            compiler: compiler(options.wasmc.clone()),
            developer: options.developer,
            trust: self.applied().trust,
            dns: Arc::new(Names {
                resolver: crate::dns::resolver(servers),
                runtime: tokio::runtime::Handle::current(),
            }),
            tell: tell.clone(),
            prices: Arc::new(move |plugin, prices| price_list(&rating, plugin, prices)),
        };
        let plugins = self.clone();
        let spawned = std::thread::Builder::new().name("plugins".to_owned()).spawn(move || {
            let opened = Installed::open(options).map_err(|e| e.to_string());
            if let Err(why) = &opened {
                let text = format!("plugins cannot run: {why}");
                tell(Event::Alarm { what: "plugins", text });
            }
            let applied = plugins.0.applied.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(installed) = &opened {
                applied.tell(installed);
                installed.on_change(move |set| routes.set_plugins(set));
            }
            let _ = plugins.0.opened.set(opened);
        });
        if let Err(e) = spawned {
            let _ = self.0.opened.set(Err(e.to_string()));
        }
    }

    /// What the configuration says of landlines and publishers.
    pub fn configure(&self, config: &Config) {
        let landlines = config.lines.iter().filter(|l| matches!(l.kind, LineKind::Fxo(_)));
        let mut applied = self.0.applied.lock().unwrap_or_else(PoisonError::into_inner);
        *applied = AppliedConfig {
            landlines: landlines.map(|l| l.id.to_string()).collect(),
            trust: config.plugin_trust.iter().filter_map(|key| key.parse().ok()).collect(),
        };
        if let Some(Ok(installed)) = self.0.opened.get() {
            applied.tell(installed);
        }
    }

    /// The installed plugins.
    ///
    /// # Errors
    /// They are still being opened, or could not be opened.
    pub fn installed(&self) -> Result<Installed, NoPlugins> {
        match self.0.opened.get() {
            Some(Ok(installed)) => Ok(installed.clone()),
            Some(Err(why)) => Err(NoPlugins::Never(why.clone())),
            None => Err(NoPlugins::Starting),
        }
    }

    fn applied(&self) -> AppliedConfig {
        self.0.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AppliedConfig {
    fn tell(&self, installed: &Installed) {
        installed.set_landlines(self.landlines.iter().cloned());
        installed.set_trust(self.trust.clone());
    }
}

/// NAPTR records, asked on the exchange's runtime and waited for on a plugin's thread.
struct Names {
    resolver: Result<TokioResolver, NetError>,
    runtime: tokio::runtime::Handle,
}

impl Naptr for Names {
    fn look_up(&self, name: &str, within: Duration) -> Result<Vec<NaptrRecord>, NaptrFailure> {
        let resolver = match &self.resolver {
            Ok(resolver) => resolver.clone(),
            Err(e) => return Err(NaptrFailure::Failed(format!("no name server: {e}"))),
        };
        let (sender, receiver) = mpsc::sync_channel::<Result<Vec<NaptrRecord>, NaptrFailure>>(1);
        let name = format!("{}.", name.trim_end_matches('.'));
        self.runtime.spawn(async move {
            let asked = tokio::time::timeout(within, resolver.lookup(name, RecordType::NAPTR)).await;
            let _ = sender.send(match asked {
                Err(_) => Err(NaptrFailure::TooLate),
                Ok(Err(e)) if e.is_no_records_found() || e.is_nx_domain() => Err(NaptrFailure::None),
                Ok(Err(e)) => Err(NaptrFailure::Failed(e.to_string())),
                Ok(Ok(lookup)) => Ok(lookup.answers().iter().filter_map(|r| record(&r.data)).collect()),
            });
        });
        match receiver.recv_timeout(within) {
            Ok(Ok(records)) if records.is_empty() => Err(NaptrFailure::None),
            Ok(answer) => answer,
            Err(_) => Err(NaptrFailure::TooLate),
        }
    }
}

fn record(data: &RData) -> Option<NaptrRecord> {
    let RData::NAPTR(naptr) = data else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Some(NaptrRecord {
        order: naptr.order,
        preference: naptr.preference,
        flags: text(&naptr.flags),
        service: text(&naptr.services),
        regexp: text(&naptr.regexp),
        replacement: naptr.replacement.to_utf8(),
    })
}
