//! Conference rooms: who is in which, and the bridge that each has. Members are calls: a room keeps nobody alive, and lives
//! as long as it has a member.

use std::collections::HashMap;

use super::Directory;
use crate::post::{BridgeId, ConferenceInput, Endpoint, MediaCommand, Post};
use ringtrip_model::ids::{CallId, ExtId};

/// All rooms that have a member.
#[derive(Debug, Default)]
pub(super) struct Conferences {
    rooms: HashMap<ExtId, Room>,
    /// The number of the next bridge.
    next: u32,
}

#[derive(Debug)]
struct Room {
    bridge: BridgeId,
    /// In the order in which they came.
    members: Vec<(CallId, Endpoint)>,
}

impl Directory {
    /// A call joins a room with its far end, or leaves the one that it is in.
    pub fn on_conference_input(&mut self, call: CallId, input: ConferenceInput, out: &mut Vec<Post>) {
        match input {
            ConferenceInput::Join { room, endpoint } => self.join_conference(room, call, endpoint, out),
            ConferenceInput::Leave => self.leave_conference(call, out),
        }
    }

    fn join_conference(&mut self, room: ExtId, call: CallId, endpoint: Endpoint, out: &mut Vec<Post>) {
        let is_there = |(of, end): &(CallId, Endpoint)| *of == call && *end == endpoint;
        if self.conferences.rooms.get(&room).is_some_and(|room| room.members.iter().any(is_there)) {
            return;
        }
        self.leave_conference(call, out);
        let Conferences { rooms, next } = &mut self.conferences;
        let room = rooms.entry(room).or_insert_with(|| {
            *next = next.wrapping_add(1);
            Room { bridge: BridgeId::Conference(*next), members: Vec::new() }
        });
        room.members.push((call, endpoint.clone()));
        out.push(Post::Media(MediaCommand::Assign { endpoint, call }));
        out.push(room.bridged());
    }

    pub(super) fn leave_conference(&mut self, call: CallId, out: &mut Vec<Post>) {
        self.conferences.rooms.retain(|_, room| {
            let before = room.members.len();
            room.members.retain(|(of, _)| *of != call);
            if room.members.len() != before {
                out.push(room.bridged());
            }
            !room.members.is_empty()
        });
    }

    /// The calls in a conference room, in the order in which they came.
    pub fn conference(&self, room: &ExtId) -> impl Iterator<Item = CallId> {
        self.conferences.rooms.get(room).into_iter().flat_map(|room| &room.members).map(|(call, _)| *call)
    }

    /// How many conference rooms have a member.
    pub fn conferences(&self) -> usize {
        self.conferences.rooms.len()
    }
}

impl Room {
    /// Its bridge as it is now.
    fn bridged(&self) -> Post {
        let bridge = self.bridge;
        Post::Media(match self.members.is_empty() {
            true => MediaCommand::Unbridge { bridge },
            false => {
                let members = self.members.iter().map(|(_, endpoint)| endpoint.clone()).collect();
                MediaCommand::Bridge { bridge, members }
            }
        })
    }
}
