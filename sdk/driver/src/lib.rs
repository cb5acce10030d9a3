//! The driver ABI: how a board with telephone jacks joins Ringtrip.
//!
//! * [`abi`] is the C ABI as Rust sees it; `include/ringtrip_driver.h` is the same for C.
//! * [`Driver`] and [`declare_driver!`] are the safe face for drivers written in Rust.
//! * [`Command`] and [`Event`] are the words that both sides speak.
//!
//! A driver decides nothing about calls: it reports what it sees on the pair and does what it is told.
#![allow(unsafe_code, reason = "a C ABI is made of raw pointers; each use says why it is sound")]

pub mod abi;
mod face;
mod words;

pub use face::{BoardInfo, Driver, Face, Host, Level, PortCaps, Refused, c_string};
pub use words::{Command, Event, Polarity, PortKind, Seen};
