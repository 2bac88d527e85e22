//! What REST tells of changes in anything but a text.

use serde_json::{Value, json};

use crate::support::http::{get, request};
use crate::support::server::Server;
use crate::support::token::writer;

/// Alice writes a document, an entry each time.
fn with_entries(writes: &[(&str, &str, Value)]) -> Server {
    let server = Server::start();
    for (method, query, body) in writes {
        let (body, token) = (body.to_string(), writer("alice"));
        let answer = request(
            server.address,
            &format!(
                "{method} /api/v1/rooms/room/document{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                server.address,
                body.len(),
            ),
        );
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    }
    server
}

/// Takes out when it was and whose it is, having looked at that.
fn without_stamps(told: &mut Value, seq: u64) {
    if let Some(object) = told.as_object_mut() {
        if let Some(by) = object.remove("by") {
            assert_eq!((by, object.remove("seq")), (json!("alice"), Some(json!(seq))));
            assert!(object.remove("at").is_some_and(|at| at.is_string()));
        }
        object.values_mut().for_each(|value| without_stamps(value, seq));
    } else if let Some(list) = told.as_array_mut() {
        list.iter_mut().for_each(|value| without_stamps(value, seq));
    }
}

fn difference(server: &Server, query: &str) -> Value {
    let answer = get(server.address, &format!("/api/v1/rooms/room/diff?{query}"), Some(&writer("bob")));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut told = answer.json();
    without_stamps(&mut told, 2);
    json!([told["kind"], told["ops"], told["keys"]])
}

#[test]
fn a_difference_of_a_map_tells_keys_and_what_changed_in_shared_types_of_it() {
    let was = json!({ "m": { "title": "a", "tags": ["x", "z"], "gone": { "n": 1 }, "same": [1] } });
    let is = json!({ "m": { "title": "b", "tags": ["x", "y"], "new": { "n": 1 }, "same": [1] } });
    let put = "?nested=shared&key=";
    let server = with_entries(&[("PUT", &format!("{put}1"), was.clone()), ("PUT", &format!("{put}2"), is)]);
    let inner = |change: Value| json!({ "kind": "map", "keys": { "n": change } });
    assert_eq!(
        difference(&server, "from=1"),
        json!(["map", [], {
            "title": { "from": "a", "to": "b" },
            "tags": { "modify": { "ops": [{ "retain": 1 }, { "insert": ["y"] }, { "delete": 1, "values": ["z"] }] } },
            "gone": { "type": inner(json!({ "from": 1 })) },
            "new": { "create": inner(json!({ "to": 1 })) },
        }])
    );
    let back = difference(&server, "from=2&to=1");
    assert_eq!(back[2]["title"], json!({ "from": "b", "to": "a" }));
    assert_eq!(back[2]["gone"], json!({ "create": inner(json!({ "to": 1 })) }));
    assert_eq!(difference(&server, "from=2&to=2"), json!(["map", [], null]));
    let text = get(server.address, "/api/v1/rooms/room/diff?from=1&format=text", Some(&writer("bob")));
    let text = text.text();
    for line in ["-  \"title\": \"a\"", "+  \"title\": \"b\"", "     \"x\",", "-    \"z\"", "+    \"y\""] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
}

#[test]
fn a_difference_of_xml_tells_elements_attributes_and_formats() {
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let heading = |level: u8| json!({ "type": "heading", "attrs": { "level": level }, "content": text("Title") });
    let paragraph = |content: Value| json!({ "type": "paragraph", "content": content });
    let bold =
        json!([{ "type": "text", "text": "one " }, { "type": "text", "text": "two", "marks": [{ "type": "bold" }] }]);
    let of = |content: Value| json!({ "type": "doc", "content": content });
    let put = "?format=prosemirror&root=x";
    let server = with_entries(&[
        ("PUT", put, of(json!([heading(1), paragraph(text("one two")), paragraph(text("gone"))]))),
        ("PUT", put, of(json!([heading(2), paragraph(bold)]))),
    ]);
    let told = difference(&server, "from=1");
    assert_eq!(told[0], "fragment");
    assert_eq!(
        told[1][0],
        json!({ "modify": { "keys": { "level": { "from": 1, "to": 2 } } , "ops": [{ "retain": 1 }] } })
    );
    let formats = &told[1][1]["modify"]["ops"][0]["modify"]["ops"];
    assert_eq!(*formats, json!([{ "retain": 4 }, { "retain": 3, "attributes": { "bold": {} } }]));
    let gone = json!({ "kind": "element", "name": "paragraph", "ops": [
        { "delete": 1, "type": { "kind": "xmlText", "ops": [{ "delete": 4, "text": "gone" }] } },
    ] });
    assert_eq!(told[1][2], json!({ "delete": 1, "type": gone }));
}
