//! `tutti proxy`: a server behind it looks to its clients as one without.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::network::Network;
use crate::support::editor::Editor;
use crate::support::events::Events;
use crate::support::frame;
use crate::support::http::{get, post_json, request};
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::socket::{Socket, upgrade};
use crate::support::tls::Pair;
use crate::support::token::{token, writer};
use crate::support::{DEADLINE, eventually};

/// A running `tutti proxy`, killed when dropped.
struct Proxy {
    address: SocketAddr,
    child: Child,
}

impl Proxy {
    fn to(upstream: &str, options: &[&str]) -> Self {
        Self::trusting(Path::new(""), upstream, options)
    }

    /// One that also trusts the certificates in a file.
    fn trusting(file: &Path, upstream: &str, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tutti"))
            .env_clear()
            .env("SSL_CERT_FILE", file)
            .args(["proxy", "--upstream", upstream, "--bind", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.parse().unwrap(), child }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What works through a proxy.
fn everything_works(address: SocketAddr) {
    let mut bob = Client::join(address, &writer("bob"), "room");
    let mut ada = Editor::join(address, "room", &writer("ada"), 1);
    let long = "typed ".repeat(100_000);
    ada.saves(&long);
    let mut eve = Editor::join(address, "room", &writer("eve"), 2);
    eve.until_text(&long);
    let path = "/api/v1/rooms/room/messages";
    let published = post_json(address, path, Some(&writer("ada")), &json!({ "text": "by REST" }));
    assert_eq!(published.status, 201, "{published:?}");
    assert_eq!(bob.until("chat.message")["text"], "by REST");
    let mut stream = Events::open(address, "/api/v1/rooms/room/events?since=0", &writer("ada"));
    assert_eq!(stream.until("chat.message")["text"], "by REST");
    assert_eq!(stream.ask_for(&writer("ada"), json!({ "type": "ping" }))["type"], "pong");
}

#[test]
fn every_protocol_and_rest_pass() {
    let server = Server::start();
    let proxy = Proxy::to(&format!("ws://{}", server.address), &[]);
    everything_works(proxy.address);
    // Close codes, subprotocols and queries are the server's and the client's.
    let mut denied = Socket::yjs(proxy.address, "other", &token("ada", &["room=write"]));
    assert_eq!(denied.closed().0, 4403);
    let labels = format!("Sec-WebSocket-Protocol: tutti.v1, auth.{}", writer("ada"));
    let labelled = Socket::open(proxy.address, &upgrade("/yjs/room", &[&labels]), &[]);
    assert_eq!(labelled.answer.header("sec-websocket-protocol"), Some("tutti.v1"));
    let mut by_query = Client::open_with(proxy.address, &format!("/ws?token={}", writer("ada")), &[]);
    assert_eq!(by_query.next()["type"], "auth.success");
    by_query.close();
}

#[test]
fn an_upstream_with_tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let (process, encrypted) = pair.serve(folder.path(), &[]);
    let upstream = format!("wss://localhost:{}", encrypted.port());
    everything_works(Proxy::trusting(&pair.certificate_file, &upstream, &[]).address);
    let strange = Proxy::to(&upstream, &[]);
    assert_eq!(get(strange.address, "/healthz", None).error(), (502, "upstream_unreachable".into()));
    drop(process);
}

#[test]
fn the_clients_address_is_told_and_the_path_has_a_prefix() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let proxy = Proxy::to(&format!("http://{upstream}/p/"), &[]);
    let asking = std::thread::spawn(move || get(proxy.address, "/healthz?a=b", None));
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with(&format!("GET /p/healthz?a=b HTTP/1.1\r\nHost: {upstream}\r\n")), "{head}");
    assert!(head.contains("\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n"), "{head}");
    stream.write_all(b"HTTP/1.1 418 Tea\r\nContent-Length: 0\r\n\r\n").unwrap();
    drop(stream);
    assert_eq!(asking.join().unwrap().status, 418);
}

#[test]
fn an_upstream_that_is_away_is_502_and_closes_websockets_with_1013_until_it_is_back() {
    let server = Server::start();
    let network = Network::to(server.address.to_string());
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Proxy::to(&format!("ws://{away}"), &[]);
    assert_eq!(get(nobody.address, "/healthz", None).error(), (502, "upstream_unreachable".into()));
    let labels = format!("Sec-WebSocket-Protocol: tutti.v1, auth.{}", writer("ada"));
    let mut socket = Socket::open(nobody.address, &upgrade("/ws", &[&labels]), &[]);
    assert_eq!(socket.answer.status, 101);
    assert_eq!(socket.answer.header("sec-websocket-protocol"), Some("tutti.v1"));
    assert_eq!(socket.answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let (code, reason) = socket.closed();
    assert_eq!(code, 1013);
    assert!(reason.contains("cannot be reached"), "{reason}");

    let proxy = Proxy::to(&format!("ws://{}", network.address()), &[]);
    let mut ada = Client::join(proxy.address, &writer("ada"), "room");
    network.cut();
    ada.socket.ended();
    network.restore();
    Client::join(proxy.address, &writer("ada"), "room");
}

#[test]
fn what_is_no_request_is_refused_and_connections_are_counted() {
    let server = Server::start();
    let proxy = Proxy::to(&format!("ws://{}", server.address), &[]);
    for text in ["GET http://elsewhere/ HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n", "hello\r\n\r\n"] {
        assert_eq!(request(proxy.address, text).error().0, 400, "{text}");
    }
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(request(proxy.address, &long).error().0, 408);
    let proxy = Proxy::to(&format!("ws://{}", server.address), &["--sockets-per-ip-max", "2"]);
    let _first = Client::enter(proxy.address, &writer("ada"));
    let refused = eventually("there is no place", || {
        // It may find no place itself while a connection before it has not quite ended.
        let _second = TcpStream::connect(proxy.address).unwrap();
        let answer = get(proxy.address, "/healthz", None);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.error(), (503, "try_later".into()));
}

#[test]
fn a_client_that_never_reads_costs_the_proxy_a_buffer() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--demo"]);
    let proxy = Proxy::to(&format!("ws://{}", process.address), &[]);
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", proxy.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
    };
    let mut socket = Socket::open(proxy.address, &upgrade("/echo", &[]), &[]);
    assert_eq!(socket.answer.status, 101);
    let before = memory();
    socket.stream.set_write_timeout(Some(DEADLINE / 30)).unwrap();
    let message = frame::frame(frame::BINARY, &vec![0; 1 << 20]);
    // It is not read from any more at some point, since nobody takes what comes back.
    let sent = (0..200).take_while(|_| socket.stream.write_all(&message).is_ok()).count();
    assert!(sent < 200, "{sent} MiB are somewhere");
    assert!(memory() < before + (4 << 20), "{} more", memory() - before);
}

#[test]
fn rule_7_a_connection_brings_one_request_so_nobody_says_who_sent_another() {
    let server = Server::with(&["--trusted-proxies", "127.0.0.1"]);
    let proxy = Proxy::to(&format!("http://{}", server.address), &[]);
    let answers = |first: &str| {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let second = "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("{first}{second}").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        all.matches("HTTP/1.1 ").count()
    };
    assert_eq!(answers("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), 1);
    assert_eq!(answers("POST /api/v1/tickets HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"), 1);
    // One that is refused.
    assert_eq!(answers("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), 1);
    let chunked = request(
        proxy.address,
        "POST /api/v1/tickets HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    );
    assert_eq!(chunked.error(), (411, "no_length".into()));
}
