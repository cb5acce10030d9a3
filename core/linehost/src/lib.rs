//! One process a board: it loads a driver, moves its audio, and dies alone.
//!
//! * [`client`] is the daemon's side: start a board process, talk to it, see it die.
//! * [`serve`] is the process itself; the program `ringtrip-linehost` is a few lines around it.
//! * [`realtime`] lets sound run before everything else.
//! * [`words`] is what they say, [`wire`] how it is packed, [`ring`] how sound goes between them.
//!
//! A board process is restarted by the daemon's supervision, not from here.
#![allow(unsafe_code, reason = "calls a C ABI and maps shared memory; each use says why it is sound")]
#![allow(
    clippy::disallowed_methods,
    reason = "this is a shell: it starts processes, waits, and reads clocks"
)]

mod board;
pub mod client;
pub mod realtime;
pub mod ring;
pub mod serve;
pub mod signals;
pub mod wire;
pub mod words;

pub use client::{AskError, Gone, Heard, Host, SpawnError, Spec, attach, in_process, spawn};
pub use ring::{Geometry, RxRing, Stamp, TxRing};
pub use words::{
    Asked, BoardInfo, Figures, News, Polarity, PortCaps, PortCfg, PortCmd, PortEvent, PortKind, PortStatus,
    ToBoard,
};
