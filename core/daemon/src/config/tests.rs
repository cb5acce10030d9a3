use std::time::Duration;

use ringtrip_config::{DemoSecrets, Inbound, LineKind, Region};
use ringtrip_exchange::route::Target;

use super::*;

fn secrets() -> DemoSecrets {
    DemoSecrets { first: "first-secret".into(), second: "second-secret".into() }
}

#[test]
fn the_first_document_means_the_demonstration() {
    for region in [Region::Us, Region::Uk] {
        let (config, faults) = read(&default_toml(region, &secrets())).unwrap();
        assert_eq!(faults, []);
        assert_eq!(config, Config::demo(region, secrets()));
    }
}

/// The document must be refused with exactly these faults, each `line:column: …` by its beginning.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let faults = match read(text) {
        Ok((_, faults)) | Err(faults) => faults,
    };
    let shown: Vec<String> = faults.iter().map(|f| f.to_string()).collect();
    // Without plans and lines there is always something to say about the whole; only what has a place counts here.
    let found: Vec<&String> = shown.iter().filter(|s| !s.starts_with("1:1:")).collect();
    let right = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.contains(e));
    assert!(right, "expected {expected:#?}\nfound {shown:#?}");
    assert!(faults.iter().all(|f| !f.what.is_empty() && !f.hint.is_empty()), "{shown:#?}");
}

#[test]
fn faults_have_a_place_and_a_way_out() {
    check(
        "\nregion = \"mars\"\n",
        &["2:10: error: region: \"mars\" is not known; it is one of \"us\", \"uk\""],
    );
    check(
        "\n[extension.101]\nnmae = \"Ann\"\n",
        &["3:1: error: extension.101.nmae: unknown setting \"nmae\"; did you mean \"name\"?"],
    );
    check(
        "\n[extensoin.101]\nname = \"Ann\"\n",
        &["2:2: error: extensoin: unknown section \"extensoin\"; did you mean \"extension\"?"],
    );
    check(
        "\n[extension.101]\nring_time = 30\n",
        &["3:13: error: extension.101.ring_time: 30 has no unit; seconds? then write ring_time = \"30s\""],
    );
    check(
        "\n[extension.101]\nring_time = \"soon\"\n",
        &["3:13: error: extension.101.ring_time: invalid time \"soon\""],
    );
    check(
        "\n[gateway.gw1]\nserver = \"a.example\"\nuser = \"u\"\nanswer_within = \"100ms\"\n",
        &["5:17: error: gateway.gw1.answer_within: it is shorter than half a second"],
    );
    check(
        "\n[sip]\nname_servers = [\"192.0.2.53\", \"ns.example\"]\n",
        &["3:31: error: sip.name_servers: invalid IP address \"ns.example\""],
    );
    check(
        "\n[extension.101]\nring_time = \"off\"\n",
        &["3:13: error: extension.101.ring_time: this cannot be off"],
    );
    check(
        "\n[extension.101]\npassword = 1234\n",
        &[
            "3:12: error: extension.101.password: a number is not a string; write it in quotes: password = \"1234\"",
        ],
    );
    check(
        "\n[extension.101]\npassword = \"***\"\n",
        &["3:12: error: extension.101.password: this is the hidden form"],
    );
    check(
        "\n[extension.101]\nmax_contacts = 99\n",
        &["3:16: error: extension.101.max_contacts: 99 is out of range; a whole number from 0 to 20"],
    );
    check(
        "\n[line.fxs1]\nport = \"virtual\"\nkind = \"fxs\"\n",
        &[
            "3:8: error: line.fxs1.port: invalid port \"virtual\"; expected \"virtual:0\": the board's name and its port, from 0",
        ],
    );
    check("\n[line.fxs1]\nport = \"virtual:0\"\n", &["2:7: error: line.fxs1.kind: kind is missing"]);
    check(
        "\n[gateway.gw1]\nserver = \"a b\"\nuser = \"u\"\n",
        &["3:10: error: gateway.gw1.server: \"a b\" is not a host"],
    );
    check(
        "\n[gateway.gw1]\nserver = \"a.example\"\n",
        &["2:10: error: gateway.gw1.user: a gateway that registers needs a user"],
    );
    check(
        "\n[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"sctp:0.0.0.0:5060\"]\n",
        &["3:31: error: sip.listen: transport \"sctp\" is not known"],
    );
    check("\n[sip]\nrtp_ports = \"all\"\n", &["3:13: error: sip.rtp_ports: invalid range \"all\""]);
    check("\n[media]\nworkers = 0\n", &["3:11: error: media.workers: 0 is out of range"]);
    check("\n[emergency]\ncountry = \"XX\"\n", &["3:11: error: emergency.country: unknown country \"XX\""]);
    check("\nwithhold = true\n", &["2:1: error: withhold: unknown setting \"withhold\"; known here: "]);
    check("\n[line]\nfxs1 = 3\n", &["3:1: error: line.fxs1: expected a section, found a number"]);
    check("\n[http]\nlisten = \"here\"\n", &["3:10: error: http.listen: invalid address \"here\""]);
    check(
        "\n[http]\ntrusted_proxy = \"10.0.0.0/40\"\n",
        &["3:17: error: http.trusted_proxy: \"10.0.0.0/40\" is neither an IP address nor a network"],
    );
}

