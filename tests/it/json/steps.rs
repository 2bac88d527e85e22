//! The central authority for editors that send steps.

use serde_json::{Value, json};

use crate::support::json::{Client, problem};
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::token::{reader, writer};

fn push(version: u64, steps: Value, client: &str) -> Value {
    json!({ "type": "edit.push", "room": "notes", "version": version, "steps": steps, "clientId": client })
}

#[test]
fn steps_on_the_newest_version_are_taken_and_shown_to_all() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    let mut bob = Client::join(server.address, &writer("bob"), "notes");
    let saved = ada.ask(push(0, json!([{ "a": 1 }, "two"]), "c"));
    assert_eq!((&saved["type"], &saved["seq"], &saved["version"]), (&json!("saved"), &json!(1), &json!(2)));
    let steps = bob.until("edit.steps");
    assert_eq!((&steps["version"], &steps["seq"], &steps["user"]), (&json!(0), &json!(1), &json!("ada")));
    assert_eq!((&steps["steps"], &steps["clientIds"]), (&json!([{ "a": 1 }, "two"]), &json!(["c", "c"])));
    let unnamed = json!({ "type": "edit.push", "room": "notes", "version": 2, "steps": [3] });
    assert_eq!(ada.ask(unnamed)["version"], 3);
    assert_eq!(bob.until("edit.steps")["clientIds"], json!([null]));
}

#[test]
fn steps_on_an_older_version_are_answered_with_what_came_since() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    let mut bob = Client::join(server.address, &writer("bob"), "notes");
    ada.ask(push(0, json!([1, 2, 3]), "a"));
    bob.ask(push(3, json!([4]), "b"));
    for (since, expected) in [(0, json!([1, 2, 3, 4])), (2, json!([3, 4])), (3, json!([4]))] {
        let rejected = bob.ask(push(since, json!(["mine"]), "b"));
        assert_eq!(rejected["type"], "edit.rejected", "{rejected}");
        assert_eq!(
            (&rejected["version"], &rejected["since"], &rejected["steps"]),
            (&json!(4), &json!(since), &expected)
        );
        assert_eq!(rejected["clientIds"].as_array().map(Vec::len), expected.as_array().map(Vec::len));
    }
}

#[test]
fn asking_without_steps_changes_nothing() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    let empty = ada.ask(push(0, json!([]), "a"));
    assert_eq!((&empty["type"], &empty["version"], &empty["steps"]), (&json!("edit.rejected"), &json!(0), &json!([])));
    ada.ask(push(0, json!([1]), "a"));
    assert_eq!(ada.ask(push(0, json!([]), "a"))["steps"], json!([1]));
    assert_eq!(ada.ask(push(1, json!([]), "a"))["steps"], json!([]));
}

#[test]
fn a_version_beyond_the_head_is_answered_with_the_head() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    ada.ask(push(0, json!([1]), "a"));
    let rejected = ada.ask(push(5, json!([2]), "a"));
    assert_eq!(
        (&rejected["type"], &rejected["version"], &rejected["since"], &rejected["steps"]),
        (&json!("edit.rejected"), &json!(1), &json!(5), &json!([]))
    );
}

#[test]
fn of_pushes_at_once_on_one_version_one_is_taken() {
    let server = Server::start();
    let mut editors =
        ["a", "b", "c", "d", "e"].map(|user| (user, Client::join(server.address, &writer(user), "notes")));
    for round in 0..20 {
        for (user, editor) in &mut editors {
            let mut message = push(round, json!([user]), user);
            message["requestId"] = json!("r");
            editor.say(message);
        }
        let answers =
            editors.each_mut().map(|(_, editor)| editor.find("the answer", |message| message["requestId"] == "r"));
        assert_eq!(answers.iter().filter(|answer| answer["type"] == "saved").count(), 1, "{answers:?}");
        for rejected in answers.iter().filter(|answer| answer["type"] != "saved") {
            assert_eq!((&rejected["type"], &rejected["version"]), (&json!("edit.rejected"), &json!(round + 1)));
            assert_eq!(rejected["steps"].as_array().map(Vec::len), Some(1));
        }
    }
}

