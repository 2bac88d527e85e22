//! The event streams of a server by name: what their clients say comes by requests, each over another connection.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Message, Recipient};
use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;

use crate::ids::UserId;
use crate::wire;

/// How long a stream may take to hear what its client says. Whoever stops waiting has not been heard.
pub const HEARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest key of what a client says, in characters.
pub const UPLINK_KEY_CHARS_MAX: usize = 64;
/// Keys that a stream remembers: as many of its client's requests may be on their way at once.
const KEYS_MAX: usize = 64;

/// A message of a stream's client, as a WebSocket would have brought it.
#[derive(Message)]
#[rtype(result = "Result<(), UplinkError>")]
pub struct Uplink {
    /// Whose request it is.
    pub user: UserId,
    /// What the client says.
    pub said: Said,
    /// The client's own name for it, at most [`UPLINK_KEY_CHARS_MAX`] long: what was heard under it is not heard again.
    pub key: Option<String>,
}

/// What a client says.
pub enum Said {
    /// Text, in UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
    /// That it leaves for good.
    End,
}

impl From<Said> for wire::Message {
    fn from(said: Said) -> Self {
        match said {
            Said::Text(text) => Self::Text(text),
            Said::Binary(bytes) => Self::Binary(bytes),
            Said::End => Self::Close(None),
        }
    }
}

/// Why a message did not reach its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UplinkError {
    /// There is no such stream, or it is another user's.
    #[error("there is no such event stream: open it again")]
    Gone,
    /// The stream's rooms have too much to handle.
    #[error("what this client said before is not handled yet, try again later")]
    Behind,
}

/// The live streams of a server.
#[derive(Default)]
pub struct EventStreams {
    sockets: Mutex<HashMap<Uuid, Recipient<Uplink>>>,
}

impl EventStreams {
    fn sockets(&self) -> MutexGuard<'_, HashMap<Uuid, Recipient<Uplink>>> {
        // Nothing panics while it is locked.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a stream hear what its client says.
    pub async fn say(&self, client: Uuid, uplink: Uplink) -> Result<(), UplinkError> {
        let socket = self.sockets().get(&client).cloned().ok_or(UplinkError::Gone)?;
        match timeout(HEARD_TIMEOUT, socket.send(uplink)).await {
            Ok(Ok(heard)) => heard,
            // It has ended meanwhile.
            Ok(Err(_)) => Err(UplinkError::Gone),
            Err(_) => Err(UplinkError::Behind),
        }
    }

    /// Lets requests find a stream, as long as the entry lives.
    pub(super) fn enter(self: &Arc<Self>, client: Uuid, socket: Recipient<Uplink>) -> StreamEntry {
        self.sockets().insert(client, socket);
        StreamEntry { streams: self.clone(), client, heard: HeardKeys::default() }
    }
}

/// A stream that can be found.
pub(super) struct StreamEntry {
    streams: Arc<EventStreams>,
    client: Uuid,
    pub heard: HeardKeys,
}

/// The keys of what a stream has heard last.
#[derive(Default)]
pub(super) struct HeardKeys(VecDeque<String>);

impl HeardKeys {
    /// Whether it was heard.
    pub fn have(&self, key: &str) -> bool {
        self.0.iter().any(|heard| heard == key)
    }

    /// It is heard.
    pub fn add(&mut self, key: String) {
        if self.0.len() == KEYS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(key);
    }
}

impl Drop for StreamEntry {
    fn drop(&mut self) {
        self.streams.sockets().remove(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_remembers_the_last_keys_and_no_more() {
        let mut heard = HeardKeys::default();
        (0..=KEYS_MAX).for_each(|key| heard.add(key.to_string()));
        assert!(!heard.have("0") && heard.have("1") && heard.have(&KEYS_MAX.to_string()));
        assert_eq!(heard.0.len(), KEYS_MAX);
    }
}
