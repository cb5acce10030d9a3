//! Everything that a guest can do wrong while it decides, and that each comes back as a clear fault in time.
#![allow(clippy::disallowed_methods)] // Looks at the clock.

mod guests;

use std::io::Read;
use std::time::{Duration, Instant};

use guests::{ONE_STAGE, call, load, load_with, policy, policy_text, verdict};
use ringtrip_wasm::contract::Verdict;
use ringtrip_wasm::package::manifest::Settings;
use ringtrip_wasm::{HostServices, LoadError, PluginFault};

/// The limit is 50 ms; a machine that does ten other things at once may wake a thread late.
const SLACK: Duration = Duration::from_millis(250);

#[track_caller]
fn check(what: &str, body: &str, word: &str, said: &str) {
    let plugin = load(&policy("", body)).unwrap();
    let began = Instant::now();
    let fault = plugin.route(&call()).expect_err(what);
    let took = began.elapsed();
    assert_eq!(fault.word(), word, "{what}: {fault}");
    assert!(fault.to_string().contains(said), "{what}: {fault}");
    assert!(fault.is_misbehaviour(), "{what}");
    assert!(took < Duration::from_millis(50) + SLACK, "{what}: {took:?}");
    // And the next question is not harmed by it.
    assert_eq!(plugin.route(&call()).expect_err(what).word(), word, "{what}");
}

#[test]
fn answers_come_through() {
    let pass = load(&policy("", "(i32.const 1024)")).unwrap().route(&call()).unwrap();
    assert!(matches!(pass.verdict, Verdict::Pass) && pass.caller.is_none() && pass.because.is_empty());
    let refused = load(&policy("", &verdict(2, 110, 17))).unwrap().route(&call()).unwrap();
    assert!(matches!(refused.verdict, Verdict::Refuse(why) if why == "no calls at night"));
    let body = format!("{ONE_STAGE} {}", verdict(1, 2000, 1));
    let answer = load(&policy("", &body)).unwrap().route(&call()).unwrap();
    let Verdict::Stages(stages) = answer.verdict else { panic!("{answer:?}") };
    assert_eq!((stages.len(), stages[0].targets[0].name.as_str()), (1, "gw1"));
}

#[test]
fn each_question_meets_a_fresh_instance() {
    // It counts in its memory and refuses from the second call on.
    let body = format!(
        "(i32.store (i32.const 3000) (i32.add (i32.load (i32.const 3000)) (i32.const 1))) \
         (if (i32.gt_s (i32.load (i32.const 3000)) (i32.const 1)) (then unreachable)) {}",
        "(i32.const 1024)"
    );
    let plugin = load(&policy("", &body)).unwrap();
    for _ in 0..5 {
        plugin.route(&call()).unwrap();
    }
}

#[test]
fn misbehaviour_is_a_fault_in_time() {
    check("a hang", "(loop (br 0)) (i32.const 1024)", "late", "50 ms");
    check("a trap", "unreachable", "trap", "gave up");
    check("a division", "(i32.div_u (i32.const 1) (i32.const 0))", "trap", "divide by zero");
    check("beyond its memory", "(i32.load (i32.const 100000000))", "trap", "out of bounds");
    check(
        "a memory bomb",
        "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        "memory",
        "16 MiB",
    );
    check("an answer outside of its memory", "(i32.const 90000000)", "lie", "");
    check("no such verdict", &verdict(7, 0, 0), "lie", "");
    check("no text", &verdict(2, 150, 2), "lie", "");
    check("control characters", &verdict(2, 140, 7), "lie", "control characters");
    check("a huge text", &verdict(2, 4096, 20_000), "lie", "20000 octets");
    check("a text outside of its memory", &verdict(2, 0, 10_000_000), "lie", "");
    check("no stage", &verdict(1, 2000, 0), "lie", "0 stages");
    check("a stage without targets", &verdict(1, 2000, 1), "lie", "0 targets");
    let grow = "(drop (memory.grow (i32.const 100)))";
    check("10,000 stages", &format!("{grow} {}", verdict(1, 65536, 10_000)), "lie", "10000 stages");
    check("a list bomb", &format!("{grow} {}", verdict(1, 0, 400_000)), "lie", "too much data");
    let nameless = format!("{ONE_STAGE} (i32.store (i32.const 2104) (i32.const 0)) {}", verdict(1, 2000, 1));
    check("a target without a name", &nameless, "lie", "a target has 0 octets");
    let long = format!("{ONE_STAGE} (i32.store8 (i32.const 2008) (i32.const 1)) {}", verdict(1, 2000, 1));
    check("a stage of 0 s", &long, "lie", "1 to 600 seconds");
}

