//! A document on its way to becoming active. It is read, compiled, proved, stored and activated in this order, once each;
//! HTTP handlers and signals only call it.
//!
//! [`Deployment`] is what a document has become: made on a thread that may wait, since files are read and scripts compiled
//! for it. It travels inside the message that activates it, so the control thread only exchanges what is there
//! already. What is kept is what is active: a deployment that the exchange does not take is undone on the disk, and one that
//! was withdrawn never becomes active.

mod deployment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use ringtrip_config::Config;

pub use deployment::Deployment;

use crate::config::{Fault, diff, read, summary};
use crate::control::{ControlError, Exchange};
use crate::routes::{ActiveRouting, Routes, Routing, quick};
use crate::store::{ConfigMeta, Store, StoreError};

/// Who changed the configuration when it was read again.
const SIGHUP: &str = "SIGHUP";
/// A note of more characters is refused.
const LONGEST_NOTE: usize = 500;

/// Activates documents.
#[derive(Clone)]
pub struct Deployer {
    /// Takes them.
    pub exchange: Exchange,
    /// Keeps them.
    pub store: Store,
    /// Compiles and proves their scripts.
    pub routes: Routes,
}

/// A document to activate.
pub struct Change {
    /// Who wants it.
    pub by: String,
    /// Why, in at most 500 characters.
    pub note: String,
    /// The version that it was made from; `None`: whichever is the newest.
    pub from: Option<u64>,
    /// TOML.
    pub text: String,
    /// Scripts that change with it, both or neither.
    pub scripts: Option<WithScripts>,
}

/// Scripts that change together with a document.
pub struct WithScripts {
    /// Both, compiled and proved.
    pub prepared: ActiveRouting,
    /// The new texts, by file name.
    pub texts: BTreeMap<String, String>,
    /// What is put back if the document is not taken.
    pub before: BTreeMap<String, String>,
}

/// A document that is active.
pub struct Deployed {
    /// Its version.
    pub meta: ConfigMeta,
    /// Warnings; it was taken.
    pub faults: Vec<Fault>,
    /// `2 lines added, 1 removed`.
    pub summary: String,
}

/// Why a document is not active. Nothing was changed, but for `NotTaken { undone: false, .. }`.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The note is too long.
    #[error("a note has at most {LONGEST_NOTE} characters")]
    Note,
    /// The document has faults, or fails a proof: emergency calls go out, and every number is decided.
    #[error("the document is refused{}", .0.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Document(Vec<Fault>),
    /// The exchange cannot be asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// It cannot be kept, or somebody else was faster.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its file cannot be read.
    #[error("{} cannot be read: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A script that comes with it cannot be written.
    #[error("a script cannot be written: {0}")]
    Script(io::Error),
    /// It was kept, and then the exchange did not take it.
    #[error("the exchange did not take the change and {}: {why}", undone_words(*.undone))]
    NotTaken {
        /// The document before it is the newest again.
        undone: bool,
        /// Why it was not taken.
        why: ControlError,
    },
    /// The process ends.
    #[error("the work was interrupted")]
    Interrupted,
}

fn undone_words(undone: bool) -> &'static str {
    if undone { "it was undone" } else { "it could not be undone on the disk either" }
}

/// What was made of a document, on a thread that may wait.
struct Built {
    config: Arc<Config>,
    faults: Vec<Fault>,
    deployment: Deployment,
    scripts: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
}

