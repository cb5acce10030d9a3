//! The verbs of the simulator: what they refuse, and sound that goes in and out.

mod bench;

use bench::*;
use ringtrip_driver_virtual::config::Config;
use ringtrip_driver_virtual::sound::{read_wav, sine, write_wav};

const BOTH: &str = r#"{"fxs":2,"fxo":1}"#;

#[test]
fn bad_requests_get_sentences() {
    let mut b = bench(BOTH);
    b.sim(r#"{"do":"lift","port":0}"#);
    for (request, part) in [
        ("", "empty"),
        ("{", "EOF"),
        (r#"{"do":"dance"}"#, "unknown variant `dance`"),
        (r#"{"port":0}"#, "missing field `do`"),
        (r#"{"do":"lift"}"#, "missing field `port`"),
        (r#"{"do":"lift","port":"a"}"#, "invalid type"),
        (r#"{"do":"lift","port":0,"hard":true}"#, "unknown field `hard`"),
        (r#"{"do":"lift","port":9}"#, "there is no port 9: this board has ports 0 to 2"),
        (r#"{"do":"lift","port":2}"#, "port 2 is an office line"),
        (r#"{"do":"office.call","port":0}"#, "port 0 is a telephone: office lines begin at port 2"),
        (r#"{"do":"press","port":1,"keys":"1"}"#, "the telephone on port 1 is on its hook"),
        (r#"{"do":"press","port":0,"keys":"1x"}"#, "'x' cannot be pressed"),
        (r#"{"do":"press","port":0,"keys":"*","how":"pulse"}"#, "'*' cannot be pressed"),
        (r#"{"do":"press","port":0,"keys":""}"#, "1 to 128"),
        (r#"{"do":"press","port":0,"keys":"1","on_ms":1}"#, "on_ms is 1"),
        (r#"{"do":"flash","port":0,"ms":5}"#, "ms is 5: use 20 to 2000"),
        (r#"{"do":"speak","port":0}"#, "nothing to say"),
        (r#"{"do":"speak","port":0,"tone":{"hz":9000,"ms":10}}"#, "20 to 3900"),
        ("{\"do\":\"speak\",\"port\":0}\nnot a wav", "not a WAV file"),
        ("{\"do\":\"lift\",\"port\":0}\nsound", "takes no sound"),
        ("{\"do\":\"lift\",\"port\":0}sound", "line feed"),
        (r#"{"do":"office.hangup","port":2}"#, "nothing to hang up"),
        (r#"{"do":"office.hangup","port":2,"how":"loudly"}"#, "unknown variant `loudly`"),
        (r#"{"do":"office.answer","port":2}"#, "nothing to answer"),
        (r#"{"do":"office.speak","port":2,"tone":{"hz":400,"ms":10}}"#, "nobody talks"),
        (r#"{"do":"office.call","port":2,"number":"12a"}"#, "invalid digit 'a'"),
        (r#"{"do":"office.call","port":2,"rings":0}"#, "rings is 0"),
        (r#"{"do":"office.subscriber","number":"12-3"}"#, "subscriber number"),
        (r#"{"do":"office.subscriber","number":"123","does":"explode"}"#, "unknown variant `explode`"),
        (r#"{"do":"office.subscriber","number":"123","volume":3}"#, "unknown field `volume`"),
        (r#"{"do":"listen","port":0,"max_ms":0}"#, "max_ms is 0"),
    ] {
        let said = b.refused(request);
        assert!(said.contains(part), "{request}: {said:?} does not say {part:?}");
    }
}

#[test]
fn bad_configurations_get_sentences() {
    for (cfg, part) in [
        ("{", "EOF"),
        (r#"{"fxs":0,"fxo":0}"#, "1 to 256 ports"),
        (r#"{"region":"mars"}"#, "\"mars\" is unknown"),
        (r#"{"ports":3}"#, "unknown field `ports`"),
        (r#"{"office":{"subscribers":[{"number":"a"}]}}"#, "subscriber number"),
        (r#"{"office":{"subscribers":[{"number":"1","loud":1}]}}"#, "unknown field `loud`"),
        (r#"{"remember_s":0}"#, "remember_s"),
    ] {
        let said = Config::parse(cfg).expect_err(cfg).to_string();
        assert!(said.contains(part), "{cfg}: {said:?} does not say {part:?}");
    }
}

#[test]
fn a_wav_file_is_said_and_the_sound_is_heard_as_a_wav_file() {
    let mut b = bench(BOTH);
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(50);
    b.heard(0);
    let mut request = br#"{"do":"speak","port":0}"#.to_vec();
    request.push(b'\n');
    request.extend(write_wav(&sine(600.0, 500, -10.0)).unwrap());
    b.ports.ask(&request).unwrap();
    b.tx[0] = sine(900.0, 500, -10.0);
    b.run(500);
    assert!((level_at(&b.heard(0), 600.0) + 10.0).abs() < 0.5);
    let answer = b.ports.ask(br#"{"do":"listen","port":0,"since":400,"max_ms":500}"#).unwrap();
    let cut = answer.iter().position(|c| *c == b'\n').unwrap();
    let json: serde_json::Value = serde_json::from_slice(&answer[..cut]).unwrap();
    assert_eq!(
        (json["from"].as_u64(), json["to"].as_u64(), json["total"].as_u64()),
        (Some(400), Some(4400), Some(4400))
    );
    let heard = read_wav(&answer[cut + 1..]).unwrap();
    assert!((level_at(&heard, 900.0) + 10.0).abs() < 0.5);
    let raw = b.ports.ask(br#"{"do":"listen","port":0,"since":4390,"format":"raw"}"#).unwrap();
    let cut = raw.iter().position(|c| *c == b'\n').unwrap();
    assert_eq!(raw.len() - cut - 1, 20);
}

#[test]
fn subscribers_can_be_added_while_the_board_runs() {
    let mut b = bench(BOTH);
    b.sim(r#"{"do":"office.subscriber","number":"1","does":"busy"}"#);
    b.sim(r#"{"do":"office.subscriber","port":2,"number":"1","does":"never"}"#);
    b.cmd(2, ringtrip_driver::Command::Hook(true)).run(400);
    b.cmd(2, ringtrip_driver::Command::Pulse { digits: "1".into(), make_ms: 0, break_ms: 0, gap_ms: 0 })
        .run(1000);
    assert_eq!(b.sim(r#"{"do":"state","port":2}"#)["office"], "nothing");
}

#[test]
fn the_state_of_all_ports_is_one_answer() {
    let mut b = bench(BOTH);
    let all = b.sim(r#"{"do":"state"}"#);
    let kinds: Vec<&str> =
        all["ports"].as_array().unwrap().iter().map(|p| p["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["fxs", "fxs", "fxo"]);
}
