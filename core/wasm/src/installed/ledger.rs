//! What is installed, on the disk: one file that names each package, its rights and its settings. It is replaced whole,
//! so an install has either happened or not.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cache::write_whole;
use crate::package::grant::Grants;
use crate::package::manifest::Settings;

const FILE: &str = "installed.toml";
const PACKAGES: &str = "packages";
const VALUES: &str = "values";

/// All that is installed, in the order in which policies are asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default, rename = "plugin")]
    pub plugins: Vec<Entry>,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub name: String,
    pub version: semver::Version,
    /// SHA-256 of the package, hex: also its file's name.
    pub sha256: String,
    /// Seconds since 1970 UTC.
    pub installed: i64,
    /// Who installed it.
    pub by: String,
    pub enabled: bool,
    pub granted: Grants,
    #[serde(default)]
    pub settings: Settings,
}

impl Ledger {
    /// Reads the file; a folder without one has no plugins.
    pub fn read(folder: &Path) -> io::Result<Ledger> {
        let file = folder.join(FILE);
        match fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).map_err(|e| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: {}", file.display(), e.message()))
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
            Err(e) => Err(io::Error::new(e.kind(), format!("{}: {e}", file.display()))),
        }
    }

    /// Replaces the file, durably, then throws away packages that nobody names any more.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        write_whole(&folder.join(FILE), &[text.as_bytes()])?;
        self.sweep(folder);
        Ok(())
    }

    /// Throws away packages that nobody names.
    pub fn sweep(&self, folder: &Path) {
        for entry in fs::read_dir(folder.join(PACKAGES)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !self.plugins.iter().any(|p| name == package_name(&p.sha256)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Makes the folder, closed to others.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    let mut closed = fs::DirBuilder::new();
    closed.recursive(true).mode(0o700);
    [PACKAGES, VALUES].iter().try_for_each(|part| closed.create(folder.join(part)))
}

/// Reads a package; whether it is the right one is seen by its hash.
pub(super) fn read_package(folder: &Path, sha256: &str) -> io::Result<Vec<u8>> {
    let file = folder.join(PACKAGES).join(package_name(sha256));
    fs::read(&file).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.display())))
}

/// Writes a package, durably.
pub(super) fn write_package(folder: &Path, sha256: &str, octets: &[u8]) -> io::Result<()> {
    write_whole(&folder.join(PACKAGES).join(package_name(sha256)), &[octets])
}

fn package_name(sha256: &str) -> String {
    format!("{sha256}.rtp")
}
