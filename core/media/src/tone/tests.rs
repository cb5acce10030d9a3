use super::*;
use crate::level;

fn tone(script: &str) -> Tone {
    Tone::parse(script).unwrap_or_else(|e| panic!("{script}: {e}"))
}

fn play(tone: &Tone, ms: usize) -> Vec<i16> {
    let mut out = vec![0; ms * 8];
    let mut generator = ToneGen::new(tone);
    // Frames of uneven length: nothing may depend on 160.
    for (n, chunk) in out.chunks_mut(37).enumerate() {
        let half = chunk.len() / (1 + n % 2);
        generator.fill(&mut chunk[..half]);
        generator.fill(&mut chunk[half..]);
    }
    out
}

/// Power of one frequency, dBm0.
fn at(samples: &[i16], hz: f32) -> f32 {
    let mut g = crate::goertzel::Goertzel::new(hz);
    samples.iter().for_each(|&s| g.push(s as f32));
    level::dbm0(g.take(samples.len()))
}

/// Times in ms at which sound begins and ends, by 5 ms.
fn edges(samples: &[i16]) -> Vec<usize> {
    let loud: Vec<bool> = samples.chunks(40).map(|c| level::of(c) > -50.0).collect();
    (0..loud.len()).filter(|&n| loud[n] != (n > 0 && loud[n - 1])).map(|n| n * 5).collect()
}

/// The fall of 3 ms belongs to the pause, so an edge may be seen 5 ms later.
fn near(seen: &[usize], expected: &[usize]) {
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    assert!(seen.iter().zip(expected).all(|(s, e)| (*e..=e + 5).contains(s)), "{seen:?}");
}

#[test]
fn scripts_of_the_manuals() {
    let check = |script: &str, components: usize, sections: usize, lasts_ms: Option<u64>| {
        let t = tone(script);
        assert_eq!(t.script().components.len(), components, "{script}");
        assert_eq!(t.script().sections.len(), sections, "{script}");
        assert_eq!(t.lasts(), lasts_ms.map(Duration::from_millis), "{script}");
    };
    check("350@-19,440@-19;10(*/0/1+2)", 2, 1, Some(10_000));
    check("350@-19,440@-19;2(.1/.1/1+2);10(*/0/1+2)", 2, 2, Some(12_000));
    check("600@-19*(.1/.1/1,.1/.1/1,.1/9.5/1)", 1, 1, None);
    check("600@-19;*(.1/.1/1,.1/.1/1,.1/9.5/1)", 1, 1, None);
    check("985@-16,1428@-16,1777@-16;20(.380/0/1,.380/0/2,.380/0/3,0/4/0)", 3, 1, Some(20_000));
    check(" 350 @ -19 , 440@-19 ; 10 ( * / 0 / 1 + 2 ) ", 2, 1, Some(10_000));
    check("600@-16;.3(.05/.05/1);", 1, 1, Some(300));
    check("300@-9,400@-9,500@-9,600@-9,700@-9,800@-9.5;1(1/0/1+2+3+4+5+6)", 6, 1, Some(1000));
}

#[test]
fn errors_say_where_and_how_to_mend() {
    let check = |script: &str, at: usize, hint: &str| {
        let e = Tone::parse(script).expect_err(script);
        assert_eq!(e.at, at, "{script}: {e}");
        assert!(e.hint.contains(hint), "{script}: {e}");
    };
    check("", 0, "frequencies");
    check("350", 3, "level");
    check("350@", 4, "dBm");
    check("350@-19", 7, "seconds");
    check("350@-19;10", 10, "section");
    check("350@-19;10(1/1)", 14, "components");
    check("350@-19;10(1/1/2)", 15, "numbered");
    check("350@-19;10(1/1/1", 16, "close");
    check("350@-19;10(0/0/1)", 11, "on or off");
    check("350@-19;10(1/1/1)x", 17, ";");
    check("5000@-19;10(1/1/1)", 0, "Hz");
    check("600@-1910(1/1/1)", 4, "missing");
    check("1@-9,2@-9,3@-9,4@-9,5@-9,6@-9,7@-9;1(1/1/1)", 30, "six");
    check(&"9".repeat(200), 127, "127");
    check("350@-19;10(1/1/ü)", 15, "numbered");
}

