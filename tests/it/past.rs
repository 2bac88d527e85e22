//! What REST tells of a room's past, and to whom.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use yrs::updates::decoder::Decode;
use yrs::{GetString, Text, Transact, Update};

use crate::support::database::execute;
use crate::support::editor::{Editor, ROOT, deleted, document, text};
use crate::support::eventually;
use crate::support::http::{Answer, ask, get, post_json, request};
use crate::support::message;
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

/// A server whose room `docs/plan` has the entries `one `, a message, `two `, and the deletion of `one `.
fn with_plan() -> (Server, Editor) {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "docs/plan", &writer("alice"), 1);
    alice.saves("one ");
    let said =
        post_json(server.address, "/api/v1/rooms/docs/plan/messages", Some(&writer("alice")), &json!({ "text": "hi" }));
    assert_eq!(said.status, 201);
    alice.saves("two ");
    let update = deleted(&alice.doc, 4);
    alice.socket.say(&message::update(&update));
    alice.barrier();
    (server, alice)
}

fn document_at(server: &Server, query: &str, token: &str) -> Answer {
    get(server.address, &format!("/api/v1/rooms/docs/plan/document?{query}"), Some(token))
}

#[test]
fn trap_1_the_document_is_read_as_it_was_at_a_seq() {
    let (server, _alice) = with_plan();
    let at = |query: &str| {
        let answer = document_at(&server, query, &writer("bob"));
        assert_eq!(answer.status, 200, "{query}");
        (answer.header("tutti-seq").unwrap().to_owned(), String::from_utf8(answer.body).unwrap())
    };
    for (seq, expected) in [(0, ""), (1, "one "), (2, "one "), (3, "one two "), (4, "two ")] {
        assert_eq!(at(&format!("format=text&at={seq}")), (seq.to_string(), expected.to_owned()));
    }
    assert_eq!(at("at=0").1, "{}");
    assert_eq!(at("at=3").1, r#"{"t":"one two "}"#);
    assert_eq!(at("at=3&root=t").1, r#""one two ""#);
    let yjs = document_at(&server, "format=yjs&at=3", &writer("bob"));
    let doc = document(9);
    doc.transact_mut().apply_update(Update::decode_v1(&yjs.body).unwrap()).unwrap();
    assert_eq!(text(&doc), "one two ");
}

#[test]
fn trap_1_a_time_is_a_moment_too() {
    let (server, _alice) = with_plan();
    let page = get(server.address, "/api/v1/rooms/docs/plan/history?kind=edit", Some(&writer("bob"))).json();
    let last = page["entries"][2]["at"].as_str().unwrap();
    let at = |time: &str| {
        let answer = document_at(&server, &format!("format=text&at={time}"), &writer("bob"));
        (answer.status, answer.header("tutti-seq").map(str::to_owned), String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(at(last), (200, Some("4".to_owned()), "two ".to_owned()));
    assert_eq!(at("2001-01-01T00:00:00Z"), (200, Some("0".to_owned()), String::new()));
}

#[test]
fn trap_1_a_moment_that_is_none_is_refused() {
    let (server, _alice) = with_plan();
    for at in ["5", "18446744073709551615"] {
        assert_eq!(
            document_at(&server, &format!("at={at}"), &writer("bob")).error(),
            (404, "seq_not_found".into()),
            "{at}"
        );
    }
    for at in ["", "-1", "1.5", "yesterday", "2026-13-01T00:00:00Z", "99999999999999999999"] {
        let answer = document_at(&server, &format!("at={at}"), &writer("bob"));
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{at}");
    }
}

#[test]
fn trap_3_readers_look_back_only_where_their_token_says_so() {
    let (server, _alice) = with_plan();
    assert_eq!(document_at(&server, "format=text", &reader("carol")).status, 200);
    assert_eq!(document_at(&server, "at=1", &reader("carol")).error(), (403, "forbidden".into()));
    // Not even the present by that way, which would tell what the head is.
    assert_eq!(document_at(&server, "at=4", &reader("carol")).error(), (403, "forbidden".into()));
    let foreign = token("mallory", &["docs/plan=none", "*=write"]);
    assert_eq!(document_at(&server, "at=1", &foreign).error(), (404, "room_not_found".into()));
    let looks_back = crate::support::token::looking_back("carol");
    assert_eq!(document_at(&server, "format=text&at=1", &looks_back).body, b"one ");
    assert_eq!(document_at(&server, "format=text&at=1", &writer("dave")).body, b"one ");
}

/// A room where alice and bob typed in the morning, and bob alone in the afternoon; seqs 1 to 5, of which 4 is a message.
fn with_two_sessions() -> Server {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(server.address, "plan", &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves("two😀");
    let update = deleted(&bob.doc, 3);
    bob.socket.say(&message::update(&update));
    bob.barrier();
    post_json(server.address, "/api/v1/rooms/plan/messages", Some(&writer("alice")), &json!({ "text": "hi" }));
    bob.saves("three");
    for (seq, minute) in [(1, 0), (2, 9), (3, 19), (4, 25), (5, 30)] {
        let at = 1_600_000_000_000_i64 + minute * 60_000;
        execute(&server.database_url, &format!("update entry set at = {at} where seq = {seq}"));
    }
    server
}

#[test]
fn activity_tells_sessions_of_editing_and_what_each_author_did() {
    let server = with_two_sessions();
    let activity =
        |query: &str| get(server.address, &format!("/api/v1/rooms/plan/activity{query}"), Some(&writer("carol")));
    let page = activity("").json();
    let afternoon = json!({
        "from": 5, "to": 5, "startedAt": "2020-09-13T12:56:40.000Z", "endedAt": "2020-09-13T12:56:40.000Z",
        "authors": [{ "user": "bob", "edits": 1, "inserted": 5, "deleted": 0 }],
    });
    let morning = json!({
        "from": 1, "to": 3, "startedAt": "2020-09-13T12:26:40.000Z", "endedAt": "2020-09-13T12:45:40.000Z",
        "authors": [
            { "user": "alice", "edits": 1, "inserted": 4, "deleted": 0 },
            { "user": "bob", "edits": 2, "inserted": 5, "deleted": 3 },
        ],
    });
    assert_eq!(page, json!({ "room": "plan", "sessions": [afternoon, morning], "next": null }));
    assert_eq!(activity("?limit=1").json(), json!({ "room": "plan", "sessions": [afternoon], "next": 5 }));
    assert_eq!(activity("?limit=1&before=5").json(), json!({ "room": "plan", "sessions": [morning], "next": 1 }));
    assert_eq!(activity("?limit=1&before=1").json(), json!({ "room": "plan", "sessions": [], "next": null }));
    let spans = |query: &str| -> Vec<(u64, u64)> {
        let page = activity(query).json();
        let span = |session: &serde_json::Value| (session["from"].as_u64().unwrap(), session["to"].as_u64().unwrap());
        page["sessions"].as_array().unwrap().iter().map(span).collect()
    };
    assert_eq!(spans("?gap=660"), [(1, 5)]);
    assert_eq!(spans("?gap=540"), [(5, 5), (3, 3), (1, 2)]);
    assert_eq!(activity("?gap=0").error(), (400, "invalid_parameter".into()));
    let empty = get(server.address, "/api/v1/rooms/nothing/activity", Some(&writer("carol")));
    assert_eq!(empty.error(), (404, "room_not_found".into()));
    let forbidden = get(server.address, "/api/v1/rooms/plan/activity", Some(&reader("carol")));
    assert_eq!(forbidden.error(), (403, "forbidden".into()));
}

#[test]
fn blame_tells_who_wrote_what_now_and_at_a_seq() {
    let server = with_two_sessions();
    let ask = |query: &str, token: &str| get(server.address, &format!("/api/v1/rooms/plan/blame{query}"), Some(token));
    let runs = |query: &str| ask(query, &writer("carol")).json();
    let run = |from: u64, to: u64, by: &str, seq: u64, at: &str| json!({ "from": from, "to": to, "by": by, "seq": seq, "at": at });
    // "one two😀", the first three letters deleted, then "three". A smiley is two units.
    let first = run(0, 1, "alice", 1, "2020-09-13T12:26:40.000Z");
    let second = run(1, 6, "bob", 2, "2020-09-13T12:35:40.000Z");
    let third = run(6, 11, "bob", 5, "2020-09-13T12:56:40.000Z");
    assert_eq!(runs(""), json!({ "room": "plan", "seq": 5, "runs": [first, second, third] }));
    assert_eq!(runs("?root=t&at=4"), json!({ "room": "plan", "seq": 4, "runs": [first, second] }));
    let whole = run(0, 4, "alice", 1, "2020-09-13T12:26:40.000Z");
    assert_eq!(runs("?at=2020-09-13T12:30:00Z"), json!({ "room": "plan", "seq": 1, "runs": [whole] }));
    assert_eq!(runs("?at=0"), json!({ "room": "plan", "seq": 0, "runs": [] }));
    assert_eq!(ask("?root=other", &writer("carol")).error(), (404, "root_not_found".into()));
    assert_eq!(ask("?at=6", &writer("carol")).error(), (404, "seq_not_found".into()));
    assert_eq!(ask("?author=x", &writer("carol")).error(), (400, "invalid_parameter".into()));
    assert_eq!(ask("", &reader("carol")).error(), (403, "forbidden".into()));
    assert_eq!(ask("", &crate::support::token::looking_back("carol")).status, 200);
}

#[test]
fn trap_6_blame_tells_who_sent_what_is_under_anothers_client() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("mine ");
    let mut mallory = Editor::join(server.address, "plan", &writer("mallory"), 66);
    let forged = document(1);
    let whole = crate::support::editor::whole(&alice.doc);
    forged.transact_mut().apply_update(Update::decode_v1(&whole).unwrap()).unwrap();
    mallory.socket.say(&message::step2(&crate::support::editor::typed(&forged, "forged")));
    mallory.barrier();
    let blame = get(server.address, "/api/v1/rooms/plan/blame", Some(&writer("carol"))).json();
    let told: Vec<_> =
        blame["runs"].as_array().unwrap().iter().map(|run| (&run["by"], &run["via"], &run["to"])).collect();
    let nobody = serde_json::Value::Null;
    assert_eq!(told, [(&json!("alice"), &nobody, &json!(5)), (&json!("alice"), &json!("mallory"), &json!(11))]);
}

#[test]
fn a_difference_is_read_as_a_unified_diff_too() {
    let server = with_two_sessions();
    let ask = |query: &str, token: &str| get(server.address, &format!("/api/v1/rooms/plan/diff?{query}"), Some(token));
    let told = ask("from=1&to=5&format=text", &writer("carol"));
    assert_eq!((told.status, told.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    let end = "\n\\ No newline at end of file\n";
    let lines = format!("--- plan@1\n+++ plan@5\n@@ -1,1 +1,1 @@\n-one {end}+ two😀three{end}");
    assert_eq!(String::from_utf8(told.body).unwrap(), lines);
    assert_eq!(ask("from=5&to=5&format=text", &writer("carol")).body, b"");
    let all = String::from_utf8(ask("from=0&format=text&root=t", &writer("carol")).body).unwrap();
    assert!(all.ends_with(&format!("@@ -0,0 +1,1 @@\n+ two😀three{end}")), "{all}");
    assert_eq!(ask("from=1&format=html", &writer("carol")).error(), (400, "invalid_parameter".into()));
    assert_eq!(ask("from=1&to=9&format=text", &writer("carol")).error(), (404, "seq_not_found".into()));
    assert_eq!(ask("from=1&format=text", &reader("carol")).error(), (403, "forbidden".into()));
    assert_eq!(ask("from=1&format=text&root=other", &writer("carol")).error(), (404, "root_not_found".into()));
}

#[test]
fn a_difference_tells_what_came_and_went_and_by_whom() {
    let server = with_two_sessions();
    let ask = |query: &str, token: &str| get(server.address, &format!("/api/v1/rooms/plan/diff?{query}"), Some(token));
    let at = |minute: u32| format!("2020-09-13T12:{minute}:40.000Z");
    let inserted =
        |text: &str, seq: u64, minute: u32| json!({ "insert": text, "by": "bob", "seq": seq, "at": at(minute) });
    let deleted = json!({ "delete": 3, "text": "one", "by": "bob", "seq": 3, "at": at(45) });
    let forwards = ask("from=1&root=t", &writer("carol")).json();
    let ops = json!([deleted, { "retain": 1 }, inserted("two😀", 2, 35), inserted("three", 5, 56)]);
    assert_eq!(forwards, json!({ "room": "plan", "from": 1, "to": 5, "root": "t", "kind": "text", "ops": ops }));
    let backwards = ask("from=3&to=1", &writer("carol")).json();
    let back = json!({ "insert": "one", "by": "bob", "seq": 3, "at": at(45) });
    let gone = json!({ "delete": 5, "text": "two😀", "by": "bob", "seq": 2, "at": at(35) });
    assert_eq!(backwards["ops"], json!([back, { "retain": 1 }, gone]));
    assert_eq!(ask("from=5&to=5", &writer("carol")).json()["ops"], json!([{ "retain": 11 }]));
    assert_eq!(ask("to=5", &writer("carol")).error(), (400, "invalid_parameter".into()));
    assert_eq!(ask("from=1&to=9", &writer("carol")).error(), (404, "seq_not_found".into()));
    assert_eq!(ask("from=1", &reader("carol")).error(), (403, "forbidden".into()));
}

/// An answer about a room, as who has seen an earlier one asks for it.
fn asked_again(server: &Server, path: &str, etag: &str) -> Answer {
    let (address, token) = (server.address, writer("eve"));
    let head = format!("GET /api/v1/rooms/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    request(address, &format!("{head}If-None-Match: {etag}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
}

#[test]
fn trap_36_what_was_told_before_is_not_told_again_of_what_is_erased_or_of_another_room() {
    let server = Server::start();
    let root = token("root", &["*=admin"]);
    let names = ["a:b", "a%2Fb", "a:b:1", "a:b%2F1", "a@b", "a~b"];
    let read = |name: &str| asked_again(&server, &format!("{name}/document?format=text&at=1"), "\"1\"");
    for name in names {
        Editor::join(server.address, &name.replace("%2F", "/"), &writer("bob"), 2).saves(name);
    }
    for name in names {
        assert_eq!((read(name).status, read(name).text()), (200, name));
        let replay = get(server.address, &format!("/api/v1/rooms/{name}/replay"), Some(&writer("eve"))).json();
        assert_eq!(replay["units"]["text"], name);
    }
    // The same moment, without what is erased: nobody is told that they have it already.
    let bobs = json!({ "content": { "user": "bob" }, "dryRun": false });
    let erased = post_json(server.address, "/api/v1/rooms/a:b/erase", Some(&root), &bobs);
    assert_eq!(erased.status, 200, "{}", erased.text());
    assert_eq!((read("a:b").status, read("a:b").text()), (200, ""));
    assert_eq!((read("a:b:1").status, read("a:b:1").text()), (200, "a:b:1"));
    // A new room of an old name.
    let path = "/api/v1/rooms/a@b?hard=true&free=true";
    assert_eq!(ask("DELETE", server.address, path, Some(&root)).status / 100, 2);
    assert_eq!(read("a@b").status, 404);
    eventually("the name is free", || {
        let said = post_json(server.address, "/api/v1/rooms/a@b/messages", Some(&root), &json!({ "text": "hi" }));
        (said.status == 201).then_some(())
    });
    Editor::join(server.address, "a@b", &writer("bob"), 3).saves("anew");
    let (first, second) = (read("a@b"), asked_again(&server, "a@b/document?format=text&at=2", "\"2\""));
    assert_eq!((first.text(), second.text()), ("", "anew"));
}

#[test]
fn trap_37_a_hundred_people_who_look_back_keep_nobody_who_types_waiting_for_them() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves(&"all of it is written anew again and again ".repeat(100));
    // An editor that writes all anew, each time a little otherwise, which is compared with what was there.
    for n in 0..30 {
        let root = alice.doc.get_or_insert_text(ROOT);
        let update = {
            let mut txn = alice.doc.transact_mut();
            let text = root.get_string(&txn);
            root.remove_range(&mut txn, 0, text.len() as u32);
            root.insert(&mut txn, 0, &format!("{n} {text}"));
            txn.encode_update_v1()
        };
        alice.socket.say(&message::update(&update));
        alice.barrier();
    }
    let (asked, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    const PEOPLE: usize = 100;
    std::thread::scope(|scope| {
        for n in 0..PEOPLE {
            let (server, asked, answered) = (&server, &asked, &answered);
            scope.spawn(move || {
                asked.fetch_add(1, Ordering::Relaxed);
                let answer = get(server.address, "/api/v1/rooms/plan/blame", Some(&writer(&format!("reader{n}"))));
                // On a machine that is busy some may have waited for too long.
                assert!([200, 503].contains(&answer.status), "{}", answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
            });
        }
        eventually("all have asked", || (asked.load(Ordering::Relaxed) == PEOPLE).then_some(()));
        // They are read two at a time, away from the room: what is typed meanwhile is committed long before the last of them.
        (0..10).for_each(|_| alice.saves("x"));
        let left = PEOPLE - answered.load(Ordering::Relaxed);
        assert!(left > 0, "what was typed waited for all {PEOPLE}");
    });
}
