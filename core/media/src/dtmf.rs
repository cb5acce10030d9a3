//! DTMF: keys as pairs of tones (ITU-T Q.23), generated and detected (Q.24).

mod detect;
mod generate;
mod held;
#[cfg(test)]
mod tests;

pub use self::detect::{DtmfDetector, Heard};
pub use self::generate::{DtmfGen, Sending};
pub use self::held::HeldKeys;

/// Low group, Hz: rows of the keypad.
pub const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// High group, Hz: columns of the keypad.
pub const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The keypad.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Row and column frequency of a key; `None` for what is no key.
pub fn frequencies(key: char) -> Option<(f32, f32)> {
    let key = key.to_ascii_uppercase();
    let at = KEYS.iter().flatten().position(|&k| k == key)?;
    Some((ROWS[at / 4], COLUMNS[at % 4]))
}
