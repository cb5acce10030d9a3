//! What comes over the network for sound: SDP, RTP and RTCP.
#![no_main]
use ringtrip_media::{rtcp, rtp, sdp::Sdp};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let _ = Sdp::parse(octets).map(|sdp| sdp.sound().map(|(_, sound)| sound));
    let _ = rtp::Packet::parse(octets);
    let _ = rtcp::parse(octets).count();
});
