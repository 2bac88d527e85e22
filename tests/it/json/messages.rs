//! Messages, events, signals, and what is said to one person.

use serde_json::{Value, json};

use crate::support::json::{Client, Heard, problem};
use crate::support::server::Server;
use crate::support::token::{SECRET, reader, signed, token, writer};

fn chat(text: &str) -> Value {
    json!({ "type": "chat.message", "room": "general", "text": text })
}

fn with(mut message: Value, field: &str, value: Value) -> Value {
    message[field] = value;
    message
}

/// A message as all get it, without its time.
fn untimed(mut message: Value) -> Value {
    let at = message["timestamp"].take();
    assert!(at.as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{at}");
    message.as_object_mut().unwrap().remove("timestamp");
    message
}

#[test]
fn a_message_is_saved_and_then_comes_to_all_its_author_too() {
    let server = Server::start();
    let claims = json!({ "sub": "ada", "name": "Ada", "exp": tutti::auth::now_s() + 60, "rooms": [{ "room": "*", "access": "write" }] });
    let mut ada = Client::join(server.address, &signed(SECRET, &claims), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    ada.say(with(
        with(chat("Hello everyone!"), "requestId", json!("r1")),
        "payload",
        json!({ "mood": ["fine", 1.5, null] }),
    ));
    let expected = json!({ "type": "chat.message", "room": "general", "user": "ada", "name": "Ada", "seq": 1,
                           "text": "Hello everyone!", "payload": { "mood": ["fine", 1.5, null] } });
    assert_eq!(untimed(bob.until("chat.message")), expected);
    let mut both = [ada.find("a copy", |m| m["seq"] == 1), ada.find("the other", |m| m["seq"] == 1)];
    both.sort_by_key(|message| message["type"].to_string());
    assert_eq!(untimed(both[0].clone()), expected);
    assert_eq!(untimed(both[1].clone()), json!({ "type": "saved", "room": "general", "seq": 1, "requestId": "r1" }));
}

#[test]
fn rule_17_what_a_client_claims_for_the_server_to_say_is_ignored() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut message = chat("me");
    for (field, value) in [("user", json!("eve")), ("name", json!(7)), ("timestamp", json!("1970")), ("seq", json!(99))]
    {
        message[field] = value;
    }
    ada.say(message);
    let told = ada.until("chat.message");
    assert_eq!((&told["user"], &told["name"], &told["seq"]), (&json!("ada"), &json!("ada"), &json!(1)));
    assert!(told["timestamp"].as_str().is_some_and(|at| at.starts_with("20")));
}

#[test]
fn an_apps_event_is_kept_in_the_same_timeline() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.chats("general", "first");
    for kind in ["order.updated", "sensor.reading_2", "a.b-c.d"] {
        let saved = ada.ask(json!({ "type": kind, "room": "general", "payload": { "id": 7 } }));
        assert_eq!(saved["type"], "saved", "{kind}: {saved}");
    }
    let mut bob = Client::enter(server.address, &writer("bob"));
    bob.say(json!({ "type": "room.join", "room": "general", "since": 1 }));
    let event = bob.until("order.updated");
    let expected = json!({ "type": "order.updated", "room": "general", "user": "ada", "name": "ada", "seq": 2, "payload": { "id": 7 } });
    assert_eq!(untimed(event), expected);
}

#[test]
fn types_of_the_protocols_own_namespaces_are_not_an_apps() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let longest = format!("a.{}", "b".repeat(62));
    assert_eq!(ada.ask(json!({ "type": longest, "room": "general" }))["type"], "saved");
    let long = format!("a.{}", "b".repeat(63));
    let own = ["auth", "chat", "direct", "edit", "presence", "room", "server", "token", "typing", "user"];
    let own = own.iter().map(|namespace| format!("{namespace}.mine"));
    for kind in own.chain([long, "plain".into(), ".dot".into(), "Upper.case".into(), "with space.x".into()]) {
        let answer = ada.ask(json!({ "type": kind, "room": "general" }));
        assert_eq!(problem(&answer), ("unknown_type", false), "{kind}");
    }
}

#[test]
fn a_repeated_key_is_stored_once_and_answered_with_the_first_place() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    let mut watcher = Client::join(server.address, &reader("watcher"), "general");
    let keyed = |text| with(chat(text), "key", json!("k"));
    assert_eq!(ada.ask(keyed("once"))["seq"], 1);
    assert_eq!(ada.ask(keyed("again"))["seq"], 1);
    // The key is its author's own, and the room's own.
    assert_eq!(bob.ask(keyed("bob's"))["seq"], 2);
    ada.joins("other");
    assert_eq!(ada.ask(with(keyed("elsewhere"), "room", json!("other")))["seq"], 1);
    bob.chats("general", "end");
    let texts: Vec<Value> =
        watcher.heard_until_now("general", "chat").iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, [json!("once"), json!("bob's"), json!("end")]);
}

#[test]
fn the_same_key_from_two_sockets_at_once_is_stored_once() {
    let server = Server::start();
    let mut watcher = Client::join(server.address, &reader("watcher"), "general");
    let mut sockets = [(); 8].map(|()| Client::join(server.address, &writer("ada"), "general"));
    for round in 0..20 {
        for socket in &mut sockets {
            socket.say(with(with(chat("same"), "key", json!(format!("k{round}"))), "requestId", json!("r")));
        }
        let seqs = sockets.each_mut().map(|socket| socket.until("saved")["seq"].as_u64().unwrap());
        assert_eq!(seqs, [round + 1; 8]);
    }
    let seqs: Vec<u64> =
        watcher.heard_until_now("general", "chat").iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<u64>>());
}

