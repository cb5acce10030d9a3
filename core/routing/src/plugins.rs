//! What the exchange asks of Wasm plugins. The runtime stands behind this, so that an exchange can be built without it.

use std::sync::Arc;

use crate::router::{PolicyAnswer, PolicyCall, Preparation};
use ringtrip_model::party::{CallerId, Digits};

/// The plugins that run now. A call that began with one version is asked and answered by that version.
pub trait Plugins: Send + Sync {
    /// Is a policy plugin among them?
    fn has_policies(&self) -> bool;

    /// The same plugins for questions on paper: whatever they keep or count then is not seen by calls. `None`: asking these
    /// changes nothing.
    fn on_paper(&self) -> Option<Arc<dyn Plugins>> {
        None
    }

    /// Asks the policy plugins in their order, until one has an opinion. Each that was asked is in the answer, the last
    /// one being that with the opinion, if there is any. An emergency call is never asked about.
    fn route(&self, call: &PolicyCall) -> Vec<PluginSaid>;

    /// How does this plugin place a call to `number`? An error, in words, when it cannot, fails, or takes too long.
    fn prepare(
        &self,
        plugin: &str,
        call: &PolicyCall,
        number: &Digits,
        caller: &CallerId,
    ) -> Result<Preparation, String>;
}

/// What a policy plugin said.
#[derive(Debug, Clone)]
pub struct PluginSaid {
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

    fn route(&self, _: &PolicyCall) -> Vec<PluginSaid> {
        Vec::new()
    }

    fn prepare(&self, plugin: &str, _: &PolicyCall, _: &Digits, _: &CallerId) -> Result<Preparation, String> {
        Err(format!("plugin {plugin} is not installed"))
    }
}
