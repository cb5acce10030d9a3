//! What a receiver counts (RFC 3550 §6.4.1, appendices A.1, A.3 and A.8): extended sequence number, loss, jitter.

use super::Header;
use crate::rtcp::ReportBlock;

/// A step of sequence numbers larger than this is a restart of the sender, not loss (A.1).
const MAX_DROPOUT: u16 = 3000;
/// A step back no larger than this is a late packet.
const MAX_MISORDER: u16 = 100;

/// Counts of one source.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    ssrc: Option<u32>,
    base: u32,
    max_seq: u16,
    cycles: u32,
    /// The sequence number that would confirm a restart.
    bad_seq: Option<u16>,
    received: u64,
    /// Of earlier sources and runs of this one, whose numbering has ended.
    before: Totals,
    transit: Option<i32>,
    /// Jitter in timestamp units, times 16.
    jitter16: u32,
    expected_prior: u64,
    received_prior: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    received: u64,
    lost: i64,
}

impl Receiver {
    /// Counts a packet. `arrival` is the local clock in units of the timestamp.
    pub fn packet(&mut self, header: &Header, arrival: u32) {
        if self.ssrc != Some(header.ssrc) {
            self.restart(header);
        }
        let step = header.seq.wrapping_sub(self.max_seq);
        if step < MAX_DROPOUT {
            if header.seq < self.max_seq {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.max_seq = header.seq;
            self.bad_seq = None;
        } else if step <= 0u16.wrapping_sub(MAX_MISORDER) {
            // A jump: believed when the next packet confirms it.
            if self.bad_seq == Some(header.seq) {
                self.restart(header);
            } else {
                self.bad_seq = Some(header.seq.wrapping_add(1));
                return;
            }
        }
        self.received += 1;
        self.deviate(header, arrival);
    }

    fn restart(&mut self, header: &Header) {
        self.before.lost += self.expected() as i64 - self.received as i64;
        self.before.received += self.received;
        (self.ssrc, self.base, self.max_seq, self.cycles) =
            (Some(header.ssrc), header.seq as u32, header.seq, 0);
        (self.bad_seq, self.received, self.transit) = (None, 0, None);
        (self.expected_prior, self.received_prior) = (0, 0);
    }

    fn deviate(&mut self, header: &Header, arrival: u32) {
        let transit = arrival.wrapping_sub(header.timestamp) as i32;
        if let Some(last) = self.transit {
            let d = transit.wrapping_sub(last).unsigned_abs();
            // A restart of the timestamps is no jitter.
            if d < 8000 * 10 {
                self.jitter16 = self.jitter16.saturating_add(d).saturating_sub((self.jitter16 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    fn expected(&self) -> u64 {
        if self.ssrc.is_none() {
            return 0;
        }
        (self.extended() as u64 + 1).saturating_sub(self.base as u64)
    }

    /// Highest sequence number received, with the count of its cycles.
    pub fn extended(&self) -> u32 {
        self.cycles.wrapping_add(self.max_seq as u32)
    }

    /// Packets received in all.
    pub fn received(&self) -> u64 {
        self.before.received + self.received
    }

    /// Packets that never came, as far as is known now; duplicates count against it (§6.4.1).
    pub fn lost(&self) -> i64 {
        self.before.lost + self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter in units of the timestamp.
    pub fn jitter(&self) -> u32 {
        self.jitter16 >> 4
    }

    /// The source counted at present.
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// The block of a report about the time since the last one.
    pub fn report(&mut self, last_sr: u32, delay_since_last_sr: u32) -> Option<ReportBlock> {
        let ssrc = self.ssrc?;
        let expected = self.expected() - self.expected_prior;
        let received = self.received - self.received_prior;
        (self.expected_prior, self.received_prior) = (self.expected(), self.received);
        let lost = expected.saturating_sub(received);
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost << 8).checked_div(expected).unwrap_or(0).min(255) as u8,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7F_FFFF) as i32,
            extended_seq: self.extended(),
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(r: &mut Receiver, seqs: impl IntoIterator<Item = u16>) {
        for (n, seq) in seqs.into_iter().enumerate() {
            let timestamp = n as u32 * 160;
            r.packet(&Header { seq, timestamp, ssrc: 1, ..Header::default() }, timestamp);
        }
    }

    #[test]
    fn loss_and_wrap() {
        let check = |seqs: &[u16], received, lost, extended| {
            let mut r = Receiver::default();
            feed(&mut r, seqs.iter().copied());
            assert_eq!((r.received(), r.lost(), r.extended()), (received, lost, extended), "{seqs:?}");
        };
        check(&[10, 11, 12], 3, 0, 12);
        check(&[10, 12], 2, 1, 12);
        check(&[10, 12, 11], 3, 0, 12);
        check(&[65534, 65535, 0, 1], 4, 0, 65537);
        check(&[65535, 1, 0], 3, 0, 65537);
        check(&[10, 10, 10], 3, -2, 10);
        // One stray is not counted; two in a row are a restart, and nothing was lost by it.
        check(&[10, 11, 40000, 12], 3, 0, 12);
        check(&[10, 11, 40000, 40001], 3, 0, 40001);
    }

    #[test]
    fn a_report_tells_the_loss_since_the_last() {
        let mut r = Receiver::default();
        feed(&mut r, (0..100u16).filter(|n| n % 4 != 1));
        let block = r.report(0, 0).expect("a source");
        // Seq 99 came; 25 of 100 were lost.
        assert_eq!((block.fraction_lost, block.cumulative_lost), (64, 25));
        feed(&mut r, 100..200);
        assert_eq!(r.report(0, 0).map(|b| (b.fraction_lost, b.cumulative_lost)), Some((0, 25)));
    }

    #[test]
    fn jitter_settles_on_the_mean_deviation() {
        let mut r = Receiver::default();
        for n in 0..2000u32 {
            // Every other packet is 10 ms (80 units) late: |D| is always 80.
            let timestamp = n * 160;
            r.packet(
                &Header { seq: n as u16, timestamp, ssrc: 1, ..Header::default() },
                timestamp + n % 2 * 80,
            );
        }
        assert!(r.jitter().abs_diff(80) <= 1, "{}", r.jitter());
    }

    #[test]
    fn a_new_source_adds_up() {
        let mut r = Receiver::default();
        feed(&mut r, [1, 3]);
        r.packet(&Header { seq: 900, ssrc: 2, ..Header::default() }, 0);
        assert_eq!((r.received(), r.lost(), r.ssrc()), (3, 1, Some(2)));
    }
}