#[test]
fn broken_syntax_is_placed() {
    for (text, place) in [
        ("region = \"us\"\nname = Ann\n", "2:8"),
        ("region = \"us\"\n[extension.101\nname = \"a\"\n", "2:"),
        ("region = \"us\"\nregion = \"uk\"\n", "2:1"),
        ("a = \"unended\nb = 1\n", "1:"),
    ] {
        let faults = read(text).unwrap_err();
        let shown = report("draft.toml", &faults);
        assert!(shown.starts_with(&format!("draft.toml:{place}")), "{place}: {shown}");
        assert!(!faults[0].hint.is_empty());
    }
}

#[test]
fn all_faults_come_at_once() {
    let text = "regoin = \"us\"\n[extension.101]\nmax_contacts = \"many\"\nring_time = 3\n[line.x]\nkind = \"fxz\"\n";
    let faults = read(text).unwrap_err();
    let places: Vec<_> = faults.iter().map(|f| f.line).collect();
    assert_eq!(places, [1, 3, 4, 5, 6], "{}", report("x", &faults));
}

#[test]
fn what_does_not_fit_together_is_placed_too() {
    let text = default_toml(Region::Uk, &secrets()).replace("line = \"fxs2\"", "line = \"fxs7\"");
    let faults = read(&text).unwrap_err();
    let at = text[..text.find("\"fxs7\"").unwrap()].matches('\n').count() + 1;
    assert_eq!((faults[0].line, faults[0].column), (at, 8), "{}", report("x", &faults));
    assert!(faults[0].what.contains("no line fxs7"));
}

#[test]
fn values_arrive() {
    let text = default_toml(Region::Us, &secrets())
        + "[gateway.gw1]\nserver = \"sip.example.com:5080\"\nuser = \"me\"\npassword = \"hush\"\nexpires = \"1h30m\"\n\
           options_interval = \"off\"\ninbound = [\"101\", \"fxs2\"]\n[gateway.gw1.dids]\n\"5551\" = \"refuse\"\n\
           5552 = { number = \"101\" }\n[limits]\ncall_length = \"2h\"\n";
    let (config, _) = read(&text).unwrap_or_else(|f| panic!("{}", report("x", &f)));
    let g = &config.gateways[0];
    assert_eq!((g.server.port, g.expires, g.options_interval), (Some(5080), Duration::from_secs(5400), None));
    let ring = [Target::Extension("101".parse().unwrap()), Target::Line("fxs2".parse().unwrap())];
    assert_eq!(g.inbound, Inbound::Ring(ring.to_vec()));
    assert_eq!(g.dids.len(), 2);
    assert_eq!(g.dids[0].1, Inbound::Refuse);
    assert_eq!(config.limits.call_length, Some(Duration::from_secs(7200)));
    let text = text.replace("[line.fxs2]\n", "[line.fxs2]\nring1 = \"60(1/2)\"\nhook_flash_min = \"80ms\"\n");
    let (config, _) = read(&text).unwrap_or_else(|f| panic!("{}", report("x", &f)));
    let LineKind::Fxs(fxs) = &config.lines[1].kind else { panic!() };
    assert_eq!(
        (fxs.rings[0].cadence.as_slice(), fxs.hook_flash_min),
        (&[(1000, 2000)][..], Duration::from_millis(80))
    );
}

