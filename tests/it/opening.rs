//! How a y-websocket conversation opens: PROTOCOL.md, "y-websocket".

use std::io::Write;
use std::net::TcpStream;

use crate::support::editor::{Editor, document, typed};
use crate::support::eventually;
use crate::support::frame::{BINARY, frame};
use crate::support::message::{
    self, BARRIER, Message, QUERY, STEP1_EMPTY, STEP1_HI, STEP2_EMPTY, STEP2_HI, State, UPDATE_HI, awareness,
};
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::writer;

const A: &str = r#"{"user":{"name":"A"}}"#;

#[test]
fn the_server_opens_with_step1_without_being_asked() {
    let server = Server::start();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
}

#[test]
fn a_newcomer_gets_step1_and_then_all_awareness_states_at_once() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.socket.say(&awareness(1, 1, A));
    alice.barrier();
    let mut bob = Socket::yjs(server.address, "room", &writer("bob"));
    assert_eq!(bob.payload(), STEP1_EMPTY);
    assert_eq!(bob.payload(), b"\x01\x19\x01\x01\x02\x15{\"user\":{\"name\":\"A\"}}");
}

#[test]
fn an_empty_document_is_answered_with_the_golden_step2() {
    let server = Server::start();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    socket.payload();
    socket.say(STEP1_EMPTY);
    assert_eq!(socket.payload(), STEP2_EMPTY);
}

#[test]
fn an_edit_is_echoed_and_shown_with_its_golden_bytes() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let mut alice = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(alice.payload(), STEP1_EMPTY);
    alice.say(UPDATE_HI);
    assert_eq!(alice.payload(), UPDATE_HI);
    assert_eq!(bob.socket.payload(), UPDATE_HI);

    let mut late = Socket::yjs(server.address, "room", &writer("carol"));
    assert_eq!(late.payload(), STEP1_HI);
    late.say(STEP1_EMPTY);
    assert_eq!(late.payload(), STEP2_HI);
}

#[test]
fn step1_is_answered_with_the_difference_only() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves(&"long before ".repeat(1000));
    let known = document(9);
    let mut bob = Editor::join_with(server.address, "room", &writer("bob"), known);
    alice.saves("new");

    let state_vector = [1, 1].iter().copied().chain(number(12_000)).collect::<Vec<u8>>();
    bob.until_text(&alice.text());
    bob.socket.say(&message::step1(&state_vector));
    let Message::Step2(difference) = bob.socket.message() else { panic!("not Step2") };
    assert!(difference.len() < 50, "{} bytes", difference.len());

    bob.socket.say(&message::step1(&[1, 1, 2]));
    let Message::Step2(difference) = bob.socket.message() else { panic!("not Step2") };
    assert!(difference.len() > 12_000, "{} bytes", difference.len());
}

#[test]
fn someone_with_the_whole_document_gets_nothing_again() {
    let server = Server::start();
    let mut alice = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(alice.payload(), STEP1_EMPTY);
    alice.say(UPDATE_HI);
    assert_eq!(alice.payload(), UPDATE_HI);
    alice.say(STEP1_HI);
    assert_eq!(alice.payload(), STEP2_EMPTY);
}

#[test]
fn several_messages_in_one_frame_are_all_handled_in_order() {
    let server = Server::start();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    socket.say(&[UPDATE_HI, STEP1_EMPTY, QUERY, BARRIER].concat());
    let mut answers = [socket.payload(), socket.payload(), socket.payload(), socket.payload()];
    // The echoes come when the commit does, the others at once.
    answers.sort();
    let mut expected = [UPDATE_HI, STEP2_HI, message::NOBODY, BARRIER].map(<[u8]>::to_vec);
    expected.sort();
    assert_eq!(answers, expected);
}

#[test]
fn sixty_four_messages_in_a_frame_are_taken_and_one_more_is_refused() {
    let server = Server::start();
    let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    socket.say(&QUERY.repeat(64));
    for _ in 0..64 {
        assert_eq!(socket.payload(), message::NOBODY);
    }
    socket.say(&QUERY.repeat(65));
    assert_eq!(socket.closed().0, 4422);
}

