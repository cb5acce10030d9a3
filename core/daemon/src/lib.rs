//! The exchange as a program: actors, sockets, store, HTTP API, command line. The shell around the pure machines.
#![warn(clippy::missing_errors_doc)]
#![allow(clippy::disallowed_methods)]

pub mod cli;
pub mod config;
pub mod control;
mod control_thread;
pub mod deploy;
pub mod descriptors;
mod dns;
pub mod drafts;
pub mod events;
pub mod exchange;
mod files;
pub mod http;
pub mod logging;
mod media;
mod net;
mod panics;
pub mod plan;
#[cfg(feature = "plugins")]
pub mod plugins;
pub mod rating;
pub mod routes;
pub mod secrets;
mod shell;
pub mod start;
pub mod store;
pub mod views;
