//! What rooms and users may have on disk, and who may make rooms: whoever may store no more is told so, and nobody else notices.

use serde_json::json;
use tutti::store::ENTRY_OVERHEAD_BYTES;

use crate::support::editor::{Editor, document, typed};
use crate::support::eventually;
use crate::support::frame::{BINARY, CLOSE};
use crate::support::http::{ask, get, post_json, request};
use crate::support::json::{Client, problem};
use crate::support::message::update;
use crate::support::process::Process;
use crate::support::provider::{Provider, REFUSED, WRITER};
use crate::support::server::Server;
use crate::support::token::{token, writer};

fn is_full() -> (u16, String) {
    (507, "quota_exceeded".to_owned())
}

fn message(length: usize) -> serde_json::Value {
    json!({ "text": "x".repeat(length) })
}

#[test]
fn rule_41_a_full_room_takes_nothing_more_by_any_protocol_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--quota-room-bytes", "20000"];
    let process = Process::start(folder.path(), &options);
    let posted =
        |address| post_json(address, "/api/v1/rooms/full/messages", Some(&writer("eve")), &message(10_000)).error();
    let mut bob = Editor::join(process.address, "full", &writer("bob"), 2);
    let mut ada = Editor::join(process.address, "full", &writer("ada"), 1);
    ada.saves(&"x".repeat(15_000));
    ada.types(&"y".repeat(10_000));
    let (code, reason) = ada.socket.closed();
    assert_eq!(code, 4413, "{reason}");
    assert!(reason.contains("on disk"), "{reason}");

    let mut json = Client::join(process.address, &writer("carl"), "full");
    let answer = json.ask(json!({ "type": "chat.message", "room": "full", "text": "z".repeat(10_000) }));
    assert_eq!(problem(&answer), ("quota_exceeded", false));
    let mut provider = Provider::open(process.address, "full", &writer("dora"), WRITER);
    provider.say("full", &update(&typed(&document(4), &"x".repeat(10_000))));
    provider.until("full", REFUSED);
    assert_eq!(posted(process.address), is_full());

    // Whoever is in the room reads on, and what fits is taken.
    bob.until_text(&"x".repeat(15_000));
    bob.barrier();
    bob.saves("!");
    json.chats("full", "it is full");
    let mut other = Editor::join(process.address, "other", &writer("ada"), 1);
    other.saves(&"x".repeat(15_000));

    process.kill();
    let process = Process::start(folder.path(), &options);
    // The first that is heard of it: what it has is read before.
    assert_eq!(posted(process.address), is_full());
    let mut bob = Editor::join_with(process.address, "full", &writer("bob"), bob.leave());
    bob.barrier();
    assert_eq!(
        get(process.address, "/api/v1/rooms/full/document?format=text", Some(&writer("eve"))).body.len(),
        15_001
    );
}

#[test]
fn rule_41_a_room_has_what_its_pattern_allows_to_the_byte_by_every_way() {
    let rules = "*=5KiB,docs/*=10000,docs/free/*=off,chat/*=1KiB";
    let server = Server::with(&["--quota-room-bytes", rules]);
    let post = |room: &str, length| {
        let path = format!("/api/v1/rooms/{room}/messages");
        post_json(server.address, &path, Some(&writer("ada")), &message(length))
    };
    assert_eq!(post("docs/free/plan", 12_000).status, 201);
    let history = get(server.address, "/api/v1/rooms/docs/free/plan/history", Some(&writer("ada"))).json();
    let beside_text =
        history["entries"][0]["bytes"].as_u64().unwrap() as usize - 12_000 + ENTRY_OVERHEAD_BYTES as usize;
    let fits = |room: &str, bytes: usize| {
        let length = bytes - beside_text;
        assert_eq!(post(&format!("{room}-over"), length + 1).error(), is_full(), "{room}");
        assert_eq!(post(room, length).status, 201, "{room}");
        assert_eq!(post(room, 1).error(), is_full(), "{room}");
    };
    fits("plan", 5 << 10);
    fits("docs/plan", 10_000);
    fits("chat/general", 1 << 10);

    let mut ada = Editor::join(server.address, "chat/edited", &writer("ada"), 1);
    ada.types(&"x".repeat(1 << 10));
    let (code, reason) = ada.socket.closed();
    assert!((code, reason.contains("on disk")) == (4413, true), "{code} {reason}");
    Editor::join(server.address, "docs/edited", &writer("ada"), 1).saves(&"x".repeat(1 << 10));

    let copy = |to: &str| {
        let path = "/api/v1/rooms/docs%2Fedited/copy";
        post_json(server.address, path, Some(&writer("ada")), &json!({ "to": to }))
    };
    assert_eq!(copy("chat/copy").error(), is_full());
    assert_eq!(copy("docs/copy").status, 201);
}