#[test]
fn it_calls_itself_too_deep() {
    let imports = "";
    let text = policy_text(imports, "1", "(call $deep (i32.const 1))");
    let end = text.rfind(')').unwrap();
    let deep = "(func $deep (param i32) (result i32) \
        (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))";
    let wasm = guests::component("policy-plugin", &format!("{}{deep})", &text[..end]));
    let fault = load(&wasm).unwrap().route(&call()).unwrap_err();
    assert!(matches!(&fault, PluginFault::Trap(why) if why.contains("too deep")), "{fault}");
}

#[test]
fn what_cannot_run_is_not_loaded() {
    let refused = |wasm: &[u8], said: &str| {
        let error = load(wasm).expect_err(said).to_string();
        assert!(error.contains(said), "{error:?} does not say {said:?}");
    };
    refused(b"", "refused");
    refused(b"not wasm at all", "refused");
    refused(&wat::parse_str("(module)").unwrap(), "refused");
    refused(&wat::parse_str("(component)").unwrap(), "\"policy\"");
    let alien = "(component (import \"evil:host/files\" (instance)))";
    refused(&wat::parse_str(alien).unwrap(), "evil:host/files");
    let fat = policy_text("", "300", "(i32.const 1024)");
    refused(&guests::component("policy-plugin", &fat), "16 MiB");
    let text = policy_text("", "1", "(i32.const 1024)");
    let end = text.rfind(')').unwrap();
    let hangs = format!("{}(func $s (loop (br 0))) (start $s))", &text[..end]);
    let began = Instant::now();
    refused(&guests::component("policy-plugin", &hangs), "not done after");
    assert!(began.elapsed() < Duration::from_secs(20));
    let mut cut = policy("", "(i32.const 1024)");
    cut.truncate(cut.len() - 7);
    refused(&cut, "refused");
    // A gateway is no policy.
    let wasm = policy("", "(i32.const 1024)");
    let gateway = guests::manifest("\"gateway\"");
    let services = HostServices::default();
    let error = ringtrip_wasm::Plugin::load(
        guests::runtime(),
        &wasm,
        &gateway,
        Default::default(),
        Settings::new(),
        services,
    );
    assert!(matches!(error, Err(LoadError::World { world: "gateway", .. })), "{error:?}");
    let plugin = load(&wasm).unwrap();
    assert_eq!(plugin.prepare(&call()).unwrap_err(), PluginFault::NotItsWorld("gateway"));
}

#[test]
fn wasi_is_there_but_does_nothing() {
    let import = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
    let wit = r#"package t:t; world policy-plugin { import wasi:random/random@0.2.0; include ringtrip:plugin/policy-plugin@0.1.0; }
        "#;
    let mut resolve = wit_parser::Resolve::default();
    resolve
        .push_str("r.wit", "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }")
        .unwrap();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/wit/0.1.0")).unwrap();
    let package = resolve.push_str("t.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let build = |body: &str| {
        let mut module = wat::parse_str(policy_text(import, "1", body)).unwrap();
        let utf8 = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, utf8).unwrap();
        wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    };
    let unused = "(if (i32.const 0) (then (drop (call $random)))) (i32.const 1024)";
    load(&build(unused)).unwrap().route(&call()).unwrap();
    let used = "(drop (call $random)) (i32.const 1024)";
    let fault = load(&build(used)).unwrap().route(&call()).unwrap_err();
    assert!(fault.is_misbehaviour(), "{fault}");
}

