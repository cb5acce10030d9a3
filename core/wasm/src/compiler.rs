//! The compiler of components: a program of its own, `ringtrip-wasmc`, started for each component, in a sandbox and with
//! limits that it sets for itself. It speaks through three pipes; how it ended says what was wrong.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringtrip_wasm_engine::{AddressSpace, OUT_OF_MEMORY, REFUSED, Request};

use crate::fault::first_line;

/// How often a running compiler is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Octets of what it says about a component that are read.
const MOST_SAID: u64 = 4096;
/// Octets of machine code. Of the largest component that a package may have, some four times as much was seen.
const MOST_CODE: u64 = 400 << 20;
/// Signals by which the limits end a process (signal(7); the same on all processors that Ringtrip knows).
const SIGABRT: i32 = 6;
const SIGXCPU: i32 = 24;

/// The compiler program, and what it may use.
#[derive(Debug, Clone)]
pub struct Compiler {
    program: PathBuf,
    limits: Limits,
}

/// What one component may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// MiB of addresses.
    pub memory: u64,
    /// Seconds of processor time, all threads together.
    pub cpu: u64,
    /// From the start of the program to its end.
    pub wall: Duration,
}

impl Limits {
    /// Enough for the largest component that a package may have, an interpreter with its library, on a slow machine.
    pub const USUAL: Limits = Limits { memory: 2048, cpu: 900, wall: Duration::from_secs(900) };
}

/// Why a component was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The program does not start.
    #[error("cannot start the plugin compiler {}: {why}; put ringtrip-wasmc beside ringtrip, or name it with RINGTRIP_WASMC", .program.display())]
    Missing {
        /// Where it was looked for.
        program: PathBuf,
        /// What the system said.
        why: String,
    },
    /// It is no component, or a broken one.
    #[error("{0}")]
    Refused(String),
    /// Too much of something.
    #[error("compiling it takes more than {0}")]
    Limit(String),
    /// The program is of another version of Ringtrip.
    #[error("the plugin compiler {} is of another version ({why}); use the ringtrip-wasmc that came with this ringtrip", .program.display())]
    Version {
        /// The program.
        program: PathBuf,
        /// What the runtime said about its machine code.
        why: String,
    },
    /// It failed, and the component is not known to be the reason.
    #[error("the plugin compiler failed: {0}")]
    Failed(String),
}

impl Compiler {
    /// This program, with the usual limits.
    pub fn at(program: impl Into<PathBuf>) -> Compiler {
        let program = program.into();
        // It is started from another folder than ours.
        let program = std::path::absolute(&program).unwrap_or(program);
        Compiler { program, limits: Limits::USUAL }
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: Limits) -> Compiler {
        Compiler { limits, ..self }
    }

    /// The machine code of a component, for a runtime with this address space. Waits for it.
    ///
    /// # Errors
    ///
    /// The component is refused or too dear, or the program does not do its work.
    pub(crate) fn compile(&self, space: AddressSpace, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        let Limits { memory, cpu, wall } = self.limits;
        let failed = |e: io::Error| CompileError::Failed(e.to_string());
        let mut child = Command::new(&self.program)
            .args(Request { space, memory, cpu }.to_args())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| CompileError::Missing { program: self.program.clone(), why: e.to_string() })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            unreachable!("all three were asked for above");
        };
        thread::scope(|scope| {
            // It may end before it has read everything; then how it ended says more than this error.
            scope.spawn(move || stdin.write_all(wasm));
            let code = scope.spawn(move || read(stdout, MOST_CODE));
            let said = scope.spawn(move || read(stderr, MOST_SAID));
            let status = wait(&mut child, wall);
            let code =
                code.join().unwrap_or_else(|_| Err(io::Error::other("the reader of its output ended")));
            let said = said.join().ok().and_then(Result::ok).unwrap_or_default();
            match status.map_err(failed)? {
                Some(status) if status.success() => code.map_err(failed),
                Some(status) => Err(self.why(status, &first_line(&String::from_utf8_lossy(&said)))),
                None => Err(CompileError::Limit(format!("{} s", wall.as_secs_f32()))),
            }
        })
    }

    /// Its machine code does not fit this runtime.
    pub(crate) fn mismatch(&self, why: String) -> CompileError {
        CompileError::Version { program: self.program.clone(), why }
    }

    /// Why it ended like this.
    fn why(&self, status: ExitStatus, said: &str) -> CompileError {
        let Limits { memory, cpu, .. } = self.limits;
        let out_of_memory = || CompileError::Limit(format!("{memory} MiB of memory"));
        match (status.code(), status.signal()) {
            (Some(code), _) if code == i32::from(REFUSED) => CompileError::Refused(said.to_owned()),
            (_, Some(SIGXCPU)) => CompileError::Limit(format!("{cpu} s of processor time")),
            (Some(code), _) if code == i32::from(OUT_OF_MEMORY) => out_of_memory(),
            // An allocation that failed where nobody asked for the error ends it.
            (_, Some(SIGABRT)) if said.contains("memory") => out_of_memory(),
            _ if said.is_empty() => CompileError::Failed(status.to_string()),
            _ => CompileError::Failed(format!("{status}: {said}")),
        }
    }
}

/// Its end, or `None`: it had to be ended because its time was up.
fn wait(child: &mut Child, within: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK),
            out => {
                let _ = child.kill();
                child.wait()?;
                return out;
            }
        }
    }
}

/// All of it. What is longer is an error, and its writer finds the pipe closed.
fn read(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    from.take(most + 1).read_to_end(&mut octets)?;
    match u64::try_from(octets.len()) {
        Ok(n) if n <= most => Ok(octets),
        _ => Err(io::Error::other(format!("it wrote more than {most} octets"))),
    }
}
