//! Coming into rooms and leaving them, and what of the past is sent then.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::json::{Client, problem};
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

fn join(room: &str, since: u64) -> Value {
    json!({ "type": "room.join", "room": room, "since": since })
}

fn seqs(messages: &[Value]) -> Vec<u64> {
    messages.iter().filter_map(|message| message["seq"].as_u64()).collect()
}

/// Joins with `since`; the answer, and the seqs of what is sent of the past.
fn resumed(client: &mut Client, join: Value) -> (Value, Vec<u64>) {
    client.say(join);
    let joined = client.until("room.joined");
    let mut past = Vec::new();
    client.find("who is there", |message| {
        past.push(message.clone());
        message["type"] == "presence.state"
    });
    (joined, seqs(&past))
}

#[test]
fn who_joins_is_told_where_the_room_stands_and_who_is_there_and_nothing_of_the_past() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.chats("general", "one");
    let mut bob = Client::enter(server.address, &reader("bob"));
    let (joined, past) = resumed(&mut bob, json!({ "type": "room.join", "room": "general", "requestId": "r" }));
    let ada = json!({ "user": "ada", "name": "ada", "sockets": 1 });
    let bob = json!({ "user": "bob", "name": "bob", "sockets": 1 });
    assert_eq!(
        joined,
        json!({ "type": "room.joined", "room": "general", "seq": 1, "access": "read", "recovered": true,
                "members": [ada, bob], "requestId": "r" })
    );
    assert_eq!(past, [0u64; 0]);
}

#[test]
fn who_comes_back_gets_what_was_missed_once_and_in_order() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    for number in 1..=5 {
        ada.chats("general", &number.to_string());
    }
    for (since, expected) in [(0, vec![1, 2, 3, 4, 5]), (3, vec![4, 5]), (5, vec![])] {
        let mut bob = Client::enter(server.address, &writer("bob"));
        let (joined, past) = resumed(&mut bob, join("general", since));
        assert_eq!((joined["recovered"].as_bool(), &joined["seq"], past), (Some(true), &json!(5), expected));
    }
}

#[test]
fn a_seq_that_the_room_has_not_reached_is_not_recovered_and_said_so() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.chats("general", "one");
    let (joined, past) = resumed(&mut ada, join("general", 2));
    assert_eq!((&joined["recovered"], &joined["seq"], past), (&json!(false), &json!(1), vec![]));
    // It is in all the same.
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    bob.chats("general", "two");
    assert_eq!(ada.until("chat.message")["seq"], 2);
}

#[test]
fn a_gap_at_the_limit_is_filled_and_one_past_it_is_not() {
    let server = Server::with(&["--replay-entries-max", "3"]);
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    for number in 1..=4 {
        ada.chats("general", &number.to_string());
    }
    let (joined, past) = resumed(&mut ada, join("general", 1));
    assert_eq!((&joined["recovered"], past), (&json!(true), vec![2, 3, 4]));
    let (joined, past) = resumed(&mut ada, join("general", 0));
    assert_eq!((&joined["recovered"], past), (&json!(false), vec![]));
}

#[test]
fn edits_that_are_not_sent_do_not_count_against_the_limit() {
    let server = Server::with(&["--replay-entries-max", "3"]);
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut editor = Editor::join(server.address, "general", &writer("eve"), 1);
    ada.chats("general", "one");
    for _ in 0..5 {
        editor.saves("key");
    }
    for number in ["two", "three"] {
        ada.chats("general", number);
    }
    let (joined, past) = resumed(&mut ada, join("general", 1));
    assert_eq!((&joined["recovered"], &joined["seq"], past), (&json!(true), &json!(8), vec![7, 8]));
    let mut with_edits = join("general", 1);
    with_edits["edits"] = json!(true);
    let (joined, past) = resumed(&mut ada, with_edits);
    assert_eq!((&joined["recovered"], past), (&json!(false), vec![]));
    ada.chats("general", "four");
    ada.chats("general", "five");
    let (joined, past) = resumed(&mut ada, join("general", 1));
    assert_eq!((&joined["recovered"], past), (&json!(false), vec![]));
    // And it is in: what comes now reaches it.
    assert_eq!(ada.chats("general", "six"), 11);
}

