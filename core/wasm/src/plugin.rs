//! One version of one plugin, ready to be asked.
//!
//! Each question gets a fresh instance: nothing that one call did can be seen by the next, and nothing leaks.

use std::sync::Arc;
use std::time::Instant;

use semver::Version;
use wasmtime::component::InstancePre;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::gateway::{Condition, Prepared, Price};
use crate::bindings::policy::Answer;
use crate::bindings::types::{Call, Money};
use crate::bindings::{GatewayPluginPre, PolicyPluginPre};
use crate::check;
use crate::fault::PluginFault;
use crate::guest::{Context, Guest, Time};
use crate::host::HostServices;
use crate::package::grant::Grants;
use crate::package::manifest::{Manifest, Settings, World};
use crate::runtime::{LoadError, Runtime};

/// Octets that a guest may hand over in one answer or request, before they are looked at.
const HANDED: usize = 512 << 10;
/// The same for a list of prices.
const HANDED_PRICES: usize = 32 << 20;

/// A loaded plugin. A call holds its `Arc` and stays with this version whatever is installed meanwhile.
#[derive(Clone)]
pub struct Plugin {
    runtime: Runtime,
    context: Arc<Context>,
    manifest: Manifest,
    instance: InstancePre<Guest>,
    policy: Option<PolicyPluginPre<Guest>>,
    gateway: Option<GatewayPluginPre<Guest>>,
    time: Time,
}

impl Plugin {
    /// Loads a component with these rights and settings (as [`Manifest::values`] gives them), and starts it once to see
    /// that it does.
    ///
    /// # Errors
    /// It is not a component, does not compile, lacks a world that the manifest names, imports what the exchange does not have,
    /// or fails when it is started.
    pub fn load(
        runtime: &Runtime,
        wasm: &[u8],
        manifest: &Manifest,
        grants: Grants,
        settings: Settings,
        services: HostServices,
    ) -> Result<Plugin, LoadError> {
        let instance = runtime.link(wasm)?;
        let world = |world: World, e: wasmtime::Error| LoadError::World {
            world: world.word(),
            why: crate::fault::first_line(&format!("{e:#}")),
        };
        let implements = |world: World| manifest.worlds.contains(&world);
        let policy = implements(World::Policy).then(|| PolicyPluginPre::new(instance.clone()));
        let gateway = implements(World::Gateway).then(|| GatewayPluginPre::new(instance.clone()));
        let plugin = Plugin {
            policy: policy.transpose().map_err(|e| world(World::Policy, e))?,
            gateway: gateway.transpose().map_err(|e| world(World::Gateway, e))?,
            instance,
            runtime: runtime.clone(),
            context: Arc::new(Context::new(
                manifest.name.clone(),
                &manifest.version,
                grants,
                settings,
                services,
            )),
            manifest: manifest.clone(),
            time: Time::DECISION,
        };
        plugin.start().map_err(|fault| match fault {
            // It was not asked anything yet: what is said is that it asks for more than there is.
            PluginFault::Invalid(why) => LoadError::Start(why),
            fault => LoadError::Start(fault.to_string()),
        })?;
        Ok(plugin)
    }

    /// The same, with another time for a decision.
    pub fn with_time(self, time: Time) -> Plugin {
        Plugin { time, ..self }
    }

    /// The same in another world: with other values to keep.
    pub(crate) fn with_services(self, services: HostServices) -> Plugin {
        let Context { plugin, grants, settings, .. } = &*self.context;
        let context =
            Context::new(plugin.clone(), &self.manifest.version, grants.clone(), settings.clone(), services);
        Plugin { context: Arc::new(context), ..self }
    }

    /// The same with a copy of what it keeps.
    pub(crate) fn dry_run(&self) -> Plugin {
        let services = &self.context.services;
        let store = services.store.dry_run(self.name());
        self.clone().with_services(HostServices { store, ..services.clone() })
    }

    /// Its name, `policy-quiet-hours`.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Its version.
    pub fn version(&self) -> &Version {
        &self.manifest.version
    }

