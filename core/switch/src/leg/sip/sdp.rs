//! The audio section of an SDP body as a [`Sound`], and back (RFC 4566, RFC 3264).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use ringtrip_media::sound::{Codec, CodecKind, Direction, Sound};

/// Why an SDP body is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not SDP.
    Broken,
    /// It has no audio over plain RTP that we could answer.
    NoAudio,
}

/// Reads the first audio section over RTP/AVP.
pub(super) fn read(body: &[u8]) -> Result<Sound, Unfit> {
    let text = std::str::from_utf8(body).map_err(|_| Unfit::Broken)?;
    if !text.trim_start().starts_with("v=0") {
        return Err(Unfit::Broken);
    }
    let mut session_address = None;
    let mut session_direction = None;
    let mut audio: Option<Audio> = None;
    let mut in_audio = false;
    let mut in_session = true;
    for line in text.lines() {
        let Some((kind, value)) = line.trim_end().split_once('=') else { continue };
        match kind {
            "m" => {
                in_session = false;
                in_audio = audio.is_none() && value.starts_with("audio ");
                if in_audio {
                    audio = Audio::read(value);
                    in_audio = audio.is_some();
                }
            }
            "c" if in_session => session_address = address(value),
            "c" if in_audio => {
                if let Some(audio) = &mut audio {
                    audio.address = Some(address(value));
                }
            }
            "a" if in_session => session_direction = direction(value).or(session_direction),
            "a" if in_audio => {
                if let Some(audio) = &mut audio {
                    audio.attribute(value);
                }
            }
            _ => {}
        }
    }
    let audio = audio.ok_or(Unfit::NoAudio)?;
    if audio.port == 0 {
        return Err(Unfit::NoAudio);
    }
    let ip = audio.address.unwrap_or(session_address).filter(|ip| !ip.is_unspecified());
    Ok(Sound {
        addr: ip.map(|ip| SocketAddr::new(ip, audio.port)),
        codecs: audio.codecs(),
        telephone_event: audio.events(),
        ptime: audio.ptime,
        direction: audio.direction.or(session_direction).unwrap_or_default(),
    })
}

/// Writes an offer or answer.
pub(super) fn write(session: u64, version: u64, sound: &Sound) -> Bytes {
    let mut out = String::with_capacity(320);
    let addr = sound.addr.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 9)));
    let family = if addr.is_ipv4() { "IP4" } else { "IP6" };
    let ip = addr.ip();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP",
        addr.port()
    );
    for codec in &sound.codecs {
        let _ = write!(out, " {}", codec.pt);
    }
    if let Some(pt) = sound.telephone_event {
        let _ = write!(out, " {pt}");
    }
    out.push_str("\r\n");
    for codec in &sound.codecs {
        let _ = write!(out, "a=rtpmap:{} {}\r\n", codec.pt, name(codec.kind));
        if let Some(fmtp) = &codec.fmtp {
            let _ = write!(out, "a=fmtp:{} {fmtp}\r\n", codec.pt);
        }
    }
    if let Some(pt) = sound.telephone_event {
        let _ = write!(out, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-16\r\n");
    }
    if let Some(ptime) = sound.ptime {
        let _ = write!(out, "a=ptime:{ptime}\r\n");
    }
    out.push_str(match sound.direction {
        Direction::SendRecv => "a=sendrecv\r\n",
        Direction::SendOnly => "a=sendonly\r\n",
        Direction::RecvOnly => "a=recvonly\r\n",
        Direction::Inactive => "a=inactive\r\n",
    });
    out.into()
}

#[derive(Default)]
struct Audio {
    port: u16,
    pts: Vec<u8>,
    maps: Vec<(u8, String)>,
    fmtp: Vec<(u8, String)>,
    address: Option<Option<IpAddr>>,
    ptime: Option<u8>,
    direction: Option<Direction>,
}

impl Audio {
    fn read(value: &str) -> Option<Audio> {
        let mut words = value.split_whitespace().skip(1);
        let port = words.next()?.split('/').next()?.parse().ok()?;
        let profile = words.next()?;
        let plain = profile.eq_ignore_ascii_case("RTP/AVP") || profile.eq_ignore_ascii_case("RTP/AVPF");
        let pts = words.filter_map(|w| w.parse().ok()).take(32).collect();
        plain.then(|| Audio { port, pts, ..Audio::default() })
    }

    fn attribute(&mut self, value: &str) {
        let pair = |rest: &str| -> Option<(u8, String)> {
            let (pt, text) = rest.trim().split_once(' ')?;
            Some((pt.parse().ok()?, text.trim().to_owned()))
        };
        if let Some(rest) = value.strip_prefix("rtpmap:") {
            self.maps.extend(pair(rest));
        } else if let Some(rest) = value.strip_prefix("fmtp:") {
            self.fmtp.extend(pair(rest));
        } else if let Some(rest) = value.strip_prefix("ptime:") {
            self.ptime = rest.trim().parse().ok().map(|ms: u8| ms.clamp(10, 60));
        } else if let Some(said) = direction(value) {
            self.direction = Some(said);
        }
    }

    fn named(&self, pt: u8) -> Option<&str> {
        self.maps.iter().find(|(p, _)| *p == pt).map(|(_, name)| name.as_str())
    }

    fn codecs(&self) -> Vec<Codec> {
        let known = |pt: &u8| {
            let kind = match (self.named(*pt), *pt) {
                (Some(name), _) => kind(name),
                (None, 0) => Some(CodecKind::Pcmu),
                (None, 8) => Some(CodecKind::Pcma),
                (None, 9) => Some(CodecKind::G722),
                (None, _) => None,
            };
            let fmtp = self.fmtp.iter().find(|(p, _)| p == pt).map(|(_, text)| text.clone());
            kind.map(|kind| Codec { kind, pt: *pt, fmtp })
        };
        self.pts.iter().filter_map(known).collect()
    }

    fn events(&self) -> Option<u8> {
        let events = |name: &str| name.to_ascii_lowercase().starts_with("telephone-event/8000");
        self.pts.iter().copied().find(|pt| self.named(*pt).is_some_and(events))
    }
}

fn name(kind: CodecKind) -> &'static str {
    match kind {
        CodecKind::Pcmu => "PCMU/8000",
        CodecKind::Pcma => "PCMA/8000",
        CodecKind::G722 => "G722/8000",
        CodecKind::Opus => "opus/48000/2",
    }
}

fn kind(name: &str) -> Option<CodecKind> {
    let name = name.to_ascii_lowercase();
    [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722, CodecKind::Opus]
        .into_iter()
        .find(|k| self::name(*k).to_ascii_lowercase().trim_end_matches("/1") == name.trim_end_matches("/1"))
}

fn address(value: &str) -> Option<IpAddr> {
    value.split_whitespace().nth(2)?.split('/').next()?.parse().ok()
}

fn direction(value: &str) -> Option<Direction> {
    match value.trim() {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}
