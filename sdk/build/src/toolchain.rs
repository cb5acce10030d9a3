//! Which compiler makes Wasm here. An ordinary one has the standard library for `wasm32-unknown-unknown`. Where there
//! is none, a compiler with the library's source can make it (`-Zbuild-std`): Debian's `rustc-web` with `rust-web-src`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::TARGET;

/// A compiler that makes Wasm modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// Named only where the compiler has none of its own.
    pub(crate) linker: Option<PathBuf>,
    /// The standard library is made from source.
    pub(crate) build_std: bool,
}

/// Nothing here makes Wasm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no compiler here makes Wasm. Either `rustup target add {TARGET}`, or on Debian \
     `apt-get install rustc-web cargo-web libstd-rust-web-dev rust-web-src lld`. Looked at: {}",
    if seen.is_empty() { "none".to_owned() } else { seen.join("; ") }
)]
pub struct NoToolchain {
    /// What each compiler lacks.
    pub seen: Vec<String>,
}

impl Toolchain {
    /// Looks for one: the `rustc` of the path first, then Debian's.
    ///
    /// # Errors
    /// No compiler here makes Wasm; the error says what each lacks.
    pub fn find() -> Result<Toolchain, NoToolchain> {
        let mine = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let places = [
            (PathBuf::from("rustc"), mine),
            (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo")),
        ];
        choose(places.into_iter().filter_map(|(rustc, cargo)| Compiler::look(rustc, cargo)))
    }

    /// In words, for a person who waits.
    pub fn describe(&self) -> String {
        let how = if self.build_std { ", with its standard library made from source" } else { "" };
        format!("{}{how}", self.rustc.display())
    }
}

/// A compiler and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiler {
    pub rustc: PathBuf,
    pub cargo: PathBuf,
    /// It has the standard library of the target.
    pub wasm_std: bool,
    /// It has the source of the standard library.
    pub source: bool,
    pub linker: Linker,
}

/// What links a compiler's Wasm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Linker {
    /// `rust-lld`, which came with it.
    Own,
    /// `wasm-ld` of the system.
    System(PathBuf),
    None,
}

/// The first that is whole as it is, else the first that can make what it lacks.
pub(crate) fn choose(compilers: impl IntoIterator<Item = Compiler>) -> Result<Toolchain, NoToolchain> {
    let mut second = None;
    let mut seen = Vec::new();
    for c in compilers {
        let linker = match &c.linker {
            Linker::Own => None,
            Linker::System(path) => Some(path.clone()),
            Linker::None => {
                seen.push(format!("{} has no linker (`lld`)", c.rustc.display()));
                continue;
            }
        };
        if !c.wasm_std && !c.source {
            let name = c.rustc.display();
            seen.push(format!("{name} has neither the {TARGET} library nor its source"));
            continue;
        }
        let found = Toolchain { cargo: c.cargo, rustc: c.rustc, linker, build_std: !c.wasm_std };
        if !found.build_std {
            return Ok(found);
        }
        second.get_or_insert(found);
    }
    second.ok_or(NoToolchain { seen })
}

impl Compiler {
    fn look(rustc: PathBuf, cargo: PathBuf) -> Option<Compiler> {
        let sysroot = PathBuf::from(says(&rustc, &["--print", "sysroot"])?);
        says(&cargo, &["--version"])?;
        let library = says(&rustc, &["--print", "target-libdir", "--target", TARGET]);
        Some(Compiler {
            wasm_std: library.is_some_and(|dir| has_std(Path::new(&dir))),
            source: sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file(),
            linker: linker(&sysroot),
            rustc,
            cargo,
        })
    }
}

fn has_std(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn linker(sysroot: &Path) -> Linker {
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
    if hosts.into_iter().any(|host| host.path().join("bin/rust-lld").is_file()) {
        return Linker::Own;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin")])
        .map(|dir| dir.join("wasm-ld"))
        .find(|file| file.is_file())
        .map_or(Linker::None, Linker::System)
}

fn says(program: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    crate::cargo::forget_the_caller(&mut command);
    let out = command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    (out.status.success() && !text.is_empty()).then_some(text)
}