#[test]
fn a_push_holds_as_many_steps_as_it_may_and_no_more() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    assert_eq!(ada.ask(push(0, json!(vec![1; 1000]), "a"))["version"], 1000);
    let wrong_id =
        |id: Value| json!({ "type": "edit.push", "room": "notes", "version": 0, "steps": [], "clientId": id });
    for wrong in [
        push(1000, json!(vec![1; 1001]), "a"),
        push(0, json!([]), &"i".repeat(63)),
        wrong_id(json!({})),
        wrong_id(json!(true)),
        json!({ "type": "edit.push", "room": "notes", "version": 0, "steps": [], "clientId": 1, "key": "k" }),
    ] {
        assert_eq!(problem(&ada.ask(wrong)), ("invalid_message", false));
    }
    assert_eq!(ada.ask(wrong_id(json!(17)))["type"], "edit.rejected");
}

#[test]
fn who_lacks_much_asks_again_until_they_have_all() {
    let server = Server::with(&["--rate-socket", "100000", "--rate-user", "100000", "--room-idle-ms", "10"]);
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    let mut version = 0;
    // Pushes of many lengths, between messages.
    for round in 0..300u64 {
        let steps: Vec<u64> = (version..version + 1 + round % 17).collect();
        ada.say(push(version, json!(steps), "a"));
        ada.say(json!({ "type": "chat.message", "room": "notes", "text": "between" }));
        version += steps.len() as u64;
    }
    assert_eq!(ada.ask(push(version, json!([]), "a"))["version"], version);
    let mut bob = Client::join(server.address, &writer("bob"), "notes");
    for from in [0, 1, 500, 1234, version - 1] {
        let mut have = from;
        while have < version {
            let answer = bob.ask(push(have, json!([]), "b"));
            let steps = answer["steps"].as_array().unwrap();
            assert!((1..=1000).contains(&steps.len()), "{} steps after {have}", steps.len());
            for step in steps {
                assert_eq!(*step, have);
                have += 1;
            }
        }
        assert_eq!(have, version);
    }
}

#[test]
fn an_answer_of_large_steps_is_bounded_and_does_not_end_the_socket() {
    let server = Server::with(&["--rate-socket", "1000"]);
    let mut ada = Client::join(server.address, &writer("ada"), "notes");
    let large = "x".repeat(400_000);
    for version in 0..6 {
        assert_eq!(ada.ask(push(version, json!([large]), "a"))["type"], "saved");
    }
    let (mut have, mut answers) = (0, 0);
    while have < 6 {
        let answer = ada.ask(push(have, json!([]), "a"));
        assert!(answer.to_string().len() < 1_000_000);
        have += answer["steps"].as_array().unwrap().len() as u64;
        answers += 1;
    }
    assert!(answers >= 3, "{answers} answers");
}

#[test]
fn the_version_is_known_again_by_the_next_server() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(folder.path(), &[]);
    let mut ada = Client::join(first.address, &writer("ada"), "notes");
    ada.ask(push(0, json!([1, 2]), "a"));
    first.kill();
    let second = Process::start(folder.path(), &[]);
    let mut bob = Client::join(second.address, &writer("bob"), "notes");
    assert_eq!(bob.ask(push(1, json!(["mine"]), "b"))["steps"], json!([2]));
    assert_eq!(bob.ask(push(2, json!(["mine"]), "b"))["version"], 3);
}

#[test]
fn a_reader_may_ask_for_steps_and_push_none() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.ask(json!({ "type": "edit.push", "room": "general", "version": 0, "steps": [1, 2], "clientId": "a" }));
    let mut rita = Client::join(server.address, &reader("rita"), "general");
    let push =
        |steps: Value| json!({ "type": "edit.push", "room": "general", "version": 1, "steps": steps, "clientId": "r" });
    let answer = rita.ask(push(json!([])));
    assert_eq!(
        (&answer["type"], &answer["version"], &answer["steps"]),
        (&json!("edit.rejected"), &json!(2), &json!([2]))
    );
    assert_eq!(problem(&rita.ask(push(json!([3])))), ("read_only", false));
}
