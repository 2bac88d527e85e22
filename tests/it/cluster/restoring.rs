//! Going back where a room lives on several servers.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Servers, on_each_bus};
use crate::support::editor::{Editor, deleted};
use crate::support::http::{get, post_json};
use crate::support::message;
use crate::support::token::writer;

fn restore(at: SocketAddr, user: &str) -> Value {
    let answer = post_json(at, "/api/v1/rooms/plan/restore", Some(&writer(user)), &json!({ "to": 1 }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

on_each_bus! {
    fn trap_13_restores_on_two_servers_at_once_put_back_what_is_gone_once(by: By) {
        let servers = Servers::start(by, "restored", 2);
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
        alice.saves("one ");
        for round in 1..4 {
            bob.until_text("one ");
            let update = deleted(&bob.doc, 4);
            bob.socket.say(&message::update(&update));
            bob.barrier();
            alice.until_text("");
            let told: Vec<Value> = std::thread::scope(|scope| {
                let all = [0, 1, 0, 1].map(|index| {
                    let at = servers.at(index);
                    scope.spawn(move || restore(at, ["carol", "dave"][index]))
                });
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(told.iter().filter(|answer| !answer["seq"].is_null()).count(), 1, "{told:?}");
            alice.until_text("one ");
            bob.until_text("one ");
            for index in [0, 1] {
                let path = "/api/v1/rooms/plan/history?kind=edit";
                let page = get(servers.at(index), path, Some(&writer("eve"))).json();
                assert_eq!(page["entries"].as_array().unwrap().len(), 1 + 2 * round, "{page}");
            }
        }
    }
}
