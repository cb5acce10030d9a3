use std::sync::atomic::{AtomicU64, Ordering};

use crate::router::{Facts, PolicyItem, PolicyVerdict};
use ringtrip_exchange::route::{
    Attempt, Extras, Provenance, RoutePlan, RouteQuery, Stage, Target, Verdict, WallTime,
};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Cause, Digits, Source};

use super::*;

/// A clock that stands still.
fn still() -> Duration {
    Duration::ZERO
}

fn compile(text: &str) -> Result<Script, ScriptError> {
    let uk = [("07", "mobile"), ("0780", "expensive"), ("01", "landline")];
    let uk: PrefixTable = uk.map(|(p, v)| (p.to_owned(), v.to_owned())).into_iter().collect();
    Script::compile("test.rhai", text, Limits::default(), BTreeMap::from([("uk".to_owned(), uk)]), still)
}

fn call(number: &str) -> PolicyCall {
    let target = Target::Gateway("gw1".parse().unwrap());
    let attempt = Attempt::new(target, Digits::new(number), CallerId::default());
    let stage = Stage { targets: vec![attempt], timeout: Duration::from_secs(60) };
    PolicyCall {
        query: RouteQuery {
            call: CallId(1),
            source: Source::Extension("201".parse().unwrap()),
            caller: CallerId { number: "201".into(), name: "Ann".into(), private: false },
            dialled: Digits::new(number),
            planned: None,
            at: WallTime { unix_micros: 0, year: 2026, month: 5, day: 4, hour: 10, minute: 30, weekday: 1 },
            pin: None,
            entered: None,
            user: String::new(),
            asked: false,
        },
        number: Digits::new(number),
        default: RoutePlan {
            verdict: Verdict::Stages(vec![stage]),
            provenance: Provenance::default(),
            extras: Extras::default(),
        },
        script: Some("t.rhai".to_owned()),
        holiday: None,
        e164: None,
        facts: Facts::default(),
    }
}

fn run(body: &str) -> Result<PolicyAnswer, ScriptFault> {
    let text = format!("fn route(c) {{\n{body}\n}}");
    compile(&text).unwrap_or_else(|e| panic!("{e}: {text}")).run(&call("01480123123"))
}

fn shown(answer: &PolicyAnswer) -> String {
    let stage = |item: &PolicyItem| {
        let PolicyItem::Ring(s) = item else { return "cheapest".to_owned() };
        let target = |t: &crate::router::PolicyTarget| match &t.number {
            Some(number) => format!("{}={number}", t.name),
            None => t.name.clone(),
        };
        let targets = s.targets.iter().map(target).collect::<Vec<_>>().join("+");
        match s.timeout {
            Some(time) => format!("{targets} {}s", time.as_secs()),
            None => targets,
        }
    };
    match &answer.verdict {
        PolicyVerdict::Pass => "pass".to_owned(),
        PolicyVerdict::Refuse { cause, because } => format!("{}: {because}", cause.word()),
        PolicyVerdict::Ask(question) => format!("ask {:?}", question.wanted),
        PolicyVerdict::Stages(stages) => stages.iter().map(stage).collect::<Vec<_>>().join(" then "),
    }
}

#[track_caller]
fn check(body: &str, wanted: &str) {
    assert_eq!(shown(&run(body).unwrap_or_else(|e| panic!("{body}: {e}"))), wanted, "{body}");
}

