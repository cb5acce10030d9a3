use std::path::{Path, PathBuf};

use crate::cargo::artifact;
use crate::toolchain::{Compiler, Linker, choose};
use crate::{Build, Error, Toolchain, component, fingerprint};

fn compiler(name: &str, wasm_std: bool, source: bool, linker: Linker) -> Compiler {
    Compiler { rustc: name.into(), cargo: format!("{name}-cargo").into(), wasm_std, source, linker }
}

#[test]
fn the_best_compiler_is_chosen() {
    let system = || Linker::System("/usr/bin/wasm-ld".into());
    #[track_caller]
    fn check(compilers: &[Compiler], expected: Result<(&str, bool, Option<&str>), usize>) {
        let found = choose(compilers.to_vec());
        let found = found.as_ref().map_err(|e| e.seen.len()).map(|t| {
            (t.rustc.to_str().unwrap(), t.build_std, t.linker.as_ref().map(|l| l.to_str().unwrap()))
        });
        assert_eq!(found, expected);
    }
    let ordinary = compiler("ordinary", true, false, Linker::Own);
    let bare = compiler("bare", false, false, Linker::Own);
    let debian = compiler("debian", false, true, system());
    check(&[ordinary.clone(), debian.clone()], Ok(("ordinary", false, None)));
    check(&[bare.clone(), debian.clone()], Ok(("debian", true, Some("/usr/bin/wasm-ld"))));
    check(&[debian, ordinary], Ok(("ordinary", false, None)));
    check(&[compiler("a", true, false, system())], Ok(("a", false, Some("/usr/bin/wasm-ld"))));
    check(&[bare, compiler("b", true, true, Linker::None)], Err(2));
    check(&[], Err(0));
}

#[test]
fn modules_are_found_in_what_cargo_says() {
    let line = r#"{"reason":"compiler-artifact","manifest_path":"/p/policy-x/Cargo.toml","filenames":["/t/libx.rlib","/t/policy_x.wasm"]}"#;
    let built = artifact(line).unwrap();
    assert_eq!((built.name.as_str(), built.module.as_path()), ("policy-x", Path::new("/t/policy_x.wasm")));
    for line in [
        "",
        "not json",
        r#"{"reason":"build-finished","success":true}"#,
        r#"{"reason":"compiler-artifact","manifest_path":"/p/x/Cargo.toml","filenames":["/t/libx.rlib"]}"#,
        r#"{"reason":"compiler-artifact","filenames":["/t/x.wasm"]}"#,
    ] {
        assert_eq!(artifact(line), None, "{line}");
    }
}

#[test]
fn what_is_no_module_is_said() {
    for bytes in [&b""[..], b"not wasm", b"\0asm\x01\0\0\0\xff"] {
        assert!(matches!(component(bytes), Err(Error::Component(_))), "{bytes:?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let nowhere = Toolchain {
        cargo: "/nonexistent/cargo".into(),
        rustc: "/nonexistent/rustc".into(),
        linker: None,
        build_std: false,
    };
    let build = Build {
        manifest: "Cargo.toml".into(),
        target_dir: "target".into(),
        jobs: None,
        locked: false,
        limit: std::time::Duration::from_secs(1),
    };
    assert!(matches!(build.run(&nowhere), Err(Error::Start { .. })));
}

#[test]
fn a_change_changes_the_fingerprint() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let one = |word: &str| fingerprint([dir.as_path()], [word.to_owned()]).unwrap();
    assert_eq!(one("a"), one("a"));
    assert_ne!(one("a"), one("b"));
    assert!(fingerprint([Path::new("/nonexistent")], []).is_err());
}
