//! Rooms that are copied on one of several servers.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde_json::json;

use super::{Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::http::{get, post_json};
use crate::support::json::Client;
use crate::support::token::writer;

fn copy(at: SocketAddr, user: &str) -> u16 {
    let body = json!({ "to": "copy", "history": true });
    post_json(at, "/api/v1/rooms/plan/copy", Some(&writer(user)), &body).status
}

on_each_bus! {
    fn a_copy_is_shown_to_who_waits_on_another_server_and_a_name_is_given_once(by: By) {
        let servers = Servers::start(by, "copied", 2);
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        alice.saves("one ");
        // In a room that nobody has made.
        let mut bob = Editor::join(servers.at(1), "copy", &writer("bob"), 2);
        let mut carol = Client::join(servers.at(0), &writer("carol"), "copy");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let all = ["a", "b", "c", "d"].map(|user| {
                let at = servers.at(usize::from(user > "b"));
                scope.spawn(move || copy(at, user))
            });
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().copied().collect::<HashSet<_>>(), HashSet::from([201, 409]), "{statuses:?}");
        bob.until_text("one ");
        bob.saves("two ");
        carol.chats("copy", "hello");
        let path = "/api/v1/rooms/copy/history";
        let entries = get(servers.at(0), path, Some(&writer("eve"))).json()["entries"].take();
        let told: Vec<_> = entries.as_array().unwrap().iter().map(|entry| (&entry["seq"], &entry["author"])).collect();
        assert_eq!(told, [(&json!(1), &json!("alice")), (&json!(2), &json!("bob")), (&json!(3), &json!("carol"))]);
        assert_eq!(alice.text(), "one ");
    }
}
