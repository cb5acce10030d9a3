//! Why nothing was changed.

use std::io;

use crate::package::PackageError;
use crate::package::manifest::{Ask, SettingError};
use crate::runtime::LoadError;

/// Why a plugin was not installed, updated or changed. Nothing is different then from before.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The file is no good package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Nobody signed it.
    #[error(
        "{0} is not signed; sign it with `ringtrip plugin sign`, or run the exchange with --developer while you write it"
    )]
    Unsigned(String),
    /// Its publisher is not trusted here.
    #[error(
        "{plugin} is signed by {key}, whom this box does not trust; if you do, add the key to [plugins] trust in the configuration"
    )]
    Unknown {
        /// Name and version.
        plugin: String,
        /// The publisher's public key.
        key: String,
    },
    /// A grant was not confirmed.
    #[error("{plugin} asks for what was not granted: {}; grant it with --grant, or do without the plugin", asks(.missing))]
    NotGranted {
        /// Name and version.
        plugin: String,
        /// What is missing, each with its reason.
        missing: Vec<Ask>,
    },
    /// A grant was given that nobody asked for.
    #[error("{plugin} does not ask for {grant}")]
    NotAsked {
        /// Name and version.
        plugin: String,
        /// Which.
        grant: String,
    },
    /// A setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Settings that it cannot be enabled without.
    #[error("{plugin} needs settings first: {keys}")]
    Missing {
        /// Its name.
        plugin: String,
        /// Their keys.
        keys: String,
    },
    /// The component.
    #[error("{plugin}: {why}")]
    Load {
        /// Name and version.
        plugin: String,
        /// Why.
        #[source]
        why: LoadError,
    },
    /// It is there already.
    #[error("{name} {version} is installed; `ringtrip plugin update` replaces it")]
    There {
        /// Its name.
        name: String,
        /// The version that is there.
        version: semver::Version,
    },
    /// An update to an older version, or the same with another content.
    #[error("{name} {there} is installed, and {given} is not newer; remove it first if you want to go back")]
    NotNewer {
        /// Its name.
        name: String,
        /// The version that is there.
        there: semver::Version,
        /// The version of the package.
        given: semver::Version,
    },
    /// The package is of another plugin than the one to be updated.
    #[error("the package is of {given}, not of {wanted}")]
    Another {
        /// Which was to be updated.
        wanted: String,
        /// Which the package has.
        given: String,
    },
    /// There is no such plugin.
    #[error("there is no plugin {0:?}")]
    NotThere(String),
    /// The disk.
    #[error("the disk: {0}")]
    Disk(#[from] io::Error),
}

impl InstallError {
    /// One word for the API; never changes once released.
    pub fn word(&self) -> &'static str {
        match self {
            InstallError::Package(PackageError::Tampered) => "plugin-tampered",
            InstallError::Package(_) => "plugin-broken",
            InstallError::Unsigned(_) => "plugin-unsigned",
            InstallError::Unknown { .. } => "plugin-publisher-unknown",
            InstallError::NotGranted { .. } => "plugin-not-granted",
            InstallError::NotAsked { .. } => "plugin-grant-not-asked",
            InstallError::Setting(_) => "plugin-setting",
            InstallError::Missing { .. } => "plugin-settings-missing",
            InstallError::Load { .. } => "plugin-does-not-run",
            InstallError::There { .. } => "plugin-installed-already",
            InstallError::NotNewer { .. } => "plugin-not-newer",
            InstallError::Another { .. } => "plugin-another",
            InstallError::NotThere(_) => "not-found",
            InstallError::Disk(_) => "disk",
        }
    }
}

fn asks(missing: &[Ask]) -> String {
    let one = |ask: &Ask| format!("{} ({})", ask.grant, ask.why.trim_end_matches('.'));
    missing.iter().map(one).collect::<Vec<_>>().join(", ")
}
