//! What is not kept for ever: older seqs are gone for those who ask, and nothing else is.

use std::net::SocketAddr;

use serde_json::{Value, json};
use yrs::Doc;

use crate::support::database::{execute, number};
use crate::support::editor::{Editor, deleted_at};
use crate::support::events::Events;
use crate::support::eventually;
use crate::support::http::{get, post_json};
use crate::support::json::Client;
use crate::support::message;
use crate::support::process::{Process, fails_with};
use crate::support::server::{Server, database_url};
use crate::support::token::{reader, writer};

const PLAN: &str = "/api/v1/rooms/plan";
const RETENTION: [&str; 2] = ["--retention", "1h,docs/*=365d"];

fn json(address: SocketAddr, path: &str) -> Value {
    get(address, &format!("{PLAN}{path}"), Some(&writer("carol"))).json()
}

fn text(address: SocketAddr, at: &str) -> String {
    get(address, &format!("{PLAN}/document?format=text{at}"), Some(&writer("carol"))).text().to_owned()
}

/// Alice's `one ` (named), a message, bob's `draft `, which alice deletes, an event, and a day later bob's `two` and a message. Who was
/// in has kept its document.
fn with_plan(folder: &std::path::Path, room: &str) -> (String, Doc) {
    let url = database_url(folder);
    let server = Server::with(&["--database-url", &url]);
    let address = server.address;
    let post = |path: &str, body: &Value| {
        let answer = post_json(
            address,
            &format!("/api/v1/rooms/{}{path}", room.replace('/', "%2F")),
            Some(&writer("alice")),
            body,
        );
        assert!(answer.status < 300, "{}", answer.text());
    };
    let mut alice = Editor::join(address, room, &writer("alice"), 1);
    alice.saves("one ");
    post("/versions", &json!({ "seq": 1, "label": "sent" }));
    post("/messages", &json!({ "text": "secret words" }));
    let mut bob = Editor::join(address, room, &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves("draft ");
    alice.until_text("one draft ");
    alice.socket.say(&message::update(&deleted_at(&alice.doc, 4, 6)));
    alice.barrier();
    post("/messages", &json!({ "type": "order.paid" }));
    bob.until_text("one ");
    bob.saves("two");
    post("/messages", &json!({ "text": "still here" }));
    drop(server);
    execute(&url, "update entry set at = at - 86400000 where seq <= 5");
    (url, bob.leave())
}

fn is_dropped(address: SocketAddr, first: u64) -> bool {
    json(address, "")["firstSeq"] == first
}

#[test]
fn older_seqs_are_gone_and_what_is_there_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (url, doc) = with_plan(folder.path(), "plan");
    let server = Server::with(&["--database-url", &url, RETENTION[0], RETENTION[1]]);
    let address = server.address;
    let blame = json(address, "/blame");
    eventually("what is old is dropped", || is_dropped(address, 6).then_some(()));
    let rows = || number(&url, "select count(*) from entry where kind in (1, 2)") == 2;
    eventually("its rows are gone", || rows().then_some(()));
    assert_eq!(number(&url, "select count(*) from entry where kind = 3"), 1);

    assert_eq!(text(address, ""), "one two");
    assert_eq!(json(address, "/blame"), blame);
    assert_eq!(
        (text(address, "&at=5"), text(address, "&at=6"), text(address, "&at=1")),
        ("one ".into(), "one two".into(), "one ".into())
    );
    assert_eq!(json(address, "/diff?from=1")["ops"], json(address, "/diff?from=5")["ops"]);
    let gone = (410, "history_dropped".to_owned());
    for path in [
        "/document?at=0",
        "/document?at=4",
        "/document?at=1970-01-01T00:00:00Z",
        "/blame?at=3",
        "/diff?from=3",
        "/diff?from=6&to=2",
        "/diff?from=3&format=text",
        "/history?after=0",
        "/history?after=4",
        "/history?before=5",
        "/activity?before=5",
        "/history?after=2&wait=1",
    ] {
        assert_eq!(get(address, &format!("{PLAN}{path}"), Some(&writer("carol"))).error(), gone, "{path}");
    }
    for (path, body) in [("/restore", json!({ "to": 3 })), ("/versions", json!({ "seq": 4, "label": "late" }))] {
        assert_eq!(post_json(address, &format!("{PLAN}{path}"), Some(&writer("carol")), &body).error(), gone, "{path}");
    }
    let seqs = |path: &str| -> Vec<u64> {
        json(address, path)["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(
        (seqs("/history"), seqs("/history?after=5"), seqs("/history?before=8")),
        (vec![6, 7], vec![6, 7], vec![6, 7])
    );
    assert_eq!(
        (seqs("/history?before=6"), seqs("/history?kind=event"), seqs("/history?kind=message")),
        (vec![], vec![5], vec![7])
    );
    assert_eq!(json(address, "/history?before=8&limit=1")["next"], 7);
    assert_eq!(json(address, "/history?before=7&limit=1")["next"], Value::Null);
    assert_eq!(json(address, "/activity")["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(json(address, "/activity")["sessions"][0]["from"], 6);
    let replay = json(address, "/replay");
    assert_eq!((&replay["edits"]["count"], &replay["units"]["text"]), (&json!(2), &json!("one two")));
    assert_eq!(json(address, "/versions")["versions"][0]["seq"], 1);
    let back =
        post_json(address, &format!("{PLAN}/restore"), Some(&writer("carol")), &json!({ "to": 1, "dryRun": true }))
            .json();
    assert_eq!((&back["inserted"], &back["deleted"]), (&json!(0), &json!(3)));

    // Who was away from before comes in as ever.
    let mut bob = Editor::join_with(address, "plan", &writer("bob"), doc);
    bob.saves("!");
    assert_eq!(Editor::join(address, "plan", &writer("alice"), 4).text(), "one two!");
}

#[test]
fn who_comes_back_from_before_is_told_that_it_has_not_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = with_plan(folder.path(), "plan");
    let server = Server::with(&["--database-url", &url, RETENTION[0], RETENTION[1]]);
    let address = server.address;
    let mut open = Client::join(address, &writer("alice"), "plan");
    eventually("what is old is dropped", || is_dropped(address, 6).then_some(()));
    for (since, recovered) in [(0, false), (4, false), (5, true), (7, true)] {
        let mut client = Client::enter(address, &writer("carol"));
        let joined = client.ask(json!({ "type": "room.join", "room": "plan", "since": since }));
        assert_eq!(joined["recovered"], recovered, "{since}: {joined}");
    }
    for (since, recovered) in [(2, false), (5, true)] {
        let mut events = Events::open(address, &format!("{PLAN}/events?since={since}"), &reader("carol"));
        assert_eq!(events.until("room.joined")["recovered"], recovered, "{since}");
    }
    // Who is in goes on.
    assert_eq!(open.chats("plan", "hello"), 8);
}

#[test]
fn rooms_are_kept_as_long_as_the_longest_prefix_says() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = with_plan(folder.path(), "docs/plan");
    let server = Server::with(&["--database-url", &url]);
    Editor::join(server.address, "plan", &writer("alice"), 9).saves("old");
    drop(server);
    execute(&url, "update entry set at = at - 86400000 where room_id = (select id from room where name = 'plan')");
    let server = Server::with(&["--database-url", &url, RETENTION[0], RETENTION[1]]);
    eventually("what is old is dropped", || is_dropped(server.address, 2).then_some(()));
    assert_eq!(get(server.address, "/api/v1/rooms/docs%2Fplan", Some(&writer("carol"))).json()["firstSeq"], 1);
    assert_eq!(text(server.address, ""), "old");
}

#[test]
fn a_server_that_is_killed_in_between_is_followed_by_one_that_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = with_plan(folder.path(), "plan");
    // As after the horizon was raised, before the first row was gone.
    let server = Server::with(&["--database-url", &url, RETENTION[0], RETENTION[1]]);
    let rows = || number(&url, "select count(*) from entry where seq < 6 and kind in (1, 2)") == 0;
    eventually("what is old is dropped, and its rows are gone", || {
        (is_dropped(server.address, 6) && rows()).then_some(())
    });
    drop(server);
    execute(
        &url,
        "update room set trimmed = 0; insert into entry (room_id, seq, kind, author, at, body) select id, 2, 2, 'ada', 0, x'7b7d' from room",
    );
    let process = Process::start(folder.path(), &RETENTION);
    assert_eq!(json(process.address, "/history")["entries"][0]["seq"], 6);
    eventually("its rows are gone", || rows().then_some(()));
}

#[test]
fn a_snapshot_that_is_damaged_costs_nothing_of_what_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = with_plan(folder.path(), "plan");
    let server = Server::with(&["--database-url", &url, RETENTION[0], RETENTION[1]]);
    eventually("what is old is dropped", || is_dropped(server.address, 6).then_some(()));
    drop(server);
    execute(&url, "insert into snapshot (room_id, seq, state) select id, 7, x'ffff' from room");
    let server = Server::with(&["--database-url", &url]);
    assert_eq!(text(server.address, ""), "one two");
    assert_eq!(Editor::join(server.address, "plan", &writer("alice"), 4).text(), "one two");
}

#[test]
fn a_retention_that_cannot_be_read_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    for (rules, told) in
        [("90", "a time such as 90d"), ("docs=90d", "a time such as 90d"), ("1d,2d", "more than one time")]
    {
        let (status, log) = fails_with(folder.path(), &["--retention", rules]);
        assert!(status != Some(0) && log.contains("TUTTI_RETENTION") && log.contains(told), "{rules}: {log}");
    }
}
