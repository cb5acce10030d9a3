use super::grant::{Grant, Grants, allows_name};
use super::manifest::Settings;
use super::*;

const TEXT: &str = r#"
name = "gateway-card"
version = "0.2.0"
title = "Card"
description = "Calls through a card."
worlds = ["gateway"]
licence = "MIT"
icon = "card.svg"

[[grants]]
grant = "http:api.example.com"
why = "The balance."

[[settings]]
key = "access"
required = true
description = "Access number."

[[settings]]
key = "pin"
secret = true

[[settings]]
key = "wait"
type = "number"
default = 2.5

[[settings]]
key = "mode"
type = "choice"
choices = ["a", "b"]
"#;

fn package() -> Package {
    Package::new(TEXT, b"\0asm rest".to_vec(), Some(b"<svg/>".to_vec())).unwrap()
}

#[test]
fn a_package_comes_back_as_it_was() {
    let key = SecretKey::new();
    let unsigned = Package::read(&package().write(None)).unwrap();
    assert_eq!(unsigned, package());
    let file = package().write(Some(&key));
    assert_eq!(Package::read(&file).unwrap(), Package { signer: Some(key.public()), ..package() });
    assert_eq!(file, package().write(Some(&key)), "there is one way to write it");
    let again: SecretKey = key.to_text().parse().unwrap();
    assert_eq!(again.public().to_string().parse::<PublicKey>().unwrap(), key.public());
    assert!(!format!("{key:?}").contains(&key.to_text()[20..]));
    for text in ["", "ed25519:", "ed25519:00", &key.to_text(), &format!("{}0", key.public())] {
        assert!(text.parse::<PublicKey>().is_err(), "{text}");
    }
}

#[test]
fn whatever_octet_is_changed_it_is_refused() {
    let file = package().write(Some(&SecretKey::new()));
    for n in 0..file.len() {
        let mut changed = file.clone();
        changed[n] ^= 1;
        assert!(Package::read(&changed).is_err(), "octet {n} of {}", file.len());
        assert!(Package::read(&file[..n]).is_err(), "cut after {n}");
    }
    let longer = [&file[..], b"x"].concat();
    assert_eq!(Package::read(&longer), Err(broken("1 octets follow its end")));
}

#[test]
fn another_key_cannot_be_put_in_place_of_the_signers() {
    let (one, two) = (SecretKey::new(), SecretKey::new());
    let mut file = package().write(Some(&one));
    let at = file.len() - 96;
    file[at..at + 32].copy_from_slice(two.public().octets());
    assert_eq!(Package::read(&file), Err(PackageError::Tampered));
    // Torn off, a signature leaves an unsigned package, which says so.
    let mut bare = package().write(Some(&one));
    bare.truncate(at);
    bare[at - 1] = 0;
    assert_eq!(Package::read(&bare).unwrap().signer, None);
    // The neutral point verifies anything for those who look less closely.
    let mut weak = package().write(Some(&one));
    weak[at..].fill(0);
    weak[at] = 1;
    assert_eq!(Package::read(&weak), Err(PackageError::Tampered));
}

/// A file of these parts, unsigned.
fn parts(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.push(parts.len() as u8);
    for (name, content) in parts {
        file.push(name.len() as u8);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(&(content.len() as u32).to_be_bytes());
        file.extend_from_slice(content);
    }
    file.push(0);
    file
}

#[test]
fn parts_that_do_not_belong_are_refused() {
    let plain = TEXT.replace("icon = \"card.svg\"\n", "");
    let (toml, wasm) = (("plugin.toml", plain.as_bytes()), ("plugin.wasm", &b"\0asm"[..]));
    Package::read(&parts(&[toml, wasm])).unwrap();
    for (what, wrong) in [
        ("nothing", parts(&[])),
        ("no component", parts(&[toml])),
        ("no manifest", parts(&[wasm])),
        ("another order", parts(&[wasm, toml])),
        ("twice", parts(&[toml, toml, wasm])),
        ("twice", parts(&[toml, wasm, wasm])),
        ("a way out", parts(&[toml, wasm, ("../../etc/passwd", b"x")])),
        ("an icon nobody names", parts(&[toml, wasm, ("card.svg", b"x")])),
        ("one part too many", parts(&[toml, wasm, ("a.svg", b"x"), ("b.svg", b"x")])),
        ("no Wasm", parts(&[toml, ("plugin.wasm", b"MZ")])),
        ("no text", parts(&[("plugin.toml", b"\xff"), wasm])),
        ("an empty file", Vec::new()),
        ("another kind of file", b"PK\x03\x04".to_vec()),
        ("a length beyond the end", {
            let mut file = parts(&[toml, wasm]);
            let at = MAGIC.len() + 1 + 1 + 11;
            file[at..at + 4].fill(0xff);
            file
        }),
    ] {
        assert!(Package::read(&wrong).is_err(), "{what}");
    }
}

