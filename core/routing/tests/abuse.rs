//! Scripts that were written to take the exchange down: each is checked, activated and asked, and explained, on a thread
//! as small as those of the daemon, and must come to an end with bounded time and memory. What stops one is said in words.
//!
//! The cases with a name of their own lie in `abuse/*.rhai`; the first line of each says what must be said of it.
#![allow(clippy::disallowed_methods)] // Threads and clocks: this is about both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_exchange::route::{Attempt, Extras, Provenance, RoutePlan, RouteQuery, Stage, Target, Verdict};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};
use ringtrip_routing::router::{Facts, PolicyCall};
use ringtrip_routing::script::Clock;
use ringtrip_routing::{Library, Limits, Pool, Script};

/// A usual thread: what runs on it needs no deep stack of its own.
const STACK: usize = 2 << 20;
/// The whole of one case, each of its steps on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);
/// What a case may leave behind on its thread.
const LEFT: i64 = 1 << 20;

fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || began.elapsed())
}

fn call() -> PolicyCall {
    let at = ringtrip_exchange::route::WallTime {
        unix_micros: 0,
        year: 2026,
        month: 5,
        day: 4,
        hour: 10,
        minute: 30,
        weekday: 1,
    };
    let attempt =
        Attempt::new(Target::Gateway("gw1".parse().unwrap()), Digits::new("5"), CallerId::default());
    let stage = Stage { targets: vec![attempt], timeout: Duration::from_secs(60) };
    PolicyCall {
        query: RouteQuery {
            call: CallId(1),
            source: Source::Extension("201".parse().unwrap()),
            caller: CallerId { number: "201".into(), name: "Ann".into(), private: false },
            dialled: Digits::new("01480123123"),
            planned: None,
            at,
            pin: None,
            entered: None,
            user: String::new(),
            asked: false,
        },
        number: Digits::new("01480123123"),
        default: RoutePlan {
            verdict: Verdict::Stages(vec![stage]),
            provenance: Provenance::default(),
            extras: Extras::default(),
        },
        script: Some("abuse.rhai".to_owned()),
        holiday: None,
        e164: None,
        facts: Facts::default(),
    }
}

/// What came of a script: refused by the check, failed while it ran, or an answer. All ways must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Refused(String),
    Failed(String),
    Decided,
}

/// Checks, runs and explains a text under `limits` on a thread of its own.
fn tried(name: &str, text: &str, limits: Limits) -> End {
    let (shown, text) = (name.to_owned(), text.to_owned());
    let work = move || {
        let (began, held) = (Instant::now(), ringtrip_alloc::held());
        let end = {
            let faults = Pool::check(&Library::shipped(), "abuse.rhai", &text, limits, clock());
            let clock = clock();
            match Script::compile("abuse.rhai", &text, limits, BTreeMap::new(), move || clock()) {
                Err(error) => {
                    assert!(!faults.is_empty(), "{shown}: the check does not see {error}");
                    End::Refused(error.to_string())
                }
                Ok(script) => {
                    assert!(faults.is_empty(), "{shown}: only the check refuses it: {faults:?}");
                    let (asked, explained) = (script.run(&call()), script.explain(&call()));
                    // On a busy machine either may be late.
                    let late = |what: &str| what.contains("exceeded its time limit");
                    let either_late =
                        [&asked, &explained].iter().any(|a| a.as_ref().is_err_and(|f| late(&f.what)));
                    assert!(
                        either_late || asked.is_ok() == explained.is_ok(),
                        "{shown}: {asked:?} {explained:?}"
                    );
                    match asked {
                        Ok(_) => End::Decided,
                        Err(fault) => End::Failed(fault.what),
                    }
                }
            }
        };
        let (took, left) = (began.elapsed(), ringtrip_alloc::held() - held);
        assert!(took < LONGEST, "{shown}: {took:?}");
        let said = match &end {
            End::Refused(what) | End::Failed(what) => what.len(),
            End::Decided => 0,
        };
        assert!(said < 8 << 10, "{shown}: {said} octets are said about it");
        assert!(left < LEFT, "{shown}: {left} octets are left behind");
        end
    };
    let thread = std::thread::Builder::new().name(name.replace('\0', "0")).stack_size(STACK).spawn(work);
    thread.expect("a thread").join().unwrap_or_else(|_| panic!("{name} panicked"))
}

fn generous() -> Limits {
    // Memory must end it, not the other limits.
    Limits { operations: 100_000_000, time: Duration::from_millis(500) }
}

