//! Sound without IO: SDP, RTP and RTCP, jitter, codecs, tones, DTMF, caller ID.
//!
//! Pure: no clock, no socket, no thread. Samples are `i16`, 8,000 a second unless said otherwise.

// What both sides say about sound.
pub mod negotiate;
pub mod sdp;
pub mod sound;

// Packets.
pub mod jitter;
pub mod plc;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod telephone_event;

// Samples.
pub mod callerid;
pub mod codec;
pub mod dtmf;
pub mod g711;
pub mod goertzel;
pub mod level;
pub mod mix;
pub mod mixer;
pub mod progress;
pub mod silence;
pub mod tone;
pub mod voice;
pub mod wav;

// Scripts and countries.
pub mod cadence;
pub mod region;
pub mod script;
