//! The database away, the room restarting, the server stopping: what was said is kept once or not said to be kept.

use serde_json::{Value, json};

use crate::support::DEADLINE;
use crate::support::database::Lock;
use crate::support::http::{get, post_json};
use crate::support::json::{Client, problem};
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

fn chat(text: &str) -> Value {
    json!({ "type": "chat.message", "room": "general", "text": text })
}

#[test]
fn nobody_sees_a_message_before_it_is_committed() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    ada.chats("general", "before");
    bob.until("chat.message");
    let lock = Lock::hold(&server.database_url);
    ada.say(chat("kept back"));
    ada.ask(json!({ "type": "cursor.moved", "room": "general", "ephemeral": true }));
    // What is not kept passes by.
    bob.until("cursor.moved");
    assert_eq!(bob.heard_until_now("general", "chat"), Vec::<Value>::new());
    drop(lock);
    assert_eq!(bob.until("chat.message")["text"], "kept back");
    assert_eq!(ada.until("saved")["seq"], 2);
}

#[test]
fn past_the_bound_of_what_is_uncommitted_messages_are_put_off_and_nothing_is_lost() {
    let server = Server::with(&["--room-unsaved-bytes-max", "8192"]);
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    let lock = Lock::hold(&server.database_url);
    for number in 0..100 {
        ada.say(json!({ "type": "chat.message", "room": "general", "text": number.to_string(), "requestId": number.to_string() }));
    }
    let put_off = ada.until("error");
    assert_eq!((problem(&put_off), &put_off["room"]), (("try_later", true), &json!("general")));
    let by_rest =
        post_json(server.address, "/api/v1/rooms/general/messages", Some(&writer("bot")), &json!({ "text": "x" }));
    assert_eq!(by_rest.error(), (503, "try_later".into()));
    drop(lock);
    // Each was either saved or put off, and those that were saved came to bob, in order.
    let (mut saved, mut refused) = (Vec::new(), 1);
    while saved.len() + refused < 100 {
        let answer = ada.find("an answer", |message| message["requestId"].is_string());
        match answer["type"].as_str() {
            Some("saved") => saved.push(answer["requestId"].clone()),
            _ => refused += 1,
        }
    }
    assert!(saved.len() > 1, "{saved:?}");
    let heard: Vec<Value> =
        bob.heard_until_now("general", "chat").iter().map(|message| message["text"].clone()).collect();
    assert_eq!(heard, saved);
}

#[test]
fn a_stale_push_is_answered_once_the_database_is_back_and_a_second_one_is_put_off() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let push = |version: u64, id: &str| json!({ "type": "edit.push", "room": "general", "version": version, "steps": [1], "clientId": "a", "requestId": id });
    ada.say(push(0, "first"));
    ada.until("saved");
    let lock = Lock::hold(&server.database_url);
    ada.say(push(1, "taken"));
    ada.say(push(0, "stale"));
    ada.say(push(0, "put off"));
    let put_off = ada.until("error");
    assert_eq!((&put_off["requestId"], problem(&put_off)), (&json!("put off"), ("try_later", true)));
    drop(lock);
    let rejected = ada.until("edit.rejected");
    assert_eq!((&rejected["requestId"], &rejected["steps"]), (&json!("stale"), &json!([1, 1])));
}

#[test]
fn a_room_that_cannot_be_loaded_is_refused_in_band_and_the_connection_and_its_other_rooms_go_on() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &reader("bob"), "general");
    crate::support::database::execute(&server.database_url, "alter table room rename to room_away");
    for join in
        [json!({ "type": "room.join", "room": "cold" }), json!({ "type": "room.join", "room": "cold", "since": 0 })]
    {
        let refused = ada.ask(join);
        assert_eq!((problem(&refused), &refused["room"]), (("try_later", true), &json!("cold")));
        assert!(refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
        // It is not in, and what it says there costs it nothing.
        let said = ada.ask(json!({ "type": "chat.message", "room": "cold", "text": "x" }));
        assert_eq!(problem(&said).0, "not_joined");
    }
    ada.ask(json!({ "type": "cursor.moved", "room": "general", "ephemeral": true }));
    bob.until("cursor.moved");
    crate::support::database::execute(&server.database_url, "alter table room_away rename to room");
    crate::support::eventually("the room is back", || {
        let answer = ada.ask(json!({ "type": "room.join", "room": "cold", "since": 0 }));
        (answer["type"] == "room.joined").then_some(())
    });
    assert_eq!(ada.chats("cold", "hello"), 1);
    assert_eq!(ada.chats("general", "still here"), 1);
}

#[test]
fn what_was_on_its_way_to_a_room_that_is_left_does_not_wear_the_connection_out() {
    let server = Server::with(&["--rate-socket", "100000", "--rate-user", "100000", "--rate-address", "100000"]);
    let mut ada = Client::enter(server.address, &writer("ada"));
    // Much more in all than may be unhandled at once.
    let text = "x".repeat(10_000);
    for _ in 0..100 {
        ada.say(json!([
            { "type": "room.join", "room": "general", "since": 0 },
            { "type": "cursor.moved", "room": "general", "ephemeral": true, "payload": text },
            { "type": "room.leave", "room": "general" },
        ]));
    }
    assert_eq!(ada.ask(json!({ "type": "ping" }))["type"], "pong");
    ada.joins("general");
}

#[test]
fn clients_are_told_that_the_server_stops_and_what_they_said_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &[]);
    let mut ada = Client::join(process.address, &writer("ada"), "general");
    for number in 0..50 {
        ada.say(json!({ "type": "chat.message", "room": "general", "text": number.to_string(), "requestId": "r" }));
    }
    ada.until("saved");
    process.terminate();
    let (mut saved, mut is_told) = (1, false);
    let code = loop {
        let frame = ada.socket.frame();
        if frame.opcode == crate::support::frame::CLOSE {
            break frame.close().0;
        }
        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
        saved += u64::from(message["type"] == "saved");
        is_told |= message["type"] == "server.draining";
    };
    assert_eq!((code, is_told), (1001, true));
    drop(ada);
    assert!(process.wait(DEADLINE).success());
    let process = Process::start(folder.path(), &[]);
    let history = get(process.address, "/api/v1/rooms/general?", Some(&token("root", &["*=admin"]))).json();
    assert!(history["seq"].as_u64().unwrap() >= saved, "{history}: {saved} were said to be saved");
}
