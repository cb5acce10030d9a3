//! What an exchange decides: calls and what they cost, legs, lines, gateways, SIP users, emergency.
//!
//! Everything here is a pure machine: `on(now, input, out)` and `deadline()`. No clock, no socket, no file,
//! no thread, no serde. The daemon hosts the machines in actors; the simulator (`core/testkit`) hosts the same
//! machines in virtual time. What they say to each other is [`post::Post`].

mod admit;
pub mod call;
pub mod cdr;
pub mod desk;
pub mod directory;
pub mod emergency;
mod extension;
pub mod fold;
pub mod gateway;
pub mod leg;
pub mod line;
mod number;
pub mod overload;
pub mod owner;
pub mod post;
pub mod prompt;
pub mod rating;
pub mod route;
pub mod supervise;
