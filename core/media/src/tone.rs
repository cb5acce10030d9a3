//! Tones by ToneScript (SPA3102 Part 3): parsing, generation, and matching of disconnect tones.

/// A tone ready to be played: a parsed ToneScript. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tone {}

/// A tone to be recognised: a ToneScript with limits (`Disconnect_Tone`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToneMatch {}
