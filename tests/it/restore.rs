//! Going back over REST: what everybody sees, what the timeline tells, and who may.

use serde_json::{Value, json};

use crate::support::database::Lock;
use crate::support::editor::{Editor, deleted};
use crate::support::eventually;
use crate::support::http::{Answer, get, post_json, request};
use crate::support::json::Client;
use crate::support::message;
use crate::support::process::Process;
use crate::support::server::{Server, database_url};
use crate::support::token::{reader, writer};

/// Alice's `one `, bob's `two `, and the deletion of `one ` by bob: three entries.
fn with_plan() -> (Server, Editor, Editor) {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(server.address, "plan", &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves("two ");
    let update = deleted(&bob.doc, 4);
    bob.socket.say(&message::update(&update));
    bob.barrier();
    alice.until_text("two ");
    (server, alice, bob)
}

fn restore(server: &Server, body: &Value) -> Answer {
    post_json(server.address, "/api/v1/rooms/plan/restore", Some(&writer("carol")), body)
}

fn entries(server: &Server) -> Vec<(String, String)> {
    let page = get(server.address, "/api/v1/rooms/plan/history", Some(&writer("carol"))).json();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    page["entries"].as_array().unwrap().iter().map(|entry| (text(entry, "kind"), text(entry, "author"))).collect()
}

#[test]
fn a_restore_reaches_open_sockets_and_is_one_entry_with_an_event_that_says_who() {
    let (server, mut alice, mut bob) = with_plan();
    let mut json = Client::join(server.address, &writer("dora"), "plan");
    let answer = restore(&server, &json!({ "to": 1 }));
    let restored = json!({ "seq": 4, "to": 1, "from": 3, "inserted": 4, "deleted": 4 });
    assert_eq!((answer.status, answer.json()), (200, restored.clone()));
    alice.until_text("one ");
    bob.until_text("one ");
    let event = json.until("room.restored");
    assert_eq!((&event["user"], &event["seq"], &event["payload"]), (&json!("carol"), &json!(5), &restored));
    let told = entries(&server);
    let told: Vec<_> = told.iter().map(|(kind, author)| (&kind[..], &author[..])).collect();
    assert_eq!(told[3..], [("edit", "carol"), ("event", "carol")]);
    // Typing goes on, and the way back is open.
    alice.saves("more");
    assert_eq!(restore(&server, &json!({ "to": 3 })).json()["seq"], 7);
    alice.until_text("two ");
    bob.until_text("two ");
}

#[test]
fn trap_13_a_restore_done_twice_adds_nothing() {
    let (server, ..) = with_plan();
    assert_eq!(restore(&server, &json!({ "to": 1 })).json()["seq"], 4);
    let again = restore(&server, &json!({ "to": 1 })).json();
    assert_eq!(again, json!({ "seq": null, "to": 1, "from": 5, "inserted": 0, "deleted": 0 }));
    assert_eq!(restore(&server, &json!({ "to": 5 })).json()["seq"], Value::Null);
    assert_eq!(entries(&server).len(), 5);
}

#[test]
fn trap_13_restores_at_once_put_back_what_is_gone_once() {
    let (server, mut alice, _bob) = with_plan();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| restore(&server, &json!({ "to": 1 })).json())).collect();
        let seqs: Vec<Value> = all.into_iter().map(|one| one.join().unwrap()["seq"].clone()).collect();
        assert_eq!(seqs.iter().filter(|seq| !seq.is_null()).count(), 1, "{seqs:?}");
    });
    alice.until_text("one ");
    assert_eq!(entries(&server).len(), 5);
}

#[test]
fn trap_14_what_is_typed_during_a_restore_is_wholly_there_after_it_or_was_before_it() {
    let (server, mut alice, mut bob) = with_plan();
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let restored = std::thread::scope(|scope| {
        let restored = scope.spawn(|| restore(&server, &json!({ "to": 1 })));
        letters.chars().for_each(|letter| drop(alice.types(&letter.to_string())));
        restored.join().unwrap()
    });
    alice.barrier();
    assert_eq!(restored.status, 200, "{}", restored.text());
    let (seq, from) = (restored.json()["seq"].as_u64().unwrap(), restored.json()["from"].as_u64().unwrap());
    let page = get(server.address, "/api/v1/rooms/plan/history?kind=edit&after=3", Some(&writer("carol"))).json();
    let typed = page["entries"].as_array().unwrap().iter().filter(|entry| entry["seq"] != seq);
    // What was committed before it was worked out went with the rest, and all else stays.
    let stays: String = typed
        .zip(letters.chars())
        .filter(|(entry, _)| entry["seq"].as_u64() > Some(from))
        .map(|(_, letter)| letter)
        .collect();
    let expected = format!("one {stays}");
    alice.until_text(&expected);
    bob.until_text(&expected);
    let document = get(server.address, "/api/v1/rooms/plan/document?format=text", Some(&writer("carol")));
    assert_eq!(document.text(), expected);
}

