//! RTCP (RFC 3550 §6): compound packets read with tolerance and written.
//!
//! What is read is bounded by the datagram; a packet whose length does not fit ends the reading, and what came before
//! it counts.

/// Statistics about what the far side receives from one source (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Loss since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Loss since the beginning, 24 bits, signed.
    pub cumulative_lost: i32,
    /// Highest sequence number with cycles.
    pub extended_seq: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report.
    pub last_sr: u32,
    /// Time since it came, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// What a sender says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// NTP time, 32.32 bits.
    pub ntp: u64,
    /// The same moment in RTP time.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload sent.
    pub octets: u32,
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp<'a> {
    /// Sender or receiver report; `sender` is there in a sender report.
    Report {
        /// Who reports.
        ssrc: u32,
        /// About itself.
        sender: Option<SenderInfo>,
        /// About others.
        blocks: Blocks<'a>,
    },
    /// Somebody left.
    Bye {
        /// Who.
        ssrc: u32,
    },
    /// Description of a source; the first CNAME.
    Description {
        /// Whose.
        ssrc: u32,
        /// Its canonical name.
        cname: &'a [u8],
    },
    /// Anything else: APP, feedback, extended reports.
    Other {
        /// RTCP packet type.
        kind: u8,
    },
}

/// Report blocks, read one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;
    fn next(&mut self) -> Option<ReportBlock> {
        let (b, rest) = self.0.split_first_chunk::<24>()?;
        self.0 = rest;
        let word = |n: usize| u32::from_be_bytes([b[n], b[n + 1], b[n + 2], b[n + 3]]);
        Some(ReportBlock {
            ssrc: word(0),
            fraction_lost: b[4],
            // Sign-extends 24 bits.
            cumulative_lost: ((word(4) << 8) as i32) >> 8,
            extended_seq: word(8),
            jitter: word(12),
            last_sr: word(16),
            delay_since_last_sr: word(20),
        })
    }
}

/// The packets of a datagram, as far as they are whole. Empty when it does not begin like RTCP.
pub fn parse(datagram: &[u8]) -> impl Iterator<Item = Rtcp<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let (&[b0, kind, l0, l1], _) = rest.split_first_chunk::<4>()?;
        let length = 4 * (u16::from_be_bytes([l0, l1]) as usize + 1);
        if b0 >> 6 != 2 || !(192..=223).contains(&kind) {
            rest = &[];
            return None;
        }
        let Some((packet, after)) = rest.split_at_checked(length) else {
            rest = &[];
            return None;
        };
        rest = after;
        Some(one(b0, kind, &packet[4..]))
    })
}

/// Does a datagram on a shared port belong to RTCP (RFC 5761 §4)?
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [b0, 192..=223, _, _, ..] if b0 >> 6 == 2)
}

fn one(b0: u8, kind: u8, body: &[u8]) -> Rtcp<'_> {
    let count = (b0 & 0x1F) as usize;
    let word = |at: usize| body.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let other = Rtcp::Other { kind };
    let Some(ssrc) = word(0) else { return other };
    let blocks = |at: usize| {
        let all = body.get(at..).unwrap_or_default();
        Blocks(&all[..all.len().min(24 * count)])
    };
    match kind {
        SR => match (word(4), word(8), word(12), word(16), word(20)) {
            (Some(high), Some(low), Some(timestamp), Some(packets), Some(octets)) => {
                let sender = SenderInfo { ntp: (high as u64) << 32 | low as u64, timestamp, packets, octets };
                Rtcp::Report { ssrc, sender: Some(sender), blocks: blocks(24) }
            }
            _ => other,
        },
        RR => Rtcp::Report { ssrc, sender: None, blocks: blocks(4) },
        SDES => match body.get(4..) {
            Some([1, length, text @ ..]) if text.len() >= *length as usize => {
                Rtcp::Description { ssrc, cname: &text[..*length as usize] }
            }
            _ => other,
        },
        BYE if count > 0 => Rtcp::Bye { ssrc },
        _ => other,
    }
}

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;

