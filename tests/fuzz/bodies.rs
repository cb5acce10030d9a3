//! What each fuzz target does with its octets. The targets in `fuzz_targets` feed it from libFuzzer, the test
//! `tests/tests/corpus.rs` feeds it the files of `corpus`.
#![allow(dead_code, reason = "each target takes one")]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringtrip_dialplan::{Dialling, Plan};
use ringtrip_media::{rtcp, rtp, sdp::Sdp};
use ringtrip_model::party::Digits;
use ringtrip_rating::{export, import, money::Currency};
use ringtrip_routing::{Library, Limits, Pool, script as rhai};
use ringtrip_sip::frame::{Frame, Framer};
use ringtrip_sip::uri::Uri;
use ringtrip_sip::{Message, address::NameAddr, lex as lexer, list, screen, via::Via};

/// SIP messages: what is read and written is read as the same.
pub fn lex(octets: &[u8]) {
    let read = |octets: &[u8]| lexer::message(Bytes::copy_from_slice(octets), &lexer::Limits::default());
    if let Ok(lexer::Parsed { message: Message::Request(request), .. }) = read(octets) {
        let _ = screen::request(&request, &screen::Abilities::default());
        let _ = screen::content(&request, &screen::Abilities::default());
        let again = read(&request.write()).expect("what is written can be read").message;
        assert!(matches!(again, Message::Request(again) if again.write() == request.write()));
    }
}

/// However a stream is split, the same frames come out. The first octet says where.
pub fn frame(octets: &[u8]) {
    let Some((cut, stream)) = octets.split_first() else { return };
    let now = Instant::now();
    let frames = |pieces: [&[u8]; 2]| -> Vec<Frame> {
        let mut framer = Framer::new(Default::default());
        pieces
            .iter()
            .flat_map(|p| {
                framer.push(now, p);
                std::iter::from_fn(|| framer.next(now)).collect::<Vec<_>>()
            })
            .collect()
    };
    let (head, tail) = stream.split_at(stream.len() * usize::from(*cut) / 256);
    assert_eq!(frames([stream, b""]), frames([head, tail]));
}

/// A URI is equal to itself, and to what it writes.
pub fn uri(octets: &[u8]) {
    if let Ok(uri) = Uri::read(&Bytes::copy_from_slice(octets)) {
        assert!(Uri::read(&uri.write()).is_ok_and(|again| again == uri));
        let _ = (uri.user(), uri.record());
    }
}

/// Addresses, Vias and lists: what is written is read as the same.
pub fn address(octets: &[u8]) {
    for value in list::split(&Bytes::copy_from_slice(octets)) {
        if let Ok(address) = NameAddr::read(&value) {
            assert!(NameAddr::read(&address.write()).is_ok_and(|again| again.uri == address.uri));
        }
        if let Ok(via) = Via::read(&value) {
            assert_eq!(Via::read(&via.write()), Ok(via));
        }
    }
}

/// Price lists: what is exported is read as the same deck.
pub fn deck(octets: &[u8]) {
    let options = import::Options { most: 10_000, ..import::Options::new("fuzz", Currency::EUR) };
    let read = |text: &[u8]| {
        import::read(text, &options, None, &mut |_, _| true).ok()?.accept(import::Bad::Skip).ok()
    };
    if let Some(deck) = read(octets) {
        let text = export::to_string(&deck);
        assert_eq!(read(text.as_bytes()).map(|again| export::to_string(&again)), Some(text));
    }
}

/// Dial plans: no text and no number makes one fall. The first line is the plan, the rest the number.
pub fn plan(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (plan, number) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(plan) = Plan::parse(plan) {
        let _ = plan.whole(&Digits::new(number), &Dialling::default());
    }
}

/// Scripts and the tests beside them: compiling and laying out never fall, and what is laid out stays as it is.
pub fn script(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let began = Instant::now();
    let clock = Arc::new(move || began.elapsed());
    let _ = Pool::check(&Library::default(), "fuzz.rhai", text, Limits::default(), clock);
    let _ = rhai::ScriptTests::read(text);
    if let Ok(once) = rhai::format(text) {
        assert_eq!(rhai::format(&once).ok().as_deref(), Some(once.as_str()));
    }
}

/// What comes over the network for sound: SDP, RTP and RTCP.
pub fn media(octets: &[u8]) {
    let _ = Sdp::parse(octets).map(|sdp| sdp.sound().map(|(_, sound)| sound));
    let _ = rtp::Packet::parse(octets);
    let _ = rtcp::parse(octets).count();
}
