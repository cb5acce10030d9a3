//! Legs that are a service of the exchange itself: no phone, no line, no port. A call tells them what it tells any leg, and
//! they say what any leg says. There is one so far: a place in a conference room. Who is in which room is known to the
//! directory (`directory/conferences.rs`): each member keeps a call of its own, and the room bridges their far ends.

use std::collections::VecDeque;

use ringtrip_media::sound::{Direction, Sound};

use crate::call::Call;
use crate::call::legs::Kind;
use crate::leg::{LegCmd, LegEvent};
use crate::post::{BridgeId, ConferenceInput, Endpoint, MediaCommand, Post};
use ringtrip_model::ids::{ExtId, LegId};

/// A service as a party of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Application {
    /// A place in a conference room.
    Conference(ExtId),
}

impl Application {
    /// What it answers to a command: it takes any call at once.
    pub(super) fn tell(&self, leg: LegId, cmd: &LegCmd, inbox: &mut VecDeque<(LegId, LegEvent)>) {
        if matches!(cmd, LegCmd::Place(_)) {
            inbox.push_back((leg, LegEvent::Answered(Sound::analog())));
        }
    }
}

impl Call {
    /// The conference room that a leg is a place in.
    pub(super) fn room_of(&self, n: LegId) -> Option<&ExtId> {
        match &self.leg(n)?.kind {
            Kind::Application(Application::Conference(room)) => Some(room),
            Kind::Sip(_) | Kind::Line(_) => None,
        }
    }

    /// Gives both ends to each other: by a bridge of the call, or by that of the room that one of them is a place in.
    pub(super) fn connect(&mut self, a: LegId, b: LegId, out: &mut Vec<Post>) {
        let bridge = BridgeId::Call(self.id());
        match (self.end_of(a), self.end_of(b)) {
            (Some(a), Some(b)) => {
                out.push(Post::Media(MediaCommand::Bridge { bridge, members: vec![a, b] }));
            }
            (Some(end), None) => self.join_room(b, end, out),
            (None, Some(end)) => self.join_room(a, end, out),
            (None, None) => {}
        }
    }

    fn join_room(&self, place: LegId, endpoint: Endpoint, out: &mut Vec<Post>) {
        if let Some(room) = self.room_of(place).cloned() {
            let input = ConferenceInput::Join { room, endpoint };
            out.push(Post::Conference { call: self.id(), input });
        }
    }

    /// Takes both ends of the call apart.
    pub(super) fn disconnect(&self, out: &mut Vec<Post>) {
        self.leave_room(out);
        out.push(Post::Media(MediaCommand::Unbridge { bridge: BridgeId::Call(self.id()) }));
    }

    /// Leaves the conference room, if the call has a place in one.
    pub(super) fn leave_room(&self, out: &mut Vec<Post>) {
        if self.legs.iter().any(|leg| matches!(leg.kind, Kind::Application(Application::Conference(_)))) {
            out.push(Post::Conference { call: self.id(), input: ConferenceInput::Leave });
        }
    }

    /// The other side of a conference changed what it speaks. Whoever holds is out of the room until it is back: nobody
    /// there shall hear its music on hold.
    pub(super) fn changed_in_room(&self, n: LegId, place: LegId, sound: &Sound, out: &mut Vec<Post>) {
        match (sound.direction, self.end_of(n)) {
            (Direction::SendRecv, Some(end)) => self.join_room(place, end, out),
            _ => self.leave_room(out),
        }
    }
}
