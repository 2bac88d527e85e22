//! A server that listens at a file, as it does behind a proxy on the same machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::support::DEADLINE;
use crate::support::editor::Editor;
use crate::support::http::{get, post_json};
use crate::support::json::Client;
use crate::support::process::{Process, fails};
use crate::support::socket::{Socket, upgrade};
use crate::support::token::writer;

#[test]
fn rest_and_every_protocol_work_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tutti.sock");
    let mut process = Process::start_at_file(&socket, folder.path(), &[]);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);

    assert_eq!(get(process.address, "/healthz", None).status, 200);
    let mut bob = Client::join(process.address, &writer("bob"), "room");
    let mut ada = Editor::join(process.address, "room", &writer("ada"), 1);
    ada.saves("typed");
    let mut eve = Editor::join(process.address, "room", &writer("eve"), 2);
    eve.until_text("typed");
    let published =
        post_json(process.address, "/api/v1/rooms/room/messages", Some(&writer("ada")), &json!({ "text": "by REST" }));
    assert_eq!(published.status, 201, "{published:?}");
    assert_eq!(bob.until("chat.message")["text"], "by REST");
    assert_eq!(get(process.address, "/echo", None).error().0, 404);
    assert_eq!(Socket::open(process.address, &upgrade("/yjs", &[]), &[]).answer.status, 404);

    process.terminate();
    assert_eq!(ada.socket.closed().0, 1001);
    assert_eq!(process.wait(DEADLINE).code(), Some(0), "{}", process.log());
}

#[test]
fn a_file_left_by_a_server_that_died_is_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tutti.sock");
    let bind = format!("unix:{}", socket.display());
    Process::start_at_file(&socket, folder.path(), &[]).kill();
    assert!(socket.exists());
    let process = Process::start_at_file(&socket, folder.path(), &[]);
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    // A second server does not take the place of one that runs.
    let (code, complaint) = fails(folder.path(), &bind);
    assert_eq!(code, Some(1));
    assert!(complaint.contains(&bind) && complaint.contains("another server"), "{complaint}");
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    process.kill();

    // Nor of one that is too busy to take a connection.
    fs::remove_file(&socket).unwrap();
    let busy = UnixListener::bind(&socket).unwrap();
    assert_eq!(fails(folder.path(), &bind).0, Some(1));
    drop(busy);
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "a letter").unwrap();
    let (code, complaint) = fails(folder.path(), &bind);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no socket"), "{complaint}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a letter");
}

#[test]
fn who_comes_by_a_unix_socket_is_loopback_and_speaks_for_others_only_if_that_is_a_trusted_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let status = |process: &Process, address: &str| {
        let socket = Socket::open(process.address, &upgrade("/ws", &[&format!("X-Forwarded-For: {address}")]), &[]);
        (socket.answer.status, socket)
    };
    for (options, second) in [
        (&["--sockets-per-ip-max", "1"][..], 503),
        (&["--sockets-per-ip-max", "1", "--trusted-proxies", "127.0.0.1"], 101),
    ] {
        let socket = folder.path().join("tutti.sock");
        let process = Process::start_at_file(&socket, folder.path(), options);
        let (first, _held) = status(&process, "198.51.100.1");
        assert_eq!((first, status(&process, "198.51.100.2").0), (101, second), "{options:?}");
        assert_eq!(status(&process, "198.51.100.1").0, 503);
    }
}
