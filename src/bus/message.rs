//! What servers say to each other. Each message is a JSON object of its own kind: fields may be added, and a kind that is not known is
//! passed over. What is read here may come from an older or a newer server.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::frame::WHOLE_BYTES_MAX;
use super::room_state::{AbsentUser, Part, RoomState};
use super::rooms::Digest;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::{Append, Entry, EntryKind, NewEntry, Outcome};

/// Longer bodies are left to be read, in bytes of all entries of an append.
const BODIES_BYTES_MAX: usize = 32 << 10;

/// Longest message of an event stream's client that fits into a text, in bytes: in base64, and with what stands around it.
pub const FORWARDED_BYTES_MAX: usize = (WHOLE_BYTES_MAX - (4 << 10)) / 4 * 3;

/// Anything that one server says to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "camelCase")]
pub enum Message {
    /// It is there, or there again: whoever hears it tells what the sender should know. To all.
    Hello(About),
    /// It lives. To all, every two seconds.
    Beat {
        /// Who.
        about: About,
        /// Which rooms live on it.
        rooms: Digest,
        /// The number of its last text to each server.
        sent: Vec<(Uuid, u64)>,
    },
    /// Rooms have begun or ended on it.
    Rooms(Rooms),
    /// It wants to be told everything again: something may be missing.
    Want,
    /// It does not know the server that it has heard: that one is to say hello.
    Who,
    /// It stops. Its users may come back on another server.
    Bye,
    /// About a room that lives on both.
    Room {
        /// The room.
        room: RoomName,
        /// What.
        say: RoomMessage,
    },
    /// A question, to be answered within a second.
    Ask {
        /// Names it.
        id: u64,
        /// What is asked.
        question: Question,
    },
    /// The answer to a question.
    Answer {
        /// The question.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// A revocation was added to the database.
    Revoked,
}

/// A server, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    pub label: String,
    /// Its program's version.
    pub version: String,
}

/// Rooms that have begun or ended, by hashes of their names.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rooms {
    /// Whether those named before are to be forgotten.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_anew: bool,
    /// Begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<u64>,
    /// Ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<u64>,
}

/// About one room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "r", rename_all = "camelCase")]
pub enum RoomMessage {
    /// Entries are committed.
    Entries {
        /// The room's row.
        row: i64,
        /// The newest of them.
        head: Seq,
        /// Its time.
        at: i64,
        /// The entries, one behind another; none if they are too long, and are to be read.
        #[serde(default)]
        entries: Vec<SharedEntry>,
        /// Yjs clients first seen with them, and whose they are.
        #[serde(default)]
        clients: Vec<(u64, UserId)>,
    },
    /// Who is there and what they show, all of it, in place of what was told before.
    State {
        /// Where the timeline ends, as far as the sender knows.
        head: Seq,
        /// Who is there and what they show.
        state: RoomState,
        /// Which part of it that is. There are others only where a text does not hold all of it.
        #[serde(default, skip_serializing_if = "Part::is_whole")]
        part: Part,
    },
    /// Changes of who is there and what they show.
    Change(RoomState),
    /// Who has dropped and may come back, to any server.
    Absent {
        /// The users.
        users: Vec<AbsentUser>,
        /// Whether one server is told, where the room lives. Else they are kept, too, for the room to begin.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_to_one: bool,
    },
    /// What is said and not kept.
    Signal(Signal),
    /// It was deleted, as the sender has found.
    Deleted {
        /// Its row, where the sender knows it. By now another room may have the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<i64>,
    },
    /// Something was erased of it: what was read before is not what is stored.
    Erased {
        /// Its row.
        row: i64,
        /// Its epoch.
        epoch: i64,
    },
}

impl RoomMessage {
    /// What is new of an append, if anything is.
    pub fn committed(append: Append, outcome: &Outcome) -> Option<Self> {
        let placed = append.entries.into_iter().zip(outcome.as_ref().ok()?);
        let new = placed.filter_map(|(entry, placed)| Some((entry, placed.ok().filter(|placed| placed.is_new)?)));
        let entries: Vec<_> = new.map(|(entry, placed)| SharedEntry::new(placed.seq, placed.at_ms, entry)).collect();
        let (head, at) = entries.last().map(|entry| (entry.seq, entry.at))?;
        let bytes: usize = entries.iter().map(|entry| entry.body.len()).sum();
        let (entries, clients) = match bytes <= BODIES_BYTES_MAX {
            true => (entries, append.clients),
            false => Default::default(),
        };
        Some(Self::Entries { row: append.room.0, head, at, entries, clients })
    }
}

/// What is said in a room and not kept, in its order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "s", rename_all = "camelCase")]
pub enum Signal {
    /// A JSON member's event, as it would be stored.
    Event(UserSignal),
    /// A JSON member's bytes.
    Binary(UserSignal),
    /// A Hocuspocus app's own text.
    Stateless {
        /// The text.
        #[serde(with = "base64_bytes")]
        payload: Bytes,
    },
}

/// Somebody's signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserSignal {
    /// Whose it is.
    pub user: UserId,
    /// What it says.
    #[serde(with = "base64_bytes")]
    pub payload: Bytes,
}

/// A committed entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedEntry {
    /// Its place.
    pub seq: Seq,
    /// What it is, as a number.
    pub kind: u8,
    /// Whose it is.
    pub author: UserId,
    /// Who sent it, if that is somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<UserId>,
    /// When it was committed.
    pub at: i64,
    /// Its content.
    #[serde(with = "base64_bytes")]
    pub body: Bytes,
}

