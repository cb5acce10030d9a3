//! A URI is equal to itself, and to what it writes.
#![no_main]
use ringtrip_sip::uri::Uri;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(uri) = Uri::read(&bytes::Bytes::copy_from_slice(octets)) {
        assert!(Uri::read(&uri.write()).is_ok_and(|again| again == uri));
        let _ = (uri.user(), uri.record());
    }
});
