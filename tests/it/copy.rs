//! Copying a room: the document as it was, or the whole timeline, as a new room that is there at once and wholly.

use serde_json::{Value, json};
use yrs::{Text, Transact};

use crate::support::database::number;
use crate::support::editor::{Editor, ROOT, deleted};
use crate::support::eventually;
use crate::support::http::{Answer, ask, get, post_json};
use crate::support::message;
use crate::support::server::Server;
use crate::support::token::{looking_back, reader, token, writer};

const PLAN: &str = "/api/v1/rooms/plan";

/// A message of root's, alice's `one `, bob's `two `, and the deletion of `one ` by bob: four entries.
fn with_plan(options: &[&str]) -> Server {
    let server = Server::with(options);
    let root = token("root", &["*=admin"]);
    // First, where only admins make rooms.
    post_json(server.address, &format!("{PLAN}/messages"), Some(&root), &json!({ "text": "welcome" }));
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(server.address, "plan", &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves("two ");
    let update = deleted(&bob.doc, 4);
    bob.socket.say(&message::update(&update));
    bob.barrier();
    server
}

fn copy(server: &Server, body: &Value) -> Answer {
    copy_as(server, &writer("dora"), body)
}

fn copy_as(server: &Server, token: &str, body: &Value) -> Answer {
    post_json(server.address, &format!("{PLAN}/copy"), Some(token), body)
}

fn text(server: &Server, room: &str) -> String {
    let answer = get(server.address, &format!("/api/v1/rooms/{room}/document?format=text"), Some(&writer("eve")));
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

fn entries(server: &Server, room: &str) -> Value {
    get(server.address, &format!("/api/v1/rooms/{room}/history"), Some(&writer("eve"))).json()["entries"].take()
}

#[test]
fn a_copy_begins_with_the_document_and_shows_nothing_that_was_deleted() {
    let server = with_plan(&[]);
    let answer = copy(&server, &json!({ "to": "drafts/plan" }));
    let copied = json!({ "room": "drafts/plan", "seq": 1, "from": { "room": "plan", "seq": 4 } });
    assert_eq!((answer.status, answer.json()), (201, copied));
    assert_eq!(text(&server, "drafts/plan"), "two ");
    let told = entries(&server, "drafts/plan");
    assert_eq!((told.as_array().unwrap().len(), &told[0]["author"], &told[0]["seq"]), (1, &json!("dora"), &json!(1)));
    // What was deleted is not in it, for nobody.
    let state = get(server.address, "/api/v1/rooms/drafts/plan/document?format=yjs&at=1", Some(&writer("eve"))).body;
    assert!(!state.windows(3).any(|bytes| bytes == b"one"), "{state:?}");
    // Who wrote it is known, and who brought it here.
    let blame = get(server.address, "/api/v1/rooms/drafts/plan/blame", Some(&writer("eve"))).json();
    let run = &blame["runs"][0];
    assert_eq!((&run["by"], &run["via"], &run["seq"]), (&json!("bob"), &json!("dora"), &json!(1)), "{blame}");
    // It goes on by itself, with the ids of the original.
    let mut alice = Editor::join(server.address, "drafts/plan", &writer("alice"), 7);
    alice.saves("three ");
    assert_eq!((text(&server, "drafts/plan").as_str(), text(&server, "plan").as_str()), ("two three ", "two "));
}

#[test]
fn a_copy_is_of_the_moment_that_it_is_asked_for() {
    let server = with_plan(&[]);
    let version = json!({ "seq": 3, "label": "both" });
    assert_eq!(post_json(server.address, &format!("{PLAN}/versions"), Some(&writer("bob")), &version).status, 201);
    for (body, seq, expected) in [
        (json!({ "to": "a", "at": 2 }), 2, "one "),
        (json!({ "to": "b", "version": "both" }), 3, "one two "),
        (json!({ "to": "c", "at": "2100-01-01T00:00:00Z" }), 4, "two "),
        (json!({ "to": "d", "at": "2000-01-01T00:00:00Z" }), 0, ""),
        (json!({ "to": "e", "at": 0 }), 0, ""),
    ] {
        let answer = copy(&server, &body);
        assert_eq!((answer.status, &answer.json()["from"]["seq"]), (201, &json!(seq)), "{body}");
        assert_eq!(text(&server, body["to"].as_str().unwrap()), expected, "{body}");
    }
}

#[test]
fn a_copy_with_history_has_every_entry_as_it_was() {
    let server = with_plan(&[]);
    let version = json!({ "seq": 3, "label": "both" });
    post_json(server.address, &format!("{PLAN}/versions"), Some(&writer("bob")), &version);
    let answer = copy(&server, &json!({ "to": "whole", "history": true }));
    assert_eq!((answer.status, &answer.json()["seq"]), (201, &json!(4)), "{answer:?}");
    assert_eq!(entries(&server, "whole"), entries(&server, "plan"));
    let read = |path: &str| {
        let mut answer = get(server.address, &format!("/api/v1/rooms/{path}"), Some(&writer("eve"))).json();
        answer["room"].take();
        answer
    };
    let whole = get(server.address, "/api/v1/rooms/whole", Some(&writer("eve"))).json();
    let [created, updated] = ["createdAt", "updatedAt"].map(|field| whole[field].as_str().unwrap());
    assert!(created <= updated, "{whole}");
    for path in ["blame", "blame?at=3", "diff?from=2", "activity", "versions", "document?at=3"] {
        assert_eq!(read(&format!("whole/{path}")), read(&format!("plan/{path}")), "{path}");
    }
    let answer = copy(&server, &json!({ "to": "part", "history": true, "at": 2 }));
    assert_eq!((answer.status, &answer.json()["seq"]), (201, &json!(2)), "{answer:?}");
    assert_eq!(entries(&server, "part").as_array().unwrap()[..], entries(&server, "plan").as_array().unwrap()[..2]);
    assert_eq!((read("part/versions")["versions"].clone(), text(&server, "part")), (json!([]), "one ".to_owned()));
}

#[test]
fn a_copy_with_history_knows_whose_text_is_that_was_found_by_text_which_is_erased() {
    let server = Server::with(&[]);
    let address = server.address;
    let (alices, bobs) = ("the words of alice ", "bob's words, of which there are more ");
    Editor::join(address, "plan", &writer("alice"), 1).saves(alices);
    let mut bob = Editor::join(address, "plan", &writer("bob"), 2);
    bob.until_text(alices);
    bob.saves(bobs);
    let mut carol = Editor::join(address, "plan", &writer("carol"), 3);
    let all = format!("{alices}{bobs}");
    carol.until_text(&all);
    // As editors do where somebody makes a heading of it: all of it goes, and comes back with what she adds.
    let update = {
        let root = carol.doc.get_or_insert_text(ROOT);
        let mut txn = carol.doc.transact_mut();
        root.remove_range(&mut txn, 0, all.len() as u32);
        root.insert(&mut txn, 0, &format!("{all}and carol"));
        txn.encode_update_v1()
    };
    carol.socket.say(&message::update(&update));
    carol.barrier();
    let erasure = json!({ "content": { "user": "bob" }, "dryRun": false });
    let erased = post_json(address, &format!("{PLAN}/erase"), Some(&token("root", &["*=admin"])), &erasure);
    assert_eq!(erased.status, 200, "{}", erased.text());
    let blame = |path: &str| {
        let answer = get(address, &format!("/api/v1/rooms/{path}"), Some(&writer("eve"))).json();
        answer["runs"].as_array().unwrap().clone()
    };
    let runs = blame("plan/blame");
    assert_eq!(
        (&runs[0]["by"], &runs[0]["to"], &runs[1]["by"]),
        (&json!("alice"), &json!(alices.len()), &json!("carol"))
    );
    for (body, of) in [
        (json!({ "to": "whole", "history": true }), "plan/blame"),
        (json!({ "to": "part", "history": true, "at": 2 }), "plan/blame?at=2"),
    ] {
        assert_eq!(copy(&server, &body).status, 201, "{body}");
        assert_eq!(blame(&format!("{}/blame", body["to"].as_str().unwrap())), blame(of), "{body}");
    }
}

#[test]
fn who_waits_in_a_room_that_is_made_by_a_copy_is_shown_it() {
    let server = with_plan(&[]);
    let mut early = Editor::join(server.address, "later", &writer("alice"), 9);
    assert_eq!(copy(&server, &json!({ "to": "later", "history": true })).status, 201);
    early.until_text("two ");
    early.saves("three ");
    assert_eq!(text(&server, "later"), "two three ");
    assert_eq!(entries(&server, "later")[4]["seq"], 5);
}

#[test]
fn trap_35_a_copy_is_of_its_moment_whatever_becomes_of_the_source_meanwhile() {
    let server = with_plan(&["--rate-user", "100000"]);
    let whole = entries(&server, "plan").as_array().unwrap()[..3].to_vec();
    let is_as_it_was = |room: &str, history: bool| {
        assert_eq!(text(&server, room), "one two ", "{room}");
        if history {
            assert_eq!(entries(&server, room), json!(whole), "{room}");
        }
    };
    let copies = |round: &str| -> Vec<(String, bool, Answer)> {
        let one = |n: usize| {
            let (to, history) = (format!("copies/{round}/{n}"), n.is_multiple_of(2));
            let answer =
                copy_as(&server, &writer(&format!("user{n}")), &json!({ "to": to, "at": 3, "history": history }));
            (to, history, answer)
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..6).map(|n| scope.spawn(move || one(n))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        })
    };
    // Somebody types.
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 7);
    std::thread::scope(|scope| {
        let typing = scope.spawn(|| (0..100).for_each(|_| alice.saves("x")));
        for (to, history, answer) in copies("typed") {
            assert_eq!(answer.status, 201, "{answer:?}");
            is_as_it_was(&to, history);
        }
        typing.join().unwrap();
    });
    // It is deleted: a copy is there as a whole, or not at all.
    let root = token("root", &["*=admin"]);
    std::thread::scope(|scope| {
        let deleted = scope.spawn(|| ask("DELETE", server.address, &format!("{PLAN}?hard=true"), Some(&root)).status);
        for (to, history, answer) in copies("deleted") {
            match answer.status {
                201 => is_as_it_was(&to, history),
                _ => assert_eq!(
                    get(server.address, &format!("/api/v1/rooms/{to}"), Some(&writer("eve"))).status,
                    404,
                    "{answer:?}"
                ),
            }
        }
        assert_eq!(deleted.join().unwrap() / 100, 2);
    });
    copies("late").into_iter().for_each(|(.., answer)| assert_ne!(answer.status, 201));
    for n in 0..6 {
        is_as_it_was(&format!("copies/typed/{n}"), n % 2 == 0);
    }
    // Who goes on in one has ids of their own.
    let mut bob = Editor::join(server.address, "copies/typed/1", &writer("bob"), 7);
    bob.saves("three");
    assert_eq!(text(&server, "copies/typed/1"), "one two three");
}

