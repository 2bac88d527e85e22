//! What REST takes at each of its limits, and refuses one past it. Those of lists, batches, tokens and names have tests beside what they bound.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::{Answer, get, post_json, post_text, request};
use crate::support::server::Server;
use crate::support::token::token;

const PLAN: &str = "/api/v1/rooms/plan";

fn root() -> String {
    token("root", &["*=admin"])
}

fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let (root, length) = (root(), body.len());
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {root}");
    request(address, &format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

/// A server with the room `plan`, in which there is a text and an entry.
fn with_plan(options: &[&str]) -> Server {
    let server = Server::with(options);
    let made = send(server.address, "PUT", &format!("{PLAN}/document"), r#"{"t":"text","m":{"k":1}}"#);
    assert_eq!(made.status, 201, "{made:?}");
    server
}

/// At the limit it is done, and one past it refused so.
fn bounded(what: &str, limit: usize, refused: (u16, &str), ask: impl Fn(usize) -> Answer) {
    let at_the_limit = ask(limit);
    assert!((200..300).contains(&at_the_limit.status), "{what} at the limit: {at_the_limit:?}");
    assert_eq!(ask(limit + 1).error(), (refused.0, refused.1.to_owned()), "{what} past the limit");
}

/// Text of so many letters.
fn text(length: usize) -> String {
    "x".repeat(length)
}

/// JSON of so many bytes, by spaces behind it.
fn padded(json: &Value, bytes: usize) -> String {
    let json = json.to_string();
    let spaces = " ".repeat(bytes - json.len());
    json + &spaces
}

const BODY: (u16, &str) = (400, "invalid_body");
const PARAMETER: (u16, &str) = (400, "invalid_parameter");
const LARGE: (u16, &str) = (413, "too_large");

#[test]
fn names_keys_and_labels() {
    let server = with_plan(&[]);
    let address = server.address;
    let post = |path: &str, body: Value| post_json(address, path, Some(&root()), &body);
    let say = |body: Value| post(&format!("{PLAN}/messages"), body);
    bounded("the key of a message", 256, BODY, |length| say(json!({ "text": "x", "key": text(length) })));
    bounded("an event's type", 64, BODY, |length| say(json!({ "type": format!("a.{}", text(length - 2)) })));
    bounded("the key of a write", 256, PARAMETER, |length| {
        send(address, "PUT", &format!("{PLAN}/document?format=text&root=t&key={}", text(length)), "other")
    });
    bounded("a version's label", 200, BODY, |length| {
        post(&format!("{PLAN}/versions"), json!({ "seq": 1, "label": text(length) }))
    });
    bounded("a version's meta", 2_048, BODY, |length| {
        post(&format!("{PLAN}/versions"), json!({ "seq": 1, "label": "with meta", "meta": text(length - 2) }))
    });
    bounded("the key of a restore", 200, BODY, |length| {
        post(&format!("{PLAN}/restore"), json!({ "to": 1, "key": text(length) }))
    });
    bounded("the name of a copy", 200, BODY, |length| post(&format!("{PLAN}/copy"), json!({ "to": text(length) })));
    bounded("the name of a room", 200, PARAMETER, |length| {
        post(&format!("/api/v1/rooms/{}/messages", "r".repeat(length)), json!({ "text": "x" }))
    });
    bounded("whose tokens are revoked", 200, BODY, |length| {
        post("/api/v1/revocations", json!({ "sub": text(length) }))
    });
    bounded("which token is revoked", 200, BODY, |length| post("/api/v1/revocations", json!({ "jti": text(length) })));
}

#[test]
fn pages_and_spans() {
    let server = with_plan(&[]);
    let hook = json!({ "url": "https://app.example.com/hook", "paused": true });
    let hook = post_json(server.address, "/api/v1/webhooks", Some(&root()), &hook).json();
    let deliveries = format!("/api/v1/webhooks/{}/deliveries", hook["id"].as_str().unwrap());
    for (path, name, limit) in [
        ("/api/v1/rooms", "limit", 1_000),
        (&format!("{PLAN}/history"), "limit", 1_000),
        (&format!("{PLAN}/history?after=0"), "wait", 30),
        (&format!("{PLAN}/activity"), "limit", 1_000),
        (&format!("{PLAN}/activity"), "gap", 30 * 24 * 3_600),
        (&format!("{PLAN}/comments"), "limit", 500),
        ("/api/v1/revocations", "limit", 1_000),
        (&deliveries, "limit", 500),
    ] {
        let sign = if path.contains('?') { '&' } else { '?' };
        bounded(&format!("{path} {name}"), limit, PARAMETER, |value| {
            get(server.address, &format!("{path}{sign}{name}={value}"), Some(&root()))
        });
    }
}

#[test]
fn webhooks() {
    let server = Server::start();
    let add = |body: Value| post_json(server.address, "/api/v1/webhooks", Some(&root()), &body);
    const URL: &str = "https://app.example.com/";
    bounded("its events", 50, BODY, |count| add(json!({ "url": URL, "events": vec!["a.b"; count] })));
    bounded("a pattern of events", 64, BODY, |length| add(json!({ "url": URL, "events": [text(length)] })));
    bounded("a pattern of rooms", 200, BODY, |length| add(json!({ "url": URL, "rooms": text(length) })));
    bounded("its root", 200, BODY, |length| add(json!({ "url": URL, "content": "text", "root": text(length) })));
    bounded("its url", 2_000, BODY, |length| add(json!({ "url": format!("{URL}{}", text(length - URL.len())) })));
    // All of it together is taken, too.
    let url = format!("{URL}{}", text(2_000 - URL.len()));
    let whole =
        json!({ "url": url, "events": vec![text(64); 50], "rooms": text(200), "content": "text", "root": text(200) });
    assert_eq!(add(whole).status, 201);
    let there = get(server.address, "/api/v1/webhooks", Some(&root())).json()["webhooks"].as_array().unwrap().len();
    for _ in there..63 {
        assert_eq!(add(json!({ "url": URL })).status, 201);
    }
    bounded("webhooks", 64, BODY, |_| add(json!({ "url": URL })));
}

#[test]
fn bodies() {
    let server = with_plan(&["--json-message-bytes-max", "8192", "--document-bytes-max", "65536"]);
    let address = server.address;
    let post = |path: &str, body: &str| post_text(address, path, Some(&root()), body);
    bounded("a message", 8_192, LARGE, |bytes| {
        post(&format!("{PLAN}/messages"), &padded(&json!({ "text": "x" }), bytes))
    });
    bounded("a direct message", 8_192, LARGE, |bytes| {
        post("/api/v1/users/ada/messages", &padded(&json!({ "payload": 1 }), bytes))
    });
    bounded("operations", 8_192, LARGE, |bytes| {
        send(address, "PATCH", &format!("{PLAN}/document"), &padded(&json!({ "operations": [] }), bytes))
    });
    bounded("a document", 65_536, LARGE, |bytes| {
        send(address, "PUT", &format!("{PLAN}/document"), &padded(&json!({ "t": "other" }), bytes))
    });
    bounded("what is kept with a room", 32_768, LARGE, |bytes| {
        send(address, "PATCH", PLAN, &padded(&json!({ "meta": {} }), bytes))
    });
    bounded("whom to put out", 4_096, LARGE, |bytes| post(&format!("{PLAN}/disconnect"), &padded(&json!({}), bytes)));
    bounded("a restore", 4_096, LARGE, |bytes| post(&format!("{PLAN}/restore"), &padded(&json!({ "to": 1 }), bytes)));
    bounded("a webhook", 16_384, LARGE, |bytes| {
        post("/api/v1/webhooks", &padded(&json!({ "url": "https://app.example.com" }), bytes))
    });
}

#[test]
fn values_of_json() {
    let server = with_plan(&[]);
    // The map is none, which is found once its values are counted: at the limit nothing has to be made.
    let put = |values: usize| {
        let zeros = vec!["0"; values - 1].join(",");
        send(server.address, "PUT", &format!("{PLAN}/document?root=m"), &format!("[{zeros}]")).error()
    };
    assert_eq!(put(500_000), (409, "other_shape".into()));
    assert_eq!(put(500_001).0, 400);
}
