//! Versions: names for seqs, and where sessions of editing ended.

use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::http::{Answer, ask, get, post_json, request};
use crate::support::server::Server;
use crate::support::token::{reader, writer};

const PATH: &str = "/api/v1/rooms/plan/versions";

fn with_plan() -> Server {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    alice.saves("two ");
    server
}

fn add(server: &Server, body: &Value) -> Answer {
    post_json(server.address, PATH, Some(&writer("bob")), body)
}

fn patch(server: &Server, query: &str, body: &Value) -> Answer {
    let (body, token) = (body.to_string(), writer("carol"));
    request(
        server.address,
        &format!(
            "PATCH {PATH}?{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            server.address,
            body.len(),
        ),
    )
}

/// Seq, label, meta and author of each version.
fn list(server: &Server, query: &str) -> Vec<Value> {
    let page = get(server.address, &format!("{PATH}{query}"), Some(&writer("bob"))).json();
    let told = |version: &Value| json!([version["seq"], version["label"], version["meta"], version["authors"]]);
    page["versions"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn a_version_is_named_listed_renamed_and_taken_away() {
    let server = with_plan();
    let first = add(&server, &json!({ "seq": 1, "label": "Draft ä", "meta": { "by": [1] } }));
    assert_eq!((first.status, &first.json()["label"]), (201, &json!("Draft ä")));
    assert_eq!(add(&server, &json!({ "seq": 2, "label": "Final" })).status, 201);
    assert_eq!(add(&server, &json!({ "seq": 2, "label": "Also final" })).status, 201);
    let expected = [
        json!([2, "Also final", null, ["bob"]]),
        json!([2, "Final", null, ["bob"]]),
        json!([1, "Draft ä", { "by": [1] }, ["bob"]]),
    ];
    assert_eq!(list(&server, ""), expected);
    assert_eq!(patch(&server, "seq=1&label=Draft%20%C3%A4", &json!({ "label": "Draft" })).status, 200);
    assert_eq!(patch(&server, "seq=2&label=Final", &json!({ "meta": 7 })).status, 200);
    assert_eq!(
        ask("DELETE", server.address, &format!("{PATH}?seq=2&label=Also%20final"), Some(&writer("bob"))).status,
        204
    );
    let expected = [json!([2, "Final", 7, ["carol"]]), json!([1, "Draft", { "by": [1] }, ["carol"]])];
    assert_eq!(list(&server, ""), expected);
    // Null is nothing that is kept.
    assert_eq!(patch(&server, "seq=2&label=Final", &json!({ "meta": null })).json()["meta"], Value::Null);
    assert_eq!(patch(&server, "seq=1&label=Draft", &json!({})).json()["meta"], json!({ "by": [1] }));
    let expected = [json!([2, "Final", null, ["carol"]]), json!([1, "Draft", { "by": [1] }, ["carol"]])];
    assert_eq!(list(&server, ""), expected);
}

#[test]
fn versions_that_cannot_be_are_refused() {
    let server = with_plan();
    assert_eq!(add(&server, &json!({ "seq": 1, "label": "a" })).status, 201);
    assert_eq!(add(&server, &json!({ "seq": 1, "label": "b" })).status, 201);
    assert_eq!(add(&server, &json!({ "seq": 1, "label": "a" })).error(), (409, "version_exists".into()));
    assert_eq!(patch(&server, "seq=1&label=a", &json!({ "label": "b" })).error(), (409, "version_exists".into()));
    assert_eq!(patch(&server, "seq=1&label=c", &json!({ "label": "d" })).error(), (404, "version_not_found".into()));
    assert_eq!(add(&server, &json!({ "seq": 3, "label": "a" })).error(), (404, "seq_not_found".into()));
    for body in [
        json!({ "seq": 0, "label": "a" }),
        json!({ "seq": 1, "label": "" }),
        json!({ "seq": 1, "label": "x".repeat(201) }),
        json!({ "seq": 1, "label": "\n" }),
        json!({ "seq": 1 }),
    ] {
        assert_eq!(add(&server, &body).error(), (400, "invalid_body".into()), "{body}");
    }
    let delete = |query: &str, token: &str| ask("DELETE", server.address, &format!("{PATH}?{query}"), Some(token));
    assert_eq!(delete("seq=1&label=c", &writer("bob")).error(), (404, "version_not_found".into()));
    assert_eq!(delete("seq=1", &writer("bob")).error(), (400, "invalid_parameter".into()));
    assert_eq!(delete("seq=1&label=a", &reader("bob")).error(), (403, "forbidden".into()));
    assert_eq!(get(server.address, PATH, Some(&reader("bob"))).error(), (403, "forbidden".into()));
    let named = post_json(server.address, PATH, Some(&reader("bob")), &json!({ "seq": 1, "label": "x" }));
    assert_eq!(named.error(), (403, "forbidden".into()));
}

#[test]
fn automatic_versions_are_where_sessions_ended() {
    let server = with_plan();
    assert_eq!(list(&server, "?automatic=true"), [json!([2, null, null, ["alice"]])]);
    assert_eq!(list(&server, "?automatic=false"), [] as [Value; 0]);
}
