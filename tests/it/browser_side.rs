//! What browsers are told about answers, and by which names a demo is reached.

use std::net::SocketAddr;

use crate::support::http::{Answer, get, post_json, request};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::writer;

/// Paths of every kind: pages, their files, the client, REST, errors.
const PATHS: [&str; 14] = [
    "/",
    "/api",
    "/d/welcome",
    "/tiptap/welcome",
    "/dashboard",
    "/assets/none.js",
    "/tutti.js",
    "/tutti.d.ts",
    "/tutti-history.js",
    "/healthz",
    "/readyz",
    "/api/v1/rooms",
    "/api/v1/nothing",
    "/nothing",
];

fn host(address: SocketAddr, host: &str, path: &str) -> Answer {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

fn socket(address: SocketAddr, host: &str) -> u16 {
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{host}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    Socket::open(address, &head, &[]).answer.status
}

#[test]
fn every_answer_tells_browsers_to_run_frame_guess_and_tell_nothing() {
    let server = Server::with(&["--demo", "--metrics-bind", "127.0.0.1:0"]);
    for path in PATHS {
        for token in [None, Some(writer("ada"))] {
            let answer = get(server.address, path, token.as_deref());
            let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}: {answer:?}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
            let policy = header("content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src '"), "{path}: {policy}");
            assert!(!policy.contains("ws:") && !policy.contains("script"), "{path}: {policy}");
            let is_file = path.ends_with(".js") || path.ends_with(".ts") || answer.header("etag").is_some();
            let expected = if is_file && answer.status == 200 { "no-cache" } else { "no-store" };
            assert_eq!(header("cache-control"), expected, "{path}: {answer:?}");
        }
    }
    let token = post_json(server.address, "/demo/token", None, &serde_json::json!({ "name": "Ada" }));
    assert_eq!((token.status, token.header("cache-control")), (200, Some("no-store")));
}

#[test]
fn a_guests_name_holds_nothing_that_turns_the_text_behind_it() {
    let server = Server::with(&["--demo"]);
    for (name, status) in
        [("Ada\u{202e}nimda", 400), ("\u{2067}Ada\u{2069}", 400), ("Ada\u{1b}", 400), ("\u{5d0}\u{200f}", 200)]
    {
        let answer = post_json(server.address, "/demo/token", None, &serde_json::json!({ "name": name }));
        assert_eq!(answer.status, status, "{name:?}: {answer:?}");
    }
}

#[test]
fn a_page_that_the_browser_has_keeps_its_policy() {
    let server = Server::with(&["--demo"]);
    let page = get(server.address, "/", None);
    // A binary that was built without the pages has none to keep.
    let Some(tag) = page.header("etag") else { return assert_eq!(page.status, 404) };
    let again = request(
        server.address,
        &format!("GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"),
    );
    assert_eq!(again.status, 304);
    assert_eq!(again.header("content-security-policy"), page.header("content-security-policy"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'self'"));
}

#[test]
fn rule_1_a_demo_at_loopback_is_not_reached_by_a_name_that_somebody_points_at_it() {
    let server = Server::with(&["--demo", "--allowed-origins", "http://box.local:8080"]);
    let address = server.address;
    for name in ["evil.io", "evil.io:8080", "localhost.evil.io", "192.168.0.2"] {
        for path in PATHS {
            assert_eq!(host(address, name, path).error(), (403, "host_not_allowed".to_owned()), "{name}{path}");
        }
        assert_eq!(socket(address, name), 403, "{name}");
        let body = "{\"name\":\"Eve\"}";
        let posted = format!(
            "POST /demo/token HTTP/1.1\r\nHost: {name}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(request(address, &posted).status, 403, "{name}");
    }
    for name in ["localhost", "127.0.0.1:8080", "[::1]:8080", "box.local:8080"] {
        assert_eq!(host(address, name, "/healthz").status, 200, "{name}");
        assert_eq!(socket(address, name), 101, "{name}");
    }
}

#[test]
fn other_servers_answer_to_any_name() {
    for options in [&[][..], &["--demo", "--trusted-proxies", "127.0.0.1"]] {
        let server = Server::with(options);
        assert_eq!(host(server.address, "collab.example.com", "/healthz").status, 200, "{options:?}");
        assert_eq!(socket(server.address, "collab.example.com"), 101, "{options:?}");
    }
}
