#[path = "../../tests/guests/wasmc.rs"]
mod wasmc;

use super::{Cases, CasesError, read_time};
use crate::package::manifest::Manifest;
use crate::{Compiler, Runtime};

const MANIFEST: &str = "name = \"policy-x\"\nversion = \"0.1.0\"\nworlds = [\"policy\"]\nlicence = \"MIT\"\n\
                        [[settings]]\nkey = \"a\"\n";

#[test]
fn times_are_read() {
    #[track_caller]
    fn check(text: &str, expected: Option<(i64, u8)>) {
        let read = read_time(text).map(|w| (w.0.unix_millis / 1_000, w.0.weekday));
        assert_eq!(read, expected, "{text}");
    }
    check("1970-01-01T00:00", Some((0, 4)));
    check("2000-02-29T12:30", Some((951_827_400, 2)));
    check("2026-03-01T12:00:00", Some((1_772_366_400, 7)));
    check("2026-11-22 23:59", Some((1_795_391_940, 7)));
    check("2026-13-01T12:00", None);
    check("2026-03-01T24:00", None);
    check("2026-03-01", None);
    check("late", None);
}

#[test]
fn times_may_be_toml_times() {
    let one = |at: &str| {
        Cases::read(&format!("[[case]]\nname = \"x\"\ncall = {{ at = {at} }}\nexpect = {{ pass = true }}"))
    };
    assert!(one("\"2026-03-04T23:00\"").is_ok());
    assert!(one("2026-03-04T23:00:00").is_ok());
}

#[test]
fn wrong_files_are_refused_with_their_place() {
    #[track_caller]
    fn check(text: &str, words: &str) {
        let Err(e) = Cases::read(text) else { panic!("{text} was taken") };
        assert!(e.to_string().contains(words), "{e}");
    }
    check("", "missing field `case`");
    check("case = []", "no [[case]]");
    check("[[case]]\nname = \"x\"\nexpect = {}", "expects nothing");
    check("[[case]]\nname = \"x\"\nexpect = { pas = true }", "unknown field `pas`");
    check("[[case]]\nname = \"x\"\ncall = { at = \"noon\" }\nexpect = { pass = true }", "invalid time");
    check("[[case]]\nname = \"x\"\ncall = { origin = \"mars\" }\nexpect = { pass = true }", "line 3");
}

#[test]
fn a_setting_that_the_plugin_has_not_is_refused() {
    let runtime = Runtime::new(None, Compiler::at(wasmc::program())).unwrap();
    let manifest = Manifest::read(MANIFEST).unwrap();
    let text = "settings = { b = \"1\" }\n[[case]]\nname = \"x\"\nexpect = { pass = true }";
    let out = Cases::read(text).unwrap().run(&runtime, b"", &manifest);
    assert!(matches!(out, Err(CasesError::Read(why)) if why.contains("no such setting")));
    let out = Cases::read(&text.replace("b =", "a =")).unwrap().run(&runtime, b"", &manifest);
    assert!(matches!(out, Err(CasesError::Load(crate::LoadError::Component(_)))));
}
