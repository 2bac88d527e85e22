//! Whose name an edit bears in the timeline.

use yrs::updates::decoder::Decode;
use yrs::{Transact, Update};

use crate::support::database::Lock;
use crate::support::editor::{Editor, document, typed};
use crate::support::http::get;
use crate::support::message::{self, QUERY};
use crate::support::server::Server;
use crate::support::token::writer;

/// The authors of a room's entries, in order.
fn authors(server: &Server, room: &str) -> Vec<String> {
    let page = get(server.address, &format!("/api/v1/rooms/{room}/history"), Some(&writer("auditor"))).json();
    let author = |entry: &serde_json::Value| entry["author"].as_str().unwrap().to_owned();
    page["entries"].as_array().unwrap().iter().map(author).collect()
}

/// Who sent a room's entries, where that is not the author.
fn senders(server: &Server, room: &str) -> Vec<Option<String>> {
    let page = get(server.address, &format!("/api/v1/rooms/{room}/history"), Some(&writer("auditor"))).json();
    let via = |entry: &serde_json::Value| entry.get("via").map(|via| via.as_str().unwrap().to_owned());
    page["entries"].as_array().unwrap().iter().map(via).collect()
}

#[test]
fn an_edit_bears_the_name_of_who_typed_it() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("a");
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    bob.saves("b");
    alice.saves("c");
    assert_eq!(authors(&server, "room"), ["alice", "bob", "alice"]);
}

#[test]
fn what_someone_forwards_of_anothers_typing_bears_the_others_name() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("online ");
    // Alice goes on offline, and Bob gets it from her by another way.
    let offline = alice.leave();
    typed(&offline, "offline");
    let mut bob = Editor::join_with(server.address, "room", &writer("bob"), offline);
    bob.until("the Step2's echo", |_, message| matches!(message, message::Message::Update(_)));
    assert_eq!(authors(&server, "room"), ["alice", "alice"]);
    assert_eq!(senders(&server, "room"), [None, Some("bob".to_owned())]);
}

/// As a program says that pretends to be Yjs client 1, which has typed `clock` letters: it has typed a hundred more, which are gone.
fn forged(clock: u8) -> Vec<u8> {
    message::update(&[1, 1, 1, clock, 0, 100, 0])
}

#[test]
fn rule_39_who_goes_on_with_an_absent_users_yjs_client_is_refused_and_their_work_comes_back_whole() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hello");
    let away = alice.leave();
    typed(&away, ", typed offline");
    let mut mallory = Editor::join(server.address, "room", &writer("mallory"), 66);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    mallory.socket.say(&forged(5));
    mallory.until("the question for it", |_, message| *message == message::Message::Step1(vec![1, 1, 5]));
    // It has nothing of it to give.
    mallory.barrier();
    mallory.saves("Mallory's own");
    let mut alice = Editor::join_with(server.address, "room", &writer("alice"), away);
    alice.barrier();
    bob.barrier();
    assert_eq!(bob.text(), alice.text());
    assert!(bob.text().contains("hello, typed offline"), "{}", bob.text());
    assert_eq!(authors(&server, "room"), ["alice", "mallory", "alice"]);
    assert_eq!(senders(&server, "room"), [None, None, None]);
}

#[test]
fn rule_39_a_yjs_client_that_its_user_has_only_shown_is_nobody_elses() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.socket.say(&message::awareness(1, 1, "{}"));
    alice.barrier();
    let away = alice.leave();
    typed(&away, "typed offline");
    let mut mallory = Editor::join(server.address, "room", &writer("mallory"), 66);
    mallory.socket.say(&message::awareness(1, 2, "{}"));
    mallory.socket.say(&forged(0));
    mallory.until("the question for it", |_, message| *message == message::Message::Step1(vec![0]));
    mallory.barrier();
    let mut alice = Editor::join_with(server.address, "room", &writer("alice"), away);
    alice.barrier();
    mallory.until_text("typed offline");
    assert_eq!(authors(&server, "room"), ["alice"]);
}

