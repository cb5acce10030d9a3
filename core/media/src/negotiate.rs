//! Which codecs two ends of a call use: pass sound through when they share a codec, else translate between the laws
//! of G.711. Payload types of an offer are kept in its answer (RFC 3264 §6.1).

use crate::g711::Law;
use crate::sound::{Codec, CodecKind, RtcpPort, Sound};

/// Payload type for events when the peer has named none (SPA `AVT_Dynamic_Payload`).
pub const TELEPHONE_EVENT: u8 = 101;

/// How sound goes between the two ends of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The codec towards and from the offerer, with its payload type there.
    pub a: Codec,
    /// The codec towards and from the answerer, with its payload type there.
    pub b: Codec,
}

impl Path {
    /// Do the ends speak different laws of G.711?
    pub fn transcodes(&self) -> bool {
        self.a.kind != self.b.kind
    }

    /// Laws of both ends, when both are G.711.
    pub fn laws(&self) -> Option<(Law, Law)> {
        Some((self.a.law()?, self.b.law()?))
    }
}

/// What to offer to B for a caller that offered `a`: its codecs that are allowed, with its payload types, then the law
/// of G.711 that it lacks, which is translated. Without an offer from A everything allowed is offered.
pub fn offer(a: Option<&Sound>, allowed: &[CodecKind]) -> Sound {
    let mut codecs: Vec<Codec> = Vec::with_capacity(allowed.len());
    let offered = a.map_or(&[][..], |s| &s.codecs);
    for c in offered.iter().filter(|c| allowed.contains(&c.kind)) {
        if codecs.iter().all(|have| have.kind != c.kind) {
            codecs.push(c.clone());
        }
    }
    let translatable = codecs.iter().any(|c| c.law().is_some());
    for &kind in allowed {
        let wanted = a.is_none()
            || kind.law().is_some() && (translatable || offered.iter().any(|c| c.law().is_some()));
        if wanted && codecs.iter().all(|c| c.kind != kind) {
            codecs.push(Codec { kind, pt: free(&codecs, static_pt(kind)), fmtp: None });
        }
    }
    let event = a.map_or(Some(TELEPHONE_EVENT), |s| s.telephone_event).unwrap_or(TELEPHONE_EVENT);
    let telephone_event = Some(free(&codecs, event));
    Sound { addr: None, codecs, telephone_event, ptime: a.and_then(|s| s.ptime), ..Sound::default() }
}

/// The path between an offer and the answer that B gave to ours. B's first codec that A shares passes through; else
/// both laws of G.711 meet. `None`: nothing in common (488).
pub fn path(a_offer: &Sound, b_answer: &Sound) -> Option<Path> {
    let shared = b_answer.codecs.iter().find_map(|b| {
        let a = a_offer.codecs.iter().find(|a| a.kind == b.kind)?;
        Some(Path { a: a.clone(), b: b.clone() })
    });
    shared.or_else(|| {
        let g711 = |s: &Sound| s.codecs.iter().find(|c| c.law().is_some()).cloned();
        Some(Path { a: g711(a_offer)?, b: g711(b_answer)? })
    })
}

/// Our answer to an offer when this codec of it was chosen: that codec first, with the offer's payload type, and
/// events if they were offered. One codec only: the peer then never changes in mid-call.
pub fn answer(offer: &Sound, chosen: &Codec) -> Sound {
    Sound {
        addr: None,
        codecs: vec![chosen.clone()],
        telephone_event: offer.telephone_event,
        ptime: offer.ptime,
        direction: offer.direction.seen_from_afar(),
        // The offerer would share its port: we do too (RFC 5761 §5.1.1). Where it has another port we keep ours.
        rtcp: if offer.rtcp == RtcpPort::Shared { RtcpPort::Shared } else { RtcpPort::Next },
    }
}

/// The codec to use with an offer or answer when the other end is a telephone on a board: the first G.711, in the order
/// of whoever `prefers` one, else of the peer.
pub fn analog(peer: &Sound, prefers: Option<CodecKind>) -> Option<Codec> {
    let of = |kind| peer.codecs.iter().find(|c| c.kind == kind && c.law().is_some());
    let chosen = prefers.and_then(of).or_else(|| peer.codecs.iter().find(|c| c.law().is_some()));
    chosen.cloned()
}

