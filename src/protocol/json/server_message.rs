//! What the server says to a JSON client, each in a text frame of its own; entries and signals are in `entry.rs`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::entry::name;
use super::error::ErrorMessage;
use crate::auth::Access;
use crate::ids::{RoomName, Seq, UserId};
use crate::wire::Frame;

/// What the server says. Answers carry the request's id, if it had one.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ServerMessage<'a> {
    /// The first message of a connection.
    #[serde(rename = "welcome")]
    Welcome {
        /// A name for the connection.
        client_id: &'a str,
        /// How often the server pings a silent client.
        heartbeat_ms: u64,
        /// The protocol's name.
        protocol: &'a str,
    },
    /// The token is good.
    #[serde(rename = "auth.success")]
    Authenticated {
        /// The token's `sub`.
        user_id: &'a UserId,
        /// The name shown to others.
        name: &'a str,
        /// When the token ends.
        expires_at: String,
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// The token is not good.
    #[serde(rename = "auth.error")]
    NotAuthenticated {
        /// For a person.
        message: &'a str,
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// A fresh token should come.
    #[serde(rename = "token.expiring")]
    TokenExpiring {
        /// When the token ends.
        expires_at: String,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// The server is about to end.
    #[serde(rename = "server.draining")]
    Draining {},
    /// The client is in a room.
    #[serde(rename = "room.joined")]
    Joined {
        /// The room.
        room: &'a RoomName,
        /// Its newest entry.
        seq: Seq,
        /// What the token allows there.
        access: Access,
        /// Whether everything that the client missed will come.
        recovered: bool,
        /// Users who are connected.
        members: Vec<UserPresence>,
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// The client has left a room.
    #[serde(rename = "room.left")]
    Left {
        /// The room.
        room: &'a RoomName,
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// The client is out of a room.
    #[serde(rename = "room.evicted")]
    Evicted {
        /// The room.
        room: &'a RoomName,
        /// For a person.
        reason: &'a str,
    },
    /// A fresh token allows something else in a room.
    #[serde(rename = "room.access")]
    RoomAccess {
        /// The room.
        room: &'a RoomName,
        /// What it allows.
        access: Access,
    },
    /// An entry is committed.
    #[serde(rename = "saved")]
    Saved {
        /// The room.
        room: &'a RoomName,
        /// The entry.
        seq: Seq,
        /// When it was committed.
        timestamp: String,
        /// The version after steps.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// A request is done that has no other answer.
    #[serde(rename = "done")]
    Done {
        /// The room, if it is about one.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a RoomName>,
        /// The request.
        request_id: &'a str,
        /// How many sockets a direct message went to.
        #[serde(skip_serializing_if = "Option::is_none")]
        sockets: Option<usize>,
    },
    /// Steps do not follow the newest version.
    #[serde(rename = "edit.rejected")]
    StepsRejected {
        /// The room.
        room: &'a RoomName,
        /// The newest version.
        version: u64,
        /// The version that the client has.
        since: u64,
        /// Steps after that.
        steps: &'a [Box<RawValue>],
        /// Whose each of them is.
        client_ids: &'a [Box<RawValue>],
        /// The request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    },
    /// All users of a room.
    #[serde(rename = "presence.state")]
    PresenceState {
        /// The room.
        room: &'a RoomName,
        /// How many there are.
        count: usize,
        /// Whether there are too many to be named.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        capped: bool,
        /// The users.
        users: Vec<UserPresence>,
    },
    /// What has changed among them.
    #[serde(rename = "presence.diff")]
    PresenceDiff {
        /// The room.
        room: &'a RoomName,
        /// How many there are.
        count: usize,
        /// Whether there are too many to be named.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        capped: bool,
        /// Users who came.
        joins: Vec<UserPresence>,
        /// Users who changed.
        updates: Vec<UserPresence>,
        /// Users who left.
        leaves: Vec<UserId>,
    },
    /// A user has begun to type, or ended it.
    #[serde(rename = "user.typing")]
    Typing {
        /// The room.
        room: &'a RoomName,
        /// The user.
        user: &'a UserId,
        /// The user's name.
        name: &'a str,
        /// Whether they type.
        typing: bool,
    },
    /// A message from one user to another.
    #[serde(rename = "direct.message")]
    Direct {
        /// Who sends it.
        user: &'a UserId,
        /// The sender's name.
        name: &'a str,
        /// The user it is for, as the sender wrote it.
        to: &'a str,
        /// When it came.
        timestamp: String,
        /// The app's own JSON.
        payload: &'a RawValue,
    },
    /// Something was not done.
    #[serde(rename = "error")]
    Error(ErrorMessage<'a>),
}

impl ServerMessage<'_> {
    /// The frame.
    pub fn frame(&self) -> Frame {
        // Maps with text keys, texts and numbers: what cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let name = name(&json, 0);
        Frame::text(&[&json]).with_name(name)
    }
}

impl ErrorMessage<'_> {
    /// The frame.
    pub fn frame(self) -> Frame {
        ServerMessage::Error(self).frame()
    }
}

/// A user of a room.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserPresence {
    /// The token's `sub`.
    pub user: UserId,
    /// The name shown to others.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// How many sockets the user has in the room.
    pub sockets: usize,
    /// What they show of themselves, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub state: Option<Arc<RawValue>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::ErrorCode;
    use crate::wire::Encoding;

    #[test]
    fn the_golden_bytes_are_written() {
        let (room, ada) = (&RoomName::parse("general").unwrap(), &UserId::new("ada"));
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        let (step, editor, request_id) = ([raw("1")], [raw("\"a\"")], Some("r1"));
        let user = |state: Option<&str>| UserPresence {
            user: ada.clone(),
            name: "Ada".into(),
            sockets: 1,
            state: state.map(|state| raw(state).into()),
        };
        let (access, seq) = (Access::Write, Seq(7));
        let timestamp = || "2023-11-14T22:13:20.123Z".to_owned();
        let error = ErrorMessage::temporary(ErrorCode::TryLater, "wait", 5).about(request_id, Some(room));
        let cases = [
            (
                ServerMessage::Welcome { client_id: "c", heartbeat_ms: 25_000, protocol: "tutti.v1" },
                r#"{"type":"welcome","clientId":"c","heartbeatMs":25000,"protocol":"tutti.v1"}"#,
            ),
            (
                ServerMessage::Authenticated { user_id: ada, name: "Ada", expires_at: timestamp(), request_id },
                r#"{"type":"auth.success","userId":"ada","name":"Ada","expiresAt":"2023-11-14T22:13:20.123Z","requestId":"r1"}"#,
            ),
            (
                ServerMessage::NotAuthenticated { message: "no", request_id: None },
                r#"{"type":"auth.error","message":"no"}"#,
            ),
            (
                ServerMessage::TokenExpiring { expires_at: timestamp() },
                r#"{"type":"token.expiring","expiresAt":"2023-11-14T22:13:20.123Z"}"#,
            ),
            (ServerMessage::Pong { request_id: None }, r#"{"type":"pong"}"#),
            (ServerMessage::Draining {}, r#"{"type":"server.draining"}"#),
            (
                ServerMessage::Joined { room, seq, access, recovered: true, members: vec![user(None)], request_id },
                r#"{"type":"room.joined","room":"general","seq":7,"access":"write","recovered":true,"members":[{"user":"ada","name":"Ada","sockets":1}],"requestId":"r1"}"#,
            ),
            (ServerMessage::Left { room, request_id }, r#"{"type":"room.left","room":"general","requestId":"r1"}"#),
            (
                ServerMessage::Evicted { room, reason: "out" },
                r#"{"type":"room.evicted","room":"general","reason":"out"}"#,
            ),
            (ServerMessage::RoomAccess { room, access }, r#"{"type":"room.access","room":"general","access":"write"}"#),
            (
                ServerMessage::Saved { room, seq, timestamp: timestamp(), version: Some(9), request_id },
                r#"{"type":"saved","room":"general","seq":7,"timestamp":"2023-11-14T22:13:20.123Z","version":9,"requestId":"r1"}"#,
            ),
            (
                ServerMessage::Done { room: Some(room), request_id: "r1", sockets: None },
                r#"{"type":"done","room":"general","requestId":"r1"}"#,
            ),
            (
                ServerMessage::Done { room: None, request_id: "r1", sockets: Some(2) },
                r#"{"type":"done","requestId":"r1","sockets":2}"#,
            ),
            (
                ServerMessage::StepsRejected {
                    room,
                    version: 9,
                    since: 8,
                    steps: &step,
                    client_ids: &editor,
                    request_id,
                },
                r#"{"type":"edit.rejected","room":"general","version":9,"since":8,"steps":[1],"clientIds":["a"],"requestId":"r1"}"#,
            ),
            (
                ServerMessage::PresenceState { room, count: 1, capped: false, users: vec![user(Some("{\"a\":1}"))] },
                r#"{"type":"presence.state","room":"general","count":1,"users":[{"user":"ada","name":"Ada","sockets":1,"state":{"a":1}}]}"#,
            ),
            (
                ServerMessage::PresenceDiff {
                    room,
                    count: 300,
                    capped: true,
                    joins: Vec::new(),
                    updates: Vec::new(),
                    leaves: vec![ada.clone()],
                },
                r#"{"type":"presence.diff","room":"general","count":300,"capped":true,"joins":[],"updates":[],"leaves":["ada"]}"#,
            ),
            (
                ServerMessage::Typing { room, user: ada, name: "Ada", typing: true },
                r#"{"type":"user.typing","room":"general","user":"ada","name":"Ada","typing":true}"#,
            ),
            (
                ServerMessage::Direct { user: ada, name: "Ada", to: "bob", timestamp: timestamp(), payload: &step[0] },
                r#"{"type":"direct.message","user":"ada","name":"Ada","to":"bob","timestamp":"2023-11-14T22:13:20.123Z","payload":1}"#,
            ),
            (
                ServerMessage::Error(error),
                r#"{"type":"error","code":"try_later","message":"wait","temporary":true,"retryAfterMs":5,"requestId":"r1","room":"general"}"#,
            ),
        ];
        for (message, expected) in cases {
            let frame = message.frame();
            assert_eq!(std::str::from_utf8(frame.payload()).unwrap(), expected);
            let kind = &serde_json::from_str::<serde_json::Value>(expected).unwrap()["type"];
            let event = std::str::from_utf8(frame.encoded(Encoding::Events)).unwrap();
            assert_eq!(event, format!("event: {}\ndata: {expected}\n\n", kind.as_str().unwrap()));
        }
    }
}
