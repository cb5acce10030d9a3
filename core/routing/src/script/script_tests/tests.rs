use super::*;

const SCRIPT: &str = r#"
fn route(c) {
    if c.number.starts_with("09") { return block("premium numbers are barred"); }
    if c.number.starts_with("00") {
        return if c.pin == "" { ask_pin() } else { try_in_order([cheapest(2), "gw0"]) };
    }
    if c.holiday != "" { play("closed"); delay(2); record(); }
    if c.number.starts_with("141") { withhold(); rewrite(c.number.sub_string(3)); return pass(); }
    if !gateway("gw1").up { return to("gw2"); }
    pass()
}
"#;

fn run(tests: &str) -> Vec<TestOutcome> {
    let text =
        format!("region = \"uk\"\ngateways = [\"gw1\", \"gw2\"]\nplan = \"([12]0xS0|xx.<:@gw1>)\"\n{tests}");
    let script_tests = ScriptTests::read(&text).unwrap_or_else(|e| panic!("{e:#?}\n{text}"));
    let library = Library::shipped().with("scripts/mine.rhai", SCRIPT);
    script_tests
        .run(
            "scripts/mine.rhai",
            &library,
            None,
            Limits::default(),
            std::sync::Arc::new(|| std::time::Duration::ZERO),
        )
        .unwrap()
}

#[track_caller]
fn check(test: &str, failed: Option<&str>) {
    let outcome = run(&format!("[[test]]\nfrom = \"201\"\n{test}")).remove(0);
    match (failed, outcome.failed.as_deref()) {
        (None, None) => {}
        (Some(wanted), Some(found)) => assert!(found.contains(wanted), "{test}: {found}"),
        (wanted, found) => panic!("{test}: wanted {wanted:?}, found {found:?}"),
    }
}

#[test]
fn plans_are_compared() {
    check("dialled = \"01480123123\"\nexpect = [\"gw1 180s\"]", None);
    check("dialled = \"01480123123\"\nexpect = [\"gw1=01480123123\"]", None);
    check(
        "dialled = \"01480123123\"\nexpect = [\"gw2\"]",
        Some("expected gw2; it decides: gw1=01480123123 180s (mine.rhai:10)"),
    );
    check("dialled = \"01480123123\"\ndown = [\"gw1\"]\nexpect = [\"gw2\"]", None);
    check("dialled = \"0901234\"\nrefuse = \"premium\"", None);
    check(
        "dialled = \"0901234\"\nrefuse = \"dear\"",
        Some("it decides: refuse (barred): premium numbers are barred"),
    );
    check("dialled = \"0033123456789\"\nask = \"pin\"", None);
    check("dialled = \"0033123456789\"\nask = \"number\"", Some("ask for a PIN"));
    check(
        "dialled = \"0033123456789\"\npin = \"anna\"\nprices = { gw1 = \"0.02\", gw2 = \"0.01\" }\nexpect = [\"gw2\", \"gw1\", \"gw0\"]",
        None,
    );
    check("dialled = \"999\"\nemergency = true", None);
    check("dialled = \"201\"\nemergency = true", Some("expected an emergency call"));
    check("dialled = \"14101480123123\"\nwithheld = true\nnumber = \"01480123123\"", None);
    check(
        "dialled = \"01480123123\"\nholiday = \"Christmas\"\nplay = [\"closed\"]\ndelay = \"2s\"\nrecord = true",
        None,
    );
    check("dialled = \"01480123123\"\nplay = [\"closed\"]", Some("expected that closed is played"));
    check("dialled = \"01480123123\"\nshows = \"201\"", Some("expected that 201 is shown"));
}

#[test]
fn a_script_that_fails_fails_its_test() {
    let library = Library::shipped().with("bad.rhai", "fn route(c) { loop { } }");
    let script_tests =
        ScriptTests::read("[[test]]\nfrom = \"201\"\ndialled = \"101\"\nexpect = [\"101\"]").unwrap();
    let outcome = script_tests
        .run("bad.rhai", &library, None, Limits::default(), std::sync::Arc::new(|| std::time::Duration::ZERO))
        .unwrap()
        .remove(0);
    assert!(outcome.failed.is_some_and(|why| why.contains("endless loop")));
}

