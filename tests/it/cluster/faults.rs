//! What the bus, the network and dying servers may do: nothing that was acknowledged is missing, nobody is disconnected, and servers
//! come together again.

use std::process::Command;

use serde_json::{Value, json};

use super::{By, Servers, metric, on_each_bus, seqs};
use crate::network::{Direction, Network};
use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::json::Client;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::support::socket::Socket;
use crate::support::token::{reader, token, writer};

on_each_bus! {
    fn trap_12_while_the_bus_is_away_what_others_save_is_read_from_the_database(by: By) {
        let mut servers = Servers::start(by, "away", 1);
        let network = servers.add_behind();
        servers.have_met();
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        let mut carl = Client::join(servers.at(1), &reader("carl"), "r");
        ada.saves("a");
        bob.until_text("a");
        let fail: [fn(&Network); 3] = [Network::cut, Network::freeze, |network| network.lose(Direction::Down)];
        for fail in fail {
            fail(&network);
            eventually("the server notices", || (servers.bus_of(1) == "degraded").then_some(()));
            assert_eq!(servers.bus_of(0), "ok");
            // Without a further edit, in both directions, and nobody is disconnected.
            ada.saves("x");
            let text = ada.text();
            bob.until_text(&text);
            bob.saves("y");
            let text = bob.text();
            ada.until_text(&text);
            let mut alice = Client::join(servers.at(0), &writer("alice"), "r");
            let seq = alice.chats("r", "hello");
            assert_eq!(carl.until("chat.message")["seq"], seq);
            network.restore();
            // What was frozen or lost is no use to a stream any more.
            network.drop_connections();
            eventually("the bus is back", || (servers.bus_of(1) == "ok").then_some(()));
            let before = servers.metric(1, "tutti_bus_entries_received_total");
            ada.saves("z");
            let text = ada.text();
            bob.until_text(&text);
            eventually("by the bus again", || {
                ada.saves("z");
                let text = ada.text();
                bob.until_text(&text);
                (servers.metric(1, "tutti_bus_entries_received_total") > before).then_some(())
            });
        }
        let mut late = Editor::join(servers.at(1), "r", &writer("late"), 9);
        late.until_text(&ada.text());
    }

    fn trap_26_a_room_that_waits_for_the_database_keeps_no_other_from_what_is_told(by: By) {
        let mut servers = Servers::start(by, "slow", 1);
        let network = servers.add_behind_for_the_database();
        servers.have_met();
        let mut adas = ["slow", "fast"].map(|room| Editor::join(servers.at(0), room, &writer("ada"), 1));
        let mut bobs = ["slow", "fast"].map(|room| Editor::join(servers.at(1), room, &writer("bob"), 2));
        for (ada, bob) in adas.iter_mut().zip(&mut bobs) {
            ada.saves("a");
            bob.until_text("a");
        }
        network.freeze();
        // Too long to be told, so it has to be read.
        adas[0].saves(&"x".repeat(100_000));
        for _ in 0..5 {
            adas[1].saves("y");
            bobs[1].until_text(&adas[1].text());
        }
        assert_eq!(bobs[0].text(), "a");
        network.restore();
        network.drop_connections();
        bobs[0].until_text(&adas[0].text());
    }

    fn trap_43_a_bus_that_swallows_one_direction_is_told_though_it_is_connected(by: By) {
        let mut servers = Servers::start(by, "swallowed", 1);
        let network = servers.add_behind();
        servers.have_met();
        for direction in [Direction::Up, Direction::Down] {
            network.lose(direction);
            eventually("the server notices", || (servers.bus_of(1) == "degraded").then_some(()));
            eventually("the figures tell which", || {
                let degraded = [0, 1].map(|n| servers.metric(n, "tutti_bus_degraded"));
                (degraded == [0.0, 1.0]).then_some(())
            });
            network.restore();
            network.drop_connections();
            eventually("the bus is back", || (servers.bus_of(1) == "ok").then_some(()));
            eventually("the figures tell so", || (servers.metric(1, "tutti_bus_degraded") == 0.0).then_some(()));
        }
    }

    fn trap_28_a_server_that_stood_still_reads_what_it_missed_and_is_taken_back(by: By) {
        let servers = Servers::with(by, "frozen", 2, &["--presence-grace-ms", "500"]);
        let mut ada = Client::join(servers.at(0), &writer("ada"), "r");
        let mut bob = Client::join(servers.at(1), &writer("bob"), "r");
        ada.find("bob", |message| message["type"] == "presence.diff" && message.to_string().contains("bob"));
        signal(servers.id(1), "-STOP");
        let mut people = Vec::new();
        ada.find("bob's end", |message| {
            people.extend(message["leaves"].as_array().into_iter().flatten().cloned());
            !people.is_empty()
        });
        let seq = ada.chats("r", "meanwhile");
        signal(servers.id(1), "-CONT");
        assert_eq!(bob.until("chat.message")["seq"], seq);
        ada.find("bob again", |message| message["joins"].as_array().is_some_and(|joins| joins.iter().any(|user| user["user"] == "bob")));
        assert_eq!(people, ["bob"]);
        assert_eq!(bob.chats("r", "still here"), seq + 1);
        assert_eq!(ada.until("chat.message")["seq"], seq + 1);
    }

    fn trap_39_a_revocation_on_one_server_closes_sockets_on_the_others_also_while_the_bus_is_away(by: By) {
        let mut servers = Servers::start(by, "revoked", 1);
        let network = servers.add_behind();
        servers.have_met();
        let admin = token("boss", &["*=admin"]);
        for user in ["ada", "bob"] {
            let mut socket = Socket::yjs(servers.at(1), "r", &writer(user));
            let answer = crate::support::http::post_json(servers.at(0), "/api/v1/revocations", Some(&admin), &json!({ "sub": user }));
            assert_eq!(answer.status, 201, "{answer:?}");
            assert_eq!(socket.closed().0, 4401);
            network.cut();
        }
    }
}

