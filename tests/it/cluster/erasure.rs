//! Something is erased on one server of a room that lives on others.

use serde_json::{Value, json};

use super::{By, Servers, on_each_bus};
use crate::support::editor::Editor;
use crate::support::http::{get, post_json};
use crate::support::token::{token, writer};

const SECRET: &str = "xylophone";

fn erase(servers: &Servers, index: usize) -> Value {
    let admin = token("root", &["*=admin"]);
    let body = json!({ "content": { "user": "bob" }, "dryRun": false });
    let answer = post_json(servers.at(index), "/api/v1/rooms/plan/erase", Some(&admin), &body);
    assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
    answer.json()
}

fn text(servers: &Servers, index: usize, at: &str) -> String {
    let path = format!("/api/v1/rooms/plan/document?format=text{at}");
    get(servers.at(index), &path, Some(&writer("carol"))).text().to_owned()
}

on_each_bus! {
    fn what_is_erased_on_one_server_is_erased_on_all(by: By) {
        let servers = Servers::start(by, "erased", 2);
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        alice.saves("one ");
        let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
        bob.until_text("one ");
        bob.saves(SECRET);
        alice.until_text(&format!("one {SECRET}"));
        // Both servers have the past in memory.
        assert_eq!([0, 1].map(|index| text(&servers, index, "&at=2")), [(); 2].map(|()| format!("one {SECRET}")));
        let told = erase(&servers, 0);
        assert_eq!((&told["units"], &told["alive"], &told["done"]), (&json!(9), &json!(9), &json!(true)), "{told}");
        for (index, editor, user) in [(0, alice, "alice"), (1, bob, "bob")] {
            let mut editor = editor;
            editor.until_text("one ");
            editor.socket.closed();
            let mut editor = Editor::join_with(servers.at(index), "plan", &writer(user), editor.leave());
            editor.until_text("one ");
            editor.saves("");
            assert_eq!(text(&servers, index, "&at=2"), "one ");
        }
        let packed = servers.database.number(&format!("select count(*) from entry where position('{SECRET}'::bytea in body) > 0"));
        assert_eq!(packed, 0);
    }

    fn an_erasure_that_no_server_has_told_of_ends_a_room_at_its_next_append(by: By) {
        let servers = Servers::start(by, "erased_unheard", 1);
        let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
        alice.saves("one ");
        servers.database.execute("update room set epoch = epoch + 2, last_at = last_at + 1 where name = 'plan'");
        alice.types("two");
        alice.socket.closed();
        let mut alice = Editor::join_with(servers.at(0), "plan", &writer("alice"), alice.leave());
        alice.barrier();
        assert_eq!(text(&servers, 0, ""), "one two");
    }
}

#[test]
fn an_erasure_that_takes_long_goes_on_after_its_answer() {
    let servers = Servers::start(By::Postgres, "erased_slowly", 1);
    let mut bob = Editor::join(servers.at(0), "plan", &writer("bob"), 2);
    bob.saves(SECRET);
    let held = servers.database.hold("begin; select * from entry for update");
    let told = erase(&servers, 0);
    assert_eq!((&told["done"], &told["units"]), (&json!(false), &json!(9)), "{told}");
    let admin = token("root", &["*=admin"]);
    let body = json!({ "content": { "user": "bob" }, "dryRun": false });
    let beside = post_json(servers.at(0), "/api/v1/rooms/plan/erase", Some(&admin), &body);
    assert_eq!(beside.error(), (503, "try_later".into()));
    held.end("rollback");
    crate::support::eventually("it is done", || {
        (servers.database.number("select count(*) from erasure") == 0).then_some(())
    });
    assert_eq!(text(&servers, 0, "&at=1"), "");
}

#[test]
fn a_server_that_is_killed_while_it_erases_is_followed_by_another_one() {
    let mut servers = Servers::start(By::Postgres, "erased_killed", 2);
    let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
    bob.saves(SECRET);
    // Nobody can go on with it until this ends.
    let held = servers.database.hold("begin; select * from entry for update");
    let address = servers.at(0);
    let asking = std::thread::spawn(move || {
        let body = json!({ "content": { "user": "bob" }, "dryRun": false });
        let admin = token("root", &["*=admin"]);
        std::panic::catch_unwind(|| post_json(address, "/api/v1/rooms/plan/erase", Some(&admin), &body).status).ok()
    });
    crate::support::eventually("it has begun", || {
        (servers.database.number("select count(*) from erasure") > 0).then_some(())
    });
    servers.kill(0);
    let _ = asking.join();
    held.end("rollback");
    crate::support::eventually("another one ends it", || {
        (servers.database.number("select count(*) from erasure") == 0).then_some(())
    });
    assert_eq!((text(&servers, 0, ""), text(&servers, 0, "&at=1")), (String::new(), String::new()));
}
