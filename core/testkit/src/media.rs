//! The media engine's stand-in: it plays nothing, but says what the real one would say, at the time it would.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use ringtrip_exchange::post::{BridgeId, Endpoint, MediaCommand, MediaEvent, RtpStats};
use ringtrip_model::ids::CallId;

/// Which ends each call has.
#[derive(Debug, Default)]
pub(crate) struct Media {
    ends: BTreeMap<CallId, Vec<Endpoint>>,
    bridges: HashSet<BridgeId>,
    /// Whose each RTP port is.
    owners: BTreeMap<u16, CallId>,
}

/// Something that the media engine will say.
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
    /// A call has these ports.
    pub(crate) fn open(&mut self, call: CallId, ports: [u16; 2]) {
        self.owners.extend(ports.map(|port| (port, call)));
    }

    /// Takes a command; gives what will be said because of it.
    pub(crate) fn on(&mut self, cmd: &MediaCommand) -> Vec<Later> {
        let port = |end: &Endpoint| match end {
            Endpoint::Port(port) => Some(To::Port(port.clone())),
            Endpoint::Rtp(_) => None,
        };
        match cmd {
            MediaCommand::SetParameters { port, .. } => {
                if let Some(call) = self.owners.get(port) {
                    self.add(*call, Endpoint::Rtp(*port));
                }
                Vec::new()
            }
            MediaCommand::Assign { endpoint: endpoint @ Endpoint::Port(_), call } => {
                self.add(*call, endpoint.clone());
                Vec::new()
            }
            MediaCommand::Assign { endpoint: Endpoint::Rtp(port), call } => {
                let endpoint = Endpoint::Rtp(*port);
                if let Some(before) = self.owners.insert(*port, *call)
                    && let Some(ends) = self.ends.get_mut(&before)
                    && ends.contains(&endpoint)
                {
                    ends.retain(|end| *end != endpoint);
                    self.add(*call, endpoint);
                }
                Vec::new()
            }
            MediaCommand::Bridge { bridge, members } => {
                if let BridgeId::Call(call) = bridge {
                    members.iter().for_each(|member| self.add(*call, member.clone()));
                }
                self.bridges.insert(*bridge);
                Vec::new()
            }
            MediaCommand::Unbridge { bridge } => {
                self.bridges.remove(bridge);
                Vec::new()
            }
            MediaCommand::SendDigits { endpoint: end, keys, on, off } => {
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
                let event = MediaEvent::DigitsSent { endpoint: end.clone() };
                port(end)
                    .map(|to| Later { after: Duration::from_millis(time), to, event })
                    .into_iter()
                    .collect()
            }
            MediaCommand::SendCallerId { port, .. } => {
                let event = MediaEvent::CallerIdSent { endpoint: Endpoint::Port(port.clone()) };
                vec![Later { after: Duration::from_millis(400), to: To::Port(port.clone()), event }]
            }
            MediaCommand::Detect { port, config: what } if what.dial_tone => {
                let event = MediaEvent::DialTone { endpoint: Endpoint::Port(port.clone()) };
                vec![Later { after: Duration::from_millis(300), to: To::Port(port.clone()), event }]
            }
            MediaCommand::Close { call } => {
                self.bridges.remove(&BridgeId::Call(*call));
                self.owners.retain(|_, owner| owner != call);
                let ends = self.ends.remove(call).unwrap_or_default();
                let figures = RtpStats::default();
                let event = |end| MediaEvent::Stats { endpoint: end, stats: figures };
                let later = |end| Later { after: Duration::ZERO, to: To::Call(*call), event: event(end) };
                ends.into_iter().map(later).collect()
            }
            MediaCommand::PlayPrompt { call, endpoint: end, .. } => {
                let event = MediaEvent::Played { endpoint: end.clone() };
                vec![Later { after: Duration::from_secs(2), to: To::Call(*call), event }]
            }
            MediaCommand::Detect { .. }
            | MediaCommand::PlayTone { .. }
            | MediaCommand::PlayRingback { .. }
            | MediaCommand::StopPlayback { .. }
            | MediaCommand::Mute { .. }
            | MediaCommand::DetectDtmf { .. }
            | MediaCommand::Record { .. } => Vec::new(),
        }
    }

    /// Does nothing of any call remain?
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.bridges.is_empty()
    }

    fn add(&mut self, call: CallId, end: Endpoint) {
        let ends = self.ends.entry(call).or_default();
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
}
