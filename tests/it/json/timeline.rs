//! One timeline: whoever drops and comes back gets every entry exactly once and in order, whatever else happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::editor::{Editor, document};
use crate::support::frame::{CLOSE, PING, PONG, TEXT, frame};
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::token::{looking_back, writer};

const ROOM: &str = "general";
const RATES: [&str; 8] =
    ["--rate-socket", "100000", "--rate-user", "100000", "--rate-room", "100000", "--rate-address", "1000000"];

/// Small steps at random, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What stands at a seq, told so that two who heard of it can be compared.
fn entry(message: &Value) -> Option<(u64, String)> {
    let kind = message["type"].as_str()?;
    let is_entry = matches!(kind, "chat.message" | "order.updated" | "edit.steps" | "edit");
    is_entry.then(|| (message["seq"].as_u64().unwrap(), format!("{kind} {} {}", message["user"], message["timestamp"])))
}

/// Reads a room until it has the entry at `goal`, dropping the connection after some messages, again and again. What it got.
fn read_through_drops(
    address: SocketAddr,
    user: &str,
    wants_edits: bool,
    goal: &AtomicU64,
    seed: u64,
) -> BTreeMap<u64, String> {
    let mut dice = Dice(seed);
    let mut got = BTreeMap::new();
    let mut last = 0;
    loop {
        let mut client = Client::enter(address, &looking_back(user));
        client.say(json!({ "type": "room.join", "room": ROOM, "since": last, "edits": wants_edits }));
        let joined = client.until("room.joined");
        assert_eq!(joined["recovered"], true, "{joined}");
        let stay = 1 + dice.below(400);
        for _ in 0..stay {
            let message = client.next();
            if let Some((seq, entry)) = entry(&message) {
                assert!(seq > last, "{user} got {seq} after {last}");
                last = seq;
                got.insert(seq, entry);
            }
            if last >= goal.load(Ordering::SeqCst) {
                return got;
            }
        }
        match dice.below(3) {
            0 => client.close(),
            1 => drop(client),
            _ => {
                // Once more over the same connection, while the last answer is under way.
                client.say(json!({ "type": "room.join", "room": ROOM, "since": 0, "edits": wants_edits }));
                drop(client);
            }
        }
    }
}

fn write(address: SocketAddr, user: &str, count: u64) {
    let mut client = Client::join(address, &writer(user), ROOM);
    let mut version = 0;
    for number in 0..count {
        match number % 5 {
            0..=2 => client.say(json!({ "type": "chat.message", "room": ROOM, "text": number.to_string(), "requestId": "r" })),
            3 => client.say(json!({ "type": "order.updated", "room": ROOM, "payload": number, "requestId": "r" })),
            _ => client.say(json!({ "type": "edit.push", "room": ROOM, "version": version, "steps": [number], "clientId": user, "requestId": "r" })),
        }
        let answer = client.find("the answer", |message| message["requestId"] == "r");
        version = answer["version"].as_u64().unwrap_or(version);
    }
}

#[test]
fn every_entry_comes_exactly_once_and_in_order_to_readers_who_drop_at_random() {
    let server = Server::with(&RATES);
    let address = server.address;
    let goal = AtomicU64::new(u64::MAX);
    let (with_edits, without): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let readers: Vec<_> = (0..6)
            .map(|number| {
                let (goal, user) = (&goal, format!("reader{number}"));
                scope
                    .spawn(move || (number % 2 == 0, read_through_drops(address, &user, number % 2 == 0, goal, number)))
            })
            .collect();
        let writers: Vec<_> = ["ada", "bob", "cleo"].map(|user| scope.spawn(move || write(address, user, 700))).into();
        let editor = scope.spawn(move || {
            let mut editor = Editor::join(address, ROOM, &writer("eve"), 1);
            for _ in 0..500 {
                editor.saves("x");
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        editor.join().unwrap();
        // The last entry is a message, which all readers get.
        let last = Client::join(address, &writer("ada"), ROOM).chats(ROOM, "the end");
        goal.store(last, Ordering::SeqCst);
        readers.into_iter().map(|reader| reader.join().unwrap()).partition(|(wants_edits, _)| *wants_edits)
    });
    let all = &with_edits[0].1;
    let head = *all.keys().last().unwrap();
    assert!(head > 2000, "{head} entries");
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), (1..=head).collect::<Vec<_>>(), "no gap");
    for (_, got) in &with_edits {
        assert_eq!(got, all);
    }
    let but_edits: BTreeMap<u64, String> =
        all.iter().filter(|(_, entry)| !entry.starts_with("edit ")).map(|(seq, entry)| (*seq, entry.clone())).collect();
    for (_, got) in &without {
        assert_eq!(*got, but_edits);
    }
}

/// Reads what there is until the connection ends, or it has the entry at `goal`.
fn read_on(client: &mut Client, last: &mut u64, got: &mut BTreeMap<u64, String>, goal: &AtomicU64) {
    while *last < goal.load(Ordering::SeqCst) {
        let Ok(heard) = client.socket.next() else { return };
        match heard.opcode {
            TEXT => {
                let message: Value = serde_json::from_slice(&heard.payload).unwrap();
                if let Some((seq, entry)) = entry(&message) {
                    assert!(seq > *last, "{seq} after {last}");
                    *last = seq;
                    got.insert(seq, entry);
                }
            }
            PING => client.socket.send(&frame(PONG, &heard.payload)),
            CLOSE => return,
            _ => {}
        }
    }
}

#[test]
fn every_entry_comes_exactly_once_over_servers_that_are_killed() {
    const MESSAGES: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let mut got = BTreeMap::new();
    let (mut last, mut sent) = (0, 0);
    let mut doc = document(1);
    for round in 0..4 {
        let process = Process::start(folder.path(), &RATES);
        let is_last = round == 3;
        let mut watcher = Client::enter(process.address, &looking_back("bob"));
        watcher.say(json!({ "type": "room.join", "room": ROOM, "since": last, "edits": true }));
        let joined = watcher.until("room.joined");
        assert_eq!(joined["recovered"], true, "{joined}");
        let mut ada = Client::join(process.address, &writer("ada"), ROOM);
        let mut editor = Editor::join_with(process.address, ROOM, &writer("eve"), doc);
        let goal = AtomicU64::new(u64::MAX);
        thread::scope(|scope| {
            let reading = scope.spawn(|| read_on(&mut watcher, &mut last, &mut got, &goal));
            // The last ones once more with their keys, as by a client that was not told whether they are saved.
            for number in sent.max(20) - 20..sent + MESSAGES / 4 {
                let text = number.to_string();
                ada.say(json!({ "type": "chat.message", "room": ROOM, "text": text, "key": text, "requestId": text }));
                editor.types("y");
            }
            sent += MESSAGES / 4;
            if is_last {
                editor.barrier();
                goal.store(ada.chats(ROOM, "the end"), Ordering::SeqCst);
                // For a reader who has that already.
                ada.chats(ROOM, "wake up");
            } else {
                ada.until("saved");
                process.kill();
            }
            reading.join().unwrap();
        });
        doc = editor.leave();
    }
    let head = *got.keys().last().unwrap();
    assert_eq!(got.keys().copied().collect::<Vec<_>>(), (1..=head).collect::<Vec<_>>(), "no gap, whoever wrote");
}
