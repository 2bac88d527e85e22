//! Who may do what: every operation of REST and every action of sockets, by every role. No cell is left out.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};

use serde_json::{Value, json};
use tutti::auth::now_s;

use crate::support::events::Events;
use crate::support::frame::{PING, PONG, frame};
use crate::support::http::{Answer, get, post_json, request};
use crate::support::json::{Client, problem};
use crate::support::message::{Message, UPDATE_HI, awareness};
use crate::support::provider::{DENIED, Provider, READER, WRITER, auth, stateless};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{SECRET, signed, token};

/// Who asks, each with all that those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// Without a token.
    Stranger,
    /// With a token that does not open the room.
    Nobody,
    Reader,
    /// A reader who may look back.
    LookingBack,
    Writer,
    /// Of this room.
    Admin,
    /// Of every room.
    Root,
}

use Role::*;

const ROLES: [Role; 7] = [Stranger, Nobody, Reader, LookingBack, Writer, Admin, Root];

impl Role {
    fn token(self, room: &str) -> Option<String> {
        let grant = |access: &str| token("someone", &[&format!("{room}={access}")]);
        match self {
            Stranger => None,
            Nobody => Some(grant("none")),
            Reader => Some(grant("read")),
            LookingBack => {
                let rooms = json!([{ "room": room, "access": "read", "history": true }]);
                Some(signed(SECRET, &json!({ "sub": "someone", "exp": now_s() + 3600, "rooms": rooms })))
            }
            Writer => Some(grant("write")),
            Admin => Some(grant("admin")),
            Root => Some(token("someone", &["*=admin"])),
        }
    }
}

/// Who may call each operation, at least.
const OPERATIONS: [(Role, &[&str]); 7] = [
    (Stranger, &["alive", "ready", "getDescription"]),
    (Nobody, &["listRooms", "openStream", "sayToStream", "endStream", "issueTicket"]),
    (Reader, &["getRoom", "getHistory", "listComments", "readDocument", "getPresence", "followRoom"]),
    (LookingBack, &["getDiff", "getBlame", "getActivity", "getReplay", "listVersions", "copyRoom"]),
    (
        Writer,
        &[
            "publish",
            "updateDocument",
            "putDocument",
            "patchDocument",
            "restore",
            "addVersion",
            "changeVersion",
            "removeVersion",
            "messageUser",
        ],
    ),
    (Admin, &["changeRoom", "disconnect", "deleteRoom", "undeleteRoom", "erase", "getErasure", "cancelErasure"]),
    (
        Root,
        &[
            "revoke",
            "listRevocations",
            "addWebhook",
            "listWebhooks",
            "getWebhook",
            "changeWebhook",
            "removeWebhook",
            "testWebhook",
            "listDeliveries",
            "redeliver",
            "getStats",
        ],
    ),
];

/// Asks, with a body that says nothing where there is one: who may not is told so before it is looked at.
fn call(address: SocketAddr, method: &str, path: &str, token: Option<&str>) -> Answer {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = if ["POST", "PUT", "PATCH"].contains(&method) { "{}" } else { "" };
    let length = body.len();
    request(
        address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

/// Opens an event stream, as far as its head.
fn follow(address: SocketAddr, path: &str, token: Option<&str>) -> Answer {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}"));
    let mut events = Events::ask(address, path, &authorization.iter().map(String::as_str).collect::<Vec<_>>());
    if events.answer.status != 200 {
        events.stream.shutdown(Shutdown::Write).unwrap();
        events.answer.body = events.rest().into_bytes();
    }
    events.answer
}

#[test]
fn rule_16_each_operation_of_rest_is_for_who_may_and_for_nobody_else() {
    let server = Server::start();
    let api = get(server.address, "/api/v1/openapi.json", None).json();
    let mut least: BTreeMap<&str, Role> = BTreeMap::new();
    for (role, operations) in OPERATIONS {
        for operation in operations {
            assert_eq!(least.insert(operation, role), None, "{operation} is there twice");
        }
    }
    let root = Root.token("").unwrap();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let operation = operation["operationId"].as_str().unwrap();
            let least = least.remove(operation).unwrap_or_else(|| panic!("{operation} is not in the table"));
            for role in ROLES {
                let room = format!("{operation}-{role:?}");
                let made = post_json(
                    server.address,
                    &format!("/api/v1/rooms/{room}/messages"),
                    Some(&root),
                    &json!({ "text": "x" }),
                );
                assert_eq!(made.status, 201, "{made:?}");
                let is_of_room = path.contains("{room}");
                let id = "00000000-0000-4000-8000-000000000000";
                let path = path.replace("{room}", &room).replace("{user}", "bob").replace("{delivery}", "1");
                let path = path.replace("{client}", id).replace("{webhook}", id);
                let token = role.token(&room);
                let answer = match operation {
                    "followRoom" | "openStream" => follow(server.address, &path, token.as_deref()),
                    _ => call(server.address, &method.to_uppercase(), &path, token.as_deref()),
                };
                let what = format!("{operation} by {role:?}: {answer:?}");
                if role >= least {
                    assert!(![401, 403].contains(&answer.status) && answer.status < 500, "{what}");
                    assert!(answer.status != 404 || answer.error().1 != "room_not_found", "{what}");
                } else {
                    let refused = match role {
                        Stranger => (401, "unauthorized"),
                        Nobody if is_of_room => (404, "room_not_found"),
                        _ => (403, "forbidden"),
                    };
                    assert_eq!(answer.error(), (refused.0, refused.1.to_owned()), "{what}");
                }
            }
        }
    }
    assert!(least.is_empty(), "no operation: {least:?}");
}