#[test]
fn a_key_is_short() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    assert_eq!(ada.ask(with(chat("x"), "key", json!("k".repeat(256))))["type"], "saved");
    assert_eq!(problem(&ada.ask(with(chat("x"), "key", json!("k".repeat(257))))), ("invalid_message", false));
    assert_eq!(problem(&ada.ask(with(chat("x"), "key", json!("\0")))), ("invalid_message", false));
}

#[test]
fn what_is_ephemeral_comes_to_the_others_and_is_not_kept() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    let signal = json!({ "type": "cursor.moved", "room": "general", "payload": [1, 2], "ephemeral": true });
    let (before, done) = ada.ask_hearing(signal);
    assert_eq!(
        (&done["type"], before.iter().any(|message| message["type"] == "cursor.moved")),
        (&json!("done"), false)
    );
    let expected = json!({ "type": "cursor.moved", "room": "general", "user": "ada", "name": "ada", "payload": [1, 2], "ephemeral": true });
    assert_eq!(untimed(bob.until("cursor.moved")), expected);
    assert_eq!(ada.joins("general")["seq"], 0);
}

#[test]
fn rule_20_readers_hear_everything_and_say_nothing_but_who_they_are() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    for message in [
        chat("?"),
        json!({ "type": "order.updated", "room": "general" }),
        json!({ "type": "cursor.moved", "room": "general", "ephemeral": true }),
        json!({ "type": "typing.started", "room": "general" }),
        json!({ "type": "edit.push", "room": "general", "version": 0, "steps": [1], "clientId": 1 }),
    ] {
        assert_eq!(problem(&bob.ask(message)), ("read_only", false));
    }
    bob.socket.say(b"\x07generalx");
    assert_eq!(problem(&bob.until("error")), ("read_only", false));
    let shown = json!({ "type": "presence.update", "room": "general", "state": { "here": true } });
    assert_eq!(bob.ask(shown)["type"], "done");
    let heard = ada.heard_until_now("general", "");
    assert!(heard.iter().all(|message| message["type"] == "presence.diff"), "{heard:?}");
}

#[test]
fn bytes_go_to_the_others_with_their_sender() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    ada.socket.say(b"\x07general\x00\x01\xff");
    ada.socket.say(b"\x07general");
    for expected in [&b"\x07general\x03ada\x00\x01\xff"[..], b"\x07general\x03ada"] {
        let bytes = loop {
            if let Heard::Bytes(bytes) = bob.hear() {
                break bytes;
            }
        };
        assert_eq!(bytes, expected);
    }
    for (bytes, code) in [
        (&b"\x05other"[..], "not_joined"),
        (b"\x09general", "invalid_message"),
        (b"", "invalid_message"),
        (b"\x02..", "invalid_message"),
    ] {
        ada.socket.say(bytes);
        assert_eq!(problem(&ada.until("error")), (code, false), "{bytes:?}");
    }
}

#[test]
fn a_direct_message_comes_to_all_sockets_of_its_user_and_to_nobody_else() {
    let server = Server::start();
    let mut ada = Client::enter(server.address, &token("ada", &["somewhere=write"]));
    let mut bobs = [(); 3].map(|()| Client::enter(server.address, &reader("bob")));
    let mut cleo = Client::enter(server.address, &reader("cleo"));
    let direct = |to| json!({ "type": "direct.message", "to": to, "payload": { "ring": true } });
    let done = ada.ask(direct("bob"));
    assert_eq!((&done["type"], &done["sockets"]), (&json!("done"), &json!(3)));
    for bob in &mut bobs {
        let expected =
            json!({ "type": "direct.message", "user": "ada", "name": "ada", "to": "bob", "payload": { "ring": true } });
        assert_eq!(untimed(bob.next()), expected);
    }
    assert_eq!(ada.ask(direct("nobody"))["sockets"], 0);
    assert_eq!(cleo.ask_hearing(json!({ "type": "ping" })).0, Vec::<Value>::new());
    assert_eq!(problem(&cleo.ask(direct("bob"))), ("read_only", false));
    for wrong in
        [json!({ "type": "direct.message", "to": "bob" }), json!({ "type": "direct.message", "to": "", "payload": 1 })]
    {
        assert_eq!(problem(&ada.ask(wrong)), ("invalid_message", false));
    }
}

#[test]
fn a_batch_is_answered_one_by_one() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.text(
        r#"[{"type":"chat.message","room":"general","text":"1","requestId":"a"},{"type":"nonsense","requestId":"b"},7,
                 {"type":"chat.message","room":"general","text":"2","requestId":"c"},{"type":"ping","requestId":"d"}]"#,
    );
    let mut answers = std::collections::BTreeMap::new();
    while answers.len() < 5 {
        let message = ada.next();
        if let Some(id) = message["requestId"].as_str() {
            answers.insert(id.to_owned(), message["type"].clone());
        } else if message["type"] == "error" {
            answers.insert(String::new(), message["code"].clone());
        }
    }
    let expected = [("", "invalid_message"), ("a", "saved"), ("b", "error"), ("c", "saved"), ("d", "pong")];
    assert_eq!(answers, expected.map(|(id, kind)| (id.to_owned(), json!(kind))).into());
}
