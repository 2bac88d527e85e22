//! What must never stand in a log: tokens, query strings, documents, whatever the level. And what must: who was refused, and why.

use crate::support::editor::{Editor, document, typed};
use crate::support::frame::{CLOSE, frame};
use crate::support::http::get;
use crate::support::message::{Message, QUERY, awareness, update};
use crate::support::process::Process;
use crate::support::provider::{Provider, READER, REFUSED, WRITER};
use crate::support::socket::{Socket, upgrade};
use crate::support::token::{SECRET, reader, token, writer};
use crate::support::{DEADLINE, eventually};

const CANARY: &str = "canary-in-the-query";
const CONTENT: &str = "canary-in-the-document";
const STATE: &str = "canary-in-the-state";

/// A conversation in which every kind of thing that is not to be logged occurs; the tokens of it.
fn talk(process: &Process) -> Vec<String> {
    let tokens = [writer("alice"), reader("bob"), token("carol", &[]), format!("{}x", writer("dave"))];
    let mut alice = Editor::join(process.address, "room", &tokens[0], 1);
    alice.saves(CONTENT);
    alice.socket.say(&awareness(1, 1, &format!("\"{STATE}\"")));
    alice.barrier();
    alice.socket.say(format!("\u{9}{CONTENT}").as_bytes());
    alice.socket.say(format!("\0\u{2}\u{7f}{CONTENT}").as_bytes());
    assert_eq!(alice.socket.closed().0, 4422);

    let query = upgrade(&format!("/yjs/room?canary={CANARY}&token={}", tokens[1]), &[]);
    let mut bob = Socket::open(process.address, &query, &[]);
    bob.say(QUERY);
    assert!(matches!(bob.message(), Message::Awareness(_)));
    for denied in &tokens[2..] {
        let protocol = format!("Sec-WebSocket-Protocol: tutti.v1, auth.{denied}");
        let mut socket = Socket::open(process.address, &upgrade("/yjs/room", &[&protocol]), &[]);
        assert!(matches!(socket.message(), Message::Denied(_)));
    }
    for path in ["rooms", "rooms/room", "rooms/room/history", "rooms/room/document", "rooms/%00/document", "nothing"] {
        for token in &tokens {
            get(process.address, &format!("/api/v1/{path}?canary={CANARY}"), Some(token));
            get(process.address, &format!("/api/v1/{path}?token={token}"), None);
        }
    }
    tokens.into()
}

#[test]
fn rule_5_no_token_query_secret_or_content_is_logged_even_at_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &["--log-level", "trace"]);
    let tokens = talk(&process);
    // What was logged stands there once the process has ended in order.
    process.terminate();
    process.wait(DEADLINE);
    let log = process.log();
    assert!(log.contains("socket opened"), "the log is there");
    for token in &tokens {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "{}", line_with(&log, part));
        }
    }
    for hidden in [CANARY, SECRET, "token=ey"] {
        assert!(!log.contains(hidden), "{}", line_with(&log, hidden));
    }
    for content in [CONTENT, STATE] {
        let own = log.lines().find(|line| line.contains(" tutti") && line.contains(content));
        assert_eq!(own, None);
    }
}

fn line_with<'a>(log: &'a str, part: &str) -> &'a str {
    log.lines().find(|line| line.contains(part)).unwrap_or_default()
}

/// The lines of the log that name a refused edit's room and user.
fn refusals(process: &Process, room: &str, user: &str) -> Vec<String> {
    let log = process.log();
    let is_refusal = |line: &&str| line.contains("edit refused") || line.contains("message refused");
    let own = log.lines().filter(is_refusal).filter(|line| line.contains(room) && line.contains(user));
    own.map(str::to_owned).collect()
}

