//! An announcement on its way to an endpoint.

use std::sync::Arc;

/// Recorded sound at 8 kHz and how far it has been played.
#[derive(Debug, Clone)]
pub(super) struct Playback {
    sound: Arc<[i16]>,
    at: usize,
}

impl Playback {
    /// From the beginning.
    pub fn new(sound: Arc<[i16]>) -> Playback {
        Playback { sound, at: 0 }
    }

    /// Overwrites `out` with what comes next; true if that was the end.
    pub fn fill(&mut self, out: &mut [i16]) -> bool {
        out.fill(0);
        let rest = self.sound.get(self.at..).unwrap_or_default();
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        self.at >= self.sound.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_ends() {
        let mut playback = Playback::new(Arc::from([7; 5].as_slice()));
        let mut out = [1; 4];
        assert!(!playback.fill(&mut out));
        assert!(playback.fill(&mut out));
        assert_eq!(out, [7, 0, 0, 0]);
    }
}
