//! How a token reaches the server, and what happens with one that does not hold.

use std::time::{Duration, Instant};

use serde_json::json;
use tutti::auth::now_s;

use crate::support::editor::Editor;
use crate::support::http::{get, request};
use crate::support::json::Client;
use crate::support::message::{Message, STEP1_EMPTY};
use crate::support::process::Process;
use crate::support::provider::{DENIED, Provider, auth};
use crate::support::server::Server;
use crate::support::socket::{End, Socket, upgrade};
use crate::support::token::{SECRET, rooms, signed, token, token_until, writer};

/// Demands that a socket was upgraded, is told in band, and then closed with `code`; the reason.
fn denied(mut socket: Socket, code: u16) -> String {
    assert_eq!(socket.answer.status, 101);
    let payload = socket.payload();
    assert_eq!(&payload[..2], [2, 0]);
    let Message::Denied(reason) = crate::support::message::parse(&payload) else { panic!("not a denial") };
    let (closed, close_reason) = socket.closed();
    assert_eq!((closed, &close_reason), (code, &reason));
    assert_eq!(socket.ended(), End::Finished);
    reason
}

fn offering(server: &Server, protocols: &[&str]) -> Socket {
    let headers: Vec<String> = protocols.iter().map(|value| format!("Sec-WebSocket-Protocol: {value}")).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    Socket::open(server.address, &upgrade("/yjs/room", &headers), &[])
}

fn with_query(server: &Server, query: &str) -> Socket {
    Socket::open(server.address, &upgrade(&format!("/yjs/room?{query}"), &[]), &[])
}

#[test]
fn a_token_in_the_authorization_header_opens_the_room_whatever_the_schemes_case() {
    let server = Server::start();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("Authorization: {scheme} {}", writer("alice"));
        let mut socket = Socket::open(server.address, &upgrade("/yjs/room", &[&header]), &[]);
        assert_eq!(socket.answer.header("sec-websocket-protocol"), None);
        assert_eq!(socket.payload(), STEP1_EMPTY);
    }
}

#[test]
fn rule_4_a_token_among_the_subprotocols_opens_the_room_and_only_the_label_is_answered() {
    let server = Server::start();
    let auth = format!("auth.{}", writer("alice"));
    let forms: [&[&str]; 5] = [
        &[&format!("tutti.v1, {auth}")],
        &[&format!("{auth},tutti.v1")],
        &["tutti.v1", &auth],
        &[&auth, "tutti.v1"],
        &["other", &format!(" {auth} ,other"), "tutti.v1"],
    ];
    for form in forms {
        let mut socket = offering(&server, form);
        assert_eq!(socket.answer.status, 101);
        let answered = socket.answer.headers.iter().filter(|(name, _)| name == "sec-websocket-protocol");
        let answered: Vec<&str> = answered.map(|(_, value)| value.as_str()).collect();
        assert_eq!(answered, ["tutti.v1"]);
        assert_eq!(socket.payload(), STEP1_EMPTY);
    }
}

#[test]
fn rule_4_a_token_among_the_subprotocols_without_the_label_is_refused_with_400() {
    let server = Server::start();
    for form in [format!("auth.{}", writer("alice")), "other".into(), "TUTTI.V1".into()] {
        let socket = offering(&server, &[&form]);
        assert_eq!(socket.answer.status, 400, "{form}");
        assert_eq!(socket.answer.header("sec-websocket-protocol"), None);
    }
}

#[test]
fn a_token_in_the_query_opens_the_room() {
    let server = Server::start();
    let mut socket = with_query(&server, &format!("a=b&token={}", writer("alice")));
    assert_eq!(socket.payload(), STEP1_EMPTY);
}

#[test]
fn a_token_in_the_query_is_no_token_where_that_is_switched_off() {
    let server = Server::with(&["--query-tokens", "false"]);
    let query = format!("token={}", writer("alice"));
    let reason = denied(with_query(&server, &query), 4401);
    assert!(reason.contains("a token is needed"), "{reason}");
    assert_eq!(get(server.address, &format!("/api/v1/rooms?{query}"), None).status, 401);
    assert_eq!(get(server.address, "/api/v1/rooms", Some(&writer("alice"))).status, 200);
}

#[test]
fn the_header_counts_before_the_subprotocol_and_that_before_the_query() {
    let server = Server::start();
    let (good, bad) = (writer("alice"), "bad");
    let open = |header: &str, protocol: &str, query: &str| {
        let headers =
            [format!("Authorization: Bearer {header}"), format!("Sec-WebSocket-Protocol: tutti.v1, auth.{protocol}")];
        let headers: Vec<&str> = headers.iter().map(String::as_str).skip(usize::from(header.is_empty())).collect();
        Socket::open(server.address, &upgrade(&format!("/yjs/room?token={query}"), &headers), &[])
    };
    assert_eq!(open(&good, bad, bad).payload(), STEP1_EMPTY);
    denied(open(bad, &good, &good), 4401);
    assert_eq!(open("", &good, bad).payload(), STEP1_EMPTY);
    denied(open("", bad, &good), 4401);
}