#[test]
fn rule_41_a_user_who_has_enough_on_disk_stores_no_more_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--quota-user-bytes", "20000"];
    let process = Process::start(folder.path(), &options);
    Editor::join(process.address, "room-1", &writer("ada"), 1).saves(&"x".repeat(12_000));
    let mut bob = Editor::join(process.address, "room-2", &writer("bob"), 2);
    let mut ada = Editor::join(process.address, "room-2", &writer("ada"), 1);
    ada.types(&"y".repeat(12_000));
    assert_eq!(ada.socket.closed().0, 4413);
    bob.saves(&"x".repeat(12_000));
    assert_eq!(bob.text().len(), 12_000);

    process.kill();
    let process = Process::start(folder.path(), &options);
    eventually("what users have is counted", || {
        let answer = post_json(process.address, "/api/v1/rooms/room-3/messages", Some(&writer("ada")), &message(6_000));
        (answer.status == 507).then_some(())
    });
    let answer = post_json(process.address, "/api/v1/rooms/room-3/messages", Some(&writer("carl")), &message(6_000));
    assert_eq!(answer.status, 201);
}

#[test]
fn rule_41_only_who_has_admin_access_makes_a_room_where_that_is_asked_for() {
    let server = Server::with(&["--admins-make-rooms"]);
    let mut ada = Editor::join(server.address, "new", &writer("ada"), 1);
    ada.types("mine");
    assert_eq!(ada.socket.closed().0, 4403);
    let messages = "/api/v1/rooms/new/messages";
    let posted = || post_json(server.address, messages, Some(&writer("ada")), &message(1));
    assert_eq!(posted().error(), (403, "forbidden".into()));
    let mut json = Client::join(server.address, &writer("ada"), "new");
    let answer = json.ask(json!({ "type": "chat.message", "room": "new", "text": "mine" }));
    assert_eq!(problem(&answer), ("forbidden", false));
    Editor::join(server.address, "new", &token("root", &["*=admin"]), 2).saves("welcome");
    Editor::join(server.address, "new", &writer("ada"), 1).saves("ours");
    json.chats("new", "ours");
    assert_eq!(posted().status, 201);
}

#[test]
fn rule_41_a_user_makes_so_many_rooms_by_whatever_way_and_an_admin_any_number() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--quota-user-rooms", "3"];
    let process = Process::start(folder.path(), &options);
    let ada = writer("ada");
    let post = |address, room: &str, token: &str| {
        post_json(address, &format!("/api/v1/rooms/{room}/messages"), Some(token), &message(1))
    };
    let copy = |address, to: &str| {
        post_json(address, "/api/v1/rooms/room-1/copy", Some(&ada), &json!({ "to": to, "history": true }))
    };
    let put = |address, room: &str| {
        let head = format!("PUT /api/v1/rooms/{room}/document?format=text&root=t HTTP/1.1\r\nHost: {address}");
        let head = format!("{head}\r\nAuthorization: Bearer {ada}\r\nContent-Length: 4\r\nConnection: close");
        request(address, &format!("{head}\r\n\r\nmine"))
    };
    Editor::join(process.address, "room-1", &ada, 1).saves("mine");
    assert_eq!(put(process.address, "room-2").status, 201);
    assert_eq!(copy(process.address, "room-3").status, 201);

    let refused = |address| {
        assert_eq!(post(address, "over", &ada).error(), is_full());
        assert_eq!(put(address, "over").error(), is_full());
        assert_eq!(copy(address, "over").error(), is_full());
        let mut editor = Editor::join(address, "over", &ada, 2);
        editor.types("mine");
        let (code, reason) = editor.socket.closed();
        assert_eq!(code, 4413, "{reason}");
        assert!(reason.contains("as many rooms as you may"), "{reason}");
        let answer =
            Client::join(address, &ada, "over").ask(json!({ "type": "chat.message", "room": "over", "text": "mine" }));
        assert_eq!(problem(&answer), ("quota_exceeded", false));
        let mut provider = Provider::open(address, "over", &ada, WRITER);
        provider.say("over", &update(&typed(&document(4), "mine")));
        provider.until("over", REFUSED);
        assert_eq!(get(address, "/api/v1/rooms/over", Some(&ada)).status, 404);
        // In what is there, and whoever made it, the user goes on.
        for room in ["room-1", "room-2", "room-3"] {
            assert_eq!(post(address, room, &ada).status, 201);
        }
    };
    refused(process.address);
    process.kill();
    let process = Process::start(folder.path(), &options);
    refused(process.address);
    assert_eq!(post(process.address, "bobs", &writer("bob")).status, 201);
    assert_eq!(post(process.address, "bobs", &ada).status, 201);
    for number in 0..5 {
        assert_eq!(post(process.address, &format!("admins-{number}"), &token("ada", &["*=admin"])).status, 201);
    }
    assert_eq!(post(process.address, "over", &ada).error(), is_full());
}

