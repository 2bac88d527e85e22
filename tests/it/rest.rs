//! REST: who may ask what, what is answered, and what is wrong with a question.

use serde_json::json;
use yrs::updates::decoder::Decode;
use yrs::{Transact, Update};

use crate::support::editor::{Editor, document, text};
use crate::support::http::{Answer, get, post_json, request};
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

/// Every route below a room.
const OF_ROOM: [&str; 4] = ["", "/history", "/document", "/presence"];

/// A server whose room `docs/plan` has the entries `one `, `two `, `three` by alice, bob and alice.
fn with_plan() -> (Server, Editor) {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "docs/plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(server.address, "docs/plan", &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves("two ");
    alice.until_text("one two ");
    alice.saves("three");
    (server, alice)
}

fn read(server: &Server, path: &str) -> Answer {
    get(server.address, &format!("/api/v1/rooms{path}"), Some(&reader("carol")))
}

fn seqs(answer: &Answer) -> Vec<u64> {
    let entries = answer.json();
    entries["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[test]
fn rule_16_each_route_answers_no_token_foreign_tokens_readers_and_writers_as_the_policy_says() {
    let (server, _alice) = with_plan();
    let foreign = token("mallory", &["docs/plan=none", "other/*=admin"]);
    for route in OF_ROOM {
        let ask = |token: Option<&str>| get(server.address, &format!("/api/v1/rooms/docs/plan{route}"), token);
        assert_eq!(ask(None).error(), (401, "unauthorized".into()), "{route}");
        assert_eq!(ask(None).header("www-authenticate"), Some("Bearer"));
        assert_eq!(ask(Some("garbage")).error(), (401, "unauthorized".into()), "{route}");
        assert_eq!(ask(Some(&foreign)).error(), (404, "room_not_found".into()), "{route}");
        assert_eq!(ask(Some(&reader("carol"))).status, 200, "{route}");
        assert_eq!(ask(Some(&writer("dave"))).status, 200, "{route}");
    }
    let list = |token: Option<&str>| get(server.address, "/api/v1/rooms", token);
    assert_eq!(list(None).error(), (401, "unauthorized".into()));
    assert_eq!(list(Some(&foreign)).json(), json!({ "rooms": [], "next": null }));
    assert_eq!(list(Some(&reader("carol"))).json()["rooms"][0]["room"], "docs/plan");
}

#[test]
fn rule_18_unknown_and_forbidden_rooms_give_byte_identical_bodies() {
    let (server, _alice) = with_plan();
    let foreign = token("mallory", &["docs/plan=none", "*=write"]);
    for route in OF_ROOM {
        let ask = |room: &str| get(server.address, &format!("/api/v1/rooms/{room}{route}"), Some(&foreign));
        let (forbidden, unknown) = (ask("docs/plan"), ask("docs/nothing"));
        assert_eq!((forbidden.status, &forbidden.body), (404, &unknown.body), "{route}");
        assert_eq!(unknown.status, 404);
        let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&forbidden), names(&unknown));
    }
}

#[test]
fn a_room_tells_its_seq_times_and_what_the_token_allows() {
    let (server, _alice) = with_plan();
    let room = read(&server, "/docs/plan").json();
    assert_eq!((&room["room"], &room["seq"], &room["access"]), (&json!("docs/plan"), &json!(3), &json!("read")));
    let (created, updated) = (room["createdAt"].as_str().unwrap(), room["updatedAt"].as_str().unwrap());
    assert!(created <= updated && created.len() == "2026-01-01T00:00:00.000Z".len(), "{room}");
    let own = get(server.address, "/api/v1/rooms/docs%2Fplan", Some(&writer("dave"))).json();
    assert_eq!(own["access"], "write");
}

#[test]
fn rooms_are_listed_by_prefix_and_page_by_page() {
    let server = Server::start();
    for (id, room) in ["a/1", "a/2", "a/3", "b/1", "b%2F2"].iter().enumerate() {
        Editor::join(server.address, room, &writer("alice"), id as u64 + 1).saves("x");
    }
    let names = |query: &str| -> (Vec<String>, serde_json::Value) {
        let page = read(&server, query).json();
        let rooms = page["rooms"].as_array().unwrap();
        (rooms.iter().map(|room| room["room"].as_str().unwrap().to_owned()).collect(), page["next"].clone())
    };
    assert_eq!(names(""), (["a/1", "a/2", "a/3", "b/1", "b/2"].map(String::from).into(), json!(null)));
    assert_eq!(names("?prefix=a/").0, ["a/1", "a/2", "a/3"]);
    assert_eq!(names("?prefix=%25").0, [""; 0]);
    assert_eq!(names("?limit=2"), (["a/1", "a/2"].map(String::from).into(), json!("a/2")));
    assert_eq!(names("?limit=2&after=a/2"), (["a/3", "b/1"].map(String::from).into(), json!("b/1")));
    assert_eq!(names("?limit=2&after=b/1"), (["b/2".to_owned()].into(), json!(null)));
    let some = token("carol", &["b/*=read"]);
    let rooms = get(server.address, "/api/v1/rooms", Some(&some)).json();
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 2);
}

