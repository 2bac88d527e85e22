//! Rooms as resources: what an app keeps with them, lists by it and by change, how much they hold.

use serde_json::{Value, json};

use crate::support::editor::Editor;
use crate::support::http::{Answer, ask, get, post_json, request};
use crate::support::server::Server;
use crate::support::token::{reader, token, writer};

fn admin() -> String {
    token("root", &["*=admin"])
}

fn patch(server: &Server, room: &str, token: &str, body: &str) -> Answer {
    let address = server.address;
    request(
        address,
        &format!(
            "PATCH /api/v1/rooms/{room} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
    )
}

fn chat(server: &Server, room: &str) {
    let path = format!("/api/v1/rooms/{room}/messages");
    assert_eq!(post_json(server.address, &path, Some(&writer("alice")), &json!({ "text": "hi" })).status, 201);
}

fn list(server: &Server, query: &str) -> (Vec<String>, Value) {
    let page = get(server.address, &format!("/api/v1/rooms?{query}"), Some(&reader("bob"))).json();
    let rooms = page["rooms"].as_array().unwrap_or_else(|| panic!("{page}")).iter();
    (rooms.map(|room| room["room"].as_str().unwrap().to_owned()).collect(), page["next"].clone())
}

#[test]
fn what_an_app_keeps_with_a_room_is_shown_and_rooms_are_found_by_it() {
    let server = Server::start();
    for room in ["a", "b", "c"] {
        chat(&server, room);
    }
    let changed = patch(&server, "a", &admin(), r#"{"meta":{"status":"draft","pages":3}}"#);
    assert_eq!((changed.status, &changed.json()["meta"]), (200, &json!({ "status": "draft", "pages": 3 })));
    patch(&server, "b", &admin(), r#"{"meta":{"status":"draft","pages":"3"}}"#);
    patch(&server, "c", &admin(), r#"{"meta":{"status":"done"}}"#);
    let one = get(server.address, "/api/v1/rooms/a", Some(&reader("bob"))).json();
    assert_eq!(one["meta"], json!({ "status": "draft", "pages": 3 }));
    assert_eq!(list(&server, "meta=%7B%22status%22:%22draft%22%7D").0, ["a", "b"]);
    assert_eq!(list(&server, "meta=%7B%22status%22:%22draft%22,%22pages%22:3%7D").0, ["a"]);
    assert_eq!(list(&server, "meta=%7B%22status%22:null%7D").0, [""; 0]);
    assert_eq!(list(&server, "meta=%7B%7D").0, ["a", "b", "c"]);
    assert_eq!(patch(&server, "a", &admin(), r#"{"meta":null}"#).json()["meta"], Value::Null);
    assert_eq!(list(&server, "meta=%7B%22status%22:%22draft%22%7D").0, ["b"]);
    // The longest, and one byte more.
    let longest = |bytes: usize| format!(r#"{{"meta":{{"k":"{}"}}}}"#, "x".repeat(bytes - 8));
    assert_eq!(patch(&server, "a", &admin(), &longest(4_096)).status, 200);
    for (body, token, error) in [
        (&*longest(4_097), admin(), (400, "invalid_body")),
        (r#"{"meta":[1]}"#, admin(), (400, "invalid_body")),
        (r#"{}"#, admin(), (400, "invalid_body")),
        (r#"{"meta":{},"name":"b"}"#, admin(), (400, "invalid_body")),
        (r#"{"meta":{}}"#, writer("alice"), (403, "forbidden")),
    ] {
        assert_eq!(patch(&server, "a", &token, body).error(), (error.0, error.1.to_owned()), "{body}");
    }
    assert_eq!(patch(&server, "nobody", &admin(), r#"{"meta":{}}"#).error(), (404, "room_not_found".into()));
    ask("DELETE", server.address, "/api/v1/rooms/b", Some(&admin()));
    assert_eq!(patch(&server, "b", &admin(), r#"{"meta":{}}"#).error(), (410, "room_deleted".into()));
}

#[test]
fn rooms_are_listed_by_their_last_changes_page_by_page() {
    let server = Server::start();
    for room in ["a", "b:1", "c", "d", "a"] {
        chat(&server, room);
    }
    let mut rooms = Vec::new();
    let mut after = String::new();
    loop {
        let (page, next) = list(&server, &format!("sort=updated&limit=2{after}"));
        assert!(page.len() <= 2);
        rooms.extend(page);
        let Some(next) = next.as_str() else { break };
        after = format!("&after={next}");
    }
    // Changes of one millisecond are in the order of the names.
    rooms[1..].sort();
    assert_eq!(rooms, ["a", "b:1", "c", "d"]);
    let (oldest_first, _) = list(&server, "sort=name");
    assert_eq!(oldest_first, ["a", "b:1", "c", "d"]);
    for query in ["sort=size", "sort=updated&after=a", "sort=updated&deleted=true", "meta=1", "meta=%7B"] {
        let answer = get(server.address, &format!("/api/v1/rooms?{query}"), Some(&reader("bob")));
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{query}");
    }
}

#[test]
fn a_room_tells_how_much_it_holds() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "plan", &writer("alice"), 1);
    alice.saves("one ");
    alice.saves("two ");
    chat(&server, "plan");
    let version = json!({ "seq": 1, "label": "first" });
    post_json(server.address, "/api/v1/rooms/plan/versions", Some(&writer("alice")), &version);
    let room = get(server.address, "/api/v1/rooms/plan?size=true", Some(&reader("bob"))).json();
    let size = &room["size"];
    let counts = ["edits", "messages", "events", "steps", "versions"].map(|name| size[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 0, 0, 1], "{room}");
    assert!(size["entryBytes"].as_u64().unwrap() > 20, "{room}");
    assert_eq!(get(server.address, "/api/v1/rooms/plan", Some(&reader("bob"))).json()["size"], Value::Null);
}
