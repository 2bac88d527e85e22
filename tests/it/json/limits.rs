//! How long, how deep, how many and how often.

use serde_json::{Value, json};

use crate::support::frame::{self, BINARY, CLOSE, TEXT};
use crate::support::json::{Client, problem};
use crate::support::server::Server;
use crate::support::token::writer;

/// A message of exactly so many bytes.
fn chat_of(bytes: usize) -> String {
    let empty = json!({ "type": "chat.message", "room": "general", "text": "" }).to_string();
    empty.replace("\"text\":\"\"", &format!("\"text\":\"{}\"", "x".repeat(bytes - empty.len())))
}

#[test]
fn rule_21_a_message_at_the_limit_is_taken_and_one_byte_more_ends_the_socket() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let mut bob = Client::join(server.address, &writer("bob"), "general");
    ada.text(&chat_of(1 << 20));
    assert_eq!(ada.until("saved")["seq"], 1);
    // Whoever gets it is no slow consumer for that.
    assert_eq!(bob.until("chat.message")["seq"], 1);
    // Refused by its header, before its payload.
    ada.socket.send(&frame::header(0x80 | TEXT, (1 << 20) + 1));
    assert_eq!(ada.socket.closed().0, 1009);
    bob.chats("general", "still here");
}

#[test]
fn before_the_token_messages_are_short() {
    let server = Server::start();
    let padded = |bytes: usize| {
        let ping = r#"{"type":"ping"}"#;
        format!("{ping}{}", " ".repeat(bytes - ping.len()))
    };
    let mut client = Client::open(server.address);
    client.text(&padded(64 * 1024));
    assert_eq!(client.next()["type"], "pong");
    client.text(&padded(64 * 1024 + 1));
    assert_eq!(client.socket.closed().0, 1009);
}

#[test]
fn a_binary_signal_is_as_long_as_it_may_be_and_no_longer() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let signal = |bytes: usize| [b"\x07general".to_vec(), vec![0; bytes - 8]].concat();
    ada.socket.say(&signal(64 * 1024));
    assert_eq!(ada.heard_until_now("general", "error"), Vec::<Value>::new());
    ada.socket.say(&signal(64 * 1024 + 1));
    assert_eq!(problem(&ada.until("error")), ("too_large", false));
}

#[test]
fn a_length_is_refused_before_what_it_announces() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    ada.socket.send(&frame::header(0x80 | TEXT, 4 << 30));
    assert_eq!(ada.socket.closed().0, 1009);
}