#[track_caller]
fn refused(from: &str, to: &str, said: &str) {
    assert!(TEXT.contains(from));
    let error = Manifest::read(&TEXT.replacen(from, to, 1)).expect_err(said).to_string();
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_manifest_says_what_is_wrong_with_it() {
    Manifest::read(TEXT).unwrap();
    refused("\"gateway-card\"", "\"../card\"", "name");
    refused("\"gateway-card\"", "\"Card\"", "name");
    refused("\"0.2.0\"", "\"two\"", "version");
    refused("[\"gateway\"]", "[]", "worlds");
    refused("[\"gateway\"]", "[\"gateway\", \"gateway\"]", "worlds");
    refused("[\"gateway\"]", "[\"kernel\"]", "kernel");
    refused("licence = \"MIT\"", "licence = \" \"", "licence");
    refused("licence = \"MIT\"", "license = \"MIT\"", "license");
    refused("card.svg", "../card.svg", "icon");
    refused("card.svg", "card.exe", "icon");
    refused("http:api.example.com", "http:*", "invalid grant");
    refused("http:api.example.com", "http:api.example.com/x", "invalid grant");
    refused("http:api.example.com", "http:a:99999", "port");
    refused("http:api.example.com", "files:/etc", "invalid grant");
    refused("http:api.example.com", "memory:4096", "128");
    refused("\"The balance.\"", "\"\"", "say why");
    refused("\"Access number.\"", "\"a\\u001b[2J\"", "control characters");
    refused("key = \"pin\"", "key = \"access\"", "twice");
    refused("secret = true", "secret = true\ndefault = \"1234\"", "secret has no default");
    refused("default = 2.5", "default = \"soon\"", "invalid number");
    refused("choices = [\"a\", \"b\"]", "", "choices");
    refused("title = \"Card\"", "title = ", "line 4");
}

#[test]
fn settings_are_checked_against_the_schema() {
    let manifest = Manifest::read(TEXT).unwrap();
    let set = |pairs: &[(&str, &str)]| -> Settings {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let values = manifest.values(&set(&[("access", "0800"), ("mode", "b")])).unwrap();
    assert_eq!(values, set(&[("access", "0800"), ("mode", "b"), ("wait", "2.5")]));
    assert!(manifest.missing(&values).is_empty());
    assert_eq!(manifest.missing(&manifest.values(&set(&[])).unwrap()), ["access"]);
    let long = "9".repeat(5000);
    for (key, value, said) in [
        ("colour", "red", "no such setting"),
        ("wait", "soon", "invalid number"),
        ("wait", "inf", "invalid number"),
        ("mode", "c", "none of a, b"),
        ("access", "a\u{0}b", "control"),
        ("pin", &long, "too long"),
    ] {
        let error = manifest.values(&set(&[(key, value)])).expect_err(said).to_string();
        assert!(error.contains(said) && error.contains(key), "{error}");
    }
}

#[test]
fn grants_are_read_and_compared() {
    let all = [
        "store",
        "clock",
        "http:a.example",
        "http:a.example:8443",
        "http:[::1]:80",
        "dns:e164.arpa",
        "memory:64",
    ];
    for text in all {
        assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
    }
    assert_eq!("http:API.Example".parse::<Grant>(), "http:api.example".parse());
    for text in ["", "store:x", "http:", "http:a b", "http:-a", "dns:", "dns:*.arpa", "memory:0", "memory:x"]
    {
        assert!(text.parse::<Grant>().is_err(), "{text}");
    }
    let more: Grant = "memory:64".parse().unwrap();
    assert!(more.covers(&"memory:32".parse().unwrap()) && !more.covers(&"memory:65".parse().unwrap()));
    let zone: Grants = ["dns:e164.arpa".parse().unwrap()].into();
    assert!(allows_name(&zone, "1.2.e164.arpa") && allows_name(&zone, "E164.ARPA."));
    assert!(!allows_name(&zone, "evile164.arpa") && !allows_name(&zone, "arpa"));
}