#[test]
fn levels_are_exact() {
    let out = play(&tone("350@-19,440@-22.5;10(*/0/1+2)"), 1100);
    let steady = &out[800..800 + 8000];
    assert!((at(steady, 350.0) + 19.0).abs() < 0.02, "{}", at(steady, 350.0));
    assert!((at(steady, 440.0) + 22.5).abs() < 0.02, "{}", at(steady, 440.0));
    assert!(at(steady, 500.0) < -90.0);
}

#[test]
fn cadence_is_kept_and_the_tone_ends() {
    let busy = tone("480@-19,620@-19;2(.5/.25/1+2)");
    near(&edges(&play(&busy, 3000)), &[0, 500, 750, 1250, 1500, 2000]);
    let mut generator = ToneGen::new(&busy);
    let mut frame = [0; 160];
    let going = (0..200).take_while(|_| generator.fill(&mut frame) == Play::Going).count();
    assert_eq!(going, 99, "2 s are 100 frames, the last of which ends it");
    generator.fill(&mut frame);
    assert_eq!(frame[24..], [0; 136], "the fall takes 3 ms");
}

#[test]
fn sections_follow_each_other_and_silence_is_a_component() {
    let t = tone("350@-19;1(.1/.1/1);*(0/.3/0,.2/.1/1)");
    let expected = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1300, 1500, 1900, 2100];
    near(&edges(&play(&t, 2300)), &expected);
}

#[test]
fn segments_that_touch_change_the_frequency() {
    let out = play(&tone("985@-16,1428@-16,1777@-16;20(.380/0/1,.380/0/2,.380/0/3,0/4/0)"), 1500);
    for (ms, hz) in [(50, 985.0), (430, 1428.0), (810, 1777.0)] {
        assert!((at(&out[ms * 8..(ms + 300) * 8], hz) + 16.0).abs() < 0.1, "{hz}");
    }
}

/// A tone alone never jumps; what would be a click shows as a step larger than its sines can make.
#[test]
fn replacing_a_tone_does_not_click() {
    let scripts = ["350@-10,440@-10;*(*/0/1+2)", "440@-10,480@-10;*(.03/.02/1+2)", "2600@-10;*(*/0/1)"];
    let mut generator = ToneGen::silent();
    let mut out = vec![0i16; 0];
    for n in 0..60 {
        generator.play(&tone(scripts[n % 2]));
        let start = out.len();
        out.resize(start + 97 + n * 3, 0);
        generator.fill(&mut out[start..]);
    }
    generator.stop();
    let start = out.len();
    out.resize(start + 200, 0);
    generator.fill(&mut out[start..]);
    let a = level::amplitude(-10.0);
    // Slopes of the tone (each sine at most 2π·480/8000·a) times the few that may overlap, plus the ramps of 3 ms.
    let most = 4.0 * (0.377 * a + a / 24.0);
    let worst = out.windows(2).map(|w| (w[1] as f32 - w[0] as f32).abs()).fold(0.0, f32::max);
    assert!(worst < most, "{worst} ≥ {most}");
    assert_eq!(out[out.len() - 50..], [0; 50]);
}

#[test]
fn an_unchecked_script_cannot_hang_the_player() {
    let silent = Segment { on: Some(0), off: Some(0), which: 1 };
    let sections = vec![
        Section { lasts: None, segments: vec![] },
        Section { lasts: Some(80), segments: vec![silent] },
        Section { lasts: None, segments: vec![silent; 3] },
    ];
    let t = Tone::from_parts(Script {
        components: vec![Component { hz: 400.0, dbm0: 0.0 }],
        sections,
        sweep: None,
    });
    assert_eq!(ToneGen::new(&t).fill(&mut [0; 160]), Play::Ended);
}

fn heard(wanted: &str, audio: &[i16]) -> Vec<usize> {
    let mut d = ToneDetector::new(&ToneMatch::parse(wanted).unwrap_or_else(|e| panic!("{wanted}: {e}")));
    audio.chunks(80).enumerate().filter(|(_, c)| d.push(c)).map(|(n, _)| n * 10).collect()
}