#[test]
fn rule_23_no_text_breaks_the_server_and_each_is_refused_for_what_it_is() {
    let server = Server::start();
    let mut ada = Client::join(server.address, &writer("ada"), "general");
    let event = |payload: &str| format!(r#"{{"type":"a.b","room":"general","payload":{payload}}}"#);
    let nested = |depth: usize| event(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    for (text, code) in [
        (nested(65), "invalid_message"),
        (nested(10_000), "invalid_message"),
        ("[".repeat(10_000), "invalid_json"),
        (event("{\"a\":".repeat(10_000).as_str()), "invalid_json"),
        (event(r#""\u0000""#), "invalid_message"),
        (event(r#"{"\u0000":1}"#), "invalid_message"),
        (event("1e999"), "invalid_message"),
        (event("NaN"), "invalid_json"),
        (event("1,\"color\":1"), "invalid_message"),
        (event(&format!("1,\"{}\":1", "c".repeat(100_000))), "invalid_message"),
        (r#"{"type":"chat.message","room":"general","text":"\u0000"}"#.into(), "invalid_message"),
        (r#"{"type":"chat.message","room":"general","text":7}"#.into(), "invalid_message"),
        (r#"{"type":"chat.message","room":"../general","text":""}"#.into(), "invalid_message"),
        (r#"{"type":"chat.message","type":"ping"}"#.into(), "invalid_message"),
        (r#"{"type":"a.b","room":"general","text":"x"}"#.into(), "invalid_message"),
        (r#"{"type":"room.join","room":"general","since":-1}"#.into(), "invalid_message"),
        (r#"{"type":"room.join","room":"general","since":1.5}"#.into(), "invalid_message"),
        (r#"{"requestId":"r"}"#.into(), "invalid_message"),
        (format!(r#"{{"type":"ping","requestId":"{}"}}"#, "r".repeat(65)), "invalid_message"),
        ("null".into(), "invalid_message"),
        (String::new(), "invalid_json"),
    ] {
        ada.text(&text);
        let error = ada.until("error");
        let shown: String = text.chars().take(80).collect();
        assert_eq!(problem(&error), (code, false), "{shown}: {error}");
        assert!(error.to_string().len() < 800, "{shown}: an error is short");
    }
    ada.text(&nested(64));
    ada.text(r#"{"type":"ping","requestId":""}"#);
    assert_eq!(ada.until("a.b")["seq"], 1);
}

#[test]
fn a_batch_holds_as_many_as_it_may_and_no_more() {
    let server = Server::with(&["--rate-socket", "1000", "--rate-user", "1000"]);
    let mut ada = Client::enter(server.address, &writer("ada"));
    let batch = |count: usize| json!(vec![json!({ "type": "ping" }); count]).to_string();
    ada.text(&batch(256));
    for _ in 0..256 {
        assert_eq!(ada.next()["type"], "pong");
    }
    ada.text(&batch(257));
    assert_eq!(problem(&ada.next()), ("invalid_json", false));
    ada.text("[]");
    assert_eq!(ada.ask(json!({ "type": "ping" }))["type"], "pong");
}

/// Says so many pings at once; how many are answered, and whether all others are refused for now.
fn answered(client: &mut Client, count: usize) -> usize {
    for number in 0..count {
        client.say(json!({ "type": "ping", "requestId": number.to_string() }));
    }
    let heard: Vec<Value> = (0..count).map(|_| client.next()).collect();
    for refused in heard.iter().filter(|message| message["type"] != "pong") {
        assert_eq!(problem(refused), ("rate_limited", true));
        assert!(refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{refused}");
        assert!(refused["requestId"].is_string(), "{refused}");
    }
    heard.iter().filter(|message| message["type"] == "pong").count()
}

#[test]
fn rule_26_a_burst_is_limited_by_socket_and_the_others_notice_nothing() {
    let server = Server::with(&["--rate-socket", "2"]);
    let mut eve = Client::enter(server.address, &writer("eve"));
    let mut ada = Client::enter(server.address, &writer("ada"));
    let count = answered(&mut eve, 90);
    assert!((4..=20).contains(&count), "{count} of 90");
    assert_eq!(answered(&mut ada, 4), 4);
}

#[test]
fn rule_26_a_burst_is_limited_by_user_however_many_sockets_they_have() {
    let server = Server::with(&["--rate-user", "2"]);
    let mut eves = [(); 3].map(|()| Client::enter(server.address, &writer("eve")));
    let count: usize = eves.iter_mut().map(|eve| answered(eve, 50)).sum();
    assert!((4..=30).contains(&count), "{count} of 150");
    assert_eq!(answered(&mut Client::enter(server.address, &writer("ada")), 4), 4);
}

#[test]
fn rule_26_a_burst_is_limited_by_address_however_many_users_it_has() {
    let server = Server::with(&["--rate-address", "2", "--trusted-proxies", "127.0.0.1"]);
    let enter = |user: &str, address: &str| {
        let token = format!("Authorization: Bearer {}", writer(user));
        let mut client = Client::open_with(server.address, "/ws", &[&token, &format!("X-Forwarded-For: {address}")]);
        assert_eq!(client.next()["type"], "auth.success");
        client
    };
    let mut eves = ["eve", "mallory", "trudy"].map(|user| enter(user, "198.51.100.1"));
    let count: usize = eves.iter_mut().map(|eve| answered(eve, 50)).sum();
    assert!((4..=30).contains(&count), "{count} of 150");
    assert_eq!(answered(&mut enter("ada", "198.51.100.2"), 4), 4);
}

#[test]
fn rule_26_a_burst_is_limited_by_room_and_other_rooms_notice_nothing() {
    let server = Server::with(&["--rate-room", "2"]);
    let mut eve = Client::join(server.address, &writer("eve"), "busy");
    let typing = |room| json!({ "type": "typing.started", "room": room });
    let answers: Vec<Value> = (0..60).map(|_| eve.ask(typing("busy"))).collect();
    let refused: Vec<&Value> = answers.iter().filter(|answer| answer["type"] == "error").collect();
    assert!(refused.len() > 20, "{} refused", refused.len());
    assert!(refused.iter().all(|answer| problem(answer) == ("rate_limited", true) && answer["room"] == "busy"));
    let mut ada = Client::join(server.address, &writer("ada"), "quiet");
    assert_eq!(ada.ask(typing("quiet"))["type"], "done");
}

#[test]
fn rule_26_who_goes_on_after_a_hundred_refusals_is_closed_to_come_back() {
    let server = Server::with(&["--rate-socket", "1"]);
    let mut eve = Client::enter(server.address, &writer("eve"));
    let flood: Vec<u8> = (0..1000).flat_map(|_| frame::frame(TEXT, br#"{"type":"ping"}"#)).collect();
    eve.socket.send(&flood);
    let mut refused = 0;
    let code = loop {
        let frame = eve.socket.frame();
        match frame.opcode {
            CLOSE => break frame.close().0,
            TEXT if frame.payload.starts_with(br#"{"type":"error""#) => refused += 1,
            // One that was allowed, since some time has passed, begins the row anew.
            TEXT => refused = 0,
            _ => {}
        }
    };
    assert_eq!((code, refused), (4502, 100));
}

#[test]
fn empty_batches_are_limited_as_messages_are() {
    let server = Server::with(&["--rate-socket", "1"]);
    let mut eve = Client::enter(server.address, &writer("eve"));
    let flood: Vec<u8> = (0..1000).flat_map(|_| frame::frame(TEXT, b"[]")).collect();
    eve.socket.send(&flood);
    assert_eq!(problem(&eve.until("error")), ("rate_limited", true));
    assert_eq!(eve.socket.closed().0, 4502);
}

#[test]
fn binary_frames_are_limited_as_text_is() {
    let server = Server::with(&["--rate-socket", "1"]);
    let mut eve = Client::join(server.address, &writer("eve"), "general");
    let flood: Vec<u8> = (0..1000).flat_map(|_| frame::frame(BINARY, b"\x07generalx")).collect();
    eve.socket.send(&flood);
    assert_eq!(problem(&eve.until("error")), ("rate_limited", true));
    assert_eq!(eve.socket.closed().0, 4502);
}
