//! Price lists: what is exported is read as the same deck.
#![no_main]
use ringtrip_rating::{export, import, money::Currency};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let options = import::Options { most: 10_000, ..import::Options::new("fuzz", Currency::EUR) };
    let read = |text: &[u8]| {
        import::read(text, &options, None, &mut |_, _| true).ok()?.accept(import::Bad::Skip).ok()
    };
    if let Some(deck) = read(octets) {
        let text = export::to_string(&deck);
        assert_eq!(read(text.as_bytes()).map(|again| export::to_string(&again)), Some(text));
    }
});