#[test]
fn a_name_is_taken_once_also_by_a_deleted_room() {
    let server = with_plan(&[]);
    let taken = (409, "room_exists".to_owned());
    assert_eq!(copy(&server, &json!({ "to": "plan" })).error(), taken);
    std::thread::scope(|scope| {
        let to = json!({ "to": "copy", "history": true });
        let all: Vec<_> = ["a", "b", "c", "d"]
            .map(|user| {
                let (server, to) = (&server, to.clone());
                scope.spawn(move || copy_as(server, &writer(user), &to).status)
            })
            .into();
        let mut statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409]);
    });
    let admin = token("root", &["*=admin"]);
    ask("DELETE", server.address, "/api/v1/rooms/copy", Some(&admin));
    let answer = copy(&server, &json!({ "to": "copy" }));
    assert_eq!(answer.error(), taken);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("free=true"), "{answer:?}");
    ask("DELETE", server.address, "/api/v1/rooms/copy?hard=true&free=true", Some(&admin));
    assert_eq!(copy(&server, &json!({ "to": "copy" })).status, 201);
    // Those that got no name are gone.
    let listed = get(server.address, "/api/v1/rooms?deleted=true", Some(&admin)).json();
    assert_eq!(listed["rooms"], json!([]));
    eventually("what was not finished is deleted", || {
        let left = number(&server.database_url, "select count(*) from room where name like 'tutti/%'");
        (left == 0).then_some(())
    });
}

