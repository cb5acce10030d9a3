//! What all parts of the exchange name: ids, numbers, parties, causes, the ports of boards, events, and the question
//! where a call should go. Plain values: no clock, no socket, no file, no thread, no serde.

#![warn(clippy::missing_errors_doc)]

pub mod board;
pub mod dial_string;
pub mod event;
pub mod host_port;
pub mod ids;
pub mod line;
pub mod party;
pub mod route;
pub mod splitmix;
