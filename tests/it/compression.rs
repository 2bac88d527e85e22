//! Compression of messages (RFC 7692): who gets it, that nothing else changes, and that it opens no way around a limit.

use std::net::SocketAddr;

use crate::support::editor::{Editor, document, typed};
use crate::support::eventually;
use crate::support::frame::{BINARY, CLOSE, COMPRESSED, PING, PONG, TEXT, compressed, deflated, frame, header, raw};
use crate::support::http::get;
use crate::support::json::Client;
use crate::support::message::{self, NOBODY, QUERY, STEP1_EMPTY, put_buf};
use crate::support::process::Process;
use crate::support::provider::{Provider, REFUSED, WRITER, auth};
use crate::support::server::Server;
use crate::support::socket::{End, Socket, upgrade};
use crate::support::token::{reader, writer};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
/// Asks for a window of 512 bytes.
const SMALL_OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9";
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const ON: [&str; 2] = ["--compression", "on"];
/// With what sends messages back.
const ECHO: [&str; 3] = ["--compression", "on", "--demo"];

/// Connects with an offer and a token.
fn offering(address: SocketAddr, path: &str, offer: &str, token: &str) -> Socket {
    let socket = Socket::open(address, &upgrade(path, &[offer, &format!("Authorization: Bearer {token}")]), &[]);
    assert_eq!(socket.answer.status, 101, "{:?}", socket.answer);
    assert!(socket.answer.header("sec-websocket-extensions").is_some_and(|answer| answer.starts_with(ANSWER)));
    socket
}

/// A joined socket with compression that has read the opening.
fn opened(address: SocketAddr, user: &str) -> Socket {
    let mut socket = offering(address, "/yjs/room", OFFER, &writer(user));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    socket
}

/// A JSON client with compression.
fn json_client(address: SocketAddr, user: &str) -> Client {
    let mut client = Client::open_with(address, "/ws", &[OFFER, &format!("Authorization: Bearer {}", writer(user))]);
    assert_eq!(client.next()["type"], "auth.success");
    client
}

/// The payload of the next message, and whether it came compressed.
fn next_message(socket: &mut Socket) -> (Vec<u8>, bool) {
    let frame = socket.frame();
    assert_eq!(frame.opcode, BINARY);
    (frame.payload, frame.is_compressed)
}

/// Ten million zeros in ten thousand bytes.
fn bomb() -> Vec<u8> {
    let bomb = deflated(&vec![0; 10_000_000]);
    assert!(bomb.len() < 10_240, "{}", bomb.len());
    bomb
}

#[test]
fn compression_is_agreed_on_at_every_endpoint_where_it_is_on_and_offered() {
    let (on, off) = (Server::with(&ECHO), Server::with(&ECHO[2..]));
    let authorization = format!("Authorization: Bearer {}", writer("alice"));
    for path in ["/yjs/room", "/ws", "/hocuspocus", "/echo"] {
        let answer = |server: &Server, offers: &[&str]| {
            let head = upgrade(path, &[offers, &[authorization.as_str()]].concat());
            let socket = Socket::open(server.address, &head, &[]);
            assert_eq!(socket.answer.status, 101, "{path} {offers:?}");
            socket.answer.header("sec-websocket-extensions").map(str::to_owned)
        };
        assert_eq!(answer(&on, &[OFFER]).as_deref(), Some(ANSWER), "{path}");
        assert_eq!(answer(&on, &[]), None, "{path}");
        assert_eq!(answer(&off, &[OFFER]), None, "{path}");
        // What does not fit is no reason to refuse the connection; the next offer may fit.
        let unfit = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16";
        assert_eq!(answer(&on, &[unfit]), None, "{path}");
        assert_eq!(answer(&on, &[unfit, OFFER]).as_deref(), Some(ANSWER), "{path}");
        assert_eq!(answer(&on, &[SMALL_OFFER]), Some(format!("{ANSWER}; server_max_window_bits=9")), "{path}");
    }
}

#[test]
fn clients_with_and_without_compression_get_the_same_bytes() {
    let server = Server::with(&[&ON[..], &["--compression-bytes-min", "400"]].concat());
    let mut bob = opened(server.address, "bob");
    let mut carol = Socket::yjs(server.address, "room", &writer("carol"));
    assert_eq!(carol.payload(), STEP1_EMPTY);
    let mut dave = offering(server.address, "/yjs/room", SMALL_OFFER, &writer("dave"));
    assert_eq!(dave.payload(), STEP1_EMPTY);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    // Too short for anyone; for everyone; too long for a window of 512 bytes.
    for (times, for_bob, for_dave) in [(10, false, false), (80, true, true), (1000, true, false)] {
        let update = message::update(&alice.types(&"again ".repeat(times)));
        for (socket, is_compressed) in [(&mut bob, for_bob), (&mut carol, false), (&mut dave, for_dave)] {
            assert_eq!(next_message(socket), (update.clone(), is_compressed), "{times}");
        }
        assert_eq!(alice.socket.payload(), update);
    }
    // The document of one who joins, and what goes the other way.
    let mut erin = offering(server.address, "/yjs/room", OFFER, &writer("erin"));
    assert!(erin.payload() != STEP1_EMPTY, "the server has something to compare");
    erin.say(STEP1_EMPTY);
    let (state, is_compressed) = next_message(&mut erin);
    assert!(is_compressed);
    carol.say(STEP1_EMPTY);
    assert_eq!(next_message(&mut carol), (state, false));
    let update = message::update(&typed(&document(2), &"and again ".repeat(1000)));
    bob.send(&compressed(BINARY, &update));
    assert_eq!(next_message(&mut bob), (update.clone(), true));
    assert_eq!(next_message(&mut carol), (update, false));
}

