//! A room that is deleted on one server.

use serde_json::json;

use super::{Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::http::ask;
use crate::support::json::Client;
use crate::support::socket::Socket;
use crate::support::token::{token, writer};

fn delete(servers: &Servers, index: usize, query: &str) -> serde_json::Value {
    let admin = token("root", &["*=admin"]);
    ask("DELETE", servers.at(index), &format!("/api/v1/rooms/plan{query}"), Some(&admin)).json()
}

on_each_bus! {
    fn a_room_that_is_deleted_on_one_server_is_deleted_on_all(by: By) {
        let servers = Servers::start(by, "deleted", 2);
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        alice.saves("one ");
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
        bob.until_text("one ");
        let mut carol = Client::join(servers.at(1), &writer("carol"), "plan");
        let told = delete(&servers, 0, "?hard=true&free=true");
        assert_eq!((&told["disconnected"], &told["partial"]), (&json!(3), &json!(null)), "{told}");
        assert_eq!(told["deletion"]["remains"], "nothing");
        assert_eq!(alice.socket.closed().0, 4404);
        assert_eq!(bob.socket.closed().0, 4404);
        carol.until("room.evicted");
        // Its name is free, and the old room lives nowhere.
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 3);
        assert_eq!(bob.text(), "");
        bob.saves("new");
        assert_eq!(Editor::join(servers.at(0), "plan", &writer("alice"), 4).text(), "new");
    }

    fn a_deletion_that_no_server_has_told_of_is_found_in_the_database(by: By) {
        let servers = Servers::start(by, "deleted_unheard", 2);
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        alice.saves("one ");
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
        bob.until_text("one ");
        let deleted = "update room set deleted_at = 1, deleted_by = 'root', purge_at = 4102444800000 where name = 'plan'";
        servers.database.execute(deleted);
        // Nobody types: each server looks.
        assert_eq!(alice.socket.closed().0, 4404);
        assert_eq!(bob.socket.closed().0, 4404);
        assert_eq!(Socket::yjs(servers.at(1), "plan", &writer("bob")).closed().0, 4404);
    }
}
