//! Event streams: the JSON protocol without a WebSocket, with the bounds and rights of one.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};

use serde_json::{Value, json};
use tutti::auth::now_s;

use crate::support::editor::Editor;
use crate::support::events::{Event, Events};
use crate::support::http::{Answer, ask, get, post_json, post_text};
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::tls::Pair;
use crate::support::token::{reader, token, token_until, writer};
use crate::support::{DEADLINE, eventually};

const ROOM: &str = "/api/v1/rooms/room/events";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn publish(address: SocketAddr, room: &str, text: &str) -> u64 {
    let path = format!("/api/v1/rooms/{room}/messages");
    let answer = post_json(address, &path, Some(&writer("rest")), &json!({ "text": text }));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["seq"].as_u64().unwrap()
}

/// An answer that is no stream.
fn refused(address: SocketAddr, path: &str, headers: &[&str]) -> (u16, String) {
    let mut events = Events::ask(address, path, headers);
    let length = events.answer.header("content-length").map(|length| length.parse::<usize>().unwrap());
    assert!(length.is_some(), "{:?}", events.answer);
    events.stream.shutdown(Shutdown::Write).unwrap();
    events.answer.body = events.rest().into_bytes();
    events.answer.error()
}

#[test]
fn a_room_without_entries_answers_and_waits_and_entries_come_with_their_seq() {
    let server = Server::start();
    let mut ada = Events::open(server.address, ROOM, &reader("ada"));
    assert_eq!(ada.answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(ada.answer.header("cache-control"), Some("no-store"));
    assert_eq!(ada.answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(ada.answer.header("content-encoding"), None);
    let joined = ada.next();
    assert_eq!((&joined.name[..], joined.id), ("room.joined", Some(0)), "who comes back goes on behind this");
    assert_eq!(joined.json()["access"], "read");
    assert_eq!(ada.next().name, "presence.state");
    assert_eq!(publish(server.address, "room", "hello"), 1);
    let entry = ada.next();
    assert_eq!((entry.id, &entry.name[..], &entry.json()["text"]), (Some(1), "chat.message", &json!("hello")));
    let other = Client::join(server.address, &writer("bob"), "room");
    let diff = ada.next();
    assert_eq!((diff.id, &diff.name[..]), (None, "presence.diff"));
    drop(other);
}

#[test]
fn a_page_of_an_allowed_origin_may_read_a_stream_and_nothing_on_the_way_packs_it() {
    let server = Server::with(&["--allowed-origins", "https://app.example.com"]);
    let good = bearer(&reader("ada"));
    let allowed = [&good[..], "Origin: https://app.example.com", "Accept-Encoding: gzip, br"];
    let mut ada = Events::open_with(server.address, ROOM, &allowed);
    assert_eq!(ada.answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    for header in ["content-encoding", "content-length", "transfer-encoding"] {
        assert_eq!(ada.answer.header(header), None, "{header}");
    }
    ada.until("room.joined");
    let other = Events::open_with(server.address, ROOM, &[&good, "Origin: https://evil.example.com"]);
    assert_eq!(other.answer.header("access-control-allow-origin"), None, "the browser keeps it from the page");
}

#[test]
fn the_data_is_what_a_websocket_is_sent() {
    let server = Server::start();
    let mut stream = Events::open(server.address, ROOM, &reader("ada"));
    stream.until("presence.state");
    let mut socket = Client::join(server.address, &writer("bob"), "room");
    stream.until("presence.diff");
    // White space of an author is kept, and ends no field of an event.
    let payload = "{\"a\":\n\n1,\r\n\"data\": \"event: close\\n\\n\"}";
    socket.text(&format!(r#"{{"type":"chat.message","room":"room","text":"é","payload":{payload}}}"#));
    let heard = loop {
        let frame = socket.socket.frame();
        if String::from_utf8_lossy(&frame.payload).contains("event: close") {
            break String::from_utf8(frame.payload).unwrap();
        }
    };
    let event = stream.next();
    assert_eq!(event.data, heard.replace("\r\n", "\n\n"), "a line's end is one of three");
    socket.say(json!({ "type": "typing.started", "room": "room" }));
    let typing = stream.next();
    assert_eq!((typing.id, &typing.json()["typing"]), (None, &json!(true)));
    socket.say(json!({ "type": "order.updated", "room": "room", "ephemeral": true }));
    assert_eq!(stream.next().name, "order.updated");
    let mut frame = vec![4];
    frame.extend_from_slice(b"room\xff\x00");
    socket.socket.send(&crate::support::frame::frame(crate::support::frame::BINARY, &frame));
    assert_eq!(stream.next(), Event { id: None, name: "binary".into(), data: "BHJvb20DYm9i/wA=".into() });
}

#[test]
fn who_comes_back_gets_what_it_missed_once_and_the_header_wins() {
    let server = Server::start();
    for number in 1..=5 {
        assert_eq!(publish(server.address, "room", &number.to_string()), number);
    }
    let seqs = |events: &mut Events, count: usize| -> Vec<Option<u64>> {
        events.until("room.joined");
        let mut entries = std::iter::repeat_with(|| events.next()).filter(|event| event.name == "chat.message");
        entries.by_ref().take(count).map(|event| event.id).collect()
    };
    let token = reader("ada");
    let mut by_query = Events::open(server.address, &format!("{ROOM}?since=2"), &token);
    assert_eq!(seqs(&mut by_query, 3), [Some(3), Some(4), Some(5)]);
    let headers = [&bearer(&token)[..], "Last-Event-ID: 4"];
    let mut by_header = Events::open_with(server.address, &format!("{ROOM}?since=2"), &headers);
    assert_eq!(seqs(&mut by_header, 1), [Some(5)]);
    // Nothing is missed: who is cut off now goes on behind the end.
    let mut up_to_date = Events::open(server.address, &format!("{ROOM}?since=5"), &token);
    let joined = up_to_date.next();
    assert_eq!((joined.id, &joined.json()["recovered"]), (Some(5), &json!(true)));
    // The timeline is shorter than the client remembers.
    let mut beyond = Events::open(server.address, &format!("{ROOM}?since=9"), &token);
    let joined = beyond.next();
    assert_eq!((joined.id, &joined.json()["recovered"]), (Some(5), &json!(false)));
}

#[test]
fn more_than_may_be_replayed_is_said_honestly() {
    let server = Server::with(&["--replay-entries-max", "2"]);
    for number in 1..=4 {
        publish(server.address, "room", &number.to_string());
    }
    let mut events = Events::open(server.address, &format!("{ROOM}?since=1"), &reader("ada"));
    let joined = events.until("room.joined");
    assert_eq!((&joined["recovered"], &joined["seq"]), (&json!(false), &json!(4)));
}

#[test]
fn edits_come_to_who_asks_for_them() {
    let server = Server::start();
    let mut without = Events::open(server.address, ROOM, &reader("ada"));
    let mut with = Events::open(server.address, &format!("{ROOM}?edits=true"), &reader("ada"));
    with.until("room.joined");
    let mut editor = Editor::join(server.address, "room", &writer("bob"), 1);
    editor.saves("typed");
    let edit = with.until("edit");
    assert_eq!((&edit["user"], &edit["seq"]), (&json!("bob"), &json!(1)));
    let seq = publish(server.address, "room", "after");
    without.until("room.joined");
    let names: Vec<_> = std::iter::repeat_with(|| without.next())
        .map_while(|event| (event.id != Some(seq)).then_some(event.name))
        .collect();
    assert!(!names.contains(&"edit".to_owned()), "{names:?}");
}

#[test]
fn who_may_not_is_refused_as_by_rest() {
    let server = Server::with(&["--query-tokens=false"]);
    let address = server.address;
    let some = bearer(&token("ada", &["mine/*=read"]));
    let expired = bearer(&token_until("ada", &["*=read"], now_s() - 1000));
    for path in [ROOM, "/api/v1/events"] {
        for headers in [&[][..], &[&expired[..]][..], &["Authorization: Bearer x"][..], &["Cookie: token=x"][..]] {
            assert_eq!(refused(address, path, headers), (401, "unauthorized".into()), "{path} {headers:?}");
        }
        for query in ["ticket=unknown", &format!("token={}", writer("ada"))] {
            assert_eq!(refused(address, &format!("{path}?{query}"), &[]).0, 401, "{query}");
        }
    }
    assert_eq!(refused(address, ROOM, &[&some]), (404, "room_not_found".into()));
    let wrong = ["since=x", "since=-1", "edits=1", "nothing=1", "since=1&since=2", "since=99999999999999999999"];
    let good = bearer(&writer("ada"));
    for query in wrong {
        assert_eq!(
            refused(address, &format!("{ROOM}?{query}"), &[&good]),
            (400, "invalid_parameter".into()),
            "{query}"
        );
    }
    assert_eq!(refused(address, ROOM, &[&good, "Last-Event-ID: x"]).0, 400);
    assert_eq!(refused(address, "/api/v1/rooms/a//b/events", &[&good]).0, 400);
    for (method, path) in [("POST", ROOM), ("HEAD", ROOM), ("DELETE", "/api/v1/events"), ("GET", "/api/v1/events/x")] {
        assert_eq!(ask(method, address, path, Some(&writer("ada"))).status, 405, "{method} {path}");
    }
}

#[test]
fn rule_5_a_ticket_opens_one_stream_and_its_token_decides_what() {
    let server = Server::start();
    let issue = || {
        let answer = post_json(server.address, "/api/v1/tickets", Some(&token("ada", &["room=read"])), &json!({}));
        answer.json()["ticket"].as_str().unwrap().to_owned()
    };
    let path = format!("{ROOM}?ticket={}", issue());
    let mut first = Events::open_with(server.address, &path, &[]);
    assert_eq!(first.until("room.joined")["access"], "read");
    assert_eq!(refused(server.address, &path, &[]).0, 401, "it is good once");
    let elsewhere = format!("/api/v1/rooms/other/events?ticket={}", issue());
    assert_eq!(refused(server.address, &elsewhere, &[]), (404, "room_not_found".into()));
    let by_token = format!("{ROOM}?token={}", reader("ada"));
    Events::open_with(server.address, &by_token, &[]).until("room.joined");
}

#[test]
fn a_room_with_escaped_slashes_is_one_segment_and_never_read_for_suffixes() {
    let server = Server::start();
    let address = server.address;
    let admin = token("ada", &["*=admin"]);
    for suffix in ["history", "document", "events", "presence", "messages", "disconnect"] {
        let room = format!("docs/{suffix}");
        let escaped = format!("docs%2F{suffix}");
        assert_eq!(publish(address, &escaped, suffix), 1);
        let one = get(address, &format!("/api/v1/rooms/{escaped}"), Some(&admin));
        assert_eq!((one.status, &one.json()["room"]), (200, &json!(room)), "{one:?}");
        let history = get(address, &format!("/api/v1/rooms/{escaped}/history"), Some(&admin));
        assert_eq!(history.json()["room"], room);
        let mut events = Events::open(address, &format!("/api/v1/rooms/{escaped}/events?since=0"), &admin);
        assert_eq!(events.until("room.joined")["room"], room);
        assert_eq!(events.until("chat.message")["text"], suffix);
        let lower = get(address, &format!("/api/v1/rooms/docs%2f{suffix}"), Some(&admin));
        assert_eq!(lower.json()["room"], room);
    }
    // With slashes as they are, the last one is the suffix.
    Events::open(address, "/api/v1/rooms/docs/events/events", &admin).until("room.joined");
    assert_eq!(get(address, "/api/v1/rooms/docs/history/history", Some(&admin)).json()["room"], "docs/history");
}

#[test]
fn a_client_talks_by_requests_and_hears_the_answers_on_its_stream() {
    let server = Server::start();
    let (address, ada_token) = (server.address, writer("ada"));
    let mut bob = Client::join(address, &writer("bob"), "room");
    let mut ada = Events::open(address, "/api/v1/events", &ada_token);
    let joined = ada.ask_for(&ada_token, json!({ "type": "room.join", "room": "room" }));
    assert_eq!((&joined["type"], &joined["access"]), (&json!("room.joined"), &json!("write")));
    bob.until("presence.diff");
    let saved = ada.ask_for(&ada_token, json!({ "type": "chat.message", "room": "room", "text": "hi", "key": "k" }));
    assert_eq!(saved["type"], "saved");
    assert_eq!(bob.until("chat.message")["user"], "ada");
    let again = ada.ask_for(&ada_token, json!({ "type": "chat.message", "room": "room", "text": "hi", "key": "k" }));
    assert_eq!(again["seq"], saved["seq"], "what is said again is stored once");
    assert_eq!(ada.say(&ada_token, &json!([{ "type": "typing.started", "room": "room" }])).status, 204);
    assert_eq!(bob.until("user.typing")["typing"], true);
    let state = json!({ "type": "presence.update", "room": "room", "state": { "status": "away" } });
    assert_eq!(ada.ask_for(&ada_token, state)["type"], "done");
    let diff = bob.find("ada's state", |message| message["updates"][0]["user"] == "ada");
    assert_eq!(diff["updates"][0]["state"], json!({ "status": "away" }));
    assert_eq!(ada.ask_for(&ada_token, json!({ "type": "ping" }))["type"], "pong");
    bob.say(json!({ "type": "direct.message", "to": "ada", "payload": 1 }));
    assert_eq!(ada.until("direct.message")["user"], "bob");
    let missing = ada.ask_for(&ada_token, json!({ "type": "chat.message", "room": "other", "text": "hi" }));
    assert_eq!(missing["code"], "not_joined");
}

#[test]
fn what_is_said_again_under_one_key_is_heard_once() {
    let server = Server::start();
    let token = writer("ada");
    let mut ada = Events::open(server.address, "/api/v1/events", &token);
    ada.ask_for(&token, json!({ "type": "room.join", "room": "room" }));
    let says = |key: &str| {
        let body = json!({ "type": "chat.message", "room": "room", "text": "hi" });
        post_json(server.address, &format!("/api/v1/events/{}?key={key}", ada.client), Some(&token), &body)
    };
    let longest = "k".repeat(64);
    for key in ["1", "1", &longest, &longest, "1"] {
        assert_eq!(says(key).status, 204);
    }
    for key in ["", &"k".repeat(65)] {
        assert_eq!(says(key).error(), (400, "invalid_parameter".into()));
    }
    assert_eq!(publish(server.address, "room", "end"), 3);
}

#[test]
fn bytes_are_said_by_a_request_of_their_type() {
    let server = Server::start();
    let (address, ada_token) = (server.address, writer("ada"));
    let mut bob = Client::join(address, &writer("bob"), "room");
    let mut ada = Events::open(address, ROOM, &ada_token);
    ada.until("presence.state");
    let head = format!(
        "POST /api/v1/events/{} HTTP/1.1\r\nHost: localhost\r\n{}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: 7\r\nConnection: close\r\n\r\n\x04room\x01\x02",
        ada.client,
        bearer(&ada_token)
    );
    assert_eq!(crate::support::http::request(address, &head).status, 204);
    let heard = loop {
        if let crate::support::json::Heard::Bytes(bytes) = bob.hear() {
            break bytes;
        }
    };
    assert_eq!(heard, b"\x04room\x03ada\x01\x02");
}

#[test]
fn rule_15_nobody_else_speaks_for_a_stream() {
    let server = Server::start();
    let address = server.address;
    let mut ada = Events::open(address, ROOM, &writer("ada"));
    let ping = json!({ "type": "ping" });
    let gone = (404, "stream_not_found".to_owned());
    assert_eq!(ada.say(&writer("mallory"), &ping).error(), gone);
    assert_eq!(ada.say("x", &ping).status, 401);
    assert_eq!(ada.say(&reader("ada"), &ping).status, 204, "another token of the same user does");
    for client in ["x", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(post_json(address, &format!("/api/v1/events/{client}"), Some(&writer("ada")), &ping).error(), gone);
    }
    let path = format!("/api/v1/events/{}", ada.client);
    let is_refused = |answer: Answer, status| assert_eq!(answer.status, status, "{answer:?}");
    is_refused(post_text(address, &path, Some(&writer("ada")), &"x".repeat(2 << 20)), 413);
    is_refused(post_text(address, &path, Some(&writer("ada")), "no json"), 204);
    assert_eq!(ada.until("error")["code"], "invalid_json");
    drop(ada);
    eventually("a stream that has ended is gone", || {
        let answer = post_json(address, &path, Some(&writer("ada")), &ping);
        (answer.status == 404).then_some(())
    });
}

#[test]
fn a_stream_that_only_reads_may_not_write() {
    let server = Server::start();
    let token = reader("ada");
    let mut ada = Events::open(server.address, ROOM, &token);
    ada.until("room.joined");
    let answer = ada.ask_for(&token, json!({ "type": "chat.message", "room": "room", "text": "x" }));
    assert_eq!(answer["code"], "read_only");
    // Also with a token that may: the stream's own decides.
    let answer = ada.ask_for(&writer("ada"), json!({ "type": "chat.message", "room": "room", "text": "x" }));
    assert_eq!(answer["code"], "read_only");
}

#[test]
fn rule_13_a_stream_ends_with_its_token_and_lives_on_with_a_fresh_one() {
    let server = Server::with(&["--jwt-leeway-s", "0"]);
    let token_for = |s| token_until("ada", &["*=read"], now_s() + s);
    let mut ada = Events::open(server.address, ROOM, &token_for(12));
    let mut renewed = Events::open(server.address, ROOM, &token_for(12));
    renewed.until("token.expiring");
    let fresh = token_for(3600);
    let answer = renewed.ask_for(&fresh, json!({ "type": "authenticate", "token": fresh }));
    assert_eq!(answer["type"], "auth.success");
    let (code, reason) = ada.closed();
    assert_eq!(code, 4504, "{reason}");
    publish(server.address, "room", "on");
    assert_eq!(renewed.until("chat.message")["text"], "on");
}

#[test]
fn rule_13_another_users_token_ends_a_stream() {
    let server = Server::start();
    let mut ada = Events::open(server.address, ROOM, &writer("ada"));
    let answer = ada.say(&writer("ada"), &json!({ "type": "authenticate", "token": writer("bob") }));
    assert_eq!(answer.status, 204);
    assert_eq!(ada.closed().0, 4401);
}

#[test]
fn rule_14_revocation_ends_a_stream_with_4401() {
    let server = Server::start();
    let mut ada = Events::open(server.address, ROOM, &writer("ada"));
    ada.until("presence.state");
    let root = token("root", &["*=admin"]);
    assert_eq!(post_json(server.address, "/api/v1/revocations", Some(&root), &json!({ "sub": "ada" })).status, 201);
    assert_eq!(ada.closed().0, 4401);
    assert_eq!(refused(server.address, ROOM, &[&bearer(&writer("ada"))]).0, 401);
}

#[test]
fn rule_15_who_is_put_out_of_the_room_of_a_stream_is_told_and_closed() {
    let server = Server::start();
    let mut of_room = Events::open(server.address, ROOM, &writer("ada"));
    of_room.until("presence.state");
    let mut of_client = Events::open(server.address, "/api/v1/events", &writer("ada"));
    of_client.ask_for(&writer("ada"), json!({ "type": "room.join", "room": "room" }));
    let root = token("root", &["*=admin"]);
    let path = "/api/v1/rooms/room/disconnect";
    let answer = post_json(server.address, path, Some(&root), &json!({ "user": "ada", "reason": "enough" }));
    assert_eq!(answer.json()["disconnected"], 2);
    assert_eq!(of_room.until("room.evicted")["reason"], "enough");
    assert_eq!(of_room.closed().0, 4403);
    of_client.until("room.evicted");
    assert_eq!(of_client.ask_for(&writer("ada"), json!({ "type": "ping" }))["type"], "pong", "it may have other rooms");
}

#[test]
fn who_leaves_the_room_of_a_stream_ends_it() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &writer("bob"), "room");
    let mut ada = Events::open(server.address, ROOM, &writer("ada"));
    ada.until("presence.state");
    assert_eq!(bob.until("presence.diff")["joins"][0]["user"], "ada");
    ada.say(&writer("ada"), &json!({ "type": "room.leave", "room": "room" }));
    assert_eq!(ada.closed().0, 1000);
    assert_eq!(bob.until("presence.diff")["leaves"], json!(["ada"]));
}

#[test]
fn who_ends_a_stream_on_purpose_leaves_at_once() {
    let server = Server::start();
    let mut bob = Client::join(server.address, &writer("bob"), "room");
    let mut ada = Events::open(server.address, ROOM, &writer("ada"));
    ada.until("presence.state");
    assert_eq!(bob.until("presence.diff")["joins"][0]["user"], "ada");
    let path = format!("/api/v1/events/{}", ada.client);
    assert_eq!(ask("DELETE", server.address, &path, Some(&writer("mallory"))).status, 404);
    assert_eq!(ask("DELETE", server.address, &path, Some(&writer("ada"))).status, 204);
    assert_eq!(ada.closed().0, 1000);
    assert_eq!(bob.until("presence.diff")["leaves"], json!(["ada"]));
}

#[test]
fn who_hangs_up_leaves_the_room() {
    let server = Server::with(&["--presence-grace-ms", "1"]);
    let mut bob = Client::join(server.address, &writer("bob"), "room");
    let mut ada = Events::open(server.address, ROOM, &writer("ada"));
    ada.until("presence.state");
    assert_eq!(bob.until("presence.diff")["joins"][0]["user"], "ada");
    ada.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(bob.until("presence.diff")["leaves"], json!(["ada"]));
}

#[test]
fn what_a_client_sends_behind_its_request_ends_the_stream() {
    let server = Server::start();
    let mut ada = Events::open(server.address, ROOM, &writer("ada"));
    ada.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(ada.closed().0, 1002);
}

#[test]
fn a_stream_that_was_sent_nothing_gets_a_comment() {
    let server = Server::with(&["--keepalive-interval-ms", "100"]);
    let mut ada = Events::open(server.address, ROOM, &reader("ada"));
    ada.until("presence.state");
    for _ in 0..3 {
        ada.comment();
    }
    publish(server.address, "room", "x");
    ada.until("chat.message");
}

#[test]
fn rule_36_streams_count_as_connections_of_their_address_and_in_all() {
    for options in [["--sockets-per-ip-max", "2"], ["--sockets-max", "2"]] {
        let server = Server::with(&options);
        let good = bearer(&writer("ada"));
        let first = Events::open(server.address, ROOM, &writer("ada"));
        let _second = Client::enter(server.address, &writer("ada"));
        assert_eq!(refused(server.address, ROOM, &[&good]), (503, "try_later".into()));
        drop(first);
        eventually("its place is free again", || {
            let events = Events::ask(server.address, ROOM, &[&good]);
            (events.answer.status == 200).then_some(())
        });
    }
}

#[test]
fn a_stream_gives_its_place_among_requests_back() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_after("ulimit -n 400", folder.path(), &[]);
    // More than there are places for requests alone.
    let limit = (1..).map(|_| Events::ask(process.address, ROOM, &[&bearer(&writer("ada"))]));
    let streams: Vec<Events> = limit.take_while(|events| events.answer.status == 200).take(1000).collect();
    assert!(streams.len() > 100, "{}", streams.len());
    for _ in 0..20 {
        assert_eq!(get(process.address, "/healthz", None).status, 200, "with {} streams", streams.len());
    }
}

#[test]
fn an_orderly_stop_ends_streams_with_1001() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &[]);
    let mut ada = Events::open(process.address, ROOM, &writer("ada"));
    ada.until("presence.state");
    process.terminate();
    ada.until("server.draining");
    let (code, reason) = ada.closed();
    assert_eq!((code, reason.is_empty()), (1001, false));
    assert_eq!(process.wait(DEADLINE).code(), Some(0), "{}", process.log());
}