#[test]
fn bytes_that_came_together_with_the_handshake_are_handled() {
    let server = Server::start();
    let head = upgrade("/yjs/room", &[&format!("Authorization: Bearer {}", writer("alice"))]);
    let first = [frame(BINARY, STEP1_EMPTY), frame(BINARY, UPDATE_HI)].concat();
    let mut socket = Socket::open(server.address, &head, &first);
    assert_eq!(socket.payload(), STEP1_EMPTY);
    assert_eq!(socket.payload(), STEP2_EMPTY);
    assert_eq!(socket.payload(), UPDATE_HI);
}

#[test]
fn a_frame_cut_by_the_handshake_goes_on_in_the_next_packet() {
    let server = Server::start();
    let head = upgrade("/yjs/room", &[&format!("Authorization: Bearer {}", writer("alice"))]);
    let bytes = frame(BINARY, UPDATE_HI);
    let mut socket = Socket::open(server.address, &head, &bytes[..7]);
    assert_eq!(socket.payload(), STEP1_EMPTY);
    socket.send(&bytes[7..]);
    assert_eq!(socket.payload(), UPDATE_HI);
}

#[test]
fn a_room_name_may_hold_slashes_and_escaped_spaces() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "team/plan%202", &writer("alice"), 1);
    alice.saves("here");
    let mut bob = Editor::join(server.address, "team%2Fplan%202", &writer("bob"), 2);
    bob.until_text("here");
}

#[test]
fn what_someone_typed_offline_reaches_the_others_when_it_comes_back() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let offline = document(1);
    typed(&offline, "offline");
    let mut alice = Editor::join_with(server.address, "room", &writer("alice"), offline);
    bob.until_text("offline");
    alice.barrier();
    assert_eq!(alice.updates.len(), 2, "the Step2 is echoed as an Update, then the barrier");
}

#[test]
fn someone_who_leaves_is_removed_with_a_raised_clock() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.socket.say(&awareness(1, 1, A));
    assert_eq!(bob.take(), Message::Awareness(vec![State { client: 1, clock: 2, json: A.into() }]));
    drop(alice);
    assert_eq!(bob.take(), Message::Awareness(vec![State { client: 1, clock: 3, json: "null".into() }]));
}

#[test]
fn states_sent_back_are_not_shown_again() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    alice.socket.say(&awareness(1, 1, A));
    bob.until("alice", |_, message| matches!(message, Message::Awareness(_)));
    bob.socket.say(&awareness(1, 1, A));
    bob.barrier();
    alice.barrier();
    // Early in a room's life owners are sent their own state with a raised clock, and nothing else of their own.
    let own = State { client: 1, clock: 2, json: A.into() };
    assert_eq!(alice.states, [own]);
}

fn number(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    message::put_number(&mut out, value);
    out
}

#[test]
fn nobody_sees_themselves_leave_a_new_room() {
    let server = Server::start();
    let mut people: Vec<Editor> =
        (1..=3).map(|id| Editor::join(server.address, "room", &writer(&format!("user{id}")), id)).collect();
    for (id, editor) in (1..).zip(&mut people) {
        editor.socket.say(&awareness(id, 1, A));
    }
    people[0].saves("first");
    for editor in &mut people {
        editor.barrier();
        assert!(editor.states.iter().all(|state| state.json == A), "{:?}", editor.states);
    }
}

#[test]
fn rule_6_handshakes_that_are_broken_off_give_their_places_back() {
    const PLACES: usize = 30;
    let server = Server::with(&["--sockets-max", &PLACES.to_string(), "--sockets-per-ip-max", "1000"]);
    let head = |number: usize| {
        let token = format!("Authorization: Bearer {}", writer(&format!("user-{number}")));
        upgrade("/yjs/room", &[&token])
    };
    for number in 0..10 * PLACES {
        let request = head(number) + "\r\n";
        // Before all is said, or before the answer is read.
        let said = if number % 2 == 0 { request.len() / 2 } else { request.len() };
        TcpStream::connect(server.address).unwrap().write_all(&request.as_bytes()[..said]).unwrap();
    }
    let mut inside = Vec::new();
    eventually("all places are taken by others", || {
        let socket = Socket::open(server.address, &head(1_000 + inside.len()), &[]);
        inside.extend((socket.answer.status == 101).then_some(socket));
        (inside.len() == PLACES).then_some(())
    });
    assert_eq!(Socket::open(server.address, &head(2_000), &[]).answer.status, 503);
}