#[test]
fn rule_41_who_has_deleted_a_room_for_good_makes_another_one_at_once() {
    let server = Server::with(&["--quota-user-rooms", "1"]);
    let (ada, admin) = (writer("ada"), token("root", &["*=admin"]));
    let post =
        |room: &str| post_json(server.address, &format!("/api/v1/rooms/{room}/messages"), Some(&ada), &message(1));
    let put = |room: &str| {
        let head = format!("PUT /api/v1/rooms/{room}/document?format=text&root=t HTTP/1.1\r\nHost: {}", server.address);
        let head = format!("{head}\r\nAuthorization: Bearer {ada}\r\nContent-Length: 4\r\nConnection: close");
        request(server.address, &format!("{head}\r\n\r\nmine"))
    };
    assert_eq!(post("room-0").status, 201);
    for number in 0..4 {
        let (old, new) = (format!("room-{number}"), format!("room-{}", number + 1));
        assert_eq!((post(&new).error(), put(&new).error()), (is_full(), is_full()));
        assert_eq!(ask("DELETE", server.address, &format!("/api/v1/rooms/{old}?hard=true"), Some(&admin)).status, 200);
        let made = if number % 2 == 0 { post(&new) } else { put(&new) };
        assert_eq!(made.status, 201, "{}", made.text());
    }
}

#[test]
fn rule_41_of_rooms_that_a_user_makes_at_once_there_are_never_more() {
    let server = Server::with(&["--quota-user-rooms", "5"]);
    let made = std::thread::scope(|scope| {
        let make = |number: u64| {
            let (room, ada) = (format!("room-{number}"), writer("ada"));
            if number.is_multiple_of(2) {
                let answer =
                    post_json(server.address, &format!("/api/v1/rooms/{room}/messages"), Some(&ada), &message(1));
                assert!(answer.status == 201 || answer.error() == is_full(), "{answer:?}");
                return answer.status == 201;
            }
            let mut editor = Editor::join(server.address, &room, &ada, number);
            let echo = update(&editor.types("mine"));
            loop {
                let frame = editor.socket.frame();
                match frame.opcode {
                    BINARY if frame.payload == echo => return true,
                    CLOSE => {
                        assert_eq!(frame.close().0, 4413);
                        return false;
                    }
                    _ => {}
                }
            }
        };
        let making: Vec<_> = (0..20).map(|number| scope.spawn(move || make(number))).collect();
        making.into_iter().map(|making| making.join().unwrap()).filter(|is_made| *is_made).count()
    });
    let rooms = get(server.address, "/api/v1/rooms", Some(&writer("ada"))).json();
    assert_eq!((made, rooms["rooms"].as_array().unwrap().len()), (5, 5), "{rooms}");
}

#[test]
fn rule_41_what_is_deleted_counts_for_nobody_and_what_was_there_before_quotas_counts() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    Editor::join(process.address, "old", &writer("ada"), 1).saves(&"x".repeat(18_000));
    process.kill();
    let process = Process::start(folder.path(), &["--quota-user-bytes", "20000", "--quota-room-bytes", "20000"]);
    let post = |room: &str, user: &str, length| {
        let path = format!("/api/v1/rooms/{room}/messages");
        post_json(process.address, &path, Some(&writer(user)), &message(length))
    };
    // A room is counted before anything is stored in it.
    assert_eq!(post("old", "carl", 10_000).error(), is_full());
    eventually("what there was is counted", || (post("new", "ada", 1_000).status == 507).then_some(()));
    let admin = token("root", &["*=admin"]);
    assert_eq!(ask("DELETE", process.address, "/api/v1/rooms/old", Some(&admin)).status, 200);
    eventually("what was deleted does not count", || (post("newer", "ada", 1_000).status == 201).then_some(()));
}
