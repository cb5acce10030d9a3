//! `ringtrip-wasmc`: compiles a Wasm component to machine code. The exchange starts it when a plugin is installed, and
//! runs what it makes; it has no compiler itself.
//!
//! The component comes from standard input, the machine code goes to standard output, what is wrong to standard error.
//! A component can be built to attack its compiler, so all of it is read and compiled in a sandbox: limits of memory and
//! processor time, and no system call but those that computing needs ([`sandbox`]).

mod sandbox;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use ringtrip_wasm_engine::{OUT_OF_MEMORY, REFUSED, Request, config};
use wasmtime::Engine;

/// Threads that compile. More would need more memory, and the calls need the other processors.
const THREADS: usize = 4;

/// Why there is no machine code.
enum Failure {
    /// The component is to blame.
    Refused(String),
    /// It does not fit into the limit of memory.
    OutOfMemory(String),
    /// It is not to blame.
    Failed(String),
}

fn main() -> ExitCode {
    let (why, code) = match run() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(why)) => (why, ExitCode::from(REFUSED)),
        Err(Failure::OutOfMemory(why)) => (why, ExitCode::from(OUT_OF_MEMORY)),
        Err(Failure::Failed(why)) => (why, ExitCode::FAILURE),
    };
    // Nobody may read it any more.
    let _ = writeln!(io::stderr(), "{why}");
    code
}

fn run() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let request = Request::from_args(&args).map_err(Failure::Failed)?;
    let failed = |what: &str, why: &dyn std::fmt::Display| Failure::Failed(format!("{what}: {why}"));
    sandbox::limit(&request).map_err(|e| failed("the limits cannot be set", &e))?;
    // What looks at the machine comes before the sandbox is closed, what the component says after it.
    let engine = Engine::new(&config(request.space)).map_err(|e| failed("no compiler", &e))?;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| failed("no threads", &e))?;
    sandbox::close().map_err(|e| failed("the sandbox cannot be closed", &e))?;
    let mut wasm = Vec::new();
    io::stdin().read_to_end(&mut wasm).map_err(|e| match e.kind() {
        io::ErrorKind::OutOfMemory => Failure::OutOfMemory(e.to_string()),
        _ => failed("the component cannot be read", &e),
    })?;
    let code = engine.precompile_component(&wasm).map_err(|e| Failure::Refused(format!("{e:#}")))?;
    let mut out = io::stdout();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .map_err(|e| failed("the machine code cannot be written", &e))
}
