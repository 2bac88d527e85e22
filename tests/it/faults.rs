//! What happens when the database is away, or too much is uncommitted: nothing is lost, and who has
//! nothing to do with it notices nothing.

use crate::support::database::{Lock, execute, number};
use crate::support::editor::{Editor, document, typed};
use crate::support::eventually;
use crate::support::frame::CLOSE;
use crate::support::http::get;
use crate::support::message::{self, BARRIER, Message};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::writer;

#[test]
fn a_room_that_cannot_be_loaded_is_closed_to_all_and_never_empty() {
    let server = Server::with(&["--room-idle-ms", "10"]);
    Editor::join(server.address, "room", &writer("ada"), 1).saves("kept");
    // Once the room has left memory, coming back to it means loading it.
    let is_gone = || {
        get(server.address, "/api/v1/rooms/room/presence", Some(&writer("ada"))).json()["users"]
            == serde_json::json!([])
    };
    eventually("nobody is in", || is_gone().then_some(()));
    execute(&server.database_url, "alter table entry rename to entry_away");
    let mut looks = 0;
    let refused = eventually("the room has been unloaded and cannot be loaded", || {
        // Looking too often would keep the room in memory.
        looks += 1;
        if looks % 20 != 1 {
            return None;
        }
        let mut socket = Socket::yjs(server.address, "room", &writer("ada"));
        socket.say(message::STEP1_EMPTY);
        let frame = socket.next().ok()?;
        (frame.opcode == CLOSE).then(|| frame.close().0)
    });
    assert_eq!(refused, 1013);
    execute(&server.database_url, "alter table entry_away rename to entry");
    eventually("the room loads again", || {
        let mut socket = Socket::yjs(server.address, "room", &writer("ada"));
        socket.say(message::STEP1_EMPTY);
        (socket.next().ok()?.opcode != CLOSE).then_some(())
    });
    assert_eq!(Editor::join(server.address, "room", &writer("ada"), 2).text(), "kept");
}

#[test]
fn past_the_bound_of_what_is_uncommitted_edits_wait_with_their_client_and_come_when_asked_for() {
    let server = Server::with(&["--room-unsaved-bytes-max", "8192"]);
    let mut ada = Editor::join(server.address, "room", &writer("ada"), 1);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    ada.saves("saved ");
    bob.until_text("saved ");
    let lock = Lock::hold(&server.database_url);
    let expected: String = (0..100).map(|number| format!("{number:060} ")).collect();
    for number in 0..100 {
        ada.types(&format!("{number:060} "));
    }
    ada.socket.say(BARRIER);
    ada.socket.say(message::QUERY);
    // Everything has been judged, and the barrier is not answered.
    ada.until("the query's answer", |editor, message| {
        assert!(editor.updates.is_empty() || editor.updates.len() == 1, "nothing is acknowledged");
        matches!(message, Message::Awareness(_))
    });
    drop(lock);
    ada.until("the barrier", |_, message| *message == Message::Update(vec![0, 0]));
    bob.until_text(&format!("saved {expected}"));
    assert_eq!(Editor::join(server.address, "room", &writer("dan"), 4).text(), format!("saved {expected}"));
}

#[test]
fn a_long_tail_of_edits_becomes_a_snapshot_and_the_room_loads_from_it() {
    let server = Server::with(&["--room-idle-ms", "10"]);
    let mut ada = Editor::join(server.address, "room", &writer("ada"), 1);
    let paragraph = "x".repeat(10_000);
    for _ in 0..40 {
        ada.saves(&paragraph);
    }
    let snapshots = "select count(*) from snapshot";
    eventually("a snapshot", || (number(&server.database_url, snapshots) > 0).then_some(()));
    ada.saves("the end");
    drop(ada);
    // Without the edits before it, only the snapshot can bring the text back.
    let covered = "delete from entry where seq <= (select max(seq) from snapshot)";
    execute(&server.database_url, covered);
    let text = format!("{}the end", paragraph.repeat(40));
    eventually("the room loads from the snapshot", || {
        let document = get(server.address, "/api/v1/rooms/room/document?format=text", Some(&writer("ada")));
        (document.text() == text).then_some(())
    });
}

#[test]
fn an_edit_sent_again_after_a_lost_echo_is_stored_once() {
    let server = Server::start();
    let doc = document(1);
    let update = typed(&doc, "once");
    for _ in 0..3 {
        let mut socket = Socket::yjs(server.address, "room", &writer("ada"));
        socket.say(&message::update(&update));
        socket.until("the echo", |heard| *heard == Message::Update(update.clone()));
    }
    assert_eq!(number(&server.database_url, "select count(*) from entry"), 1);
}

#[test]
fn readiness_follows_whether_entries_can_be_saved() {
    let server = Server::start();
    let becomes = |status: u16| {
        let ready = || get(server.address, "/readyz", None).status;
        eventually(&format!("/readyz answers {status}"), || (ready() == status).then_some(()));
        assert_eq!(get(server.address, "/healthz", None).status, 200);
    };
    becomes(200);
    for (breaks, mends) in [
        ("alter table room rename to room_away", "alter table room_away rename to room"),
        ("create trigger full before insert on entry begin select raise(abort, 'disk full'); end", "drop trigger full"),
    ] {
        execute(&server.database_url, breaks);
        becomes(503);
        execute(&server.database_url, mends);
        becomes(200);
    }
    assert_eq!(number(&server.database_url, "select (select count(*) from room) + (select count(*) from entry)"), 0);
}
