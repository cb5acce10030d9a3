//! One process a board: it loads a driver, moves its audio, and dies alone.
//!
//! * [`client`] is the daemon's side: it starts a board process, talks to it and notices when it dies.
//! * [`serve`] is the process itself; the program `ringtrip-linehost` is a few lines around it.
//! * [`realtime`] gives audio threads real-time priority.
//! * [`protocol`] defines the messages, [`wire`] their framing, [`ring`] the shared-memory audio rings.
//!
//! A board process is restarted by the daemon's supervision, not from here.
#![warn(clippy::missing_errors_doc)]
#![allow(unsafe_code, reason = "calls a C ABI and maps shared memory; each use says why it is sound")]
#![allow(
    clippy::disallowed_methods,
    reason = "this is a shell: it starts processes, waits, and reads clocks"
)]

mod board;
pub mod client;
pub mod protocol;
pub mod realtime;
pub mod ring;
pub mod serve;
pub mod signals;
pub mod wire;

pub use client::{AskError, Gone, Host, Received, SpawnError, Spec, attach, in_process, spawn};
pub use protocol::{
    Asked, BoardInfo, Figures, Notification, Polarity, PortCaps, PortCfg, PortCmd, PortEvent, PortKind,
    PortStatus, ToBoard,
};
pub use ring::{Geometry, RxRing, Stamp, TxRing};
