//! The compiler program: what it may do, what it refuses, and what is said when it is not there or not ours.
#![allow(clippy::disallowed_methods)] // Starts programs and looks at the clock.

mod guests;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use guests::{call, compiler, policy, wasmc};
use hmac::{Hmac, Mac};
use ringtrip_wasm::contract::Verdict;
use ringtrip_wasm::{CompileError, Compiler, HostServices, Limits, LoadError, Plugin, Runtime};
use sha2::Sha256;

fn load(cache: Option<&Path>, compiler: Compiler, wasm: &[u8]) -> Result<Plugin, LoadError> {
    let runtime = Runtime::new(cache, compiler).unwrap();
    let manifest = guests::manifest("\"policy\"");
    Plugin::load(&runtime, wasm, &manifest, Default::default(), Default::default(), HostServices::default())
}

#[track_caller]
fn works(plugin: Result<Plugin, LoadError>) {
    assert!(matches!(plugin.unwrap().route(&call()).unwrap().verdict, Verdict::Pass));
}

/// A component with so many functions of 120,000 instructions each, all of it work for a compiler.
fn heavy(functions: usize) -> Vec<u8> {
    fn number(mut n: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while n > 0x7f {
            octets.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        octets.push(n as u8);
        octets
    }
    fn section(id: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&[id][..], &number(content.len()), &content].concat()
    }
    // No locals of its own; then (local.set (rotl (local.get 0) (mul (local.get 1) (const)))) again and again.
    let mut body = vec![0];
    for step in 0..20_000_u32 {
        body.extend([0x20, 0, 0x20, 1, 0x41, (step % 64) as u8, 0x6c, 0x77, 0x21, (step % 2) as u8]);
    }
    body.extend([0x20, 0, 0x0b]);
    let function = [number(body.len()), body].concat();
    let count = number(functions);
    let types = section(1, &[&[1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]]);
    let kinds = section(3, &[&count, &vec![0; functions]]);
    let code = section(10, &[&count, &function.repeat(functions)]);
    let module = [&b"\0asm\x01\0\0\0"[..], &types, &kinds, &code].concat();
    [&b"\0asm\x0d\0\x01\0"[..], &section(1, &[&module])].concat()
}

#[test]
fn a_component_that_takes_too_much_is_refused() {
    let wasm = heavy(60);
    let with = |limits: Limits| {
        let began = Instant::now();
        let error = load(None, compiler().with_limits(limits), &wasm).map(drop).unwrap_err();
        (error, began.elapsed())
    };
    let limit = |what: &str| LoadError::Compile(CompileError::Limit(what.to_owned()));
    let (error, _) = with(Limits { cpu: 1, ..Limits::USUAL });
    assert_eq!(error, limit("1 s of processor time"));
    assert_eq!(error.to_string(), "compiling it takes more than 1 s of processor time");
    let (error, _) = with(Limits { memory: 160, ..Limits::USUAL });
    assert_eq!(error, limit("160 MiB of memory"));
    let (error, took) = with(Limits { wall: Duration::from_millis(200), ..Limits::USUAL });
    assert_eq!(error, limit("0.2 s"));
    assert!(took < Duration::from_secs(20), "{took:?}: it is not waited for");
    // Its kind is no crime; that it is no policy is found out once it is compiled.
    let error = load(None, compiler(), &heavy(1)).map(drop).unwrap_err();
    assert!(matches!(error, LoadError::World { .. }), "{error}");
}

#[test]
fn without_the_program_only_what_is_compiled_already_runs() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("cache");
    let nowhere = || Compiler::at(temp.path().join("ringtrip-wasmc"));
    let wasm = policy("", "(i32.const 1024)");
    let error = load(Some(&folder), nowhere(), &wasm).map(drop).unwrap_err();
    assert!(matches!(error, LoadError::Compile(CompileError::Missing { .. })), "{error:?}");
    let said = error.to_string();
    for words in [
        temp.path().to_str().unwrap(),
        "No such file",
        "put ringtrip-wasmc beside ringtrip",
        "RINGTRIP_WASMC",
    ] {
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    }
    works(load(Some(&folder), compiler(), &wasm));
    works(load(Some(&folder), nowhere(), &wasm));
}