#[test]
fn rule_2_a_cookie_is_no_token() {
    let server = Server::start();
    let cookie = format!("Cookie: token={0}; authorization=Bearer {0}", writer("alice"));
    denied(Socket::open(server.address, &upgrade("/yjs/room", &[&cookie]), &[]), 4401);
    let head = format!("GET /api/v1/rooms HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\nConnection: close\r\n\r\n");
    assert_eq!(request(server.address, &head).status, 401);
}

#[test]
fn tokens_that_do_not_hold_are_told_so_in_band_and_closed_with_4401() {
    let server = Server::start();
    let good = writer("alice");
    let claims = |exp: u64| json!({ "sub": "alice", "exp": exp, "rooms": rooms(&["*=write"]) });
    let hour = now_s() + 3600;
    let cases = [
        ("no token", String::new(), "a token is needed"),
        ("garbage", "garbage".into(), "not a JSON Web Token"),
        ("expired, another key", signed("0123456789abcdef0123456789abcdeX", &claims(now_s() - 3600)), "signature"),
        (
            "expired, another audience",
            signed(SECRET, &json!({ "sub": "a", "exp": now_s() - 3600, "aud": "x" })),
            "audience",
        ),
        ("another key", signed("0123456789abcdef0123456789abcdeX", &claims(hour)), "signature"),
        ("changed", format!("{}x", &good[..good.len() - 1]), ""),
        ("no expiry", signed(SECRET, &json!({ "sub": "a", "rooms": [] })), "exp"),
        ("for another audience", signed(SECRET, &json!({ "sub": "a", "exp": hour, "aud": "x" })), "audience"),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap()), "algorithm"),
    ];
    std::thread::scope(|scope| {
        for (what, token, words) in &cases {
            let server = &server;
            scope.spawn(move || {
                let authorization = format!("Authorization: Bearer {token}");
                let headers: &[&str] = if token.is_empty() { &[] } else { &[&authorization] };
                let head = upgrade(&format!("/yjs/{}", what.replace([' ', ','], "-")), headers);
                let reason = denied(Socket::open(server.address, &head, &[]), 4401);
                assert!(reason.contains(words), "{what}: {reason}");
            });
        }
    });
}

#[test]
fn a_genuine_token_that_has_expired_is_closed_with_4504_so_that_its_client_may_come_back() {
    let server = Server::start();
    for age_s in [31, 3600, 86_400 * 365] {
        let expired = token_until("alice", &["*=write"], now_s() - age_s);
        let reason = denied(Socket::yjs(server.address, &format!("room{age_s}"), &expired), 4504);
        assert!(reason.contains("fresh"), "{reason}");
    }
    // What it would not open with a fresh token, it need not come back for; but who it is must hold first.
    let nobody = token_until("alice", &[], now_s() - 3600);
    denied(Socket::yjs(server.address, "room", &nobody), 4504);
    let mut socket = Socket::yjs(server.address, "room", &token_until("alice", &["*=write"], now_s() - 20));
    assert_eq!(socket.payload(), STEP1_EMPTY, "within the leeway it holds");
}

#[test]
fn rule_18_unknown_and_forbidden_rooms_are_closed_with_4403_and_the_same_words() {
    let server = Server::start();
    Editor::join(server.address, "secret/plan", &writer("alice"), 1).saves("x");
    let token = token("bob", &["secret/plan=none", "open/*=write"]);
    let reasons = ["secret/plan", "secret/nothing", "nothing"]
        .map(|room| denied(Socket::yjs(server.address, room, &token), 4403));
    assert_eq!(reasons[0], reasons[1]);
    assert_eq!(reasons[0], reasons[2]);
}

#[test]
fn a_room_that_cannot_be_is_closed_with_4403_and_says_why() {
    let server = Server::start();
    let long = "x".repeat(201);
    let names = ["", "a//b", "%2e%2e/x", "a%00b", "bu%CC%88ro", "b%E2%80%8Bro", "a%2A", &long];
    std::thread::scope(|scope| {
        for name in names {
            let server = &server;
            scope.spawn(move || {
                let reason = denied(Socket::yjs(server.address, name, &writer("alice")), 4403);
                assert!(reason.contains("room name"), "{name}: {reason}");
            });
        }
    });
    let mut longest = Socket::yjs(server.address, &long[..200], &writer("alice"));
    assert_eq!(longest.payload(), STEP1_EMPTY);
}

