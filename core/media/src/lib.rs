//! Sound without IO: SDP, RTP and RTCP, jitter, codecs, tones, DTMF, caller ID.
//!
//! Pure: no clock, no socket, no thread. Samples are `i16`, 8,000 a second unless said otherwise.
#![warn(clippy::missing_errors_doc)]

// What both sides say about sound.
pub mod negotiate;
pub mod sdp;
pub mod sound;

// Packets.
pub mod jitter;
pub mod plc;
pub mod rtcp;
pub mod rtp;
pub mod session;
pub mod srtp;
pub mod telephone_event;
pub mod transform;

// Samples.
pub mod callerid;
pub mod codec;
pub mod codec_pair;
pub mod dtmf;
pub mod g711;
pub mod goertzel;
pub mod level;
pub mod mix;
pub mod progress;
pub mod resample;
pub mod silence;
pub mod tone;
pub mod voice;
pub mod wav;

// Scripts and countries.
pub mod cadence;
pub mod region;
pub mod script;

// All of it together.
pub mod engine;
