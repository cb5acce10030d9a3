use super::*;

fn demo(region: Region) -> Config {
    Config::demo(region, DemoSecrets { first: "one".into(), second: "two".into() })
}

#[test]
fn the_demonstration_has_no_problem() {
    for region in [Region::Us, Region::Uk] {
        assert_eq!(demo(region).check(), []);
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut config = demo(Region::Uk);
    let mut gateway = Gateway::new("gw1".parse().unwrap(), "sip.example.com".parse().unwrap(), "me");
    gateway.password = Some(gateway::Password("hush".into()));
    config.gateways.push(gateway);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hush") && !shown.contains("\"one\"") && !shown.contains("\"two\""), "{shown}");
}

/// Breaks one thing in the demonstration and names the path of the one problem that must be found.
#[track_caller]
fn check(path: &str, what: &str, break_it: impl FnOnce(&mut Config)) {
    let mut config = demo(Region::Uk);
    break_it(&mut config);
    let problems = config.check();
    assert!(
        problems.iter().any(|p| p.path == path && p.what.contains(what) && !p.hint.is_empty()),
        "looked for {path}: {what}; found {problems:#?}"
    );
}

fn extra(dialled: &str) -> ExtraNumber {
    ExtraNumber { dialled: Digits::new(dialled), send: Digits::new("999") }
}

fn plan(config: &mut Config, text: &str) {
    config.plans.insert("home".into(), Arc::new(Plan::parse(text).unwrap()));
}

#[test]
fn problems_are_named() {
    check("extension.101.plan", "no plan \"nope\"", |c| c.extensions[0].plan = Some("nope".into()));
    check("line.fxs2.port", "taken by line fxs1", |c| c.lines[1].port.port = 0);
    check("line.fxs1", "two lines fxs1", |c| c.lines[1].id = "fxs1".parse().unwrap());
    check("extension.101.line", "no line fxs9", |c| c.extensions[0].line = Some("fxs9".parse().unwrap()));
    check("extension.101.line", "is a landline", |c| c.extensions[0].line = Some("fxo1".parse().unwrap()));
    check("extension.102.line", "telephone of extension 101", |c| {
        c.extensions[1].line = c.extensions[0].line.clone()
    });
    check("extension.101", "two extensions 101", |c| c.extensions[1].id = "101".parse().unwrap());
    check("gateway.gw0", "always means the landline", |c| {
        c.gateways.push(Gateway::new("gw0".parse().unwrap(), "a.example".parse().unwrap(), "u"));
    });
    check("default_plan", "no plan", |c| c.default_plan = "nope".into());
    check("default_route", "no gateway gw4", |c| {
        c.default_route = PlanRoute::Gateway("gw4".parse().unwrap())
    });
    check("emergency.providers", "no gateway gw3", |c| c.emergency.providers.push("gw3".parse().unwrap()));
    check("emergency.providers", "no way to make an emergency call", |c| c.lines.truncate(2));
    check("extension.101", "begins with the emergency number 10", |c| c.emergency.extra.push(extra("10")));
    check("extension.101", "can never be called", |c| c.emergency.extra.push(extra("101")));
    check("extension.1122", "can never be called", |c| {
        c.emergency.country = crate::country::Country::of("PK").unwrap();
        c.extensions[0].id = "1122".parse().unwrap();
    });
    check("emergency.extra.0", "invalid number", |c| c.emergency.extra.push(extra("")));
    check("plans.home", "it bars 999", |c| plan(c, "(999!|xx.)"));
    check("plans.home", "gateway gw3, which does not exist", |c| plan(c, "(xx.<:@gw3>)"));
    check("plans.home", "character 2: <> does nothing", |c| plan(c, "(<>xx.)"));
    check("plans.home", "landline, and there is none", |c| c.lines.truncate(2));
    check("sip.rtp_ports", "invalid port range", |c| c.sip.rtp_ports = (30001, 30000));
}

#[test]
fn hosts_are_read_and_written() {
    for (text, host, port) in [
        ("sip.example.com", "sip.example.com", None),
        ("192.0.2.1:5080", "192.0.2.1", Some(5080)),
        ("[2001:db8::1]:5060", "2001:db8::1", Some(5060)),
        ("[2001:db8::1]", "2001:db8::1", None),
    ] {
        let read: HostPort = text.parse().unwrap();
        assert_eq!((read.host.as_str(), read.port), (host, port));
        assert_eq!(read.to_string(), text);
    }
    for bad in ["", ":5060", "a b", "host:0", "host:99999", "[::1", "host:5060:1", "sip:host"] {
        assert!(bad.parse::<HostPort>().is_err(), "{bad}");
    }
}
