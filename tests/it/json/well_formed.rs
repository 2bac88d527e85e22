//! Half an emoji, as JavaScript cuts it: taken everywhere, kept and passed on as U+FFFD, which every reader reads.

use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::http::{get, post_text};
use crate::support::json::Client;
use crate::support::message::awareness;
use crate::support::server::Server;
use crate::support::token::{token, writer};

/// What is written, and what is passed on: halves replaced, all else as it was.
const WRITTEN: &str = r#""\uD83D \ud83d\ude00 \ude00\/\\ud83d caf\u00e9""#;
const PASSED_ON: &str = r#""\ufffd \ud83d\ude00 \ufffd\/\\ud83d caf\u00e9""#;

fn read() -> Value {
    serde_json::from_str(PASSED_ON).unwrap()
}

/// What stands there in a message; in a difference in presence, of the first user who has it.
fn told<'m>(message: &'m Value, at: &str) -> Option<&'m Value> {
    if message["type"] != "presence.diff" {
        return message.pointer(at);
    }
    let users = ["joins", "updates"].into_iter().filter_map(|list| message[list].as_array()).flatten();
    users.filter_map(|user| user.pointer(at)).next()
}

/// Both clients read strictly: a half on its way to them fails the test.
struct Pair {
    server: Server,
    ada: Client,
    bob: Client,
}

fn pair() -> Pair {
    let server = Server::start();
    let ada = Client::join(server.address, &writer("ada"), "general");
    let bob = Client::join(server.address, &writer("bob"), "general");
    Pair { server, ada, bob }
}

#[test]
fn by_socket_in_text_payload_state_steps_keys_and_names_of_requests() {
    let Pair { server, mut ada, mut bob } = pair();
    let cases = [
        (r#""type":"chat.message","room":"general","text":WRITTEN"#, "chat.message", "/text"),
        (
            r#""type":"chat.message","room":"general","text":"","payload":{"a":[WRITTEN]}"#,
            "chat.message",
            "/payload/a/0",
        ),
        (r#""type":"order.updated","room":"general","payload":WRITTEN"#, "order.updated", "/payload"),
        (r#""type":"order.seen","room":"general","payload":WRITTEN,"ephemeral":true"#, "order.seen", "/payload"),
        (r#""type":"direct.message","to":"bob","payload":WRITTEN"#, "direct.message", "/payload"),
        (r#""type":"edit.push","room":"general","version":0,"steps":[WRITTEN],"clientId":1"#, "edit.steps", "/steps/0"),
        (
            r#""type":"edit.push","room":"general","version":1,"steps":[1],"clientId":WRITTEN"#,
            "edit.steps",
            "/clientIds/0",
        ),
        (r#""type":"presence.update","room":"general","state":{"a":WRITTEN}"#, "presence.diff", "/state/a"),
        (r#""type":"chat.message","room":"general","text":"keyed","key":WRITTEN"#, "chat.message", "/text"),
    ];
    for (fields, heard, at) in cases {
        let fields = fields.replace("WRITTEN", WRITTEN);
        ada.text(&format!(r#"{{"requestId":WRITTEN,{fields}}}"#).replace("WRITTEN", WRITTEN));
        let answer = ada.find("the answer", |message| message["requestId"].is_string());
        assert_ne!(answer["type"], "error", "{fields}: {answer}");
        assert_eq!(answer["requestId"], read(), "{fields}");
        // A difference in presence may come in one with who joined.
        let message = bob.find(heard, |message| message["type"] == heard && told(message, at).is_some());
        let expected = if at == "/text" && fields.contains("keyed") { json!("keyed") } else { read() };
        assert_eq!(told(&message, at), Some(&expected), "{fields}: {message}");
    }
    // Told again to who comes later, and by REST, all as written but for the halves.
    let mut carol = Client::enter(server.address, &writer("carol"));
    carol.say(json!({ "type": "room.join", "room": "general", "since": 0 }));
    let state = carol.until("presence.state");
    assert_eq!(state["users"][0]["state"]["a"], read());
    let history = get(server.address, "/api/v1/rooms/general/history", Some(&writer("carol")));
    history.json();
    assert!(history.text().contains(PASSED_ON), "{}", history.text());
    assert!(!history.text().contains(r"\uD83D "), "{}", history.text());
    let mut late = Editor::join(server.address, "general", &writer("dan"), 7);
    late.barrier();
    let states: Vec<&str> =
        late.states.iter().map(|state| &state.json[..]).filter(|json| json.contains("ada")).collect();
    assert!(states.iter().any(|json| json.contains(PASSED_ON)), "{states:?}");
}

#[test]
fn in_what_an_editor_shows_of_itself() {
    let Pair { server, mut bob, .. } = pair();
    let mut editor = Editor::join(server.address, "general", &writer("ed"), 1);
    let mut other = Editor::join(server.address, "general", &writer("other"), 2);
    let written = format!(r#"{{"user":{{"name":{WRITTEN}}}}}"#);
    editor.socket.say(&awareness(1, 1, &written));
    // Editors get the bytes that an editor wrote.
    other.until("the state", |other, _| other.states.iter().any(|state| state.json == written));
    let shown = |message: &Value| {
        let people = ["joins", "updates"].into_iter().filter_map(|list| message[list].as_array()).flatten();
        people.into_iter().filter_map(|person| person.pointer("/state/user/name")).any(|name| *name == read())
    };
    bob.find("the editor", shown);
}

#[test]
fn by_rest_in_text_payload_direct_messages_and_reasons() {
    let Pair { server, mut bob, .. } = pair();
    let admin = token("root", &["*=admin"]);
    let cases = [
        ("rooms/general/messages", r#"{"text":WRITTEN,"key":WRITTEN}"#, "chat.message", "/text", 201),
        ("rooms/general/messages", r#"[{"text":"","payload":[WRITTEN]}]"#, "chat.message", "/payload/0", 201),
        ("rooms/general/messages", r#"{"type":"order.updated","payload":WRITTEN}"#, "order.updated", "/payload", 201),
        ("users/bob/messages", r#"{"payload":{"a":WRITTEN}}"#, "direct.message", "/payload/a", 200),
        ("rooms/general/disconnect", r#"{"user":"bob","reason":WRITTEN}"#, "room.evicted", "/reason", 200),
    ];
    for (path, body, heard, at, status) in cases {
        let body = body.replace("WRITTEN", WRITTEN);
        let answer = post_text(server.address, &format!("/api/v1/{path}"), Some(&admin), &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let message = bob.until(heard);
        assert_eq!(message.pointer(at), Some(&read()), "{body}: {message}");
    }
}