#[test]
fn who_may_not_look_back_or_write_the_copy_is_refused() {
    let server = with_plan(&[]);
    let body = json!({ "to": "copy" });
    assert_eq!(copy_as(&server, &reader("dora"), &body).error(), (403, "forbidden".into()));
    assert_eq!(copy_as(&server, &looking_back("dora"), &body).error(), (403, "forbidden".into()));
    let other = token("dora", &["plan=write", "*=read"]);
    assert_eq!(copy_as(&server, &other, &body).error(), (403, "forbidden".into()));
    let stranger = token("dora", &["copy=write"]);
    assert_eq!(copy_as(&server, &stranger, &body).error(), (404, "room_not_found".into()));
    assert_eq!(copy_as(&server, &token("root", &["*=admin"]), &json!({ "to": "tutti/copy" })).error().0, 403);
    for (body, error) in [
        (json!({}), (400, "invalid_body")),
        (json!({ "to": "a//b" }), (400, "invalid_body")),
        (json!({ "to": "copy", "at": -1 }), (400, "invalid_body")),
        (json!({ "to": "copy", "at": "yesterday" }), (400, "invalid_body")),
        (json!({ "to": "copy", "at": 1, "version": "v" }), (400, "invalid_body")),
        (json!({ "to": "copy", "more": 1 }), (400, "invalid_body")),
        (json!({ "to": "copy", "at": 0, "history": true }), (400, "invalid_body")),
        (json!({ "to": "copy", "at": 5 }), (404, "seq_not_found")),
        (json!({ "to": "copy", "at": 5, "history": true }), (404, "seq_not_found")),
        (json!({ "to": "copy", "version": "none" }), (404, "version_not_found")),
    ] {
        assert_eq!(copy(&server, &body).error(), (error.0, error.1.to_owned()), "{body}");
    }
    assert_eq!(get(server.address, "/api/v1/rooms/copy", Some(&writer("eve"))).status, 404);
}

