//! A document's whole history in one answer.

use serde_json::{Value, json};
use yrs::{Array, Map, Transact, XmlElementPrelim, XmlFragment, XmlTextPrelim};

use crate::support::editor::{Editor, deleted_at};
use crate::support::http::{Answer, get};
use crate::support::message;
use crate::support::server::Server;
use crate::support::token::{looking_back, reader, token, writer};

fn replay(server: &Server, query: &str, token: &str) -> Answer {
    get(server.address, &format!("/api/v1/rooms/docs/plan/replay{query}"), Some(token))
}

/// Sends what a transaction makes of a document, as alice.
fn sends(alice: &mut Editor, change: impl FnOnce(&yrs::Doc) -> Vec<u8>) {
    let update = change(&alice.doc);
    alice.socket.say(&message::update(&update));
    alice.barrier();
}

#[test]
fn a_replay_has_all_units_with_the_edits_that_inserted_and_deleted_them() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "docs/plan", &writer("alice"), 1);
    alice.saves("one ");
    let mut bob = Editor::join(server.address, "docs/plan", &writer("bob"), 2);
    bob.until_text("one ");
    bob.saves("😀");
    alice.until_text("one 😀");
    sends(&mut alice, |doc| deleted_at(doc, 0, 4));
    let answer = replay(&server, "", &writer("carol")).json();
    assert_eq!(answer["edits"]["at"].as_array().unwrap().len(), 3);
    let mut told = answer.clone();
    told["edits"]["at"] = Value::Null;
    let expected = json!({
        "room": "docs/plan", "seq": 3, "root": "t", "kind": "text", "authors": ["alice", "bob"],
        "edits": { "count": 3, "seq": [1, 1, 3], "at": null, "by": [0, 1, 2, 0, 0, 1] },
        "units": { "text": "one 😀", "inserted": [1, 0, 4, 2, 0, 2], "deleted": [3, 0, 4, 0, 0, 2], "by": [0, 0, 4, 1, 0, 2] },
        "moved": [],
        "nodes": [],
        "pairs": [],
    });
    assert_eq!(told, expected);
}

#[test]
fn elements_attributes_and_marks_are_units_too() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "docs/plan", &writer("alice"), 1);
    let element = |doc: &yrs::Doc, level: &str| {
        let root = doc.get_or_insert_xml_fragment("x");
        let mut txn = doc.transact_mut();
        let heading = match root.get(&txn, 0) {
            Some(node) => node.into_xml_element().unwrap(),
            None => {
                let heading = root.push_back(&mut txn, XmlElementPrelim::empty("heading"));
                heading.push_back(&mut txn, XmlTextPrelim::new("Hi"));
                heading
            }
        };
        yrs::Xml::insert_attribute(&heading, &mut txn, "level", level);
        txn.encode_update_v1()
    };
    sends(&mut alice, |doc| element(doc, "1"));
    sends(&mut alice, |doc| element(doc, "2"));
    let answer = replay(&server, "?root=x", &writer("carol")).json();
    assert_eq!(
        (&answer["kind"], &answer["units"]["text"]),
        (&json!("xml"), &json!("\u{fffc}\u{fffc}Hi\u{fffc}\u{fffc}"))
    );
    let nodes = json!([
        { "kind": "element", "at": 0, "end": 6, "name": "heading" },
        { "kind": "text", "at": 1, "end": 4 },
        { "kind": "attribute", "at": 4, "key": "level", "value": "1" },
        { "kind": "attribute", "at": 5, "key": "level", "value": "2" },
    ]);
    assert_eq!(answer["nodes"], nodes);
    // What was replaced is over with the edit that replaced it.
    assert_eq!(
        (&answer["units"]["inserted"], &answer["units"]["deleted"]),
        (&json!([1, 0, 5, 2, 0, 1]), &json!([0, 0, 4, 2, -2, 2]))
    );
}

#[test]
fn a_replay_is_for_those_who_may_look_back() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "docs/plan", &writer("alice"), 1);
    alice.saves("one");
    assert_eq!(replay(&server, "", &reader("bob")).error(), (403, "forbidden".into()));
    let foreign = token("mallory", &["docs/plan=none", "*=write"]);
    assert_eq!(replay(&server, "", &foreign).error(), (404, "room_not_found".into()));
    assert_eq!(replay(&server, "", &looking_back("bob")).status, 200);
    assert_eq!(replay(&server, "?at=1", &writer("bob")).error(), (400, "invalid_parameter".into()));
    assert_eq!(
        get(server.address, "/api/v1/rooms/none/replay", Some(&writer("bob"))).error(),
        (404, "room_not_found".into())
    );
}

#[test]
fn what_is_neither_text_nor_xml_has_no_replay_and_nothing_has_an_empty_one() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "docs/plan", &writer("alice"), 1);
    let said = crate::support::http::post_json(
        server.address,
        "/api/v1/rooms/docs/plan/messages",
        Some(&writer("alice")),
        &json!({ "text": "hi" }),
    );
    assert_eq!(said.status, 201);
    let empty = replay(&server, "", &writer("bob")).json();
    assert_eq!((&empty["seq"], &empty["root"], &empty["edits"]["count"]), (&json!(1), &Value::Null, &json!(0)));
    sends(&mut alice, |doc| {
        let (list, map) = (doc.get_or_insert_array("list"), doc.get_or_insert_map("map"));
        let mut txn = doc.transact_mut();
        list.push_back(&mut txn, 1);
        map.insert(&mut txn, "key", 1);
        txn.encode_update_v1()
    });
    assert_eq!(replay(&server, "", &writer("bob")).error(), (400, "root_needed".into()));
    for root in ["list", "map"] {
        assert_eq!(
            replay(&server, &format!("?root={root}"), &writer("bob")).error(),
            (400, "invalid_parameter".into())
        );
    }
    assert_eq!(replay(&server, "?root=none", &writer("bob")).error(), (404, "root_not_found".into()));
}
