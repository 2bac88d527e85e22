//! Documents larger than an outbox, and peers that take them slowly.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::editor::{Editor, document, text};
use crate::support::eventually;
use crate::support::frame::{BINARY, PING, PONG, frame, parse};
use crate::support::message::{self, Message, NOBODY, STEP1_EMPTY};
use crate::support::process::Process;
use crate::support::provider::{Provider, READER};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};

const DOCUMENT_BYTES: usize = 3 << 20;

/// A server whose room has a large document, and who typed it.
fn with_large_document(options: &[&str]) -> (Server, Editor) {
    let server = Server::with(options);
    let mut alice = Editor::join(server.address, "room", &writer("alice"), 1);
    alice.saves(&"x".repeat(DOCUMENT_BYTES));
    (server, alice)
}

fn is_whole(state: &Message) -> bool {
    let Message::Step2(update) = state else { return false };
    use yrs::updates::decoder::Decode;
    use yrs::{Transact, Update};
    let doc = document(9);
    doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    text(&doc).len() == DOCUMENT_BYTES
}

#[test]
fn a_document_larger_than_the_outbox_arrives_whole() {
    let (server, _alice) = with_large_document(&["--outbox-bytes-max", "65536"]);
    let mut bob = Socket::yjs(server.address, "room", &writer("bob"));
    bob.say(STEP1_EMPTY);
    assert!(matches!(bob.message(), Message::Step1(_)));
    assert!(is_whole(&bob.message()));
}

#[test]
fn step1_again_while_the_first_answer_is_under_way_is_answered_after_it() {
    let (server, _alice) = with_large_document(&["--outbox-bytes-max", "65536"]);
    let mut bob = Socket::yjs(server.address, "room", &writer("bob"));
    assert!(matches!(bob.message(), Message::Step1(_)));
    bob.send(&[frame(BINARY, STEP1_EMPTY), frame(BINARY, STEP1_EMPTY)].concat());
    assert!(is_whole(&bob.message()));
    assert!(is_whole(&bob.message()));
}

#[test]
fn of_many_step1_only_one_answer_is_under_way_and_the_last_one_is_answered() {
    let (server, mut alice) = with_large_document(&[]);
    let mut bob = Socket::yjs(server.address, "room", &writer("bob"));
    assert!(matches!(bob.message(), Message::Step1(_)));
    let known = [1, 1].into_iter().chain(clock(DOCUMENT_BYTES)).collect::<Vec<u8>>();
    bob.send(&[frame(BINARY, STEP1_EMPTY).repeat(50), frame(BINARY, &message::step1(&known))].concat());
    let mut large = 0;
    loop {
        match bob.message() {
            Message::Step2(update) if update.len() >= DOCUMENT_BYTES => large += 1,
            Message::Step2(update) => break assert!(update.len() < 100, "{} bytes", update.len()),
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=25).contains(&large), "{large} whole documents for 50 questions");
    alice.barrier();
}

/// A Step1 that nobody else says: all of the document is lacking, but for the first key of a client that never typed.
fn own_step1(number: usize) -> Vec<u8> {
    message::step1(&[vec![1], clock(100 + number), vec![1]].concat())
}

/// A member that has taken the server's Step1.
fn member(address: SocketAddr, name: &str) -> Socket {
    let mut socket = Socket::yjs(address, "room", &writer(name));
    assert!(matches!(socket.message(), Message::Step1(_)));
    socket
}

/// Asks, and whether a large answer is what begins to come, which is not taken.
fn is_answered(socket: &mut Socket, question: &[u8]) -> bool {
    // Or the kernel takes the whole answer.
    socket2::SockRef::from(&socket.stream).set_recv_buffer_size(64 * 1024).unwrap();
    socket.say(question);
    loop {
        let mut first = [0; 2];
        socket.stream.read_exact(&mut first).unwrap();
        match first {
            // On a slow machine, signs of life may stand before it.
            [first, 0] if first == 0x80 | PING => {}
            [first, 3] if first == 0x80 | BINARY => {
                let mut keep_alive = [0; 3];
                socket.stream.read_exact(&mut keep_alive).unwrap();
                assert_eq!(keep_alive, NOBODY);
            }
            // A length of 8 bytes follows.
            _ => return first == [0x80 | BINARY, 127],
        }
    }
}

#[test]
fn who_all_lack_something_else_and_take_nothing_share_what_the_server_keeps_for_them() {
    let folder = tempfile::tempdir().unwrap();
    // All large answers may hold four documents of this size, and wait for as long as this takes.
    let options = ["--document-bytes-max", "4194304", "--stall-timeout-ms", "600000"];
    let process = Process::start(folder.path(), &options);
    let mut alice = Editor::join(process.address, "room", &writer("alice"), 1);
    alice.saves(&"x".repeat(DOCUMENT_BYTES));
    let before = process.memory_bytes();
    let mut stuck: Vec<_> = (0..80).map(|number| member(process.address, &format!("mallory{number}"))).collect();
    for (number, socket) in stuck.iter_mut().enumerate() {
        assert!(is_answered(socket, &own_step1(number)));
    }
    let growth = process.memory_bytes().saturating_sub(before);
    assert!(growth < 20 * DOCUMENT_BYTES, "{growth} bytes for 80 answers");
    let mut bob = member(process.address, "bob");
    bob.say(&own_step1(80));
    assert!(is_whole(&bob.message()));
}