#[test]
fn edits_come_to_those_who_ask_for_them() {
    let server = Server::start();
    let mut with = Client::enter(server.address, &writer("ada"));
    with.say(json!({ "type": "room.join", "room": "general", "edits": true, "since": 0 }));
    with.until("presence.state");
    let mut without = Client::join(server.address, &writer("bob"), "general");
    let mut editor = Editor::join(server.address, "general", &writer("eve"), 1);
    let update = editor.types("hi");
    let edit = with.until("edit");
    assert_eq!((&edit["room"], &edit["user"], &edit["seq"]), (&json!("general"), &json!("eve"), &json!(1)));
    use base64::Engine;
    assert_eq!(base64::engine::general_purpose::STANDARD.decode(edit["update"].as_str().unwrap()).unwrap(), update);
    assert_eq!(without.heard_until_now("general", "edit"), Vec::<Value>::new());
    // Live or later, it is the same entry.
    let mut late = Client::enter(server.address, &writer("cleo"));
    late.say(json!({ "type": "room.join", "room": "general", "edits": true, "since": 0 }));
    assert_eq!(late.until("edit"), edit);
}

#[test]
fn joining_again_is_leaving_and_joining() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let joined = ada.joins("general");
    assert_eq!(joined["members"], json!([{ "user": "ada", "name": "ada", "sockets": 1 }]));
    ada.chats("general", "once");
    let copies = ada.heard_until_now("general", "chat.message").len();
    assert!(copies <= 1, "{copies} copies");
}

