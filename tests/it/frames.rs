//! Frames against RFC 6455 and our limits, and how a connection closes.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite;
use tungstenite::client::IntoClientRequest;

use crate::support::editor::Editor;
use crate::support::frame::{BINARY, CLOSE, PING, PONG, TEXT, frame, header, raw};
use crate::support::message::{NOBODY, QUERY, STEP1_EMPTY};
use crate::support::server::Server;
use crate::support::socket::{End, Socket, upgrade};
use crate::support::token::{reader, writer};
use crate::support::{eventually, within};

/// A joined socket that has read the opening.
fn opened(server: &Server, user: &str) -> Socket {
    let mut socket = Socket::yjs(server.address, "room", &writer(user));
    assert_eq!(socket.payload(), STEP1_EMPTY);
    socket
}

fn close_frame(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn rule_8_frames_against_the_rules_are_refused_with_1002_and_a_clean_end() {
    let cases: [(&str, Vec<u8>); 15] = [
        ("unmasked", vec![0x82, 1, 3]),
        ("first reserved bit", raw(0xc2, QUERY)),
        ("second reserved bit", raw(0xa2, QUERY)),
        ("third reserved bit", raw(0x92, QUERY)),
        ("reserved data opcode", raw(0x83, QUERY)),
        ("reserved control opcode", raw(0x8b, &[])),
        ("fragmented ping", raw(PING, &[])),
        ("fragmented close", raw(CLOSE, &[])),
        ("ping of 126 bytes", frame(PING, &[0; 126])),
        ("continuation of nothing", raw(0x80, QUERY)),
        ("a message within another", [raw(BINARY, QUERY), frame(BINARY, QUERY)].concat()),
        ("length not in its shortest form", vec![0x82, 0xfe, 0, 1, 0, 0, 0, 0, 3]),
        ("close code of one byte", frame(CLOSE, &[3])),
        ("close code that must not be sent", close_frame(1005, b"")),
        ("close code below 1000", close_frame(999, b"")),
    ];
    let server = Server::start();
    for (number, (what, bytes)) in cases.into_iter().enumerate() {
        let mut socket = opened(&server, &format!("user{number}"));
        socket.send(&bytes);
        assert_eq!(socket.closed().0, 1002, "{what}");
        assert_eq!(socket.ended(), End::Finished, "{what}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_1007() {
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    socket.send(&frame(TEXT, b"\xff"));
    assert_eq!(socket.closed().0, 1007);
    let mut socket = opened(&server, "bob");
    socket.send(&close_frame(1000, b"\xff"));
    assert_eq!(socket.closed().0, 1007);
}

#[test]
fn text_is_refused_for_good_on_a_path_that_speaks_binary() {
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    socket.send(&frame(TEXT, b"hello"));
    let (code, reason) = socket.closed();
    assert_eq!(code, 4422);
    assert!(reason.contains("binary"), "{reason}");
}

#[test]
fn messages_that_cannot_be_read_are_refused_for_good() {
    let cases: [(&str, &[u8]); 7] = [
        ("empty", &[]),
        ("a sync status that claims too much", &[102, 5, 1]),
        ("cut within a buffer", &[0, 2, 5, 1]),
        ("cut within a number", &[0, 0x80]),
        ("an update that is none", &[0, 2, 3, 1, 2, 3]),
        ("a state vector that claims too much", &[0, 0, 2, 0xff, 0x7f]),
        ("an awareness state that is no JSON", &[1, 5, 1, 1, 1, 1, b'{']),
    ];
    let server = Server::start();
    let mut bystander = Editor::join(server.address, "room", &writer("bystander"), 1);
    for (number, (what, bytes)) in cases.into_iter().enumerate() {
        let mut socket = opened(&server, &format!("user{number}"));
        socket.say(bytes);
        assert_eq!(socket.closed().0, 4422, "{what}");
    }
    bystander.barrier();
    assert_eq!((bystander.updates.len(), bystander.states.len()), (1, 0));
}

#[test]
fn a_message_in_fragments_with_a_ping_between_is_handled() {
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    socket.send(&raw(BINARY, &[]));
    socket.send(&frame(PING, b"in between"));
    socket.send(&raw(0x80, QUERY));
    let pong = socket.frame();
    assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"in between"[..]));
    assert_eq!(socket.payload(), NOBODY);
}

#[test]
fn rule_21_a_message_may_have_as_many_fragments_as_allowed_and_no_more() {
    let server = Server::with(&["--fragments-max", "5"]);
    let fragments = |count: usize| {
        let middle = raw(0, &[]).repeat(count - 2);
        [raw(BINARY, &[]), middle, raw(0x80, QUERY)].concat()
    };
    let mut socket = opened(&server, "alice");
    socket.send(&fragments(5));
    assert_eq!(socket.payload(), NOBODY);
    socket.send(&fragments(6));
    assert_eq!(socket.closed().0, 1002);
}

#[test]
fn rule_21_a_writers_message_may_be_as_long_as_a_document_and_one_byte_more_is_refused_unseen() {
    let server = Server::with(&["--document-bytes-max", "100000"]);
    let mut socket = opened(&server, "alice");
    socket.say(&QUERY.repeat(100_000));
    assert_eq!(socket.closed().0, 4422, "its length is taken, its content is not");
    let mut socket = opened(&server, "bob");
    socket.send(&header(0x80 | BINARY, 100_001));
    assert_eq!(socket.closed().0, 4413);
    assert_eq!(socket.ended(), End::Finished);
}

#[test]
fn rule_21_a_readers_message_may_be_as_long_as_the_setting_says_and_one_byte_more_is_refused() {
    let server = Server::with(&["--reader-message-bytes-max", "2000"]);
    let joined = |user| Socket::yjs(server.address, "room", &reader(user));
    let mut socket = joined("alice");
    socket.say(&QUERY.repeat(2000));
    assert_eq!(socket.closed().0, 4422, "its length is taken, its content is not");
    // Had it been an edit, it would be denied.
    let mut socket = joined("bob");
    socket.say(&QUERY.repeat(2001));
    assert_eq!(socket.closed().0, 4413);
    let mut socket = joined("carol");
    socket.send(&header(0x80 | BINARY, 2 << 30));
    assert_eq!(socket.closed().0, 4413);
}

#[test]
fn fragments_are_counted_together_against_the_longest_message() {
    let server = Server::with(&["--document-bytes-max", "100000"]);
    let mut socket = opened(&server, "alice");
    socket.send(&raw(BINARY, &[3; 60_000]));
    socket.send(&header(0x80, 40_001));
    assert_eq!(socket.closed().0, 4413);
}

#[test]
fn rule_21_a_header_that_claims_4_gib_is_refused_at_once() {
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    socket.send(&header(0x80 | BINARY, 4 << 30));
    assert_eq!(socket.closed().0, 4413);
}

#[test]
fn rule_21_what_a_closed_sockets_peer_still_sends_is_read_in_turns_with_pauses() {
    const PIECE: usize = 64 * 1024;
    // 256 KiB each 10 ms, and what the two kernels hold. A busy machine only takes longer.
    let (bytes, shortest) = (64 << 20, Duration::from_secs(1));
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    let began = Instant::now();
    socket.send(&header(0x80 | BINARY, 4 << 30));
    for _ in 0..bytes / PIECE {
        socket.send(&[0; PIECE]);
    }
    assert_eq!(socket.closed().0, 4413);
    assert!(began.elapsed() > shortest, "64 MiB were read in {:?}", began.elapsed());
}

#[test]
fn the_peers_close_is_answered_with_its_own_code() {
    let server = Server::start();
    for (user, code) in [("alice", 1000), ("bob", 1001), ("carol", 3000), ("dave", 4999)] {
        let mut socket = opened(&server, user);
        socket.send(&close_frame(code, b"bye"));
        assert_eq!(socket.closed().0, code);
        assert_eq!(socket.ended(), End::Finished);
    }
}

#[test]
fn a_close_without_a_code_is_answered_and_ends_the_connection() {
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    socket.send(&frame(CLOSE, &[]));
    assert_eq!(socket.closed().0, 1000);
    assert_eq!(socket.ended(), End::Finished);
}

#[test]
fn nothing_after_the_peers_close_is_handled() {
    let server = Server::start();
    let mut bystander = Editor::join(server.address, "room", &writer("bystander"), 1);
    let mut socket = opened(&server, "alice");
    socket.send(&[close_frame(1000, b""), frame(BINARY, crate::support::message::UPDATE_HI)].concat());
    assert_eq!(socket.closed().0, 1000);
    bystander.barrier();
    assert_eq!(bystander.text(), "");
}

#[test]
fn a_client_that_still_sends_sees_our_close_code_and_no_reset() {
    let server = Server::start();
    for number in 0..50 {
        let mut socket = opened(&server, &format!("user{number}"));
        socket.send(&raw(0xc2, QUERY));
        socket.send(&frame(BINARY, &[3; 4096]).repeat(8));
        assert_eq!(socket.closed().0, 1002, "connection {number}");
        assert_eq!(socket.ended(), End::Finished, "connection {number}");
    }
}

#[test]
fn a_client_that_never_ends_after_our_close_is_dropped() {
    let server = Server::start();
    let mut socket = opened(&server, "alice");
    socket.send(&frame(TEXT, b"x"));
    assert_eq!(socket.closed().0, 4422);
    // The server's own end has come; what is looked for is that it takes nothing any more.
    within(Duration::from_secs(20), "the connection is gone", || {
        use std::io::Write;
        socket.stream.write_all(&frame(PING, &[])).err()
    });
}

#[test]
fn another_implementation_of_rfc_6455_connects_talks_and_closes_cleanly() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let conversation = async {
        let url = format!("ws://{}/yjs/room?token={}", server.address, writer("alice"));
        let (mut socket, _) = tokio_tungstenite::connect_async(url.into_client_request().unwrap()).await.unwrap();
        let opening = socket.next().await.unwrap().unwrap();
        assert_eq!(opening.into_data(), STEP1_EMPTY);
        socket.send(tungstenite::Message::binary(QUERY)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_data(), NOBODY);
        socket.close(None).await.unwrap();
        while let Some(last) = socket.next().await {
            assert!(last.unwrap().is_close());
        }
    };
    runtime.block_on(async {
        tokio::time::timeout(crate::support::DEADLINE, conversation).await.expect("a conversation in time");
    });
}

