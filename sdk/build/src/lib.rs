//! Makes Wasm components of Rust crates: finds a compiler that can, runs it within a time, and wraps the module that
//! comes out. For `ringtrip plugin build` and `cargo xtask plugins`; it installs nothing.
#![warn(clippy::missing_errors_doc)]
#![allow(clippy::disallowed_methods)] // A shell: it starts compilers and looks at the clock.

mod cargo;
mod component;
mod inputs;
mod toolchain;

pub use cargo::{Build, Built};
pub use component::component;
pub use inputs::fingerprint;
pub use toolchain::{NoToolchain, Toolchain};

use std::path::PathBuf;
use std::time::Duration;

/// What Rust calls the machine that plugins run on. No operating system, so nothing to import but what `sdk/wit` names.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Why a plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing here can compile to Wasm.
    #[error(transparent)]
    Toolchain(#[from] NoToolchain),
    /// A program did not start.
    #[error("cannot start {program}: is it installed?")]
    Start {
        /// Which.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The compiler found faults; it has printed them.
    #[error("the plugin does not compile; see above")]
    Compile,
    /// The compiler was still at work.
    #[error("the compiler was stopped after {} s; a first build makes the standard library too: try once more", .0.as_secs())]
    TooLong(Duration),
    /// There is nothing to wrap.
    #[error("{0} makes no Wasm module: its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`")]
    NoModule(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The module is no plugin.
    #[error("the module makes no component: {0}")]
    Component(String),
}

#[cfg(test)]
mod tests;