#[test]
fn rule_16_each_action_of_a_socket_is_for_who_may_and_for_nobody_else() {
    let server = Server::start();
    for role in ROLES {
        let Some(token) = role.token("room") else { continue };
        let may = |least: Role| role >= least;

        let mut client = Client::enter(server.address, &token);
        let joined = client.ask(json!({ "type": "room.join", "room": "room" }));
        if !may(Reader) {
            assert_eq!(problem(&joined), ("forbidden", false), "{role:?}");
        } else {
            assert_eq!(joined["type"], "room.joined", "{role:?}");
            let said = |kind: &str, more: Value| {
                let mut message = json!({ "type": kind, "room": "room" });
                message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                message
            };
            for (message, least, done) in [
                (said("presence.update", json!({ "state": {} })), Reader, "done"),
                (said("chat.message", json!({ "text": "x" })), Writer, "saved"),
                (said("a.b", json!({ "payload": 1 })), Writer, "saved"),
                (said("a.b", json!({ "payload": 1, "ephemeral": true })), Writer, "done"),
                (said("typing.started", json!({})), Writer, "done"),
            ] {
                let answer = client.ask(message.clone());
                match may(least) {
                    true => assert_eq!(answer["type"], done, "{role:?} {message}: {answer}"),
                    false => assert_eq!(problem(&answer), ("read_only", false), "{role:?} {message}"),
                }
            }
        }
        let direct = client.ask(json!({ "type": "direct.message", "to": "bob", "payload": 1 }));
        match may(Writer) {
            true => assert_eq!(direct["type"], "done", "{role:?}"),
            false => assert_eq!(problem(&direct), ("read_only", false), "{role:?}"),
        }

        let mut socket = Socket::yjs(server.address, "room", &token);
        if may(Reader) {
            socket.say(&awareness(7, 1, "{}"));
            socket.say(UPDATE_HI);
            let denied = socket.until("what becomes of the edit", |message| {
                matches!(message, Message::Denied(_) | Message::Update(_))
            });
            assert_eq!(matches!(denied, Message::Update(_)), may(Writer), "{role:?}: {denied:?}");
        } else {
            assert_eq!(socket.closed().0, 4403, "{role:?}");
        }

        let mut provider = Provider::connect(server.address);
        provider.say("room", &auth(&token, None));
        provider.hears(
            "room",
            if may(Writer) {
                WRITER
            } else if may(Reader) {
                READER
            } else {
                DENIED
            },
        );
        if may(Reader) {
            let mut other = Provider::open(server.address, "room", &Root.token("").unwrap(), WRITER);
            provider.say("room", &stateless("theirs"));
            provider.socket.send(&frame(PING, b""));
            while provider.socket.frame().opcode != PONG {}
            let mut third = Provider::open(server.address, "room", &Root.token("").unwrap(), WRITER);
            third.say("room", &stateless("the end"));
            let before = other.until("room", &stateless("the end"));
            assert_eq!(before.contains(&stateless("theirs")), may(Writer), "{role:?}");
        }
    }
}
