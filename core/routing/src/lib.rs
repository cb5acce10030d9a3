//! The one decision about a call: emergency, dial plan, policy scripts in Rhai, plugins' answers, prices. Live calls, what is
//! explained, script tests, replays, proofs and canaries all come through [`Engine::decide`].
//!
//! A policy is asked after the dial plan and answers with data ([`crate::router::PolicyAnswer`]). It can
//! name targets, numbers and how the caller is shown. It cannot reach the world, cannot wait, and cannot make, see or
//! stop an emergency call: the router decides those before it asks and looks again at what comes back.

pub mod canary;
pub mod decide;
pub mod plugins;
pub mod probe;
pub mod proof;
pub mod reach;
pub mod replay;
pub mod router;
pub mod script;

pub use decide::{Decision, Engine};
pub use plugins::{NoPlugins, PluginSaid, Plugins};
pub use script::{Library, Limits, Pool, PoolError, PrefixTable, Script, ScriptError, ScriptFault};
