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
fn events_that_are_too_long_for_comments_cost_a_page_nothing() {
    let server = Server::start();
    let first = publish(&server, "alice", &created("one"));
    let large = created(&"x".repeat(1_000_000));
    for _ in 0..68 {
        publish(&server, "eve", &large);
    }
    let reply = json!({ "type": "comment.replied", "payload": { "thread": first, "text": "late" } });
    let head = publish(&server, "alice", &reply);
    let page = read(&server, "").json();
    assert_eq!((&page["seq"], &page["partial"], &page["next"]), (&json!(head), &Value::Null, &Value::Null));
    assert_eq!(page["threads"].as_array().unwrap().len(), 1);
    assert_eq!(page["threads"][0]["replies"][0]["text"], "late");
}

/// Events of comments, so long that 280 of them are more than is read for a page, and none of them with a shape of one.
fn fill(server: &Server) {
    let junk = json!({ "type": "comment.replied", "payload": { "text": "", "more": "x".repeat(61_000) } });
    let batch = json!(vec![junk; 14]);
    for _ in 0..20 {
        publish(server, "eve", &batch);
    }
}

#[test]
fn a_page_reads_so_much_says_how_far_and_what_comes_later_is_in_the_next_and_in_the_history() {
    let server = Server::with(&["--rate-room", "100000"]);
    let first = publish(&server, "alice", &created("first"));
    fill(&server);
    let reply = json!({ "type": "comment.replied", "payload": { "thread": first, "text": "late" } });
    let replied = publish(&server, "alice", &reply);
    let second = publish(&server, "alice", &created("second"));

    let page = read(&server, "").json();
    let upto = page["seq"].as_u64().unwrap();
    assert!(upto < replied, "{upto}");
    assert_eq!((&page["partial"], &page["next"]), (&json!(true), &json!(upto)));
    assert_eq!((&page["threads"][0]["seq"], &page["threads"][0]["replies"]), (&json!(first), &json!([])));
    assert_eq!(page["threads"].as_array().unwrap().len(), 1);

    let mut seen = vec![];
    let mut after = upto;
    loop {
        let page = read(&server, &format!("?after={after}")).json();
        seen.extend(page["threads"].as_array().unwrap().iter().map(|thread| thread["seq"].as_u64().unwrap()));
        let Some(next) = page["next"].as_u64() else { break };
        assert!(next > after);
        after = next;
    }
    assert_eq!(seen, [second]);
    // A page that ends with its threads begins the next one there, whatever was read behind them.
    assert_eq!(read(&server, "?limit=1").json()["next"], upto);
    publish(&server, "alice", &created("third"));
    assert_eq!(read(&server, &format!("?after={upto}&limit=1")).json()["next"], second);
}

#[test]
fn a_page_reads_20_000_events_and_not_one_more() {
    let server = Server::with(&["--rate-room", "100000"]);
    let first = publish(&server, "alice", &created("first"));
    let reply = json!({ "type": "comment.replied", "payload": { "thread": first, "text": "x" } });
    let batch = |count| publish(&server, "eve", &json!(vec![&reply; count]));
    for _ in 0..78 {
        batch(256);
    }
    let told = || {
        let page = read(&server, "").json();
        (page["seq"].as_u64().unwrap(), page["partial"] == true, page["threads"][0]["more"].as_u64().unwrap())
    };
    let at_the_limit = batch(19_999 - 78 * 256);
    assert_eq!((at_the_limit, told()), (20_000, (20_000, false, 19_799)));
    batch(1);
    assert_eq!(told(), (20_000, true, 19_799));
}
