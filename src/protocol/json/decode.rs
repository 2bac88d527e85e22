//! Reads what a JSON client says, and says what is wrong with it. Bounds each field; knows nothing of who may say what.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::check::check;
use super::error::JsonError;
use super::limits::{BATCH_MAX, STATE_BYTES_MAX, STEPS_MAX};
use super::request::{Body, CHAT, Envelope, Event, Publication, Said, Steps};
use crate::entry_key::{self, CALLER_KEY_BYTES_MAX};
use crate::ids::{RoomName, Seq};

/// Longest type of an app's event, in bytes.
const TYPE_BYTES_MAX: usize = 64;
/// Longest `requestId` and `clientId`, in bytes.
const ID_BYTES_MAX: usize = 64;
/// Most bytes of a parser's complaint that are told, for it quotes what it complains of.
const COMPLAINT_BYTES_MAX: usize = 200;
/// The protocol's own namespaces; apps' types are outside of them.
pub const NAMESPACES: [&str; 10] =
    ["auth", "chat", "direct", "edit", "presence", "room", "server", "token", "typing", "user"];
/// Types that webhooks have for what is no app's event.
const TYPES_OF_WEBHOOKS: [&str; 3] = ["document.changed", "message.created", "webhook.test"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a JSON object")]
struct Fields {
    #[serde(rename = "type")]
    kind: Option<String>,
    request_id: Option<String>,
    room: Option<String>,
    token: Option<String>,
    since: Option<u64>,
    #[serde(default)]
    edits: bool,
    text: Option<String>,
    payload: Option<Box<RawValue>>,
    key: Option<String>,
    #[serde(default)]
    ephemeral: bool,
    to: Option<String>,
    state: Option<Box<RawValue>>,
    version: Option<u64>,
    steps: Option<Vec<Box<RawValue>>>,
    client_id: Option<Box<RawValue>>,
    // The server's to say: ignored.
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "timestamp")]
    _timestamp: Option<IgnoredAny>,
    #[serde(rename = "seq")]
    _seq: Option<IgnoredAny>,
}

/// Reads a frame's text: its messages in order, each good or refused by itself.
pub fn decode(text: &str) -> Result<Vec<Envelope>, JsonError> {
    if !text.trim_start().starts_with('[') {
        return Ok(vec![envelope(text)]);
    }
    let batch: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
    if batch.len() > BATCH_MAX {
        return Err(JsonError::Syntax { what: format!("this array has {}", batch.len()) });
    }
    Ok(batch.into_iter().map(|message| envelope(message.get())).collect())
}

/// Reads what REST publishes: the fields of a message or an event, without a room.
pub fn publication(text: &str) -> Result<Publication, JsonError> {
    let mut fields = fields(text)?;
    let kind = fields.kind.take().unwrap_or_else(|| CHAT.to_owned());
    if fields.ephemeral {
        return Err(JsonError::Field("\"ephemeral\" is for sockets; what is published here is stored".into()));
    }
    publish(kind, fields)
}

fn publish(kind: String, mut fields: Fields) -> Result<Publication, JsonError> {
    let key = fields.key.take();
    if key.as_ref().is_some_and(|key| key.len() > CALLER_KEY_BYTES_MAX) {
        return Err(JsonError::Field(format!("\"key\" has at most {CALLER_KEY_BYTES_MAX} bytes")));
    }
    if key.as_ref().is_some_and(|key| key.contains('\0')) {
        return Err(JsonError::Nul);
    }
    Ok(Publication { event: event(kind, fields)?, key: key.map(entry_key::of_message) })
}

fn envelope(text: &str) -> Envelope {
    match fields(text) {
        Ok(mut fields) => match fields.request_id.take() {
            Some(id) if id.len() > ID_BYTES_MAX => {
                let error = JsonError::Field(format!("\"requestId\" has at most {ID_BYTES_MAX} bytes"));
                Envelope { request_id: None, body: Err(error) }
            }
            request_id => Envelope { request_id: request_id.map(String::into_boxed_str), body: body(fields) },
        },
        Err(error) => Envelope { request_id: request_id(text), body: Err(error) },
    }
}