#[test]
fn a_call_from_a_stand_in_gateway_asks_the_script() {
    let script = "fn route(c) { if c.source == \"gateway\" && c.gateway == \"gw7\" { ring(\"102\", 9) } else { pass() } }";
    let library = Library::shipped().with("in.rhai", script);
    let tests = "gateways = [\"gw7\", \"gw8\"]\n\
                 [[test]]\nfrom = \"gw7\"\ndialled = \"01480999999\"\ncaller = \"+441480123123\"\nexpect = [\"102 9s\"]\n\
                 [[test]]\nfrom = \"gw8\"\ndialled = \"01480999999\"\nexpect = [\"101\"]\n";
    let outcomes = ScriptTests::read(tests)
        .unwrap()
        .run("in.rhai", &library, None, Limits::default(), std::sync::Arc::new(|| std::time::Duration::ZERO))
        .unwrap();
    assert_eq!(outcomes.iter().filter_map(|o| o.failed.as_ref()).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn files_are_refused_with_all_that_is_wrong() {
    #[track_caller]
    fn check(text: &str, wanted: &[&str]) {
        let errors = ScriptTests::read(text).expect_err(text);
        let shown: Vec<String> = errors.iter().map(|e| e.to_string()).collect();
        let right = shown.len() == wanted.len() && shown.iter().zip(wanted).all(|(s, w)| s.contains(w));
        assert!(right, "{text}\nwanted {wanted:#?}\nfound {shown:#?}");
    }
    check("", &["there is no test"]);
    check("[[test]]\nfrom = \"201\"\n", &["the test has no dialled", "the test expects nothing"]);
    check(
        "[[test]]\nfrom = \"201\"\ndialed = \"1\"\nexpect = [\"gw1\"]\n",
        &["line 3, column 1: unknown setting \"dialed\"; did you mean \"dialled\"?", "no dialled"],
    );
    check(
        "[[test]]\nfrom = 201\ndialled = \"1\"\nexpect = \"x\"\n",
        &["line 2, column 8: from is not a string"],
    );
    check(
        "[[test]]\nfrom = \"1\"\ndialled = \"1\"\nat = \"noon\"\nprices = { gw1 = 0.02 }\nask = \"name\"\n",
        &[
            "line 4, column 6: invalid time \"noon\"",
            "line 5, column 18: invalid price",
            "line 6, column 7",
            "expects nothing",
        ],
    );
    check("region = \"mars\"\n[test]\n", &["\"mars\" is not known", "tests are a list"]);
    check("[[test]\n", &["line 1"]);
}

/// The tests that ship beside the scripts, in a normal test run.
#[test]
fn shipped_scripts_pass_their_own_tests() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"));
    let mut files = 0;
    for dir in [folder.to_owned(), folder.join("examples")] {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            let Some(script) = path.to_str().and_then(|p| p.strip_suffix(".test.toml")) else { continue };
            let (script, shown) = (format!("{script}.rhai"), path.display());
            let text = std::fs::read_to_string(&script).unwrap_or_else(|e| panic!("{script}: {e}"));
            let script_tests = ScriptTests::read(&std::fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|e| panic!("{shown}: {e:#?}"));
            let library = Library::shipped().with("mine.rhai", &text);
            let outcomes = script_tests.run(
                "mine.rhai",
                &library,
                None,
                Limits::default(),
                std::sync::Arc::new(|| std::time::Duration::ZERO),
            );
            for outcome in outcomes.unwrap_or_else(|e| panic!("{shown}: {e:#?}")) {
                assert_eq!(outcome.failed, None, "{shown}:{}: {}", outcome.line, outcome.name);
            }
            files += 1;
        }
    }
    assert!(files >= 8, "{files} files of tests");
}
