//! What a start finds or makes: the store, the configuration that was active, and at the very first start a document,
//! an admin secret and a door for the command line.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ringtrip_config::{Config, DemoSecrets, Region};
use serde::{Deserialize, Serialize};

use crate::config::{self, Fault};
use crate::http::auth;
use crate::secrets::{Secret, new_phone_password};
use crate::store::{Scope, Store, StoreError};

/// The configuration to start with.
#[derive(Debug)]
pub struct FirstConfig {
    /// As meaning.
    pub config: Config,
    /// Its version.
    pub version: u64,
    /// Warnings.
    pub faults: Vec<Fault>,
    /// It was written just now: this is the first start.
    pub is_first: bool,
    /// Newer versions that this program could not read and passed over. Tell the operator.
    pub passed_over: Vec<u64>,
}

/// Why there is nothing to start with.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file named by `--config` cannot be read.
    #[error("{path} cannot be {what}: {why}")]
    File { path: PathBuf, why: std::io::Error, what: &'static str },
    /// It has faults.
    #[error("the configuration is refused:\n{0}")]
    Faulty(String),
    /// Nothing that was ever kept can be read.
    #[error("none of the {0} kept versions of the configuration can be read; start with --config FILE")]
    NoneReads(usize),
}

/// The configuration to start with: `import` if it is named and differs from the newest version, else the newest
/// version that reads, else a first document.
///
/// # Errors
/// The file to import cannot be read or has faults, or the store cannot be read or written.
pub async fn configuration(
    store: &Store,
    region: Region,
    import: Option<&Path>,
) -> Result<FirstConfig, StartError> {
    if let Some(path) = import {
        let text = fs::read_to_string(path).map_err(|why| StartError::File {
            path: path.to_owned(),
            why,
            what: "read",
        })?;
        let (config, faults) = config::read(&text)
            .map_err(|faults| StartError::Faulty(config::report(&path.display().to_string(), &faults)))?;
        let head = store.config_head();
        let same = head > 0 && store.config(head).is_ok_and(|newest| newest.text == text);
        let version = if same {
            head
        } else {
            let note = format!("from {}", path.display());
            store.start_with("ringtrip", &note, &text).await?.version
        };
        return Ok(FirstConfig { config, version, faults, is_first: head == 0, passed_over: Vec::new() });
    }
    let kept = store.configs();
    if kept.is_empty() {
        let secrets = DemoSecrets { first: new_phone_password().0, second: new_phone_password().0 };
        let text = config::default_toml(region, &secrets);
        let (config, faults) = config::read(&text)
            .map_err(|faults| StartError::Faulty(config::report("first document", &faults)))?;
        let meta = store.start_with("ringtrip", "first start", &text).await?;
        return Ok(FirstConfig {
            config,
            version: meta.version,
            faults,
            is_first: true,
            passed_over: Vec::new(),
        });
    }
    let mut passed_over = Vec::new();
    for meta in kept.iter().rev() {
        let read = store.config(meta.version).ok().and_then(|version| config::read(&version.text).ok());
        if let Some((config, faults)) = read {
            return Ok(FirstConfig { config, version: meta.version, faults, is_first: false, passed_over });
        }
        passed_over.push(meta.version);
    }
    Err(StartError::NoneReads(kept.len()))
}

/// Where the command line finds the running exchange: a file that only the owner of the data can read.
#[derive(Serialize, Deserialize)]
pub struct LocalAccess {
    /// `http://127.0.0.1:8080`.
    pub url: String,
    /// A token for administrators of this very run's data.
    pub token: String,
}

/// Name of the door's file in the data folder.
pub const LOCAL_ACCESS_FILE: &str = "door.json";

/// Opens the door for the command line, with a fresh token in place of the one before.
///
/// # Errors
/// The token cannot be kept, or its file not be written.
pub async fn open_door(store: &Store, data: &Path, listen: SocketAddr) -> Result<(), StartError> {
    let before: Vec<_> = store.tokens().into_iter().filter(|t| t.name == "command line").collect();
    let (record, token) = auth::new_token("command line", Scope::Admin);
    store.start_token(&record).await?;
    let mut reachable = listen;
    if listen.ip().is_unspecified() {
        reachable.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let access = LocalAccess { url: format!("http://{reachable}"), token: token.0 };
    let path = data.join(LOCAL_ACCESS_FILE);
    let written = (|| {
        let draft = data.join("door.tmp");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(serde_json::to_string(&access).unwrap_or_default().as_bytes())?;
        fs::rename(&draft, &path)
    })();
    written.map_err(|why| StartError::File { path, why, what: "written" })?;
    // Not before the new one lies there: on a disk that takes nothing the old file stays good.
    for old in before {
        match store.put_token(crate::store::TokenRecord { revoked: true, ..old }).await {
            Err(StoreError::Disk { .. }) => break,
            done => done?,
        }
    }
    Ok(())
}

/// The folder of the data when none is named: the system's for root, else the user's.
pub fn default_data() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/ringtrip");
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let share = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    share.unwrap_or_else(|| home.join(".local/share")).join("ringtrip")
}

/// The admin secret of a first start, to be printed once; `None` at later starts.
///
/// # Errors
/// The store cannot keep the hash.
pub async fn first_secret(store: &Store) -> Result<Option<Secret>, StartError> {
    Ok(auth::first_secret(store).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    #[tokio::test]
    async fn the_first_start_makes_a_document_and_later_ones_keep_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(dir.path())).unwrap();
        let first = configuration(&store, Region::Uk, None).await.unwrap();
        assert!((first.is_first, first.version) == (true, 1) && first.faults.is_empty());
        let again = configuration(&store, Region::Uk, None).await.unwrap();
        assert!(!again.is_first && again.version == 1 && again.config == first.config);
        let secret = first_secret(&store).await.unwrap().unwrap();
        assert!(secret.0.len() >= 16);
        assert!(first_secret(&store).await.unwrap().is_none(), "it is shown once");
        // A version that this program cannot read is passed over, and said so.
        store.put_config(None, "ann", "", "[from.the.future]\n").await.unwrap();
        let older = configuration(&store, Region::Uk, None).await.unwrap();
        assert_eq!((older.version, older.passed_over), (1, vec![2]));
        let file = dir.path().join("own.toml");
        fs::write(&file, "nonsense = 1\n").unwrap();
        let refused = configuration(&store, Region::Uk, Some(&file)).await.unwrap_err();
        assert!(refused.to_string().contains("own.toml:1:1: error: nonsense: unknown setting"), "{refused}");
        assert_eq!(store.config_head(), 2);
    }

    #[tokio::test]
    async fn the_door_is_for_its_owner_and_has_one_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(dir.path())).unwrap();
        for _ in 0..2 {
            open_door(&store, dir.path(), "0.0.0.0:8080".parse().unwrap()).await.unwrap();
        }
        let path = dir.path().join(LOCAL_ACCESS_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let access: LocalAccess = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(access.url, "http://127.0.0.1:8080");
        assert_eq!(store.tokens().len(), 1);
        assert!(store.token_by_hash(&crate::secrets::sha256(&access.token)).is_some());
    }
}