#[test]
fn a_denied_client_that_goes_on_sending_changes_nothing() {
    let server = Server::start();
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    let mut socket = Socket::yjs(server.address, "room", &token("bob", &[]));
    socket.say(crate::support::message::UPDATE_HI);
    denied(socket, 4403);
    alice.barrier();
    assert_eq!(alice.updates.len(), 1);
}

#[test]
fn rule_13_a_token_that_runs_out_on_a_live_socket_closes_it_with_4504() {
    let server = Server::with(&["--jwt-leeway-s", "0"]);
    let started = Instant::now();
    let mut alice = Editor::join(server.address, "room", &token_until("alice", &["*=write"], now_s() + 10), 1);
    alice.saves("in time");
    let mut bob = Editor::join(server.address, "room", &writer("bob"), 2);
    assert_eq!(alice.socket.closed().0, 4504);
    assert!(started.elapsed() > Duration::from_millis(8900), "{:?}", started.elapsed());
    bob.barrier();
    assert_eq!(bob.text(), "in time");
}

#[test]
fn every_protocol_says_why_a_token_does_not_hold_and_the_log_who_had_it() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let claims = |more: serde_json::Value| {
        let mut claims = json!({ "sub": "ada", "exp": now_s() + 600, "rooms": rooms(&["*=write"]) });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    // A token, what is said of it, and whether its signature says who it is.
    let cases = [
        (signed(SECRET, &claims(json!({ "exp": now_s() - 100 }))), "the token has expired", true),
        (signed(SECRET, &claims(json!({ "aud": "elsewhere" }))), "another audience", true),
        (signed(SECRET, &claims(json!({ "nbf": now_s() + 500 }))), "not valid yet", true),
        (signed(SECRET, &claims(json!({ "rooms": "all" }))), "claim rooms", true),
        (signed("another secret, as long as it has to be", &claims(json!({}))), "signature", false),
        ("nonsense".to_owned(), "not a JSON Web Token", false),
    ];
    for (token, reason, _) in &cases {
        let Message::Denied(yjs) = Socket::yjs(process.address, "room", token).message() else { panic!("not denied") };
        assert!(yjs.contains(reason), "{reason}: {yjs}");

        let mut provider = Provider::connect(process.address);
        provider.say("room", &auth(token, None));
        let payload = provider.socket.payload();
        assert!(String::from_utf8_lossy(&payload).ends_with(&yjs), "{payload:?}");

        let mut json = Client::open(process.address);
        let error = json.ask(json!({ "type": "authenticate", "token": token }));
        assert_eq!((&error["type"], &error["message"]), (&json!("auth.error"), &json!(yjs)));

        let mut json = Client::open_with(process.address, "/ws", &[&format!("Authorization: Bearer {token}")]);
        assert_eq!((&json.next()["message"], json.socket.closed()), (&json!(yjs), (4401, yjs.clone())));
    }
    for (_, reason, is_genuine) in cases {
        let log = process.log_with(reason, 4);
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(reason)).collect();
        assert_eq!(lines.len(), 4, "{reason}: {lines:?}");
        let named = lines.iter().filter(|line| line.contains("user.id=ada")).count();
        assert_eq!(named, if is_genuine { 4 } else { 0 }, "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.contains("room.name=\"room\"")).count(), 2, "{lines:?}");
    }
}

#[test]
fn rule_18_every_protocol_says_that_there_is_no_access_and_the_log_to_whom_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let token = token("ada", &["docs/*=write"]);
    let denied = Socket::yjs(process.address, "private", &token).message();
    assert!(matches!(&denied, Message::Denied(why) if why == "no access to this room"), "{denied:?}");
    let mut provider = Provider::connect(process.address);
    provider.say("private", &auth(&token, None));
    provider.hears("private", DENIED);
    let mut json = Client::enter(process.address, &token);
    for _ in 0..20 {
        let answer = json.ask(json!({ "type": "room.join", "room": "private" }));
        assert_eq!((&answer["code"], &answer["message"]), (&json!("forbidden"), &json!("no access to this room")));
    }
    let log = process.log_with("room denied", 8);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("denied") && line.contains("user.id=ada")).collect();
    assert!(lines.iter().all(|line| line.contains("private")), "{lines:?}");
    for (protocol, count) in [("socket denied", 1), ("document denied", 1), ("room denied", 8)] {
        assert_eq!(lines.iter().filter(|line| line.contains(protocol)).count(), count, "{lines:?}");
    }
}
