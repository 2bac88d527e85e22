//! A room that is deleted on one server.

use serde_json::json;

use super::{By, Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::http::ask;
use crate::support::json::Client;
use crate::support::socket::Socket;
use crate::support::token::{token, writer};

/// Deletes a room on the first server, and frees its name.
fn delete(servers: &Servers, room: &str) -> serde_json::Value {
    let admin = token("root", &["*=admin"]);
    ask("DELETE", servers.at(0), &format!("/api/v1/rooms/{room}?hard=true&free=true"), Some(&admin)).json()
}

on_each_bus! {
    fn a_room_that_is_deleted_on_one_server_is_deleted_on_all(by: By) {
        let servers = Servers::start(by, "deleted", 2);
        let mut rooms = (1..).map(|number| format!("plan{number}"));
        // On a busy machine the other server may need longer for its answer than is waited for: then the next room is deleted.
        let told = eventually("the other server answers in time", || {
            let room = &rooms.next()?;
            let mut alice = Editor::join(servers.at(0), room, &writer("alice"), 1);
            alice.saves("one ");
            let mut bob = Editor::join(servers.at(1), room, &writer("bob"), 2);
            bob.until_text("one ");
            let mut carol = Client::join(servers.at(1), &writer("carol"), room);
            let told = delete(&servers, room);
            assert_eq!(told["deletion"]["remains"], "nothing");
            assert_eq!(alice.socket.closed().0, 4404);
            assert_eq!(bob.socket.closed().0, 4404);
            carol.until("room.evicted");
            // Its name is free, and the old room lives nowhere.
            let mut bob = Editor::join(servers.at(1), room, &writer("bob"), 3);
            assert_eq!(bob.text(), "");
            bob.saves("new");
            assert_eq!(Editor::join(servers.at(0), room, &writer("alice"), 4).text(), "new");
            Some(told).filter(|told| told["partial"].is_null())
        });
        assert_eq!(told["disconnected"], 3, "{told}");
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

    fn what_is_heard_late_of_a_deleted_room_is_not_taken_for_the_new_one_of_the_name(by: By) {
        let mut servers = Servers::start(by, "deleted_row", 1);
        let network = servers.add_behind();
        servers.have_met();
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
        bob.saves("one ");
        alice.until_text("one ");
        network.freeze();
        alice.saves("two ");
        assert_eq!(delete(&servers, "plan")["partial"], json!(true));
        assert_eq!(bob.socket.closed().0, 4404);
        // The new room has no row yet when it hears of the last edit of the old one.
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 3);
        let unread = servers.metric(1, "tutti_bus_texts_received_total");
        network.restore();
        servers.have_met();
        eventually("it hears of it", || (servers.metric(1, "tutti_bus_texts_received_total") > unread + 1.0).then_some(()));
        assert_eq!(Editor::join(servers.at(1), "plan", &writer("carl"), 4).text(), "");
        bob.saves("new");
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 5);
        assert_eq!(alice.text(), "new");
        alice.saves("!");
        bob.until_text("new!");
    }

    fn a_deletion_that_is_heard_of_late_does_not_end_the_new_room_of_the_name(by: By) {
        let mut servers = Servers::start(by, "deleted_late", 1);
        let network = servers.add_behind();
        servers.have_met();
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        alice.saves("one ");
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
        bob.until_text("one ");
        network.freeze();
        alice.saves("two ");
        assert_eq!(delete(&servers, "plan")["partial"], json!(true));
        assert_eq!(alice.socket.closed().0, 4404);
        // Its row is gone, which the server finds by itself.
        assert_eq!(bob.socket.closed().0, 4404);
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 3);
        assert_eq!(bob.text(), "");
        bob.saves("new ");
        // Now it hears of the last edit of the old room, and of the deletion.
        network.restore();
        servers.have_met();
        bob.saves("and more");
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 4);
        assert_eq!(alice.text(), "new and more");
        alice.saves("!");
        bob.until_text("new and more!");
    }
}

#[test]
fn a_deletion_whose_answer_is_lost_ends_the_room_where_nobody_types() {
    let mut servers = Servers::start(By::Postgres, "deleted_unanswered", 0);
    let network = servers.add_behind_for_the_database();
    servers.add(&[]);
    servers.have_met();
    let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
    bob.until_text("one ");
    // Of this one the server that is asked knows nothing but its name.
    let mut carl = Editor::join(servers.at(1), "other", &writer("carl"), 3);
    carl.saves("one ");
    let admin = token("root", &["*=admin"]);
    let unanswered = |room: &str| {
        network.cut_after(b"commit\0");
        assert_eq!(ask("DELETE", servers.at(0), &format!("/api/v1/rooms/{room}"), Some(&admin)).status, 503);
    };
    unanswered("plan");
    assert_eq!(alice.socket.closed().0, 4404);
    assert_eq!(bob.socket.closed().0, 4404);
    unanswered("other");
    assert_eq!(carl.socket.closed().0, 4404);
}

#[test]
fn a_room_that_was_not_deleted_after_all_goes_on() {
    let mut servers = Servers::start(By::Postgres, "deleted_not", 0);
    let network = servers.add_behind_for_the_database();
    servers.add(&[]);
    servers.have_met();
    let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut carl = Editor::join(servers.at(1), "plan", &writer("carl"), 3);
    carl.until_text("one ");
    network.cut_after(b"update room set deleted_at");
    let admin = token("root", &["*=admin"]);
    assert_eq!(ask("DELETE", servers.at(0), "/api/v1/rooms/plan", Some(&admin)).status, 503);
    alice.saves("two ");
    carl.until_text("one two ");
    carl.saves("three ");
    alice.until_text("one two three ");
    assert_eq!(Editor::join(servers.at(0), "plan", &writer("bob"), 2).text(), "one two three ");
}
