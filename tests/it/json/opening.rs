//! The welcome, and every way in which a token comes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::json::{Client, problem};
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::{token_until, writer};
use tutti::auth::now_s;

#[test]
fn the_first_word_tells_the_protocol_and_the_rhythm() {
    let server = Server::with(&["--ping-interval-ms", "12000"]);
    let socket = Socket::open(server.address, &upgrade("/ws", &["Sec-WebSocket-Protocol: tutti.v1"]), &[]);
    assert_eq!(socket.answer.header("sec-websocket-protocol"), Some("tutti.v1"));
    let mut socket = socket;
    let welcome: serde_json::Value = serde_json::from_slice(&socket.frame().payload).unwrap();
    assert_eq!((&welcome["type"], &welcome["protocol"]), (&json!("welcome"), &json!("tutti.v1")));
    assert_eq!(welcome["heartbeatMs"], 12_000);
    assert_eq!(welcome["clientId"].as_str().map(str::len), Some(36));
}

#[test]
fn a_token_comes_by_header_subprotocol_query_or_first_message() {
    let server = Server::start();
    let token = writer("ada");
    let (bearer, label) =
        (format!("Authorization: Bearer {token}"), format!("Sec-WebSocket-Protocol: tutti.v1, auth.{token}"));
    let query = format!("/ws?token={token}");
    for (path, headers) in [("/ws", vec![&bearer[..]]), ("/ws", vec![&label[..]]), (&query[..], vec![])] {
        let mut client = Client::open_with(server.address, path, &headers);
        let success = client.next();
        assert_eq!(
            (&success["type"], &success["userId"], &success["name"]),
            (&json!("auth.success"), &json!("ada"), &json!("ada"))
        );
    }
    let mut client = Client::open(server.address);
    let success = client.ask(json!({ "type": "authenticate", "token": token }));
    assert_eq!((&success["type"], &success["userId"]), (&json!("auth.success"), &json!("ada")));
    assert!(success["expiresAt"].as_str().is_some_and(|at| at.ends_with(".000Z")), "{success}");
}

#[test]
fn rule_3_nothing_but_a_ping_is_answered_before_the_token() {
    let server = Server::start();
    let mut client = Client::open(server.address);
    for message in [
        json!({ "type": "room.join", "room": "general" }),
        json!({ "type": "chat.message", "room": "general", "text": "hi" }),
        json!({ "type": "direct.message", "to": "bob", "payload": 1 }),
        json!({ "type": "room.leave", "room": "general" }),
    ] {
        assert_eq!(problem(&client.ask(message)), ("unauthorized", false));
    }
    assert_eq!(client.ask(json!({ "type": "ping" }))["type"], "pong");
}

#[test]
fn rule_3_without_a_token_in_time_the_client_is_told_and_closed_for_good() {
    let server = Server::with(&["--auth-timeout-ms", "3000"]);
    let mut client = Client::open(server.address);
    // Signs of life are no token.
    assert_eq!(client.ask(json!({ "type": "ping" }))["type"], "pong");
    assert_eq!(client.next()["type"], "auth.error");
    assert_eq!(client.socket.closed().0, 4401);
}

#[test]
fn rule_3_a_client_has_all_the_time_for_its_token_that_the_setting_says() {
    let server = Server::with(&["--auth-timeout-ms", "1900"]);
    let began = Instant::now();
    let mut client = Client::open(server.address);
    assert_eq!(client.next()["type"], "auth.error");
    // The server counts in whole milliseconds.
    assert!(began.elapsed() > Duration::from_millis(1895), "{:?}", began.elapsed());
}

#[test]
fn a_wrong_first_message_may_be_followed_by_a_right_one() {
    let server = Server::start();
    let mut client = Client::open(server.address);
    for wrong in ["", "nonsense", &token_until("ada", &["*=write"], now_s() - 100)] {
        let error = client.ask(json!({ "type": "authenticate", "token": wrong }));
        assert_eq!(error["type"], "auth.error", "{error}");
    }
    assert_eq!(client.ask(json!({ "type": "authenticate", "token": writer("ada") }))["type"], "auth.success");
}

#[test]
fn a_wrong_token_at_the_upgrade_is_told_in_band_and_closed_for_good() {
    let server = Server::start();
    let expired = token_until("ada", &["*=write"], now_s() - 100);
    for token in ["nonsense", &expired[..]] {
        let mut client = Client::open_with(server.address, "/ws", &[&format!("Authorization: Bearer {token}")]);
        assert_eq!(client.next()["type"], "auth.error");
        assert_eq!(client.socket.closed().0, 4401);
    }
}
