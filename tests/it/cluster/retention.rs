//! What one server drops of rooms that live on others.

use serde_json::{Value, json};

use super::{By, Servers};
use crate::support::editor::{Editor, deleted_at};
use crate::support::eventually;
use crate::support::http::{get, post_json};
use crate::support::json::Client;
use crate::support::message;
use crate::support::token::writer;

const PLAN: &str = "/api/v1/rooms/plan";

#[test]
fn what_one_server_drops_is_gone_on_the_one_where_the_room_lives_and_who_is_in_goes_on() {
    let mut servers = Servers::start(By::Postgres, "retention", 1);
    let mut alice = Editor::join(servers.at(0), "plan", &writer("alice"), 1);
    alice.saves("one ");
    let version = json!({ "seq": 1, "label": "sent" });
    assert_eq!(post_json(servers.at(0), &format!("{PLAN}/versions"), Some(&writer("alice")), &version).status, 201);
    alice.saves("draft ");
    alice.socket.say(&message::update(&deleted_at(&alice.doc, 4, 6)));
    alice.barrier();
    let mut carol = Client::join(servers.at(0), &writer("carol"), "plan");
    assert_eq!(carol.chats("plan", "secret"), 4);
    servers.database.execute("update entry set at = at - 86400000");
    alice.saves("two");
    let json = |servers: &Servers, index: usize, path: &str| -> Value {
        get(servers.at(index), &format!("{PLAN}{path}"), Some(&writer("eve"))).json()
    };
    // Read there before anything is dropped: what it keeps in memory is not what is stored any more.
    let blame = |servers: &Servers, index: usize| -> Vec<(Value, Value, Value)> {
        let runs = json(servers, index, "/blame")["runs"].take();
        // What a run is the newest edit of may be dropped, and is then that of what is left.
        runs.as_array().unwrap().iter().map(|run| (run["from"].clone(), run["to"].clone(), run["by"].clone())).collect()
    };
    let before = blame(&servers, 0);
    assert_eq!(before.len(), 2);
    let sessions = json(&servers, 0, "/activity");
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2, "{sessions}");

    servers.add(&["--retention", "1h"]);
    servers.have_met();
    for index in [0, 1] {
        eventually("what is old is dropped", || (json(&servers, index, "")["firstSeq"] == 5).then_some(()));
        let gone = (410, "history_dropped".to_owned());
        for path in ["/document?at=2", "/blame?at=3", "/diff?from=2", "/history?after=2", "/activity?before=4"] {
            let answer = get(servers.at(index), &format!("{PLAN}{path}"), Some(&writer("eve")));
            assert_eq!(answer.error(), gone, "{index} {path}");
        }
        assert_eq!(blame(&servers, index), before);
        let text = |at: u64| {
            let path = format!("{PLAN}/document?format=text&at={at}");
            get(servers.at(index), &path, Some(&writer("eve"))).text().to_owned()
        };
        assert_eq!([text(1), text(4), text(5)], ["one ", "one ", "one two"]);
        assert_eq!(json(&servers, index, "/activity")["sessions"].as_array().unwrap().len(), 1);
        for (since, recovered) in [(0, false), (3, false), (4, true), (5, true)] {
            let mut late = Client::enter(servers.at(index), &writer("dave"));
            let joined = late.ask(json!({ "type": "room.join", "room": "plan", "since": since }));
            assert_eq!(joined["recovered"], recovered, "{index} {since}: {joined}");
        }
    }
    // Who was in is in, and sees what others do elsewhere.
    alice.saves("!");
    assert_eq!(carol.chats("plan", "hello"), 7);
    let mut bob = Editor::join(servers.at(1), "plan", &writer("bob"), 2);
    assert_eq!(bob.text(), "one two!");
    bob.saves("?");
    alice.until_text("one two!?");
}
