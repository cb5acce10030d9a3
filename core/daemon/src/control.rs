//! The interface between the front ends (HTTP, command line) and the running exchange: snapshots one way, commands the
//! other. A command carries a oneshot for its reply; the exchange answers every command, and a front end waits a bounded
//! time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use ringtrip_exchange::supervise::PartId;
use ringtrip_model::ids::CallId;
use tokio::sync::{mpsc, oneshot};

use crate::deploy::Deployment;
use crate::views::{Counters, Views};

/// A handle on the running exchange. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    views: Arc<RwLock<Views>>,
    counters: Arc<Counters>,
    control: mpsc::Sender<AdminCommand>,
    /// How long to wait for a reply.
    pub(crate) reply_timeout: Duration,
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No such call, line, board, …
    #[error("there is no {what} {name:?}")]
    Missing { what: &'static str, name: String },
    /// The request is invalid.
    #[error("{what}; {hint}")]
    Bad { what: String, hint: String },
    /// It is taken, or full.
    #[error("{0}")]
    Busy(String),
    /// Not in this state, or not without `--developer`.
    #[error("{0}")]
    Forbidden(String),
    /// A script was refused.
    #[error("{0}")]
    Script(#[from] ScriptRefused),
    /// The exchange took too long or is not there.
    #[error("the exchange does not answer")]
    Silent,
    /// The disk is full or read-only.
    #[error("{0}")]
    Disk(String),
    /// Something failed inside.
    #[error("{0}")]
    Failed(String),
}

impl ControlError {
    /// There is no such part, or it cannot be broken in this way.
    pub fn unbreakable(part: &str, kind: Fault) -> ControlError {
        let what = format!("{part:?} cannot be broken by {kind:?}");
        let hint = "parts are `line NAME`, `gateway NAME`, `call ID`, `desk`, `route`, `media` (panic), `board NAME` (kill), \
                    `store` (panic, disk-full, disk-error, none)";
        ControlError::Bad { what, hint: hint.to_owned() }
    }
}

/// Why a script was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{script}:{line}:{column}: {what}")]
pub struct ScriptRefused {
    /// File name.
    pub script: String,
    /// Line from 1; 0 when unknown.
    pub line: u32,
    /// Column from 1; 0 when unknown.
    pub column: u32,
    /// What is wrong.
    pub what: String,
}

/// The channel for a reply.
pub type Reply<T> = oneshot::Sender<Result<T, ControlError>>;

/// An administrative command to the exchange.
#[derive(Debug)]
pub enum AdminCommand {
    /// Ring `from` (an extension or a line), then call `to` as if it had been dialled there.
    Originate { from: String, to: String, reply: Reply<CallId> },
    /// End a call.
    Hangup { call: CallId, reply: Reply<()> },
    /// Activate this. It has passed all checks and is on the disk as `version`.
    /// Who takes the claim first decides: the exchange, which then activates it, or the asker, who withdraws it.
    Deploy {
        deployment: Box<Deployment>,
        version: u64,
        by: String,
        summary: String,
        claim: Claim,
        reply: Reply<()>,
    },
    /// Make a script's new text active; its file is written by the exchange after it compiled.
    ReloadScript { name: String, text: String, reply: Reply<()> },
    /// The running script's text.
    ReadScript { name: String, reply: Reply<String> },
    /// Does something to a simulated board: lift, hang up, press keys, speak, listen.
    Sim(SimAsk),
    /// Breaks a part on purpose. Refused without `--developer`.
    InjectFault { part: PartId, kind: Fault, reply: Reply<()> },
}

/// Something that only one of two sides may do.
#[derive(Debug, Clone, Default)]
pub struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Takes it; `false`: the other side was faster.
    pub fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl AdminCommand {
    /// Whether the sender has given up. Such a command is not carried out: its sender has seen it fail.
    pub fn is_abandoned(&self) -> bool {
        match self {
            AdminCommand::Originate { reply, .. } => reply.is_closed(),
            AdminCommand::Hangup { reply, .. } => reply.is_closed(),
            AdminCommand::Deploy { reply, .. } => reply.is_closed(),
            AdminCommand::ReloadScript { reply, .. } => reply.is_closed(),
            AdminCommand::ReadScript { reply, .. } => reply.is_closed(),
            AdminCommand::Sim(ask) => ask.reply.is_closed(),
            AdminCommand::InjectFault { reply, .. } => reply.is_closed(),
        }
    }
}

/// What is asked of a simulated board.
#[derive(Debug)]
pub struct SimAsk {
    /// The board.
    pub board: String,
    /// The verb: `lift`, `hangup`, `flash`, `keys`, `speak`, `listen`, `state`, …
    pub verb: String,
    /// Its arguments, a JSON object.
    pub json: String,
    /// A WAV file, for verbs that take sound.
    pub blob: bytes::Bytes,
    /// The answer.
    pub reply: Reply<SimAnswer>,
}

/// What a simulated board answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimAnswer {
    /// JSON text.
    Json(String),
    /// A WAV file or samples, and what was said of them: JSON text.
    Sound {
        /// `{"from":…,"to":…}`.
        said: String,
        /// The file, or samples of 16 bits.
        sound: bytes::Bytes,
    },
}