#[test]
fn rule_41_a_copy_counts_for_who_makes_it_and_needs_what_making_a_room_needs() {
    let server = with_plan(&["--admins-make-rooms", "--quota-room-bytes", "4000", "--quota-user-bytes", "12000"]);
    for history in [false, true] {
        let body = json!({ "to": format!("copy-{history}"), "history": history });
        assert_eq!(copy(&server, &body).error(), (403, "forbidden".into()));
        assert_eq!(copy_as(&server, &token("root", &["*=admin"]), &body).status, 201);
    }
    let root = token("root", &["*=admin"]);
    let say = |length: usize| {
        let body = json!({ "text": "x".repeat(length) });
        post_json(server.address, &format!("{PLAN}/messages"), Some(&root), &body).status
    };
    assert_eq!(say(3_000), 201);
    for number in 0..3 {
        let answer = copy_as(&server, &root, &json!({ "to": format!("full-{number}"), "history": true }));
        match number {
            0 | 1 => assert_eq!(answer.status, 201, "{answer:?}"),
            _ => assert_eq!(answer.error(), (507, "quota_exceeded".into())),
        }
    }
    assert_eq!(get(server.address, "/api/v1/rooms/full-2", Some(&root)).status, 404);
}

#[test]
fn rule_41_a_copy_with_history_costs_its_maker_what_as_many_messages_do() {
    let server = with_plan(&["--rate-user", "10"]);
    let root = token("root", &["*=admin"]);
    let said = json!(vec![json!({ "text": "x" }); 256]);
    for _ in 0..2 {
        assert_eq!(post_json(server.address, &format!("{PLAN}/messages"), Some(&root), &said).status, 201);
    }
    let copied = |user: &str, to: &str, history| {
        let answer = copy_as(&server, &writer(user), &json!({ "to": to, "history": history }));
        (answer.status, answer.header("retry-after").map(|wait| wait.parse::<u64>().unwrap()))
    };
    assert_eq!(copied("dora", "copy-1", true), (201, None));
    // 516 entries at 10 a second, but for a burst of 20.
    let (status, wait) = copied("dora", "copy-2", true);
    assert!(status == 429 && wait.is_some_and(|wait| (1..=50).contains(&wait)), "{status} {wait:?}");
    assert_eq!((copied("dora", "copy-3", false).0, copied("eve", "copy-4", true).0), (201, 201));
    assert_eq!(copy_as(&server, &root, &json!({ "to": "copy-5", "history": true })).status, 201);
    assert_eq!(copy_as(&server, &root, &json!({ "to": "copy-6", "history": true })).status, 201);
}