/// The sender's name for a request that is refused for another field.
fn request_id(text: &str) -> Option<Box<str>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        request_id: Box<str>,
    }
    let named: Named = serde_json::from_str(text).ok()?;
    Some(named.request_id).filter(|id| id.len() <= ID_BYTES_MAX)
}

fn fields(text: &str) -> Result<Fields, JsonError> {
    // serde would take an array as the values of the fields in their order.
    if text.trim_start().starts_with('[') {
        return Err(JsonError::Field("expected a JSON object".into()));
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => JsonError::Field(complaint(text)),
        _ => syntax(error),
    })
}

/// What is wrong with the fields of `text`, and with which. Reads it a second time, slower than what is good needs to be read.
fn complaint(text: &str) -> String {
    let mut input = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, Fields>(&mut input) else { return String::new() };
    let field = error.path().to_string();
    let what = error.into_inner().to_string();
    let what = what.split(" at line ").next().unwrap_or_default();
    match what.split_once(", expected one of ") {
        // The list has the fields of all messages.
        Some((unknown, _)) => format!("{}; an app's own data belongs in \"payload\"", shortened(unknown)),
        None if field == "." => shortened(what).to_owned(),
        None => format!("\"{}\": {}", shortened(&field), shortened(what)),
    }
}

fn syntax(error: serde_json::Error) -> JsonError {
    JsonError::Syntax { what: shortened(&error.to_string()).to_owned() }
}

fn shortened(what: &str) -> &str {
    &what[..what.floor_char_boundary(COMPLAINT_BYTES_MAX)]
}

fn body(mut fields: Fields) -> Result<Body, JsonError> {
    let kind = fields.kind.take().ok_or_else(|| missing("type"))?;
    Ok(match &kind[..] {
        "ping" => Body::Ping,
        "authenticate" => Body::Authenticate { token: fields.token.ok_or_else(|| missing("token"))? },
        "room.join" => Body::Join { room: room(&fields)?, since: fields.since.map(Seq), wants_edits: fields.edits },
        "room.leave" => Body::Leave { room: room(&fields)? },
        "direct.message" => Body::Direct {
            payload: checked(fields.payload, "payload")?,
            to: fields.to.filter(|to| !to.is_empty()).ok_or_else(|| missing("to"))?,
        },
        _ => {
            // A type that does not exist is told before a room that is missing.
            let room = room(&fields);
            Body::InRoom { said: said(kind, fields)?, room: room? }
        }
    })
}

fn said(kind: String, fields: Fields) -> Result<Said, JsonError> {
    Ok(match &kind[..] {
        "typing.started" => Said::Typing(true),
        "typing.stopped" => Said::Typing(false),
        "presence.update" => {
            let state = checked(fields.state, "state")?;
            if state.get().len() > STATE_BYTES_MAX || !state.get().starts_with('{') {
                return Err(JsonError::Field(format!("\"state\" is an object of at most {STATE_BYTES_MAX} bytes")));
            }
            Said::Presence(state)
        }
        "edit.push" => Said::Steps(steps(fields)?),
        _ if fields.ephemeral => Said::Signal(event(kind, fields)?),
        _ => Said::Publish(publish(kind, fields)?),
    })
}

fn event(kind: String, fields: Fields) -> Result<Event, JsonError> {
    if kind == CHAT {
        if fields.text.is_none() {
            return Err(missing("text"));
        }
    } else {
        if !is_app_type(&kind) {
            return Err(JsonError::Type);
        }
        if fields.text.is_some() {
            return Err(JsonError::Field("\"text\" belongs to chat.message; an event has \"payload\"".into()));
        }
    }
    if fields.text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(JsonError::Nul);
    }
    if let Some(payload) = &fields.payload {
        check(payload)?;
    }
    Ok(Event { kind, text: fields.text, payload: fields.payload })
}

