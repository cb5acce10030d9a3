use std::sync::Mutex;

use ringtrip_config::{DemoSecrets, Region};
use ringtrip_exchange::route::{RouteQuery, WallTime};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};

use super::*;

/// Routes over these script files, with `night.rhai` for 201 and `main.rhai` for all others, and the events.
fn routes(files: &[(&str, &str)]) -> (Routes, Arc<Mutex<Vec<Event>>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("scripts")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join("scripts").join(name), text).unwrap();
    }
    let mut config = Config::demo(Region::Us, DemoSecrets { first: String::new(), second: String::new() });
    config.script = Some("scripts/main.rhai".to_owned());
    let extension = config.extensions.iter_mut().find(|e| e.id.as_str() == "201").unwrap();
    extension.script = Some("scripts/night.rhai".to_owned());
    let events = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&events);
    let routes =
        Routes::new(Arc::new(config), folder.path(), Box::new(move |event| tell.lock().unwrap().push(event)));
    (routes, events, folder)
}

fn decided(routes: &Routes, from: &str) -> String {
    let decision = routes.engine().decide(RouteQuery {
        call: CallId(1),
        source: Source::Extension(from.parse().unwrap()),
        caller: CallerId { number: from.to_owned(), ..CallerId::default() },
        dialled: Digits::new("102"),
        planned: None,
        at: WallTime { year: 2026, month: 5, day: 4, hour: 10, weekday: 1, ..WallTime::default() },
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    });
    format!("{:?} {}", decision.plan.verdict, decision.plan.provenance.because)
}

fn refused(events: &Mutex<Vec<Event>>) -> Vec<(String, String)> {
    let events = events.lock().unwrap();
    let of = |event: &Event| match event {
        Event::ScriptRefused { script, why } => Some((script.clone(), why.clone())),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn active(events: &Mutex<Vec<Event>>) -> Vec<String> {
    let events = events.lock().unwrap();
    let of = |event: &Event| match event {
        Event::ScriptActive { script, .. } => Some(script.clone()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

const BUSY: &str = "fn route(c) { if [\"911\", \"112\"].contains(c.number) { return pass(); } block(\"the main script says no\") }";
const NIGHT: &str = "fn route(c) { if [\"911\", \"112\"].contains(c.number) { return pass(); } block(\"the night says no\") }";

#[test]
fn a_start_puts_nothing_into_force_that_put_would_refuse() {
    for night in ["fn route(c) { loop { } }", "fn route(c) { throw \"always\" }"] {
        let (routes, events, _folder) = routes(&[("main.rhai", BUSY), ("night.rhai", night)]);
        let refused = refused(&events);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].0 == "night.rhai" && refused[0].1.contains("it fails when"), "{refused:?}");
        assert_eq!(active(&events), ["main.rhai"]);
        // The others are asked as ever; whose script is refused takes the plan's own route.
        assert!(decided(&routes, "202").contains("the main script says no"), "{}", decided(&routes, "202"));
        assert!(decided(&routes, "201").contains("Extension"), "{}", decided(&routes, "201"));
        // Its text is there to be mended; mended, it is active.
        assert_eq!(routes.read("night.rhai").as_deref(), Ok(night));
        routes.reload("night.rhai", NIGHT).unwrap();
        assert!(decided(&routes, "201").contains("the night says no"));
        assert!(routes.reload("night.rhai", night).is_err(), "the same verdict");
        assert!(decided(&routes, "201").contains("the night says no"));
    }
}

#[test]
fn a_script_whose_tests_fail_does_not_start() {
    let tests = "[[test]]\nfrom = \"201\"\ndialled = \"102\"\nexpect = [\"102\"]\n";
    let (routes, events, _folder) =
        routes(&[("main.rhai", "fn route(c) { pass() }"), ("night.rhai", BUSY), ("night.test.toml", tests)]);
    let refused = refused(&events);
    assert!(refused.len() == 1 && refused[0].1.contains("fails"), "{refused:?}");
    assert!(!decided(&routes, "201").contains("the main script says no"));
}

/// Calls for help never reach a script; without it, what it bars would go out.
#[test]
fn a_script_that_bars_everything_stays_at_a_start() {
    let bars = "fn route(c) { block(\"closed\") }";
    let (routes, events, _folder) = routes(&[("main.rhai", bars), ("night.rhai", bars)]);
    assert_eq!(refused(&events), []);
    assert!(decided(&routes, "201").contains("closed"));
}

#[test]
fn good_scripts_start() {
    let (routes, events, _folder) = routes(&[("main.rhai", "fn route(c) { pass() }"), ("night.rhai", BUSY)]);
    assert_eq!(refused(&events), []);
    assert_eq!(active(&events).len(), 2);
    assert!(decided(&routes, "201").contains("the main script says no"));
}

/// What was saved while a document was being compiled is not undone when that document becomes active.
#[test]
fn a_script_saved_while_a_document_is_compiled_stays() {
    let (routes, events, _folder) = routes(&[("main.rhai", BUSY), ("night.rhai", BUSY)]);
    let mut config = Config::clone(routes.engine().router().config());
    config.limits.calls += 1;
    let config = Arc::new(config);
    let routing = routes.compile(&config);
    routes.reload("night.rhai", NIGHT).unwrap();
    routes.deploy(config.clone(), routing);
    assert_eq!(*routes.engine().router().config(), config);
    assert!(decided(&routes, "201").contains("the night says no"), "{}", decided(&routes, "201"));
    assert_eq!(refused(&events), []);
}

/// A document that was withdrawn leaves nothing behind: its scripts are not found again by one that looks like it.
#[test]
fn what_was_never_put_in_force_leaves_no_trace() {
    let (routes, _, folder) = routes(&[("main.rhai", BUSY), ("night.rhai", BUSY)]);
    let mut config = Config::clone(routes.engine().router().config());
    config.limits.script_operations += 1;
    let config = Arc::new(config);
    let withdrawn =
        routes.prepare(config.clone(), &[Text { name: "night.rhai".to_owned(), text: NIGHT.to_owned() }]);
    drop(Routing::with_its_texts(withdrawn.unwrap()));
    let routing = routes.compile(&config);
    routes.deploy(config, routing);
    assert!(decided(&routes, "201").contains("the main script says no"), "{}", decided(&routes, "201"));
    drop(folder);
}