impl SharedEntry {
    /// Of an entry at its place.
    pub fn new(seq: Seq, at: i64, entry: NewEntry) -> Self {
        let NewEntry { kind, author, via, body, .. } = entry;
        let kind = match kind {
            EntryKind::Edit => 1,
            EntryKind::Message => 2,
            EntryKind::Event => 3,
            EntryKind::Step => 4,
        };
        Self { seq, kind, author, via, at, body }
    }

    /// The entry, if its kind is known here.
    pub fn into_entry(self) -> Option<Entry> {
        let kind = match self.kind {
            1 => EntryKind::Edit,
            2 => EntryKind::Message,
            3 => EntryKind::Event,
            4 => EntryKind::Step,
            _ => return None,
        };
        let (body_bytes, body) = (self.body.len() as u64, Some(self.body));
        let (author, via) = (self.author, self.via);
        Some(Entry { seq: self.seq, kind, author, via, at_ms: self.at, key: None, body_bytes, body })
    }
}

/// What one server asks the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "q", rename_all = "camelCase")]
pub enum Question {
    /// Who is in a room there.
    Presence {
        /// The room.
        room: RoomName,
    },
    /// Puts a user, or everyone, out of a room there.
    Disconnect {
        /// The room.
        room: RoomName,
        /// Who; none: everyone.
        user: Option<UserId>,
        /// What they are told.
        reason: String,
    },
    /// Puts everyone out of a room there that was deleted.
    RoomDeleted {
        /// The room.
        room: RoomName,
        /// Its row. An older version does not tell it, and has no regard for it: it ends whatever room has the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<i64>,
    },
    /// A room may have been deleted: whoever has it is to look, and puts everyone out if it was.
    MayBeDeleted {
        /// The room.
        room: RoomName,
    },
    /// Tells all JSON sockets of a user there something.
    Direct {
        /// To whom.
        user: UserId,
        /// What, as a text frame of the protocol.
        text: String,
    },
    /// How much there is of everything there.
    Stats,
    /// Redeems a ticket that was issued there.
    Redeem {
        /// The ticket.
        ticket: String,
    },
    /// Something that the client of an event stream there says.
    Say {
        /// The stream.
        stream: Uuid,
        /// Whose request it is.
        user: UserId,
        /// What, as a WebSocket would have brought it; none: it leaves for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<StreamMessage>,
        /// The client's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
}

/// A message of an event stream's client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamMessage {
    /// Whether it is no text.
    pub is_binary: bool,
    /// What it says.
    #[serde(with = "base64_bytes")]
    pub payload: Bytes,
}

/// What a server answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "a", rename_all = "camelCase")]
pub enum Answer {
    /// Who is in the room: the user, the name, how many sockets.
    Presence {
        /// The users.
        users: Vec<(UserId, String, usize)>,
    },
    /// To how many something has happened.
    Count {
        /// How many.
        count: usize,
    },
    /// The token that a ticket stands for; none: it does not hold.
    Token {
        /// The token.
        token: Option<String>,
    },
    /// What became of what a stream's client said.
    Uplinked {
        /// That.
        outcome: Uplinked,
    },
    /// Figures, by their names.
    Stats {
        /// The figures.
        figures: serde_json::Value,
    },
}

/// What became of what a stream's client said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uplinked {
    /// The stream has it.
    Heard,
    /// The stream has too much to handle.
    Behind,
    /// There is no such stream, or it is another user's.
    Gone,
}

/// Reads the messages of a body; whether some were not understood.
pub fn read(body: &str) -> (Vec<Message>, usize) {
    let Ok(raw) = serde_json::from_str::<Vec<&RawValue>>(body) else { return (Vec::new(), 1) };
    let count = raw.len();
    let messages: Vec<Message> = raw.into_iter().filter_map(|one| serde_json::from_str(one.get()).ok()).collect();
    let unknown = count - messages.len();
    (messages, unknown)
}

mod base64_bytes {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD_NO_PAD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD_NO_PAD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        BASE64_STANDARD_NO_PAD.decode(text.as_bytes()).map(Bytes::from).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_35_what_a_newer_server_says_is_passed_over_and_counted() {
        let body = r#"[{"k":"want"},{"k":"future","x":1},{"k":"hello","label":"a","version":"2","more":[1]},7]"#;
        let (messages, unknown) = read(body);
        assert!(matches!(&messages[..], [Message::Want, Message::Hello(about)] if about.label == "a"), "{messages:?}");
        assert_eq!(unknown, 2);
        assert_eq!(read("{").1, 1);
    }

    #[test]
    fn a_message_about_a_room_is_read_as_it_was_written() {
        let (kind, author, body) = (1, UserId::new("ada"), Bytes::from_static(b"\0\xff"));
        let entry = SharedEntry { seq: Seq(7), kind, author, via: Some(UserId::new("bob")), at: 5, body };
        let entries = vec![entry];
        let say =
            RoomMessage::Entries { row: 1, head: Seq(7), at: 5, entries, clients: vec![(1 << 60, UserId::new("a"))] };
        let signal = Signal::Binary(UserSignal { user: UserId::new("a"), payload: Bytes::from_static(b"\x01") });
        for say in [say, RoomMessage::Signal(signal), RoomMessage::Change(RoomState::default())] {
            let message = Message::Room { room: RoomName::parse("a b/.c").unwrap(), say: say.clone() };
            let body = format!("[{}]", serde_json::to_string(&message).unwrap());
            let (messages, _) = read(&body);
            assert!(matches!(&messages[..], [Message::Room { say: read, .. }] if *read == say), "{body}");
        }
        let reserved = r#"[{"k":"room","room":"a//b","say":{"r":"change"}}]"#;
        assert_eq!(read(reserved).1, 1, "no room has that name");
    }
}
