//! An edit's author hears of it after its commit, everyone else at once.

use crate::support::database::Lock;
use crate::support::editor::{Editor, document, text, typed, whole};
use crate::support::message::{self, BARRIER, Message, NOBODY, QUERY};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::writer;

/// Demands that nothing but answers to queries comes to `socket` while the room does `count` turns.
fn hears_nothing(socket: &mut Socket, count: usize) {
    for _ in 0..count {
        socket.say(QUERY);
        assert_eq!(socket.payload(), NOBODY);
    }
}

#[test]
fn an_author_gets_exactly_the_bytes_that_it_sent_back() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    for text in ["one", "two 👋", "three"] {
        let update = alice.types(text);
        assert_eq!(alice.socket.payload(), message::update(&update));
    }
}

#[test]
fn each_edit_is_echoed_once_and_in_order() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let sent: Vec<Vec<u8>> = (0..500).map(|number| alice.types(&format!("{number} "))).collect();
    alice.barrier();
    alice.updates.pop();
    assert!(alice.updates == sent, "{} of {} echoes", alice.updates.len(), sent.len());
}

#[test]
fn while_the_database_is_locked_others_see_edits_and_their_author_hears_nothing() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("before ");
    bob.until_text("before ");

    let lock = Lock::hold(&server.database_url);
    let first = alice.types("one ");
    let second = alice.types("two");
    bob.until_text("before one two");
    hears_nothing(&mut alice.socket, 50);
    drop(lock);
    assert_eq!(alice.take(), Message::Update(first));
    assert_eq!(alice.take(), Message::Update(second));
}

#[test]
fn a_room_whose_row_cannot_be_made_yet_shows_edits_all_the_same() {
    let server = Server::start();
    let lock = Lock::hold(&server.database_url);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let update = alice.types("first");
    bob.until_text("first");
    hears_nothing(&mut alice.socket, 50);
    drop(lock);
    assert_eq!(alice.take(), Message::Update(update));
}

#[test]
fn a_barrier_with_nothing_uncommitted_is_answered_at_once() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("done");
    alice.socket.say(BARRIER);
    assert_eq!(alice.socket.payload(), BARRIER);
}

#[test]
fn a_barrier_is_answered_only_when_all_before_it_is_committed_others_edits_too() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("before ");
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    bob.until_text("before ");

    let lock = Lock::hold(&server.database_url);
    let update = alice.types("new");
    bob.until_text("before new");
    bob.socket.say(BARRIER);
    alice.socket.say(BARRIER);
    hears_nothing(&mut bob.socket, 20);
    hears_nothing(&mut alice.socket, 20);
    drop(lock);
    assert_eq!(bob.socket.payload(), BARRIER);
    assert_eq!(alice.take(), Message::Update(update));
    assert_eq!(alice.socket.payload(), BARRIER);
}

#[test]
fn what_brings_nothing_new_is_acknowledged_once_it_is_committed() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("before ");
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);

    let lock = Lock::hold(&server.database_url);
    let update = alice.types("new");
    bob.until_text("before new");
    bob.socket.say(&message::update(&update));
    hears_nothing(&mut bob.socket, 20);
    drop(lock);
    assert_eq!(bob.socket.payload(), message::update(&update));
}

#[test]
fn an_edit_after_a_gap_is_not_acknowledged_and_the_sender_is_asked_once() {
    let server = Server::start();
    let doc = document(1);
    typed(&doc, "lost ");
    let mut alice = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(alice.payload(), message::STEP1_EMPTY);
    for word in ["after ", "the ", "gap"] {
        alice.say(&message::update(&typed(&doc, word)));
    }
    assert_eq!(alice.payload(), message::STEP1_EMPTY);
    hears_nothing(&mut alice, 20);
}

#[test]
fn a_barrier_behind_a_gap_waits_until_the_gap_is_closed_and_committed() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let doc = document(1);
    let lost = typed(&doc, "lost ");
    let mut alice = Socket::yjs(server.address, "room", &writer("alice"));
    assert_eq!(alice.payload(), message::STEP1_EMPTY);
    alice.say(&message::update(&typed(&doc, "found")));
    alice.say(BARRIER);
    assert_eq!(alice.payload(), message::STEP1_EMPTY);
    hears_nothing(&mut alice, 20);

    alice.say(&message::update(&lost));
    alice.say(&message::step2(&whole(&doc)));
    let mut echoes = vec![alice.payload(), alice.payload(), alice.payload()];
    assert!(echoes.contains(&message::update(&lost)));
    assert!(echoes.contains(&BARRIER.to_vec()));
    echoes.retain(|echo| *echo != BARRIER && *echo != message::update(&lost));
    assert_eq!(echoes.len(), 1, "what the Step2 added");
    bob.until_text(&text(&doc));
}

#[test]
fn an_echo_of_more_than_64_kib_arrives_whole() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let update = alice.types(&"x".repeat(100_000));
    assert!(alice.socket.payload() == message::update(&update));
}

#[test]
fn an_echo_larger_than_the_outbox_arrives_whole_and_so_does_the_next() {
    let server = Server::with(&["--outbox-bytes-max", "65536"]);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    for _ in 0..2 {
        let update = alice.types(&"x".repeat(3_000_000));
        assert!(alice.socket.payload() == message::update(&update));
    }
    let update = alice.types("small");
    assert_eq!(alice.socket.payload(), message::update(&update));
}
