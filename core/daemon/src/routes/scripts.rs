//! The scripts of a configuration: what their folder holds, compiled together, and what was saved since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringtrip_config::Config;
use ringtrip_model::event::Event;
use ringtrip_routing::script::Clock;
use ringtrip_routing::{Library, Limits, Pool, PoolError};

use super::active;
use crate::control::{ControlError, ScriptRefused};
use crate::control_thread::takes_time;
use crate::files::replace;

/// Scripts as they run.
#[derive(Clone)]
pub struct Scripts {
    library: Arc<Library>,
    pool: Pool,
    wanted: Vec<Named>,
    limits: Limits,
    /// How the folder looked when it was last read, taken or refused: each change is looked at once.
    seen: Stamps,
}

/// The files of the folder, each with its time and length.
type Stamps = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// What a script may take for a probe call.
const DRY_RUN_TIME: Duration = Duration::from_secs(1);

/// A script's text that is not in its file yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The file's name.
    pub name: String,
    /// Rhai.
    pub text: String,
}

/// A script that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// As the configuration calls it, a path that begins at the data folder.
    pub word: String,
    /// The file's name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// Why scripts were refused: every fault that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Refused(pub Vec<ScriptRefused>);

impl Scripts {
    /// None at all.
    pub(super) fn none() -> Scripts {
        let limits = Limits::default();
        let library = Arc::new(Library::shipped());
        Scripts { library, pool: Pool::default(), wanted: Vec::new(), limits, seen: Stamps::new() }
    }

    /// The scripts that this configuration names, from their files, with these texts in place of the files of their names.
    pub(super) fn read(config: &Config, folder: &Path, texts: &[Text]) -> Result<Scripts, Refused> {
        takes_time("scripts are read");
        // The times first: what changes while texts are read is seen at the next look.
        let wanted = files(config, folder);
        let seen = look(folder, &wanted);
        let from_files =
            wanted.iter().filter(|n| !texts.iter().any(|t| t.name == n.name)).map(|n| n.word.as_str());
        let mut library = Library::read(folder, from_files).map_err(Refused::from)?;
        for text in texts {
            let word = wanted.iter().find(|n| n.name == text.name).map_or(&text.name, |n| &n.word);
            library = library.with(word, &text.text);
        }
        Scripts::compile(config, wanted, library, seen)
    }

    /// The same library for another configuration: what runs is not refused for what was saved badly beside it.
    fn compile(
        config: &Config,
        wanted: Vec<Named>,
        library: Library,
        seen: Stamps,
    ) -> Result<Scripts, Refused> {
        takes_time("scripts are compiled");
        let limits = limits(config);
        let names = wanted.iter().map(|n| (n.word.clone(), n.word.clone())).collect();
        let pool = Pool::compile(&library, &names, limits, clock());
        Ok(Scripts { library: Arc::new(library), pool: pool.map_err(Refused::from)?, wanted, limits, seen })
    }

    /// The pool for an engine.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What scripts, modules and tables hold.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The scripts with their running texts.
    pub fn iter(&self) -> impl Iterator<Item = (&Named, &String)> {
        self.wanted.iter().filter_map(|n| Some((n, self.library.scripts.get(&n.word)?)))
    }

    /// The scripts that are asked, with their texts.
    pub(super) fn running(&self) -> impl Iterator<Item = (&Named, &String)> {
        self.iter().filter(|(named, _)| self.pool.get(&named.word).is_some())
    }

    /// The same scripts with much time for each call, to look at what they do and not at how busy the machine is.
    pub(super) fn with_generous_limits(&self) -> Scripts {
        let limits = Limits { time: self.limits.time.max(DRY_RUN_TIME), ..self.limits };
        let names = self.wanted.iter().map(|n| (n.word.clone(), n.word.clone())).collect();
        match Pool::compile(&self.library, &names, limits, clock()) {
            Ok(pool) => Scripts { pool, ..self.clone() },
            Err(_) => self.clone(),
        }
    }

    /// Asks this script no more; its text stays known. `false`: it was not asked.
    pub(super) fn remove(&mut self, word: &str) -> bool {
        let there = self.pool.get(word).is_some();
        self.pool = self.pool.without(word);
        there
    }

