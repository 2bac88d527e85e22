//! What is sent again with its key, after an answer that was lost: it gets the first answer, whatever has happened since and whatever
//! would stand against it now.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::editor::{Editor, deleted};
use crate::support::http::{Answer, get, post_json, request};
use crate::support::json::{Client, problem};
use crate::support::message::update;
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

/// A write of alice's into the document of `plan`, with these headers beside what each has.
fn write(address: SocketAddr, method: &str, query: &str, headers: &str, body: &str) -> Answer {
    let (alice, length) = (writer("alice"), body.len());
    request(
        address,
        &format!(
            "{method} /api/v1/rooms/plan/document{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {alice}\r\n\
             {headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

/// Where an answer says that it stands.
fn seq(answer: &Answer) -> Option<u64> {
    assert!(answer.status < 300, "{answer:?}");
    answer.json()["seq"].as_u64()
}

fn text(address: SocketAddr) -> String {
    get(address, "/api/v1/rooms/plan/document?format=text&root=t", Some(&writer("alice"))).text().to_owned()
}

/// Somebody else makes the text another one.
fn overwrite(address: SocketAddr) {
    let mut bob = Editor::join(address, "plan", &writer("bob"), 7);
    let length = u32::try_from(bob.text().len()).unwrap();
    bob.socket.say(&update(&deleted(&bob.doc, length)));
    bob.saves("short");
}

#[test]
fn a_write_sent_again_stands_where_the_first_one_does_whatever_holds_now() {
    let operations = json!({ "operations": [{ "op": "insert", "path": ["t"], "index": 11, "text": "!" }] });
    let operations = operations.to_string();
    let put = ("PUT", "?format=text&root=t&key=k");
    for (what, (method, query), headers, body) in [
        ("a seed", put, "If-None-Match: *\r\n", "Hello world"),
        ("a text for a seq", put, "If-Match: \"1\"\r\n", "Hello there, world"),
        ("a text that is there already", put, "", "Hello world, again"),
        ("operations", ("PATCH", "?key=k"), "", operations.as_str()),
        ("operations for a seq", ("PATCH", "?key=k"), "If-Match: 1\r\n", operations.as_str()),
    ] {
        let server = Server::start();
        if what != "a seed" {
            assert_eq!(seq(&write(server.address, "PUT", "?format=text&root=t", "", "Hello world")), Some(1));
        }
        let first = seq(&write(server.address, method, query, headers, body));
        assert!(first.is_some());
        let said = json!({ "text": "I write it anew" });
        assert_eq!(post_json(server.address, "/api/v1/rooms/plan/messages", Some(&writer("bob")), &said).status, 201);
        let again = write(server.address, method, query, headers, body);
        assert_eq!((seq(&again), again.header("etag")), (first, Some(&*format!("\"{}\"", first.unwrap()))), "{what}");
        overwrite(server.address);
        assert_eq!(seq(&write(server.address, method, query, headers, body)), first, "{what}");
        assert_eq!(text(server.address), "short", "{what}");
        // Of another user it is another one, and judged.
        let other = query.replace("key=k", "key=other");
        let judged = write(server.address, method, &other, headers, body);
        assert!(judged.status >= 400 || seq(&judged) > first, "{what}: {judged:?}");
    }
}

#[test]
fn who_may_not_write_any_more_is_refused_and_gets_the_first_answer_once_they_may_again() {
    let server = Server::start();
    let say = |token: &str| {
        let said = json!({ "text": "once", "key": "k" });
        post_json(server.address, "/api/v1/rooms/plan/messages", Some(token), &said)
    };
    let first = seq(&say(&writer("alice")));
    assert_eq!(say(&reader("alice")).error(), (403, "forbidden".into()));
    let mut reading = Client::join(server.address, &reader("alice"), "plan");
    let answer = reading.ask(json!({ "type": "chat.message", "room": "plan", "text": "once", "key": "k" }));
    assert_eq!(problem(&answer), ("read_only", false));
    assert_eq!(seq(&say(&writer("alice"))), first);
}

#[test]
fn a_key_that_was_never_stored_changes_no_refusal_and_makes_no_room() {
    let server = Server::start();
    let operations = r#"{"operations":[{"op":"delete","path":["t"],"index":0,"length":1}]}"#;
    for (method, query, headers, body, expected) in
        [("PATCH", "?key=k", "", operations, 400), ("PUT", "?format=text&root=t&key=k", "If-Match: 7\r\n", "x", 412)]
    {
        let with_key = write(server.address, method, query, headers, body);
        let without = write(server.address, method, &query.replace("key=k", ""), headers, body);
        assert_eq!(with_key.error(), without.error(), "{method}");
        assert_eq!(with_key.status, expected, "{with_key:?}");
    }
    assert_eq!(get(server.address, "/api/v1/rooms/plan", Some(&writer("alice"))).status, 404);
}

#[test]
fn what_was_stored_before_a_quota_was_full_is_answered_as_then() {
    let server = Server::with(&["--quota-room-bytes", "20000"]);
    let (address, alice) = (server.address, writer("alice"));
    let post = |key: &str, length: usize| {
        let body = json!({ "text": "x".repeat(length), "key": key });
        post_json(address, "/api/v1/rooms/plan/messages", Some(&alice), &body)
    };
    let mut json = Client::join(address, &alice, "plan");
    let mut say = |key: &str, length: usize| {
        json.ask(json!({ "type": "chat.message", "room": "plan", "text": "x".repeat(length), "key": key }))
    };
    let put = |key: &str, text: &str| write(address, "PUT", &format!("?format=text&root=t&key={key}"), "", text);
    assert_eq!(seq(&post("posted", 4_000)), Some(1));
    assert_eq!(say("said", 4_000)["seq"], 2);
    assert_eq!(seq(&put("put", &"y".repeat(4_000))), Some(3));
    assert_eq!(post("full", 10_000).error(), (507, "quota_exceeded".into()));

    assert_eq!(seq(&post("posted", 10_000)), Some(1));
    assert_eq!(say("said", 10_000)["seq"], 2);
    assert_eq!(seq(&put("put", &"z".repeat(10_000))), Some(3));
    // What is new is still refused, and nothing of it is stored.
    assert_eq!(post("new", 10_000).error(), (507, "quota_exceeded".into()));
    assert_eq!(problem(&say("new", 10_000)), ("quota_exceeded", false));
    assert_eq!(put("new", &"z".repeat(10_000)).error(), (507, "quota_exceeded".into()));
    assert_eq!(seq(&post("small", 10)), Some(4));
}

#[test]
fn a_restore_sent_again_is_answered_as_then_whatever_head_it_was_made_for() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    alice.saves("two ");
    let restore = |body: &Value| post_json(server.address, "/api/v1/rooms/plan/restore", Some(&writer("carol")), body);
    let body = json!({ "to": 1, "ifHead": 2, "key": "mine" });
    let first = restore(&body);
    assert_eq!(first.json(), json!({ "seq": 3, "to": 1, "from": 2, "inserted": 0, "deleted": 4 }));
    alice.until_text("one ");
    // There is nothing to undo now, and another head.
    assert_eq!(restore(&body).json(), first.json());
    alice.saves("three");
    assert_eq!(restore(&body).json(), first.json());
    assert_eq!(alice.text(), "one three");
    assert_eq!(restore(&json!({ "to": 1, "ifHead": 2, "key": "other" })).error(), (412, "changed".into()));
    // Told once, too.
    let admin = token("root", &["*=admin"]);
    let page = get(server.address, "/api/v1/rooms/plan/history?kind=event", Some(&admin)).json();
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
}
