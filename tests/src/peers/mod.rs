//! Peers for live tests: a SIP user agent of our own that says exactly what a test wants, baresip, sipp,
//! and an ear for the sound that comes through.

mod baresip;
mod dns;
mod events;
mod message;
mod sipp;
mod sound;
mod ua;
mod way;

pub use baresip::{Account, Baresip};
pub use dns::NameServer;
pub use events::Events;
pub use message::Message;
pub use sipp::Sipp;
pub use sound::{level, samples, tone, wav};
pub use ua::{Talk, Ua, sdp};
pub use way::Peer;
