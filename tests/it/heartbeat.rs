//! Pings, keep-alives, and peers that are gone.

use std::time::{Duration, Instant};

use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::frame::{BINARY, CLOSE, PING, PONG, frame};
use crate::support::http::get;
use crate::support::message::{Message, NOBODY, STEP1_EMPTY, awareness};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::writer;

const PONG_TIMEOUT: Duration = Duration::from_secs(4);
/// Pings often, and gives up a client that stays silent a good while after that: a pong may be late on a busy machine.
const QUICK: [&str; 6] = ["--ping-interval-ms", "200", "--pong-timeout-ms", "4000", "--keepalive-interval-ms", "28000"];

/// The users in the room, as REST tells.
fn present(server: &Server) -> Vec<String> {
    let answer = get(server.address, "/api/v1/rooms/room/presence", Some(&writer("auditor")));
    let body = answer.json();
    let users = body["users"].as_array().map_or(&[][..], Vec::as_slice);
    users.iter().map(|user| user["user"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rule_29_a_silent_client_is_pinged_then_closed_with_4501() {
    let server = Server::with(&["--ping-interval-ms", "200", "--pong-timeout-ms", "200"]);
    let started = Instant::now();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    let ping = socket.frame();
    assert_eq!((ping.opcode, ping.payload.len()), (PING, 0));
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
    assert_eq!(socket.closed().0, 4501);
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
}

#[test]
fn a_client_that_pongs_stays() {
    let server = Server::with(&QUICK);
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    let started = Instant::now();
    while started.elapsed() < PONG_TIMEOUT * 3 / 2 {
        let ping = socket.frame();
        assert_eq!(ping.opcode, PING);
        socket.send(&frame(PONG, &ping.payload));
    }
}

#[test]
fn any_sign_of_life_counts_as_a_pong() {
    let server = Server::with(&QUICK);
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    let started = Instant::now();
    while started.elapsed() < PONG_TIMEOUT * 3 / 2 {
        assert_eq!(socket.frame().opcode, PING);
        socket.send(&frame(PONG, b"unasked for"));
    }
    let started = Instant::now();
    while started.elapsed() < PONG_TIMEOUT * 3 / 2 {
        assert_eq!(socket.frame().opcode, PING);
        // The first part of a frame.
        socket.send(&frame(BINARY, STEP1_EMPTY)[..3]);
        assert_eq!(socket.frame().opcode, PING);
        socket.send(&frame(BINARY, STEP1_EMPTY)[3..]);
        assert_eq!(socket.frame().opcode, BINARY);
    }
}

#[test]
fn a_client_that_answers_nothing_leaves_presence_and_its_state_is_removed() {
    let server = Server::with(&QUICK);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.socket.say(&awareness(1, 1, "{}"));
    bob.until("alice's state", |_, message| matches!(message, Message::Awareness(_)));
    // From here on alice is open and dead: it neither reads nor answers.
    bob.until("alice's removal", |_, message| match message {
        Message::Awareness(states) => states.iter().any(|state| state.client == 1 && state.json == "null"),
        _ => false,
    });
    assert_eq!(present(&server), ["bob"]);
    drop(alice);
}

#[test]
fn someone_is_present_from_joining_to_leaving() {
    let server = Server::start();
    let alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let second = Editor::join(server.address, "room", &writer("alice"), 2);
    let body = get(server.address, "/api/v1/rooms/room/presence", Some(&writer("auditor"))).json();
    let expected = serde_json::json!({ "room": "room", "users": [{ "user": "alice", "name": "alice", "sockets": 2 }] });
    assert_eq!(body, expected);
    drop(alice);
    drop(second);
    eventually("nobody is left", || present(&server).is_empty().then_some(()));
}

#[test]
fn a_lone_client_gets_keep_alive_messages() {
    let server = Server::with(&["--keepalive-interval-ms", "150"]);
    let started = Instant::now();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    for _ in 0..4 {
        assert_eq!(socket.payload(), NOBODY);
    }
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());
}

#[test]
fn pings_do_not_delay_the_keep_alive_that_they_cannot_replace() {
    let server = Server::with(&["--keepalive-interval-ms", "500", "--ping-interval-ms", "100"]);
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    assert_eq!(socket.payload(), NOBODY);
}

#[test]
fn rule_28_a_peer_that_takes_nothing_is_closed_after_the_stall_timeout() {
    let server = Server::with(&["--stall-timeout-ms", "3000", "--outbox-bytes-max", "100000000"]);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves(&"x".repeat(20_000_000));
    let mut dead = Socket::yjs(server.address, "room", &writer("dead"));
    dead.say(STEP1_EMPTY);
    eventually("the dead peer is in", || (present(&server).len() == 2).then_some(()));
    eventually("the dead peer is out", || (present(&server) == ["alice"]).then_some(()));
    drop(dead);
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = Server::start();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    for payload in [&b""[..], &[7; 125]] {
        socket.send(&frame(PING, payload));
        let pong = socket.frame();
        assert_eq!((pong.opcode, &pong.payload[..]), (PONG, payload));
    }
    socket.send(&frame(CLOSE, &1000u16.to_be_bytes()));
    assert_eq!(socket.closed().0, 1000);
}