#[test]
fn disconnect_tones_of_the_presets() {
    let check = |wanted: &str, played: &str, from: usize, to: usize| {
        for start in [0, 333] {
            let mut audio = vec![0; start * 8];
            audio.extend(play(&tone(played), 9000));
            let at = heard(wanted, &audio);
            assert_eq!(at.len(), 1, "{wanted} in {played}: {at:?}");
            assert!((from + start..=to + start).contains(&at[0]), "{wanted} in {played}: {at:?}");
        }
    };
    check("480@-30,620@-30;4(.25/.25/1+2)", "480@-19,620@-19;10(.25/.25/1+2)", 3900, 4300);
    check("480@-30,620@-30;4(.25/.25/1+2)", "480@-35,620@-30;10(.265/.24/1+2)", 3900, 4300);
    check("400@-30,400@-30;2(3/0/1+2)", "400@-20;10(*/0/1)", 1950, 2100);
    check("440@-30,440@-30;2(.5/.5/1+2)", "440@-20;10(.5/.5/1)", 1900, 2600);
    check("425@-30,425@-30;2(.2/.2/1+2)", "425@-20;10(.2/.2/1)", 1900, 2300);
    check(
        "425@-30,425@-30;2(.2/.2/1+2,.2/.2/1+2,.2/.6/1+2)",
        "425@-9;9(.2/.2/1,.2/.2/1,.2/.6/1)",
        1900,
        3500,
    );
}

#[test]
fn a_tone_of_one_frequency_is_that_frequency() {
    // Busy tones as the vendor's regional list has them.
    for (country, wanted, played) in [
        ("Sweden, Norway", "425@-30;10(.25/.25/1)", "425@-16;20(.25/.25/1)"),
        ("Spain", "425@-30;4(.2/.2/1)", "425@-16;10(.2/.2/1)"),
        ("Portugal, Poland", "425@-30;5(.5/.5/1)", "425@-16;20(.5/.5/1)"),
        ("Denmark", "425@-30;4(.25/.25/1)", "425@-25;20(.25/.25/1)"),
        ("New Zealand", "400@-30;4(.5/.5/1)", "400@-16;20(.5/.5/1)"),
        ("Australia", "425@-30;3(.375/.375/1)", "425@-16;20(.375/.375/1)"),
        ("written twice", "425@-30,425@-30;4(.25/.25/1+2)", "425@-16;20(.25/.25/1)"),
        ("one of the two that are named", "480@-30,620@-30;2(.25/.25/2)", "620@-16;20(.25/.25/1)"),
    ] {
        assert_eq!(heard(wanted, &play(&tone(played), 14_000)).len(), 1, "{country}");
        let other = played.replacen("425", "480", 1).replacen("400@", "450@", 1).replacen("620", "480", 1);
        assert_eq!(heard(wanted, &play(&tone(&other), 14_000)), [] as [usize; 0], "{country}: {other}");
    }
}

#[test]
fn five_per_cent_off_is_the_same_tone() {
    let us = "480@-30,620@-30;4(.25/.25/1+2)";
    for percent in [-5.0, -3.5, -2.0, -1.0, 1.0, 2.5, 4.0, 5.0f32] {
        let at = |hz: f32| (hz * (1.0 + percent / 100.0) * 10.0).round() / 10.0;
        for level in [-9, -19, -35] {
            let played = format!("{}@{level},{}@{level};20(.25/.25/1+2)", at(480.0), at(620.0));
            assert_eq!(heard(us, &play(&tone(&played), 9_000)).len(), 1, "{played}");
            let crossed = format!("{}@{level},{}@{level};20(.25/.25/1+2)", at(480.0), at(620.0) - percent);
            assert_eq!(heard(us, &play(&tone(&crossed), 9_000)).len(), 1, "{crossed}");
            let single = format!("{}@{level};20(.25/.25/1)", at(425.0));
            assert_eq!(heard("425@-30;4(.25/.25/1)", &play(&tone(&single), 9_000)).len(), 1, "{single}");
        }
    }
    for far in [
        "425@-19,540@-19;20(.25/.25/1+2)",
        "480@-19,700@-19;20(.25/.25/1+2)",
        "400@-19,620@-19;20(.25/.25/1+2)",
    ] {
        assert_eq!(heard(us, &play(&tone(far), 9_000)), [] as [usize; 0], "{far}");
    }
}

