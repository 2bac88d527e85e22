//! Who may only read: sees everything, is seen, and changes nothing.

use yrs::Doc;

use crate::support::editor::{Editor, deleted, deleted_at, document, typed};
use crate::support::http::get;
use crate::support::message::{self, BARRIER, Message, QUERY, State, awareness};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};

fn head(server: &Server) -> u64 {
    get(server.address, "/api/v1/rooms/room", Some(&writer("auditor"))).json()["seq"].as_u64().unwrap()
}

#[test]
fn a_reader_gets_the_document_and_every_edit() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("before ");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("before ");
    alice.types("after");
    bob.until_text("before after");
}

#[test]
fn rule_20_a_readers_edit_is_denied_in_band_and_neither_relayed_nor_stored() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("hers");
    for forbidden in [message::update, message::step2] {
        let edit = typed(&bob.doc, "his");
        bob.socket.say(&forbidden(&edit));
        assert!(matches!(bob.take(), Message::Denied(reason) if reason.contains("read-only")));
    }
    bob.socket.say(BARRIER);
    assert!(matches!(bob.take(), Message::Denied(_)));
    alice.saves("!");
    assert_eq!((alice.text(), alice.updates.len()), ("hers!".into(), 2));
    assert_eq!(head(&server), 2);
    bob.until("the edit after the denials", |_, message| matches!(message, Message::Update(_)));
}

#[test]
fn a_readers_answer_to_step1_that_adds_nothing_is_not_denied() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("hers");
    bob.socket.say(&message::step2(&[0, 0]));
    bob.socket.say(QUERY);
    assert!(matches!(bob.take(), Message::Awareness(_)));
}

#[test]
fn a_reader_that_has_nothing_is_not_asked_for_anything() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers");
    let mut bob = Socket::yjs(server.address, "room", &reader("bob"));
    bob.say(message::STEP1_EMPTY);
    assert!(matches!(bob.message(), Message::Step2(_)));
    bob.say(QUERY);
    assert!(matches!(bob.message(), Message::Awareness(_)));
}

/// Joins as a reader with a document that was read before.
fn back(server: &Server, doc: Doc) -> Editor {
    let mut bob = Editor::join_with(server.address, "room", &reader("bob"), doc);
    bob.until("the question", |_, message| matches!(message, Message::Step1(_)));
    bob.socket.say(QUERY);
    bob
}

#[test]
fn a_reader_that_deleted_something_while_away_is_denied_and_one_that_did_not_is_not() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers, and more");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("hers, and more");

    let mut bob = back(&server, bob.leave());
    assert!(matches!(bob.take(), Message::Awareness(_)));
    let doc = bob.leave();
    deleted(&doc, 4);
    let mut bob = back(&server, doc);
    assert!(matches!(bob.take(), Message::Denied(reason) if reason.contains("read-only")));
    alice.saves("!");
    assert_eq!(alice.text(), "hers, and more!");
    bob.until("alice's edit", |_, message| matches!(message, Message::Update(_)));
}

#[test]
fn a_readers_answer_may_be_as_long_as_the_deletions_that_it_was_sent() {
    let server = Server::with(&["--reader-message-bytes-max", "2000"]);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves(&"x".repeat(4_000));
    for index in 0..2_000 {
        let edit = deleted_at(&alice.doc, index, 1);
        alice.socket.say(&message::update(&edit));
    }
    alice.barrier();
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text(&alice.text());
    for _ in 0..2 {
        bob = back(&server, bob.leave());
        assert!(matches!(bob.take(), Message::Awareness(_)));
    }
    let doc = bob.leave();
    deleted(&doc, 1);
    assert!(matches!(back(&server, doc).take(), Message::Denied(_)));
}

#[test]
fn a_reader_that_typed_offline_is_denied_and_stays_connected() {
    let server = Server::start();
    let offline = document(2);
    typed(&offline, "offline");
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join_with(server.address, "room", &reader("bob"), offline);
    bob.until("the denial", |_, message| matches!(message, Message::Denied(_)));
    alice.saves("hers");
    bob.until("alice's edit", |_, message| matches!(message, Message::Update(_)));
    assert_eq!(alice.text(), "hers");
}

#[test]
fn a_readers_edit_longer_than_its_messages_may_be_is_denied_in_band() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.types(&"x".repeat(5_000_000));
    bob.until("the denial", |_, message| matches!(message, Message::Denied(reason) if reason.contains("read-only")));
    bob.socket.say(QUERY);
    bob.until("an answer", |_, message| matches!(message, Message::Awareness(_)));
}

#[test]
fn a_reader_is_seen_by_others_and_by_rest() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.socket.say(&awareness(2, 1, r#"{"user":{"name":"B"}}"#));
    let expected = State { client: 2, clock: 2, json: r#"{"user":{"name":"B"}}"#.into() };
    alice.until("bob's state", |_, message| *message == Message::Awareness(vec![expected.clone()]));
    let users = get(server.address, "/api/v1/rooms/room/presence", Some(&reader("carol"))).json();
    let names: Vec<&str> =
        users["users"].as_array().unwrap().iter().map(|user| user["user"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "bob"]);
}

#[test]
fn rule_17_nobody_can_change_or_remove_anothers_state() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    alice.socket.say(&awareness(1, 1, r#""hers""#));
    bob.until("alice's state", |_, message| matches!(message, Message::Awareness(_)));
    bob.socket.say(&awareness(1, 5, r#""forged""#));
    bob.socket.say(&awareness(1, 6, "null"));
    bob.barrier();
    let mut carol = Editor::join(server.address, "room", &writer("carol"), 3);
    carol.socket.say(QUERY);
    carol.until("the states", |_, message| matches!(message, Message::Awareness(_)));
    assert_eq!(carol.states[0], State { client: 1, clock: 2, json: r#""hers""#.into() });
}

#[test]
fn a_state_may_have_32_kib_and_a_longer_one_is_told_so_in_band() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let json = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    alice.socket.say(&awareness(1, 1, &json(32 * 1024)));
    bob.until("the largest state", |_, message| matches!(message, Message::Awareness(_)));
    alice.socket.say(&awareness(1, 2, &json(32 * 1024 + 1)));
    let denial = alice.until("a denial", |_, message| matches!(message, Message::Denied(_)));
    assert!(matches!(denial, Message::Denied(reason) if reason.contains("32768")));
    alice.saves("still typing");
    bob.until_text("still typing");
}