#[test]
fn a_refused_edit_is_logged_once_for_each_member_and_reason_with_room_and_user() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--log-level", "debug", "--document-bytes-max", "65536"]);
    let address = process.address;
    let garbage = update(&[0xde, 0xad, 0xbe, 0xef]);
    let long = update(&typed(&document(1), &"x".repeat(70_000)));
    let full = update(&typed(&document(2), &"x".repeat(40_000)));

    let mut alice = Socket::yjs(address, "room-a", &writer("alice"));
    alice.say(&garbage);
    assert_eq!(alice.closed().0, 4422);
    let mut bob = Socket::yjs(address, "room-b", &writer("bob"));
    bob.say(&long);
    assert_eq!(bob.closed().0, 4413);
    let mut carol = Socket::yjs(address, "room-c", &writer("carol"));
    for id in [3, 4] {
        carol.say(&update(&typed(&document(id), &"x".repeat(40_000))));
    }
    assert_eq!(carol.closed().0, 4413);
    let mut dave = Provider::open(address, "room-d", &writer("dave"), WRITER);
    for edit in [&garbage, &garbage, &long, &long, &full, &garbage] {
        dave.say("room-d", edit);
    }
    for _ in 0..5 {
        dave.until("room-d", REFUSED);
    }
    let mut erin = Provider::open(address, "room-e", &reader("erin"), READER);
    for _ in 0..3 {
        erin.say("room-e", &full);
        erin.until("room-e", REFUSED);
    }

    let reasons = [
        ("room-a", "alice", vec!["cannot be read"]),
        ("room-b", "bob", vec!["larger than 65536 bytes"]),
        ("room-c", "carol", vec!["would hold more than 65536 bytes"]),
        ("room-d", "dave", vec!["cannot be read", "longer than a message may be"]),
        ("room-e", "erin", vec!["read-only"]),
    ];
    for (room, user, reasons) in reasons {
        let lines = eventually("the lines are there", || {
            let lines = refusals(&process, room, user);
            (lines.len() >= reasons.len()).then_some(lines)
        });
        assert_eq!(lines.len(), reasons.len(), "{lines:#?}");
        for reason in reasons {
            assert_eq!(lines.iter().filter(|line| line.contains(reason)).count(), 1, "{reason} in {lines:#?}");
        }
    }
}

#[test]
fn the_end_of_a_connection_is_one_line_with_who_where_from_how_long_and_how_much() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--log-format", "json"]);
    let mut editor = Editor::join(process.address, "room", &writer("alice"), 1);
    editor.saves("hello");
    editor.socket.send(&frame(CLOSE, &1000u16.to_be_bytes()));
    let mut lost = Editor::join(process.address, "room", &writer("bob"), 2);
    lost.saves("hello");
    drop(lost);
    let ends = || -> Vec<serde_json::Value> {
        let log = process.log();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line: &serde_json::Value| line["message"] == "socket closed")
            .collect()
    };
    let ends = eventually("two ends", || Some(ends()).filter(|ends| ends.len() >= 2));
    for (user, code) in [("alice", 1000), ("bob", 1006)] {
        let mine: Vec<_> = ends.iter().filter(|end| end["user.id"] == user).collect();
        assert_eq!(mine.len(), 1, "{ends:#?}");
        let end = mine[0];
        assert_eq!(
            (&end["room.name"], &end["protocol"], &end["code"]),
            (&"room".into(), &"yjs".into(), &code.into()),
            "{end}"
        );
        assert_eq!(end["address"], "127.0.0.1");
        for count in ["bytes.received", "bytes.sent"] {
            assert!(end[count].as_u64().unwrap() > 20, "{end}");
        }
        assert!(end["seconds"].as_u64().is_some(), "{end}");
    }
    // Each of a line's fields stands there once: some readers of JSON take no line in which one is repeated.
    let log = process.log();
    for line in log.lines().filter(|line| line.contains("socket closed")) {
        for field in ["room.name", "user.id", "socket.id"] {
            assert_eq!(line.matches(&format!("\"{field}\":")).count(), 1, "{line}");
        }
    }
}

#[test]
fn what_a_room_logs_has_its_name_beside_its_own_fields() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--log-format", "json", "--log-level", "warn,tutti::room=debug"]);
    let _editor = Editor::join(process.address, "docs/plan", &writer("alice"), 1);
    let line = eventually("the line is there", || {
        let lines = process.log();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.find(|line| line["message"] == "joined")
    });
    assert_eq!((&line["room.name"], &line["user.id"]), (&"docs/plan".into(), &"alice".into()), "{line}");
}
