//! What rooms leave behind when they have left memory: nothing.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::support::http::get;
use crate::support::message::{Message, STEP1_EMPTY};
use crate::support::process::Process;
use crate::support::socket::Socket;
use crate::support::token::writer;
use crate::support::{eventually, within};

/// What an allocator may keep for itself, and what the process gathers once.
const SLACK_BYTES: usize = 24 << 20;

/// Opens, edits and leaves `count` rooms, then waits until all have left memory.
fn open_and_leave(process: &Process, metrics: SocketAddr, rooms: Range<usize>) {
    let token = writer("ada");
    for room in rooms {
        let mut socket = Socket::yjs(process.address, &format!("room-{room}"), &token);
        socket.say(STEP1_EMPTY);
        socket.until("the document", |heard| matches!(heard, Message::Step2(_)));
    }
    within(Duration::from_secs(300), "all rooms have left memory", || {
        let text = get(metrics, "/metrics", None);
        text.text().contains("\ntutti_rooms 0\n").then_some(())
    });
}

#[test]
fn ten_thousand_rooms_opened_and_left_give_their_memory_back() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(
        folder.path(),
        &[
            "--room-idle-ms",
            "100",
            "--rate-rooms-user",
            "1000000",
            "--log-level",
            "warn",
            "--metrics-bind",
            "127.0.0.1:0",
        ],
    );
    let metrics = process.metrics_address();
    open_and_leave(&process, metrics, 0..1000);
    let before = process.memory_bytes();
    open_and_leave(&process, metrics, 1000..11_000);
    eventually("the memory is back", || (process.memory_bytes() < before + SLACK_BYTES).then_some(()));
}
