//! What a JSON client is told, as whole frames. What is durable is stored as a JSON object; a frame is that object with the
//! server's stamps before it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::macros::format_description;

use super::request::{CHAT, Event, Steps};
use super::{JsonError, NAME};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::lib0::put_buf;
use crate::wire::Frame;

/// Milliseconds since 1970 as RFC 3339, UTC, always with three decimals so that texts sort as times do.
pub fn rfc3339(at_ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    at.ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// A frame of one message.
fn frame_of(message: &impl Serialize) -> Frame {
    // Maps with text keys, texts and numbers: what cannot fail.
    Frame::text(&[&serde_json::to_vec(message).unwrap_or_default()])
}

/// A message of a type, with some fields.
#[derive(Serialize)]
struct Typed<'a, T: Serialize> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    fields: T,
}

/// A frame of a message of type `kind` with the fields of `fields`.
pub fn message(kind: &str, fields: impl Serialize) -> Frame {
    frame_of(&Typed { kind, fields })
}

/// The first word on a connection.
pub fn welcome(client_id: &str, heartbeat_ms: u64) -> Frame {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Welcome<'a> {
        client_id: &'a str,
        heartbeat_ms: u64,
        protocol: &'a str,
    }
    message("welcome", Welcome { client_id, heartbeat_ms, protocol: NAME })
}

/// A message from one person to another.
pub fn direct(user: &UserId, name: &str, to: &str, payload: &RawValue, at_ms: i64) -> Frame {
    #[derive(Serialize)]
    struct Direct<'a> {
        user: &'a UserId,
        name: &'a str,
        to: &'a str,
        timestamp: String,
        payload: &'a RawValue,
    }
    message("direct.message", Direct { user, name, to, timestamp: rfc3339(at_ms), payload })
}

/// Why something was not done.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem<'a> {
    /// Stays the same for programs.
    pub code: &'a str,
    /// Tells a person what to do.
    pub message: String,
    /// Whether the same may work later.
    pub temporary: bool,
    /// When it may, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// The room, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'a RoomName>,
}

impl<'a> Problem<'a> {
    /// A problem that stays until the client changes something.
    pub fn lasting(code: &'a str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, temporary: false, retry_after_ms: None, request_id: None, room: None }
    }

    /// A problem that may be over after `retry_after_ms`.
    pub fn passing(code: &'a str, message: impl Into<String>, retry_after_ms: u64) -> Self {
        Self { temporary: true, retry_after_ms: Some(retry_after_ms), ..Self::lasting(code, message) }
    }

    /// A message that cannot be taken as it is.
    pub fn refused(error: &JsonError) -> Problem<'static> {
        Problem::lasting(error.code(), error.to_string())
    }

    /// Adds which request in which room it is about.
    pub fn about(mut self, request_id: Option<&'a str>, room: Option<&'a RoomName>) -> Self {
        self.request_id = request_id;
        self.room = room;
        self
    }

    /// The frame.
    pub fn frame(&self) -> Frame {
        message("error", self)
    }
}

/// The body of an entry: what its author said, with the name shown then.
pub fn body(event: &Event, name: &str) -> Bytes {
    #[derive(Serialize)]
    struct Stored<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a RawValue>,
    }
    let stored = Stored { kind: &event.kind, name, text: event.text.as_deref(), payload: event.payload.as_deref() };
    serde_json::to_vec(&stored).unwrap_or_default().into()
}

/// Whether an event is a message to people.
pub fn is_chat(event: &Event) -> bool {
    event.kind == CHAT
}

/// The body of an entry of steps, which follow `version` steps.
pub fn steps_body(steps: &Steps, name: &str) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Stored<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        version: u64,
        steps: &'a [Box<RawValue>],
        client_ids: Vec<&'a RawValue>,
    }
    let client_ids = vec![&*steps.client_id; steps.steps.len()];
    let stored = Stored { kind: "edit.steps", name, version: steps.version, steps: &steps.steps, client_ids };
    serde_json::to_vec(&stored).unwrap_or_default().into()
}

/// What the server says of an entry, or of a signal, before its body.
#[derive(Serialize)]
struct Stamp<'a> {
    room: &'a RoomName,
    user: &'a UserId,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ephemeral: bool,
}

/// The frame of a stored body, or without seq of a signal's.
pub fn stamped(room: &RoomName, user: &UserId, at_ms: i64, seq: Option<Seq>, body: &[u8]) -> Frame {
    let stamp = Stamp { room, user, timestamp: rfc3339(at_ms), seq, ephemeral: seq.is_none() };
    let mut stamp = serde_json::to_vec(&stamp).unwrap_or_default();
    // One object of both: the stamp without its closing brace, the body without its opening one.
    stamp.pop();
    let rest = body.strip_prefix(b"{").unwrap_or(b"}");
    let comma: &[u8] = if rest == b"}" { b"" } else { b"," };
    let frame = Frame::text(&[&stamp, comma, rest]);
    match seq {
        Some(seq) => frame.with_seq(seq),
        None => frame,
    }
}

/// The frame of a document's edit.
pub fn edit(room: &RoomName, user: &UserId, at_ms: i64, seq: Seq, update: &[u8]) -> Frame {
    #[derive(Serialize)]
    struct Edit<'a> {
        room: &'a RoomName,
        user: &'a UserId,
        timestamp: String,
        seq: Seq,
        update: String,
    }
    message("edit", Edit { room, user, timestamp: rfc3339(at_ms), seq, update: STANDARD.encode(update) }).with_seq(seq)
}

/// A binary signal from `user`.
pub fn binary(room: &RoomName, user: &UserId, payload: &[u8]) -> Frame {
    let mut head = Vec::with_capacity(room.as_str().len() + user.as_str().len() + 4);
    put_buf(&mut head, room.as_str().as_bytes());
    put_buf(&mut head, user.as_str().as_bytes());
    Frame::binary(&[&head, payload])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Opcode;

    fn text(frame: &Frame) -> &str {
        assert_eq!(frame.opcode(), Opcode::Text);
        std::str::from_utf8(frame.payload()).unwrap()
    }

    #[test]
    fn an_entry_is_its_body_with_the_servers_stamps() {
        let event = Event { kind: CHAT.into(), text: Some("Hello \"everyone\"!".into()), payload: None };
        let room = RoomName::parse("general").unwrap();
        let frame = stamped(&room, &UserId::new("alice"), 1_700_000_000_123, Some(Seq(21)), &body(&event, "Alice"));
        let said: serde_json::Value = serde_json::from_str(text(&frame)).unwrap();
        let expected = serde_json::json!({
            "type": "chat.message", "room": "general", "user": "alice", "name": "Alice",
            "text": "Hello \"everyone\"!", "timestamp": "2023-11-14T22:13:20.123Z", "seq": 21
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn a_signal_has_no_seq_and_says_that_it_is_not_kept() {
        let room = RoomName::parse("general").unwrap();
        let frame = stamped(&room, &UserId::new("alice"), 0, None, br#"{"type":"a.b"}"#);
        let said: serde_json::Value = serde_json::from_str(text(&frame)).unwrap();
        assert_eq!(said["ephemeral"], true);
        assert_eq!(said.get("seq"), None);
        assert_eq!(said["type"], "a.b");
    }
}
