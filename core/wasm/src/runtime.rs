//! The engine of all plugins: Wasmtime with a pool of instances, one linker, the tick, and the cache. It has no compiler:
//! that is a program of its own ([`Compiler`]).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ringtrip_wasm_engine::AddressSpace;
use wasmtime::component::{HasSelf, InstancePre, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::{clock, dns, host, http, store};
use crate::cache::{self, Cache, Source};
use crate::compiler::{CompileError, Compiler};
use crate::epoch_timer::EpochTimer;
use crate::fault::first_line;
use crate::guest::{Guest, INSTANCES, MEMORIES, TABLE, TABLES};
use crate::package::grant::MOST_MEMORY;

/// Decisions that can be made at once. The exchange makes one at a time; the rest is for prices, balance and health.
const AT_ONCE: u32 = 32;
/// Octets of stack: telephone numbers need little, interpreters more.
const STACK: usize = 512 << 10;
/// Octets of memory that stay warm between two decisions; beyond it pages go back to the system.
const WARM: usize = 256 << 10;

/// The runtime. One for a daemon; cheap to share.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    /// What the engine's code is compiled for.
    space: AddressSpace,
    compiler: Compiler,
    linker: Linker<Guest>,
    epoch_timer: EpochTimer,
    cache: Option<Cache>,
}

/// Why a runtime or a component is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The machine cannot run plugins.
    #[error("plugins cannot run here: {0}")]
    Engine(String),
    /// It is no component, or a broken one.
    #[error("the component is refused: {0}")]
    Component(String),
    /// It cannot be compiled here, or not with what a component may use.
    #[error(transparent)]
    Compile(CompileError),
    /// It wants from the host what there is not.
    #[error(
        "the component asks for {0:?}, which Ringtrip does not have; build it against the package ringtrip:plugin@0.1.0"
    )]
    Import(String),
    /// It does not speak a world that its package names.
    #[error("the package says that it speaks the world {world:?}, but its component does not: {why}")]
    World {
        /// `policy` or `gateway`.
        world: &'static str,
        /// What is missing.
        why: String,
    },
    /// It fails before it is asked anything.
    #[error("the component does not start: {0}")]
    Start(String),
}

impl From<CompileError> for LoadError {
    fn from(error: CompileError) -> LoadError {
        match error {
            CompileError::Refused(why) => LoadError::Component(why),
            error => LoadError::Compile(error),
        }
    }
}

impl Runtime {
    /// A runtime that keeps compiled components in `cache`; without, it compiles at every load.
    ///
    /// # Errors
    ///
    /// The machine has no room for the pool, or no thread for the tick. The compiler is not asked for before there is
    /// something to compile.
    pub fn new(cache: Option<&Path>, compiler: Compiler) -> Result<Runtime, LoadError> {
        let wrong = |e: wasmtime::Error| LoadError::Engine(first_line(&format!("{e:#}")));
        let with = |space| Engine::new(&config(space)).map(|engine| (engine, space));
        // A large address space saves a check at each access. Some small machines have not that many addresses.
        let (engine, space) =
            with(AddressSpace::Large).or_else(|_| with(AddressSpace::Small)).map_err(wrong)?;
        let mut linker = Linker::<Guest>::new(&engine);
        host::add_to_linker::<_, HasSelf<_>>(&mut linker, |g| g).map_err(wrong)?;
        clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |g| g).map_err(wrong)?;
        store::add_to_linker::<_, HasSelf<_>>(&mut linker, |g| g).map_err(wrong)?;
        http::add_to_linker::<_, HasSelf<_>>(&mut linker, |g| g).map_err(wrong)?;
        dns::add_to_linker::<_, HasSelf<_>>(&mut linker, |g| g).map_err(wrong)?;
        let epoch_timer = EpochTimer::start(engine.clone()).map_err(|e| LoadError::Engine(e.to_string()))?;
        let cache = match cache.map(|folder| (folder, Cache::open(folder, space))) {
            Some((_, Ok(cache))) => Some(cache),
            Some((folder, Err(e))) => {
                tracing::warn!("{}: {e}; plugins are compiled at every start", folder.display());
                None
            }
            None => None,
        };
        Ok(Runtime(Arc::new(Inner { engine, space, compiler, linker, epoch_timer, cache })))
    }

    /// A component, compiled and tied to the host.
    pub(crate) fn link(&self, wasm: &[u8]) -> Result<InstancePre<Guest>, LoadError> {
        let refused = |e: wasmtime::Error| LoadError::Component(first_line(&format!("{e:#}")));
        let Inner { engine, space, compiler, cache, .. } = &*self.0;
        let component = cache::component(cache.as_ref(), engine, (compiler, *space), wasm)?;
        let mut inert = false;
        for (name, _) in component.component_type().imports(engine) {
            if name.starts_with("wasi:") {
                inert = true;
            } else if !OURS.contains(&name) {
                return Err(LoadError::Import(name.chars().take(100).collect()));
            }
        }
        let pre = if inert {
            // Guests of some languages import WASI for what they never do here. It is there, and any use of it traps.
            let mut linker = self.0.linker.clone();
            linker.define_unknown_imports_as_traps(&component).map_err(refused)?;
            linker.instantiate_pre(&component)
        } else {
            self.0.linker.instantiate_pre(&component)
        };
        let pre = pre.map_err(refused)?;
        component.initialize_copy_on_write_image().map_err(refused)?;
        Ok(pre)
    }

    /// Forgets the compiled form of a component that is gone; `source`: its SHA-256.
    pub fn forget(&self, source: &[u8; 32]) {
        if let Some(cache) = &self.0.cache {
            cache.forget(source);
        }
    }

    /// Forgets the compiled forms of all but these.
    pub(crate) fn keep_only(&self, sources: &BTreeSet<Source>) {
        if let Some(cache) = &self.0.cache {
            cache.keep_only(sources);
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn epoch_timer(&self) -> &EpochTimer {
        &self.0.epoch_timer
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime")
    }
}

/// What a component may import.
const OURS: [&str; 6] = [
    "ringtrip:plugin/types@0.1.0",
    "ringtrip:plugin/host@0.1.0",
    "ringtrip:plugin/clock@0.1.0",
    "ringtrip:plugin/store@0.1.0",
    "ringtrip:plugin/http@0.1.0",
    "ringtrip:plugin/dns@0.1.0",
];

/// What decides about machine code is agreed with the compiler; the rest is the runtime's own.
fn config(space: AddressSpace) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(AT_ONCE)
        .total_core_instances(AT_ONCE * 16)
        .total_memories(AT_ONCE)
        .total_tables(AT_ONCE * 4)
        .max_core_instances_per_component(INSTANCES as u32)
        .max_memories_per_component(MEMORIES as u32)
        .max_tables_per_component(TABLES as u32)
        .table_elements(TABLE)
        .max_memory_size(usize::from(MOST_MEMORY) << 20)
        .max_unused_warm_slots(4)
        .linear_memory_keep_resident(WARM)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = ringtrip_wasm_engine::config(space);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).max_wasm_stack(STACK);
    config
}