#[test]
fn a_restore_repeated_with_its_key_is_stored_once() {
    let (server, mut alice, _bob) = with_plan();
    let body = json!({ "to": 1, "key": "mine" });
    assert_eq!(restore(&server, &body).json()["seq"], 4);
    alice.until_text("one ");
    alice.saves("more");
    assert_eq!(restore(&server, &body).json()["seq"], 4);
    alice.barrier();
    assert_eq!(alice.text(), "one more");
    assert_eq!(entries(&server).len(), 6);
}

#[test]
fn a_restore_of_an_older_head_is_refused_where_that_is_wished() {
    let (server, ..) = with_plan();
    assert_eq!(restore(&server, &json!({ "to": 1, "ifHead": 2 })).error(), (412, "changed".into()));
    assert_eq!(restore(&server, &json!({ "to": 1, "ifHead": 3 })).json()["seq"], 4);
}

#[test]
fn a_dry_run_only_tells_what_would_happen() {
    let (server, ..) = with_plan();
    let told = restore(&server, &json!({ "to": 1, "dryRun": true })).json();
    assert_eq!(told, json!({ "seq": null, "to": 1, "from": 3, "inserted": 4, "deleted": 4 }));
    assert_eq!(entries(&server).len(), 3);
}

#[test]
fn one_authors_edits_are_undone_and_others_stay() {
    let (server, mut alice, _bob) = with_plan();
    alice.saves("three");
    let told = restore(&server, &json!({ "to": 0, "by": "bob" })).json();
    assert_eq!(told, json!({ "seq": 5, "to": 0, "from": 4, "inserted": 4, "deleted": 4 }));
    alice.until_text("one three");
    // His deletion is undone once.
    assert_eq!(restore(&server, &json!({ "to": 0, "by": "bob" })).json()["seq"], Value::Null);
}

#[test]
fn trap_9_what_comes_back_is_still_its_authors_and_the_session_is_of_who_brought_it() {
    let (server, ..) = with_plan();
    restore(&server, &json!({ "to": 2 }));
    let blame = get(server.address, "/api/v1/rooms/plan/blame", Some(&writer("carol"))).json();
    let told: Vec<_> =
        blame["runs"].as_array().unwrap().iter().map(|run| (&run["by"], &run["to"], &run["seq"])).collect();
    assert_eq!(told, [(&json!("alice"), &json!(4), &json!(1)), (&json!("bob"), &json!(8), &json!(2))]);
    let activity = get(server.address, "/api/v1/rooms/plan/activity", Some(&writer("carol"))).json();
    assert_eq!(
        activity["sessions"][0]["authors"][2],
        json!({ "user": "carol", "edits": 1, "inserted": 4, "deleted": 0 })
    );
}

#[test]
fn only_writers_restore_and_only_what_was() {
    let (server, ..) = with_plan();
    let path = "/api/v1/rooms/plan/restore";
    let to = json!({ "to": 1 });
    assert_eq!(post_json(server.address, path, Some(&reader("carol")), &to).error(), (403, "forbidden".into()));
    let looks_back = crate::support::token::looking_back("carol");
    assert_eq!(post_json(server.address, path, Some(&looks_back), &to).error(), (403, "forbidden".into()));
    assert_eq!(restore(&server, &json!({ "to": 4 })).error(), (404, "seq_not_found".into()));
    for body in [json!({}), json!({ "to": -1 }), json!({ "to": 1, "at": 2 }), json!({ "to": 1, "key": "" })] {
        assert_eq!(restore(&server, &body).error(), (400, "invalid_body".into()), "{body}");
    }
    let nowhere = post_json(server.address, "/api/v1/rooms/nothing/restore", Some(&writer("carol")), &to);
    assert_eq!(nowhere.error(), (404, "room_not_found".into()));
}

