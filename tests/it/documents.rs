//! What all documents hold in memory together: past the limit rooms without people go first, then rooms that are not in use have to
//! wait, and nobody who is in a room notices anything.

use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::frame::CLOSE;
use crate::support::message::STEP1_EMPTY;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::writer;

/// Joins a room by asking for its document; the code with which it is closed, if it is.
fn refusal(server: &Server, room: &str) -> Option<u16> {
    let mut socket = Socket::yjs(server.address, room, &writer("zoe"));
    socket.say(STEP1_EMPTY);
    let frame = socket.next().ok()?;
    (frame.opcode == CLOSE).then(|| frame.close().0)
}

#[test]
fn past_what_all_documents_may_hold_idle_rooms_go_first_then_cold_ones_wait() {
    let limits = ["--document-bytes-max", "65536", "--documents-bytes-max", "131072", "--room-idle-ms", "600000"];
    let server = Server::with(&limits);
    let mut idle = Editor::join(server.address, "idle", &writer("ada"), 1);
    idle.saves(&"i".repeat(60_000));
    drop(idle);
    let mut first = Editor::join(server.address, "first", &writer("ada"), 2);
    first.saves(&"a".repeat(60_000));
    // Two documents of 60,000 fit. A third passes the limit, so the one without people goes, and others find room again.
    let mut second = Editor::join(server.address, "second", &writer("bob"), 3);
    second.saves(&"b".repeat(60_000));
    eventually("there is room again", || refusal(&server, "third").is_none().then_some(()));
    // Now all that is live is in use.
    let mut third = Editor::join(server.address, "third", &writer("cleo"), 4);
    third.saves(&"c".repeat(60_000));
    eventually("a room that is not in use has to wait", || (refusal(&server, "idle") == Some(1013)).then_some(()));
    // Who is in goes on.
    first.saves("more");
    drop(second);
    drop(third);
    eventually("the room opens", || refusal(&server, "idle").is_none().then_some(()));
    let late = Editor::join(server.address, "idle", &writer("dan"), 5);
    assert_eq!(late.text(), "i".repeat(60_000));
}