/// The major version of Wasmtime stands as text in compiled code, behind its length.
fn of_another_version(code: &[u8]) -> Vec<u8> {
    let version = b"\x00\x0248";
    let at = code.windows(version.len()).position(|w| w == version).expect("the version of Wasmtime");
    let mut code = code.to_vec();
    code[at + 2..at + 4].copy_from_slice(b"47");
    code
}

/// The one compiled file of a cache.
fn compiled(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().flatten().map(|e| e.path());
    files.into_iter().find(|p| p.extension().is_some_and(|e| e == "cwasm")).unwrap()
}

#[test]
fn code_of_another_version_is_compiled_anew() {
    let temp = tempfile::tempdir().unwrap();
    let wasm = policy("", "(i32.const 1024)");
    works(load(Some(temp.path()), compiler(), &wasm));
    let file = compiled(temp.path());
    let whole = fs::read(&file).unwrap();
    // As an older release of Ringtrip would have written and sealed it: a magic word, the seal, the code.
    let (magic, code) = (&whole[..8], of_another_version(&whole[40..]));
    let mut seal = Hmac::<Sha256>::new_from_slice(&fs::read(temp.path().join("seal.key")).unwrap()).unwrap();
    seal.update(file.file_name().unwrap().to_str().unwrap().split_once('-').unwrap().0.as_bytes());
    seal.update(&<sha2::Sha256 as sha2::Digest>::digest(&wasm));
    seal.update(&code);
    let older = [magic, &seal.finalize().into_bytes()[..], &code].concat();
    fs::write(&file, &older).unwrap();
    let error =
        load(Some(temp.path()), Compiler::at("/nowhere/ringtrip-wasmc"), &wasm).map(drop).unwrap_err();
    assert!(matches!(error, LoadError::Compile(CompileError::Missing { .. })), "{error:?}");
    assert_eq!(fs::read(&file).unwrap(), older);
    works(load(Some(temp.path()), compiler(), &wasm));
    assert_eq!(fs::read(&file).unwrap(), whole);
}

#[test]
fn a_compiler_of_another_version_is_named_as_the_reason() {
    let temp = tempfile::tempdir().unwrap();
    let wasm = policy("", "(i32.const 1024)");
    works(load(Some(&temp.path().join("cache")), compiler(), &wasm));
    let code = of_another_version(&fs::read(compiled(&temp.path().join("cache"))).unwrap()[40..]);
    let (old, program) = (temp.path().join("old.code"), temp.path().join("ringtrip-wasmc"));
    fs::write(&old, code).unwrap();
    let says = |script: String| {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        load(None, Compiler::at(&program), &wasm).map(drop).unwrap_err()
    };
    let error = says(format!("/bin/cat >/dev/null; exec /bin/cat {}", old.display()));
    assert!(matches!(error, LoadError::Compile(CompileError::Version { .. })), "{error:?}");
    assert!(error.to_string().contains("use the ringtrip-wasmc that came with this ringtrip"), "{error}");
    // One that breaks down differs from a component that is refused.
    let error = says("echo 'out of order' >&2; exit 1".to_owned());
    let LoadError::Compile(CompileError::Failed(why)) = error else { panic!("{error:?}") };
    assert!(why.contains("out of order"), "{why}");
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the kernel says about the program while it waits for a component.
#[test]
fn it_reads_the_component_with_all_limits_set() {
    let child = Command::new(wasmc::program()).args(["large", "1024", "7"]).stdin(Stdio::piped()).spawn();
    let running = Running(child.unwrap());
    let about = |what: &str| {
        fs::read_to_string(format!("/proc/{}/{what}", running.0.id())).expect("it waits for its component")
    };
    let closed = |status: &str| status.lines().any(|l| l.starts_with("Seccomp:") && l.ends_with('2'));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !closed(&about("status")) {
        assert!(Instant::now() < deadline, "no filter of system calls:\n{}", about("status"));
        std::thread::yield_now();
    }
    let (limits, status) = (about("limits"), about("status"));
    let has = |text: &str, words: &str| {
        text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").contains(words))
    };
    for words in [
        "Max address space 1073741824 1073741824",
        "Max cpu time 7 8",
        "Max open files 16 16",
        "Max core file size 0 0",
    ] {
        assert!(has(&limits, words), "{words}:\n{limits}");
    }
    assert!(has(&status, "NoNewPrivs: 1"), "{status}");
    assert_eq!(about("oom_score_adj").trim(), "1000");
}
