//! Connections, bodies and answers of HTTP: each has a size, a time and a count, as sockets have.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket as RawSocket, Type};

use crate::support::editor::Editor;
use crate::support::http::{Answer, get, request};
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::token::{reader, writer};
use crate::support::{DEADLINE, eventually, within};

const DOCUMENT_BYTES: usize = 4 << 20;

/// A connection that does not answer for itself: what it sent, and whether the server has ended it.
fn connect(address: SocketAddr, first: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    stream
}

/// What the server says on a connection until it ends it.
fn until_end(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("not ended: {error}"),
        _ => String::from_utf8(said).unwrap(),
    }
}

fn is_ended(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match (&*stream).read(&mut [0; 4096]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn rule_36_a_body_that_does_not_come_is_not_waited_for() {
    let server = Server::with(&["--demo", "true"]);
    let token = writer("bob");
    let authorization = format!("Authorization: Bearer {token}\r\n");
    let messages = "/api/v1/rooms/room/messages";
    // The beginning of a request, and the status of its answer.
    let cases = [
        (format!("POST {messages} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: 1000\r\n\r\n{{"), 408),
        (
            format!(
                "POST {messages} HTTP/1.1\r\nHost: x\r\n{authorization}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"
            ),
            408,
        ),
        ("POST /demo/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{".into(), 408),
        // Nobody looks at these, whatever comes.
        (format!("POST {messages} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{"), 401),
        (format!("POST {messages} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"), 401),
        ("PUT /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n".into(), 404),
        ("PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{".into(), 404),
    ]
    .map(|(head, status)| (head.replace("Host: x", "Host: localhost"), status));
    let mut streams = cases.each_ref().map(|(head, _)| connect(server.address, head));
    for (stream, (head, status)) in streams.iter_mut().zip(&cases) {
        let said = until_end(stream);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {said}");
    }
}

#[test]
fn rule_36_each_request_of_a_connection_must_come_in_time() {
    let server = Server::start();
    let whole = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = connect(server.address, &format!("{whole}GET /hea"));
    // A byte now and then is not enough.
    let said = std::thread::scope(|scope| {
        let mut writer = stream.try_clone().unwrap();
        scope.spawn(move || {
            while writer.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        until_end(&mut stream)
    });
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

#[test]
fn rule_36_who_sends_more_requests_ahead_of_an_answer_than_are_read_is_ended() {
    let server = Server::start();
    Editor::join(server.address, "room", &writer("ada"), 1).saves("x");
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", reader("bob"))
    };
    let waiting = request("/api/v1/rooms/room/history?after=1&wait=30");
    // A few are answered once it is their turn.
    let mut patient =
        connect(server.address, &format!("{}{}", waiting.replace("wait=30", "wait=1"), request("/healthz")));
    assert_eq!([next_answer(&mut patient).status, next_answer(&mut patient).status], [200, 200]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let began = Instant::now();
    // The server may have ended it before it has taken all.
    let _ = stream.write_all(format!("{waiting}{}", request("/healthz").repeat(2_000)).as_bytes());
    assert_eq!(until_end(&mut stream), "");
    assert!(began.elapsed() < Duration::from_secs(25), "before its first answer was due");
}

#[test]
fn a_connection_serves_one_request_after_another_with_bodies_and_without() {
    let server = Server::start();
    let token = writer("bob");
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    for number in 0..20 {
        // With a body, and without one.
        let body = format!(r#"{{"type":"chat.message","text":"{number}"}}"#);
        let post = |path: &str| {
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        for (request, status) in
            [(post("/api/v1/rooms/room/messages"), 201), ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".into(), 200)]
        {
            stream.write_all(request.as_bytes()).unwrap();
            let answer = next_answer(&mut stream);
            assert_eq!((answer.status, answer.header("connection")), (status, None), "{number}: {request}");
        }
    }
}

#[test]
fn what_was_asked_before_an_upgrade_or_a_stream_is_answered_before_it() {
    let server = Server::start();
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let upgrade = crate::support::socket::upgrade("/ws", &[]) + "\r\n";
    let other_upgrade = upgrade.replace("Version: 13", "Version: 8");
    let token = writer("ada");
    let stream =
        format!("GET /api/v1/rooms/room/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    for (last, status) in [(upgrade, "101"), (other_upgrade, "400"), (stream, "200")] {
        let mut connection = connect(server.address, &format!("{health}{health}{last}"));
        connection.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut heard = String::new();
        while heard.matches("HTTP/1.1 ").count() < 3 {
            let mut buffer = [0; 4096];
            let count = connection.read(&mut buffer).expect("an answer in time");
            assert!(count > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        let statuses: Vec<&str> = heard.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["200", "200", status]);
        assert_eq!(heard.matches("{\"status\":\"alive\"}").count(), 2, "{heard}");
    }
}

/// Reads one answer of a connection that goes on.
fn next_answer(stream: &mut TcpStream) -> Answer {
    let mut raw = Vec::new();
    let mut byte = [0];
    while !raw.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a whole head");
        raw.push(byte[0]);
    }
    let mut answer = Answer::parse_head(std::str::from_utf8(&raw[..raw.len() - 4]).unwrap());
    let length = answer.header("content-length").expect("a length").parse().unwrap();
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).expect("a whole body");
    answer
}

/// A process with a large document, and where its metrics are.
fn with_document(folder: &tempfile::TempDir, options: &[&str]) -> (Process, SocketAddr) {
    let options = [options, &["--metrics-bind", "127.0.0.1:0", "--log-level", "warn"]].concat();
    let process = Process::start(folder.path(), &options);
    let metrics = process.metrics_address();
    Editor::join(process.address, "room", &writer("ada"), 1).saves(&"x".repeat(DOCUMENT_BYTES));
    (process, metrics)
}

fn metric(metrics: SocketAddr, name: &str) -> u64 {
    let text = get(metrics, "/metrics", None);
    let line = text.text().lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// A connection from another address of this machine, which takes in little of what is not read.
fn connect_from(from: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    TcpStream::from(socket)
}

/// Asks for the document from another address of this machine, and takes in next to nothing.
fn asks_and_does_not_read(address: SocketAddr, from: Ipv4Addr, token: &str) -> TcpStream {
    let mut stream = connect_from(from, address);
    let head = "GET /api/v1/rooms/room/document?format=yjs HTTP/1.1\r\nHost: localhost\r\n";
    stream.write_all(format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn rule_36_an_answer_that_nobody_reads_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let (process, metrics) = with_document(&folder, &["--stall-timeout-ms", "1000"]);
    let token = reader("mallory");
    let streams: Vec<_> =
        (0..3).map(|_| asks_and_does_not_read(process.address, Ipv4Addr::new(127, 0, 0, 2), &token)).collect();
    eventually("all answers are on their way or given up", || {
        (metric(metrics, "tutti_http_connections_given_up_total") == streams.len() as u64).then_some(())
    });
    eventually("nothing is held", || (metric(metrics, "tutti_answer_bytes") == 0).then_some(()));
    eventually("nobody is connected", || (metric(metrics, "tutti_http_connections") == 0).then_some(()));
}

#[test]
fn rule_36_who_does_not_read_large_answers_gets_no_more_of_them_and_others_do() {
    let folder = tempfile::tempdir().unwrap();
    // 64 MiB for all answers, of which one address may have as much as it leaves for others, for as long as this takes.
    let options = ["--document-bytes-max", "8388608", "--stall-timeout-ms", "600000"];
    let (process, metrics) = with_document(&folder, &options);
    let token = reader("mallory");
    let streams: Vec<_> =
        (0..20).map(|_| asks_and_does_not_read(process.address, Ipv4Addr::new(127, 0, 0, 2), &token)).collect();
    let share = 7 * DOCUMENT_BYTES as u64..8 * (DOCUMENT_BYTES as u64 + 1024) + 1;
    eventually("half of the budget is taken", || share.contains(&metric(metrics, "tutti_answer_bytes")).then_some(()));
    let refused = within(DEADLINE, "the others are refused", || {
        let refused = streams.iter().filter(|stream| {
            stream.set_nonblocking(true).unwrap();
            let mut head = [0; 12];
            stream.peek(&mut head).is_ok() && head.ends_with(b"503")
        });
        Some(refused.count()).filter(|count| *count >= 12)
    });
    assert!(refused <= 13, "{refused}");
    let answer = get(process.address, "/api/v1/rooms/room/document?format=text", Some(&reader("bob")));
    assert_eq!((answer.status, answer.body.len()), (200, DOCUMENT_BYTES));
}

#[test]
fn rule_37_the_body_that_holds_most_gives_way_to_the_next_and_one_alone_may_hold_all() {
    let server = Server::with(&["--document-bytes-max", "2097152", "--unfinished-bytes-max", "2097152"]);
    let put = |room: &str, user: &str, length: usize| {
        let path = format!("/api/v1/rooms/{room}/document?format=text&root=t");
        let token = writer(user);
        format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    let mut held = connect_from(Ipv4Addr::new(127, 0, 0, 2), server.address);
    held.write_all(put("mallory", "mallory", 1_900_001).as_bytes()).unwrap();
    held.write_all(&vec![b'x'; 1_900_000]).unwrap();
    let body = "x".repeat(1_500_000);
    let written = |room: &str| request(server.address, &(put(room, "ada", body.len()) + &body)).status;
    // While the other one still grows, this one may hold most.
    eventually("the next one is served", || (written("room") == 201).then_some(()));
    assert_eq!([written("room-1"), written("room-2")], [201; 2]);
    let said = until_end(&mut held);
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
}

#[test]
fn rule_36_a_body_is_never_unpacked() {
    let server = Server::with(&["--demo", "true"]);
    let token = writer("bob");
    let bodies = [("gzip", "\x1f"), ("GZIP", "{}"), ("br", "{}"), ("identity, gzip", "{}"), ("zstd", "{}")];
    for (path, authorization) in [
        ("/api/v1/rooms/room/messages", format!("Authorization: Bearer {token}\r\n")),
        ("/api/v1/revocations", format!("Authorization: Bearer {token}\r\n")),
        ("/demo/token", String::new()),
    ] {
        let post = |coding: &str, body: &str| {
            let length = body.len();
            request(
                server.address,
                &format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Encoding: {coding}\r\n\
                     Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                ),
            )
        };
        for (coding, body) in bodies {
            assert_eq!(post(coding, body).error(), (415, "unsupported_encoding".into()), "{path} {coding}");
        }
        assert_ne!(post("identity", "{}").status, 415, "{path}");
    }
}

#[test]
fn rule_36_an_address_has_so_many_connections_and_the_others_have_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--sockets-per-ip-max", "30", "--metrics-bind", "127.0.0.1:0"]);
    let metrics = process.metrics_address();
    let started = Instant::now();
    // Half a head each, which may take 5 s.
    let streams: Vec<_> = (0..100).map(|_| connect(process.address, "GET / HTTP/1.1\r\n")).collect();
    eventually("the first thirty are counted", || {
        (metric(metrics, "tutti_http_connections_refused_total") >= 70).then_some(())
    });
    if started.elapsed() < Duration::from_secs(4) {
        assert_eq!(streams.iter().filter(|stream| !is_ended(stream)).count(), 30);
    }
    eventually("all of them are gone", || streams.iter().all(is_ended).then_some(()));
    assert_eq!(get(process.address, "/healthz", None).status, 200);
    eventually("none is counted any more", || (metric(metrics, "tutti_http_connections") == 0).then_some(()));
}

#[test]
fn rule_36_a_handshake_has_no_body() {
    let server = Server::start();
    for header in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
        let head = crate::support::socket::upgrade("/ws", &[header, "Connection: close"]);
        assert_eq!(request(server.address, &format!("{head}\r\n{{}}")).error(), (400, "invalid_handshake".into()));
    }
}
