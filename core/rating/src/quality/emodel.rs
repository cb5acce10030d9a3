//! How a call sounded, from what the network did to it: the E-model of ITU-T G.107 with its default values, of which
//! only delay and loss are measured here. `R = Ro - Is - Id - Ie,eff + A`; with the defaults `Ro - Is` is 93.2 and
//! `A` is 0.

/// What the network did to one direction of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairments {
    /// Packets lost, in percent.
    pub loss: f32,
    /// Jitter as RFC 3550 estimates it, in milliseconds.
    pub jitter: f32,
    /// Round trip, in milliseconds; 0 if it is not known.
    pub round_trip: f32,
}

/// A mean opinion score, 1 (bad) to 4.5.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Mos(pub f32);

/// `Ro - Is` with all parameters of G.107 at their defaults.
const BEST: f32 = 93.2;
/// G.711 with packet loss concealment (ITU-T G.113, appendix I): no impairment of its own, robust against loss.
const CODEC_IMPAIRMENT: f32 = 0.0;
const LOSS_ROBUSTNESS: f32 = 25.1;
/// Packet of 20 ms and its handling.
const OWN_DELAY: f32 = 25.0;

impl Impairments {
    /// The transmission rating R, 0 to 93.2.
    pub fn rating(&self) -> f32 {
        let clean = |x: f32, most: f32| if x.is_finite() { x.clamp(0.0, most) } else { most };
        let (loss, jitter, trip) =
            (clean(self.loss, 100.0), clean(self.jitter, 1e4), clean(self.round_trip, 1e5));
        // The receiver's buffer waits about twice the jitter.
        let delay = trip / 2.0 + 2.0 * jitter + OWN_DELAY;
        // Id, in the usual two straight lines (Cole and Rosenbluth) for G.107's curve.
        let delayed = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
        // Ie,eff with random loss (BurstR = 1), G.107 §7.5.
        let lossy = CODEC_IMPAIRMENT + (95.0 - CODEC_IMPAIRMENT) * loss / (loss + LOSS_ROBUSTNESS);
        (BEST - delayed - lossy).clamp(0.0, BEST)
    }

    /// The score of that rating (G.107 annex B).
    pub fn mos(&self) -> Mos {
        let r = self.rating();
        // Below R = 6.5 the polynomial dips under 1.
        Mos((1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5))
    }
}
