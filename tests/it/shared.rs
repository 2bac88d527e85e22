//! Servers on Postgres: two that share one, as in a rolling restart, tell nobody to have everything while something is missing; and
//! what takes the database too long holds nobody up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::json::Client;
use crate::support::postgres::Postgres;
use crate::support::server::Server;
use crate::support::token::{reader, writer};

fn pair(database: &Postgres) -> (Server, Server) {
    let server = |name| Server::with(&["--database-url", &database.url, "--server-name", name]);
    (server("a"), server("b"))
}

fn seqs(heard: &[Value]) -> Vec<u64> {
    heard.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

/// Joins the room to hear what came after an entry: the answer, and the seqs up to the present.
fn come_back(client: &mut Client, since: usize) -> (Value, Vec<u64>) {
    let joined = client.ask(json!({ "type": "room.join", "room": "r", "since": since }));
    let mut entries = Vec::new();
    client.find("the present", |message| {
        entries.extend(message["seq"].as_u64());
        message["type"] == "presence.state"
    });
    (joined, entries)
}

#[test]
fn who_comes_back_gets_every_entry_also_what_another_server_committed() {
    let database = Postgres::fresh("back");
    let (a, b) = pair(&database);
    let mut alice = Client::join(a.address, &writer("alice"), "r");
    assert_eq!(alice.chats("r", "one"), 1);
    let mut bob = Client::join(b.address, &writer("bob"), "r");
    assert_eq!(alice.chats("r", "two"), 2);

    let mut carl = Client::enter(b.address, &reader("carl"));
    let (joined, entries) = come_back(&mut carl, 0);
    assert_eq!((&joined["recovered"], &joined["seq"]), (&json!(true), &json!(2)));
    assert_eq!(entries, [1, 2]);
    assert_eq!(seqs(&bob.heard_until_now("r", "chat")), [2], "who was there is shown it, too");

    assert_eq!(alice.chats("r", "three"), 3);
    assert_eq!(bob.chats("r", "four"), 4);
    assert_eq!(seqs(&carl.heard_until_now("r", "chat")), [3, 4], "and before what comes after it");
    for server in [&a, &b] {
        let mut dora = Client::enter(server.address, &reader("dora"));
        assert_eq!(come_back(&mut dora, 0).1, [1, 2, 3, 4]);
    }
}

#[test]
fn many_messages_by_two_servers_at_once_are_one_order_to_everybody() {
    const EACH: u64 = 60;
    let database = Postgres::fresh("many");
    let (a, b) = pair(&database);
    let mut readers = [&a, &b].map(|server| Client::join(server.address, &reader("carl"), "r"));
    let writing: Vec<_> = [(a.address, "alice"), (b.address, "bob")]
        .map(|(address, user)| {
            std::thread::spawn(move || {
                let mut client = Client::join(address, &writer(user), "r");
                for number in 0..EACH {
                    client.chats("r", &number.to_string());
                }
            })
        })
        .into();
    writing.into_iter().for_each(|writer| writer.join().unwrap());
    let all: Vec<u64> = (1..=2 * EACH).collect();
    for reader in &mut readers {
        // What the other server committed last is shown with what comes next, or to who comes back.
        let shown = seqs(&reader.heard_until_now("r", "chat"));
        assert_eq!(shown, all[..shown.len()]);
        let (joined, entries) = come_back(reader, shown.len());
        assert_eq!((&joined["recovered"], entries.as_slice()), (&json!(true), &all[shown.len()..]));
    }
}

#[test]
fn edits_of_another_server_reach_a_room_with_its_next_commit() {
    let database = Postgres::fresh("edits");
    let (a, b) = pair(&database);
    let mut bob = Editor::join(b.address, "r", &writer("bob"), 2);
    bob.saves("b");
    let mut alice = Editor::join(a.address, "r", &writer("alice"), 1);
    alice.until_text("b");
    alice.saves("a");
    let mut dora = Editor::join(b.address, "r", &writer("dora"), 3);
    bob.saves("b");
    bob.until_text("bab");
    dora.until_text("bab");
    assert_eq!(Editor::join(b.address, "r", &writer("erna"), 4).text(), "bab");
}

#[test]
fn a_message_that_takes_the_database_too_long_is_refused_in_the_end_and_holds_nobody_up() {
    let database = Postgres::fresh("slow");
    let rates =
        ["--rate-socket", "100000", "--rate-user", "100000", "--rate-room", "100000", "--rate-address", "100000"];
    let server = Server::with(&[&["--database-url", &database.url], &rates[..]].concat());
    database.execute(
        "create function sleep() returns trigger language plpgsql as $$ begin \
           if convert_from(new.body, 'UTF8') like '%endless%' then perform pg_sleep(600); end if; return new; end $$; \
         create trigger sleep before insert on entry for each row execute function sleep()",
    );
    let mut alice = Client::join(server.address, &writer("alice"), "slow");
    for text in ["before", "endless", "after"] {
        alice.say(json!({ "type": "chat.message", "room": "slow", "text": text, "requestId": text }));
    }
    let address = server.address;
    let is_done = Arc::new(AtomicBool::new(false));
    let others = std::thread::spawn({
        let is_done = is_done.clone();
        move || {
            let mut bob = Client::join(address, &writer("bob"), "other");
            (1u64..)
                .take_while(|number| {
                    assert_eq!(bob.chats("other", &number.to_string()), *number);
                    !is_done.load(Ordering::SeqCst)
                })
                .count()
        }
    });
    let mut answers = Vec::new();
    while answers.len() < 3 {
        let message = alice.find("an answer", |message| message["requestId"].is_string());
        answers.push((message["requestId"].clone(), message["type"].clone()));
    }
    is_done.store(true, Ordering::SeqCst);
    assert_eq!(
        answers,
        [("before", "saved"), ("endless", "error"), ("after", "saved")].map(|(id, kind)| (json!(id), json!(kind)))
    );
    // Some fifteen seconds; a message each five while they wait for each other.
    let others = others.join().unwrap();
    assert!(others > 50, "{others}");
}