impl Deployer {
    /// Makes a document the newest version and activates it, with its scripts if there are any: all or nothing.
    ///
    /// # Errors
    /// See [`DeployError`].
    pub async fn activate(&self, change: Change) -> Result<Deployed, DeployError> {
        let Change { by, note, from, text, scripts } = change;
        if note.len() > LONGEST_NOTE {
            return Err(DeployError::Note);
        }
        let (routes, document) = (self.routes.clone(), text.clone());
        let built = blocking(move || build(&routes, &document, scripts)).await??;
        if !self.exchange.is_alive() {
            return Err(ControlError::Silent.into());
        }
        let Built { config, faults, deployment, scripts } = built;
        let (head, store) = (self.store.config_head(), self.store.clone());
        let old = match head {
            0 => String::new(),
            head => blocking(move || store.config(head)).await??.text,
        };
        let summary = summary(&diff(&old, &text));
        if let Some((texts, _)) = &scripts {
            self.write(&config, texts.clone()).await.map_err(DeployError::Script)?;
        }
        let meta = match self.store.put_config(from, &by, &note, &text).await {
            Ok(meta) => meta,
            Err(refused) => {
                self.put_back(&config, scripts).await;
                return Err(refused.into());
            }
        };
        let taken = self.exchange.deploy(deployment, meta.version, by, summary.clone()).await;
        if let Err(why) = taken {
            // Kept and active must not differ: the old text becomes the newest version again.
            let note = format!("version {} was not taken: {why}", meta.version);
            let undone = self.store.put_config(Some(meta.version), "ringtrip", &note, &old).await.is_ok();
            self.put_back(&config, scripts).await;
            return Err(DeployError::NotTaken { undone, why });
        }
        Ok(Deployed { meta, faults, summary })
    }

    /// On SIGHUP: activates this file if its text has changed, else the newest version once more, as it is made of
    /// the calendars, announcements and scripts that it names now.
    ///
    /// # Errors
    /// See [`DeployError`]; nothing was changed.
    pub async fn read_again(&self, file: Option<&Path>) -> Result<(), DeployError> {
        let (version, store, path) = (self.store.config_head(), self.store.clone(), file.map(Path::to_owned));
        let (kept, text) = blocking(move || {
            let kept = store.config(version)?.text;
            let text = match path {
                Some(path) => fs::read_to_string(&path).map_err(|why| DeployError::File { path, why })?,
                None => kept.clone(),
            };
            Ok::<_, DeployError>((kept, text))
        })
        .await??;
        if text != kept {
            let note = file.map_or_else(String::new, |path| format!("from {}", path.display()));
            let (by, from) = (SIGHUP.to_owned(), Some(version));
            self.activate(Change { by, note, from, text, scripts: None }).await?;
            return Ok(());
        }
        let routes = self.routes.clone();
        let deployment = blocking(move || {
            let (config, _) = read(&text).map_err(DeployError::Document)?;
            Ok::<_, DeployError>(Deployment::build(&routes, Arc::new(config)))
        });
        let (deployment, summary) = (deployment.await??, "read again".to_owned());
        Ok(self.exchange.deploy(deployment, version, SIGHUP.to_owned(), summary).await?)
    }

    async fn write(&self, config: &Arc<Config>, texts: BTreeMap<String, String>) -> io::Result<()> {
        let (config, folder) = (config.clone(), self.routes.folder().to_owned());
        let written = blocking(move || crate::drafts::write(&config, &folder, &texts)).await;
        written.unwrap_or_else(|why| Err(io::Error::other(why)))
    }

    async fn put_back(
        &self,
        config: &Arc<Config>,
        scripts: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    ) {
        let Some((_, before)) = scripts else { return };
        if let Err(error) = self.write(config, before).await {
            tracing::error!(%error, "the scripts before could not be put back into their files");
        }
    }
}

/// Reads a document, compiles its scripts and proves both. A script that cannot be read yet is no reason to refuse: its file
/// may come after the document that names it.
fn build(routes: &Routes, text: &str, scripts: Option<WithScripts>) -> Result<Built, DeployError> {
    let (config, faults) = read(text).map_err(DeployError::Document)?;
    let config = Arc::new(config);
    if let Some(WithScripts { prepared, texts, before }) = scripts {
        let routing = Routing::with_its_texts(prepared);
        let deployment = Deployment::of(config.clone(), routing);
        return Ok(Built { config, faults, deployment, scripts: Some((texts, before)) });
    }
    let now = routes.now();
    let routing = match routes.prepare(config.clone(), &[]) {
        Ok(prepared) => {
            let checks = crate::drafts::checks(text, quick(&prepared, &now));
            if !checks.ok {
                return Err(DeployError::Document(checks.faults));
            }
            Routing::from_files(prepared, &now)
        }
        Err(refused) => Routing::as_before(&now, refused),
    };
    Ok(Built { deployment: Deployment::of(config.clone(), routing), config, faults, scripts: None })
}

/// Does this on a thread that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DeployError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| DeployError::Interrupted)
}