#[test]
fn compressed_messages_in_fragments_are_handled_and_may_stand_among_others() {
    let server = Server::with(&ON);
    let mut socket = opened(server.address, "alice");
    let query = deflated(QUERY);
    socket.send(&raw(COMPRESSED | BINARY, &query[..1]));
    socket.send(&frame(PING, b"in between"));
    socket.send(&raw(0x80, &query[1..]));
    let pong = socket.frame();
    assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"in between"[..]));
    assert_eq!(socket.payload(), NOBODY);
    socket.say(QUERY);
    assert_eq!(socket.payload(), NOBODY);
}

#[test]
fn json_clients_with_compression_are_heard_and_hear() {
    let server = Server::with(&ON);
    let mut ada = json_client(server.address, "ada");
    ada.joins("room");
    let text = "the same again ".repeat(1000);
    let message = serde_json::json!({ "type": "chat.message", "room": "room", "text": text });
    ada.socket.send(&compressed(TEXT, message.to_string().as_bytes()));
    let heard = ada.socket.frame();
    assert_eq!((heard.opcode, heard.is_compressed), (TEXT, true));
    let heard: serde_json::Value = serde_json::from_slice(&heard.payload).unwrap();
    assert_eq!((heard["type"].as_str(), heard["text"].as_str()), (Some("chat.message"), Some(text.as_str())));
}

#[test]
fn rule_8_compressed_frames_are_refused_where_they_were_not_agreed_on_or_make_no_sense() {
    let server = Server::with(&ON);
    let plain = |user: &str| Socket::yjs(server.address, "room", &writer(user));
    let agreed = |user: &str| opened(server.address, user);
    let query = deflated(QUERY);
    let continued = [raw(BINARY, b"\x03"), raw(0x80 | COMPRESSED, &query)].concat();
    let text = compressed(TEXT, b"\xff");
    let cases: [(&str, Socket, Vec<u8>, u16); 7] = [
        ("not agreed on", plain("a"), compressed(BINARY, QUERY), 1002),
        ("a later fragment", agreed("b"), continued, 1002),
        ("a ping", agreed("c"), raw(0x80 | COMPRESSED | PING, &[]), 1002),
        ("a close", agreed("d"), raw(0x80 | COMPRESSED | CLOSE, &[]), 1002),
        ("another reserved bit", agreed("e"), raw(0xa0 | COMPRESSED | BINARY, &query), 1002),
        ("data that is none", agreed("f"), raw(0x80 | COMPRESSED | BINARY, &[0xff; 10]), 1007),
        ("text that is none", agreed("g"), text, 1007),
    ];
    for (what, mut socket, bytes, code) in cases {
        socket.send(&bytes);
        assert_eq!(socket.closed().0, code, "{what}");
        assert_eq!(socket.ended(), End::Finished, "{what}");
    }
}

#[test]
fn rule_22_a_message_is_as_long_as_it_is_inflated() {
    let server =
        Server::with(&[&ON[..], &["--document-bytes-max", "100000", "--reader-message-bytes-max", "2000"]].concat());
    for (token, limit) in [(writer("alice"), 100_000), (reader("bob"), 2000)] {
        let closed = |bytes: usize| {
            let mut socket = offering(server.address, "/yjs/room", OFFER, &token);
            socket.send(&compressed(BINARY, &QUERY.repeat(bytes)));
            socket.closed().0
        };
        assert_eq!(closed(limit), 4422, "its length is taken, its content is not");
        assert_eq!(closed(limit + 1), 4413);
        let mut socket = offering(server.address, "/yjs/room", OFFER, &token);
        socket.send(&header(0x80 | COMPRESSED | BINARY, 2 << 30));
        assert_eq!(socket.closed().0, 4413, "refused by what it declares");
    }
}

