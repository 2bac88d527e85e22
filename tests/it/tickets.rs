//! Rule 5: a ticket in the URL instead of a token, on every protocol.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::http::{Answer, get, post_json};
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::provider::{Provider, WRITER, auth};
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::{reader, token_until, writer};

fn issue(address: SocketAddr, token: &str) -> Answer {
    post_json(address, "/api/v1/tickets", Some(token), &json!({}))
}

fn ticket(address: SocketAddr, token: &str) -> String {
    let answer = issue(address, token);
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{answer:?}");
    answer.json()["ticket"].as_str().unwrap().to_owned()
}

fn open(address: SocketAddr, path: &str) -> Socket {
    let socket = Socket::open(address, &upgrade(path, &[]), &[]);
    assert_eq!(socket.answer.status, 101, "{:?}", socket.answer);
    socket
}

/// Whether the socket is let into its room.
fn is_in(socket: &mut Socket) -> bool {
    // Step1, or a denial.
    socket.payload()[0] == 0
}

#[test]
fn rule_5_a_ticket_opens_one_connection_of_any_protocol() {
    let server = Server::with(&["--query-tokens", "false"]);
    let address = server.address;
    let yjs = format!("/yjs/room?ticket={}", ticket(address, &writer("ada")));
    assert!(is_in(&mut open(address, &yjs)));
    let mut second = open(address, &yjs);
    assert!(!is_in(&mut second));
    let (code, reason) = second.closed();
    assert!(code == 4504 && reason.contains("ticket"), "{code} {reason}");

    let json = format!("/ws?ticket={}", ticket(address, &writer("ada")));
    let mut client = Client::open_with(address, &json, &[]);
    assert_eq!(client.next()["type"], "auth.success");
    client.joins("room");
    assert_eq!(Client::open_with(address, &json, &[]).next()["type"], "auth.error");

    let hocuspocus = format!("/hocuspocus?ticket={}", ticket(address, &writer("ada")));
    let mut provider = Provider { socket: open(address, &hocuspocus) };
    provider.say("room", &auth("", None));
    provider.until("room", WRITER);
    provider.say("other", &auth("", None));
    provider.until("other", WRITER);
    let mut late = Provider { socket: open(address, &hocuspocus) };
    late.say("room", &auth("", None));
    assert!(late.socket.payload().starts_with(b"\x04room\x02\x01"), "denied");
    // A token of a document's own goes before.
    let mixed = format!("/hocuspocus?ticket={}", ticket(address, &reader("ada")));
    let mut mixed = Provider { socket: open(address, &mixed) };
    mixed.say("room", &auth(&writer("ada"), None));
    mixed.until("room", WRITER);
}

#[test]
fn rule_5_of_fifty_connections_with_one_ticket_one_comes_in() {
    let server = Server::start();
    let path = format!("/yjs/room?ticket={}", ticket(server.address, &writer("ada")));
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50).map(|_| scope.spawn(|| is_in(&mut open(server.address, &path)))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_ticket_gives_what_its_token_gives_and_only_sockets_take_it() {
    let server = Server::start();
    let address = server.address;
    assert_eq!(post_json(address, "/api/v1/tickets", None, &json!({})).status, 401);
    let elsewhere = ticket(address, &crate::support::token::token("ada", &["other=write"]));
    let mut denied = open(address, &format!("/yjs/room?ticket={elsewhere}"));
    assert_eq!(denied.closed().0, 4403);
    let rest = format!("/api/v1/rooms?ticket={}", ticket(address, &writer("ada")));
    assert_eq!(get(address, &rest, None).status, 401);
    let from_ticket = format!("/api/v1/tickets?ticket={}", ticket(address, &writer("ada")));
    assert_eq!(post_json(address, &from_ticket, None, &json!({})).status, 401);

    // What becomes of the token becomes of the ticket.
    let short = ticket(address, &token_until("bob", &["*=write"], tutti::auth::now_s() - 28));
    let revoked = ticket(address, &writer("eve"));
    let admin = crate::support::token::token("root", &["*=admin"]);
    assert_eq!(post_json(address, "/api/v1/revocations", Some(&admin), &json!({ "sub": "eve" })).status, 201);
    let mut socket = open(address, &format!("/yjs/room?ticket={revoked}"));
    assert_eq!(socket.closed().0, 4401);
    let mut socket = open(address, &format!("/yjs/room?ticket={short}"));
    assert_eq!(socket.closed().0, 4504);
}

#[test]
fn a_user_has_so_many_tickets_at_a_time() {
    let server = Server::start();
    let statuses: Vec<u16> = (0..65).map(|_| issue(server.address, &writer("ada")).status).collect();
    assert_eq!((statuses[63], statuses[64]), (201, 429));
    assert_eq!(issue(server.address, &writer("ada")).header("retry-after"), Some("31"));
    assert_eq!(issue(server.address, &writer("bob")).status, 201);
}

#[test]
fn rule_5_a_ticket_is_never_logged() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--log-level", "trace"]);
    let mut tickets = Vec::new();
    for path in ["/yjs/room", "/ws", "/hocuspocus", "/echo", "/api/v1/rooms", "/yjs/a%00"] {
        let ticket = ticket(process.address, &writer("ada"));
        for _ in 0..2 {
            Socket::open(process.address, &upgrade(&format!("{path}?ticket={ticket}"), &[]), &[]);
        }
        tickets.push(ticket);
    }
    let log = process.log_with("socket opened", 1);
    for ticket in tickets {
        assert!(!log.contains(&ticket), "{ticket} in {log}");
    }
}