fn static_pt(kind: CodecKind) -> u8 {
    match kind {
        CodecKind::Pcmu => 0,
        CodecKind::Pcma => 8,
        CodecKind::G722 => 9,
        CodecKind::Opus => 107,
    }
}

/// `wanted`, or the next dynamic payload type that no codec uses.
fn free(codecs: &[Codec], wanted: u8) -> u8 {
    let taken = |pt: u8| codecs.iter().any(|c| c.pt == pt);
    if !taken(wanted) {
        return wanted;
    }
    // There are 32 dynamic types and at most a handful of codecs.
    (96..=127).find(|&pt| !taken(pt)).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::Direction;
    use CodecKind::*;

    fn sound(codecs: &[(CodecKind, u8)]) -> Sound {
        let codecs = codecs.iter().map(|&(kind, pt)| Codec { kind, pt, fmtp: None }).collect();
        Sound { codecs, telephone_event: Some(101), ptime: Some(20), ..Sound::default() }
    }

    #[test]
    fn what_is_offered_on() {
        let check = |a: &[(CodecKind, u8)], allowed: &[CodecKind], expected: &[(CodecKind, u8)]| {
            let offered = offer(Some(&sound(a)), allowed);
            let codecs: Vec<_> = offered.codecs.iter().map(|c| (c.kind, c.pt)).collect();
            assert_eq!(codecs, expected, "{a:?} with {allowed:?}");
        };
        check(&[(Pcmu, 0)], &[Pcma, Pcmu], &[(Pcmu, 0), (Pcma, 8)]);
        check(&[(Opus, 96), (Pcma, 8)], &[Pcma, Pcmu, Opus], &[(Opus, 96), (Pcma, 8), (Pcmu, 0)]);
        check(&[(G722, 9)], &[Pcma, G722], &[(G722, 9)]);
        check(&[(G722, 9), (Pcma, 8)], &[Pcmu], &[(Pcmu, 0)]);
        check(&[(Opus, 0), (Pcma, 8)], &[Opus, Pcma, Pcmu], &[(Opus, 0), (Pcma, 8), (Pcmu, 96)]);
        let all = offer(None, &[Pcma, Pcmu, G722]);
        assert_eq!(all.codecs, [Codec::PCMA, Codec::PCMU, Codec::G722]);
        let clash = offer(Some(&Sound { telephone_event: None, ..sound(&[(Opus, 101)]) }), &[Opus]);
        assert_eq!(clash.telephone_event, Some(96));
    }

    #[test]
    fn paths() {
        let check = |a: &[(CodecKind, u8)],
                     b: &[(CodecKind, u8)],
                     expected: Option<((CodecKind, u8), (CodecKind, u8))>| {
            let p = path(&sound(a), &sound(b));
            assert_eq!(p.map(|p| ((p.a.kind, p.a.pt), (p.b.kind, p.b.pt))), expected, "{a:?} and {b:?}");
        };
        check(&[(Pcmu, 0), (Pcma, 8)], &[(Pcma, 8)], Some(((Pcma, 8), (Pcma, 8))));
        check(&[(Opus, 96)], &[(Opus, 111)], Some(((Opus, 96), (Opus, 111))));
        check(&[(G722, 9), (Pcmu, 0)], &[(Pcma, 8)], Some(((Pcmu, 0), (Pcma, 8))));
        check(&[(G722, 9)], &[(Pcma, 8)], None);
        check(&[], &[(Pcma, 8)], None);
    }

    #[test]
    fn answers_keep_the_offers_payload_types_and_turn_its_direction() {
        let offered = Sound {
            direction: Direction::SendOnly,
            telephone_event: Some(97),
            ..sound(&[(Opus, 120), (Pcma, 8)])
        };
        let ours = answer(&offered, &offered.codecs[0]);
        assert_eq!(
            (ours.codecs[0].pt, ours.telephone_event, ours.direction),
            (120, Some(97), Direction::RecvOnly)
        );
        assert_eq!(analog(&offered, Some(Pcmu)).map(|c| c.kind), Some(Pcma));
        assert_eq!(analog(&sound(&[(Pcmu, 0), (Pcma, 8)]), Some(Pcma)).map(|c| c.kind), Some(Pcma));
        assert_eq!(analog(&sound(&[(Opus, 96)]), None), None);
    }
}
