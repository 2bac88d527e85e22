//! Which pages may open a socket: SECURITY, by the Origin header, before any 101.

use crate::support::eventually;
use crate::support::message::STEP1_EMPTY;
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::writer;

/// Every path that is upgraded.
const SOCKETS: [&str; 4] = ["/yjs/room", "/ws", "/hocuspocus", "/echo"];

fn from(server: &Server, origins: &[&str]) -> Socket {
    from_by(server, SOCKETS[0], origins)
}

fn from_by(server: &Server, path: &str, origins: &[&str]) -> Socket {
    let mut headers = vec![format!("Authorization: Bearer {}", writer("alice"))];
    headers.extend(origins.iter().map(|origin| format!("Origin: {origin}")));
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    Socket::open(server.address, &upgrade(path, &headers), &[])
}

#[test]
fn rule_1_pages_from_elsewhere_get_403_and_no_upgrade() {
    let listed = "https://app.example.com,https://*.preview.example.org";
    let server = Server::with(&["--demo", "--allowed-origins", listed]);
    let table: [&[&str]; 18] = [
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
        &["http://localhost.evil.io:3000"],
        &["https://preview.example.org"],
        &["https://a.b.preview.example.org"],
        &["https://evil-preview.example.org"],
        &["null"],
        &["*"],
        &["file://"],
    ];
    for (origins, path) in table.iter().flat_map(|origins| SOCKETS.map(|path| (origins, path))) {
        let socket = from_by(&server, path, origins);
        assert_eq!(socket.answer.status, 403, "{path} {origins:?}");
        assert_eq!(socket.answer.header("upgrade"), None, "{path} {origins:?}");
    }
}

#[test]
fn rule_1_pages_on_the_list_the_servers_own_and_programs_may_connect() {
    let server = Server::with(&["--allowed-origins", "https://app.example.com,https://*.preview.example.org"]);
    // The requests of these tests name the host `localhost`.
    let table: [&[&str]; 7] = [
        &[],
        &["https://app.example.com"],
        &["HTTPS://APP.EXAMPLE.COM"],
        &["https://app.example.com:443"],
        &["https://a.preview.example.org"],
        // A server on loopback takes pages of the same machine.
        &["http://127.0.0.1:5173"],
        &["http://localhost"],
    ];
    for origins in table {
        let mut socket = from(&server, origins);
        assert_eq!(socket.answer.status, 101, "{origins:?}");
        assert_eq!(socket.payload(), STEP1_EMPTY);
    }
}

#[test]
fn nothing_but_pages_of_this_machine_may_connect_without_a_list() {
    let server = Server::start();
    for (origin, status) in [
        ("http://localhost", 101),
        ("http://localhost:5173", 101),
        ("http://192.168.0.2:5173", 403),
        ("https://localhost.evil.io", 403),
    ] {
        assert_eq!(from(&server, &[origin]).answer.status, status, "{origin}");
    }
}

#[test]
fn each_refused_origin_is_logged_once_with_the_line_that_would_allow_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["--allowed-origins", "https://app.example.com"]);
    let open = |origin: &str| {
        let request = upgrade("/ws", &[&format!("Origin: {origin}")]);
        assert_eq!(Socket::open(server.address, &request, &[]).answer.status, 403, "{origin}");
    };
    for origin in ["https://a.example.org", "https://b.example.org", "https://a.example.org", "null", "null[31m"] {
        open(origin);
    }
    let refused = || {
        server.log().lines().filter(|line| line.contains("a page was refused")).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = eventually("four lines", || Some(refused()).filter(|lines| lines.len() >= 4));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].contains("TUTTI_ALLOWED_ORIGINS=https://app.example.com,https://a.example.org"), "{}", lines[0]);
    assert!(lines[1].contains("TUTTI_ALLOWED_ORIGINS=https://app.example.com,https://b.example.org"), "{}", lines[1]);
    assert!(lines[2..].iter().all(|line| line.contains("is not an origin") && !line.contains("31m")), "{lines:#?}");
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
        ("HTTP/1.1", "HTTP/1.0"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
    ] {
        let answer = Socket::open(server.address, &good.replace(part, wrong), &[]).answer;
        assert_eq!((answer.status, answer.header("sec-websocket-version")), (400, Some("13")), "{wrong}");
    }
}
