//! Scripts and the tests beside them: compiling and laying out never fall, and what is laid out stays as it is.
#![no_main]
use ringtrip_routing::{Library, Limits, Pool, script};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let began = std::time::Instant::now();
    let _ = Pool::check(&Library::default(), "fuzz.rhai", text, Limits::default(), std::sync::Arc::new(move || began.elapsed()));
    let _ = script::Trials::read(text);
    if let Ok(once) = script::format(text) {
        assert_eq!(script::format(&once).ok().as_deref(), Some(once.as_str()));
    }
});
