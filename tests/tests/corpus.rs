//! Each file of the fuzz corpora, through the very function that its fuzz target calls. A file that once made one fall
//! stays here, and falls here again if the fault comes back.
#![allow(clippy::disallowed_methods)] // The targets give their readers a clock.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/bodies.rs"]
mod bodies;

/// The name of a target, and its body.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("address", bodies::address),
    ("deck", bodies::deck),
    ("frame", bodies::frame),
    ("lex", bodies::lex),
    ("media", bodies::media),
    ("plan", bodies::plan),
    ("script", bodies::script),
    ("uri", bodies::uri),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .flatten()
        .map(|e| e.path().file_stem().unwrap_or_default().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_target_is_tried_and_has_a_corpus() {
    let tried = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&folder().join("fuzz_targets")), tried);
    assert_eq!(names(&folder().join("corpus")), tried);
}

#[test]
fn no_file_of_a_corpus_makes_its_target_fall() {
    for (name, body) in TARGETS {
        let corpus = folder().join("corpus").join(name);
        let mut files = 0;
        for entry in fs::read_dir(&corpus).unwrap().flatten() {
            let octets = fs::read(entry.path()).unwrap();
            // The test's output, shown when it fails, ends with the file that made it fall.
            println!("{}", entry.path().display());
            body(&octets);
            // Cut and damaged: cheap neighbours of each seed.
            for end in [octets.len() / 3, octets.len() / 2, octets.len().saturating_sub(1)] {
                body(&octets[..end]);
            }
            for at in (0..octets.len()).step_by((octets.len() / 16).max(1)) {
                let mut damaged = octets.clone();
                damaged[at] ^= 0x1f;
                body(&damaged);
            }
            files += 1;
        }
        assert!(files >= 3, "{} has {files} files", corpus.display());
    }
}

/// A corpus that nothing reads past the first octets would show nothing.
#[test]
fn seeds_are_good_enough_to_be_read() {
    use ringtrip_media::{rtcp, rtp, sdp::Sdp};
    let seed = |target: &str, name: &str| fs::read(folder().join("corpus").join(target).join(name)).unwrap();
    let read = |name: &str| {
        let octets = bytes::Bytes::from(seed("lex", name));
        ringtrip_sip::lex::message(octets, &ringtrip_sip::lex::Limits::default())
    };
    for name in ["invite", "register", "compact"] {
        assert!(matches!(read(name).unwrap().message, ringtrip_sip::Message::Request(_)), "{name}");
    }
    assert!(Sdp::parse(&seed("media", "offer.sdp")).is_ok());
    assert!(rtp::Packet::parse(&seed("media", "pcmu.rtp")).is_ok());
    assert!(rtcp::parse(&seed("media", "report.rtcp")).count() > 0);
    let plan = String::from_utf8(seed("plan", "home")).unwrap();
    assert!(ringtrip_dialplan::Plan::parse(plan.lines().next().unwrap()).is_ok());
}
