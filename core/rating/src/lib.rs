//! What calls cost: money, rate decks, least-cost choice, bundles, and the brake that keeps spending within limits.
//!
//! Everything here is a pure machine or plain data: no clock, no file, no socket, no thread, no serde, and nothing of
//! the other rooms. Gateways and extensions are names. Numbers are digits with the country code and without `+`;
//! whoever asks has normalised them. The daemon brings the time, the files and the configuration, and stores the plain
//! rows that [`quality::Quality`], [`bundle::Bundles`] and [`brake::Brake`] give out.

pub mod brake;
pub mod bundle;
pub mod burst;
pub mod deck;
pub mod export;
pub mod import;
pub mod market;
pub mod money;
pub mod prefix;
pub mod quality;
pub mod rate;
pub mod time;