    /// The running text of the file of this name.
    pub fn text_of(&self, name: &str) -> Option<&String> {
        self.iter().find(|(named, _)| named.name == name).map(|(_, text)| text)
    }

    /// Is the file of this name asked by anybody: the configuration, or a script that imports it?
    pub fn asks(&self, name: &str) -> bool {
        let import = format!("import \"{}\"", name.strip_suffix(".rhai").unwrap_or(name));
        let mut all = self.library.scripts.values().chain(self.library.modules.values());
        self.text_of(name).is_some() || all.any(|text| text.contains(&import))
    }

    /// Are these the very same, compiled once?
    pub(super) fn are(&self, others: &Scripts) -> bool {
        Arc::ptr_eq(&self.library, &others.library)
    }

    /// Do these run already as this configuration wants them?
    pub(super) fn matches(&self, config: &Config, folder: &Path) -> bool {
        self.wanted == files(config, folder) && self.limits == limits(config)
    }

    /// Was something saved since? Then it is news until [`Scripts::with_stamps`].
    pub(super) fn changed(&self, folder: &Path) -> Option<FolderStamp> {
        let now = look(folder, &self.wanted);
        (now != self.seen).then_some(FolderStamp(now))
    }

    /// The same scripts; the folder as it looks now is known.
    pub(super) fn with_stamps(&self, seen: FolderStamp) -> Scripts {
        Scripts { seen: seen.0, ..self.clone() }
    }

    /// What has become active against what ran before.
    pub(super) fn news(&self, before: &Scripts) -> Vec<Event> {
        let changed = self.running().filter(|(named, text)| before.text_of(&named.name) != Some(text));
        let mut news: Vec<Event> = changed.map(|(named, text)| active(&named.name, text)).collect();
        let modules =
            self.library.modules != before.library.modules || self.library.tables != before.library.tables;
        if news.is_empty() && modules && !self.wanted.is_empty() {
            news.extend(self.running().map(|(named, text)| active(&named.name, text)));
        }
        news
    }
}

/// How a folder looks now.
pub(super) struct FolderStamp(Stamps);

/// The scripts that a configuration names, each once.
pub(crate) fn files(config: &Config, folder: &Path) -> Vec<Named> {
    let named = |word: &str| {
        let path = folder.join(word);
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Named { word: word.to_owned(), name, path }
    };
    config.script_files().into_iter().map(named).collect()
}

/// The clock that scripts are timed by.
pub(crate) fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || began.elapsed())
}

/// What a script may spend.
pub(super) fn limits(config: &Config) -> Limits {
    Limits { time: config.limits.script_time, operations: config.limits.script_operations }
}

/// Writes a script's file whole or not at all.
pub(crate) fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let fresh = file.with_extension("rhai.new");
    replace(&fresh, file, text.as_bytes())
}

/// The scripts' own files, and all of the scripts folder: modules and tables.
fn look(folder: &Path, wanted: &[Named]) -> Stamps {
    takes_time("the folder of scripts is read");
    let scripts = folder.join("scripts");
    let listed = [scripts.join("tables"), scripts].into_iter().flat_map(|dir| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "rhai" || e == "csv" || e == "txt"))
    });
    let paths = wanted.iter().map(|n| n.path.clone()).chain(listed);
    paths
        .map(|path| {
            let meta = std::fs::metadata(&path).ok();
            let stamp = (meta.as_ref().and_then(|m| m.modified().ok()), meta.map_or(0, |m| m.len()));
            (path, stamp)
        })
        .collect()
}

impl From<Vec<PoolError>> for Refused {
    fn from(errors: Vec<PoolError>) -> Refused {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let one = |e: PoolError| ScriptRefused {
            script: e.file.rsplit('/').next().unwrap_or_default().to_owned(),
            line: number(e.error.line),
            column: number(e.error.column),
            what: e.error.to_string(),
        };
        Refused(errors.into_iter().map(one).collect())
    }
}

impl From<Refused> for ControlError {
    fn from(refused: Refused) -> ControlError {
        match refused.0.into_iter().next() {
            Some(first) => ControlError::Script(first),
            None => ControlError::Failed("the scripts were refused".to_owned()),
        }
    }
}
