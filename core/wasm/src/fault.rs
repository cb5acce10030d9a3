//! What a plugin can do wrong while it decides, as values: none of it is a panic, none of it is late.

use std::time::Duration;

use wasmtime::Trap;

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    /// It stopped with an error of its own.
    #[error("it stopped: {0}")]
    Trap(String),
    /// Its time was up.
    #[error("it was not done after {} ms", .0.as_millis())]
    Late(Duration),
    /// It wanted more memory than it has.
    #[error("it wanted more than its {0} MiB of memory")]
    Memory(usize),
    /// It answered what cannot be.
    #[error("its answer makes no sense: {0}")]
    Invalid(String),
    /// It said no, and why. No failure: a provider may not take a call.
    #[error("{0}")]
    Declined(String),
    /// It is not asked such things.
    #[error("it does not speak the world {0:?}")]
    NotItsWorld(&'static str),
    /// All instances are in use.
    #[error("too many decisions are being made at once")]
    Busy,
}

/// What stops a guest from the inside of a host function or a tick.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the time is up")]
    Late,
}

impl PluginFault {
    /// One word for events and tables; never changes once released.
    pub fn word(&self) -> &'static str {
        match self {
            PluginFault::Trap(_) => "trap",
            PluginFault::Late(_) => "late",
            PluginFault::Memory(_) => "memory",
            PluginFault::Invalid(_) => "lie",
            PluginFault::Declined(_) => "declined",
            PluginFault::NotItsWorld(_) => "world",
            PluginFault::Busy => "busy",
        }
    }

    /// Did the plugin misbehave? A refusal in good order and a full pool are no misbehaviour.
    pub fn is_misbehaviour(&self) -> bool {
        !matches!(self, PluginFault::Declined(_) | PluginFault::Busy | PluginFault::NotItsWorld(_))
    }

    /// The fault behind an error of the runtime. `denied`: a request for memory was refused before.
    pub(crate) fn of(error: &wasmtime::Error, within: Duration, memory: usize, denied: bool) -> PluginFault {
        if let Some(Stop::Late) = error.downcast_ref::<Stop>() {
            return PluginFault::Late(within);
        }
        if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
            return PluginFault::Busy;
        }
        if denied {
            return PluginFault::Memory(memory >> 20);
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => PluginFault::Late(within),
            Some(Trap::StackOverflow) => PluginFault::Trap("it called itself too deep".to_owned()),
            Some(Trap::UnreachableCodeReached) => {
                PluginFault::Trap("it gave up (a panic, or an unreachable instruction)".to_owned())
            }
            Some(trap) => PluginFault::Trap(trap.to_string()),
            // Not a trap of the guest's code: what it handed over could not be read.
            None => PluginFault::Invalid(first_line(&error.root_cause().to_string())),
        }
    }
}

/// One line of at most 200 characters: errors of the runtime can carry whole stack traces.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
