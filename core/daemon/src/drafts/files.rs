//! What drafts have on the disk: rate decks and packages that are not active, each under the SHA-256 of what it holds;
//! and the scripts' own files, which an activation writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ringtrip_config::Config;

use super::plugins;
use crate::config::read;
use crate::files::replace;
use crate::routes::scripts;
use crate::secrets::octets_sha256;
use crate::store::{Activated, DraftRecord, Parts, Store};

/// A file that no draft names is thrown away when it is so old: a younger one may be on its way into a draft.
const YOUNG: Duration = Duration::from_secs(600);

/// Files by the SHA-256 of what they hold.
#[derive(Debug, Clone)]
pub(super) struct Files(Arc<PathBuf>);

impl Files {
    /// Those of this data folder.
    pub fn of(data: &Path) -> Files {
        Files(Arc::new(data.join("drafts")))
    }

    /// Keeps a file, durably; its name.
    pub fn keep(&self, octets: &[u8]) -> io::Result<String> {
        let name = octets_sha256(octets);
        if self.get(&name).is_ok() {
            return Ok(name);
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&*self.0)?;
        let beside = self.0.join(format!(".{name}.{:08x}", rand::random::<u32>()));
        // The folder is its owner's alone, and so are its files.
        replace(&beside, &self.0.join(&name), octets).inspect_err(|_| drop(fs::remove_file(&beside)))?;
        Ok(name)
    }

    /// Reads a file; one that is not what its name says is an error.
    pub fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.0.join(name);
        let octets =
            fs::read(&path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        if octets_sha256(&octets) != name {
            let what = format!("{} is damaged: it is not what its name says", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(octets)
    }

    /// Throws away what none of these drafts names.
    pub fn tidy(&self, drafts: &[DraftRecord]) {
        let parts = |d: &DraftRecord| {
            let before = d.active.as_ref().map(|a| a.before.parts.clone()).unwrap_or_default();
            [d.parts.clone(), before]
        };
        let all: Vec<Parts> = drafts.iter().flat_map(parts).collect();
        let named: BTreeSet<&str> = all.iter().flat_map(Parts::files).collect();
        for entry in fs::read_dir(&*self.0).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            let named = entry.file_name().to_str().is_some_and(|name| named.contains(name));
            if !named && age.is_some_and(|age| age > YOUNG) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Where the text of a script of a draft is kept when it is active.
fn file_of(config: &Config, folder: &Path, name: &str) -> PathBuf {
    let named = scripts::files(config, folder).into_iter().find(|f| f.name == name);
    named.map_or_else(|| folder.join("scripts").join(name), |f| f.path)
}

/// Writes these texts to their files. On failure those written already are put back.
///
/// # Errors
/// The first file or folder that cannot be written.
pub fn write(config: &Config, folder: &Path, scripts: &BTreeMap<String, String>) -> io::Result<()> {
    let mut done: Vec<(PathBuf, Option<String>)> = Vec::new();
    for (name, text) in scripts {
        let file = file_of(config, folder, name);
        let before = fs::read_to_string(&file).ok();
        if before.as_ref() == Some(text) {
            continue;
        }
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        if let Err(e) = scripts::write(&file, text) {
            for (file, before) in done {
                let _ = match before {
                    Some(before) => scripts::write(&file, &before),
                    None => fs::remove_file(&file),
                };
            }
            return Err(e);
        }
        done.push((file, before));
    }
    Ok(())
}

/// An activation or an undoing that was cut short by the end of the process is taken back: its files may lie in their
/// places already while the configuration is the one before. To be called before any of these files is read.
pub fn recover(store: &Store, data: &Path) -> Vec<DraftRecord> {
    let all = store.drafts();
    Files::of(data).tidy(&all);
    let mut mended = Vec::new();
    for mut draft in all {
        let Some(active) = draft.active.take() else { continue };
        let head = store.config_head();
        let active = match &active {
            Activated { version: 0, before, .. } if head == before.version => {
                put_back(store, data, &draft.name, before.version, &before.scripts, &before.parts);
                None
            }
            Activated { version: 0, .. } => Some(Activated { version: head, ..active }),
            Activated { undoing: true, version, .. } if head == *version => {
                put_back(store, data, &draft.name, *version, &draft.scripts, &draft.parts);
                Some(Activated { undoing: false, ..active })
            }
            Activated { undoing: true, .. } => Some(Activated { undoing: false, undone: true, ..active }),
            _ => continue,
        };
        draft.active = active;
        mended.push(draft);
    }
    mended
}

fn put_back(
    store: &Store,
    data: &Path,
    draft: &str,
    version: u64,
    scripts: &BTreeMap<String, String>,
    parts: &Parts,
) {
    let config = store.config(version).ok().and_then(|v| read(&v.text).ok());
    if let Some((config, _)) = config
        && let Err(error) = write(&config, data, scripts)
    {
        tracing::error!(%error, draft, "the scripts of an interrupted activation could not be restored");
    }
    let files = Files::of(data);
    if let Err(error) = crate::rating::restore_files(data, &parts.decks, |name| files.get(name)) {
        tracing::error!(%error, draft, "the rate decks of an interrupted activation could not be restored");
    }
    if let Err(error) = plugins::put_back(data, &parts.plugins, &files) {
        tracing::error!(%error, draft, "the plugins of an interrupted activation could not be restored");
    }
}

#[cfg(test)]
mod tests;
