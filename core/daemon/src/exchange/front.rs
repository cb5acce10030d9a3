//! The door of the control arbiter for other threads: boards, the media engine, the route's arbiter, the store.

use ringtrip_exchange::post::{MediaEvent, Post};
use ringtrip_exchange::supervise::PartId;
use ringtrip_linehost::{BoardInfo, Host, Received};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{BoardId, CallId};
use std::sync::Arc;
use tokio::sync::mpsc;

use super::boards;
use super::directory::Directory;

/// What comes through the door.
pub enum Knock {
    /// A post.
    Post(Post),
    /// An event for those who watch.
    Tell(Event),
    /// The media engine says something.
    Media { call: Option<CallId>, event: MediaEvent },
    /// A board's process runs.
    BoardUp { board: BoardId, generation: u32, host: Arc<Host>, info: BoardInfo },
    /// A board says something.
    Board { board: BoardId, generation: u32, heard: Received },
    /// A board's process is gone, or could not be started.
    BoardGone { board: BoardId, generation: u32, why: String },
    /// A part on another thread fell and has stood up again, or not.
    Fell { part: PartId, why: String },
}

/// The sending end. Cheap to clone.
pub type Door = mpsc::Sender<Knock>;

/// What may wait at the door: some seconds of a busy exchange.
const WAITING: usize = 8192;

/// A door and its hallway.
pub fn door() -> (Door, mpsc::Receiver<Knock>) {
    mpsc::channel(WAITING)
}

/// Takes what comes through the door, for ever.
pub(super) async fn attend(dir: Directory, mut knocks: mpsc::Receiver<Knock>) {
    while let Some(knock) = knocks.recv().await {
        match knock {
            Knock::Post(post) => dir.deliver(post),
            Knock::Tell(event) => dir.tell(event),
            Knock::Media { call, event } => dir.media(call, event),
            Knock::BoardUp { board, generation, host, info } => {
                boards::up(&dir, &board, generation, host, info)
            }
            Knock::Board { board, generation, heard } => boards::heard(&dir, &board, generation, heard),
            Knock::BoardGone { board, generation, why } => boards::gone(&dir, &board, generation, &why),
            Knock::Fell { part, why } => {
                dir.fell(&part, &why);
            }
        }
    }
}
