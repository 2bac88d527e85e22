//! How the process starts, stops and dies.

use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::editor::Editor;
use crate::support::message::{Message, STEP1_EMPTY};
use crate::support::process::{Process, fails};
use crate::support::server::ANY_PORT;
use crate::support::socket::{End, Socket};
use crate::support::token::writer;

#[test]
fn an_edit_just_sent_before_sigterm_is_kept_if_it_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = String::new();
    for round in 0..6 {
        let mut process = Process::start(folder.path(), &[]);
        let mut alice = Editor::join(process.address, "room", &writer("alice"), round + 1);
        alice.until_text(&kept);
        let word = format!("{round} ");
        let update = alice.types(&word);
        process.terminate();
        let mut is_acknowledged = false;
        loop {
            let frame = alice.socket.frame();
            match frame.opcode {
                2 => {
                    is_acknowledged |= crate::support::message::parse(&frame.payload) == Message::Update(update.clone())
                }
                _ => break assert_eq!(frame.close().0, 1001),
            }
        }
        assert_eq!(alice.socket.ended(), End::Finished);
        assert_eq!(process.wait(DEADLINE).code(), Some(0), "{}", process.log());

        let process = Process::start(folder.path(), &[]);
        let stored = Editor::join(process.address, "room", &writer("bob"), 1000).text();
        let with_edit = format!("{kept}{word}");
        assert!(stored == with_edit || (!is_acknowledged && stored == kept), "round {round}: {stored:?}");
        kept = stored;
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let mut alice = Editor::join(process.address, "room", &writer("alice"), 1);
    for number in 0..20 {
        alice.saves(&format!("{number} "));
    }
    process.kill();
    let process = Process::start(folder.path(), &[]);
    assert_eq!(Editor::join(process.address, "room", &writer("bob"), 2).text(), alice.text());
}

#[test]
fn a_peer_that_never_reads_does_not_keep_the_process_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &["--shutdown-timeout-ms", "3000"]);
    let mut alice = Editor::join(process.address, "room", &writer("alice"), 1);
    alice.saves(&"x".repeat(20_000_000));
    let mut dead = Socket::yjs(process.address, "room", &writer("dead"));
    dead.say(STEP1_EMPTY);
    alice.barrier();
    let started = Instant::now();
    process.terminate();
    assert_eq!(alice.socket.closed().0, 1001);
    assert_eq!(process.wait(DEADLINE).code(), Some(0), "{}", process.log());
    // The peer would be given up after 30 s.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    drop(dead);
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, complaint) = fails(folder.path(), &address);
    assert_eq!(code, Some(1));
    assert!(complaint.contains(&address) && complaint.contains("--bind"), "{complaint}");
}

#[test]
fn a_database_that_cannot_be_opened_ends_the_start_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tutti.db"), "this is no database, and never was one".repeat(100)).unwrap();
    let (code, complaint) = fails(folder.path(), ANY_PORT);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("tutti:") && complaint.contains("database"), "{complaint}");
}
