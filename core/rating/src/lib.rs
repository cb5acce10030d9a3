//! Rating: money, rate decks, least-cost routing, bundles of free minutes, and spending limits.
//!
//! Everything here is a pure state machine or plain data: no clock, file, socket, thread or serde, and no dependency on
//! the other crates. Gateways and extensions are names. Numbers are digits with the country code and without `+`; the
//! caller normalises them. The daemon supplies the time, the files and the configuration, and stores the plain rows
//! that [`quality::Quality`], [`bundle::Bundles`] and [`limiter::SpendLimiter`] return.

#![warn(clippy::missing_errors_doc)]

pub mod bundle;
pub mod burst;
pub mod deck;
pub mod export;
pub mod import;
pub mod least_cost;
pub mod limiter;
pub mod money;
pub mod prefix;
pub mod quality;
pub mod rate;
pub mod time;