#[test]
fn verbs() {
    check(r#"to("gw2")"#, "gw2");
    check(r#"to("gw2", "0044" + c.number)"#, "gw2=004401480123123");
    check(r#"ring("101", 20)"#, "101 20s");
    check(r#"ring(["101", "102"], 20)"#, "101+102 20s");
    check(r#"fork(["101", to("gw1", "5"), ring("102", 9)])"#, "101+gw1=5+102");
    check(r#"fork([ring("101", 20), ring("102", 9)])"#, "101+102 20s");
    check(r#"try_in_order([ring("101", 10), "gw1", fork(["102", "103"])])"#, "101 10s then gw1 then 102+103");
    check(r#"block("too dear")"#, "barred: too dear");
    check("busy()", "busy: the script says busy");
    check("pass()", "pass");
    check("", "pass");
    check(r#"to("gw3");"#, "gw3");
    check(r#"if c.number.starts_with("01") { return to("gw4"); } pass()"#, "gw4");
}

#[test]
fn the_call_is_told() {
    let all = r#"block([c.dialled, c.number, c.source, c.from, c.caller, c.caller_name, c.route,
        c.withheld, c.outside, c.year, c.month, c.day, c.hour, c.minute, c.weekday].reduce(|a, v| `${a} ${v}`, ""))"#;
    let wanted = "barred:  01480123123 01480123123 extension 201 201 Ann gw1 false true 2026 5 4 10 30 1";
    check(all, wanted);
    check(r#"block(lookup("uk", c.number))"#, "barred: landline");
    check(r#"block(lookup("uk", "07801234"))"#, "barred: expensive");
    check(r#"if lookup("uk", "+44") == () { block("none") } else { pass() }"#, "barred: none");
    check(
        r#"if starts_with_any(c.number, ["07", "014"]) { busy() } else { pass() }"#,
        "busy: the script says busy",
    );
}

#[test]
fn edits_stand_beside_the_verdict() {
    let answer =
        run("rewrite(\"555\");\ncaller_id(\"0148\", \"Home\\r\\nX: y\");\nwithhold();\npass()").unwrap();
    assert_eq!(answer.number, Some(Digits::new("555")));
    assert_eq!(answer.caller.number.as_deref(), Some("0148"));
    assert_eq!(answer.caller.name.as_deref(), Some("HomeX: y"));
    assert_eq!(answer.caller.private, Some(true));
    // What one run noted is gone in the next.
    assert_eq!(run("pass()").unwrap().number, None);
}

#[test]
fn the_line_that_decided_is_recorded() {
    assert_eq!(run("\n\nto(\"gw1\")").unwrap().decided_at, "test.rhai:4");
    assert_eq!(run("").unwrap().decided_at, "");
}

#[test]
fn refused_scripts_say_where_and_how() {
    #[track_caller]
    fn check(text: &str, line: usize, what: &str) {
        let error = compile(text).expect_err(text);
        assert!(
            error.line == line && error.to_string().contains(what) && !error.hint.is_empty(),
            "{text}: {error}"
        );
    }
    check("fn route(c) {\n  to(\"gw1\"\n}", 3, "','");
    check("fn route(c) {\n  let call = 1;\n}", 2, "call");
    check("fn other(c) { }", 1, "no function route");
    check("fn route() { }", 1, "route does not take the call");
    check("fn rout(c) { }", 1, "no function route(c), but rout");
    check("fn route(c) {\nfn_that_is_not() }", 2, "no function fn_that_is_not");
    check("fn route(c) { sleep(10) }", 1, "no function sleep");
    check("fn route(c) { timestamp() }", 1, "no function timestamp");
    check("fn route(c) { eval(\"1\") }", 1, "eval");
    check("import \"x\" as y; fn route(c) { }", 1, "no module");
    check("fn route(c) { \"abc }", 1, "not terminated");
    check("fn route(c) {", 1, "");
    check(&format!("fn route(c) {{ {}1{} }}", "(".repeat(500), ")".repeat(500)), 1, "complexity");
    check(&" ".repeat(300_000), 0, "300000 bytes");
}

#[test]
fn names_that_nothing_has_are_found_before_a_call_meets_them() {
    #[track_caller]
    fn check(text: &str, line: usize, what: &str) {
        let error = compile(text).expect_err(text);
        assert!(error.line == line && error.to_string().contains(what), "{text}: {error}");
    }
    let helper = "fn kind(n, m) { n }\nconst NIGHT = 22;\nlet late = 1;\n";
    let check_in = |body: &str, what: &str| check(&format!("{helper}fn route(c) {{\n{body}\n}}"), 5, what);
    for body in [
        "nosuch",
        "to(nosuch)",
        "let a = 1; if a == 1 { nosuch } else { pass() }",
        "{ { nosuch } }",
        "switch c.hour { 1 => nosuch, _ => pass() }",
        "switch nosuch { _ => pass() }",
        "[1].map(|x| x + nosuch); pass()",
        "for i in 0..3 { nosuch += i; }",
        "try { pass() } catch (e) { nosuch }",
        "block(`${nosuch}`)",
        "let m = #{a: nosuch}; pass()",
        "while nosuch { }",
        "return nosuch;",
        "c.between(nosuch, \"10:00\")",
        "nosuch = 1;",
        "if false { let nosuch = 1; } nosuch",
    ] {
        check_in(body, "there is no variable nosuch");
    }
    // A closure sees what is its own.
    check_in("let k = 1; [1].map(|x| x + k); pass()", "there is no variable k");
    check_in("if c.hour > NIHGT { busy() } else { pass() }", "did you mean NIGHT?");
    check_in("if late == 1 { busy() } else { pass() }", "write const late = …");
    check_in("to(gw1)", "strings are written in quotes: \"gw1\"");
    for (body, what) in [
        ("to()", "write to(\"gw1\")"),
        ("ring(\"101\", 20, 3)", "ring takes 1 or 2 values, not 3"),
        ("kind(1)", "kind takes 2 values, not 1"),
        ("kind(1, 2, 3)", "kind takes 2 values, not 3"),
        ("[1].map(|x| kind(x)); pass()", "kind takes 2 values, not 1"),
        ("switch 1 { 1 => kind(), _ => 2 }", "not 0"),
        ("c.between(\"10:00\")", "between takes 3 values, not 2"),
        ("busy(1)", "busy takes 0 values, not 1"),
        ("block(kind(c.number, [1, 2].len()), 2)", "block takes 1 value, not 2"),
    ] {
        check_in(body, what);
    }
    check_in("block(`${kind(1)}`)", "kind takes 2 values, not 1");
    check_in("block(`a ${1} b ${[`${nofn(1)}`]}`)", "there is no function nofn");
    check_in("block(`a ${c.numbr}`)", "did you mean c.number?");
    let modules = "import \"uk\" as uk;\nfn route(c) {\n";
    check(
        &format!("{modules}uk::clas(c.number)\n}}"),
        3,
        "module uk has no function clas; did you mean uk::class?",
    );
    check(&format!("{modules}uk::class()\n}}"), 3, "class takes 1 value, not 0");
    check(&format!("{modules}block(uk::NOSUCH)\n}}"), 3, "module uk has no constant NOSUCH");
    check(
        &format!("{modules}eu::class(c.number)\n}}"),
        3,
        "Undefined module: eu; write import \"eu\" as eu;",
    );
    // What is right stays right.
    for body in [
        "let a = [1, 2].filter(|x| x > 1); if a.len() == 1 { pass() } else { busy() }",
        "let x = kind(1, kind(2, 3)); pass()",
        "let f = |a, b| a + b; [1, 2].reduce(f, 0); pass()",
        "if is_def_var(\"nosuch\") { busy() } else { pass() }",
        "for (k, i) in [1] { let s = k + i; } pass()",
        "let x = 5 | 2; kind(x | 1, 2); pass()",
        "block(`${c.hour}:${[c.minute].len()}`)",
        "cheapest(2).under(\"0.05\")",
        "let c = c; pass()",
    ] {
        let text = format!("{helper}fn route(c) {{\n{body}\n}}");
        let script = compile(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!(script.run(&call("1")).is_ok(), "{text}");
    }
}

#[test]
fn constants_at_the_top_are_seen_in_functions() {
    let text = "const NIGHT = 10;\nconst LINES = [\"gw1\", \"gw2\"];\nconst SUM = NIGHT + 1;\n\
                fn late(h) { h >= NIGHT }\nfn first() { LINES.filter(|l| l != LINES[1])[0] }\n\
                fn route(c) { if late(c.hour) && SUM == 11 { to(first()) } else { busy() } }";
    let script = compile(text).unwrap();
    assert_eq!(shown(&script.run(&call("1")).unwrap()), "gw1");
    assert_eq!(shown(&script.explain(&call("1")).unwrap()), "gw1");
    // A function's own name comes first, and a constant stays one.
    let own =
        compile("const A = 1;\nfn route(c) { let A = 2; if A == 2 { pass() } else { busy() } }").unwrap();
    assert_eq!(shown(&own.run(&call("1")).unwrap()), "pass");
    assert!(
        compile("const A = 1;\nfn route(c) { A = 2; pass() }").is_err_and(|e| e.line == 2) || {
            let script = compile("const A = 1;\nfn route(c) { A = 2; pass() }").unwrap();
            script.run(&call("1")).is_err()
        }
    );
    // Those of a module are its own, and may be read by its name.
    let files = [
        (
            "a.rhai",
            "import \"mine\" as m;\nconst GW = \"gw9\";\nfn route(c) { fork([m::gateway_of(), m::GW, GW]) }",
        ),
        ("module/mine", "const GW = \"gw3\";\nfn gateway_of() { GW }"),
    ];
    let answer = pool(&files).unwrap().get("a").unwrap().run(&call("1")).unwrap();
    assert_eq!(shown(&answer), "gw3+gw3+gw9");
    let error = compile("const A = 1 / 0;\nfn route(c) { pass() }").unwrap_err();
    assert!(error.line == 1 && error.to_string().contains("when the file is loaded"), "{error}");
}

#[test]
fn bombs_are_stopped() {
    #[track_caller]
    fn check(body: &str, line: Option<usize>, what: &str) {
        let fault = run(body).expect_err(body);
        assert!(fault.what.contains(what), "{body}: {fault}");
        if line.is_some() {
            assert_eq!(fault.line, line, "{body}: {fault}");
        }
    }
    check("loop { }", None, "endless loop");
    check("while true { let x = 1; }", None, "endless loop");
    check("let s = \"x\"; loop { s += s; }", None, "Length of string");
    check("let a = []; loop { a.push(1); }", None, "");
    check("let a = [1]; loop { a += a; }", None, "rray");
    check("let a = [1]; loop { a = [a, a]; }", None, "");
    check("let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }", None, "");
    check("\"x\".pad(1000000000, \"y\")", None, "");
    check("[].pad(1000000000, 1)", None, "");
    check("1 / 0", Some(2), "zero");
    check("throw \"by hand\"", Some(2), "by hand");
    check("42", None, "must return what a verb gives");
    check("ring(\"101\", 0)", Some(2), "1 to 600");
    check("fork([])", Some(2), "1 to 16");
    check("try_in_order([pass()])", Some(2), "cannot hold");
    check("fork([7])", Some(2), "not i64");
    let deep = "fn route(c) { down(1) } fn down(n) { down(n + 1) }";
    assert!(compile(deep).unwrap().run(&call("1")).unwrap_err().what.contains("too deeply"));
}

#[test]
fn a_slow_script_is_stopped_by_the_clock() {
    // A clock that runs a millisecond a look: 20 looks, far below the limit on operations.
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    let clock = || Duration::from_millis(LOOKS.fetch_add(1, Ordering::Relaxed));
    let limits = Limits { operations: u64::MAX, ..Limits::default() };
    let script =
        Script::compile("slow.rhai", "fn route(c) { loop { } }", limits, BTreeMap::new(), clock).unwrap();
    let fault = script.run(&call("1")).unwrap_err();
    assert!(fault.what.contains("exceeded its time limit"), "{fault}");
    assert!(LOOKS.load(Ordering::Relaxed) < 40);
}

#[test]
fn what_a_script_prints_is_kept_for_its_fault() {
    let fault = run("print(\"here\"); debug(c.number); throw \"no\"").unwrap_err();
    assert_eq!(fault.printed.len(), 2);
    assert!(fault.printed[0] == "here" && fault.printed[1].contains("01480123123"), "{:?}", fault.printed);
    let many = run("for i in 0..100 { print(i); }\nthrow 1").unwrap_err();
    assert_eq!(many.printed.len(), 32);
}

#[test]
fn shipped_scripts_compile_and_decide() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    #[track_caller]
    fn check(text: &str, change: impl FnOnce(&mut PolicyCall), wanted: &str) {
        let mut call = call("01480123123");
        change(&mut call);
        assert_eq!(shown(&compile(text).unwrap().run(&call).unwrap()), wanted);
    }
    let dialled = |number: &'static str| {
        move |c: &mut PolicyCall| {
            c.number = Digits::new(number);
            c.query.dialled = Digits::new(number);
        }
    };
    check(&read("default.rhai"), |_| {}, "pass");
    let cheapest = read("examples/cheapest-first.rhai");
    check(&cheapest, dialled("0033145678901"), "gw1 40s then gw2 40s then gw0");
    check(&cheapest, |_| {}, "pass");
    let guard = read("examples/premium-guard.rhai");
    check(&guard, dialled("0901234"), "barred: premium numbers are barred");
    check(&guard, |c| c.query.at.hour = 23, "pass");
    check(&guard, |c| (c.query.at.hour, c.number) = (2, Digits::new("0207")), "barred: closed at night");
    let office = read("examples/office-hours.rhai");
    let from_gateway = |c: &mut PolicyCall| c.query.source = Source::Gateway("gw1".parse().unwrap());
    check(&office, from_gateway, "201 15s then 101+102+202 30s");
    let sunday = |c: &mut PolicyCall| {
        from_gateway(c);
        c.query.at.weekday = 7;
    };
    check(&office, sunday, "101 25s");
    check(&office, |_| {}, "pass");
    let codes = read("examples/short-codes.rhai");
    check(&codes, dialled("70"), "101+102+201+202");
    check(&codes, dialled("71"), "gw0=1471");
    let withheld = compile(&codes).unwrap().run(&{
        let mut call = call("1");
        dialled("14101480123123")(&mut call);
        call
    });
    let withheld = withheld.unwrap();
    assert_eq!((withheld.number, withheld.caller.private), (Some(Digits::new("01480123123")), Some(true)));
}

/// The whole way: a plan and a script that try to keep 999 from the emergency service.
#[test]
fn no_script_stops_an_emergency_call() {
    use crate::router::{Router, RouterStep};
    use ringtrip_config::{Config, DemoSecrets, Region};
    use ringtrip_dialplan::Plan;

    let mut config = Config::demo(Region::Uk, DemoSecrets { first: String::new(), second: String::new() });
    config.plans.insert("home".into(), Arc::new(Plan::parse("(999!|112!|5xx.!|<8:>xx.)").unwrap()));
    config.script = Some("bad.rhai".into());
    let script = compile("fn route(c) { block(\"nobody calls anybody\") }").unwrap();
    let router = Router::new(Arc::new(config));
    for dialled in ["999", "112", "8999", "201", "8201"] {
        let query = RouteQuery { dialled: Digits::new(dialled), ..call(dialled).query };
        let plan = match router.before_policy(query) {
            RouterStep::Done(plan) => *plan,
            RouterStep::AskPolicy(call) => {
                let answer = script.run(&call).map_err(|e| e.to_string());
                router.after_policy(*call, script.name(), answer).0
            }
        };
        let emergency = matches!(plan.verdict, Verdict::Emergency(_));
        assert_eq!(emergency, dialled.ends_with("999") || dialled == "112", "{dialled}: {plan:?}");
        assert!(emergency || plan.verdict == Verdict::Refuse(Cause::Barred) || dialled == "201", "{plan:?}");
    }
}

/// A pool of these scripts, modules and tables.
fn pool(files: &[(&str, &str)]) -> Result<Pool, Vec<PoolError>> {
    let mut library = Library::shipped();
    let mut wanted = BTreeMap::new();
    for (file, text) in files {
        let text = (*text).to_owned();
        match (file.strip_prefix("module/"), file.strip_prefix("tables/")) {
            (Some(module), _) => library.modules.insert(module.to_owned(), text),
            (_, Some(table)) => library.tables.insert(table.to_owned(), text),
            _ => {
                wanted.insert(file.trim_end_matches(".rhai").to_owned(), (*file).to_owned());
                library.scripts.insert((*file).to_owned(), text)
            }
        };
    }
    Pool::compile(&library, &wanted, Limits::default(), Arc::new(still))
}

#[track_caller]
fn refused(files: &[(&str, &str)], wanted: &[&str]) {
    let errors = pool(files).expect_err("it must be refused");
    let shown: Vec<String> = errors.iter().map(|e| e.to_string()).collect();
    let right = shown.len() == wanted.len() && shown.iter().zip(wanted).all(|(s, w)| s.contains(w));
    assert!(right, "wanted {wanted:#?}\nfound {shown:#?}");
    assert!(errors.iter().all(|e| !e.error.hint.is_empty()), "{shown:#?}");
}

#[test]
fn a_pool_holds_scripts_modules_and_tables() {
    let ten: Vec<(String, String)> = (0..10)
        .map(|i| (format!("s{i}.rhai"), format!("import \"mine\" as m;\nfn route(c) {{ to(m::line({i})) }}")))
        .collect();
    let mut files: Vec<(&str, &str)> = ten.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
    files.push(("module/mine", "import \"deeper\" as d;\nfn line(n) { d::name() + n }"));
    files.push(("module/deeper", "fn name() { \"gw\" }"));
    files.push(("module/unused", "this is broken and nobody cares"));
    files.push(("tables/dear.txt", "09\n118\n"));
    files.push((
        "dear.rhai",
        "fn route(c) { if in_table(\"dear\", c.number) { block(\"dear\") } else { pass() } }",
    ));
    let pool = pool(&files).unwrap_or_else(|e| panic!("{e:#?}"));
    assert_eq!(pool.scripts().len(), 11);
    for i in 0..10 {
        let answer = pool.get(&format!("s{i}")).unwrap().run(&call("1")).unwrap();
        assert_eq!(shown(&answer), format!("gw{i}"));
        assert_eq!(answer.decided_at, format!("s{i}.rhai:2"));
    }
    assert_eq!(shown(&pool.get("dear").unwrap().run(&call("118500")).unwrap()), "barred: dear");
    assert_eq!(shown(&pool.get("dear").unwrap().run(&call("018")).unwrap()), "pass");
}

#[test]
fn a_pool_is_refused_whole_with_all_that_is_wrong() {
    let good = ("good.rhai", "fn route(c) { pass() }");
    refused(
        &[good, ("a.rhai", "fn route(c) {\n  to(\"gw1\"\n}"), ("b.rhai", "fn route(c) { paas() }")],
        &["a.rhai: line 3", "b.rhai: line 1, column 15: there is no function paas; did you mean pass?"],
    );
    refused(
        &[("a.rhai", "import \"uq\" as u; fn route(c) { pass() }")],
        &["a.rhai: line 1, column 8: there is no module \"uq\"; did you mean \"uk\"?"],
    );
    refused(
        &[("a.rhai", "let x = \"uk\"; import x as u; fn route(c) { pass() }")],
        &["a.rhai: line 1, column 22: import takes a name in quotes; write import \"uk\" as uk;"],
    );
    refused(
        &[
            ("a.rhai", "import \"one\" as one; fn route(c) { pass() }"),
            ("module/one", "import \"two\" as two; fn f() { 1 }"),
            ("module/two", "\nimport \"one\" as one; fn g() { 2 }"),
        ],
        &["two.rhai: line 2, column 8: modules import each other in a circle: one imports two imports one"],
    );
    refused(
        &[("a.rhai", "import \"one\" as one; fn route(c) { pass() }"), ("module/one", "fn f() { 1 ")],
        &["one.rhai: line 1"],
    );
    let dear = ("dear.rhai", "fn route(c) { if in_table(\"dear\", c.number) { busy() } else { pass() } }");
    let broken = ("tables/dear.csv", "09,x\nnine,y\n");
    refused(&[good, dear, broken], &["tables/dear.csv: line 2, column 1: invalid number \"nine\""]);
    // Who does not name the table is not harmed by it.
    assert!(pool(&[good, broken]).is_ok());
    let uk = ("uk.rhai", "import \"uk\" as uk;\nfn route(c) { block(uk::class(c.number)) }");
    refused(&[good, uk, ("tables/uk.txt", "09")], &["two tables uk"]);
    assert!(pool(&[good, ("tables/uk.txt", "09")]).is_ok());
    let chain: Vec<(String, String)> = (0..12)
        .map(|i| (format!("module/m{i}"), format!("import \"m{}\" as m; fn f() {{ 1 }}", i + 1)))
        .collect();
    let mut files: Vec<(&str, &str)> = chain.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
    files.push(("a.rhai", "import \"m0\" as m; fn route(c) { pass() }"));
    refused(&files, &["more than 8 deep"]);
    refused(
        &[("a.rhai", "import \"loops\" as l; fn route(c) { pass() }"), ("module/loops", "loop { }")],
        &["loops.rhai"],
    );
}

#[test]
fn the_modules_that_ship_know_numbers() {
    #[track_caller]
    fn check(module: &str, expression: &str, wanted: &str) {
        let text = format!("import \"{module}\" as m;\nfn route(c) {{ block(`${{{expression}}}`) }}");
        let script = compile_plain(&text);
        let mut call = call("01480123123");
        call.query.at.hour = 10;
        let answer = script.run(&call).unwrap_or_else(|e| panic!("{expression}: {e}"));
        assert_eq!(shown(&answer), format!("barred: {wanted}"), "{expression}");
    }
    check("uk", "m::normalise(\"01480 123123\")", "+441480123123");
    check("uk", "m::normalise(\"234567\", \"1480\")", "+441480234567");
    check("uk", "m::normalise(\"0033 1 2345 6789\")", "+33123456789");
    check("uk", "m::normalise(\"+44 (20) 7946-0000\")", "+442079460000");
    check("uk", "m::normalise(\"201\")", "");
    check("uk", "m::national(\"+441480123123\")", "01480123123");
    check("uk", "m::national(\"+33123456789\")", "0033123456789");
    check("uk", "m::class(\"0901234567\")", "premium");
    check("uk", "m::class(\"+447700900123\")", "mobile");
    check("uk", "m::class(\"0033123456\")", "international");
    check("uk", "m::class(\"999\")", "emergency");
    check("uk", "m::codes(\"14101480123123\")", "01480123123");
    check("uk", "m::codes(\"1470128001480123123\")", "01480123123");
    check("uk", "m::codes(\"1471\")", "1471");
    check("us", "m::normalise(\"(212) 555-1234\")", "+12125551234");
    check("us", "m::normalise(\"555-1234\", \"212\")", "+12125551234");
    check("us", "m::normalise(\"011441480123123\")", "+441480123123");
    check("us", "m::national(\"+441480123123\")", "011441480123123");
    check("us", "m::class(\"9005551234\")", "premium");
    check("us", "m::class(\"18765551234\")", "caribbean");
    check("us", "m::class(\"2125551234\")", "local");
    check("us", "m::class(\"911\")", "emergency");
    check("us", "m::codes(\"*672125551234\")", "2125551234");
    check("eu", "m::normalise(\"030 123456\", \"49\")", "+4930123456");
    check("eu", "m::normalise(\"912345678\", \"34\")", "+34912345678");
    check("eu", "m::national(\"+3612345678\", \"36\")", "0612345678");
    check("eu", "m::class(\"+491511234567\")", "mobile");
    check("eu", "m::class(\"+33899123456\")", "premium");
    check("hours", "m::office(c)", "true");
    check("hours", "m::open(c, \"11:00\", \"12:00\")", "false");
    check("hours", "m::night(c)", "false");
}

fn compile_plain(text: &str) -> Script {
    let made = Script::compile("test.rhai", text, Limits::default(), BTreeMap::new(), still);
    made.unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A gateway's own script looks at calls to it last.
#[test]
fn the_script_of_a_gateway_has_the_last_look() {
    use crate::router::{NoPrices, Router};
    use crate::{Engine, NoPlugins};
    use ringtrip_config::{Config, DemoSecrets, Gateway, HostPort, Region};

    #[track_caller]
    fn check(script: &str, wanted: &str) {
        let secrets = DemoSecrets { first: String::new(), second: String::new() };
        let mut config = Config::demo(Region::Uk, secrets);
        let plan = ringtrip_dialplan::Plan::parse("([12]0xS0|xx.<:@gw1>)").unwrap();
        config.plans.insert("home".into(), Arc::new(plan));
        let host = HostPort { host: "sip.example.com".into(), port: None };
        let mut gateway = Gateway::new("gw1".parse().unwrap(), host, "u");
        gateway.outbound_script = Some("out.rhai".into());
        config.gateways.push(gateway);
        let pool = pool(&[("out.rhai", script)]).unwrap_or_else(|e| panic!("{e:#?}"));
        let scripts = BTreeMap::from([("out.rhai".to_owned(), Arc::clone(pool.get("out").unwrap()))]);
        let router = Router::new(Arc::new(config));
        let engine = Engine::new(router, Arc::new(scripts), Arc::new(NoPlugins), Arc::new(NoPrices));
        let decision = engine.decide(call("01480123123").query);
        let found = match &decision.plan.verdict {
            Verdict::Stages(stages) => {
                let a = &stages[0].targets[0];
                let hidden = if a.caller.private { " withheld" } else { "" };
                format!("{} to {}{hidden}", a.number, a.target.word())
            }
            other => format!("{other:?}: {}", decision.plan.provenance.because),
        };
        let events = decision.events.iter().map(|e| format!("; {e:?}")).collect::<String>();
        assert!(format!("{found}{events}").starts_with(wanted), "{script}: {found}{events}");
        assert_eq!(events.is_empty(), !wanted.contains("; "), "{script}: {events}");
    }
    check("fn route(c) { pass() }", "01480123123 to gw1");
    check(
        "fn route(c) { rewrite(\"0044\" + c.number.sub_string(1)); withhold(); pass() }",
        "00441480123123 to gw1 withheld",
    );
    check("fn route(c) { block(\"not by this one\") }", "Refuse(Barred): not by this one");
    check("fn route(c) { to(\"gw2\") }", "01480123123 to gw1; ScriptFailed");
    check("fn route(c) { rewrite(\"999\"); pass() }", "01480123123 to gw1; ScriptFailed");
    check("fn route(c) { loop { } }", "01480123123 to gw1; ScriptFailed");
}

#[test]
fn an_explained_run_names_its_lines() {
    let text = "fn open(c) {\n    c.hour >= 9\n}\nfn route(c) {\n    if open(c) {\n        return to(\"gw1\");\n    }\n    print(\"no\");\n    pass()\n}";
    let answer = compile(text).unwrap().explain(&call("1")).unwrap();
    let shown: Vec<String> =
        answer.steps.iter().map(|s| format!("{} {} {}", s.kind.word(), s.subject, s.said)).collect();
    assert_eq!(
        shown,
        [
            "line test.rhai:5 if open(c) {",
            "line test.rhai:2 c.hour >= 9",
            "line test.rhai:6 return to(\"gw1\");",
            "script test.rhai:6 names one stage",
        ]
    );
    assert_eq!(answer.verdict, compile(text).unwrap().run(&call("1")).unwrap().verdict);
}

#[test]
fn more_verbs() {
    check("cheapest(2)", "cheapest");
    check("try_in_order([cheapest(2, [\"gw1\", \"gw2\"]).under(\"0.05\"), \"gw0\"])", "cheapest then gw0");
    check("ask_pin()", "ask Pin");
    check("ask_pin(\"enter-pin\", 2)", "ask Pin");
    check("ask_number(\"enter-number\")", "ask Number");
    check("ring(\"101\")", "101");
    check("ring([\"101\", \"102\"])", "101+102");
    check("if gateway(\"gw1\").up && gateway(\"gw1\").calls == 0 { pass() } else { busy() }", "pass");
    check("if gateway(\"gw1\").price == () { pass() } else { busy() }", "pass");
    check(
        "if c.between(\"10:00\", \"10:31\") && !c.between(\"22:00\", \"06:00\") { pass() } else { busy() }",
        "pass",
    );
    check(
        "block(`${c.date} ${c.time} ${c.extension} ${c.line} ${c.gateway} ${c.pin} ${c.user} ${c.holiday}`)",
        "barred: 2026-05-04 10:30 201     ",
    );
    let answer = run("play(\"closed\"); delay(1.5); record(); say(\"not-allowed\"); pass()").unwrap();
    assert_eq!(answer.extras.before.len(), 2);
    assert!(answer.extras.record && answer.extras.say.as_deref() == Some("not-allowed"));
    #[track_caller]
    fn fails(body: &str, what: &str) {
        let fault = run(body).expect_err(body);
        assert!(fault.what.contains(what) && fault.line == Some(2), "{body}: {fault}");
    }
    fails("fork([cheapest(2), \"gw1\"])", "cannot ring together");
    fails("cheapest(0)", "1 to 16 gateways");
    fails("cheapest(2, [1])", "by name");
    fails("to(\"gw1\").under(\"0.05\")", "under() follows cheapest()");
    fails("cheapest(2).under(\"dear\")", "invalid price");
    fails("ask_pin(\"x\", 9)", "1 to 5 times");
    fails("ask_pin(\"../../etc/passwd\")", "invalid prompt name");
    fails("play(\"\")", "invalid prompt name");
    fails("delay(61)", "0 to 60 seconds");
    fails("delay(-1)", "0 to 60 seconds");
    fails("for i in 0..9 { play(\"closed\"); }", "at most 8");
    fails("delay(40); delay(40);", "60 seconds at most");
    fails("gateway(\"no such thing\").up", "invalid gateway name");
    fails("gateway(\"gw1\").pric", "did you mean price?");
    fails("lookup(\"uq\", \"1\")", "did you mean \"uk\"?");
    fails("c.between(\"9\", \"10:00\")", "invalid time of day");
    fails("ring(\"101\", \"20\")", "write ring(");
    fails("c.number = \"1\"", "");
}

#[test]
fn habits_of_other_languages_are_recognised() {
    #[track_caller]
    fn check(text: &str, line: usize, wanted: &str) {
        let error = compile(text).expect_err(text);
        assert!(error.line == line && error.to_string().contains(wanted), "{text}: {error}");
    }
    check("fn route(c) {\n  if c.hour = 9 { pass() }\n}", 2, "write == to compare");
    check("fn route(c) {\n  if c.hour == 9 { pass() } elif c.hour == 8 { busy() }\n}", 2, "write else if");
    check("fn route(c) {\n  to('gw1')\n}", 2, "double quotes");
    check("fn route(c) {\n  if c.hour == 9 and c.day == 1 { pass() }\n}", 2, "write &&");
    check("function route(c) { pass() }", 1, "write fn");
    check("fn route(c) { let i = 0; i++; pass() }", 1, "n += 1");
    check("fn route(c) { if c.hour === 9 { pass() } }", 1, "write ==");
    check("fn route(c) { c.numbr }", 1, "did you mean c.number?");
    check("fn route(call) { pass() }", 1, "the call is c");
    check("fn route(c) { ringg(\"101\", 20) }", 1, "did you mean ring?");
    check("fn route(c) { try_in_ordr([\"gw1\"]) }", 1, "did you mean try_in_order?");
}
