//! Long polling: requests for a room's history that wait for the next entry.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tutti::auth::now_s;

use crate::support::database::execute;
use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::http::{Answer, get, post_json};
use crate::support::process::Process;
use crate::support::server::database_url;
use crate::support::token::{reader, token, token_until, writer};

fn publish(address: SocketAddr, text: &str) -> u64 {
    let path = "/api/v1/rooms/room/messages";
    let answer = post_json(address, path, Some(&writer("rest")), &json!({ "text": text }));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["seq"].as_u64().unwrap()
}

fn poll(address: SocketAddr, query: &str, token: &str) -> Answer {
    get(address, &format!("/api/v1/rooms/room/history?{query}"), Some(token))
}

/// A server in a process of its own, whose figures are of nobody else.
fn start(options: &[&str]) -> (TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), options);
    (folder, process)
}

/// Polls beside the test.
fn polling(address: SocketAddr, query: &'static str, token: &str) -> JoinHandle<Answer> {
    let token = token.to_owned();
    thread::spawn(move || poll(address, query, &token))
}

/// Until so many requests wait: each is a socket.
fn waits(address: SocketAddr, count: u64) {
    let root = token("root", &["*=admin"]);
    eventually("the requests wait", || {
        let stats = get(address, "/api/v1/stats", Some(&root)).json();
        (stats["activeConnections"] == count).then_some(())
    });
}

fn seqs(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[test]
fn what_is_there_is_answered_at_once_and_what_comes_when_it_comes() {
    let (_folder, server) = start(&[]);
    let address = server.address;
    publish(address, "first");
    let began = Instant::now();
    assert_eq!(seqs(&poll(address, "after=0&wait=30", &reader("ada"))), [1]);
    assert!(began.elapsed() < Duration::from_secs(25));
    let waiting =
        [polling(address, "after=1&wait=30", &reader("ada")), polling(address, "after=1&wait=30", &reader("bob"))];
    waits(address, 2);
    publish(address, "second");
    for answer in waiting.map(|poll| poll.join().unwrap()) {
        assert_eq!(seqs(&answer), [2]);
        assert_eq!(answer.json()["entries"][0]["body"]["text"], "second");
    }
    waits(address, 0);
    let edits = polling(address, "after=2&wait=30", &reader("ada"));
    waits(address, 1);
    Editor::join(address, "room", &writer("eve"), 1).saves("typed");
    assert_eq!(seqs(&edits.join().unwrap()), [3]);
}

#[test]
fn only_an_entry_that_was_asked_for_ends_the_waiting() {
    let (_folder, server) = start(&[]);
    publish(server.address, "first");
    let events = polling(server.address, "after=1&wait=30&kind=event", &reader("ada"));
    waits(server.address, 1);
    publish(server.address, "no event");
    let path = "/api/v1/rooms/room/messages";
    post_json(server.address, path, Some(&writer("rest")), &json!({ "type": "order.updated" }));
    assert_eq!(seqs(&events.join().unwrap()), [3]);
}

#[test]
fn where_nothing_comes_the_answer_is_empty() {
    let (_folder, server) = start(&[]);
    publish(server.address, "first");
    let answer = poll(server.address, "after=1&wait=1", &reader("ada"));
    assert_eq!((seqs(&answer), &answer.json()["next"]), (Vec::new(), &Value::Null));
    assert_eq!(seqs(&poll(server.address, "after=1&wait=0", &reader("ada"))), Vec::<u64>::new());
}

#[test]
fn who_asks_for_a_room_that_cannot_be_loaded_now_waits_as_well() {
    let (folder, server) = start(&["--room-idle-ms", "10"]);
    let (address, url) = (server.address, database_url(folder.path()));
    publish(address, "first");
    eventually("the room has left memory", || server.log().contains("room unloaded").then_some(()));
    execute(&url, "alter table snapshot rename to snapshot_away");
    let first = polling(address, "after=1&wait=30", &reader("ada"));
    eventually("it cannot be loaded", || server.log().contains("room cannot be loaded").then_some(()));
    let second = polling(address, "after=1&wait=30", &reader("bob"));
    waits(address, 2);
    execute(&url, "alter table snapshot_away rename to snapshot");
    let path = "/api/v1/rooms/room/messages";
    eventually("it takes messages again", || {
        let answer = post_json(address, path, Some(&writer("rest")), &json!({ "text": "second" }));
        (answer.status == 201).then_some(())
    });
    for answer in [first, second].map(|poll| poll.join().unwrap()) {
        assert_eq!(seqs(&answer), [2]);
    }
}

#[test]
fn wrong_waits_are_refused() {
    let (_folder, server) = start(&[]);
    publish(server.address, "first");
    for query in
        ["wait=1", "before=5&wait=1", "after=0&before=5&wait=1", "after=0&wait=31", "after=0&wait=x", "after=0&wait=-1"]
    {
        let answer = poll(server.address, query, &reader("ada"));
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{query}");
    }
    let elsewhere = token("ada", &["other=read"]);
    assert_eq!(poll(server.address, "after=1&wait=30", &elsewhere).error(), (404, "room_not_found".into()));
}

#[test]
fn rule_36_requests_that_wait_count_as_sockets_of_their_address_and_in_all() {
    for options in [["--sockets-per-ip-max", "1"], ["--sockets-max", "1"]] {
        let (_folder, server) = start(&options);
        publish(server.address, "first");
        let first = polling(server.address, "after=1&wait=30", &reader("ada"));
        waits(server.address, 1);
        assert_eq!(poll(server.address, "after=1&wait=30", &reader("bob")).error(), (503, "try_later".into()));
        assert_eq!(seqs(&poll(server.address, "after=0&wait=30", &reader("bob"))), [1], "what is there needs no place");
        publish(server.address, "second");
        assert_eq!(seqs(&first.join().unwrap()), [2]);
    }
}

#[test]
fn rule_36_who_has_hung_up_waits_no_more() {
    let (_folder, server) = start(&[]);
    publish(server.address, "first");
    let head = "GET /api/v1/rooms/room/history?after=1&wait=30 HTTP/1.1\r\nHost: localhost\r\n";
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(format!("{head}Authorization: Bearer {}\r\n\r\n", reader("ada")).as_bytes()).unwrap();
    waits(server.address, 1);
    let began = Instant::now();
    drop(stream);
    waits(server.address, 0);
    assert!(began.elapsed() < Duration::from_secs(25), "before its time was over");
}

#[test]
fn rule_37_who_has_most_requests_waiting_has_one_answered_for_the_next_one_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    // 128 requests at the same time, of which a quarter may wait.
    let options = ["--workers", "2", "--room-threads", "2"];
    let server = Process::start_after("ulimit -n 400", folder.path(), &options);
    let address = server.address;
    publish(address, "first");
    let query = "after=1&wait=30";
    let mut of_ada: Vec<_> = (0..32).map(|_| polling(address, query, &reader("ada"))).collect();
    waits(address, 32);
    assert_eq!(poll(address, query, &reader("ada")).error(), (503, "try_later".into()));
    let of_others = ["bob", "cleo"].map(|user| {
        let of_other = polling(address, query, &reader(user));
        let answered = || of_ada.iter().position(JoinHandle::is_finished);
        let answered = of_ada.swap_remove(eventually("one of the others is answered", answered));
        assert_eq!(seqs(&answered.join().unwrap()), Vec::<u64>::new());
        waits(address, 32);
        of_other
    });
    publish(address, "second");
    for waiting in of_ada.into_iter().chain(of_others) {
        assert_eq!(seqs(&waiting.join().unwrap()), [2]);
    }
}

