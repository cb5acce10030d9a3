//! Addresses, Vias and lists: what is written is read as the same.
#![no_main]
use ringtrip_sip::{address::NameAddr, list, via::Via};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    for value in list::split(&bytes::Bytes::copy_from_slice(octets)) {
        if let Ok(address) = NameAddr::read(&value) {
            assert!(NameAddr::read(&address.write()).is_ok_and(|again| again.uri == address.uri));
        }
        if let Ok(via) = Via::read(&value) {
            assert_eq!(Via::read(&via.write()), Ok(via));
        }
    }
});
