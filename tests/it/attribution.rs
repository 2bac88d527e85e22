//! Whose name an edit bears in the timeline.

use crate::support::editor::{Editor, document, typed};
use crate::support::http::get;
use crate::support::message;
use crate::support::server::Server;
use crate::support::token::writer;

/// The authors of a room's entries, in order.
fn authors(server: &Server, room: &str) -> Vec<String> {
    let page = get(server.address, &format!("/api/v1/rooms/{room}/history"), Some(&writer("auditor"))).json();
    let author = |entry: &serde_json::Value| entry["author"].as_str().unwrap().to_owned();
    page["entries"].as_array().unwrap().iter().map(author).collect()
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
    bob.socket.say(&message::update(&update));
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
    carol.socket.say(&message::update(&typed(&elsewhere, " more")));
    carol.barrier();
    assert_eq!(authors(&server, "room"), ["bob", "bob"]);
}
