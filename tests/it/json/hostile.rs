//! What one client can do to the others, and to the process: nothing.

use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::frame::{self, TEXT};
use crate::support::http::{get, post_json};
use crate::support::json::Client;
use crate::support::message;
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::token::{token, writer};

const MIB: usize = 1 << 20;

#[test]
fn who_joins_again_and_again_and_never_reads_is_sent_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let process =
        Process::start(folder.path(), &["--rate-socket", "1000", "--rate-user", "1000", "--rate-room", "100000"]);
    let text = json!({ "text": "x".repeat(100_000) });
    for _ in 0..40 {
        let published =
            post_json(process.address, "/api/v1/rooms/general/messages", Some(&token("bot", &["*=admin"])), &text);
        assert_eq!(published.status, 201);
    }
    let mut ada = Client::join(process.address, &writer("ada"), "general");
    let replay = |client: &mut Client| {
        client.say(json!({ "type": "room.join", "room": "general", "since": 0 }));
        client.until("presence.state");
    };
    replay(&mut ada);
    let before = process.memory_bytes();
    let mut eves: Vec<Client> = (0..10).map(|_| Client::enter(process.address, &writer("eve"))).collect();
    let join = json!({ "type": "room.join", "room": "general", "since": 0 }).to_string();
    let joins: Vec<u8> = (0..100).flat_map(|_| frame::frame(TEXT, join.as_bytes())).collect();
    for eve in &mut eves {
        eve.socket.send(&joins);
    }
    for _ in 0..5 {
        replay(&mut ada);
    }
    let grown = process.memory_bytes().saturating_sub(before);
    // A page is 256 KiB; all that was asked for, 4 GB.
    assert!(grown < 48 * MIB, "grown by {} KiB", grown / 1024);
}

#[test]
fn one_large_message_ends_no_reader_who_reads() {
    let server = Server::start();
    let mut readers: Vec<Client> =
        (0..5).map(|number| Client::join(server.address, &writer(&format!("reader{number}")), "general")).collect();
    let mut eve = Client::join(server.address, &writer("eve"), "general");
    let text = "x".repeat(MIB - 100);
    eve.chats("general", &text);
    eve.chats("general", "after");
    for reader in &mut readers {
        assert_eq!(reader.until("chat.message")["text"].as_str().map(str::len), Some(text.len()));
        assert_eq!(reader.until("chat.message")["text"], "after");
    }
}

#[test]
fn nobody_is_ended_by_messages_from_someone_they_do_not_know() {
    let server = Server::with(&["--outbox-bytes-max", "65536"]);
    let mut bob = Client::enter(server.address, &writer("bob"));
    let mut eve = Client::enter(server.address, &token("eve", &["eves/room=write"]));
    let payload = "x".repeat(20_000);
    // More than the kernel's buffers take while bob does not read.
    for _ in 0..150 {
        let done = eve.ask(json!({ "type": "direct.message", "to": "bob", "payload": payload }));
        assert!(done["type"] == "done" || done["code"] == "rate_limited", "{done}");
    }
    assert_eq!(bob.ask(json!({ "type": "ping" }))["type"], "pong");
}

#[test]
fn large_awareness_states_do_not_keep_json_clients_out() {
    let server = Server::start();
    let large = format!("\"{}\"", "x".repeat(30_000));
    let editors: Vec<Editor> = (0..20)
        .map(|number| {
            let mut editor = Editor::join(server.address, "general", &writer(&format!("user{number}")), number);
            editor.socket.say(&message::awareness(number, 1, &large));
            editor.barrier();
            editor
        })
        .collect();
    let mut ada = Client::enter(server.address, &writer("ada"));
    ada.say(json!({ "type": "room.join", "room": "general" }));
    let state = ada.until("presence.state");
    assert_eq!(state["count"], 21);
    assert!(state.to_string().len() < 100_000);
    drop(editors);
}

#[test]
fn a_crowd_of_rooms_and_of_people_who_come_and_go_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let options = [
        "--rate-socket=100000",
        "--rate-user=100000",
        "--rate-address=1000000",
        "--room-idle-ms=10",
        "--presence-grace-ms=0",
        "--metrics-bind=127.0.0.1:0",
    ];
    let process = Process::start(folder.path(), &options);
    let come_and_go = |round: usize| {
        let mut eve = Client::enter(process.address, &writer(&format!("eve{round}")));
        for number in 0..200 {
            let room = format!("r/{round}/{number}");
            eve.say(json!({ "type": "room.join", "room": room }));
            eve.say(json!({ "type": "room.leave", "room": room }));
        }
        let answer: Value = eve.ask(json!({ "type": "ping" }));
        assert_eq!(answer["type"], "pong");
    };
    // One after another, so that as many rooms are in memory at once each time.
    let metrics = process.metrics_address();
    let settled = |rounds: std::ops::Range<usize>| {
        for round in rounds {
            come_and_go(round);
            eventually("all rooms are out of memory", || {
                get(metrics, "/metrics", None).text().contains("tutti_rooms 0\n").then_some(())
            });
        }
        process.memory_bytes()
    };
    let before = settled(0..10);
    let grown = settled(10..40).saturating_sub(before);
    assert!(grown < 16 * MIB, "6,000 rooms left {} KiB", grown / 1024);
}
