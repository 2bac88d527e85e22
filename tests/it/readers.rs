//! Who may only read: sees everything, is seen, and changes nothing.

use serde_json::{Value, json};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, Transact, Update};

use crate::support::editor::{Editor, deleted, deleted_at, document, typed};
use crate::support::events::Events;
use crate::support::http::{get, post_json, request};
use crate::support::json::Client;
use crate::support::message::{self, BARRIER, Message, QUERY, State, awareness};
use crate::support::provider::{Provider, READER, WRITER, auth};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{looking_back, reader, writer};

fn head(server: &Server) -> u64 {
    get(server.address, "/api/v1/rooms/room", Some(&writer("auditor"))).json()["seq"].as_u64().unwrap()
}

#[test]
fn a_reader_gets_the_document_and_every_edit() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("before ");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("before ");
    alice.types("after");
    bob.until_text("before after");
}

#[test]
fn rule_20_a_readers_edit_is_denied_in_band_and_neither_relayed_nor_stored() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("hers");
    for forbidden in [message::update, message::step2] {
        let edit = typed(&bob.doc, "his");
        bob.socket.say(&forbidden(&edit));
        assert!(matches!(bob.take(), Message::Denied(reason) if reason.contains("read-only")));
    }
    bob.socket.say(BARRIER);
    assert!(matches!(bob.take(), Message::Denied(_)));
    alice.saves("!");
    assert_eq!((alice.text(), alice.updates.len()), ("hers!".into(), 2));
    assert_eq!(head(&server), 2);
    bob.until("the edit after the denials", |_, message| matches!(message, Message::Update(_)));
}

#[test]
fn a_readers_answer_to_step1_that_adds_nothing_is_not_denied() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("hers");
    bob.socket.say(&message::step2(&[0, 0]));
    bob.socket.say(QUERY);
    assert!(matches!(bob.take(), Message::Awareness(_)));
}

#[test]
fn a_reader_that_has_nothing_is_not_asked_for_anything() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers");
    let mut bob = Socket::yjs(server.address, "room", &reader("bob"));
    bob.say(message::STEP1_EMPTY);
    assert!(matches!(bob.message(), Message::Step2(_)));
    bob.say(QUERY);
    assert!(matches!(bob.message(), Message::Awareness(_)));
}

/// Joins as a reader with a document that was read before.
fn back(server: &Server, doc: Doc) -> Editor {
    let mut bob = Editor::join_with(server.address, "room", &reader("bob"), doc);
    bob.until("the question", |_, message| matches!(message, Message::Step1(_)));
    bob.socket.say(QUERY);
    bob
}

#[test]
fn a_reader_that_deleted_something_while_away_is_denied_and_one_that_did_not_is_not() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("hers, and more");
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("hers, and more");

    let mut bob = back(&server, bob.leave());
    assert!(matches!(bob.take(), Message::Awareness(_)));
    let doc = bob.leave();
    deleted(&doc, 4);
    let mut bob = back(&server, doc);
    assert!(matches!(bob.take(), Message::Denied(reason) if reason.contains("read-only")));
    alice.saves("!");
    assert_eq!(alice.text(), "hers, and more!");
    bob.until("alice's edit", |_, message| matches!(message, Message::Update(_)));
}

#[test]
fn a_readers_answer_may_be_as_long_as_the_deletions_that_it_was_sent() {
    let server = Server::with(&["--reader-message-bytes-max", "2000"]);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves(&"x".repeat(4_000));
    for index in 0..2_000 {
        let edit = deleted_at(&alice.doc, index, 1);
        alice.socket.say(&message::update(&edit));
    }
    alice.barrier();
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text(&alice.text());
    for _ in 0..2 {
        bob = back(&server, bob.leave());
        assert!(matches!(bob.take(), Message::Awareness(_)));
    }
    let doc = bob.leave();
    deleted(&doc, 1);
    assert!(matches!(back(&server, doc).take(), Message::Denied(_)));
}

#[test]
fn a_reader_that_typed_offline_is_denied_and_stays_connected() {
    let server = Server::start();
    let offline = document(2);
    typed(&offline, "offline");
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join_with(server.address, "room", &reader("bob"), offline);
    bob.until("the denial", |_, message| matches!(message, Message::Denied(_)));
    alice.saves("hers");
    bob.until("alice's edit", |_, message| matches!(message, Message::Update(_)));
    assert_eq!(alice.text(), "hers");
}

#[test]
fn a_readers_edit_longer_than_its_messages_may_be_is_denied_in_band() {
    let server = Server::start();
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.types(&"x".repeat(5_000_000));
    bob.until("the denial", |_, message| matches!(message, Message::Denied(reason) if reason.contains("read-only")));
    bob.socket.say(QUERY);
    bob.until("an answer", |_, message| matches!(message, Message::Awareness(_)));
}

