//! Keys and hook flash in INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`), `application/dtmf` (the bare
//! key) and `application/hook-flash`. They are of before RFC 6086 and have no Info-Package.

use ringtrip_sip::message::{Method, Request};
use ringtrip_sip::name::Name;

use crate::leg::LegEvent;
use crate::leg::sip::state::{Phase, Room, SipLeg};
use crate::post::{Endpoint, MediaCommand, Post};
use crate::route::Keys;
use ringtrip_model::party::{Key, KeyForm};

/// Key time where none is named, and the bounds of those that are, ms.
const USUAL: u16 = 160;
const SHORTEST: u16 = 40;
const LONGEST: u16 = 6000;

/// Pause after a key that the media engine sends, ms.
const PAUSE: u16 = 50;

/// What an INFO says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A key or a flash.
    Event(LegEvent),
    /// Nothing that concerns us; it was understood.
    Nothing,
    /// An Info-Package that we do not take (469).
    Package,
    /// A body that we do not read (415).
    Body,
}

/// Reads an INFO.
pub(super) fn read(request: &Request) -> Said {
    if request.headers.iter().any(|(name, _)| name.is("Info-Package")) {
        return Said::Package;
    }
    let body = String::from_utf8_lossy(&request.body);
    let kind = request.headers.text(&Name::ContentType).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "" if body.trim().is_empty() => Said::Nothing,
        "application/dtmf-relay" => relay(&body).map_or(Said::Body, Said::Event),
        "application/dtmf" => signal(body.trim(), USUAL).map_or(Said::Body, Said::Event),
        "application/hook-flash" => Said::Event(LegEvent::Flash),
        // Requests for a picture: phones without video say nothing to them, and 415 would end some calls.
        "application/media_control+xml" => Said::Nothing,
        _ => Said::Body,
    }
}

fn relay(body: &str) -> Option<LegEvent> {
    let mut key = None;
    let mut ms = USUAL;
    for line in body.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "signal" => key = Some(value.trim().to_owned()),
            "duration" => ms = value.trim().parse().unwrap_or(USUAL),
            _ => {}
        }
    }
    signal(&key?, ms.clamp(SHORTEST, LONGEST))
}

fn signal(text: &str, ms: u16) -> Option<LegEvent> {
    // Event codes of RFC 4733 for keys without a digit, and for flash.
    let key = match text {
        "10" => Key::new('*'),
        "11" => Key::new('#'),
        "16" | "hf" | "HF" | "flash" => return Some(LegEvent::Flash),
        one if one.len() == 1 => one.chars().next().and_then(Key::new),
        _ => None,
    };
    key.map(|key| LegEvent::Digit { key, ms, form: KeyForm::Signalled })
}

impl SipLeg {
    /// Sends a key to the peer: RFC 4733 if it takes events, else INFO if it allows that, else as a tone, unless that is in
    /// the sound already.
    pub(super) fn send_digit(&mut self, key: Key, ms: u16, form: KeyForm, room: &mut Room<'_>) {
        let ms = ms.clamp(SHORTEST, LONGEST);
        let up = matches!(self.phase, Phase::Up(_));
        if !self.talk.speaks_events() && self.peer.allows_info && up {
            let body = format!("Signal={}\r\nDuration={ms}\r\n", key.as_char());
            self.info("application/dtmf-relay", body, room);
        } else if self.talk.speaks_events() || form != KeyForm::InBand {
            let end = Endpoint::Rtp(self.talk.port());
            let keys = Keys(key.as_char().to_string());
            room.out.push(Post::Media(MediaCommand::SendDigits { endpoint: end, keys, on: ms, off: PAUSE }));
        }
    }

    pub(super) fn send_flash(&mut self, room: &mut Room<'_>) {
        if self.peer.allows_info && matches!(self.phase, Phase::Up(_)) {
            self.info("application/hook-flash", "signal=hf\r\n".to_owned(), room);
        }
    }

    fn info(&mut self, kind: &'static str, body: String, room: &mut Room<'_>) {
        let Some(mut request) = self.request(Method::Info, room) else { return };
        request.headers.push(Name::ContentType, kind);
        request.body = body.into();
        self.send(request, room);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ringtrip_sip::Headers;

    use super::*;

    #[track_caller]
    fn check(kind: &'static str, body: &'static str, want: Said) {
        let mut headers = Headers::default();
        headers.push(Name::ContentType, kind);
        let uri = Bytes::from_static(b"sip:101@192.0.2.1");
        let request =
            Request { method: Method::Info, uri, headers, body: Bytes::from_static(body.as_bytes()) };
        assert_eq!(read(&request), want, "{kind} {body:?}");
    }

    fn key(c: char, ms: u16) -> Said {
        Said::Event(LegEvent::Digit { key: Key::new(c).expect("a key"), ms, form: KeyForm::Signalled })
    }

    #[test]
    fn keys_in_all_spellings() {
        check("application/dtmf-relay", "Signal=5\r\nDuration=100\r\n", key('5', 100));
        check("application/dtmf-relay", "Signal= *\nDuration= 250\n", key('*', 250));
        check("Application/DTMF-Relay; charset=utf-8", "signal=a", key('A', 160));
        check("application/dtmf-relay", "Signal=11\r\nDuration=1", key('#', 40));
        check("application/dtmf", "7", key('7', 160));
        check("application/dtmf", "10\r\n", key('*', 160));
    }

    #[test]
    fn flash_in_all_spellings() {
        check("application/hook-flash", "signal=hf", Said::Event(LegEvent::Flash));
        check("application/dtmf-relay", "Signal=hf\r\n", Said::Event(LegEvent::Flash));
        check("application/dtmf", "16", Said::Event(LegEvent::Flash));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        check("application/dtmf-relay", "Signal=55\r\n", Said::Body);
        check("application/dtmf-relay", "Duration=100\r\n", Said::Body);
        check("application/dtmf", "", Said::Body);
        check("text/plain", "5", Said::Body);
        check("application/media_control+xml", "<picture_fast_update/>", Said::Nothing);
    }
}
