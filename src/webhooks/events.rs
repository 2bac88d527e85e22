//! What rooms tell that is in no timeline: people who come and go, and that nobody is left. Best effort: told by who lives, kept by
//! who has room for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::auth;
use crate::ids::{RoomName, UserId};
use crate::metrics;
use crate::store::RoomEvent;

/// A user came into a room.
const JOINED: &str = "presence.joined";
/// A user has left it.
const LEFT: &str = "presence.left";
/// Nobody is in a room any more, and all of it is committed.
pub(super) const EMPTY: &str = "room.empty";
/// Events that wait for the database.
const WAITING_MAX: usize = 4_096;

/// Who is told of, with an event that is in no timeline.
#[derive(Serialize)]
struct Person<'a> {
    /// The user.
    user: &'a UserId,
    /// The name shown.
    name: &'a str,
}

/// Takes what rooms tell. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RoomEvents {
    events: mpsc::Sender<RoomEvent>,
    wanted: Arc<Wanted>,
}

/// Whether anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub presence: AtomicBool,
    pub empty: AtomicBool,
}

impl RoomEvents {
    /// Takes events, and gives them to the receiver.
    pub(super) fn new() -> (Self, Arc<Wanted>, mpsc::Receiver<RoomEvent>) {
        let (events, receiver) = mpsc::channel(WAITING_MAX);
        let wanted = Arc::new(Wanted::default());
        (Self { events, wanted: wanted.clone() }, wanted, receiver)
    }

    /// Takes events of which nobody hears: for rooms alone.
    pub fn unheard() -> Self {
        Self::new().0
    }

    /// A user has come into a room, with the first of their sockets, or left it, with the last one.
    pub fn tell_presence(&self, room: &RoomName, user: &UserId, name: &str, is_here: bool) {
        if self.wanted.presence.load(Ordering::Relaxed) {
            let person = Person { user, name };
            self.tell(room, if is_here { JOINED } else { LEFT }, serde_json::to_string(&person).ok());
        }
    }

    /// Nobody is in a room any more.
    pub fn tell_empty(&self, room: &RoomName) {
        if self.wanted.empty.load(Ordering::Relaxed) {
            self.tell(room, EMPTY, None);
        }
    }

    fn tell(&self, room: &RoomName, kind: &str, body: Option<String>) {
        let event = RoomEvent { id: 0, room: room.to_string(), kind: kind.to_owned(), at_ms: auth::now_ms(), body };
        if self.events.try_send(event).is_err() {
            metrics::WEBHOOK_EVENTS_DROPPED.inc();
        }
    }
}
