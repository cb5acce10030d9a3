//! Runs cargo on a plugin, or on a workspace of them, within a time.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::{Error, TARGET, Toolchain};

/// What to build and where.
#[derive(Debug, Clone)]
pub struct Build {
    /// The `Cargo.toml` of a plugin or of a workspace of plugins.
    pub manifest: PathBuf,
    /// Where cargo keeps what it makes.
    pub target_dir: PathBuf,
    /// Compilers at a time; `None`: as many as there are processors.
    pub jobs: Option<u8>,
    /// No download, and `Cargo.lock` as it is.
    pub locked: bool,
    /// Longest time.
    pub limit: Duration,
}

/// A module that came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The crate, as its `Cargo.toml` names it.
    pub name: String,
    /// The core module; [`crate::component`] wraps it.
    pub module: PathBuf,
}

impl Build {
    /// Compiles. What the compiler says goes to the standard error stream.
    ///
    /// # Errors
    /// Cargo cannot be started, the code does not compile, or the limit of time has passed.
    pub fn run(&self, toolchain: &Toolchain) -> Result<Vec<Built>, Error> {
        let mut command = self.command(toolchain);
        let start = |source| Error::Start { program: toolchain.cargo.clone(), source };
        let mut child = command.spawn().map_err(start)?;
        let messages = child.stdout.take();
        let child = Arc::new(Mutex::new(child));
        let (done, waiting) = mpsc::channel::<()>();
        let watched = Arc::clone(&child);
        let limit = self.limit;
        // Ends the compiler when its time is up; our end of the pipe then closes and we go on.
        let watchdog = std::thread::spawn(move || {
            let late = waiting.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                let _ = watched.lock().unwrap_or_else(PoisonError::into_inner).kill();
            }
            late
        });
        let lines = messages.map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let mut built: Vec<Built> = lines.map_while(Result::ok).filter_map(|line| artifact(&line)).collect();
        let _ = done.send(());
        let late = watchdog.join().unwrap_or(false);
        let status = child.lock().unwrap_or_else(PoisonError::into_inner).wait().map_err(start)?;
        if late {
            return Err(Error::TooLong(limit));
        }
        if !status.success() {
            return Err(Error::Compile);
        }
        if built.is_empty() {
            return Err(Error::NoModule(self.manifest.clone()));
        }
        built.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(built)
    }

    fn command(&self, toolchain: &Toolchain) -> Command {
        let mut command = Command::new(&toolchain.cargo);
        forget_the_caller(&mut command);
        command
            .arg("build")
            .arg("--release")
            .args(["--target", TARGET])
            .arg("--manifest-path")
            .arg(&self.manifest);
        command.arg("--target-dir").arg(&self.target_dir);
        command.arg("--message-format=json-render-diagnostics");
        if let Some(jobs) = self.jobs {
            command.arg("-j").arg(jobs.to_string());
        }
        if self.locked {
            command.arg("--locked");
        }
        command.env("RUSTC", &toolchain.rustc);
        if let Some(linker) = &toolchain.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        if toolchain.build_std {
            // Making the standard library is an unstable feature; this lets a stable compiler do it.
            command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// Takes away what a cargo that runs us has set for its own compiler and what is meant for another target.
pub(crate) fn forget_the_caller(command: &mut Command) {
    const SET_BY_CARGO: &[&str] = &[
        "CARGO",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "CARGO_INCREMENTAL",
        "LD_LIBRARY_PATH",
    ];
    for name in SET_BY_CARGO {
        command.env_remove(name);
    }
}

/// The module that a line of `--message-format=json` tells of.
pub(crate) fn artifact(line: &str) -> Option<Built> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")? != "compiler-artifact" {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    let module = files.iter().filter_map(Value::as_str).find(|f| f.ends_with(".wasm"))?;
    let name = Path::new(message.get("manifest_path")?.as_str()?).parent()?.file_name()?.to_str()?;
    Some(Built { name: name.to_owned(), module: PathBuf::from(module) })
}
