//! Which pages may open a socket: SECURITY, by the Origin header, before any 101.

use crate::support::message::STEP1_EMPTY;
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::writer;

fn from(server: &Server, origins: &[&str]) -> Socket {
    let mut headers = vec![format!("Authorization: Bearer {}", writer("alice"))];
    headers.extend(origins.iter().map(|origin| format!("Origin: {origin}")));
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    Socket::open(server.address, &upgrade("/yjs/room", &headers), &[])
}

#[test]
fn pages_from_elsewhere_get_403_and_no_upgrade() {
    let server = Server::with(&["--allowed-origins", "https://app.example.com,http://localhost:3000"]);
    let table: [&[&str]; 15] = [
        &["https://example.com"],
        &["http://app.example.com"],
        &["https://app.example.com:8443"],
        &["https://evil.app.example.com"],
        &["https://app.example.com.evil.io"],
        &["https://evilapp.example.com"],
        &["https://app.example.com."],
        &["https://app.example.com/"],
        &["https://app.example.com@evil.io"],
        &["https://app.example.com, https://evil.io"],
        &["https://app.example.com", "https://evil.io"],
        &["http://localhost:3001"],
        &["null"],
        &["*"],
        &["file://"],
    ];
    for origins in table {
        let socket = from(&server, origins);
        assert_eq!(socket.answer.status, 403, "{origins:?}");
        assert_eq!(socket.answer.header("upgrade"), None, "{origins:?}");
    }
}

#[test]
fn pages_on_the_list_the_servers_own_and_programs_may_connect() {
    let server = Server::with(&["--allowed-origins", "https://app.example.com,http://localhost:3000"]);
    // The requests of these tests name the host `localhost`.
    let table: [&[&str]; 6] = [
        &[],
        &["https://app.example.com"],
        &["HTTPS://APP.EXAMPLE.COM"],
        &["https://app.example.com:443"],
        &["http://localhost:3000"],
        &["http://localhost"],
    ];
    for origins in table {
        let mut socket = from(&server, origins);
        assert_eq!(socket.answer.status, 101, "{origins:?}");
        assert_eq!(socket.payload(), STEP1_EMPTY);
    }
}

#[test]
fn nothing_but_the_servers_own_pages_may_connect_without_a_list() {
    let server = Server::start();
    assert_eq!(from(&server, &["http://localhost"]).answer.status, 101);
    assert_eq!(from(&server, &["http://localhost:3000"]).answer.status, 403);
}

#[test]
fn a_request_that_is_no_upgrade_gets_400() {
    let server = Server::start();
    let answer = crate::support::http::get(server.address, "/yjs/room", Some(&writer("alice")));
    assert_eq!(answer.error(), (400, "invalid_handshake".into()));
}

#[test]
fn a_handshake_of_another_version_or_without_a_key_gets_400_and_the_version_that_is_spoken() {
    let server = Server::start();
    let good = upgrade("/ws", &[]);
    assert_eq!(Socket::open(server.address, &good, &[]).answer.status, 101);
    for (part, wrong) in [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ("Sec-WebSocket-Version: 13", "X-Version: 13"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Key: none"),
        ("Upgrade: websocket", "Upgrade: h2c"),
    ] {
        let answer = Socket::open(server.address, &good.replace(part, wrong), &[]).answer;
        assert_eq!((answer.status, answer.header("sec-websocket-version")), (400, Some("13")), "{wrong}");
    }
}
