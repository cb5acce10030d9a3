//! What is checked before a plugin is installed, whether at once or in a draft: its package, its signature, its
//! publisher, its grants, its settings, and whether the component starts. It starts in a dry run, with a copy of its values.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::ledger::Entry;
use super::planned::Kept;
use super::{Change, Confirmed, Inner, InstallError};
use crate::cache::{Source, hex};
use crate::host::{HostServices, MemoryStore};
use crate::package::grant::{Grant, Grants};
use crate::package::key::PublicKey;
use crate::package::manifest::{Manifest, Settings};
use crate::package::{Package, PackageError};
use crate::plugin::Plugin;
use crate::runtime::{LoadError, Runtime};

/// Publishers trusted beside those of the configuration: one key a line, what follows it is for people.
const TRUST: &str = "trust";

/// A plugin that may be installed.
pub(super) struct ValidatedPlugin {
    pub kept: Kept,
    pub manifest: Manifest,
    /// The publisher's key.
    pub signer: Option<String>,
    /// Names its compiled form.
    pub code: Source,
    /// It runs, in a dry run; `None`: it is disabled.
    pub plugin: Option<Plugin>,
}

impl Inner {
    /// A package to be installed, or to replace what `before` finds for it.
    pub(super) fn validate_install(
        &self,
        file: &[u8],
        before: impl FnOnce(&Manifest) -> Result<Option<Kept>, InstallError>,
        confirmed: &Confirmed,
        settings: Settings,
        by: &str,
    ) -> Result<ValidatedPlugin, InstallError> {
        let package = Package::read(file)?;
        let manifest = &package.manifest;
        self.trusted(&package)?;
        let before = before(manifest)?;
        if let Some(there) = &before {
            self.replaces(manifest, there)?;
        }
        let granted = granted(manifest, confirmed, before.as_ref().map(Kept::granted))?;
        // An update keeps what is set, as far as the new version knows it.
        let mut set = before.as_ref().map(|b| b.entry.settings.clone()).unwrap_or_default();
        set.retain(|key, value| manifest.values(&Settings::from([(key.clone(), value.clone())])).is_ok());
        set.extend(settings);
        let ready = manifest.missing(&manifest.values(&set)?).is_empty();
        let entry = Entry {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: sha256(file),
            installed: now(),
            by: by.to_owned(),
            enabled: ready && before.as_ref().is_none_or(Kept::enabled),
            granted,
            settings: set,
        };
        let kept = Kept { entry, behind: before.and_then(|b| b.behind) };
        if !kept.enabled() {
            // Whether it starts is asked today, not when its settings are there.
            self.load(&kept, &package)?;
        }
        self.validate(kept, package)
    }

    /// A change of what is set about a plugin.
    pub(super) fn validate_change(
        &self,
        before: &Kept,
        file: &[u8],
        change: Change,
    ) -> Result<ValidatedPlugin, InstallError> {
        let package = before.open(file)?;
        let mut kept = before.clone();
        let entry = &mut kept.entry;
        if let Some(grants) = change.grants {
            entry.granted = grants;
        }
        for (key, value) in change.settings {
            match value {
                Some(value) => entry.settings.insert(key, value),
                None => entry.settings.remove(&key),
            };
        }
        if let Some(enabled) = change.enabled {
            entry.enabled = enabled;
        }
        self.validate(kept, package)
    }

    /// A plugin as it was planned, or as it once was.
    pub(super) fn validate_kept(&self, kept: &Kept, file: &[u8]) -> Result<ValidatedPlugin, InstallError> {
        let package = kept.open(file)?;
        self.validate(kept.clone(), package)
    }

    /// All that is asked of a plugin in its place. A disabled one need not be trusted: it can be switched off, and be
    /// brought back as it was, but not be switched on.
    pub(super) fn validate(&self, kept: Kept, package: Package) -> Result<ValidatedPlugin, InstallError> {
        let manifest = &package.manifest;
        if let Some(grant) = kept.granted().iter().find(|g| !manifest.asked().any(|asked| asked == *g)) {
            return Err(InstallError::NotAsked { plugin: manifest.label(), grant: grant.to_string() });
        }
        let values = manifest.values(&kept.entry.settings)?;
        let plugin = if kept.enabled() {
            self.trusted(&package)?;
            let missing = manifest.missing(&values);
            if !missing.is_empty() {
                let keys = missing.join(", ");
                return Err(InstallError::Missing { plugin: manifest.label(), keys });
            }
            Some(self.load(&kept, &package)?)
        } else {
            None
        };
        let signer = package.signer.map(|key| key.to_string());
        let code = Sha256::digest(&package.wasm).into();
        Ok(ValidatedPlugin { kept, manifest: package.manifest, signer, code, plugin })
    }