#[test]
fn trap_18_what_is_told_of_a_room_that_has_ended_here_does_not_wake_it_and_who_comes_back_misses_nothing() {
    let servers = Servers::with(By::Postgres, "ended", 2, &["--room-idle-ms", "200"]);
    let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
    for round in 0..4 {
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 10 + round);
        ada.saves("a");
        bob.until_text(&ada.text());
        // He goes while something comes.
        ada.types("b");
        drop(bob);
        ada.barrier();
        if round % 2 == 0 {
            eventually("the room ends there", || (servers.metric(1, "tutti_rooms") == 0.0).then_some(()));
            ada.saves("c");
            assert_eq!(servers.metric(1, "tutti_rooms"), 0.0);
        }
        let back = Editor::join(servers.at(1), "r", &writer("bob"), 20 + round);
        assert_eq!(back.text(), ada.text());
    }
}

#[test]
fn trap_20_no_commit_takes_the_lock_of_notifications() {
    let servers = Servers::start(By::Postgres, "notify", 2);
    let typing: Vec<_> = (0..2)
        .map(|n| {
            let address = servers.at(n);
            std::thread::spawn(move || {
                let mut editor = Editor::join(address, "r", &writer(&format!("u{n}")), n as u64 + 1);
                (0..60).for_each(|_| editor.saves("x"));
            })
        })
        .collect();
    // The lock that a notification's commit takes is on no database's object; and nothing in the database notifies by itself.
    let held = "select count(*) from pg_locks join pg_stat_activity using (pid) \
                where classid = 1262 and objid = 0 and query like '%insert into entry%'";
    while typing.iter().any(|typist| !typist.is_finished()) {
        assert_eq!(servers.database.number(held), 0);
    }
    typing.into_iter().for_each(|typist| typist.join().unwrap());
    assert_eq!(servers.database.number("select count(*) from pg_trigger where not tgisinternal"), 0);
}