fn is_app_type(kind: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
    let namespace = kind.split_once('.').map(|(namespace, _)| namespace);
    kind.len() <= TYPE_BYTES_MAX
        && kind.bytes().all(is_allowed)
        && !TYPES_OF_WEBHOOKS.contains(&kind)
        && namespace.is_some_and(|namespace| !namespace.is_empty() && !NAMESPACES.contains(&namespace))
}

fn steps(fields: Fields) -> Result<Steps, JsonError> {
    let version = fields.version.ok_or_else(|| missing("version"))?;
    let steps = fields.steps.ok_or_else(|| missing("steps"))?;
    if steps.len() > STEPS_MAX {
        return Err(JsonError::Field(format!("\"steps\" has at most {STEPS_MAX} items")));
    }
    for step in &steps {
        check(step)?;
    }
    let client_id = fields.client_id.unwrap_or_else(|| RawValue::NULL.to_owned());
    check(&client_id)?;
    let is_id = client_id.get().len() <= ID_BYTES_MAX && !client_id.get().starts_with(['{', '[', 't', 'f']);
    if !is_id {
        return Err(JsonError::Field(format!("\"clientId\" is a text or a number of at most {ID_BYTES_MAX} bytes")));
    }
    if fields.key.is_some() {
        return Err(JsonError::Field("edit.push has no \"key\": its version says whether it is new".into()));
    }
    Ok(Steps { version, steps, client_id })
}

fn checked(value: Option<Box<RawValue>>, name: &str) -> Result<Box<RawValue>, JsonError> {
    let value = value.ok_or_else(|| missing(name))?;
    check(&value)?;
    Ok(value)
}

fn room(fields: &Fields) -> Result<RoomName, JsonError> {
    let name = fields.room.as_deref().ok_or_else(|| missing("room"))?;
    Ok(RoomName::parse(name)?)
}

