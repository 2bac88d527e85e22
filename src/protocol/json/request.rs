//! What a JSON client says. A frame is one object or an array of them, each with a `type` and flat fields; `decode.rs` reads them.

use serde_json::value::RawValue;

use super::error::JsonError;
use crate::ids::{RoomName, Seq};

/// The type of a message to people.
pub const CHAT: &str = "chat.message";

/// One message, and the name that its answer shall carry.
#[derive(Debug)]
pub struct Envelope {
    /// The sender's name for the request.
    pub request_id: Option<Box<str>>,
    /// What it says, or why it is refused.
    pub body: Result<Body, JsonError>,
}

/// What a message says.
#[derive(Debug)]
pub enum Body {
    /// A token: the first one, or a fresh one.
    Authenticate {
        /// The token.
        token: String,
    },
    /// Come into a room.
    Join {
        /// The room.
        room: RoomName,
        /// The last seq that the client has seen there.
        since: Option<Seq>,
        /// Whether it wants the document's edits too.
        wants_edits: bool,
    },
    /// Leave a room.
    Leave {
        /// The room.
        room: RoomName,
    },
    /// Something for a room.
    InRoom {
        /// The room.
        room: RoomName,
        /// What.
        said: Said,
    },
    /// Something for all sockets of a user.
    Direct {
        /// The user's id, a token's `sub`.
        to: String,
        /// The app's own JSON.
        payload: Box<RawValue>,
    },
    /// A sign of life.
    Ping,
}

/// What is said in a room.
#[derive(Debug)]
pub enum Said {
    /// A message or an event, for the timeline.
    Publish(Publication),
    /// An event that is not kept.
    Signal(Event),
    /// Typing has begun or ended.
    Typing(bool),
    /// The sender's presence state.
    Presence(Box<RawValue>),
    /// Steps of a central-authority editor.
    Steps(Steps),
}

/// A message or an event, for the timeline.
#[derive(Debug)]
pub struct Publication {
    /// What it is.
    pub event: Event,
    /// Its author's own name for it: repeated, it is stored once.
    pub key: Option<String>,
}

/// A type and what belongs to it.
#[derive(Debug)]
pub struct Event {
    /// The type: [`CHAT`], or an app's own.
    pub kind: String,
    /// The text of a message.
    pub text: Option<String>,
    /// The app's own JSON.
    pub payload: Option<Box<RawValue>>,
}

/// Steps that follow a version.
#[derive(Debug)]
pub struct Steps {
    /// How many steps came before, as the sender knows.
    pub version: u64,
    /// The steps, as the editor's library writes them.
    pub steps: Vec<Box<RawValue>>,
    /// The editor's own id, a text or a number; null if it did not say.
    pub client_id: Box<RawValue>,
}