#[test]
fn rule_39_whose_awareness_another_passes_on_types_as_before() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    bob.socket.say(&message::awareness(2, 1, "{}"));
    bob.socket.say(&message::awareness(1, 1, "{}"));
    bob.barrier();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.socket.say(&message::awareness(1, 1, "{}"));
    alice.saves("hers");
    assert_eq!(authors(&server, "room"), ["alice"]);
    assert_eq!(senders(&server, "room"), [None]);
}

#[test]
fn rule_39_what_one_forwards_of_another_is_taken_when_it_is_asked_for_and_tells_who_sent_it() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("online, ");
    // Alice goes on offline, and Bob's page gets each edit from hers.
    let away = alice.leave();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let forward = |bob: &mut Editor, word| {
        let update = typed(&away, word);
        bob.doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        bob.socket.say(&message::update(&update));
    };
    forward(&mut bob, "and ");
    forward(&mut bob, "off");
    bob.barrier();
    assert_eq!(authors(&server, "room"), ["alice", "alice"]);
    assert_eq!(senders(&server, "room"), [None, Some("bob".to_owned())]);
    // What Bob types on it comes with it.
    forward(&mut bob, "line");
    bob.types("!");
    bob.barrier();
    let mut carol = Editor::join(server.address, "room", &writer("carol"), 3);
    carol.until_text("online, and offline!");
}

#[test]
fn attribution_holds_after_the_room_was_unloaded() {
    let server = Server::with(&["--room-idle-ms", "10"]);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("online ");
    let offline = alice.leave();
    let update = typed(&offline, "offline");
    let presence = |_: ()| get(server.address, "/api/v1/rooms/room/presence", Some(&writer("auditor"))).json();
    crate::support::eventually("alice is gone", || presence(())["users"].as_array().unwrap().is_empty().then_some(()));
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    bob.socket.say(&message::step2(&update));
    bob.barrier();
    assert_eq!(authors(&server, "room"), ["alice", "alice"]);
}

#[test]
fn a_client_that_nobody_knows_is_bound_to_who_first_brings_it() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let elsewhere = document(77);
    bob.socket.say(&message::update(&typed(&elsewhere, "found")));
    bob.barrier();
    let mut carol = Editor::join(server.address, "room", &writer("carol"), 3);
    carol.socket.say(&message::step2(&typed(&elsewhere, " more")));
    carol.barrier();
    assert_eq!(authors(&server, "room"), ["bob", "bob"]);
}

#[test]
fn what_another_brings_first_after_a_crash_does_not_take_the_typists_name() {
    let server = Server::start();
    // Bob saw what Alice typed before the server died; Alice comes back after him.
    let lost = document(1);
    let shown = typed(&lost, "shown ");
    let bob = document(2);
    bob.transact_mut().apply_update(Update::decode_v1(&shown).unwrap()).unwrap();
    let mut bob = Editor::join_with(server.address, "room", &writer("bob"), bob);
    bob.until("the Step2's echo", |_, message| matches!(message, message::Message::Update(_)));
    let mut alice = Editor::join_with(server.address, "room", &writer("alice"), lost);
    alice.saves("and more");
    assert_eq!(authors(&server, "room"), ["bob", "alice"]);
}

#[test]
fn who_is_back_does_not_hear_its_own_typing_from_another_before_it_is_committed() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.socket.say(&message::awareness(1, 1, "{}"));
    alice.saves("before ");
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let mut carol = Editor::join(server.address, "room", &writer("carol"), 3);
    let lost = typed(&alice.doc, "lost on its way");
    let lock = Lock::hold(&server.database_url);
    bob.socket.say(&message::step2(&lost));
    carol.until_text("before lost on its way");
    alice.socket.say(QUERY);
    assert!(matches!(alice.take(), message::Message::Awareness(_)), "her own edit is not shown to her yet");
    drop(lock);
    alice.until("her edit, committed", |_, message| *message == message::Message::Update(lost.clone()));
}
