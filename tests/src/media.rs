//! The media plane's stand-in: it plays nothing, but says what the real one would say, at the time it would.

use std::collections::BTreeMap;
use std::time::Duration;

use ringtrip_exchange::post::{End, Figures, MediaCmd, MediaEvent};
use ringtrip_model::ids::CallId;

/// Which ends each call has.
#[derive(Debug, Default)]
pub(crate) struct Media {
    ends: BTreeMap<CallId, Vec<End>>,
    joined: BTreeMap<CallId, (End, End)>,
}

/// Something that the media plane will say.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) after: Duration,
    pub(crate) to: To,
    pub(crate) event: MediaEvent,
}

/// To whom.
#[derive(Debug)]
pub(crate) enum To {
    Call(CallId),
    Port(ringtrip_model::ids::PortRef),
}

impl Media {
    /// Takes a command; gives what will be said because of it.
    pub(crate) fn on(&mut self, cmd: &MediaCmd) -> Vec<Later> {
        let port = |end: &End| match end {
            End::Port(port) => Some(To::Port(port.clone())),
            End::Rtp(_) => None,
        };
        match cmd {
            MediaCmd::Face { call, port, .. } => {
                self.add(*call, End::Rtp(*port));
                Vec::new()
            }
            MediaCmd::Join { call, a, b } => {
                self.add(*call, a.clone());
                self.add(*call, b.clone());
                self.joined.insert(*call, (a.clone(), b.clone()));
                Vec::new()
            }
            MediaCmd::Part { call } => {
                self.joined.remove(call);
                Vec::new()
            }
            MediaCmd::Digits { end, keys, on, off } => {
                let each = u64::from(*on) + u64::from(*off);
                let time: u64 = keys
                    .0
                    .chars()
                    .map(|k| match k {
                        ',' => 1000,
                        'p' => 100,
                        _ => each,
                    })
                    .sum();
                let event = MediaEvent::DigitsSent { end: end.clone() };
                port(end)
                    .map(|to| Later { after: Duration::from_millis(time), to, event })
                    .into_iter()
                    .collect()
            }
            MediaCmd::CallerId { port, .. } => {
                let event = MediaEvent::CallerIdSent { end: End::Port(port.clone()) };
                vec![Later { after: Duration::from_millis(400), to: To::Port(port.clone()), event }]
            }
            MediaCmd::Listen { port, what } if what.dial_tone => {
                let event = MediaEvent::DialTone { end: End::Port(port.clone()) };
                vec![Later { after: Duration::from_millis(300), to: To::Port(port.clone()), event }]
            }
            MediaCmd::Close { call } => {
                self.joined.remove(call);
                let ends = self.ends.remove(call).unwrap_or_default();
                let figures = Figures::default();
                let event = |end| MediaEvent::Figures { end, figures };
                let later = |end| Later { after: Duration::ZERO, to: To::Call(*call), event: event(end) };
                ends.into_iter().map(later).collect()
            }
            MediaCmd::Play { call, end, .. } => {
                let event = MediaEvent::Played { end: end.clone() };
                vec![Later { after: Duration::from_secs(2), to: To::Call(*call), event }]
            }
            MediaCmd::Listen { .. }
            | MediaCmd::Tone { .. }
            | MediaCmd::Ringback { .. }
            | MediaCmd::Quiet { .. }
            | MediaCmd::Shield { .. }
            | MediaCmd::Hear { .. }
            | MediaCmd::Record { .. } => Vec::new(),
        }
    }

    /// Does nothing of any call remain?
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.joined.is_empty()
    }

    fn add(&mut self, call: CallId, end: End) {
        let ends = self.ends.entry(call).or_default();
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
}
