//! Finds the built console to embed, or makes a page that says how to build it, so that the daemon builds without npm.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let console = here.join("../console");
    let dist = console.join("dist");
    println!("cargo:rerun-if-changed=build.rs");
    // The folder's parent exists as soon as the console does; its change is how a first build of dist is noticed.
    for watched in [&dist, &console] {
        if watched.exists() {
            println!("cargo:rerun-if-changed={}", watched.display());
        }
    }
    let folder = if dist.join("index.html").exists() { dist } else { placeholder() };
    println!("cargo:rustc-env=RINGTRIP_CONSOLE={}", folder.display());
}

fn placeholder() -> PathBuf {
    let folder = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("console");
    let page = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Ringtrip</title>\n\
        <p>The exchange runs. Its console was not built into this program: run <code>cargo xtask up</code>.</p>\n\
        <p>The API is described at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>\n";
    let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("index.html"), page));
    if let Err(error) = made {
        println!("cargo:warning=the console's placeholder could not be written: {error}");
    }
    folder
}
