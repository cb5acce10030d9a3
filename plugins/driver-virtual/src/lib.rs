//! A board that exists in software: FXS ports with virtual telephones, FXO ports on a virtual central office. It behaves
//! electrically (loop current, ringing voltage, polarity, battery) and carries real audio, so the exchange cannot tell it from a
//! board with jacks, and it is loaded like one.
//!
//! Everything but [`shell`] is a pure machine stepped one millisecond (8 samples) at a time: [`fxs`] with its [`telephone`],
//! [`fxo`] with its [`office`]. [`sim`] is the interface for those who hold the telephones and run the office; `README.md` lists
//! its verbs.

pub mod config;
pub mod fxo;
pub mod fxs;
pub mod hook;
pub mod office;
pub mod shell;
pub mod sim;
pub mod sound;
pub mod telephone;

/// Samples in a millisecond: one step of every machine.
pub const STEP: usize = 8;
/// The sound of one step.
pub type Block = [i16; STEP];

ringtrip_driver::declare_driver!(shell::VirtualBoard);
