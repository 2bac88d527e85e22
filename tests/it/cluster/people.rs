//! Who is there and what they show and say, over servers.

use serde_json::{Value, json};

use super::{Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::http::{get, post_json};
use crate::support::json::Client;
use crate::support::message;
use crate::support::token::{token, writer};

/// Reads up to a difference that names a user.
fn told(client: &mut Client, list: &str, user: &str) -> Value {
    client.find(&format!("{user} in {list}"), |message| {
        let listed = message[list].as_array().into_iter().flatten();
        message["type"] == "presence.diff" && listed.into_iter().any(|one| one["user"] == user || one == user)
    })
}

/// Shows a state of one's own and reads up to it: how many have joined and left before.
fn moves_until_now(client: &mut Client, end: usize) -> [usize; 2] {
    client.say(json!({ "type": "presence.update", "room": "r", "state": { "end": end } }));
    let mut moves = [0, 0];
    client.find("the own state", |message| {
        for (list, moves) in ["joins", "leaves"].into_iter().zip(&mut moves) {
            *moves += message[list].as_array().map_or(0, Vec::len);
        }
        message.to_string().contains(&json!({ "end": end }).to_string())
    });
    moves
}

fn users(joined: &Value) -> Vec<(String, u64)> {
    let members = joined["members"].as_array().unwrap().iter();
    members.map(|user| (user["user"].as_str().unwrap().to_owned(), user["sockets"].as_u64().unwrap())).collect()
}

on_each_bus! {
    fn trap_31_who_joins_is_told_who_is_on_every_server(by: By) {
        let servers = Servers::start(by, "who", 3);
        let _ada = Client::join(servers.at(0), &writer("ada"), "r");
        let _ada_too = Client::join(servers.at(1), &writer("ada"), "r");
        let _bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        // Behind the answers comes nothing that was said before.
        get(servers.at(2), "/api/v1/rooms/r/presence", Some(&writer("x")));
        // A room that is new on its server, and one that is not.
        let mut carls = Vec::new();
        for round in 1..=2 {
            let mut carl = Client::enter(servers.at(2), &writer("carl"));
            let joined = carl.joins("r");
            let expected = [("ada", 2), ("bob", 1), ("carl", round)].map(|(user, sockets)| (user.to_owned(), sockets));
            assert_eq!(users(&joined), expected, "{joined}");
            carls.push(carl);
        }
        let presence = eventually("all servers answer in time", || {
            let presence = get(servers.at(0), "/api/v1/rooms/r/presence", Some(&writer("x"))).json();
            Some(presence).filter(|presence| presence["partial"].is_null())
        });
        assert_eq!((&presence["users"][0]["user"], &presence["users"][0]["sockets"]), (&json!("ada"), &json!(2)));
        assert_eq!(presence["users"].as_array().map(Vec::len), Some(3), "{presence}");
    }

    fn who_comes_shows_something_types_and_goes_is_seen_on_other_servers(by: By) {
        let servers = Servers::with(by, "people", 2, &["--presence-grace-ms", "500"]);
        let mut ada = Client::join(servers.at(0), &writer("ada"), "r");
        let mut bob = Client::join(servers.at(1), &writer("bob"), "r");
        told(&mut ada, "joins", "bob");
        bob.ask(json!({ "type": "presence.update", "room": "r", "state": { "at": 7 } }));
        let shown = told(&mut ada, "updates", "bob");
        assert_eq!(shown["updates"][0]["state"], json!({ "at": 7 }), "{shown}");
        bob.ask(json!({ "type": "typing.started", "room": "r" }));
        let typing = ada.until("user.typing");
        assert_eq!((&typing["user"], &typing["typing"]), (&json!("bob"), &json!(true)));
        bob.ask(json!({ "type": "typing.stopped", "room": "r" }));
        assert_eq!(ada.until("user.typing")["typing"], false);
        bob.say(json!({ "type": "cursor.moved", "room": "r", "payload": { "x": 1 }, "ephemeral": true }));
        bob.say(json!({ "type": "cursor.moved", "room": "r", "payload": { "x": 2 }, "ephemeral": true }));
        for x in 1..=2 {
            let moved = ada.until("cursor.moved");
            assert_eq!((&moved["payload"]["x"], &moved["user"], &moved["seq"]), (&json!(x), &json!("bob"), &Value::Null));
        }
        drop(bob);
        told(&mut ada, "leaves", "bob");
    }

    fn cursors_of_editors_on_other_servers_are_shown_once_and_go_with_them(by: By) {
        let servers = Servers::start(by, "cursors", 2);
        let mut ada = Editor::join(servers.at(0), "r", &writer("ada"), 1);
        let mut bob = Editor::join(servers.at(1), "r", &writer("bob"), 2);
        let shown = |editor: &mut Editor, client: u64, state: Option<&str>| {
            editor.until("the state", |editor, _| {
                editor.states.iter().any(|seen| seen.client == client && seen.json == state.unwrap_or("null"))
            });
        };
        bob.socket.say(&message::awareness(2, 1, r#"{"x":1}"#));
        shown(&mut ada, 2, Some(r#"{"x":1}"#));
        // As y-websocket does with whatever it is sent.
        ada.socket.say(&message::awareness(2, 1, r#"{"x":1}"#));
        let mut late = Editor::join(servers.at(0), "r", &writer("late"), 3);
        shown(&mut late, 2, Some(r#"{"x":1}"#));
        drop(bob);
        shown(&mut ada, 2, None);
    }

    fn direct_messages_and_disconnects_reach_every_server(by: By) {
        let servers = Servers::start(by, "direct", 3);
        let mut adas: Vec<Client> = (0..3).map(|n| Client::join(servers.at(n), &writer("ada"), "r")).collect();
        let mut bob = Client::enter(servers.at(1), &writer("bob"));
        // On a busy machine a server may need longer for its answer than is waited for.
        eventually("all answer in time", || {
            let done = bob.ask(json!({ "type": "direct.message", "to": "ada", "payload": { "hi": 1 } }));
            assert_eq!(done["type"], "done", "{done}");
            (done["sockets"] == 3).then_some(())
        });
        for ada in &mut adas {
            assert_eq!(ada.until("direct.message")["payload"], json!({ "hi": 1 }));
        }
        let admin = token("boss", &["*=admin"]);
        let body = json!({ "user": "ada" });
        eventually("all answer in time", || {
            let answer = post_json(servers.at(2), "/api/v1/rooms/r/disconnect", Some(&admin), &body).json();
            for ada in &mut adas {
                ada.until("room.evicted");
                ada.joins("r");
            }
            (answer == json!({ "disconnected": 3 })).then_some(())
        });
    }

    fn trap_27_the_people_of_a_killed_server_leave_once_and_who_is_back_elsewhere_never_left(by: By) {
        let mut servers = Servers::with(by, "killed", 3, &["--presence-grace-ms", "2000"]);
        let mut watchers: Vec<Client> = (0..2).map(|n| Client::join(servers.at(n), &writer("watcher"), "r")).collect();
        let _ada = Client::join(servers.at(2), &writer("ada"), "r");
        let _bob = Client::join(servers.at(2), &writer("bob"), "r");
        for watcher in &mut watchers {
            for user in ["ada", "bob"] {
                let now = watcher.ask(json!({ "type": "room.join", "room": "r" }));
                if !now.to_string().contains(user) {
                    told(watcher, "joins", user);
                }
            }
        }
        servers.kill(2);
        let _bob = Client::join(servers.at(0), &writer("bob"), "r");
        for watcher in &mut watchers {
            let mut leaves = Vec::new();
            watcher.find("ada's end", |message| {
                leaves.extend(message["leaves"].as_array().into_iter().flatten().cloned());
                !leaves.is_empty()
            });
            assert_eq!(leaves, ["ada"]);
        }
        // The servers have noticed by now that the other one is gone: nobody leaves twice, and Bob is there.
        for (end, watcher) in watchers.iter_mut().enumerate() {
            assert_eq!(moves_until_now(watcher, end), [0, 0]);
        }
        let presence = get(servers.at(1), "/api/v1/rooms/r/presence", Some(&writer("x"))).json();
        let names: Vec<&Value> = presence["users"].as_array().unwrap().iter().map(|user| &user["user"]).collect();
        assert_eq!(names, ["bob", "watcher"], "{presence}");
    }

    fn trap_32_a_server_that_stops_keeps_its_people_for_those_that_go_on(by: By) {
        let mut servers = Servers::with(by, "stopped", 2, &["--presence-grace-ms", "30000"]);
        let mut watcher = Client::join(servers.at(0), &writer("watcher"), "r");
        let _ada = Client::join(servers.at(1), &writer("ada"), "r");
        told(&mut watcher, "joins", "ada");
        let _bob = Client::join(servers.at(1), &writer("bob"), "r");
        told(&mut watcher, "joins", "bob");
        servers.stop(1);
        eventually("the other one is known to be gone", || (servers.metric(0, "tutti_bus_peers") == 0.0).then_some(()));
        // Ada is back, and Bob is waited for.
        let _ada = Client::join(servers.at(0), &writer("ada"), "r");
        let presence = get(servers.at(0), "/api/v1/rooms/r/presence", Some(&writer("x"))).json();
        assert_eq!(presence["partial"], Value::Null, "{presence}");
        assert_eq!(moves_until_now(&mut watcher, 1), [0, 0]);
    }

    fn trap_33_who_goes_while_the_bus_is_away_has_left_once_on_either_side(by: By) {
        let mut servers = Servers::with(by, "split", 1, &["--presence-grace-ms", "500"]);
        let network = servers.add_behind();
        servers.have_met();
        let mut watchers: Vec<Client> = (0..2).map(|n| Client::join(servers.at(n), &writer("watcher"), "r")).collect();
        let bob = Client::join(servers.at(1), &writer("bob"), "r");
        told(&mut watchers[0], "joins", "bob");
        let dan = Client::join(servers.at(0), &writer("dan"), "r");
        told(&mut watchers[1], "joins", "dan");
        network.freeze();
        eventually("the server notices", || (servers.bus_of(1) == "degraded").then_some(()));
        drop((bob, dan));
        // Each on its own side, and behind the heal on the other, to which nobody comes back then.
        let moves = |watcher: &mut Client| {
            let (mut joins, mut leaves) = (0, Vec::new());
            watcher.find("who has left", |message| {
                joins += message["joins"].as_array().map_or(0, Vec::len);
                leaves.extend(message["leaves"].as_array().into_iter().flatten().cloned());
                !leaves.is_empty()
            });
            (joins, leaves)
        };
        assert_eq!(moves(&mut watchers[0]).1, ["dan"]);
        assert_eq!(moves(&mut watchers[1]).1, ["bob"]);
        network.restore();
        network.drop_connections();
        assert_eq!(moves(&mut watchers[0]), (0, vec![json!("bob")]));
        assert_eq!(moves(&mut watchers[1]), (0, vec![json!("dan")]));
        eventually("the bus is back", || (servers.bus_of(1) == "ok").then_some(()));
        // Nobody leaves once more.
        for (end, watcher) in watchers.iter_mut().enumerate() {
            assert_eq!(moves_until_now(watcher, end), [0, 0]);
        }
    }

    fn trap_40_what_a_user_may_say_counts_on_each_server_by_itself(by: By) {
        let servers = Servers::with(by, "rates", 2, &["--rate-user", "5", "--rate-socket", "100"]);
        let mut clients: Vec<Client> = (0..2).map(|n| Client::join(servers.at(n), &writer("ada"), "r")).collect();
        let says = json!({ "type": "chat.message", "room": "r", "text": "x", "requestId": "r" });
        (0..100).for_each(|_| clients[0].say(says.clone()));
        let refused = clients[0].find("a refusal", |message| message["type"] == "error");
        assert_eq!(refused["code"], "rate_limited", "{refused}");
        clients[1].chats("r", "here as if there were no other");
        let said = include_str!("../../../docs/OPERATIONS.md");
        assert!(said.contains("With three servers a user may say three times as much."));
    }
}
