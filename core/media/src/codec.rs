//! Codecs with a memory of their stream. G.711 has none and stands by itself (`g711`).

pub mod g722;
#[cfg(test)]
pub(crate) mod measure;