#[test]
fn a_reader_is_seen_by_others_and_by_rest() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.socket.say(&awareness(2, 1, r#"{"user":{"name":"B"}}"#));
    let expected = State { client: 2, clock: 2, json: r#"{"user":{"name":"B"}}"#.into() };
    alice.until("bob's state", |_, message| *message == Message::Awareness(vec![expected.clone()]));
    let users = get(server.address, "/api/v1/rooms/room/presence", Some(&reader("carol"))).json();
    let names: Vec<&str> =
        users["users"].as_array().unwrap().iter().map(|user| user["user"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "bob"]);
}

#[test]
fn rule_17_nobody_can_change_or_remove_anothers_state() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    alice.socket.say(&awareness(1, 1, r#""hers""#));
    bob.until("alice's state", |_, message| matches!(message, Message::Awareness(_)));
    bob.socket.say(&awareness(1, 5, r#""forged""#));
    bob.socket.say(&awareness(1, 6, "null"));
    bob.barrier();
    let mut carol = Editor::join(server.address, "room", &writer("carol"), 3);
    carol.socket.say(QUERY);
    carol.until("the states", |_, message| matches!(message, Message::Awareness(_)));
    assert_eq!(carol.states[0], State { client: 1, clock: 2, json: r#""hers""#.into() });
}

#[test]
fn a_state_may_have_32_kib_and_a_longer_one_is_told_so_in_band() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    let json = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    alice.socket.say(&awareness(1, 1, &json(32 * 1024)));
    bob.until("the largest state", |_, message| matches!(message, Message::Awareness(_)));
    alice.socket.say(&awareness(1, 2, &json(32 * 1024 + 1)));
    let denial = alice.until("a denial", |_, message| matches!(message, Message::Denied(_)));
    assert!(matches!(denial, Message::Denied(reason) if reason.contains("32768")));
    alice.saves("still typing");
    bob.until_text("still typing");
}

/// Alice types `secret draft` into `room`, deletes `secret `, and says something.
fn with_draft(server: &Server) -> Editor {
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves("secret draft");
    alice.socket.say(&message::update(&deleted(&alice.doc, 7)));
    alice.barrier();
    let said = json!({ "text": "hello" });
    assert_eq!(post_json(server.address, "/api/v1/rooms/room/messages", Some(&writer("alice")), &said).status, 201);
    alice
}

/// Comes back to `room` for all of it, edits included; the types of the entries up to the next edit that is made there.
fn entries_on_ws(server: &Server, token: &str, alice: &mut Editor) -> Vec<String> {
    let mut client = Client::enter(server.address, token);
    client.say(json!({ "type": "room.join", "room": "room", "since": 0, "edits": true }));
    assert_eq!(client.until("room.joined")["recovered"], true);
    let mut kinds = Vec::new();
    client.find("who is there", |message| {
        kinds.extend(message["seq"].is_u64().then(|| message["type"].as_str().unwrap().to_owned()));
        message["type"] == "presence.state"
    });
    alice.saves("!");
    assert_eq!(client.until("edit")["user"], "alice");
    kinds
}

fn entries_of_events(server: &Server, token: &str, alice: &mut Editor) -> Vec<String> {
    let mut events = Events::open(server.address, "/api/v1/rooms/room/events?since=0&edits=true", token);
    assert_eq!(events.until("room.joined")["recovered"], true);
    let entries = std::iter::repeat_with(|| events.next()).take_while(|event| event.name != "presence.state");
    let kinds = entries.filter(|event| event.id.is_some()).map(|event| event.name).collect();
    alice.saves("!");
    assert_eq!(events.until("edit")["user"], "alice");
    kinds
}

#[test]
fn trap_3_a_reader_is_told_no_edits_from_before_it_came() {
    let server = Server::start();
    let mut alice = with_draft(&server);
    let drafts = ["edit", "edit", "chat.message"];
    for entries in [entries_on_ws, entries_of_events] {
        assert_eq!(entries(&server, &reader("bob"), &mut alice), ["chat.message"]);
    }
    let all = entries_on_ws(&server, &looking_back("carol"), &mut alice);
    assert_eq!((&all[..3], all.len()), (&drafts.map(str::to_owned)[..], 5));
    let all = entries_of_events(&server, &writer("dora"), &mut alice);
    assert_eq!((&all[..3], all.len()), (&drafts.map(str::to_owned)[..], 6));
}

#[test]
fn a_reader_who_asks_for_edits_is_told_of_more_messages_than_edits_may_be_replayed() {
    let server = Server::with(&["--replay-entries-max", "2"]);
    let mut alice = with_draft(&server);
    assert_eq!(entries_on_ws(&server, &reader("bob"), &mut alice), ["chat.message"]);
    let mut carol = Client::enter(server.address, &writer("carol"));
    carol.say(json!({ "type": "room.join", "room": "room", "since": 0, "edits": true }));
    assert_eq!(carol.until("room.joined")["recovered"], false);
}

/// The state as `/yjs` gives it to who has nothing.
fn state_on_yjs(server: &Server, token: &str) -> Vec<u8> {
    let mut socket = Socket::yjs(server.address, "room", token);
    socket.say(message::STEP1_EMPTY);
    let answer = socket.until("the state", |message| matches!(message, Message::Step2(_)));
    let Message::Step2(state) = answer else { unreachable!() };
    state
}

fn state_on_hocuspocus(server: &Server, token: &str) -> Vec<u8> {
    let mut provider = Provider::connect(server.address);
    provider.say("room", &auth(token, None));
    provider.say("room", message::STEP1_EMPTY);
    loop {
        let payload = provider.socket.payload();
        // The address, the kind, and whether it is a Step2.
        if let Some([0 | 4, 1, rest @ ..]) = payload.get(5..) {
            return rest.to_vec();
        }
    }
}

fn state_of_rest(server: &Server, token: &str) -> Vec<u8> {
    let answer = get(server.address, "/api/v1/rooms/room/document?format=yjs", Some(token));
    assert_eq!(answer.status, 200);
    answer.body
}

#[test]
fn trap_3_a_reader_is_not_sent_what_is_deleted_also_where_it_is_kept() {
    let server = Server::with(&["--gc-off-rooms", "*"]);
    let _alice = with_draft(&server);
    let shows = |state: &[u8], what: &str| state.windows(what.len()).any(|bytes| bytes == what.as_bytes());
    for state in [state_on_yjs, state_on_hocuspocus, state_of_rest] {
        // Twice each: what is kept for one is not for the other.
        for _ in 0..2 {
            let told = state(&server, &reader("bob"));
            assert!(shows(&told, "draft") && !shows(&told, "secret"), "{told:?}");
            for token in [writer("carol"), looking_back("dora")] {
                assert!(shows(&state(&server, &token), "secret draft"));
            }
        }
    }
    let mut bob = Editor::join(server.address, "room", &reader("bob"), 2);
    bob.until_text("draft");
}

/// A request with a body of JSON, by a writer.
fn write(server: &Server, method: &str, path: &str, body: &Value) {
    let (body, token) = (body.to_string(), writer("alice"));
    let answer = request(
        server.address,
        &format!(
            "{method} /api/v1/rooms/room/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            server.address,
            body.len(),
        ),
    );
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

#[test]
fn trap_3_a_reader_is_not_sent_what_lies_in_an_element_that_the_server_deleted() {
    let paragraph = |text: &str| json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] });
    let without = json!({ "type": "doc", "content": [paragraph("shown")] });
    let with = json!({ "type": "doc", "content": [paragraph("shown"), paragraph("secret")] });
    let delete = json!({ "operations": [{ "op": "delete", "path": ["x"], "index": 1, "length": 1 }] });
    let put = "document?format=prosemirror&root=x";
    for args in [&[][..], &["--gc-off-rooms", "*"]] {
        for (method, path, body) in
            [("PUT", put, &without), ("PATCH", "document", &delete), ("POST", "restore", &json!({ "to": 1 }))]
        {
            let server = Server::with(args);
            write(&server, "PUT", put, &without);
            write(&server, "PUT", put, &with);
            write(&server, method, path, body);
            for state in [state_on_yjs, state_of_rest] {
                let told = state(&server, &reader("carol"));
                let shows = |what: &[u8]| told.windows(what.len()).any(|bytes| bytes == what);
                assert!(shows(b"shown") && !shows(b"secret"), "{method}: {told:?}");
                let doc = Doc::new();
                let root = doc.get_or_insert_xml_fragment("x");
                doc.transact_mut().apply_update(Update::decode_v1(&told).unwrap()).unwrap();
                assert_eq!(root.get_string(&doc.transact()), "<paragraph>shown</paragraph>", "{method}");
            }
        }
    }
}

#[test]
fn who_may_look_back_no_more_is_shown_no_more_of_the_past() {
    let server = Server::with(&["--gc-off-rooms", "*"]);
    let _alice = with_draft(&server);
    let mut bob = Provider::open(server.address, "room", &writer("bob"), WRITER);
    bob.say("room", &auth(&reader("bob"), None));
    bob.until("room", READER);
    bob.say("room", message::STEP1_EMPTY);
    let state = loop {
        let payload = bob.socket.payload();
        if let Some([0 | 4, 1, rest @ ..]) = payload.get(5..) {
            break rest.to_vec();
        }
    };
    assert!(!state.windows(6).any(|bytes| bytes == b"secret"), "{state:?}");
}