#[test]
fn nobody_sees_a_password() {
    let text = default_toml(Region::Us, &secrets())
        + "[gateway.gw1]\nserver = \"a\"\nuser = \"u\"\npassword = \"hush\"\n[plans.x]\na = \"(<:@h;uid=u;pwd=hush2>)\"\n";
    let hidden = redact(&text, Viewer::Administrator);
    for secret in ["first-secret", "second-secret", "hush", "hush2"] {
        assert!(text.contains(secret) && !hidden.contains(secret), "{secret}: {hidden}");
    }
    assert_eq!(hidden.lines().count(), text.lines().count());
    assert!(!redact("[broken\npassword = \"hush\"", Viewer::Administrator).contains("hush"));
}

#[test]
fn proxies_are_addresses_and_networks() {
    let proxies = "[http]\ntrusted_proxy = [\"192.168.1.7\", \"fd00::/8\"]\n";
    let text = default_toml(Region::Us, &secrets()).replace("[http]\n", proxies);
    let (config, _) = read(&text).unwrap_or_else(|f| panic!("{}", report("x", &f)));
    let trusts = |ip: &str| config.is_trusted_proxy(ip.parse().unwrap());
    assert!(trusts("192.168.1.7") && trusts("fd00::1") && !trusts("192.168.1.8"));
}

#[test]
fn nobody_sees_a_password_however_it_is_written() {
    for text in [
        "[extension.201]\n\"pass\\u0077ord\" = 'SECRET'",
        "[extension.201]\npassword = \"\"\"\nSECRET\"\"\"\n",
        "extension.201.password = \"\\u0053ECRET\"",
        "extension = { 201 = { password = \"SECRET\", name = \"x\" } }",
        "[extension.201]\npassword = [\"SECRET\"]",
        "[extension.201]\npassword = { text = \"SECRET\" }",
        "[extension.201.password]\ntext = \"SECRET\"",
        "[plans]\nhome = \"(xx.<:@h;uid=u;pwd = SECRET>)\"",
        "[plans]\nhome = \"(xx.<:@h;uid=u; P w d=\\u0053ECRET;nat>)\"",
        "[plans]\nhome = '''\n(xx.<:@h;p\nwd=SECRET>)'''",
        "[line.fxs1]\nplan = \"(xx.<:@h;pwd=SECRET>)\"",
        "[extension.201]\npassword = \"\\u0053ECRET\"   # SECRET",
        "[extension.201]\n# was x7x7\n# before: SECRET\npassword = \"hush1\"",
        "[extension.201]\n# password = \"SECRET\"",
        "# The P A S S W O R D of the hall: SECRET",
        "[extension.201]\npassword = \"SECRET\"\n\n[line.fxs1]\n# SECRET is of the hall telephone, too.\nkind = \"fxs\"",
        "[plans] # <:@h;pwd=SECRET>\n",
        "broken = [\npassword = \"\"\"\nSECRET\"\"\"",
        "broken = \npassword\n= \"SECRET\"\n# SECRET\n[SECRET'",
    ] {
        for viewer in [Viewer::Administrator, Viewer::Reader] {
            let hidden = redact(text, viewer);
            assert!(!hidden.contains("ECRET"), "{text}\n->\n{hidden}");
        }
    }
    // What is no secret stays as it was written, and a document that was one stays one.
    let text = "# Hall.\nname = 'a # b' # of the hall\nx = \"\\\"# no\"\ny = '''# it''s'''\npassword = 'SECRET' # x\n";
    assert_eq!(redact(text, Viewer::Reader), text.replace("'SECRET' # x", "\"***\" # ***"));
    let board = "[board.b]\ndriver = \"d\"\nsettings = { host = \"h\", key = \"SECRET\" } # SECRET\n";
    assert!(redact(board, Viewer::Administrator).contains("key = \"SECRET\""));
    let hidden = redact(board, Viewer::Reader);
    assert!(!hidden.contains("SECRET") && hidden.contains("settings = { host = \"***\", key = \"***\" }"));
}