fn missing(name: &str) -> JsonError {
    JsonError::Field(format!("\"{name}\" is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Result<Body, JsonError> {
        decode(text).unwrap().pop().unwrap().body
    }

    /// The error's code as it stands on the wire.
    fn code(text: &str) -> serde_json::Value {
        match decode(text).and_then(|mut all| all.pop().unwrap().body) {
            Ok(_) => "fine".into(),
            Err(error) => serde_json::to_value(error.code()).unwrap(),
        }
    }

    #[test]
    fn every_example_of_the_protocol_is_read() {
        assert!(matches!(one(r#"{"type":"ping"}"#), Ok(Body::Ping)));
        assert!(matches!(one(r#"{"type":"authenticate","token":"x"}"#), Ok(Body::Authenticate { .. })));
        let join = one(r#"{"type":"room.join","room":"general","since":17}"#);
        assert!(matches!(join, Ok(Body::Join { since: Some(Seq(17)), wants_edits: false, .. })));
        let mut chat = decode(
            r#"{"type":"chat.message","room":"general","text":"Hello everyone!","requestId":"r1","key":"k","user":"Eve","seq":[1]}"#,
        )
        .unwrap();
        let chat = chat.pop().unwrap();
        assert_eq!(chat.request_id.as_deref(), Some("r1"));
        let Ok(Body::InRoom { said: Said::Publish(chat), .. }) = chat.body else { panic!("a message") };
        assert_eq!((chat.event.text.as_deref(), chat.key.as_deref()), (Some("Hello everyone!"), Some("k")));
        for text in [
            r#"{"type":"order.updated","room":"general","payload":{"id":7}}"#,
            r#"{"type":"metric.update","room":"general"}"#,
            r#"{"type":"sensor.reading","room":"general","payload":1,"ephemeral":true}"#,
            r#"{"type":"direct.message","to":"bob","payload":{}}"#,
            r#"{"type":"typing.started","room":"general"}"#,
            r#"{"type":"presence.update","room":"general","state":{"cursor":1}}"#,
            r#"{"type":"edit.push","room":"general","version":0,"steps":[{"a":1}],"clientId":"c"}"#,
            r#"{"type":"edit.push","room":"general","version":0,"steps":[{"a":1}]}"#,
            r#"{"type":"room.leave","room":"general"}"#,
        ] {
            assert_eq!(code(text), "fine", "{text}");
        }
    }

    #[test]
    fn a_batch_is_read_message_by_message_and_is_bounded() {
        let all = decode(r#" [{"type":"ping"},{"type":"pong.x"},{"type":"ping"}]"#).unwrap();
        assert_eq!(all.iter().map(|message| message.body.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        let refused = decode(r#"{"type":"ping","color":1,"requestId":"r"}"#).unwrap().pop().unwrap();
        assert_eq!((refused.body.is_err(), refused.request_id.as_deref()), (true, Some("r")));
        let batch = |count| format!("[{}]", vec![r#"{"type":"ping"}"#; count].join(","));
        assert_eq!(decode(&batch(BATCH_MAX)).unwrap().len(), BATCH_MAX);
        assert!(matches!(decode(&batch(BATCH_MAX + 1)), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn what_is_wrong_gets_the_code_that_says_so() {
        let cases = [
            ("", "invalid_json"),
            ("{", "invalid_json"),
            ("[1", "invalid_json"),
            ("7", "invalid_message"),
            ("{}", "invalid_message"),
            (r#"{"type":"ping","color":"red"}"#, "invalid_message"),
            (r#"{"type":"chat.message","room":"general"}"#, "invalid_message"),
            (r#"{"type":"chat.message","room":"../x","text":""}"#, "invalid_message"),
            (r#"{"type":"chat.message","room":"general","text":"\u0000"}"#, "invalid_message"),
            (r#"{"type":"order.updated","room":"general","payload":1e999}"#, "invalid_message"),
            (r#"{"type":"room.join","room":"general","since":-1}"#, "invalid_message"),
            (r#"{"type":"room.join"}"#, "invalid_message"),
            (r#"{"type":"chat.shout","room":"general"}"#, "unknown_type"),
            (r#"{"type":"shout","room":"general"}"#, "unknown_type"),
            (r#"{"type":"shout"}"#, "unknown_type"),
            (r#"{"type":"presence.update","room":"general","state":[]}"#, "invalid_message"),
            (r#"{"type":"edit.push","room":"general","version":0,"steps":[],"clientId":{}}"#, "invalid_message"),
        ];
        for (text, expected) in cases {
            assert_eq!(code(text), expected, "{text}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(code(&format!(r#"{{"type":"order.updated","room":"general","payload":{deep}"#)), "invalid_json");
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(
            code(&format!(r#"{{"type":"order.updated","room":"general","payload":{deep}}}"#)),
            "invalid_message"
        );
    }

    #[test]
    fn a_refusal_says_which_field_is_wrong_and_how() {
        let cases = [
            ("7", "invalid type: integer `7`, expected a JSON object"),
            (r#"{"type":"ping","color":"red"}"#, r#"unknown field `color`; an app's own data belongs in "payload""#),
            (r#"{"type":"ping","type":"ping"}"#, "duplicate field `type`"),
            (
                r#"{"type":"chat.message","room":"general","text":7}"#,
                r#""text": invalid type: integer `7`, expected a string"#,
            ),
            (
                r#"{"type":"room.join","room":"general","since":-1}"#,
                r#""since": invalid value: integer `-1`, expected u64"#,
            ),
            (r#"{"type":"chat.message","room":"general"}"#, r#""text" is missing"#),
        ];
        for (text, expected) in cases {
            assert_eq!(one(text).unwrap_err().to_string(), expected, "{text}");
        }
        let long = format!(r#"{{"type":"ping","{}":1}}"#, "x".repeat(100_000));
        assert!(one(&long).unwrap_err().to_string().len() < 300);
    }

    proptest! {
        #[test]
        fn rule_27_no_text_makes_the_decoder_panic(text in ".{0,200}") {
            let _ = decode(&text);
        }
    }
}