#[test]
fn keys_of_messages_writes_and_restores_are_apart() {
    let (server, mut alice, _bob) = with_plan();
    let carol = writer("carol");
    let write = |key: &str, text: &str| {
        let address = server.address;
        request(
            address,
            &format!(
                "PUT /api/v1/rooms/plan/document?format=text&key={key} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer \
                 {carol}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            ),
        )
    };
    for (at, key) in ["k", "document:k", "restore:1:k", "restore:1:key:k"].into_iter().enumerate() {
        let said = json!({ "text": "x", "key": key });
        assert_eq!(post_json(server.address, "/api/v1/rooms/plan/messages", Some(&carol), &said).status, 201);
        let text = format!("text {at}");
        assert_eq!(write(key, &text).status, 200);
        alice.until_text(&text);
    }
    assert_eq!(restore(&server, &json!({ "to": 1, "key": "k" })).status, 200);
    alice.until_text("one ");
}

#[test]
fn a_restore_never_makes_a_document_larger_than_it_may_be() {
    let server = Server::with(&["--document-bytes-max", "65536"]);
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    let long = "a".repeat(40_000);
    alice.saves(&long);
    alice.socket.say(&message::update(&deleted(&alice.doc, 40_000)));
    alice.barrier();
    let mut bob = Editor::join(server.address, "plan", &writer("bob"), 2);
    bob.saves(&"b".repeat(40_000));
    let answer = restore(&server, &json!({ "to": 1, "by": "alice" }));
    assert_eq!(answer.error(), (507, "document_full".into()));
    assert_eq!(entries(&server).len(), 3);
    assert_eq!(restore(&server, &json!({ "to": 1 })).status, 200);
}

#[test]
fn trap_17_a_restore_that_the_database_kept_waiting_until_a_kill_is_one_entry_once_it_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(folder.path());
    let process = Process::start(folder.path(), &["--metrics-bind", "127.0.0.1:0"]);
    let (address, metrics) = (process.address, process.metrics_address());
    let mut alice = Editor::join(address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    alice.socket.say(&message::update(&deleted(&alice.doc, 4)));
    alice.barrier();
    let body = json!({ "to": 1, "key": "mine" });
    let ask = |address| {
        let answer = post_json(address, "/api/v1/rooms/plan/restore", Some(&writer("carol")), &body);
        (answer.status, answer.json()["seq"].clone())
    };
    let seqs = |address| -> Vec<u64> {
        let page = get(address, "/api/v1/rooms/plan/history?kind=edit", Some(&writer("carol"))).json();
        page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    // The database is away, and back in time.
    let lock = Lock::hold(&url);
    let waits = || {
        let text = get(metrics, "/metrics", None).text().to_owned();
        let bytes = text.lines().find_map(|line| line.strip_prefix("tutti_uncommitted_bytes ")).unwrap().to_owned();
        (bytes != "0").then_some(())
    };
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(address));
        eventually("the restore waits for the database", waits);
        assert_eq!(alice.text(), "");
        drop(lock);
        assert_eq!(asked.join().unwrap(), (200, json!(3)));
    });
    alice.until_text("one ");
    alice.socket.say(&message::update(&deleted(&alice.doc, 4)));
    alice.barrier();
    assert_eq!(seqs(address), [1, 2, 3, 5]);

    // Killed before the commit, and repeated; and once more.
    let lock = Lock::hold(&url);
    let again = json!({ "to": 1, "key": "another" });
    let ask = |address| post_json(address, "/api/v1/rooms/plan/restore", Some(&writer("carol")), &again);
    let cut = std::thread::spawn({
        let again = again.clone();
        move || {
            // Nobody answers.
            let _ = std::panic::catch_unwind(|| {
                post_json(address, "/api/v1/rooms/plan/restore", Some(&writer("carol")), &again)
            });
        }
    });
    eventually("the restore waits for the database", waits);
    process.kill();
    cut.join().unwrap();
    drop(lock);
    let process = Process::start(folder.path(), &[]);
    for _ in 0..2 {
        assert_eq!(ask(process.address).json()["seq"], 6);
        assert_eq!(seqs(process.address), [1, 2, 3, 5, 6]);
        assert_eq!(Editor::join(process.address, "plan", &writer("alice"), 7).text(), "one ");
    }
}
