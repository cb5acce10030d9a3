//! Dial plans: no text and no number makes one fall.
#![no_main]
use ringtrip_dialplan::{Dialling, Plan};
use ringtrip_model::party::Digits;

libfuzzer_sys::fuzz_target!(|parts: (&str, &str)| {
    if let Ok(plan) = Plan::parse(parts.0) {
        let _ = plan.whole(&Digits::new(parts.1), &Dialling::default());
    }
});
