//! The interface to Wasm plugins. The runtime implements it, so the exchange can be built without the runtime.

use std::sync::Arc;

use crate::router::{PolicyAnswer, PolicyCall, Preparation};
use ringtrip_model::party::{CallerId, Digits};

/// The plugins that run now. A call that began with one version is asked and answered by that version.
pub trait Plugins: Send + Sync {
    /// Is a policy plugin among them?
    fn has_policies(&self) -> bool;

    /// The same plugins for dry runs: state that they change is not visible to calls. `None` if they have no state.
    fn dry_run(&self) -> Option<Arc<dyn Plugins>> {
        None
    }

    /// Asks the policy plugins in their order, until one has an opinion. Each that was asked is in the answer, the last
    /// one being that with the opinion, if there is any. An emergency call is never asked about.
    fn route(&self, call: &PolicyCall) -> Vec<PluginAnswer>;

    /// How this plugin places a call to `number`.
    ///
    /// # Errors
    /// Why it cannot: it declined, failed, or took too long.
    fn prepare(
        &self,
        plugin: &str,
        call: &PolicyCall,
        number: &Digits,
        caller: &CallerId,
    ) -> Result<Preparation, String>;
}

/// The answer of a policy plugin.
#[derive(Debug, Clone)]
pub struct PluginAnswer {
    /// Name and version, `policy-quiet-hours 1.0.0`.
    pub plugin: String,
    /// Its answer; an error when it failed, which counts as no opinion.
    pub answer: Result<PolicyAnswer, String>,
}

/// No plugins.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlugins;

impl Plugins for NoPlugins {
    fn has_policies(&self) -> bool {
        false
    }

    fn route(&self, _: &PolicyCall) -> Vec<PluginAnswer> {
        Vec::new()
    }

    fn prepare(&self, plugin: &str, _: &PolicyCall, _: &Digits, _: &CallerId) -> Result<Preparation, String> {
        Err(format!("plugin {plugin} is not installed"))
    }
}
