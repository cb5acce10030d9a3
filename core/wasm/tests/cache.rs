//! The cache of compiled plugins: used when it is whole, never believed when it is not.

mod guests;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guests::{call, compiler, policy};
use ringtrip_wasm::contract::Verdict;
use ringtrip_wasm::{HostServices, Plugin, Runtime};
use sha2::Digest;

fn compiled(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|e| e.path());
    entries.filter(|p| p.extension().is_some_and(|e| e == "cwasm")).collect()
}

fn works(folder: &Path, wasm: &[u8]) {
    let runtime = Runtime::new(Some(folder), compiler()).unwrap();
    let manifest = guests::manifest("\"policy\"");
    let plugin = Plugin::load(
        &runtime,
        wasm,
        &manifest,
        Default::default(),
        Default::default(),
        HostServices::default(),
    );
    let plugin = plugin.unwrap();
    assert!(matches!(plugin.route(&call()).unwrap().verdict, Verdict::Pass));
}

#[test]
fn a_damaged_file_is_compiled_anew() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("cache");
    let wasm = policy("", "(i32.const 1024)");
    works(&folder, &wasm);
    let [file] = &compiled(&folder)[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(file), mode(&folder.join("seal.key"))), (0o700, 0o600, 0o600));
    let stamp = fs::metadata(file).unwrap().modified().unwrap();
    works(&folder, &wasm);
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), stamp, "it was used as it was");
    let mut broken = whole.clone();
    let last = broken.len() - 9;
    broken[last] ^= 1;
    let mut sealed_by_another = whole.clone();
    sealed_by_another[8..40].fill(0);
    for damage in [&broken[..], &sealed_by_another, &whole[..whole.len() / 2], &whole[..20], b""] {
        fs::write(file, damage).unwrap();
        works(&folder, &wasm);
        assert_eq!(fs::read(file).unwrap().len(), whole.len(), "written anew");
        assert_ne!(fs::read(file).unwrap(), damage);
    }
    // Another component's code under this one's name is not believed either.
    let other = policy("", "unreachable");
    let two = tempfile::tempdir().unwrap();
    let _ = Runtime::new(Some(two.path()), compiler()).unwrap();
    works(&folder, &wasm);
    let runtime = Runtime::new(Some(&folder), compiler()).unwrap();
    let manifest = guests::manifest("\"policy\"");
    Plugin::load(
        &runtime,
        &other,
        &manifest,
        Default::default(),
        Default::default(),
        HostServices::default(),
    )
    .unwrap();
    let foreign = compiled(&folder).into_iter().find(|p| p != file).unwrap();
    fs::copy(&foreign, file).unwrap();
    works(&folder, &wasm);
    // A lost key makes all of it worthless, and no more than that.
    fs::remove_file(folder.join("seal.key")).unwrap();
    works(&folder, &wasm);
    // What other engines left is swept away; what belongs to a removed plugin is forgotten.
    let stale = folder.join("0000000000000000-00.cwasm");
    fs::write(&stale, b"old").unwrap();
    let runtime = Runtime::new(Some(&folder), compiler()).unwrap();
    assert!(!stale.exists());
    runtime.forget(&sha2::Sha256::digest(&wasm).into());
    assert!(!file.exists());
}

#[test]
fn a_folder_that_cannot_be_written_costs_time_only() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("no-folder");
    fs::write(&file, b"").unwrap();
    works(&file, &policy("", "(i32.const 1024)"));
}
