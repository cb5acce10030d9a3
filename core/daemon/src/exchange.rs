//! The running exchange: the control arbiter with its directory, started from a store and a configuration.

mod apply;
mod boards;
mod commands;
mod directory;
mod find;
mod front;
mod live;
mod network;
mod parts;
mod registrations;
mod route;
mod serve;
mod signals;
pub(crate) mod wall;

pub use self::boards::Programs;
pub use self::serve::{ServeError, serve};