/// Applying a comparison to the old gives the new, and reading only the old side gives the old.
#[test]
fn comparisons_are_true() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..300 {
        let mut text = || (0..random(12)).map(|_| format!("{}\n", random(4))).collect::<String>();
        let (old, new) = (text(), text());
        let lines = diff(&old, &new);
        let side = |not: char| {
            lines.iter().filter(|l| l.op != not).map(|l| format!("{}\n", l.text)).collect::<String>()
        };
        assert_eq!((side('+'), side('-')), (old, new));
    }
    let lines = diff("a\nb\nc\n", "a\nx\nc\n");
    let ops: String = lines.iter().map(|l| l.op).collect();
    assert_eq!(ops, " -+ ");
    assert_eq!(summary(&lines), "1 lines added, 1 removed");
}

#[test]
fn times_are_read() {
    let ms = |n| Some(Duration::from_millis(n));
    for (text, time) in [
        ("10s", ms(10_000)),
        ("250ms", ms(250)),
        ("1.5s", ms(1500)),
        ("1h30m", ms(5_400_000)),
        ("2 s", None),
        ("", None),
        ("s", None),
        ("10", None),
        ("-1s", None),
        ("99999999999999999999999d", None),
    ] {
        assert_eq!(super::read::duration(text), time, "{text}");
    }
}

#[test]
fn no_input_panics() {
    let text = default_toml(Region::Uk, &secrets());
    for cut in (0..text.len()).filter(|i| text.is_char_boundary(*i)).step_by(7) {
        let _ = read(&text[..cut]);
        let _ = redact(&text[..cut], Viewer::Reader);
    }
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(read(&deep).is_err());
    assert!(read(&"x".repeat(MAX + 1)).is_err());
}

#[test]
fn name_servers_have_a_port_if_it_is_not_53() {
    let text = default_toml(Region::Us, &secrets());
    let text = text.replacen(
        "[sip]\n",
        "[sip]\nname_servers = [\"192.0.2.53\", \"127.0.0.1:5353\", \"::1\", \"[::1]:5353\"]\n",
        1,
    );
    let (config, _) = read(&text).unwrap_or_else(|f| panic!("{}", report("x", &f)));
    let servers: Vec<String> = config.sip.name_servers.iter().map(|s| s.to_string()).collect();
    assert_eq!(servers, ["192.0.2.53:53", "127.0.0.1:5353", "[::1]:53", "[::1]:5353"]);
}

