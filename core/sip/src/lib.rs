//! SIP without IO: wire lexer, framing, messages, transactions, dialogs, digest, registrar.
//!
//! Pure: no clock, no socket, no thread, no unseeded randomness. Bodies are bytes here; SDP belongs to
//! `ringtrip-media`. rsip gives the vocabulary (methods, status codes); its parser never sees the network.

#![warn(clippy::missing_errors_doc)]

pub mod address;
pub mod body;
pub mod build;
mod chars;
pub mod cseq;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod frame;
pub mod host;
pub mod lex;
pub mod list;
pub mod message;
pub mod name;
pub mod nat;
pub mod next_hop;
pub mod nonce;
pub mod params;
pub mod random;
pub mod refer;
pub mod registrar;
pub mod reliable;
pub mod screen;
pub mod session_timer;
pub mod transaction;
pub mod uri;
pub mod via;

pub use message::{Headers, Message, Request, Response};
pub use name::Name;
pub use rsip::common::method::Method as KnownMethod;
