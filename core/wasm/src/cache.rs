//! Compiled components on the disk, so that a start does not compile again what it compiled before.
//!
//! A file is named by the settings that its code was compiled for and by the SHA-256 of its component, and sealed: a file
//! that was damaged, exchanged or written by anybody else is compiled anew, and so is one that Wasmtime refuses because
//! it was made by another version or for another processor. The folder belongs to the daemon alone.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, Mac};
use ringtrip_wasm_engine::AddressSpace;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compiler::Compiler;
use crate::fault::first_line;
use crate::load::{self, Trusted};
use crate::runtime::LoadError;

const MAGIC: &[u8; 8] = b"RTcwasm1";
/// What Wasmtime says about code of another version or configuration.
const MISMATCH: &str = "Module was compiled";
const SEAL: usize = 32;
const KEY_FILE: &str = "seal.key";

/// The cache.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    /// What the code is for, `large`: files for other settings are of no use.
    space: AddressSpace,
}

/// What a component was made from: its SHA-256.
pub(crate) type Source = [u8; 32];

impl Cache {
    /// Opens the folder, makes it if need be, and throws away what is for other settings.
    pub(crate) fn open(folder: &Path, space: AddressSpace) -> io::Result<Cache> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let cache = Cache { folder: folder.to_owned(), key: key(folder)?, space };
        cache.sweep();
        Ok(cache)
    }

    /// What is kept of the component of this source, if it is whole and fits the engine.
    fn kept(&self, engine: &Engine, source: &Source) -> Option<Component> {
        let file = self.file(source);
        let octets = fs::read(&file).ok()?;
        match self.open_seal(source, &octets).map(|code| load::component(engine, &code)) {
            Some(Ok(component)) => return Some(component),
            Some(Err(e)) => tracing::info!("{}: {e}; compiled anew", file.display()),
            None => tracing::warn!("{}: damaged or not ours; compiled anew", file.display()),
        }
        None
    }

    fn keep(&self, source: &Source, code: &[u8]) {
        let (file, seal) = (self.file(source), self.seal(source, code));
        if let Err(e) = write_whole(&file, &[MAGIC, &seal, code]) {
            // Without the cache everything works, only more slowly.
            tracing::warn!("{}: {e}; the compiled plugin is not kept", file.display());
        }
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
        self.folder.join(format!("{}-{}.cwasm", self.space.word(), hex(source)))
    }

    fn mac(&self, source: &Source, code: &[u8]) -> Hmac<Sha256> {
        // A key of any length makes an HMAC; this one has 32 octets.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| unreachable!());
        mac.update(self.space.word().as_bytes());
        mac.update(source);
        mac.update(code);
        mac
    }

    fn seal(&self, source: &Source, code: &[u8]) -> [u8; SEAL] {
        self.mac(source, code).finalize().into_bytes().into()
    }

    /// The code behind an unbroken seal.
    fn open_seal<'a>(&self, source: &Source, octets: &'a [u8]) -> Option<Trusted<'a>> {
        let rest = octets.strip_prefix(MAGIC)?;
        let (seal, code) = rest.split_at_checked(SEAL)?;
        self.mac(source, code).verify_slice(seal).ok()?;
        Some(Trusted(code))
    }

    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != KEY_FILE && name.split_once('-').is_none_or(|(space, _)| space != self.space.word()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The component of these octets: from the cache, or compiled now and kept for the next time.
pub(crate) fn component(
    cache: Option<&Cache>,
    engine: &Engine,
    compile: (&Compiler, AddressSpace),
    wasm: &[u8],
) -> Result<Component, LoadError> {
    let source: Source = Sha256::digest(wasm).into();
    if let Some(component) = cache.and_then(|cache| cache.kept(engine, &source)) {
        return Ok(component);
    }
    let (compiler, space) = compile;
    let code = compiler.compile(space, wasm)?;
    // Just made by the compiler for these very octets: as good as sealed.
    let component = load::component(engine, &Trusted(&code)).map_err(|e| {
        let why = first_line(&format!("{e:#}"));
        if why.contains(MISMATCH) { compiler.mismatch(why).into() } else { LoadError::Component(why) }
    })?;
    if let Some(cache) = cache {
        cache.keep(&source, &code);
    }
    Ok(component)
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

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}
