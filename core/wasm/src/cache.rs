//! Compiled components on the disk, so that a start does not compile again what it compiled before.
//!
//! A file is named by the engine (version, configuration, CPU) and by the SHA-256 of its component, and sealed: a file
//! that was damaged, exchanged or written by anybody else is compiled anew. The folder belongs to the daemon alone.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::load::{self, Sealed};

const MAGIC: &[u8; 8] = b"RTcwasm1";
const SEAL: usize = 32;
const KEY_FILE: &str = "seal.key";

/// The cache.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    /// Hex of the engine's hash: files of other engines are of no use.
    engine: String,
}

/// What a component was made from: its SHA-256.
pub(crate) type Source = [u8; 32];

impl Cache {
    /// Opens the folder, makes it if need be, and throws away what other engines have left.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> io::Result<Cache> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let cache = Cache { folder: folder.to_owned(), key: key(folder)?, engine: engine_hash(engine) };
        cache.sweep();
        Ok(cache)
    }

    /// The component of these octets: from the cache, or compiled now and kept for the next time.
    pub(crate) fn component(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
        let source: Source = Sha256::digest(wasm).into();
        let file = self.file(&source);
        if let Ok(octets) = fs::read(&file) {
            match self.open_seal(&source, &octets).map(|code| load::component(engine, &code)) {
                Some(Ok(component)) => return Ok(component),
                Some(Err(e)) => tracing::info!("{}: {e}; compiled anew", file.display()),
                None => tracing::warn!("{}: damaged or not ours; compiled anew", file.display()),
            }
        }
        let code = engine.precompile_component(wasm)?;
        let seal = self.seal(&source, &code);
        if let Err(e) = self.keep(&file, &seal, &code) {
            // Without the cache everything works, only more slowly.
            tracing::warn!("{}: {e}; the compiled plugin is not kept", file.display());
        }
        load::component(engine, &Sealed(&code))
    }

    /// Throws away the compiled form of a component that is gone.
    pub(crate) fn forget(&self, source: &Source) {
        let _ = fs::remove_file(self.file(source));
    }

    /// Throws away the compiled forms of all but these.
    pub(crate) fn keep_only(&self, sources: &BTreeSet<Source>) {
        let names = sources.iter().map(|source| self.file(source)).collect::<BTreeSet<_>>();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|e| e == "cwasm") && !names.contains(&file) {
                let _ = fs::remove_file(file);
            }
        }
    }

    fn file(&self, source: &Source) -> PathBuf {
        self.folder.join(format!("{}-{}.cwasm", self.engine, hex(source)))
    }

    fn mac(&self, source: &Source, code: &[u8]) -> Hmac<Sha256> {
        // A key of any length makes an HMAC; this one has 32 octets.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| unreachable!());
        mac.update(self.engine.as_bytes());
        mac.update(source);
        mac.update(code);
        mac
    }

    fn seal(&self, source: &Source, code: &[u8]) -> [u8; SEAL] {
        self.mac(source, code).finalize().into_bytes().into()
    }

    /// The code behind an unbroken seal.
    fn open_seal<'a>(&self, source: &Source, octets: &'a [u8]) -> Option<Sealed<'a>> {
        let rest = octets.strip_prefix(MAGIC)?;
        let (seal, code) = rest.split_at_checked(SEAL)?;
        self.mac(source, code).verify_slice(seal).ok()?;
        Some(Sealed(code))
    }

    fn keep(&self, file: &Path, seal: &[u8], code: &[u8]) -> io::Result<()> {
        write_whole(file, &[MAGIC, seal, code])
    }

    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != KEY_FILE && !name.starts_with(&self.engine) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_whole(file: &Path, parts: &[&[u8]]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = NEXT.fetch_add(1, Ordering::Relaxed);
    let draft = file.with_file_name(format!(".{name}.{}.{draft}.new", std::process::id()));
    let written = (|| {
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        for part in parts {
            out.write_all(part)?;
        }
        out.sync_all()?;
        fs::rename(&draft, file)?;
        match file.parent() {
            Some(folder) => fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    })();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn key(folder: &Path) -> io::Result<[u8; 32]> {
    let file = folder.join(KEY_FILE);
    if let Some(key) = fs::read(&file).ok().and_then(|k| <[u8; 32]>::try_from(k).ok()) {
        return Ok(key);
    }
    let key: [u8; 32] = rand::random();
    write_whole(&file, &[&key])?;
    Ok(key)
}

/// Version, configuration and CPU of an engine, as Wasmtime says that they decide about compiled code.
fn engine_hash(engine: &Engine) -> String {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, octets: &[u8]) {
            self.0.update(octets);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sha = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sha);
    hex(&sha.0.finalize()[..8])
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}
