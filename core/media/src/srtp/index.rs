//! Packet indexes: which one a sequence number means (RFC 3711 §3.3.1 and appendix A), and which were seen (§3.3.2).

use super::SrtpError;

/// How many of the newest indexes are remembered: 2.5 s of packets of 20 ms.
const WINDOW: u64 = 128;

/// Greatest index of RTP: a roll-over counter of 32 bits above a sequence number of 16.
pub(super) const MAX_RTP: u64 = (1 << 48) - 1;

/// Indexes of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Indexes {
    /// The greatest one.
    newest: Option<u64>,
    /// Bit n: `newest` - n was seen.
    seen: u128,
}

impl Indexes {
    /// Was none seen yet?
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// The index that this sequence number most likely means: the one next to the newest.
    ///
    /// # Errors
    /// It would be before the first or after the last one.
    pub fn of_sequence(&self, sequence: u16) -> Result<u64, SrtpError> {
        let Some(newest) = self.newest else { return Ok(sequence.into()) };
        let distance = i64::from(sequence.wrapping_sub(newest as u16) as i16);
        let index = newest.checked_add_signed(distance).ok_or(SrtpError::Replayed)?;
        if index > MAX_RTP { Err(SrtpError::Exhausted) } else { Ok(index) }
    }

    /// Is it new?
    ///
    /// # Errors
    /// It was seen, or is too old to know.
    pub fn check(&self, index: u64) -> Result<(), SrtpError> {
        match self.newest {
            Some(newest) if index <= newest => {
                let age = newest - index;
                let seen = age >= WINDOW || self.seen >> age & 1 == 1;
                if seen { Err(SrtpError::Replayed) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Remembers it.
    pub fn mark(&mut self, index: u64) {
        match self.newest {
            Some(newest) if index <= newest => {
                let age = newest - index;
                if age < WINDOW {
                    self.seen |= 1 << age;
                }
            }
            Some(newest) => {
                let step = index - newest;
                self.seen = if step < WINDOW { self.seen << step | 1 } else { 1 };
                self.newest = Some(index);
            }
            None => (self.newest, self.seen) = (Some(index), 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_index_is_meant() {
        let check = |newest: u64, sequence: u16, expected: Result<u64, SrtpError>| {
            let indexes = Indexes { newest: Some(newest), seen: 1 };
            assert_eq!(indexes.of_sequence(sequence), expected, "{sequence} after {newest:#x}");
        };
        check(5, 6, Ok(6));
        check(5, 4, Ok(4));
        check(5, 32_772, Ok(32_772));
        // More than half the circle ahead is behind, and before the first there is nothing.
        check(5, 32_773, Err(SrtpError::Replayed));
        check(5, 65_535, Err(SrtpError::Replayed));
        check(65_535, 0, Ok(0x1_0000));
        check(0x1_0003, 65_530, Ok(65_530));
        check(0x1_FFFF, 2, Ok(0x2_0002));
        check(MAX_RTP, 0xFFFE, Ok(MAX_RTP - 1));
        check(MAX_RTP, 0, Err(SrtpError::Exhausted));
        assert_eq!(Indexes::default().of_sequence(65_535), Ok(65_535));
    }

    #[test]
    fn each_index_is_new_once() {
        let mut indexes = Indexes::default();
        for index in [10, 12, 11, 200, 73, 500, 373] {
            assert_eq!(indexes.check(index), Ok(()), "{index}");
            indexes.mark(index);
            assert_eq!(indexes.check(index), Err(SrtpError::Replayed), "{index}");
        }
        assert_eq!(indexes.check(372), Err(SrtpError::Replayed), "older than the window");
        assert_eq!(indexes.check(374), Ok(()));
    }
}
