//! The C header and `abi.rs` are the same ABI: every size, offset and value is printed by a C program and compared.
#![allow(clippy::disallowed_methods, reason = "this test runs the C compiler")]

use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use ringtrip_driver::abi::*;

/// One line of C that prints what Rust believes, and the belief.
struct Facts {
    c: String,
    rust: String,
}

impl Facts {
    fn fact(&mut self, c_expr: &str, rust: usize) {
        writeln!(self.c, "    printf(\"%s %llu\\n\", {c_expr:?}, (unsigned long long)({c_expr}));").unwrap();
        writeln!(self.rust, "{c_expr} {rust}").unwrap();
    }
}

macro_rules! layout {
    ($facts:ident, $rust:ty, $c:literal { $($field:ident),* $(,)? }) => {
        $facts.fact(concat!("sizeof(", $c, ")"), size_of::<$rust>());
        $($facts.fact(concat!("offsetof(", $c, ", ", stringify!($field), ")"), offset_of!($rust, $field));)*
    };
}

#[test]
fn header_and_rust_agree() {
    let mut f = Facts { c: String::new(), rust: String::new() };
    layout!(f, LineBoardIdV1, "line_board_id_v1" { struct_size, reserved, serial, model });
    layout!(f, LineBoardInfoV1, "line_board_info_v1" {
        struct_size, ports, clock, frame_us, reserved, model, serial
    });
    layout!(f, LinePortCapsV1, "line_port_caps_v1" { struct_size, kind, commands, events });
    layout!(f, LinePortCfgV1, "line_port_cfg_v1" {
        struct_size, country, impedance, law, rx_gain_db10, tx_gain_db10, loop_ma, flash_min_ms, flash_max_ms,
        pulse_max_ms, cpc_min_ms, ring_min_ms, ring_volts, reserved,
    });
    layout!(f, LineRingV1, "line_ring_v1" { count, hz, repeat, crest_x10, cadence_ms });
    layout!(f, LinePulseV1, "line_pulse_v1" { count, make_ms, break_ms, gap_ms, reserved, digits });
    layout!(f, LineGainV1, "line_gain_v1" { rx_db10, tx_db10 });
    layout!(f, LineHybridV1, "line_hybrid_v1" { acim, coef });
    layout!(f, LineMwiV1, "line_mwi_v1" { kind, count });
    layout!(f, LineCmdV1, "line_cmd_v1" { struct_size, kind, u });
    layout!(f, LineReadingV1, "line_reading_v1" { volts, milliamps });
    layout!(f, LineEventV1, "line_event_v1" { struct_size, kind, port, reserved, mono_ns, sample, u });
    layout!(f, LineAudioCfgV1, "line_audio_cfg_v1" { struct_size, rate, frame_us, ports });
    layout!(f, LinePortStatusV1, "line_port_status_v1" {
        struct_size, off_hook, ringing, polarity, volts, milliamps, battery_volts, celsius, alarms, xruns, clock_ppm,
        reserved,
    });
    layout!(f, LineDiagResultV1, "line_diag_result_v1" { struct_size, test, value, low, high, verdict, unit });
    layout!(f, LineHostV1, "line_host_v1" {
        struct_size, abi_major, abi_minor, reserved, ctx, log, now_ns, event, frame
    });
    layout!(f, LineDriverV1, "line_driver_v1" {
        abi_major, abi_minor, struct_size, reserved, id, version, license, features, probe, open, close, board_info,
        port_caps, configure, line_cmd, audio_start, pump, diag, get_status, ask,
    });
    f.fact("LINE_ABI_MAJOR", ABI_MAJOR as usize);
    f.fact("LINE_ABI_MINOR", ABI_MINOR as usize);
    f.fact("LINE_MAX_CADENCE", MAX_CADENCE);
    f.fact("LINE_MAX_DIGITS", MAX_DIGITS);
    let groups = [
        port::ALL,
        log::ALL,
        polarity::ALL,
        clock::ALL,
        law::ALL,
        feed::ALL,
        event::ALL,
        alarm::ALL,
        cmd::ALL,
        diag::ALL,
        verdict::ALL,
    ];
    for (name, value) in groups.into_iter().flatten() {
        f.fact(name, *value as usize);
    }

    let dir = tempfile::tempdir().unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let source = dir.path().join("facts.c");
    let program = dir.path().join("facts");
    let text = format!(
        "#include <stdio.h>\n#include \"ringtrip_driver.h\"\nint main(void) {{\n{}    return 0;\n}}\n",
        f.c
    );
    std::fs::write(&source, text).unwrap();
    // C99 pedantic keeps the header usable by any compiler.
    let built = Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(&include)
        .arg("-o")
        .args([&program, &source])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let said = Command::new(&program).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), f.rust);

    // And every LINE_ word of the header is in abi.rs.
    let header = std::fs::read_to_string(include.join("ringtrip_driver.h")).unwrap();
    for word in header.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        let known = f.rust.lines().any(|l| l.split(' ').next() == Some(word));
        assert!(
            known || !word.starts_with("LINE_") || word.ends_with('_'),
            "{word} is in the header only: add it to abi.rs"
        );
    }
}
