//! What is damaged in the database costs what is damaged: the rest of the room is there, the log and `tutti room repair` say which.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::support::database::execute;
use crate::support::editor::{Editor, document, typed};
use crate::support::message;
use crate::support::process::Process;
use crate::support::server::database_url;
use crate::support::token::writer;
use crate::support::{DEADLINE, eventually};

/// What `tutti room repair` says, and its exit code.
fn repair(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    command.env_clear().current_dir(folder).args(["room", "repair", "--database-url", &database_url(folder)]);
    let output = command.args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn says(said: &(Option<i32>, String), code: i32, lines: &[&str]) {
    assert_eq!(said.0, Some(code), "{}", said.1);
    for line in lines {
        assert!(said.1.lines().any(|said| said.starts_with(line)), "no {line}: {}", said.1);
    }
    let damaged = |lines: &mut dyn Iterator<Item = &str>| lines.filter(|line| line.starts_with("damaged")).count();
    assert_eq!(damaged(&mut said.1.lines()), damaged(&mut lines.iter().copied()), "{}", said.1);
}

fn stopped(mut process: Process) -> ExitStatus {
    process.terminate();
    process.wait(DEADLINE)
}

/// A room whose third entry builds on the second, and the fourth on nothing.
fn room(folder: &Path) {
    let process = Process::start(folder, &[]);
    for (number, name) in (1..).zip(["ada", "bob", "carol"]) {
        Editor::join(process.address, "room", &writer(name), number).saves(name);
    }
    let mut dan = Editor::join(process.address, "room", &writer("dan"), 4);
    dan.socket.say(&message::update(&typed(&document(5), "dan")));
    dan.barrier();
    assert!(stopped(process).success());
}

#[test]
fn a_room_with_a_damaged_entry_and_snapshot_opens_with_all_else_and_repair_says_which_and_mends() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), &database_url(folder.path()));
    room(folder);
    says(&repair(folder, &["room"]), 0, &["no snapshot", "4 edits, 0 of them damaged"]);
    execute(url, "update entry set body = cast(body || x'00' as blob) where seq = 2");
    execute(url, "insert into snapshot (room_id, seq, state) select id, head, x'0102' from room");

    let process = Process::start(folder, &[]);
    let mut eve = Editor::join(process.address, "room", &writer("eve"), 6);
    // In which order the two stand depends on nothing that matters here.
    assert!(["adadan", "danada"].contains(&&*eve.text()), "{}", eve.text());
    eve.saves("eve");
    eventually("the log says what is damaged", || {
        let log = process.log();
        let has = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        let snapshot = has(&["a snapshot is damaged", "seq=4"]);
        (snapshot && has(&["set aside", "seq=2"]) && has(&["set aside", "seq=3"])).then_some(())
    });

    // Beside the server, which goes on.
    let entries = ["damaged: entry 2 of bob, 20", "damaged: entry 3 of carol, 20", "5 edits, 2 of them damaged"];
    says(&repair(folder, &["room"]), 1, &[&entries[..], &["damaged: the snapshot at seq 4, 2 bytes"]].concat());
    says(&repair(folder, &["room", "--rebuild"]), 1, &[&entries[..], &["damaged: the snapshot at seq 4"]].concat());
    says(&repair(folder, &["room"]), 1, &[&entries[..], &["the snapshot at seq 5"]].concat());
    eve.saves("!");

    // Who mends the entry by hand has a snapshot that lacks it.
    execute(url, "update entry set body = substr(body, 1, length(body) - 1) where seq = 2");
    let lacks = ["damaged: the snapshot at seq 5", "6 edits, 0 of them damaged"];
    says(&repair(folder, &["room"]), 1, &lacks);
    says(&repair(folder, &["room", "--rebuild"]), 0, &[&lacks[..], &["a new snapshot at seq 6"]].concat());
    says(&repair(folder, &["room"]), 0, &["the snapshot at seq 6", "6 edits, 0 of them damaged"]);
    assert!(stopped(process).success());
    let process = Process::start(folder, &[]);
    let text = Editor::join(process.address, "room", &writer("ada"), 7).text();
    for name in ["adabobcarol", "dan", "eve!"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_snapshot_that_is_damaged_at_the_newest_entry_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    room(folder);
    execute(&database_url(folder), "insert into snapshot (room_id, seq, state) select id, head, x'0102' from room");
    let found = ["damaged: the snapshot at seq 4", "4 edits, 0 of them damaged", "a new snapshot at seq 4"];
    says(&repair(folder, &["room", "--rebuild"]), 0, &found);
    says(&repair(folder, &["room"]), 0, &["the snapshot at seq 4", "4 edits, 0 of them damaged"]);
}

#[test]
fn repair_says_that_there_is_no_such_room_and_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(repair(folder, &["room"]), (Some(1), String::new()));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    room(folder);
    assert_eq!(repair(folder, &["another"]), (Some(1), String::new()));
    assert_eq!(repair(folder, &["no*name"]).0, Some(2));
}