#[test]
fn history_is_read_by_seq_forwards_backwards_and_by_author() {
    let (server, _alice) = with_plan();
    let history = |query: &str| read(&server, &format!("/docs/plan/history{query}"));
    assert_eq!(seqs(&history("")), [1, 2, 3]);
    assert_eq!(history("").json()["next"], json!(null));
    assert_eq!(seqs(&history("?after=1")), [2, 3]);
    assert_eq!(seqs(&history("?before=3")), [1, 2]);
    assert_eq!(seqs(&history("?after=1&before=3")), [2]);
    assert_eq!(seqs(&history("?author=alice")), [1, 3]);
    assert_eq!(seqs(&history("?kind=edit&author=bob")), [2]);
    assert_eq!(seqs(&history("?kind=message")), [0; 0]);
    let (first, last) = (history("?limit=2"), history("?before=4&limit=2"));
    assert_eq!((seqs(&first), &first.json()["next"]), (vec![1, 2], &json!(2)));
    assert_eq!((seqs(&last), &last.json()["next"]), (vec![2, 3], &json!(2)));
    let entry = &history("").json()["entries"][0];
    assert_eq!((&entry["kind"], &entry["author"]), (&json!("edit"), &json!("alice")));
    assert!(entry["bytes"].as_u64().unwrap() > 4 && entry["at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_document_as_text_json_and_yjs_is_what_a_client_has() {
    let (server, alice) = with_plan();
    let answer = |query: &str| read(&server, &format!("/docs/plan/document{query}"));
    let as_text = answer("?format=text");
    assert_eq!((as_text.text(), as_text.header("tutti-seq")), (&*alice.text(), Some("3")));
    assert_eq!(answer("?format=text&root=t").text(), alice.text());
    assert_eq!(answer("").json(), json!({ "t": alice.text() }));
    assert_eq!(answer("?format=json&root=t").json(), json!(alice.text()));
    let doc = document(9);
    let state = answer("?format=yjs");
    doc.transact_mut().apply_update(Update::decode_v1(&state.body).unwrap()).unwrap();
    assert_eq!(text(&doc), alice.text());
    let types = ["?format=text", "?format=json", "?format=yjs"]
        .map(|query| answer(query).header("content-type").map(String::from));
    let expected = ["text/plain; charset=utf-8", "application/json", "application/octet-stream"];
    assert_eq!(types, expected.map(|name| Some(name.to_owned())));
}

#[test]
fn wrong_parameters_are_named() {
    let (server, _alice) = with_plan();
    let cases = [
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=x", "limit"),
        ("?limit=1&limit=1", "limit"),
        ("?after=a//b", "after"),
        ("?typo=1", "typo"),
        ("/docs/plan/history?after=-1", "after"),
        ("/docs/plan/history?before=x", "before"),
        ("/docs/plan/history?kind=edits", "kind"),
        ("/docs/plan/history?limit=1001", "limit"),
        ("/docs/plan/document?format=html", "format"),
        ("/docs/plan/document?format=yjs&root=t", "root"),
        ("/docs/plan/document?formt=text", "formt"),
        ("/docs//plan", "room name"),
        ("/docs/plan%00", "room name"),
    ];
    for (path, name) in cases {
        let answer = read(&server, path);
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{path}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(name), "{path}: {message}");
    }
    assert_eq!(read(&server, "?limit=1000").status, 200);
    assert_eq!(read(&server, "/docs/plan/history?limit=1000").status, 200);
}

#[test]
fn a_root_that_is_not_there_and_a_path_that_is_nothing_are_404_by_their_own_codes() {
    let (server, _alice) = with_plan();
    assert_eq!(read(&server, "/docs/plan/document?root=nothing").error(), (404, "root_not_found".into()));
    assert_eq!(get(server.address, "/api/v1/nothing", None).error(), (404, "not_found".into()));
    assert_eq!(get(server.address, "/", None).status, 404);
    assert_eq!(get(server.address, "/echo", None).status, 404);
}

#[test]
fn health_and_readiness_need_no_token() {
    let server = Server::start();
    assert_eq!(get(server.address, "/healthz", None).json(), json!({ "status": "alive" }));
    assert_eq!(get(server.address, "/readyz", None).json(), json!({ "status": "ready", "bus": "none" }));
}

#[test]
fn a_body_that_is_an_object_is_no_array_of_its_values() {
    let server = Server::with(&["--demo"]);
    let admin = token("root", &["*=admin"]);
    assert_eq!(
        post_json(server.address, "/api/v1/rooms/plan/messages", Some(&admin), &json!({"type": "a.b"})).status,
        201
    );
    let arrays = [
        ("POST", "/api/v1/rooms/plan/disconnect", json!([null, null])),
        ("POST", "/api/v1/rooms/plan/restore", json!([0, null, null, null, true])),
        ("POST", "/api/v1/rooms/plan/versions", json!([1, "label", null])),
        ("PATCH", "/api/v1/rooms/plan/versions?seq=1&label=label", json!([null, 1])),
        ("PATCH", "/api/v1/rooms/plan/document", json!([[]])),
        ("POST", "/api/v1/users/ada/messages", json!([{}])),
        ("POST", "/api/v1/revocations", json!(["eve", null, null])),
        ("POST", "/api/v1/webhooks", json!(["http://127.0.0.1:1/", null, null, null, null, true])),
        ("PATCH", "/api/v1/webhooks/wh_0", json!([null, null, null, true])),
        ("POST", "/demo/token", json!(["Eve", null, "read"])),
        (
            "POST",
            "/api/v1/rooms/plan/messages",
            json!([[
                "a.b", null, null, null, null, false, null, null, null, false, null, null, null, null, null, 0, 0, 0, 0
            ]]),
        ),
    ];
    for (method, path, body) in arrays {
        let body = body.to_string();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {admin}\r\n");
        let answer =
            request(server.address, &format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"));
        assert_eq!(answer.error(), (400, "invalid_body".into()), "{method} {path} {body}: {}", answer.text());
        assert!(answer.text().contains("object"), "{}", answer.text());
    }
}