    /// May this package replace what is there?
    fn replaces(&self, manifest: &Manifest, there: &Kept) -> Result<(), InstallError> {
        if there.name() != manifest.name {
            let (wanted, given) = (there.name().to_owned(), manifest.name.clone());
            return Err(InstallError::Another { wanted, given });
        }
        // The author of a plugin builds one version many times.
        if manifest.version <= *there.version() && !self.developer {
            let (name, given) = (manifest.name.clone(), manifest.version.clone());
            return Err(InstallError::NotNewer { name, there: there.version().clone(), given });
        }
        Ok(())
    }

    /// Is it signed by somebody whom this box trusts?
    fn trusted(&self, package: &Package) -> Result<(), InstallError> {
        let Some(key) = package.signer else {
            let allowed = if self.developer { Ok(()) } else { Err(package.manifest.label()) };
            return allowed.map_err(InstallError::Unsigned);
        };
        let of_config = self.trust.read().unwrap_or_else(PoisonError::into_inner).contains(&key);
        if of_config || trust_file(&self.folder).contains(&key) {
            return Ok(());
        }
        Err(InstallError::Unknown { plugin: package.manifest.label(), key: key.to_string() })
    }

    /// Starts a component in a dry run.
    fn load(&self, kept: &Kept, package: &Package) -> Result<Plugin, InstallError> {
        let manifest = &package.manifest;
        let wrong = |why: LoadError| InstallError::Load { plugin: manifest.label(), why };
        let runtime = self.runtime().map_err(wrong)?;
        let values = manifest.values(&kept.entry.settings)?;
        let copy = if self.is_new(kept) { Arc::default() } else { self.values.copy(kept.name()) };
        let services = HostServices { store: copy as Arc<MemoryStore>, ..self.services.clone() };
        Plugin::load(&runtime, &package.wasm, manifest, kept.granted().clone(), values, services)
            .inspect_err(|_| self.forget(BTreeSet::from([Sha256::digest(&package.wasm).into()])))
            .map_err(wrong)
    }

    /// The runtime, made with the first plugin.
    fn runtime(&self) -> Result<Runtime, LoadError> {
        let mut made = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*made {
            return Ok(runtime.clone());
        }
        let runtime = Runtime::new(Some(&self.folder.join("cache")), self.compiler.clone())?;
        *made = Some(runtime.clone());
        Ok(runtime)
    }

    /// Throws away what was compiled of components that nobody needs any more.
    pub(super) fn forget(&self, codes: BTreeSet<Source>) {
        let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return;
        };
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        for code in codes.into_iter().filter(|code| !plugins.iter().any(|s| s.code == Some(*code))) {
            runtime.forget(&code);
        }
    }
}

impl Kept {
    /// Its package, whole and as it was when it was planned or installed.
    pub(super) fn open(&self, file: &[u8]) -> Result<Package, InstallError> {
        if sha256(file) != self.entry.sha256 {
            return Err(PackageError::Tampered.into());
        }
        let package = Package::read(file)?;
        let manifest = &package.manifest;
        if (&manifest.name, &manifest.version) != (&self.entry.name, &self.entry.version) {
            return Err(InstallError::Another { wanted: self.label(), given: manifest.label() });
        }
        Ok(package)
    }
}

/// The grants of a plugin from now on: all that it asks for, if all of it is confirmed now or was before.
fn granted(manifest: &Manifest, confirmed: &Confirmed, had: Option<&Grants>) -> Result<Grants, InstallError> {
    let covered = |asked: &Grant, by: &Grants| by.iter().any(|grant| grant.covers(asked));
    if let Confirmed::These(these) = confirmed
        && let Some(grant) = these.iter().find(|g| !manifest.asked().any(|asked| g.covers(asked)))
    {
        return Err(InstallError::NotAsked { plugin: manifest.label(), grant: grant.to_string() });
    }
    let lacks = |asked: &Grant| {
        let now = match confirmed {
            Confirmed::All => true,
            Confirmed::These(these) => covered(asked, these),
        };
        !now && !had.is_some_and(|had| covered(asked, had))
    };
    let missing: Vec<_> = manifest.grants.iter().filter(|ask| lacks(&ask.grant)).cloned().collect();
    if !missing.is_empty() {
        return Err(InstallError::NotGranted { plugin: manifest.label(), missing });
    }
    Ok(manifest.asked().cloned().collect())
}

/// The keys of the trust file; lines that are none are left out.
fn trust_file(folder: &Path) -> Vec<PublicKey> {
    let text = fs::read_to_string(folder.join(TRUST)).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// The name of a package: of its file, and in plans.
pub(super) fn sha256(file: &[u8]) -> String {
    hex(&Sha256::digest(file))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