#[test]
fn scripts_that_grow_without_end_are_ended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abuse");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 25, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let wanted =
            text.lines().next().and_then(|l| l.strip_prefix("// ")).expect("a first line").to_owned();
        for limits in [Limits::default(), generous()] {
            let end = tried(&name, &text, limits);
            let late =
                |end: &End| matches!(end, End::Failed(what) if what.contains("exceeded its time limit"));
            let holds = limits == Limits::default() && late(&end)
                || wanted.split(" or ").any(|wanted| match (&end, wanted.split_once(": ")) {
                    (End::Refused(what), Some(("refused", why))) => what.contains(why),
                    (End::Failed(what), Some(("ended", why))) => what.contains(why),
                    // With the usual limits time or operations may be over before memory is.
                    (End::Failed(what), Some(("ended-late", why))) => {
                        what.contains(why)
                            || limits == Limits::default()
                                && (what.contains("exceeded its time limit")
                                    || what.contains("exceeded its limit of operations"))
                    }
                    (End::Decided, None) => wanted == "decided",
                    _ => false,
                });
            if !holds {
                wrong.push(format!("{name}: {wanted:?}, but {end:?} within {limits:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Texts that are large or deep, made from a piece that is repeated.
#[test]
fn texts_that_are_bombs_for_a_parser_are_refused_soon() {
    const SIZE: usize = 48 << 10;
    let pieces = [
        "(",
        "[",
        "{",
        "#{a:",
        "#{",
        "!",
        "-",
        "+1",
        "1+",
        ".a",
        "a.",
        "?.a",
        "[0]",
        "a=",
        "f(",
        "`${",
        "${",
        "`",
        "/*",
        "*/",
        "//",
        "\"",
        "'",
        "#",
        "#\"",
        "##",
        "\\",
        "\n",
        "\r",
        "\t",
        " ",
        ";",
        ",",
        "|a| ",
        "||",
        "&&",
        "??",
        "a??",
        "2**",
        "1..",
        "..",
        "if true {} else ",
        "if ",
        "if a = ",
        "switch 1 { 1 => ",
        "switch 1 {",
        "while true ",
        "loop {",
        "do {",
        "for a in ",
        "try {",
        "try {} catch { ",
        "fn a() {",
        "fn ",
        "let a = ",
        "let a=1;",
        "const a = ",
        "const a=1;",
        "import \"a\" as a;",
        "import \"uk\" as uk;",
        "import ",
        "export a;",
        "private fn ",
        "a::",
        "uk::kind(",
        "return ",
        "throw ",
        "break ",
        "a b ",
        "9",
        "1.",
        "0x",
        "1e",
        "a",
        "é",
        "\u{202e}",
        "\0",
        "=> ",
        "=== ",
        "to(",
        "to(\"gw1\");",
        "c.",
        "c.numbr;",
        "rout();",
        "elif ",
        "\u{1f600}",
        "_",
        "$",
        "@",
        "()",
        "[]",
        "{}",
        "#{}",
        "''",
        "\"\"",
        "``",
        "/**/",
        "x=>",
        "-1",
        "!a",
        "(a)",
        "[a,",
        "a,",
    ];
    let mut slowest = (Duration::ZERO, "");
    for piece in pieces {
        let times = SIZE / piece.len();
        for text in [
            piece.repeat(times),
            format!("fn route(c) {{ {}", piece.repeat(times)),
            format!("fn route(c) {{ pass() }}\n{}", piece.repeat(times.min(4000))),
        ] {
            let began = Instant::now();
            tried(piece, &text, Limits::default());
            slowest = slowest.max((began.elapsed(), piece));
        }
    }
    // Most are a matter of milliseconds; what grows with the square of the text is not.
    assert!(slowest.0 < Duration::from_secs(6), "{slowest:?}");
}

#[test]
fn a_text_in_texts_is_no_way_down_the_stack() {
    for n in [10, 31, 32, 33, 64, 1000, 50_000] {
        tried(
            "templates",
            &format!("fn route(c) {{ {}1{} }}", "`${".repeat(n), "}`".repeat(n)),
            Limits::default(),
        );
        tried("closures", &format!("fn route(c) {{ {}1 }}", "|x| ".repeat(n)), Limits::default());
        tried("blocks", &format!("fn route(c) {{ {}1{} }}", "{".repeat(n), "}".repeat(n)), Limits::default());
        tried("lists", &format!("fn route(c) {{ {}1{} }}", "[".repeat(n), "]".repeat(n)), Limits::default());
    }
}

/// The limit is one of memory, not of what the language counts, and a script that only uses much is not ended.
#[test]
fn a_large_table_in_a_script_is_no_abuse() {
    let rows: String = (0..900).map(|i| format!("\"{i}\": \"gw1\", ")).collect();
    let text = format!(
        "fn route(c) {{ let m = #{{ {rows} }}; let all = []; for k in m.keys() {{ all.push(k); }} \
         if all.len() == 900 {{ to(m[\"7\"]) }} else {{ busy() }} }}"
    );
    assert_eq!(
        tried("large", &text, Limits { time: Duration::from_secs(2), ..Limits::default() }),
        End::Decided
    );
}
