//! Which codecs two ends of a call use. Sound passes through where they share one; else it is transcoded between those
//! that can be (`CodecKind::can_be_coded`). Payload types of an offer are kept in its answer (RFC 3264 §6.1).

use crate::sound::{Codec, CodecKind, Sound};

/// Codecs that any peer is offered, after those of the far side: they can be transcoded into each other. G.711 comes first,
/// since whoever speaks it needs no other.
const TRANSCODABLE: [Codec; 3] = [Codec::PCMA, Codec::PCMU, Codec::G722];

/// What to offer to a peer: what the far side speaks, and all that can be transcoded. `None`: it has said nothing yet.
pub fn offer(far: Option<&Sound>) -> Vec<Codec> {
    let mut codecs = far.map(|far| far.codecs.clone()).unwrap_or_default();
    for ours in TRANSCODABLE {
        if !codecs.iter().any(|c| c.kind == ours.kind) {
            codecs.push(ours);
        }
    }
    codecs
}

/// The codec of an offer that suits the far side best: the far side's own if it was offered, else G.711, else another that
/// can be transcoded. `None`: nothing fits (488).
pub fn choose<'a>(offer: &'a Sound, far: &Sound) -> Option<&'a Codec> {
    let of = |kind: CodecKind| offer.codecs.iter().find(|c| c.kind == kind);
    // A far side that has agreed on one codec is passed that one. Where it takes several, the peer's order counts.
    let passed = far.codecs.first().filter(|c| !c.kind.can_be_coded()).and_then(|c| of(c.kind));
    let same =
        || offer.codecs.iter().find(|o| o.kind.can_be_coded() && far.codecs.iter().any(|f| f.kind == o.kind));
    let cheap = || offer.codecs.iter().find(|o| o.law().is_some());
    let other = || offer.codecs.iter().find(|o| o.kind.can_be_coded());
    passed.or_else(same).or_else(cheap).or_else(other)
}

/// Can sound of this codec reach a side that speaks `sound`?
pub fn reaches(kind: CodecKind, sound: &Sound) -> bool {
    sound.codecs.iter().any(|c| c.kind == kind || (kind.can_be_coded() && c.kind.can_be_coded()))
}

/// Leaves the codecs that are allowed, in that order; none: all are.
pub fn restrict(codecs: &mut Vec<Codec>, allowed: &[CodecKind]) {
    if allowed.is_empty() {
        return;
    }
    let rank = |codec: &Codec| allowed.iter().position(|kind| *kind == codec.kind);
    codecs.retain(|codec| rank(codec).is_some());
    codecs.sort_by_key(rank);
}

/// Our answer to an offer when this codec of it was chosen, with the offer's payload type, and events if they were
/// offered. One codec only: the peer then never changes in mid-call.
pub fn answer(offer: &Sound, chosen: &Codec) -> Sound {
    Sound {
        addr: None,
        codecs: vec![chosen.clone()],
        telephone_event: offer.telephone_event,
        ptime: offer.ptime,
        direction: offer.direction.seen_from_afar(),
        ..Sound::default()
    }
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
    fn what_is_offered() {
        let check = |far: &[(CodecKind, u8)], expected: &[(CodecKind, u8)]| {
            let codecs: Vec<_> = offer(Some(&sound(far))).iter().map(|c| (c.kind, c.pt)).collect();
            assert_eq!(codecs, expected, "{far:?}");
        };
        check(&[(Pcmu, 0)], &[(Pcmu, 0), (Pcma, 8), (G722, 9)]);
        check(&[(G722, 9)], &[(G722, 9), (Pcma, 8), (Pcmu, 0)]);
        check(&[(Opus, 96), (Pcma, 8)], &[(Opus, 96), (Pcma, 8), (Pcmu, 0), (G722, 9)]);
        assert_eq!(offer(None), TRANSCODABLE);
    }

    #[test]
    fn what_is_chosen() {
        let check =
            |offered: &[(CodecKind, u8)], far: &[(CodecKind, u8)], expected: Option<(CodecKind, u8)>| {
                let chosen = choose(&sound(offered), &sound(far)).map(|c| (c.kind, c.pt));
                assert_eq!(chosen, expected, "{far:?} for {offered:?}");
            };
        // Shared: nothing is transcoded.
        check(&[(Pcmu, 0), (Pcma, 8)], &[(Pcma, 8)], Some((Pcma, 8)));
        check(&[(Pcma, 8), (G722, 9)], &[(G722, 9)], Some((G722, 9)));
        check(&[(G722, 9), (Pcma, 8)], &[(Pcma, 8)], Some((Pcma, 8)));
        check(&[(Opus, 96), (Pcma, 8)], &[(Opus, 111)], Some((Opus, 96)));
        // A telephone on a board takes both laws: the peer's order counts.
        check(&[(G722, 9), (Pcmu, 0), (Pcma, 8)], &[(Pcma, 8), (Pcmu, 0)], Some((Pcmu, 0)));
        // Transcoded.
        check(&[(G722, 9)], &[(Pcma, 8)], Some((G722, 9)));
        check(&[(Pcmu, 0)], &[(G722, 9)], Some((Pcmu, 0)));
        check(&[(G722, 9), (Pcmu, 0)], &[(Pcma, 8)], Some((Pcmu, 0)));
        check(&[(Pcmu, 0)], &[(Pcma, 8)], Some((Pcmu, 0)));
        // Nothing fits.
        check(&[(Opus, 96)], &[(Pcma, 8)], None);
        check(&[], &[(Pcma, 8)], None);
    }

    #[test]
    fn what_reaches_whom() {
        let check = |kind, far: &[(CodecKind, u8)], expected| {
            assert_eq!(reaches(kind, &sound(far)), expected, "{kind:?} to {far:?}");
        };
        check(G722, &[(Pcma, 8)], true);
        check(Pcmu, &[(G722, 9)], true);
        check(Opus, &[(Opus, 96)], true);
        check(Opus, &[(Pcma, 8)], false);
        check(Pcma, &[(Opus, 96)], false);
    }

    #[test]
    fn what_is_allowed() {
        let mut codecs = sound(&[(Opus, 96), (Pcma, 8), (G722, 9)]).codecs;
        restrict(&mut codecs, &[]);
        assert_eq!(codecs.len(), 3);
        restrict(&mut codecs, &[G722, Pcmu, Pcma]);
        assert_eq!(codecs.iter().map(|c| c.kind).collect::<Vec<_>>(), [G722, Pcma]);
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
    }
}
