//! Entries of a timeline as JSON clients get them, and signals, which are not kept. What is durable is stored as a JSON object; a
//! frame is that object with the server's stamps before it.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::request::{CHAT, Event, Steps};
use super::timestamp::rfc3339;
use crate::ids::{RoomName, Seq, UserId};
use crate::wire::Frame;

/// The type of the event that says that somebody went back.
pub const RESTORED: &str = "room.restored";

/// The type of the event that says that something was erased.
pub const ERASED: &str = "room.erased";

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

/// The body of a message or an event without what its author said: its type, the name shown then and `"erased":true`, an empty text where
/// there was one. Of a comment's events the thread stays that they belong to, and of a restore or an erasure what it did, which is no one's words. `None`
/// if it is so already.
pub fn erased(body: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        name: Cow<'a, str>,
        #[serde(default)]
        erased: bool,
        text: Option<IgnoredAny>,
        #[serde(borrow)]
        payload: Option<&'a RawValue>,
    }
    /// Numbers and claims, which are nobody's words.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Figures {
        #[serde(skip_serializing_if = "Option::is_none")]
        thread: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resolved: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        inserted: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        deleted: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        said: Option<bool>,
        #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
        text: Option<&'static str>,
    }
    #[derive(Serialize)]
    struct Erased<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        erased: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Box<RawValue>>,
    }
    let Ok(said) = serde_json::from_slice::<Said<'_>>(body) else {
        return Some(Bytes::from_static(br#"{"type":"erased","name":"","erased":true}"#));
    };
    if said.erased {
        return None;
    }
    let figures = || serde_json::from_str::<Figures>(said.payload?.get()).ok();
    let payload = match &*said.kind {
        RESTORED | ERASED | "comment.resolved" => figures(),
        "comment.created" => figures().map(|_| Figures { text: Some(""), ..Figures::default() }),
        "comment.replied" => figures().map(|figures| Figures { text: Some(""), ..figures }),
        _ => None,
    };
    let payload = payload.and_then(|payload| to_raw_value(&payload).ok());
    let text = said.text.map(|_| "");
    let erased = Erased { kind: &said.kind, name: &said.name, erased: true, text, payload };
    serde_json::to_vec(&erased).ok().map(Bytes::from)
}

/// The body of a comment without what it quotes, and without its anchor if that goes, too. `None` if it has neither.
pub fn unquoted(body: &[u8], with_anchor: bool) -> Option<Bytes> {
    let mut fields: IndexMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    let mut payload: IndexMap<Cow<'_, str>, &RawValue> = serde_json::from_str(fields.get("payload")?.get()).ok()?;
    let had_quote = payload.shift_remove("quote").is_some();
    let had_anchor = with_anchor && payload.shift_remove("anchor").is_some();
    if !had_quote && !had_anchor {
        return None;
    }
    let payload = to_raw_value(&payload).ok()?;
    fields.insert(Cow::Borrowed("payload"), &payload);
    serde_json::to_vec(&fields).ok().map(Bytes::from)
}

/// The body of an entry but an edit with another name shown. `None` if it is no such body.
pub fn renamed(body: &[u8], name: &str) -> Option<Bytes> {
    let mut fields: IndexMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    let name = to_raw_value(name).ok()?;
    fields.insert(Cow::Borrowed("name"), &name);
    serde_json::to_vec(&fields).ok().map(Bytes::from)
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
    fn of_what_is_erased_its_type_its_place_and_who_said_it_are_left() {
        let erased = |body: &str| erased(body.as_bytes()).map(|body| String::from_utf8(body.to_vec()).unwrap());
        for (body, left) in [
            (
                r#"{"type":"room.restored","name":"Bob","payload":{"seq":9,"to":3,"from":8,"note":"secret"}}"#,
                r#"{"type":"room.restored","name":"Bob","erased":true,"payload":{"seq":9,"to":3,"from":8}}"#,
            ),
            (
                r#"{"type":"chat.message","name":"Bob","text":"secret \"x\"","payload":{"secret":1}}"#,
                r#"{"type":"chat.message","name":"Bob","erased":true,"text":""}"#,
            ),
            (
                r#"{"type":"order.paid","name":"B\u00f6b","payload":["secret"]}"#,
                r#"{"type":"order.paid","name":"Böb","erased":true}"#,
            ),
            (
                r#"{"type":"comment.created","name":"Bob","payload":{"text":"secret","quote":"q","anchor":{"a":1}}}"#,
                r#"{"type":"comment.created","name":"Bob","erased":true,"payload":{"text":""}}"#,
            ),
            (
                r#"{"type":"comment.replied","name":"Bob","payload":{"thread":7,"text":"secret"}}"#,
                r#"{"type":"comment.replied","name":"Bob","erased":true,"payload":{"thread":7,"text":""}}"#,
            ),
            (
                r#"{"type":"comment.resolved","name":"Bob","payload":{"thread":7}}"#,
                r#"{"type":"comment.resolved","name":"Bob","erased":true,"payload":{"thread":7}}"#,
            ),
        ] {
            assert_eq!(erased(body).as_deref(), Some(left));
            assert_eq!(erased(left), None, "it is so already");
        }
        assert_eq!(erased("secret").as_deref(), Some(r#"{"type":"erased","name":"","erased":true}"#));
    }

    #[test]
    fn a_comment_without_its_quote_says_what_it_said() {
        let unquoted = |body: &str, with_anchor| {
            unquoted(body.as_bytes(), with_anchor).map(|body| String::from_utf8(body.to_vec()).unwrap())
        };
        let body = r#"{"type":"comment.created","name":"Ada","payload":{"text":"Is that so?","quote":"secret","anchor":{"a":1.0},"more":[2]}}"#;
        let left = body.replace(r#""quote":"secret","#, "");
        assert_eq!(unquoted(body, false), Some(left.clone()));
        assert_eq!(unquoted(body, true), Some(left.replace(r#""anchor":{"a":1.0},"#, "")));
        assert_eq!(unquoted(&left, false), None, "it is so already");
        let escaped = body.replace("quote", "qu\\u006fte").replace("payload", "p\\u0061yload");
        assert_eq!(unquoted(&escaped, false), Some(left));
        for other in ["no body", r#"{"type":"comment.created","name":"Ada"}"#, r#"{"payload":["quote"]}"#] {
            assert_eq!(unquoted(other, true), None);
        }
    }

    #[test]
    fn another_name_is_shown_and_all_else_stays_as_it_is_written() {
        let body = r#"{"type":"edit.steps","name":"Bob","version":1,"steps":[{"b":1.0,"a":2}],"clientIds":["x"]}"#;
        let renamed =
            |body: &str| renamed(body.as_bytes(), "erased-1").map(|body| String::from_utf8(body.to_vec()).unwrap());
        assert_eq!(renamed(body), Some(body.replace("Bob", "erased-1")));
        assert_eq!(renamed("no body"), None);
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
