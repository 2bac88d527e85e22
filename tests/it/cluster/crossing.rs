//! What is committed on one server is shown on the others, in one order.

use serde_json::{Value, json};

use super::{Servers, on_each_bus, seqs};
use crate::support::editor::Editor;
use crate::support::json::Client;
use crate::support::token::{reader, writer};

on_each_bus! {
    fn edits_and_messages_are_shown_on_the_other_servers(by: By) {
        let servers = Servers::start(by, "shown", 3);
        let mut editors: Vec<Editor> =
            (0..3).map(|n| Editor::join(servers.at(n), "r", &writer(&format!("e{n}")), n as u64 + 1)).collect();
        let mut readers: Vec<Client> = (0..3).map(|n| Client::join(servers.at(n), &reader("carl"), "r")).collect();
        let mut text = String::new();
        for round in 0..6 {
            let typist = round % 3;
            editors[typist].saves("x");
            text.push('x');
            for editor in &mut editors {
                editor.until_text(&text);
            }
        }
        let mut alice = Client::join(servers.at(0), &writer("alice"), "r");
        assert_eq!(alice.chats("r", "hello"), 7);
        for reader in &mut readers {
            let message = reader.until("chat.message");
            assert_eq!((&message["seq"], &message["user"], &message["text"]), (&json!(7), &json!("alice"), &json!("hello")));
        }
    }

    fn a_late_joiner_on_another_server_gets_everything(by: By) {
        let servers = Servers::start(by, "late", 2);
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        let mut idle = Editor::join(servers.at(1), "r", &writer("idle"), 2);
        for round in 1..=10 {
            ada.saves("a");
            // What was acknowledged on one server before somebody comes to the other is there.
            let late = Editor::join(servers.at(1), "r", &writer("late"), 100 + round);
            assert_eq!(late.text(), "a".repeat(round as usize));
        }
        idle.until_text(&"a".repeat(10));
    }

    fn trap_04_of_steps_pushed_at_one_version_on_two_servers_one_is_saved(by: By) {
        let servers = Servers::start(by, "steps", 2);
        let mut clients: Vec<Client> = (0..2).map(|n| Client::join(servers.at(n), &writer(&format!("u{n}")), "r")).collect();
        let mut version = 0;
        for round in 0..40 {
            for (n, client) in clients.iter_mut().enumerate() {
                let steps = json!([format!("{round}/{n}")]);
                client.say(json!({ "type": "edit.push", "room": "r", "version": version, "steps": steps, "clientId": n, "requestId": "p" }));
            }
            let answers: Vec<Value> = clients.iter_mut().map(|client| client.find("an answer", |m| m["requestId"] == "p")).collect();
            let saved = answers.iter().filter(|answer| answer["type"] == "saved").count();
            let rejected = answers.iter().find(|answer| answer["type"] == "edit.rejected");
            assert_eq!(saved, 1, "{answers:?}");
            let rejected = rejected.unwrap_or_else(|| panic!("{answers:?}"));
            assert_eq!((&rejected["since"], rejected["steps"].as_array().map(Vec::len)), (&json!(version), Some(1)), "{rejected}");
            version += 1;
            assert_eq!(rejected["version"], version);
        }
    }

    fn three_writers_in_one_room_make_one_order_that_all_see(by: By) {
        const EACH: u64 = 40;
        let servers = Servers::with(by, "order", 3, &["--rate-socket", "100000", "--rate-user", "100000", "--rate-room", "100000"]);
        let mut readers: Vec<Client> = (0..3).map(|n| Client::join(servers.at(n), &reader("carl"), "r")).collect();
        let writing: Vec<_> = (0..3)
            .map(|n| {
                let address = servers.at(n);
                std::thread::spawn(move || {
                    let mut client = Client::join(address, &writer(&format!("w{n}")), "r");
                    (0..EACH).for_each(|number| { client.chats("r", &number.to_string()); });
                })
            })
            .collect();
        writing.into_iter().for_each(|writer| writer.join().unwrap());
        let all: Vec<u64> = (1..=3 * EACH).collect();
        let mut logs = Vec::new();
        for reader in &mut readers {
            let mut heard = Vec::new();
            reader.find("the last one", |message| {
                if message["type"] == "chat.message" {
                    heard.push(message.clone());
                }
                message["seq"] == 3 * EACH
            });
            assert_eq!(seqs(&heard), all);
            logs.push(heard);
        }
        assert!(logs.windows(2).all(|logs| logs[0] == logs[1]), "every server shows the same");
    }

    fn names_keep_who_brought_a_client_first_on_whatever_server(by: By) {
        let servers = Servers::start(by, "names", 2);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        ada.saves("a");
        bob.until_text("a");
        // Ada goes on offline, and what she types reaches the other server by Bob.
        let forwarded = crate::support::editor::typed(&ada.doc, "b");
        let mut carl = Client::enter(servers.at(1), &reader("carl"));
        carl.ask(json!({ "type": "room.join", "room": "r", "edits": true }));
        bob.socket.say(&crate::support::message::step2(&forwarded));
        let edit = carl.find("the edit", |message| message["type"] == "edit" && message["seq"] == 2);
        assert_eq!(edit["user"], "ada", "{edit}");
    }

    fn trap_37_rooms_whose_names_no_subject_may_hold_are_each_themselves(by: By) {
        let servers = Servers::start(by, "subjects", 2);
        let long = "x".repeat(200);
        let names = ["a.b", "a b", ".x", "a..b", "a/b", "日本", &long];
        let mut readers: Vec<Client> = names.iter().map(|room| Client::join(servers.at(1), &reader("carl"), room)).collect();
        let mut alice = Client::enter(servers.at(0), &writer("alice"));
        for room in names {
            alice.joins(room);
            alice.chats(room, room);
        }
        for (room, reader) in names.iter().zip(&mut readers) {
            assert_eq!(reader.until("chat.message")["text"], *room);
            assert!(reader.heard_until_now(room, "chat").is_empty(), "nothing of other rooms");
        }
    }
}