#[test]
fn rule_37_states_that_nobody_takes_are_bounded_and_whoever_holds_them_is_to_come_back() {
    let (server, mut alice) = with_large_document(&["--document-bytes-max", "4194304"]);
    let mut stuck = Vec::new();
    let mut refused = loop {
        let mut socket = member(server.address, "mallory");
        if !is_answered(&mut socket, STEP1_EMPTY) {
            break socket;
        }
        stuck.push(socket);
        assert!(stuck.len() < 10, "{} states", stuck.len());
        // Nothing changes but the state.
        alice.saves("y");
    };
    assert!(stuck.len() >= 2, "{} states", stuck.len());
    let mut code = [0; 2];
    refused.stream.read_exact(&mut code).unwrap();
    assert_eq!(u16::from_be_bytes(code), 1013);

    assert!(is_answered(&mut member(server.address, "carol"), STEP1_EMPTY), "somebody else is answered");
    drop(stuck);
    eventually("there is room for a state again", || {
        is_answered(&mut member(server.address, "mallory"), STEP1_EMPTY).then_some(())
    });
    alice.barrier();
}

#[test]
fn rule_37_copies_for_addresses_that_a_client_chooses_are_bounded_and_others_get_theirs() {
    let (server, mut alice) = with_large_document(&["--document-bytes-max", "4194304"]);
    let asks = |user: &str, number: usize| {
        let address = format!("room\0{number}");
        let provider = Provider::open(server.address, &address, &reader(user), READER);
        (provider, [&[address.len() as u8], address.as_bytes(), STEP1_EMPTY].concat())
    };
    let mut stuck = Vec::new();
    loop {
        let (mut mallory, question) = asks("mallory", stuck.len());
        if !is_answered(&mut mallory.socket, &question) {
            break;
        }
        stuck.push(mallory);
        assert!(stuck.len() < 10, "{} copies", stuck.len());
    }
    assert!(stuck.len() >= 2, "{} copies", stuck.len());
    let (mut bob, question) = asks("bob", 0);
    assert!(is_answered(&mut bob.socket, &question));
    alice.barrier();
}

#[test]
fn members_who_all_lack_something_else_wait_for_each_other_and_get_it() {
    let (server, mut alice) = with_large_document(&[]);
    let mut members: Vec<_> = (0..40).map(|number| member(server.address, &format!("user{number}"))).collect();
    for (number, member) in members.iter_mut().enumerate() {
        member.say(&own_step1(number));
    }
    // Some do not wait.
    members.truncate(30);
    alice.barrier();
    for member in &mut members {
        assert!(is_whole(&member.until("Step2", |message| matches!(message, Message::Step2(_)))));
    }
}

#[test]
fn edits_made_while_the_document_is_under_way_are_not_missed() {
    let (server, mut alice) = with_large_document(&["--outbox-bytes-max", "65536"]);
    let mut bob = Socket::yjs(server.address, "room", &writer("bob"));
    bob.say(STEP1_EMPTY);
    for number in 0..100 {
        alice.types(&format!("{number};"));
    }
    alice.barrier();
    let doc = document(9);
    while text(&doc) != alice.text() {
        use yrs::updates::decoder::Decode;
        use yrs::{Transact, Update};
        if let Message::Step2(update) | Message::Update(update) = bob.message() {
            doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        }
    }
}

#[test]
fn rule_28_twenty_clients_joining_a_large_document_at_once_all_get_it() {
    let (server, _alice) = with_large_document(&["--outbox-bytes-max", "65536", "--outboxes-bytes-max", "131072"]);
    let address = server.address;
    let join = |number: usize| {
        thread::spawn(move || {
            let mut socket = Socket::yjs(address, "room", &writer(&format!("user{number}")));
            socket.say(STEP1_EMPTY);
            is_whole(&socket.until("Step2", |message| matches!(message, Message::Step2(_))))
        })
    };
    let joined: Vec<_> = (0..20).map(join).collect();
    assert!(joined.into_iter().all(|thread| thread.join().unwrap()));
}

#[test]
fn a_peer_that_reads_slowly_but_steadily_is_not_closed() {
    // The outbox holds the whole document, so that it is read from meanwhile, and a ping stands behind all of it.
    let waits = ["--stall-timeout-ms", "4000", "--ping-interval-ms", "300", "--pong-timeout-ms", "4000"];
    let options = [&waits[..], &["--outbox-bytes-max", "8388608"]].concat();
    let (server, alice) = with_large_document(&options);
    drop(alice);
    let mut bob = Socket::yjs(server.address, "room", &writer("bob"));
    // Or the kernel takes the whole document at once, and the peer seems fast.
    socket2::SockRef::from(&bob.stream).set_recv_buffer_size(64 * 1024).unwrap();
    bob.say(STEP1_EMPTY);
    let started = Instant::now();
    let (mut incoming, mut at, mut states) = (Vec::new(), 0, 0);
    while states == 0 {
        // Its slowness is what is tested: the document takes it longer than every timeout.
        thread::sleep(Duration::from_millis(50));
        let mut buffer = vec![0; 24 * 1024];
        let count = bob.stream.read(&mut buffer).expect("the server goes on sending");
        assert_ne!(count, 0, "closed after {:?}", started.elapsed());
        incoming.extend_from_slice(&buffer[..count]);
        while let Some((received, bytes)) = parse(&incoming[at..]) {
            at += bytes;
            match received.opcode {
                PING => bob.send(&frame(PONG, &[])),
                BINARY if received.payload.len() > DOCUMENT_BYTES => states += 1,
                BINARY => {}
                _ => panic!("closed: {:?} after {:?} and {at} bytes", received.close(), started.elapsed()),
            }
        }
    }
    assert!(started.elapsed() > Duration::from_millis(5000), "{:?}", started.elapsed());
}

fn clock(value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    message::put_number(&mut out, value as u64);
    out
}