    /// Name and version, `policy-quiet-hours 0.1.0`.
    pub fn label(&self) -> &str {
        &self.context.name
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Is it asked such things?
    pub fn implements(&self, world: World) -> bool {
        self.manifest.worlds.contains(&world)
    }

    /// Where should this call go?
    ///
    /// # Errors
    /// It is not a policy, it trapped or exceeded a limit, or its answer is invalid.
    pub fn route(&self, call: &Call) -> Result<Answer, PluginFault> {
        let pre = self.policy.as_ref().ok_or(PluginFault::NotItsWorld("policy"))?;
        let answer = self.run(self.time, HANDED, |store| {
            pre.instantiate(&mut *store)?.ringtrip_plugin_policy().call_route(store, call)
        })?;
        check::answer(&answer).map_err(PluginFault::Invalid)?;
        Ok(answer)
    }

    /// How is this call placed?
    ///
    /// # Errors
    /// It is not a gateway, it trapped or exceeded a limit, it declined, or its answer is invalid.
    pub fn prepare(&self, call: &Call) -> Result<Prepared, PluginFault> {
        let prepared =
            self.ask_gateway(self.time, HANDED, |plugin, store| plugin.call_prepare(store, call))?;
        let prepared = prepared.map_err(|why| PluginFault::Declined(check::message(&why)))?;
        check::prepared(&prepared).map_err(PluginFault::Invalid)?;
        Ok(prepared)
    }

    /// What does it cost?
    ///
    /// # Errors
    /// It is not a gateway, it trapped or exceeded a limit, or a price is invalid.
    pub fn prices(&self) -> Result<Vec<Price>, PluginFault> {
        let prices =
            self.ask_gateway(Time::CHORE, HANDED_PRICES, |plugin, store| plugin.call_prices(store))?;
        check::prices(&prices).map_err(PluginFault::Invalid)?;
        Ok(prices)
    }

    /// What is left of the money?
    ///
    /// # Errors
    /// It is not a gateway, it trapped or exceeded a limit, it declined, or its answer is invalid.
    pub fn balance(&self) -> Result<Option<Money>, PluginFault> {
        let balance = self.ask_gateway(Time::CHORE, HANDED, |plugin, store| plugin.call_balance(store))?;
        let balance = balance.map_err(|why| PluginFault::Declined(check::message(&why)))?;
        balance.as_ref().map_or(Ok(()), check::money).map_err(PluginFault::Invalid)?;
        Ok(balance)
    }

    /// Can it be used?
    ///
    /// # Errors
    /// It is not a gateway, it trapped or exceeded a limit, or its text is invalid.
    pub fn health(&self) -> Result<Condition, PluginFault> {
        let health = self.ask_gateway(Time::CHORE, HANDED, |plugin, store| plugin.call_health(store))?;
        check::text("why", &health.why).map_err(PluginFault::Invalid)?;
        Ok(health)
    }

    fn ask_gateway<T>(
        &self,
        time: Time,
        handed: usize,
        ask: impl FnOnce(&crate::bindings::gateway::Guest, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, PluginFault> {
        let pre = self.gateway.as_ref().ok_or(PluginFault::NotItsWorld("gateway"))?;
        self.run(time, handed, |store| {
            let plugin = pre.instantiate(&mut *store)?;
            ask(plugin.ringtrip_plugin_gateway(), store)
        })
    }

    fn start(&self) -> Result<(), PluginFault> {
        // A second for the first time: pages are touched, caches are cold, nobody waits.
        let time = Time { wall: std::time::Duration::from_secs(1), ..Time::CHORE };
        self.run(time, HANDED, |store| self.instance.instantiate(store).map(|_| ()))
    }

    /// Runs in a fresh store, under all limits.
    fn run<T>(
        &self,
        time: Time,
        handed: usize,
        ask: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, PluginFault> {
        let began = Instant::now();
        let _ticking = self.runtime.epoch_timer().enter();
        let guest = Guest::new(Arc::clone(&self.context), time);
        let memory = guest.memory();
        let mut store = Store::new(self.runtime.engine(), guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(handed);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().check().map_err(wasmtime::Error::new)?;
            Ok(UpdateDeadline::Continue(1))
        });
        let answer = ask(&mut store);
        let denied = store.data().denied;
        let answer = answer.map_err(|e| PluginFault::of(&e, time.wall, memory, denied))?;
        // It may have ended in time and still be late: what it handed over had to be read.
        if began.elapsed() > time.wall { Err(PluginFault::Late(time.wall)) } else { Ok(answer) }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({})", self.label())
    }
}