#[test]
fn a_stream_works_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (process, _) = Pair::write(folder.path()).serve(folder.path(), &[]);
    let mut ada = Events::open(process.address, ROOM, &writer("ada"));
    ada.until("presence.state");
    let long = "long ".repeat(50_000);
    publish(process.address, "room", &long);
    assert_eq!(ada.until("chat.message")["text"], long);
    assert_eq!(ada.ask_for(&writer("ada"), json!({ "type": "ping" }))["type"], "pong");
}

#[test]
fn rule_28_a_stream_whose_peer_reads_nothing_ends_and_costs_no_more_than_its_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(
        folder.path(),
        &["--rate-room", "1000000", "--rate-user", "1000000", "--rate-address", "1000000"],
    );
    let mut reading = Events::open(process.address, ROOM, &reader("bob"));
    reading.until("presence.state");
    let slow = Events::open(process.address, ROOM, &reader("ada"));
    let before = process.memory_bytes();
    let text = "x".repeat(60_000);
    for number in 1..=400 {
        assert_eq!(publish(process.address, "room", &text), number);
        reading.until("chat.message");
    }
    let users = || {
        let answer = get(process.address, "/api/v1/rooms/room/presence", Some(&reader("eve")));
        answer.json()["users"].as_array().unwrap().iter().map(|user| user["user"].clone()).collect::<Vec<Value>>()
    };
    eventually("who reads nothing is out", || (!users().contains(&json!("ada"))).then_some(()));
    let grown = process.memory_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown}");
    process.log_with("code=4500", 1);
    drop(slow);
}