#[test]
fn scripts_pins_holidays_and_numbering_are_read() {
    let text = "region = \"uk\"\nscript = \"house\"\ntime_zone = \"Europe/London\"\n\
        [scripts]\nhouse = \"house.rhai\"\nnight = \"sub/night.rhai\"\n\
        [plans]\nhome = \"(xx.)\"\n\
        [extension.201]\npassword = \"x\"\nscript = \"night\"\n\
        [gateway.gw1]\nserver = \"a.example\"\nuser = \"u\"\npassword = \"p\"\ninbound_script = \"in.rhai\"\n\
        outbound_script = \"night\"\ninbound_plan = \"home\"\noutbound_plan = \"home\"\n\
        [line.fxs9]\nkind = \"fxs\"\nport = \"virtual:7\"\nscript = \"night\"\n\
        [pin.anna]\ncode = \"4711\"\nplan = \"home\"\nscript = \"house\"\n\
        [numbering]\narea = \"1480\"\nlocal = \"5-6\"\n\
        [holidays.days]\n2026-05-04 = \"Early May\"\n12-25 = \"Christmas\"\n";
    let (config, _) = read(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(config.script.as_deref(), Some("scripts/house.rhai"));
    assert_eq!(config.time_zone.as_deref(), Some("Europe/London"));
    let files: Vec<&str> = config.script_files().into_iter().collect();
    assert_eq!(files, ["scripts/house.rhai", "scripts/in.rhai", "sub/night.rhai"]);
    assert_eq!(config.extension("201").and_then(|e| e.script.as_deref()), Some("sub/night.rhai"));
    let gateway = &config.gateways[0];
    assert_eq!(gateway.inbound_script.as_deref(), Some("scripts/in.rhai"));
    assert_eq!(
        (gateway.inbound_plan.as_deref(), gateway.outbound_plan.as_deref()),
        (Some("home"), Some("home"))
    );
    assert_eq!(config.lines[0].script.as_deref(), Some("sub/night.rhai"));
    let pin = config.pin_entered("4711").expect("the PIN");
    assert_eq!((pin.name.as_str(), pin.script.as_deref()), ("anna", Some("scripts/house.rhai")));
    assert_eq!((config.numbering.country.as_str(), config.numbering.area.as_str()), ("44", "1480"));
    assert_eq!(config.numbering.local, (5, 6));
    let at = |year, month, day| ringtrip_exchange::route::WallTime { year, month, day, ..Default::default() };
    assert_eq!(config.holiday(&at(2026, 5, 4)), Some("Early May"));
    assert_eq!(config.holiday(&at(2031, 12, 25)), Some("Christmas"));
    assert_eq!(config.holiday(&at(2027, 5, 4)), None);
    let hidden = redact(text, Viewer::Administrator);
    assert!(hidden.contains("code = \"***\"") && !hidden.contains("4711"));
}

#[test]
fn faults_of_routing_have_a_place_and_a_way_out() {
    check(
        "\n[scripts]\nnight = \"../night.rhai\"\n",
        &["3:9: error: scripts.night: invalid script file \"../night.rhai\""],
    );
    check(
        "\n[extension.201]\npassword = \"k7GpX2mQ9vTz\"\nscript = \"nihgt\"\n[scripts]\nnight = \"n.rhai\"\n",
        &["4:10: error: extension.201.script: there is no script \"nihgt\"; [scripts] names: night"],
    );
    check("\n[pin.anna]\nplan = \"home\"\n", &["2:6: error: pin.anna.code: a PIN needs a code"]);
    check("\n[pin.anna]\ncode = 4711\n", &["3:8: error: pin.anna.code: a number is not a string"]);
    check("\n[pin.anna]\ncode = \"***\"\n", &["3:8: error: pin.anna.code: this is the hidden form"]);
    check(
        "\n[holidays.days]\n2026-13-01 = \"x\"\n",
        &["3:14: error: holidays.days.2026-13-01: invalid date 2026-13-01"],
    );
    check("\n[holidays]\nics = \"no-such-file.ics\"\n", &["3:7: error: holidays.ics: no-such-file.ics: "]);
    check(
        "\n[numbering]\ncountry = \"+44\"\n",
        &["3:11: error: numbering.country: \"+44\" is not at most 3 digits"],
    );
    check("\ntime_zone = \"Mars/Olympus\"\n", &["2:13: error: time_zone: unknown time zone"]);
}

#[test]
fn the_failover_table_is_read() {
    use ringtrip_config::Rule;
    use ringtrip_model::party::Cause;

    let text =
        default_toml(Region::Uk, &secrets()) + "\n[failover]\nno-answer = \"next\"\nfailure = \"stop\"\n";
    let (config, faults) = read(&text).unwrap();
    assert_eq!(faults, []);
    assert_eq!(config.failover.rule(Cause::NoAnswer), Rule::Next);
    assert_eq!(config.failover.rule(Cause::Failure), Rule::Stop);
    assert_eq!(config.failover.rule(Cause::Busy), Rule::Stop, "as usual");
    check(
        "[failover]\nbusy = \"perhaps\"\nbusi = \"next\"\n",
        &[
            "2:8: error: failover.busy: \"perhaps\" is not known; it is one of \"next\", \"stop\"",
            "3:1: error: failover.busi: unknown setting \"busi\"; did you mean \"busy\"?",
        ],
    );
}

#[test]
fn a_gateway_may_be_a_plugins_alone() {
    let text = default_toml(Region::Uk, &secrets())
        + "\n[gateway.gw3]\nplugin = \"gateway-callingcard\"\n\
           [gateway.gw1]\nserver = \"sip.example.com\"\nuser = \"me\"\nregister = false\nplugin = \"numbers\"\n";
    let (config, _) = read(&text).unwrap();
    let plugin = |id: &str| config.plugin_of(&id.parse().unwrap());
    assert_eq!((plugin("gw1"), plugin("gw3")), (Some("numbers"), Some("gateway-callingcard")));
    assert_eq!((config.gateways.len(), config.plugin_gateways.len()), (1, 1));
    check("[gateway.gw3]\nuser = \"me\"\n", &["gateway.gw3.server: a gateway needs a server"]);
    check("[gateway.gw3]\nplugin = \"x\"\npasword = \"y\"\n", &["3:1: error: gateway.gw3.pasword: unknown"]);
    check("[gateway.gw0]\nplugin = \"x\"\n", &["gw0 always means the landline"]);
}

#[test]
fn costs_and_limits_are_read_with_their_places() {
    let good = "\n[gateway.gw1]\nserver = \"a.example\"\nuser = \"u\"\ndecks = [\"night\", \"gw1\"]\nmax_calls = 3\n\
                [rates]\ncurrency = \"GBP\"\ntolerance = 10\ncall_length = \"5m\"\nlandline = [\"line\"]\n\
                exchange = { USD = \"0.8\" }\n\
                [[bundle]]\ngateway = \"gw1\"\nprefixes = [\"44\"]\nminutes = 500\nsteps = \"60/60\"\n\
                [money]\nleast = \"60s\"\n\
                [[money.limit]]\namount = \"5\"\nper = \"day\"\nextension = \"each\"\nhours = \"Sat-Sun\"\n\
                [[money.limit]]\nname = \"mobile\"\namount = \"1.5\"\nper = \"call\"\nprefixes = [\"447\"]\n\
                [plans]\nhome = \"(xx.)\"\n[extension.201]\npassword = \"made-up\"\n";
    let (config, _) = read(good).unwrap();
    let rates = &config.rates;
    let gw1 = rates.offered.get(&"gw1".parse().unwrap()).unwrap();
    assert_eq!((gw1.decks.len(), gw1.max_calls), (2, Some(3)));
    assert_eq!(rates.offered.get(&"gw0".parse().unwrap()).unwrap().decks, ["line"]);
    assert_eq!(
        (rates.settings.currency.as_str(), rates.settings.tolerance, rates.call_length),
        ("GBP", 10, 300)
    );
    assert_eq!((rates.bundles[0].seconds, rates.bundles[0].steps.first), (30_000, 60));
    assert_eq!((rates.limiter.least, rates.limiter.currency.as_str()), (60, "GBP"));
    assert_eq!((&*rates.limiter.limits[0].name, rates.limiter.limits[0].amount.0), ("limit 1", 5_000_000));
    assert_eq!(rates.limiter.limits[1].class.as_deref(), Some("mobile"));

    check(
        "\n[rates]\ncurrency = \"euros\"\n",
        &["3:12: error: rates.currency: invalid currency \"euros\": expected its three letters, as in EUR"],
    );
    check(
        "\n[rates]\nexchange = { USD = \"dear\" }\n",
        &["3:20: error: rates.exchange.USD: 'd' cannot stand in an amount"],
    );
    check(
        "\n[gateway.gw1]\nserver = \"a.example\"\nuser = \"u\"\ndecks = [\"../x\"]\n",
        &["5:10: error: gateway.gw1.decks: invalid deck name \"../x\""],
    );
    check(
        "\n[[bundle]]\ngateway = \"gw5\"\nprefixes = [\"44\"]\nminutes = 5\n",
        &["3:11: error: bundle.1.gateway: there is no gateway gw5"],
    );
    check(
        "\n[[bundle]]\ngateway = \"gw0\"\nprefixes = [\"+44\"]\nminutes = 5\n",
        &["4:13: error: bundle.1.prefixes: '+' cannot stand in a prefix"],
    );
    check(
        "\n[[money.limit]]\nper = \"day\"\n\n[[money.limit]]\namount = \"1\"\nper = \"year\"\n",
        &[
            "2:1: error: money.limit.1.amount: a limit needs an amount",
            "7:7: error: money.limit.2.per: \"year\" is not known",
        ],
    );
    check(
        "\n[[money.limit]]\namount = \"1\"\nper = \"day\"\nextension = \"999\"\n",
        &["5:13: error: money.limit.1.extension: there is no extension 999"],
    );
    check(
        "\n[[money.limit]]\namount = \"1\"\nper = \"day\"\nhours = \"Noday\"\n",
        &["5:9: error: money.limit.1.hours: invalid weekday \"Noday\""],
    );
    check(
        "\n[money]\nlimit = 5\n",
        &["3:9: error: money.limit: expected a list of sections, found a number"],
    );
}

#[test]
fn a_password_that_is_soon_guessed_is_warned_of() {
    let with = |password: &str| format!("\n[extension.201]\nname = \"hall\"\npassword = \"{password}\"\n");
    for weak in ["4711", "1234567890123", "aaaaaaaaaaaa", "secret"] {
        check(&with(weak), &["4:12: warning: extension.201.password: the password can be guessed"]);
    }
    for own in ["201", "Hall"] {
        check(&with(own), &["warning: extension.201.password: the password is the extension's own name"]);
    }
    check(&with("k7GpX2mQ9vTz"), &[]);
}

#[test]
fn networks_around_the_exchange_are_read() {
    use ringtrip_config::{External, KeepAliveBy};
    let sip = |lines: &str| {
        let text = format!("{}\n", default_toml(Region::Us, &secrets()));
        let text = match text.contains("[sip]") {
            true => text.replacen("[sip]", &format!("[sip]\n{lines}"), 1),
            false => format!("{text}[sip]\n{lines}\n"),
        };
        let (config, faults) = read(&text).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(faults, [], "{lines}");
        config.sip
    };
    assert_eq!(sip("external = \"203.0.113.5\"").external, Some(External::Address([203, 0, 113, 5].into())));
    assert_eq!(
        sip("external = \"pbx.example.net\"").external,
        Some(External::Name("pbx.example.net".to_owned()))
    );
    assert_eq!(sip("external = \"learn\"").external, Some(External::Learned));
    let networks = sip("local_networks = [\"192.168.0.0/16\", \"198.51.100.7\"]").local_networks;
    let networks = networks.expect("they were named");
    assert_eq!(
        networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.168.0.0/16", "198.51.100.7/32"]
    );
    let kept = sip("keep_alive = \"crlf\"\nkeep_alive_interval = \"20s\"");
    assert_eq!((kept.keep_alive, kept.keep_alive_interval), (KeepAliveBy::Crlf, Duration::from_secs(20)));

    let bad = |line: &str, what: &str| check(&format!("\n[sip]\n{line}\n"), &[what]);
    bad(
        "external = \"203.0.113\"",
        "3:12: error: sip.external: \"203.0.113\" is neither an IP address nor a host name",
    );
    bad("external = \"0.0.0.0\"", "sip.external: \"0.0.0.0\" is neither");
    bad("external = \"pbx.example.net:5060\"", "sip.external");
    bad("local_networks = [\"192.168.0.0/33\"]", "is neither an IP address nor a network");
    bad("keep_alive = \"ping\"", "it is one of \"options\", \"crlf\", \"off\"");
    bad("keep_alive_interval = \"1s\"", "sip.keep_alive_interval: it is not between 5 s and 10 min");
    let gateway = |from: &str| {
        format!(
            "\n[gateway.gw1]\nserver = \"a.example\"\nuser = \"u\"\naccept_from = [\"{from}\"]\nregister = false\n"
        )
    };
    check(&gateway("198.51.100.0/24"), &[]);
    check(&gateway("198.51.100.0/40"), &["5:16: error: gateway.gw1.accept_from"]);
    check(
        &gateway("0.0.0.0/0"),
        &["5:15: warning: gateway.gw1.accept_from: 0.0.0.0/0 is a large part of the Internet"],
    );
}

#[test]
fn settings_of_lines_are_read_at_the_door() {
    let line = |kind: &str, setting: &str| {
        format!("\n[line.a]\nkind = \"{kind}\"\nport = \"virtual:0\"\n{setting}\n")
    };
    #[track_caller]
    fn refused(document: &str, fault: &str) {
        check(document, &[fault]);
    }
    let tone = "error: line.a.disconnect_tone: ";
    refused(
        &line("fxo", "disconnect_tone = \"rubbish\""),
        &format!("5:20: {tone}expected a number, found 'r'"),
    );
    refused(&line("fxo", "disconnect_tone = \"\""), &format!("5:20: {tone}expected a number, found the end"));
    refused(
        &line("fxo", "disconnect_tone = \"425@-30;10(.25/.25/2)\""),
        &format!("{tone}there is no component 2"),
    );
    refused(
        &line("fxo", "disconnect_tone = \"425@-30;*(.25/.25/1)\""),
        &format!("5:28: {tone}the duration has no end"),
    );
    refused(&line("fxo", "disconnect_tone = [\"425@-30;4(.2/.2/1)\", \"x\"]"), tone);
    refused(&line("fxo", "disconnect_tone = []"), &format!("{tone}the list is empty"));
    refused(
        &line("fxo", "on_hook_guard = \"2h\""),
        "error: line.a.on_hook_guard: 7200s is out of range; from 0ns to 60s",
    );
    refused(&line("fxo", "hook_flash = \"1ms\""), "error: line.a.hook_flash: 1ms is out of range");
    refused(&line("fxo", "min_cpc = \"1m\""), "error: line.a.min_cpc: 60s is out of range");
    refused(&line("fxo", "caller_id_fsk = \"v23\""), "error: line.a.caller_id_fsk: a landline reads both");
    refused(&line("fxo", "caller_id = \"smoke\""), "error: line.a.caller_id: \"smoke\" is not known");
    refused(&line("fxs", "ring1 = \"60(0/4)\""), "error: line.a.ring1: it never rings");
    refused(&line("fxs", "ring2 = \"10(1/1);50(.5/2)\""), "error: line.a.ring2: a ring has one section");
    refused(&line("fxs", "cpc_duration = \"5s\""), "error: line.a.cpc_duration: 5s is out of range");
    let both = "ring_through = [\"a\"]\nanswer = [\"a\"]\nanswer_delay = \"2s\"";
    let faults = read(&line("fxo", both)).unwrap_err();
    assert!(faults.iter().any(|f| f.path == "line.a.answer_delay"), "{faults:?}");
    let taken = line("fxo", "disconnect_tone = \"425@-30;10(.25/.25/1)\"");
    let (config, _) = read(&format!("default_plan = \"p\"\n[plans]\np = \"(x.)\"{taken}")).expect("a tone");
    let LineKind::Fxo(fxo) = &config.lines[0].kind else { panic!("a landline") };
    let expected =
        ringtrip_media::tone::ToneMatch { hz: [425.0; 2], least: 80_000, pairs: vec![(2_000, 2_000)] };
    assert_eq!(fxo.disconnect_tone, ringtrip_config::DisconnectTone::These(vec![expected]));
}

#[test]
fn a_line_on_a_port_of_the_other_kind_is_refused() {
    let document = |settings: &str, kind: &str, port: u16| {
        format!(
            "\n[board.b]\ndriver = \"virtual\"\nsettings = {{ {settings} }}\n[line.a]\nkind = \"{kind}\"\nport = \"b:{port}\"\n"
        )
    };
    check(&document("fxs = 1, fxo = 1", "fxs", 0), &[]);
    check(
        &document("fxs = 1, fxo = 1", "fxo", 0),
        &["7:8: error: line.a.port: line a needs a landline port (fxo), but port b:0 is a telephone port"],
    );
    check(
        &document("layout = [\"fxo\", \"fxs\"]", "fxs", 0),
        &["7:8: error: line.a.port: line a needs a telephone port"],
    );
    check(
        &document("fxs = 1, fxo = 1", "fxo", 2),
        &["7:8: error: line.a.port: line a: the board has no port b:2"],
    );
    // What another driver makes of its settings only that driver knows.
    check(&document("fxs = 1, fxo = 1", "fxo", 0).replace("\"virtual\"", "\"/opt/other.so\""), &[]);
}