#[test]
fn other_tones_are_not_disconnect() {
    let check = |wanted: &str, played: &str| {
        assert_eq!(heard(wanted, &play(&tone(played), 9500)), [] as [usize; 0], "{wanted} in {played}");
    };
    let us = "480@-30,620@-30;4(.25/.25/1+2)";
    check(us, "480@-19,620@-19;10(.5/.5/1+2)");
    check(us, "440@-19,480@-19;*(2/4/1+2)");
    check(us, "350@-19,440@-19;10(*/0/1+2)");
    check(us, "480@-19;10(.25/.25/1)");
    check(us, "480@-19,620@-19;10(*/0/1+2)");
    check(us, "480@-19,620@-19;3(.25/.25/1+2)");
    check(us, "480@-60,620@-60;10(.25/.25/1+2)");
    check("400@-30,400@-30;2(3/0/1+2)", "400@-20,450@-20;*(.4/.2/1+2,.4/2/1+2)");
    check("400@-30,400@-30;2(3/0/1+2)", "350@-19,440@-22;10(*/0/1+2)");
}

#[test]
fn the_tone_is_told_again_after_it_ceased() {
    let wanted = "480@-30,620@-30;1(.25/.25/1+2)";
    let once = play(&tone("480@-19,620@-19;3(.25/.25/1+2)"), 4500);
    let twice: Vec<i16> = once.iter().chain(&once).copied().collect();
    assert_eq!(heard(wanted, &twice).len(), 2);
}

#[test]
fn disconnect_tone_limits_are_explained() {
    let check = |script: &str, what: &str| {
        let e = ToneMatch::parse(script).expect_err(script);
        assert!(e.what.contains(what), "{script}: {e}");
    };
    check("400@-30,425@-30,450@-30;4(.25/.25/1+2+3)", "one or two frequencies");
    check("480@-30,620@-30;4(.25/.25/1,.25/.25/2)", "different frequencies");
    check("480@-30,620@-30;4(.25/.25/1+2);1(1/1/1)", "one section");
    check("480@-30,620@-30;*(.25/.25/1+2)", "no end");
    check("480@-30,620@-30;4(0/.25/1+2)", "never sounds");
}

/// Zero crossings tell the frequency, whoever made the tone.
fn hz_of(part: &[i16]) -> f32 {
    let crossings = part.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    crossings as f32 * 8000.0 / part.len() as f32
}

#[test]
fn a_howler_sweeps_and_rises() {
    let tone = crate::region::uk().tones.off_hook_warning;
    let mut out = vec![0; 80_000];
    ToneGen::new(&tone).fill(&mut out);
    for second in 0..9 {
        let second = &out[second * 8000..(second + 1) * 8000];
        for (at, hz) in [(0.05, 885.0), (0.5, 1650.0), (0.95, 2415.0)] {
            let from = (at * 8000.0) as usize - 200;
            let is = hz_of(&second[from..from + 400]);
            assert!((is - hz).abs() < 60.0, "{is} Hz {at} s into the sweep, not {hz}");
        }
    }
    let levels: Vec<f32> = out[..72_000].chunks(8000).map(crate::level::of).collect();
    assert!(levels.windows(2).all(|w| w[1] >= w[0] - 0.1), "{levels:?}");
    assert!(levels[0] < -16.0 && levels[8] > -1.0, "{levels:?}");
    // It does not click where it begins anew.
    let worst = out[..8000].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
    assert!(worst < Some(8000), "{worst:?}");
}

#[test]
fn off_hook_warning_of_the_us_is_roh() {
    let mut out = vec![0; 16_000];
    ToneGen::new(&crate::region::us().tones.off_hook_warning).fill(&mut out);
    let of = |part: &[i16], hz: f32| {
        let mut g = crate::goertzel::Goertzel::new(hz);
        part.iter().for_each(|&s| g.push(f32::from(s)));
        crate::level::dbm0(g.take(part.len()))
    };
    for n in 0..10 {
        let (on, off) = (&out[n * 1600 + 100..n * 1600 + 700], &out[n * 1600 + 900..(n + 1) * 1600]);
        for hz in [1400.0, 2060.0, 2450.0, 2600.0] {
            let is = of(on, hz);
            assert!((is + 9.0).abs() < 1.0, "{hz} Hz of {is} dBm0");
        }
        assert!(off.iter().all(|s| *s == 0), "silence between them");
    }
}