#[test]
fn rule_13_a_request_stops_waiting_when_its_token_expires_or_is_revoked() {
    let (_folder, server) = start(&[]);
    publish(server.address, "first");
    // A token is good for a little longer than it says.
    let expiring = polling(server.address, "after=1&wait=30", &token_until("ada", &["*=read"], now_s() - 15));
    let revoked = polling(server.address, "after=1&wait=30", &reader("bob"));
    waits(server.address, 2);
    let root = token("root", &["*=admin"]);
    assert_eq!(post_json(server.address, "/api/v1/revocations", Some(&root), &json!({ "sub": "bob" })).status, 201);
    for poll in [revoked, expiring] {
        assert_eq!(poll.join().unwrap().error(), (401, "unauthorized".into()));
    }
}

#[test]
fn an_orderly_stop_is_not_held_up_by_who_waits() {
    let (_folder, mut process) = start(&[]);
    publish(process.address, "first");
    let address = process.address;
    // Answered or cut off, whichever comes first.
    let waiting =
        thread::spawn(move || std::panic::catch_unwind(|| poll(address, "after=1&wait=30", &reader("ada"))).is_ok());
    waits(address, 1);
    process.terminate();
    // Sooner than the waiting would be over.
    assert_eq!(process.wait(Duration::from_secs(25)).code(), Some(0), "{}", process.log());
    let _ = waiting.join();
}