/// Asks for a URL (its text at 200) and refuses with the words of the failure.
fn fetcher(url: &str) -> Vec<u8> {
    let imports = r#"(import "ringtrip:plugin/http@0.1.0" "fetch"
        (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    let body = format!(
        "(call $fetch (i32.const 160) (i32.const 3) (i32.const 200) (i32.const {}) (i32.const 0) (i32.const 0) \
         (i32.const 0) (i32.const 0) (i32.const 4000)) \
         (if (i32.eqz (i32.load8_u (i32.const 4000))) (then (return (i32.const 1024)))) \
         (i32.store8 (i32.const 1024) (i32.const 2)) \
         (i32.store (i32.const 1028) (i32.load (i32.const 4008))) (i32.store (i32.const 1032) (i32.load (i32.const 4012))) \
         (if (i32.eq (i32.load8_u (i32.const 4004)) (i32.const 1)) (then \
            (i32.store (i32.const 1028) (i32.const 110)) (i32.store (i32.const 1032) (i32.const 2)))) \
         (i32.const 1024)",
        url.len()
    );
    let text = policy_text(imports, "1", &body);
    let end = text.rfind(')').unwrap();
    guests::component("policy-plugin", &format!("{}(data (i32.const 200) {url:?}))", &text[..end]))
}

#[test]
fn an_ungranted_host_is_not_asked_and_a_slow_one_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/");
    let refused = |grants: &[&str]| {
        let plugin = load_with(&fetcher(&url), grants, Settings::new(), HostServices::default()).unwrap();
        let began = Instant::now();
        let answer = plugin.route(&call());
        (answer, began.elapsed())
    };
    let (answer, _) = refused(&[]);
    assert!(matches!(answer.unwrap().verdict, Verdict::Refuse(host) if host == address.to_string()));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
    // Granted, but it never answers.
    let (answer, took) = refused(&[&format!("http:{address}")]);
    match answer {
        Ok(answer) => assert!(matches!(answer.verdict, Verdict::Refuse(why) if why == "no"), "too late"),
        Err(fault) => assert_eq!(fault.word(), "late"),
    }
    assert!(took < Duration::from_millis(50) + SLACK, "{took:?}");
    let (mut guest, _) = listener.accept().unwrap();
    guest.set_nonblocking(false).unwrap();
    guest.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut asked = [0; 4];
    guest.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"GET ", "it was asked");
}

#[test]
fn settings_are_read_and_nothing_is_kept_without_a_grant() {
    // Stores its setting `a` under the key `gw1`; refuses with what it reads back, "no" if nothing.
    let imports = r#"
        (import "ringtrip:plugin/host@0.1.0" "setting" (func $setting (param i32 i32 i32)))
        (import "ringtrip:plugin/host@0.1.0" "log" (func $log (param i32 i32 i32)))
        (import "ringtrip:plugin/clock@0.1.0" "now-millis" (func $now (result i64)))
        (import "ringtrip:plugin/store@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))
        (import "ringtrip:plugin/store@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
    let body = "(local $n i32) \
        (loop (call $log (i32.const 1) (i32.const 110) (i32.const 17)) \
              (local.set $n (i32.add (local.get $n) (i32.const 1))) \
              (br_if 0 (i32.lt_s (local.get $n) (i32.const 100)))) \
        (call $setting (i32.const 114) (i32.const 1) (i32.const 4000)) \
        (drop (call $set (i32.const 100) (i32.const 3) (i32.load (i32.const 4004)) (i32.load (i32.const 4008)))) \
        (call $get (i32.const 100) (i32.const 3) (i32.const 4020)) \
        (i32.store8 (i32.const 1024) (i32.const 2)) \
        (i32.store (i32.const 1028) (i32.const 110)) (i32.store (i32.const 1032) (i32.const 2)) \
        (if (i32.load8_u (i32.const 4020)) (then \
            (i32.store (i32.const 1028) (i32.load (i32.const 4024))) \
            (i32.store (i32.const 1032) (i32.load (i32.const 4028))))) \
        (if (i64.ne (call $now) (i64.const 0)) (then (i32.store8 (i32.const 1024) (i32.const 0)))) \
        (i32.const 1024)";
    let wasm = policy(imports, body);
    // 110 is "no calls at night": its octet 114 is the key "a".
    let settings = Settings::from([("a".to_owned(), "the value".to_owned())]);
    let ask = |grants: &[&str]| {
        let plugin = load_with(&wasm, grants, settings.clone(), HostServices::default()).unwrap();
        plugin.route(&call()).unwrap().verdict
    };
    assert!(matches!(ask(&["store"]), Verdict::Refuse(v) if v == "the value"));
    assert!(matches!(ask(&[]), Verdict::Refuse(v) if v == "no"));
    assert!(matches!(ask(&["clock"]), Verdict::Pass), "with the grant, it is later than 1970");
}

#[test]
fn many_decide_at_once() {
    let good = std::sync::Arc::new(load(&policy("", "(i32.const 1024)")).unwrap());
    let hangs = std::sync::Arc::new(load(&policy("", "(loop (br 0)) (i32.const 1024)")).unwrap());
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (good, hangs) = (good.clone(), hangs.clone());
            scope.spawn(move || {
                for _ in 0..20 {
                    match n {
                        0 => assert_eq!(hangs.route(&call()).unwrap_err().word(), "late"),
                        // On a machine that is all too busy a good one may be late, too; it must never be harmed.
                        _ => match good.route(&call()) {
                            Ok(answer) => assert!(matches!(answer.verdict, Verdict::Pass)),
                            Err(fault) => assert_eq!(fault.word(), "late"),
                        },
                    }
                }
            });
        }
    });
}
