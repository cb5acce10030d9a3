//! What is read and written is read as the same.
#![no_main]
use ringtrip_sip::{Message, lex, screen};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let read = |octets: &[u8]| lex::message(bytes::Bytes::copy_from_slice(octets), &lex::Limits::default());
    if let Ok(lex::Parsed { message: Message::Request(request), .. }) = read(octets) {
        let _ = screen::request(&request, &screen::Abilities::default());
        let _ = screen::content(&request, &screen::Abilities::default());
        let again = read(&request.write()).expect("what is written can be read").message;
        assert!(matches!(again, Message::Request(again) if again.write() == request.write()));
    }
});