#[test]
fn forbidden_and_unknown_rooms_look_alike() {
    let server = Server::start();
    Client::join(server.address, &writer("ada"), "secret").chats("secret", "hush");
    let mut eve = Client::enter(server.address, &token("eve", &["general=write"]));
    let mut answers = Vec::new();
    for room in ["secret", "nowhere"] {
        let mut answer = eve.ask(json!({ "type": "room.join", "room": room }));
        assert_eq!(problem(&answer), ("forbidden", false));
        assert_eq!(answer["room"], room);
        answer["room"] = json!(null);
        answer["requestId"] = json!(null);
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_client_is_in_as_many_rooms_as_it_may_and_in_no_more() {
    let server = Server::start();
    let mut ada = Client::enter(server.address, &writer("ada"));
    for number in 0..128 {
        ada.joins(&format!("room/{number}"));
    }
    assert_eq!(problem(&ada.ask(json!({ "type": "room.join", "room": "room/128" }))), ("too_many_rooms", false));
    // Once more into a room where it is already changes nothing in the number.
    ada.joins("room/0");
    assert_eq!(ada.ask(json!({ "type": "room.leave", "room": "room/0" }))["type"], "room.left");
    ada.joins("room/128");
}

#[test]
fn who_has_left_hears_nothing_more_and_may_say_nothing() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    ada.joins("other");
    assert_eq!(ada.ask(json!({ "type": "room.leave", "room": "general" })), {
        json!({ "type": "room.left", "room": "general", "requestId": "request-1" })
    });
    bob.chats("general", "without ada");
    assert_eq!(ada.heard_until_now("other", "chat"), Vec::<Value>::new());
    for message in [
        json!({ "type": "chat.message", "room": "general", "text": "?" }),
        json!({ "type": "typing.started", "room": "general" }),
        json!({ "type": "room.leave", "room": "general" }),
        json!({ "type": "room.leave", "room": "never/joined" }),
    ] {
        assert_eq!(problem(&ada.ask(message)), ("not_joined", false));
    }
}

#[test]
fn rooms_of_the_server_are_read_by_admins_and_written_by_nobody() {
    let server = Server::start();
    let mut writer = Client::enter(server.address, &writer("ada"));
    let join = json!({ "type": "room.join", "room": "tutti/stats" });
    assert_eq!(problem(&writer.ask(join)), ("forbidden", false));
    let mut admin = Client::enter(server.address, &token("root", &["*=admin"]));
    assert_eq!(admin.joins("tutti/stats")["access"], "read");
    let said = json!({ "type": "metric.update", "room": "tutti/stats", "payload": {} });
    assert_eq!(problem(&admin.ask(said)), ("read_only", false));
    // The first figures may be from before this connection.
    let counts_both = |payload: &Value| payload["activeConnections"].as_u64().is_some_and(|count| count >= 2);
    let metrics =
        admin.find("the figures", |message| message["type"] == "metric.update" && counts_both(&message["payload"]));
    assert_eq!(
        (&metrics["user"], &metrics["ephemeral"], &metrics["seq"]),
        (&json!("server"), &json!(true), &json!(null))
    );
}

#[test]
fn every_request_of_any_sequence_of_joins_and_leaves_is_answered_exactly_once() {
    let server = Server::with(&[
        "--rate-socket",
        "100000",
        "--rate-user",
        "100000",
        "--rate-address",
        "100000",
        "--rate-room",
        "100000",
    ]);
    let mut keeper = Client::join(server.address, &writer("keeper"), "a");
    for number in 0..300 {
        keeper.chats("a", &number.to_string());
    }
    let requests = prop::collection::vec((0..2u8, 0..2u8, prop::option::of(0..320u64)), 1..12);
    let batches = prop::collection::vec(requests, 1..4);
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let run = runner.run(&batches, |batches| {
        let mut ada = Client::enter(server.address, &writer("ada"));
        let mut asked = 0;
        for batch in &batches {
            let messages: Vec<Value> = batch
                .iter()
                .map(|(kind, room, since)| {
                    asked += 1;
                    let room = ["a", "b"][usize::from(*room)];
                    let mut message = json!({ "type": "room.leave", "room": room, "requestId": asked.to_string() });
                    if *kind == 0 {
                        message["type"] = json!("room.join");
                        since.iter().for_each(|since| message["since"] = json!(since));
                    }
                    message
                })
                .collect();
            ada.say(json!(messages));
        }
        // The rooms have handled all of it, and told all of it, before they answer this.
        let mut answers = vec![0; asked + 1];
        let mut note = |messages: &[Value]| {
            for id in messages.iter().filter_map(|message| message["requestId"].as_str()) {
                if let Ok(number) = id.parse::<usize>() {
                    answers[number] += 1;
                }
            }
        };
        for room in ["a", "b"] {
            let (before, _) = ada.ask_hearing(json!({ "type": "room.join", "room": room }));
            note(&before);
            let (before, _) = ada.ask_hearing(json!({ "type": "presence.update", "room": room, "state": {} }));
            note(&before);
        }
        prop_assert_eq!(&answers[1..], vec![1; asked], "{:?}", batches);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_join_that_a_leave_or_another_join_overtakes_is_told_so() {
    let server = Server::start();
    let batches = [
        json!([{ "type": "room.join", "room": "r", "requestId": "1" }, { "type": "room.leave", "room": "r", "requestId": "2" }, { "type": "room.join", "room": "r", "requestId": "3" }]),
        json!([{ "type": "room.join", "room": "r", "requestId": "1" }, { "type": "room.join", "room": "r", "requestId": "3" }]),
    ];
    for batch in batches {
        let mut ada = Client::enter(server.address, &writer("ada"));
        ada.say(batch.clone());
        let mut answers = Vec::new();
        ada.find("the last answer", |message| {
            if let Some(id) = message["requestId"].as_str() {
                answers.push((id.to_owned(), message["type"].clone(), message["code"].clone()));
            }
            answers.iter().any(|(id, ..)| id == "3")
        });
        assert_eq!(answers.len(), batch.as_array().map(Vec::len).unwrap(), "{answers:?}");
        assert_eq!(answers[0], ("1".into(), json!("error"), json!("overtaken")));
        assert_eq!(answers.last().unwrap().1, json!("room.joined"));
    }
}