#[test]
fn rule_21_unfinished_messages_hold_a_bounded_amount_together_and_a_good_client_goes_on() {
    let server = Server::with(&["--document-bytes-max", "1048576", "--unfinished-bytes-max", "1048576"]);
    let mut good = Editor::join(server.address, "room", &writer("good"), 1);
    let begun = |number: usize| {
        let mut socket = Socket::yjs(server.address, "hoard", &writer(&format!("hoarder{number}")));
        socket.send(&header(0x80 | BINARY, 100_000));
        socket.send(&[0xff; 60_000]);
        socket
    };
    let hoarders: Vec<Socket> = (0..17).map(begun).collect();
    // One that ends its message is refused for its content, if it gets so far.
    let one_more = || {
        let mut socket = begun(99);
        socket.send(&[0xff; 40_000]);
        socket.closed().0
    };
    eventually("there is no more room for messages that have begun", || (one_more() == 1013).then_some(()));
    good.saves("still typing");
    drop(hoarders);
    eventually("the room is given back", || (one_more() == 4422).then_some(()));
}

#[test]
fn rule_21_what_a_closed_socket_had_begun_is_given_back_while_its_peer_still_writes() {
    let server = Server::with(&["--document-bytes-max", "1048576", "--unfinished-bytes-max", "1048576"]);
    let mut hoarder = Socket::yjs(server.address, "room", &writer("hoarder"));
    hoarder.send(&header(BINARY, 900_000));
    hoarder.send(&[0; 900_000]);
    // A message within another.
    hoarder.send(&frame(BINARY, b""));
    assert_eq!(hoarder.closed().0, 1002);
    // The connection is there until its peer ends it, or for two seconds.
    let mut next = Socket::yjs(server.address, "room", &writer("hoarder"));
    next.send(&frame(BINARY, &[0xff; 900_000]));
    assert_eq!(next.closed().0, 4422);
}

#[test]
fn a_peer_in_the_middle_of_a_long_message_may_go_on_writing_until_it_reads_the_close() {
    let server = Server::with(&["--document-bytes-max", "65536"]);
    let long = frame(BINARY, &vec![0; 50_000_000]);
    let mut yjs = Socket::yjs(server.address, "room", &writer("alice"));
    yjs.send(&long);
    assert_eq!(yjs.closed().0, 4413);
    // What else ends a socket, too.
    let mut garbage = Socket::yjs(server.address, "room", &writer("alice"));
    garbage.say(&[0xff; 10]);
    garbage.send(&long);
    assert_eq!(garbage.closed().0, 4422);
    let mut json = Socket::open(server.address, &upgrade("/ws", &[]), &[]);
    json.send(&long);
    assert_eq!(json.closed().0, 1009);
}