#[test]
fn rule_22_a_bomb_is_refused_by_every_protocol_and_a_good_client_goes_on() {
    let server = Server::with(&[&ECHO[..], &["--document-bytes-max", "1048576"]].concat());
    let mut good = Editor::join(server.address, "room", &writer("good"), 1);
    let bomb = bomb();
    let stranger = Socket::open(server.address, &upgrade("/ws", &[OFFER]), &[]);
    let cases = [
        (offering(server.address, "/yjs/room", OFFER, &writer("a")), BINARY, 4413),
        (offering(server.address, "/yjs/room", OFFER, &reader("b")), BINARY, 4413),
        (offering(server.address, "/ws", OFFER, &writer("c")), TEXT, 1009),
        (stranger, TEXT, 1009),
        (offering(server.address, "/hocuspocus", OFFER, &writer("d")), BINARY, 1009),
        (offering(server.address, "/echo", OFFER, &writer("e")), TEXT, 1009),
    ];
    for (number, (mut socket, opcode, code)) in cases.into_iter().enumerate() {
        socket.send(&raw(0x80 | COMPRESSED | opcode, &bomb));
        assert_eq!(socket.closed().0, code, "case {number}");
        good.saves("still typing ");
    }
}

#[test]
fn rule_22_of_an_edit_too_long_once_it_is_inflated_the_document_is_told_and_the_connection_goes_on() {
    let server = Server::with(&[&ON[..], &["--document-bytes-max", "65536"]].concat());
    let mut ada = Provider { socket: offering(server.address, "/hocuspocus", OFFER, &writer("ada")) };
    ada.say("doc", &auth(&writer("ada"), None));
    ada.hears("doc", WRITER);
    let mut edit = Vec::new();
    put_buf(&mut edit, b"doc");
    edit.push(0);
    edit.extend_from_slice(&message::update(&typed(&document(1), &"x".repeat(1_000_000)))[1..]);
    ada.socket.send(&compressed(BINARY, &edit));
    ada.until("doc", REFUSED);
    ada.socket.was_read();
}

#[test]
fn rule_22_what_inflates_counts_among_unfinished_messages() {
    let server =
        Server::with(&[&ON[..], &["--document-bytes-max", "4194304", "--unfinished-bytes-max", "4194304"]].concat());
    let mut good = Editor::join(server.address, "room", &writer("good"), 1);
    let begun = |user: &str| {
        let mut socket = offering(server.address, "/yjs/hoard", OFFER, &writer(user));
        // A million zeros in a thousand bytes, and no end.
        socket.send(&raw(COMPRESSED | BINARY, &deflated(&vec![0; 1_000_000])));
        socket
    };
    let hoarders: Vec<Socket> = (0..5).map(|_| begun("hoarder")).collect();
    // One more of the same user, who holds most: one that ends its message is refused for its content, if it gets so far.
    let one_more = || {
        let mut socket = begun("hoarder");
        socket.send(&raw(0x80, &[]));
        socket.closed().0
    };
    eventually("there is no more room for messages that have begun", || (one_more() == 1013).then_some(()));
    good.saves("still typing");
    drop(hoarders);
    eventually("the room is given back", || (one_more() == 4422).then_some(()));
}

#[test]
fn rule_22_many_long_messages_in_few_bytes_are_handled_one_after_another() {
    let server = Server::with(&ECHO);
    let mut socket = offering(server.address, "/echo", OFFER, &writer("alice"));
    let long = |number: u8| vec![number; 300_000];
    let all: Vec<u8> = (0..100).flat_map(|number| compressed(BINARY, &long(number))).collect();
    assert!(all.len() < 64 * 1024, "one read: {}", all.len());
    socket.send(&all);
    for number in 0..100 {
        let payload = socket.payload();
        assert!(payload == long(number), "message {number}: {} bytes", payload.len());
    }
    socket.was_read();
}

#[test]
fn what_waits_for_a_peer_counts_as_it_is_sent() {
    let server = Server::with(&[&ON[..], &["--outbox-bytes-max", "65536"]].concat());
    let mut plain = Socket::yjs(server.address, "room", &writer("plain"));
    let mut deflating = opened(server.address, "deflating");
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    // Nobody reads what is a hundred times shorter when it is compressed.
    for _ in 0..300 {
        alice.saves(&"x".repeat(50_000));
    }
    for update in &alice.updates {
        assert!(deflating.payload() == message::update(update));
    }
    plain.ended();
}

#[test]
fn bytes_before_and_after_compression_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[&ECHO[..], &["--metrics-bind", "127.0.0.1:0"]].concat());
    let metrics = process.metrics_address();
    let mut socket = offering(process.address, "/echo", OFFER, &writer("alice"));
    let sent = compressed(TEXT, &[b'x'; 10_000]);
    socket.send(&sent);
    assert_eq!(socket.frame().payload.len(), 10_000);
    socket.was_read();
    let text = get(metrics, "/metrics", None).text().to_owned();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}")).parse::<usize>().unwrap()
    };
    assert_eq!(value("tutti_compressed_bytes_received_total"), sent.len() - 6);
    assert_eq!(value("tutti_compressed_plain_bytes_received_total"), 10_000);
    assert!((1..100).contains(&value("tutti_compressed_bytes_sent_total")));
    assert_eq!(value("tutti_compressed_plain_bytes_sent_total"), 10_004);
}
