//! Caller ID as FSK audio: Bell 202 and V.23, SDMF and MDMF, sending and decoding.

/// A finished burst of FSK: the framed data message and how to modulate it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Burst {}
