//! Peers for live tests: a SIP user agent of our own that says exactly what a test wants, baresip, sipp, a name server,
//! and listeners to events.

mod baresip;
mod dns;
mod events;
mod message;
mod peer;
mod sipp;
mod ua;

pub use baresip::{Account, Baresip};
pub use dns::NameServer;
pub use events::Events;
pub use message::{COOKIE, Dialog, Message, Request, prove};
pub use peer::Peer;
pub use sipp::Sipp;
pub use ua::{Talk, Ua, sdp};