/// Writes a report with a CNAME, and BYE if the source leaves: a compound as §6.1 asks for. Returns its length, or
/// `None` if it does not fit.
pub fn write(
    out: &mut [u8],
    ssrc: u32,
    sender: Option<SenderInfo>,
    block: Option<ReportBlock>,
    cname: &str,
    leaves: bool,
) -> Option<usize> {
    let mut w = Writer { out, at: 0 };
    w.packet(if sender.is_some() { SR } else { RR }, block.is_some() as u8, |w| {
        w.word(ssrc)?;
        if let Some(s) = sender {
            w.word((s.ntp >> 32) as u32)?;
            w.word(s.ntp as u32)?;
            w.word(s.timestamp)?;
            w.word(s.packets)?;
            w.word(s.octets)?;
        }
        let Some(b) = block else { return Some(()) };
        w.word(b.ssrc)?;
        w.word((b.fraction_lost as u32) << 24 | b.cumulative_lost as u32 & 0xFF_FFFF)?;
        w.word(b.extended_seq)?;
        w.word(b.jitter)?;
        w.word(b.last_sr)?;
        w.word(b.delay_since_last_sr)
    })?;
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    w.packet(SDES, 1, |w| {
        w.word(ssrc)?;
        w.bytes(&[1, cname.len() as u8])?;
        w.bytes(cname)?;
        // At least one zero ends the chunk, and it fills its last word.
        w.bytes(&[0; 4][..4 - (2 + cname.len()) % 4])
    })?;
    if leaves {
        w.packet(BYE, 1, |w| w.word(ssrc))?;
    }
    Some(w.at)
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, b: &[u8]) -> Option<()> {
        self.out.get_mut(self.at..self.at + b.len())?.copy_from_slice(b);
        self.at += b.len();
        Some(())
    }

    fn word(&mut self, w: u32) -> Option<()> {
        self.bytes(&w.to_be_bytes())
    }

    fn packet(&mut self, kind: u8, count: u8, body: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let start = self.at;
        self.bytes(&[0x80 | count, kind, 0, 0])?;
        body(self)?;
        let words = ((self.at - start) / 4 - 1) as u16;
        self.out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
        Some(())
    }
}

/// Round trip from a report block about ourselves (§6.4.1): `now` is the middle 32 bits of our NTP time when it came.
/// `None` when no sender report of ours is answered, or the block is nonsense.
pub fn round_trip_ms(now: u32, block: &ReportBlock) -> Option<f32> {
    if block.last_sr == 0 {
        return None;
    }
    let trip = now.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
    // A minute is longer than any path; small negative values come from rounding.
    (-655..60 * 65_536).contains(&trip).then(|| trip.max(0) as f32 * 1000.0 / 65_536.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 12,
        cumulative_lost: -3,
        extended_seq: 70_000,
        jitter: 40,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 65_536,
    };
    const SENDER: SenderInfo =
        SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 9, packets: 10, octets: 1600 };

    #[test]
    fn what_is_written_is_read() {
        for cname in ["", "a", "ab", "abc", "abcd", "ringtrip@box"] {
            let mut out = [0; 256];
            let n = write(&mut out, 5, Some(SENDER), Some(BLOCK), cname, true).expect("fits");
            assert_eq!(n % 4, 0);
            let all: Vec<Rtcp> = parse(&out[..n]).collect();
            let [Rtcp::Report { ssrc: 5, sender: Some(SENDER), blocks }, description, Rtcp::Bye { ssrc: 5 }] =
                all[..]
            else {
                panic!("{all:?}")
            };
            assert_eq!(blocks.collect::<Vec<_>>(), [BLOCK]);
            assert_eq!(description, Rtcp::Description { ssrc: 5, cname: cname.as_bytes() });
        }
        assert_eq!(write(&mut [0; 20], 5, None, Some(BLOCK), "x", false), None);
    }

    #[test]
    fn four_octets_and_lying_lengths_do_nothing() {
        let check = |bytes: &[u8], expected: &[Rtcp]| {
            assert_eq!(parse(bytes).collect::<Vec<_>>(), expected, "{bytes:x?}");
        };
        check(&[0x80, 203, 0, 0], &[Rtcp::Other { kind: 203 }]);
        check(&[0x81, 201, 0, 0], &[Rtcp::Other { kind: 201 }]);
        check(&[0x80, 201, 0, 9], &[]);
        check(&[0x80, 0, 0, 0], &[]);
        check(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, 65, 0], &[Rtcp::Other { kind: 202 }]);
        assert!(!is_rtcp(&[0x80, 0, 0, 0]) && is_rtcp(&[0x80, 200, 0, 0]));
    }

    #[test]
    fn round_trip() {
        let block = ReportBlock { last_sr: 1_000_000, delay_since_last_sr: 65_536, ..BLOCK };
        let now = 1_000_000 + 65_536 + 6554;
        assert!((round_trip_ms(now, &block).expect("measured") - 100.0).abs() < 0.1);
        assert_eq!(round_trip_ms(now, &ReportBlock { last_sr: 0, ..block }), None);
        assert_eq!(round_trip_ms(900_000, &block), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for p in parse(&bytes) {
                if let Rtcp::Report { blocks, .. } = p {
                    prop_assert!(blocks.count() <= 31);
                }
            }
        }

        #[test]
        fn any_lengths_are_read(kinds in proptest::collection::vec((200u8..205, 0u8..32, 0u16..12), 1..6),
                                fill in proptest::collection::vec(any::<u8>(), 300)) {
            let mut bytes = Vec::new();
            for (kind, count, words) in kinds {
                bytes.extend([0x80 | count, kind, 0, words as u8]);
                bytes.extend(&fill[..4 * words as usize]);
            }
            prop_assert!(parse(&bytes).count() >= 1);
        }
    }
}
