//! Other processes beside a server on its SQLite file: no second server, but imports and exports.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::editor::{Editor, document, typed};
use crate::support::process::{Process, fails};
use crate::support::server::{ANY_PORT, database_url};
use crate::support::token::writer;

#[test]
fn a_second_server_does_not_start_until_the_first_is_gone_however_it_went() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..4 {
        let process = Process::start(folder.path(), &[]);
        let (code, complaint) = fails(folder.path(), ANY_PORT);
        assert_eq!(code, Some(1));
        assert!(complaint.contains("tutti.db is in use by another Tutti server"), "{complaint}");
        Editor::join(process.address, "room", &writer("alice"), round).saves("first goes on ");
        process.kill();
    }
}

fn tutti(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    let database = database_url(folder);
    command.env_clear().current_dir(folder).args(arguments).args(["--database-url", &database]).output().unwrap()
}

#[test]
fn rooms_are_exported_and_imported_beside_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--room-idle-ms", "10"]);
    let mut alice = Editor::join(process.address, "room", &writer("alice"), 1);
    alice.saves("exported");
    let exported = tutti(folder.path(), &["export", "*", "--to", "out"]);
    assert!(exported.status.success(), "{exported:?}");
    assert_eq!(fs::read_to_string(folder.path().join("out/room.txt")).unwrap().trim_end(), "exported");

    fs::create_dir(folder.path().join("in")).unwrap();
    fs::rename(folder.path().join("out/room.yjs"), folder.path().join("in/copy.yjs")).unwrap();
    let imported = tutti(folder.path(), &["import", "in"]);
    assert!(imported.status.success(), "{imported:?}");
    Editor::join(process.address, "copy", &writer("bob"), 2).until_text("exported");
    alice.saves(" and the first goes on");

    // A room that is open learns of an import with its next commit.
    fs::write(folder.path().join("in/room.yjs"), typed(&document(7), "imported")).unwrap();
    assert!(tutti(folder.path(), &["import", "in"]).status.success());
    alice.saves("!");
    let mut bob = Editor::join(process.address, "room", &writer("bob"), 3);
    bob.until("the import", |bob, _| bob.text().contains("imported"));
    assert!(alice.text().contains("imported"), "{}", alice.text());
}
