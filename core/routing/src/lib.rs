//! Call routing: emergency table, dial plan, policy plugins, Rhai scripts, prices and gateway plugins. Live calls,
//! `route explain`, script tests, replays, proofs and canaries all use [`Engine::decide`].
//!
//! A policy runs after the dial plan and answers with data ([`crate::router::PolicyAnswer`]). It can name targets and
//! numbers and change the caller ID. It has no IO, cannot block, and cannot make, see or stop an emergency call: the
//! router decides those before it asks the policy, and checks the answer again.

#![warn(clippy::missing_errors_doc)]

pub mod canary;
pub mod coverage;
pub mod decide;
pub mod plugins;
pub mod proof;
pub mod replay;
pub mod reverse_lookup;
pub mod router;
pub mod script;

pub use decide::{Decision, Engine};
pub use plugins::{NoPlugins, PluginAnswer, Plugins};
pub use script::{Library, Limits, Pool, PoolError, PrefixTable, Script, ScriptError, ScriptFault};
