//! Entries of a timeline as JSON clients get them, and signals, which are not kept. What is durable is stored as a JSON object; a
//! frame is that object with the server's stamps before it.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::request::{CHAT, Event, Steps};
use super::timestamp::rfc3339;
use crate::ids::{RoomName, Seq, UserId};
use crate::wire::Frame;

/// The body of an entry: what its author said, with the name shown then.
pub fn body(event: &Event, name: &str) -> Bytes {
    #[derive(Serialize)]
    struct StoredEvent<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a RawValue>,
    }
    let stored =
        StoredEvent { kind: &event.kind, name, text: event.text.as_deref(), payload: event.payload.as_deref() };
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
    struct StoredSteps<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        version: u64,
        steps: &'a [Box<RawValue>],
        client_ids: Vec<&'a RawValue>,
    }
    let client_ids = vec![&*steps.client_id; steps.steps.len()];
    let stored = StoredSteps { kind: "edit.steps", name, version: steps.version, steps: &steps.steps, client_ids };
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
    let name = name(body, stamp.len() + comma.len() - 1);
    let frame = Frame::text(&[&stamp, comma, rest]).with_name(name);
    match seq {
        Some(seq) => frame.with_seq(seq),
        None => frame,
    }
}

/// The frame of a document's edit.
pub fn edit(room: &RoomName, user: &UserId, at_ms: i64, seq: Seq, update: &[u8]) -> Frame {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "edit")]
    struct EditFields<'a> {
        room: &'a RoomName,
        user: &'a UserId,
        timestamp: String,
        seq: Seq,
        update: String,
    }
    let edit = EditFields { room, user, timestamp: rfc3339(at_ms), seq, update: STANDARD.encode(update) };
    let json = serde_json::to_vec(&edit).unwrap_or_default();
    let name = name(&json, 0);
    Frame::text(&[&json]).with_seq(seq).with_name(name)
}

/// Where the type of an object stands that begins with it, as all do that are written here, if the object stands `offset` bytes behind
/// the beginning of what it is part of.
pub(super) fn name(object: &[u8], offset: usize) -> Range<usize> {
    const BEFORE: &[u8] = b"{\"type\":\"";
    let rest = object.strip_prefix(BEFORE).unwrap_or_default();
    let length = rest.iter().position(|byte| *byte == b'"').unwrap_or_default();
    let begin = offset + BEFORE.len();
    begin..begin + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Encoding;
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
        assert!(
            frame.encoded(Encoding::Events).starts_with(b"id: 21\nevent: chat.message\ndata: {\"room\""),
            "{:?}",
            frame.encoded(Encoding::Events)
        );
    }

    #[test]
    fn a_signal_has_no_seq_and_says_that_it_is_not_kept() {
        let room = RoomName::parse("general").unwrap();
        let frame = stamped(&room, &UserId::new("alice"), 0, None, br#"{"type":"a.b"}"#);
        let said: serde_json::Value = serde_json::from_str(text(&frame)).unwrap();
        assert_eq!(said["ephemeral"], true);
        assert_eq!(said.get("seq"), None);
        assert_eq!(said["type"], "a.b");
        assert!(
            frame.encoded(Encoding::Events).starts_with(b"event: a.b\ndata: {"),
            "{:?}",
            frame.encoded(Encoding::Events)
        );
        let edit = edit(&room, &UserId::new("alice"), 0, Seq(3), b"");
        assert!(
            edit.encoded(Encoding::Events).starts_with(b"id: 3\nevent: edit\ndata: {"),
            "{:?}",
            edit.encoded(Encoding::Events)
        );
    }
}