/// How to break a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A panic in its machine.
    Panic,
    /// Kill its process with SIGKILL (boards).
    Kill,
    /// The disk answers "full" (store).
    DiskFull,
    /// The disk answers "input/output error" at the next sync (store).
    DiskError,
    /// No more faults.
    None,
}

/// Commands that may be pending.
const PENDING_MAX: usize = 256;
/// How long a front end waits for a reply. A simulated telephone may have to press many keys, or listen for a while.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
const SIM_REPLY_TIMEOUT: Duration = Duration::from_secs(120);

impl Exchange {
    /// A handle, and the receiving end for the exchange.
    pub fn new() -> (Exchange, mpsc::Receiver<AdminCommand>) {
        let (control, commands) = mpsc::channel(PENDING_MAX);
        let (views, counters) = Default::default();
        (Exchange { views, counters, control, reply_timeout: REPLY_TIMEOUT }, commands)
    }

    /// A snapshot.
    pub fn views(&self) -> Views {
        self.with_views(|views| views.clone())
    }

    /// Looks at the newest snapshot; keep it short, writers wait.
    pub fn with_views<R>(&self, read: impl FnOnce(&Views) -> R) -> R {
        read(&self.views.read().unwrap_or_else(|e| e.into_inner()))
    }

    /// Changes the snapshot; keep it short, readers wait.
    pub fn update(&self, change: impl FnOnce(&mut Views)) {
        change(&mut self.views.write().unwrap_or_else(|e| e.into_inner()));
    }

    /// Counters for `/metrics`.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether the exchange still receives commands.
    pub fn is_alive(&self) -> bool {
        !self.control.is_closed()
    }

    /// Sends a command and waits a bounded time for the reply.
    ///
    /// # Errors
    /// [`ControlError::Busy`] if too many commands wait, [`ControlError::Silent`] if there was no reply in time, or the
    /// reply itself was an error.
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> AdminCommand) -> Result<T, ControlError> {
        let (reply, answer) = oneshot::channel();
        let command = command(reply);
        let reply_timeout =
            if matches!(command, AdminCommand::Sim(_)) { SIM_REPLY_TIMEOUT } else { self.reply_timeout };
        self.send(command)?;
        match tokio::time::timeout(reply_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(ControlError::Silent),
        }
    }

    /// Activates a configuration. When the exchange does not begin in time, the change is withdrawn and never becomes active;
    /// when it has begun, its end is awaited. So the caller knows what is active.
    ///
    /// # Errors
    /// The configuration is not active: the exchange is busy, did not begin in time, or refused it.
    pub async fn deploy(
        &self,
        deployment: Deployment,
        version: u64,
        by: String,
        summary: String,
    ) -> Result<(), ControlError> {
        let (reply, mut answer) = oneshot::channel();
        let claim = Claim::default();
        let ours = claim.clone();
        let deployment = Box::new(deployment);
        self.send(AdminCommand::Deploy { deployment, version, by, summary, claim, reply })?;
        let answered = match tokio::time::timeout(self.reply_timeout, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if ours.take() => return Err(ControlError::Silent),
            Err(_) => answer.await,
        };
        answered.unwrap_or(Err(ControlError::Silent))
    }

    fn send(&self, command: AdminCommand) -> Result<(), ControlError> {
        self.control.try_send(command).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => ControlError::Busy(format!(
                "the exchange is busy: {PENDING_MAX} requests are pending; retry in a moment"
            )),
            mpsc::error::TrySendError::Closed(_) => ControlError::Silent,
        })
    }
}
