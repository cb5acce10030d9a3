//! The driver ABI: how a board with telephone jacks joins Ringtrip.
//!
//! * [`abi`] is the C ABI as Rust sees it; `include/ringtrip_driver.h` is the same for C.
//! * [`Driver`] and [`declare_driver!`] are the safe wrapper for drivers written in Rust.
//! * [`Command`] and [`Event`] are the messages of both directions.
//!
//! A driver decides nothing about calls: it reports what it sees on the pair and obeys commands.
#![warn(clippy::missing_errors_doc)]
#![allow(unsafe_code, reason = "a C ABI is made of raw pointers; each use says why it is sound")]

pub mod abi;
mod driver;
mod messages;

pub use driver::{BoardInfo, Driver, DriverTable, Host, Level, PortCaps, Refused, c_string};
pub use messages::{Command, Event, Polarity, PortEvent, PortKind};
