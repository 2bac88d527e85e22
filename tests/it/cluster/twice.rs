//! What two servers are given at once stands in the timeline once, whichever of them stores it.

use std::time::Duration;

use serde_json::json;

use super::{Servers, on_each_bus, seqs};
use crate::support::editor::{Editor, deleted, document, text, typed};
use crate::support::eventually;
use crate::support::http::request;
use crate::support::json::Client;
use crate::support::message::{self, Message};
use crate::support::postgres::Postgres;
use crate::support::token::{reader, writer};

const ENTRIES: &str = "select count(*) from entry";
const LOCK: &str = "begin; select from room for no key update";

/// The process in the database of an append that waits.
const WAITING_ID: &str =
    "select pid::bigint from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";

/// Waits until so many appends wait for the lock of their room.
fn wait_for_waiting(database: &Postgres, count: i64) {
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    eventually("appends wait for the room's lock", || (database.number(waiting) == count).then_some(()));
}

/// What a body is in SQL.
fn hex(body: &[u8]) -> String {
    body.iter().map(|byte| format!("{byte:02x}")).collect()
}

on_each_bus! {
    fn what_builds_on_an_edit_that_another_server_has_just_committed_is_taken(by: By) {
        let mut servers = Servers::start(by, "builds_on", 1);
        let network = servers.add_behind();
        servers.have_met();
        // The room lives there, and does not hear of the edit before.
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        network.freeze();
        let doc = document(1);
        let (written, taken_back) = (typed(&doc, "one two"), deleted(&doc, 4));
        for (index, body, status) in [(0, written, 201), (1, taken_back, 200)] {
            let body = String::from_utf8(body).expect("small numbers and letters");
            let head = format!("POST /api/v1/rooms/r/document HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}", writer("ada"));
            let head = format!("{head}\r\nContent-Length: {}\r\nConnection: close", body.len());
            let answer = request(servers.at(index), &format!("{head}\r\n\r\n{body}"));
            assert_eq!(answer.status, status, "{}", answer.text());
        }
        bob.until_text("two");
    }

    fn an_edit_that_comes_in_on_two_servers_at_once_is_stored_once(by: By) {
        let servers = Servers::start(by, "twice", 2);
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        let mut moved = Editor::join(servers.at(1), "r", &writer("ada"), 3);
        ada.saves("a");
        bob.until_text("a");
        for round in 1..=6 {
            let held = servers.database.hold(LOCK);
            let edit = ada.types("x");
            // Its client has moved, or somebody who was shown it has.
            match round % 2 {
                0 => moved.socket.say(&message::update(&edit)),
                _ => bob.socket.say(&message::step2(&edit)),
            }
            wait_for_waiting(&servers.database, 2);
            held.end("rollback");
            ada.barrier();
            bob.barrier();
            moved.barrier();
            assert_eq!(servers.database.number(ENTRIES), 1 + round);
        }
        let late = Editor::join(servers.at(1), "r", &writer("late"), 9);
        assert_eq!(late.text(), "axxxxxx");
        let sent_again: f64 = (0..2).map(|n| servers.metric(n, "tutti_appends_put_back_total")).sum();
        assert!(sent_again >= 6.0, "{sent_again}");
    }

    fn what_a_dead_server_was_storing_and_another_is_given_stands_there_once(by: By) {
        let servers = Servers::start(by, "dead", 2);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        bob.saves("a");
        let doc = document(1);
        let first = typed(&doc, "x");
        // Its transaction runs on in the database, and nobody is there any more to tell the others of it.
        let held = servers.database.hold(&format!(
            "{LOCK}; insert into entry (room_id, seq, kind, author, at, body) \
               select id, head + 1, 1, 'ada', last_at, '\\x{}' from room; update room set head = head + 1",
            hex(&first)
        ));
        // Ada comes to the other server and has typed more.
        typed(&doc, "y");
        let mut ada = Editor::join_with(servers.at(1), "r", &writer("ada"), doc);
        ada.take();
        let said = crate::support::editor::whole(&ada.doc);
        ada.socket.say(&message::step2(&said));
        wait_for_waiting(&servers.database, 1);
        held.end("commit");
        ada.barrier();
        assert_eq!(servers.database.number(ENTRIES), 3);
        let bodies = "select count(distinct body) from entry";
        assert_eq!(servers.database.number(bodies), 3);
        let shown = ada.text();
        assert!(shown == "axy" || shown == "xya", "{shown}");
        bob.until_text(&shown);
        // As it is read from the database.
        let late = Editor::join(servers.at(0), "r", &writer("late"), 9);
        assert_eq!(text(&late.doc), shown);
    }

    fn trap_01_what_another_server_was_shown_first_is_acknowledged_once_it_is_committed(by: By) {
        let mut servers = Servers::start(by, "first", 2);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        bob.saves("a");
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        let held = servers.database.hold(LOCK);
        let edit = ada.types("x");
        wait_for_waiting(&servers.database, 1);
        let transaction = servers.database.number(WAITING_ID);
        bob.socket.say(&message::step2(&edit));
        bob.socket.say(message::BARRIER);
        wait_for_waiting(&servers.database, 2);
        servers.kill(0);
        // Nothing of the dead server will be committed any more.
        servers.database.execute(&format!("select pg_terminate_backend({transaction})"));
        wait_for_waiting(&servers.database, 1);
        while let Some(frame) = bob.socket.next_within(Duration::from_millis(100)) {
            let said = frame.payload;
            assert!(said != message::BARRIER && said != message::update(&edit), "acknowledged before it was committed");
        }
        held.end("rollback");
        bob.until("the barrier's echo", |_, message| *message == Message::Update(vec![0, 0]));
        assert_eq!(servers.database.number(ENTRIES), 2);
    }

    fn trap_02_what_was_shown_and_not_committed_by_a_dead_server_comes_once_with_who_saw_it(by: By) {
        let mut servers = Servers::start(by, "saw", 2);
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        let mut zoe = Editor::join(servers.at(0), "r", &writer("zoe"), 2);
        ada.saves("a");
        let held = servers.database.hold(LOCK);
        ada.types("x");
        zoe.until_text("ax");
        wait_for_waiting(&servers.database, 1);
        let transaction = servers.database.number(WAITING_ID);
        servers.kill(0);
        servers.database.execute(&format!("select pg_terminate_backend({transaction})"));
        held.end("rollback");
        let mut carl = Client::enter(servers.at(0), &reader("carl"));
        carl.ask(json!({ "type": "room.join", "room": "r", "edits": true }));
        let mut zoe = Editor::join_with(servers.at(0), "r", &writer("zoe"), zoe.leave());
        zoe.barrier();
        let edit = carl.find("the edit", |message| message["type"] == "edit");
        assert_eq!((&edit["seq"], &edit["user"]), (&json!(2), &json!("ada")), "{edit}");
        assert_eq!(servers.database.number(ENTRIES), 2);
    }

    fn trap_06_a_message_sent_again_to_another_server_is_stored_and_shown_once(by: By) {
        let servers = Servers::start(by, "again", 2);
        let mut readers: Vec<Client> = (0..2).map(|n| Client::join(servers.at(n), &reader("carl"), "r")).collect();
        for round in 1..=4 {
            let said = json!({ "type": "chat.message", "room": "r", "text": "hello", "key": format!("k{round}") });
            for n in 0..2 {
                let mut alice = Client::join(servers.at((n + round) % 2), &writer("alice"), "r");
                let saved = alice.ask(said.clone());
                assert_eq!((&saved["type"], &saved["seq"]), (&json!("saved"), &json!(round)), "{saved}");
            }
        }
        let mut bob = Client::join(servers.at(0), &writer("bob"), "r");
        bob.chats("r", "end");
        for reader in &mut readers {
            let mut heard = Vec::new();
            reader.find("the last one", |message| {
                heard.push(message.clone());
                message["text"] == "end"
            });
            heard.retain(|message| message["type"] == "chat.message");
            assert_eq!(seqs(&heard), [1, 2, 3, 4, 5]);
        }
    }

    fn people_who_type_at_once_on_three_servers_are_all_saved(by: By) {
        const EACH: usize = 30;
        let servers = Servers::start(by, "crowd", 3);
        let typing: Vec<_> = (0..3)
            .map(|n| {
                let address = servers.at(n);
                std::thread::spawn(move || {
                    let mut editor = Editor::join(address, "r", &writer(&format!("u{n}")), n as u64 + 1);
                    (0..EACH).for_each(|_| editor.saves("x"));
                })
            })
            .collect();
        typing.into_iter().for_each(|typist| typist.join().unwrap());
        assert_eq!(servers.database.number(ENTRIES), 3 * EACH as i64);
        let late = Editor::join(servers.at(0), "r", &writer("late"), 9);
        assert_eq!(late.text(), "x".repeat(3 * EACH));
    }
}
