//! A database that takes nothing: the disk is full, with the log on it, or it only reads.

use rlimit::Resource;
use serde_json::json;

use crate::support::database::execute;
use crate::support::eventually;
use crate::support::http::get;
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::server::database_url;
use crate::support::token::writer;

/// As much as each file of the process may hold.
fn limit_files(process: &Process, bytes: u64) {
    rlimit::prlimit(process.id() as i32, Resource::FSIZE, Some((bytes, rlimit::INFINITY)), None).unwrap();
}

#[test]
fn a_disk_that_is_full_stops_saving_and_nothing_else_and_all_is_saved_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    // Without a trap the system ends who writes too much; a full disk does not.
    let process = Process::start_after("trap '' XFSZ", folder.path(), &["--log-level", "debug"]);
    let ready = || get(process.address, "/readyz", None).status;
    let mut alice = Client::join(process.address, &writer("alice"), "room");
    let mut bob = Client::join(process.address, &writer("bob"), "room");
    assert_eq!((alice.chats("room", "before"), ready()), (1, 200));

    limit_files(&process, 1000);
    for number in 0..20 {
        alice.say(json!({ "type": "chat.message", "room": "room", "text": "while the disk is full", "requestId": number.to_string() }));
    }
    eventually("the server is not ready", || (ready() == 503).then_some(()));
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    // People see each other, and who comes new is let in.
    bob.ask(json!({ "type": "presence.update", "room": "room", "state": { "mood": "patient" } }));
    alice.find("bob's state", |message| message.to_string().contains("patient"));
    Client::enter(process.address, &writer("carol"));

    limit_files(&process, rlimit::INFINITY);
    eventually("the server is ready", || (ready() == 200).then_some(()));
    for seq in 2..=21 {
        let saved = alice.until("saved");
        assert_eq!(saved["seq"], seq);
    }
    assert_eq!(bob.find("the last message", |message| message["seq"] == 21)["type"], "chat.message");
    eventually("the log tells what it lacks", || process.log().contains("log lines were dropped").then_some(()));
}

#[test]
fn a_server_that_starts_on_a_database_that_takes_nothing_says_so_and_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    Process::start(folder.path(), &[]).kill();
    let refuse = "create trigger full before insert on entry begin select raise(abort, 'disk full'); end";
    execute(&database_url(folder.path()), refuse);
    let process = Process::start(folder.path(), &[]);
    let log = process.log_with("entries cannot be saved now", 1);
    assert!(log.contains("disk full"), "{log}");
    assert_eq!(get(process.address, "/readyz", None).error(), (503, "try_later".into()));
    execute(&database_url(folder.path()), "drop trigger full");
    eventually("the server is ready", || (get(process.address, "/readyz", None).status == 200).then_some(()));
}
