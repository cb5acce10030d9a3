//! A plugin's package: one signed file (`.rtp`) with the component, its `plugin.toml` and its icon.
//!
//! The form is plain and has one way to write it: a magic word, the number of parts, then each part as the length of
//! its name (one octet), its name, the length of its content (four octets, big endian) and its content, in the order
//! `plugin.toml`, `plugin.wasm`, icon. After the parts comes one octet: 0, unsigned, or 1, followed by the publisher's
//! public key (32 octets) and the Ed25519 signature (64) over all that stands before that octet. Nothing may follow.

pub mod grant;
pub mod key;
pub mod manifest;

use manifest::{Manifest, ManifestError};

use key::{PublicKey, SecretKey, Signature};

const MAGIC: &[u8; 8] = b"RTplug1\n";
/// The largest component: guests that bring an interpreter have 12 to 18 MB.
pub const MOST_WASM: usize = 40 << 20;
/// The largest icon.
pub const MOST_ICON: usize = 64 << 10;
/// The largest package.
pub const MOST: usize = MOST_WASM + MOST_ICON + manifest::MOST + 1024;
const TOML: &str = "plugin.toml";
const WASM: &str = "plugin.wasm";

/// A package, read and whole. Whether its signer is trusted is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The text of its `plugin.toml`.
    pub toml: String,
    /// The component.
    pub wasm: Vec<u8>,
    /// The icon: SVG or PNG, as the manifest's name of it says.
    pub icon: Option<Vec<u8>>,
    /// Who signed it; the signature is good. `None`: nobody did.
    pub signer: Option<PublicKey>,
}

/// Why a file is no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Another kind of file.
    #[error("not a plugin package: `ringtrip plugin build` makes one")]
    NoPackage,
    /// Too large.
    #[error("{what} has {octets} octets; {most} are the most")]
    Large {
        /// Which part.
        what: &'static str,
        /// How many it has.
        octets: usize,
        /// How many it may have.
        most: usize,
    },
    /// It ends too early or too late, or is put together wrongly.
    #[error("the package is broken: {0}; get it again from where it came from")]
    Broken(String),
    /// The signature does not fit the content.
    #[error("the package was changed after it was signed; do not use it, get it again from its publisher")]
    Tampered,
    /// Its `plugin.toml`.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Package {
    /// A package of these parts, unsigned yet.
    ///
    /// # Errors
    /// The manifest is invalid, a part is too large or not of its kind, or the icon and its name do not go together.
    pub fn new(toml: &str, wasm: Vec<u8>, icon: Option<Vec<u8>>) -> Result<Package, PackageError> {
        let manifest = Manifest::read(toml)?;
        fits("the component", wasm.len(), MOST_WASM)?;
        fits("the icon", icon.as_ref().map_or(0, Vec::len), MOST_ICON)?;
        if !wasm.starts_with(b"\0asm") {
            return Err(PackageError::Broken(format!("{WASM} is no WebAssembly")));
        }
        match (&manifest.icon, &icon) {
            (Some(name), None) => {
                Err(PackageError::Broken(format!("plugin.toml names the icon {name}, which is not there")))
            }
            (None, Some(_)) => {
                Err(PackageError::Broken("there is an icon that plugin.toml does not name".to_owned()))
            }
            _ => Ok(Package { manifest, toml: toml.to_owned(), wasm, icon, signer: None }),
        }
    }

    /// The file, signed if a key is given.
    pub fn write(&self, key: Option<&SecretKey>) -> Vec<u8> {
        let icon = self.manifest.icon.as_deref().zip(self.icon.as_deref());
        let parts = [(TOML, self.toml.as_bytes()), (WASM, &self.wasm)];
        let parts: Vec<(&str, &[u8])> = parts.into_iter().chain(icon).collect();
        let mut file = MAGIC.to_vec();
        file.push(parts.len() as u8);
        for (name, content) in parts {
            file.push(name.len() as u8);
            file.extend_from_slice(name.as_bytes());
            file.extend_from_slice(&(content.len() as u32).to_be_bytes());
            file.extend_from_slice(content);
        }
        match key {
            None => file.push(0),
            Some(key) => {
                let signature = key.sign(&file);
                file.push(1);
                file.extend_from_slice(key.public().octets());
                file.extend_from_slice(&signature.octets());
            }
        }
        file
    }

    /// Reads a file. A signature that is there must be good; whose it is, is for the caller to judge.
    ///
    /// # Errors
    /// It is not a package, is too large, broken, or was changed after it was signed.
    pub fn read(file: &[u8]) -> Result<Package, PackageError> {
        let body = file.strip_prefix(MAGIC).ok_or(PackageError::NoPackage)?;
        fits("the package", file.len(), MOST)?;
        let mut rest = Reader(body);
        let (mut toml, mut wasm, mut icon) = (None, None, None);
        for _ in 0..rest.octet()? {
            let length = usize::from(rest.octet()?);
            let name = std::str::from_utf8(rest.take(length)?)
                .map_err(|_| broken("the name of a part is not UTF-8"))?;
            let length = u32::from_be_bytes(rest.array()?);
            let content = rest.take(usize::try_from(length).unwrap_or(usize::MAX))?;
            // The order is fixed, so each part can be there but once, and no name can lead anywhere.
            match (name, &toml, &wasm, &icon) {
                (TOML, None, None, None) => toml = Some(content),
                (WASM, Some(_), None, None) => wasm = Some(content),
                (_, Some(_), Some(_), None) => icon = Some((name, content)),
                _ => {
                    let name: String = name.chars().take(40).collect();
                    return Err(broken(format!("the part {name:?} does not belong there")));
                }
            }
        }
        let signed = &file[..file.len() - rest.0.len()];
        let signer = match rest.octet()? {
            0 => None,
            1 => {
                let key = PublicKey::of(rest.array()?).ok_or(PackageError::Tampered)?;
                let signature = Signature::of(rest.array()?);
                key.verify(signed, &signature).then_some(Some(key)).ok_or(PackageError::Tampered)?
            }
            _ => return Err(broken("it does not say whether it is signed")),
        };
        if !rest.0.is_empty() {
            return Err(broken(format!("{} octets follow its end", rest.0.len())));
        }
        let (Some(toml), Some(wasm)) = (toml, wasm) else {
            return Err(broken(format!("{TOML} or {WASM} is missing")));
        };
        let toml = std::str::from_utf8(toml).map_err(|_| broken(format!("{TOML} is not UTF-8")))?;
        let package = Package::new(toml, wasm.to_vec(), icon.map(|(_, content)| content.to_vec()))?;
        if package.manifest.icon.as_deref() != icon.map(|(name, _)| name) {
            return Err(broken("the icon is not the one that plugin.toml names"));
        }
        Ok(Package { signer, ..package })
    }
}

fn fits(what: &'static str, octets: usize, most: usize) -> Result<(), PackageError> {
    if octets > most { Err(PackageError::Large { what, octets, most }) } else { Ok(()) }
}

fn broken(why: impl Into<String>) -> PackageError {
    PackageError::Broken(why.into())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], PackageError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| broken("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PackageError> {
        <[u8; N]>::try_from(self.take(N)?).map_err(|_| broken("it ends too early"))
    }

    fn octet(&mut self) -> Result<u8, PackageError> {
        Ok(self.array::<1>()?[0])
    }
}

#[cfg(test)]
mod tests;
