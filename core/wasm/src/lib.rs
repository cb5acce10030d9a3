//! Runs Wasm plugins: components with limits, signed packages, grants.
//!
//! A plugin is asked questions (`sdk/wit`) and answers with data. It has no file, no socket, no clock and no memory of
//! the call before: each question gets a fresh instance from a pool, at most 16 MiB, and 50 ms with all that it asks
//! the host. Whatever it does wrong (a trap, a hang, a bomb, a lie) is a [`PluginFault`], never a panic, and never late.
#![warn(clippy::missing_errors_doc)]
#![allow(clippy::disallowed_methods, reason = "this is a shell: it has a clock and threads")]

mod bindings;
mod cache;
pub mod cases;
mod check;
mod compiler;
mod convert;
mod epoch_timer;
mod fault;
mod guest;
pub mod host;
pub mod installed;
mod load;
pub mod package;
mod plugin;
mod plugin_set;
mod runtime;

/// The types of the contract in Rust.
pub mod contract {
    pub use crate::bindings::gateway::{Carrier, Condition, Prepared, Price};
    pub use crate::bindings::policy::{Answer, Stage, Target, Verdict};
    pub use crate::bindings::types::{Call, CallerId, Credentials, Money, Origin, Step, WallTime};
}

pub use compiler::{CompileError, Compiler, Limits};
pub use fault::PluginFault;
pub use guest::Time;
pub use host::HostServices;
pub use installed::Installed;
pub use plugin::Plugin;
pub use plugin_set::PluginSet;
pub use runtime::{LoadError, Runtime};
