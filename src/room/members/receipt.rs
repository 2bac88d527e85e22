//! How a member hears that what it sent is committed.

use crate::ids::MemberId;
use crate::protocol::yjs::SavedQuestion;
use crate::wire::Frame;

/// How an author hears of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// By this frame, the echo of its edit: y-websocket.
    Echo(Frame),
    /// By the answer to its question: y-websocket.
    Answer(SavedQuestion),
    /// By a status for so many of its messages, as far as due: Hocuspocus.
    Status(u64),
    /// Not at all; but now the others are sent this frame: Hocuspocus, an app's own text.
    Broadcast(Frame),
    /// By `saved` with the entry's seq: JSON.
    Saved {
        /// The client's name for the request.
        request_id: Option<Box<str>>,
        /// The version after its steps, if it pushed some.
        version: Option<u64>,
    },
    /// By `edit.rejected` with the steps that it lacks, which the room knows of each member: JSON.
    MissedSteps,
}

/// What an author gets once an entry is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The author.
    pub to: MemberId,
    /// What it gets.
    pub receipt: Receipt,
}
