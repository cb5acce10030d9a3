//! A SIP leg: leg words on one side, SIP on the other. It is the user agent of one dialog, as server (a phone or
//! provider calls us) or as client (we call it).
//!
//! * `state`: what a leg is made of. `machine`: how it begins, and who acts on what comes.
//! * `codes`: status codes ↔ causes. * `identity`: who calls, in headers. * `info`: keys and flash in INFO.
//! * `offer`: sounds ↔ SDP (RFC 3264). * `srtp`: keys in it (RFC 4568).
//! * `uas`, `uac`: the INVITE that makes the dialog. * `within`: all that follows in it. * `refresh`: the session
//!   timer (RFC 4028). * `hops`: where requests go.
//!
//! Not here: transactions, retransmissions, the ACK to a failure (the endpoint), and who may call (admission).

pub(crate) mod codes;
pub(crate) mod headers;
mod hops;
pub(crate) mod identity;
mod info;
mod machine;
mod network;
mod offer;
mod refer;
mod refresh;
mod srtp;
mod state;
mod tag;
pub(crate) mod uac;
mod uas;
mod within;

pub(crate) use state::{Room, SipLeg};
pub use tag::owner_of_tag;
pub(crate) use uas::refusal;

#[cfg(test)]
mod tests;