#[test]
fn trap_22_a_server_that_does_not_listen_holds_up_neither_commits_nor_the_database() {
    let servers = Servers::start(By::Postgres, "deaf", 2);
    let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
    let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
    ada.saves("a");
    bob.until_text("a");
    signal(servers.id(1), "-STOP");
    while servers.metric(0, "tutti_bus_peers") > 0.0 {
        ada.saves("x");
    }
    // So the queue of notifications does not grow. What was to be told before may still be under way.
    eventually("it is told nothing any more", || {
        let texts = servers.metric(0, "tutti_bus_texts_sent_total");
        (0..50).for_each(|_| ada.saves("y"));
        (servers.metric(0, "tutti_bus_texts_sent_total") == texts).then_some(())
    });
    assert_eq!(servers.database.number("select floor(pg_notification_queue_usage() * 100)::bigint"), 0);
    let holding = "select count(*) from pg_stat_activity where datname = current_database() and state <> 'active' and backend_xmin is not null";
    assert_eq!(servers.database.number(holding), 0, "a session that keeps what is dead from being cleaned up");
    signal(servers.id(1), "-CONT");
    bob.until_text(&ada.text());
    bob.saves("z");
    ada.until_text(&bob.text());
}

/// Sends a process a signal.
fn signal(id: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
}

#[test]
fn trap_13_what_a_server_committed_before_it_was_killed_is_shown_without_its_word() {
    let mut servers = Servers::start(By::Postgres, "unsaid", 1);
    let network = servers.add_behind();
    servers.have_met();
    let mut carl = Client::join(servers.at(0), &reader("carl"), "r");
    let mut ada = Client::join(servers.at(1), &writer("ada"), "r");
    ada.chats("r", "one");
    // It commits, and dies before anybody hears of it.
    network.freeze();
    ada.chats("r", "two");
    servers.kill(1);
    let mut heard = Vec::new();
    carl.find("the second", |message| {
        heard.push(message.clone());
        message["text"] == "two"
    });
    heard.retain(|message: &Value| message["type"] == "chat.message");
    assert_eq!(seqs(&heard), [1, 2]);
}

#[test]
fn trap_19_a_server_that_is_alone_tells_nobody_anything() {
    let servers = Servers::start(By::Postgres, "alone", 1);
    eventually("the bus is there", || (servers.bus_of(0) == "ok").then_some(()));
    let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
    for _ in 0..20 {
        ada.saves("a");
    }
    let mut bob = Client::join(servers.at(0), &writer("bob"), "r");
    bob.chats("r", "hello");
    for name in ["tutti_bus_texts_sent_total", "tutti_bus_heads_read_total", "tutti_bus_texts_received_total"] {
        assert_eq!(servers.metric(0, name), 0.0, "{name}");
    }
}

#[test]
fn a_private_room_tells_the_other_servers_nothing() {
    let servers = Servers::start(By::Nats, "private", 2);
    let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
    ada.saves("a");
    let read =
        servers.metric(1, "tutti_bus_entries_received_total") + servers.metric(1, "tutti_foreign_entries_read_total");
    for _ in 0..20 {
        ada.saves("a");
    }
    let after =
        servers.metric(1, "tutti_bus_entries_received_total") + servers.metric(1, "tutti_foreign_entries_read_total");
    assert_eq!(read, after);
}

#[test]
fn trap_37_two_clusters_on_one_bus_do_not_hear_each_other() {
    let one = Servers::start(By::Nats, "neighbours", 2);
    let other = Postgres::fresh("n_neighbours_too");
    let folder = tempfile::tempdir().unwrap();
    let options =
        ["--database-url", &other.url, "--bus", "nats", "--bus-url", &one.bus, "--metrics-bind", "127.0.0.1:0"];
    let stranger = Process::start(folder.path(), &options);
    let metrics = stranger.metrics_address();
    let mut stranger = Client::join(stranger.address, &writer("ada"), "r");
    let mut ada = Client::join(one.at(0), &writer("ada"), "r");
    let mut bob = Client::join(one.at(1), &reader("bob"), "r");
    ada.chats("r", "hello");
    bob.until("chat.message");
    assert_eq!(stranger.chats("r", "alone"), 1);
    for name in ["tutti_bus_peers", "tutti_bus_texts_received_total"] {
        assert_eq!(metric(metrics, name), 0.0, "{name}");
    }
}

#[test]
fn an_sqlite_server_has_no_bus_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let ready = crate::support::http::get(server.address, "/readyz", None).json();
    assert_eq!(ready, json!({ "status": "ready", "bus": "none" }));
}
