//! What an exchange decides: numbers, dial plans, routes, lines, gateways, calls, emergency.
//!
//! Everything here is a pure machine: `on(now, input, out)` and `deadline()`. No clock, no socket, no file,
//! no thread, no serde. The daemon hosts the machines in actors; the simulator in `tests/` hosts the same
//! machines in virtual time. What they say to each other is [`post::Post`].

mod admit;
pub mod board;
pub mod call;
pub mod cdr;
pub mod config;
pub mod desk;
pub mod dial_string;
pub mod dialplan;
pub mod emergency;
pub mod event;
mod extension;
pub mod fold;
pub mod gateway;
pub mod ids;
pub mod leg;
pub mod line;
mod number;
pub mod overload;
pub mod party;
pub mod pins;
pub mod post;
pub mod prompt;
pub mod rand;
pub mod route;
pub mod router;
pub mod supervise;
