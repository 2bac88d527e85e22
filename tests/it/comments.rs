//! Comments: what is published as events is read as threads.

use serde_json::{Value, json};

use crate::support::http::{Answer, get, post_json};
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

const PATH: &str = "/api/v1/rooms/plan/comments";

/// Publishes an event, or a list of them; the seq of the last one.
fn publish(server: &Server, user: &str, body: &Value) -> u64 {
    let answer = post_json(server.address, "/api/v1/rooms/plan/messages", Some(&token(user, &["*=admin"])), body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let placed = answer.json();
    placed.as_array().map_or(&placed, |all| all.last().unwrap())["seq"].as_u64().unwrap()
}

fn created(text: &str) -> Value {
    json!({ "type": "comment.created", "payload": { "text": text } })
}

fn read(server: &Server, query: &str) -> Answer {
    get(server.address, &format!("{PATH}{query}"), Some(&reader("carol")))
}

#[test]
fn events_are_told_as_threads_with_replies_and_who_resolved_them() {
    let server = Server::start();
    assert_eq!(read(&server, "").error(), (404, "room_not_found".into()));
    let payload = json!({ "text": "Is that so?", "quote": "two", "anchor": { "from": { "item": 1 } } });
    let first = publish(&server, "alice", &json!({ "type": "comment.created", "payload": payload }));
    publish(&server, "alice", &json!({ "type": "order.updated", "payload": { "text": "no comment" } }));
    publish(&server, "alice", &json!({ "text": "nor is this" }));
    let second = publish(&server, "bob", &created("Another"));
    publish(&server, "bob", &json!({ "type": "comment.replied", "payload": { "thread": first, "text": "Yes" } }));
    let head = publish(&server, "bob", &json!({ "type": "comment.resolved", "payload": { "thread": first } }));
    let answer = read(&server, "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let mut page = answer.json();
    let times: Vec<Value> = ["/threads/0/at", "/threads/0/replies/0/at", "/threads/0/resolved/at", "/threads/1/at"]
        .map(|path| page.pointer_mut(path).unwrap().take())
        .into();
    assert!(times.iter().all(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))), "{times:?}");
    assert_eq!(
        page,
        json!({
            "room": "plan",
            "seq": head,
            "threads": [
                {
                    "seq": first, "user": "alice", "name": "alice", "at": null, "text": "Is that so?", "quote": "two",
                    "anchor": { "from": { "item": 1 } },
                    "replies": [{ "seq": first + 4, "user": "bob", "name": "bob", "at": null, "text": "Yes" }],
                    "resolved": { "seq": head, "user": "bob", "name": "bob", "at": null },
                },
                { "seq": second, "user": "bob", "name": "bob", "at": null, "text": "Another", "replies": [] },
            ],
            "next": null,
        })
    );
    publish(&server, "bob", &json!({ "type": "comment.resolved", "payload": { "thread": first, "resolved": false } }));
    assert_eq!(read(&server, "").json()["threads"][0]["resolved"], Value::Null);
}

#[test]
fn threads_come_by_pages_each_with_all_that_was_said_later() {
    let server = Server::start();
    let all: Vec<Value> = (0..5).map(|number| created(&number.to_string())).collect();
    publish(&server, "alice", &json!(all));
    publish(&server, "alice", &json!({ "type": "comment.replied", "payload": { "thread": 2, "text": "late" } }));
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = read(&server, &format!("?after={after}&limit=2")).json();
        let threads = page["threads"].as_array().unwrap();
        seen.extend(
            threads.iter().map(|thread| (thread["seq"].as_u64().unwrap(), thread["replies"].as_array().unwrap().len())),
        );
        let Some(next) = page["next"].as_u64() else { break };
        after = next;
    }
    assert_eq!(seen, [(1, 0), (2, 1), (3, 0), (4, 0), (5, 0)]);
    assert_eq!(read(&server, "?after=99").json()["threads"], json!([]));
    assert_eq!(read(&server, &format!("?after={}", u64::MAX)).json()["threads"], json!([]));
}

#[test]
fn who_may_not_read_the_room_and_wrong_parameters_are_refused() {
    let server = Server::start();
    publish(&server, "alice", &created("x"));
    let ask = |token: Option<&str>| get(server.address, PATH, token);
    assert_eq!(ask(None).error(), (401, "unauthorized".into()));
    assert_eq!(ask(Some(&token("mallory", &["plan=none"]))).error(), (404, "room_not_found".into()));
    assert_eq!(ask(Some(&writer("dave"))).status, 200);
    for query in ["?limit=0", "?limit=501", "?after=-1", "?after=x", "?kind=event"] {
        assert_eq!(read(&server, query).error(), (400, "invalid_parameter".into()), "{query}");
    }
    assert_eq!((read(&server, "?limit=1").status, read(&server, "?limit=500").status), (200, 200));
}

#[test]
fn more_comments_than_are_read_for_a_page_are_too_costly() {
    let server = Server::start();
    let large = created(&"x".repeat(1_000_000));
    for _ in 0..64 {
        publish(&server, "alice", &large);
    }
    let last = publish(&server, "alice", &created("still told"));
    assert_eq!(read(&server, "").json()["threads"][0]["seq"], last);
    for _ in 0..4 {
        publish(&server, "alice", &large);
    }
    assert_eq!(read(&server, "").error(), (422, "too_costly".into()));
    assert_eq!(read(&server, "?after=60").json()["threads"][0]["seq"], last);
}
