//! The exchange as a program: actors, sockets, store, HTTP API, command line. The shell around the pure machines.
#![allow(clippy::disallowed_methods)]

pub mod cli;
pub mod config;
pub mod control;
pub mod events;
pub mod http;
pub mod logging;
pub mod plan;
pub mod secrets;
pub mod start;
pub mod store;
pub mod views;
