//! Sound without IO: SDP, RTP and RTCP, jitter, codecs, tones, DTMF, caller ID.
//!
//! Pure: no clock, no socket, no thread. Samples are `i16`, 8,000 a second unless said otherwise.

pub mod cadence;
pub mod callerid;
pub mod dtmf;
pub mod g711;
pub mod goertzel;
pub mod jitter;
pub mod level;
pub mod negotiate;
pub mod plc;
pub mod region;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod script;
pub mod sdp;
pub mod sound;
pub mod telephone_event;
pub mod tone;
