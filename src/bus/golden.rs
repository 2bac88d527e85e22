//! Texts as the version before wrote them, frozen: this one reads each of them and writes it so, since servers of both run side by
//! side. A line may be added and none changed before the version that reads it anew has been released; a field that is added must be
//! one that a reader can do without.

use serde_json::Value;
use uuid::Uuid;

use super::frame::{self, Frame};
use super::message;

/// Each kind of message.
const MESSAGES: [&str; 37] = [
    r#"{"k":"hello","label":"a","version":"1.2.0"}"#,
    r#"{"k":"beat","about":{"label":"a","version":"1.2.0"},"rooms":{"count":2,"sum":18446744073709551615},"sent":[["00000000-0000-0000-0000-000000000007",9]]}"#,
    r#"{"k":"rooms","is_anew":true,"begun":[1,18446744073709551615]}"#,
    r#"{"k":"rooms","begun":[1],"ended":[2]}"#,
    r#"{"k":"want"}"#,
    r#"{"k":"who"}"#,
    r#"{"k":"bye"}"#,
    r#"{"k":"revoked"}"#,
    r#"{"k":"room","room":"a b/.c","say":{"r":"entries","row":1,"head":7,"at":5,"entries":[{"seq":6,"kind":1,"author":"ada","via":"bob","at":5,"body":"AP8"},{"seq":7,"kind":2,"author":"ada","at":5,"body":""}],"clients":[[1152921504606846976,"ada"]]}}"#,
    r#"{"k":"room","room":"r","say":{"r":"entries","row":1,"head":7,"at":5,"entries":[],"clients":[]}}"#,
    r#"{"k":"room","room":"r","say":{"r":"state","head":7,"state":{"users":[{"user":"ada","name":"Ada","sockets":2,"state":"{}"}],"states":[{"client":1,"clock":2,"user":"ada","state":"{\"x\":1}"},{"client":3,"clock":4,"user":"bob","state":"{}","is_placeholder":true}],"typing":[["ada","Ada",true]]}}}"#,
    r#"{"k":"room","room":"r","say":{"r":"change","users":[{"user":"ada","name":"Ada","sockets":0,"is_for_good":true}],"states":[{"client":1,"clock":3,"user":"ada"}]}}"#,
    r#"{"k":"room","room":"r","say":{"r":"absent","users":[{"user":"ada","name":"Ada","gone_ms":-5}]}}"#,
    r#"{"k":"room","room":"r","say":{"r":"absent","users":[{"user":"ada","name":"Ada","gone_ms":70}],"is_to_one":true}}"#,
    r#"{"k":"room","room":"r","say":{"r":"signal","s":"event","user":"ada","payload":"e30"}}"#,
    r#"{"k":"room","room":"r","say":{"r":"signal","s":"binary","user":"ada","payload":"AQ"}}"#,
    r#"{"k":"room","room":"r","say":{"r":"signal","s":"stateless","payload":"AQ"}}"#,
    r#"{"k":"room","room":"r","say":{"r":"deleted"}}"#,
    r#"{"k":"room","room":"r","say":{"r":"deleted","row":1}}"#,
    r#"{"k":"room","room":"r","say":{"r":"erased","row":1,"epoch":2}}"#,
    r#"{"k":"room","room":"r","say":{"r":"state","head":7,"state":{},"part":{"number":1,"count":2}}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"presence","room":"r"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"disconnect","room":"r","user":null,"reason":"why"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"roomDeleted","room":"r"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"roomDeleted","room":"r","row":1}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"mayBeDeleted","room":"r"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"direct","user":"ada","text":"{}"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"stats"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"redeem","ticket":"t"}}"#,
    r#"{"k":"ask","id":1,"question":{"q":"say","stream":"00000000-0000-0000-0000-000000000007","user":"ada","said":{"is_binary":true,"payload":"AQ"}}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"presence","users":[["ada","Ada",2]]}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"count","count":3}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"token","token":null}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"uplinked","outcome":"heard"}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"uplinked","outcome":"behind"}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"uplinked","outcome":"gone"}}"#,
    r#"{"k":"answer","id":1,"answer":{"a":"stats","figures":null}}"#,
];

/// What this version writes of what it has read.
fn written(one: &str) -> Vec<String> {
    let (messages, unknown) = message::read(&format!("[{one}]"));
    assert_eq!(unknown, 0, "not understood: {one}");
    messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect()
}

/// Adds a field to each object.
fn add_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            fields.insert("later".to_owned(), serde_json::json!({ "x": [1] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_fields),
        _ => {}
    }
}

#[test]
fn trap_35_what_the_version_before_says_is_read_and_written_as_it_was() {
    for one in MESSAGES {
        assert_eq!(written(one), [one]);
    }
    let text = "tutti1 own 00000000000000000000000000000007 5 2 3\n[{\"k\":\"want\"}]";
    let (from, body) = (Uuid::from_u128(7), "[{\"k\":\"want\"}]");
    assert_eq!(frame::read(text), Some(Frame { is_to_all: false, from, number: 5, part: 2, parts: 3, body }));
    let whole = "tutti1 all 00000000000000000000000000000007 5 1 1\n[{\"k\":\"want\"}]";
    assert_eq!(frame::texts(true, from, &mut 4, body, 1_000), [whole]);
}

#[test]
fn trap_35_fields_that_a_later_version_adds_change_nothing_of_what_is_known() {
    for one in MESSAGES {
        let mut later: Value = serde_json::from_str(one).unwrap();
        add_fields(&mut later);
        assert_eq!(written(&later.to_string()), [one]);
    }
}

#[test]
fn trap_35_kinds_of_a_later_version_are_passed_over_and_what_stands_beside_them_is_read() {
    let later = [
        r#"{"k":"later"}"#,
        r#"{"k":"room","room":"r","say":{"r":"later"}}"#,
        r#"{"k":"room","room":"r","say":{"r":"signal","s":"later"}}"#,
        r#"{"k":"ask","id":1,"question":{"q":"later"}}"#,
        r#"{"k":"answer","id":1,"answer":{"a":"later"}}"#,
        r#"{"k":"answer","id":1,"answer":{"a":"uplinked","outcome":"later"}}"#,
    ];
    for one in later {
        let (messages, unknown) = message::read(&format!("[{one},{}]", r#"{"k":"want"}"#));
        assert_eq!((messages.len(), unknown), (1, 1), "{one}");
    }
}
