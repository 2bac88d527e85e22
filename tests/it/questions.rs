//! What some clients say on `/yjs` beside y-websocket's own: ignored where it is not known, and answered where they ask whether all
//! is saved.

use std::io::Write;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::DEADLINE;
use crate::support::database::Lock;
use crate::support::editor::{Editor, document, typed};
use crate::support::frame::{BINARY, PING, PONG, frame};
use crate::support::message::{self, NOBODY, QUERY, STEP1_EMPTY, UPDATE_HI, put_buf, put_number};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};

/// y-sweet's sync status of a client that has made so many changes.
fn status(version: u64) -> Vec<u8> {
    let mut content = Vec::new();
    put_number(&mut content, version);
    let mut out = vec![102];
    put_buf(&mut out, &content);
    out
}

/// Jupyter's request to save.
fn save(id: u64) -> Vec<u8> {
    let mut out = vec![2];
    put_buf(&mut out, b"save");
    put_number(&mut out, id);
    out
}

fn reply(payload: &[u8]) -> Option<Value> {
    (payload.first() == Some(&2) && payload.get(2) == Some(&b'{'))
        .then(|| serde_json::from_slice(&payload[2..]).unwrap())
}

/// What comes up to the payload that `is_it`, that included.
fn until(socket: &mut Socket, mut is_it: impl FnMut(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let started = Instant::now();
    let mut all = Vec::new();
    loop {
        let payload = socket.payload();
        let is_last = is_it(&payload);
        all.push(payload);
        if is_last {
            return all;
        }
        assert!(started.elapsed() < DEADLINE, "not in time: {all:x?}");
    }
}

/// A client that is in and has answered the server's Step1.
fn opened(server: &Server, token: &str) -> Socket {
    let mut socket = Socket::yjs(server.address, "room", token);
    socket.say(STEP1_EMPTY);
    until(&mut socket, |payload| payload.starts_with(&[0, 1]));
    socket.say(&message::step2(&[0, 0]));
    socket.say(QUERY);
    until(&mut socket, |payload| payload == NOBODY);
    socket
}

#[test]
fn messages_of_unknown_types_are_ignored_and_the_connection_goes_on() {
    let server = Server::start();
    let mut bystander = Editor::join(server.address, "room", &writer("bob"), 2);
    for token in [writer("ada"), reader("rita")] {
        let mut socket = opened(&server, &token);
        for unknown in [&[9][..], &[0, 3, 0], &[2, 0, 1, b'x'], &[5, 3, 1, 2, 3], &[100], &[0xff, 0xff, 3, 1]] {
            socket.say(unknown);
            socket.say(QUERY);
            assert_eq!(until(&mut socket, |payload| payload == NOBODY).len(), 1, "{unknown:x?}");
        }
    }
    bystander.barrier();
    assert_eq!((bystander.updates.len(), bystander.states.len()), (1, 0));
}

#[test]
fn who_sends_nothing_but_unknown_messages_is_closed_to_come_back() {
    let server = Server::start();
    let cases: [(&str, Vec<u8>, usize); 2] = [("many", vec![9], 200), ("large", vec![9; 1 << 20], 3)];
    for (what, unknown, some) in cases {
        let mut socket = opened(&server, &writer(what));
        for _ in 0..some {
            socket.say(&unknown);
        }
        socket.say(QUERY);
        until(&mut socket, |payload| payload == NOBODY);
        let started = Instant::now();
        let code = loop {
            assert!(started.elapsed() < DEADLINE, "{what}: still there");
            for _ in 0..some {
                if socket.stream.write_all(&frame(BINARY, &unknown)).is_err() {
                    break;
                }
            }
            match socket.next_within(std::time::Duration::from_millis(10)) {
                Some(heard) if heard.opcode == PING => socket.send(&frame(PONG, &heard.payload)),
                Some(heard) => break heard.close().0,
                None => {}
            }
        };
        assert_eq!(code, 4502, "{what}");
    }
}

#[test]
fn a_question_whether_all_is_saved_is_answered_after_the_commit_of_all_before() {
    let server = Server::start();
    let mut socket = opened(&server, &writer("ada"));
    let lock = Lock::hold(&server.database_url);
    socket.say(UPDATE_HI);
    socket.say(&status(7));
    socket.say(&save(3));
    // y-sweet's client takes silence for the connection's end, so it gets a sign of life.
    assert_eq!(socket.payload(), NOBODY);
    socket.say(QUERY);
    assert_eq!(socket.payload(), NOBODY);
    drop(lock);
    let heard = until(&mut socket, |payload| reply(payload).is_some());
    assert_eq!(heard[..2], [UPDATE_HI.to_vec(), status(7)]);
    assert_eq!(reply(&heard[2]), Some(json!({ "type": "save", "responseTo": 3, "status": "success" })));
    // With nothing uncommitted, at once.
    socket.say(&status(8));
    assert_eq!(socket.payload(), status(8));
}

#[test]
fn what_was_typed_while_away_is_not_called_saved_before_it_has_come() {
    let server = Server::start();
    let doc = document(5);
    typed(&doc, "offline");
    let mut socket = Socket::yjs(server.address, "room", &writer("ada"));
    // As y-sweet opens.
    socket.say(STEP1_EMPTY);
    socket.say(&status(1));
    socket.say(QUERY);
    let heard = until(&mut socket, |payload| payload.starts_with(&[0, 1]));
    assert!(!heard.contains(&status(1)));
    until(&mut socket, |payload| payload == NOBODY);
    let lock = Lock::hold(&server.database_url);
    let update = typed(&document(5), "offline");
    socket.say(&message::step2(&update));
    socket.say(QUERY);
    assert!(!until(&mut socket, |payload| payload == NOBODY).contains(&status(1)));
    drop(lock);
    let heard = until(&mut socket, |payload| payload == status(1));
    assert!(heard.contains(&message::update(&update)), "the echo comes first: {heard:x?}");
    drop(doc);
}

#[test]
fn a_reader_whose_typing_was_denied_is_never_told_that_it_is_saved() {
    let server = Server::start();
    let mut socket = opened(&server, &reader("rita"));
    socket.say(&status(0));
    assert_eq!(socket.payload(), status(0));
    socket.say(UPDATE_HI);
    socket.say(&status(1));
    socket.say(&save(1));
    let heard = until(&mut socket, |payload| reply(payload).is_some());
    assert_eq!(heard[0][..2], [2, 0], "the denial");
    assert_eq!(heard[1], NOBODY);
    assert_eq!(reply(&heard[2]), Some(json!({ "type": "save", "responseTo": 1, "status": "failed" })));
}

#[test]
fn questions_that_wait_have_a_bound_and_those_beyond_are_told_to_come_again() {
    let server = Server::start();
    let mut socket = opened(&server, &writer("ada"));
    let lock = Lock::hold(&server.database_url);
    socket.say(UPDATE_HI);
    for id in 0..65 {
        socket.say(&save(id));
    }
    let skipped = until(&mut socket, |payload| reply(payload).is_some()).pop().unwrap();
    assert_eq!(reply(&skipped), Some(json!({ "type": "save", "responseTo": 64, "status": "skipped" })));
    drop(lock);
    let mut saved = 0;
    until(&mut socket, |payload| {
        saved += usize::from(reply(payload).is_some_and(|reply| reply["status"] == "success"));
        saved == 64
    });
    socket.say(&save(65));
    let last = until(&mut socket, |payload| reply(payload).is_some()).pop().unwrap();
    assert_eq!(reply(&last).unwrap()["status"], "success");
}
