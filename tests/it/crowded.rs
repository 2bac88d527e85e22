//! Rooms and budgets that are full: whoever comes next is let in, and whoever fills them pays.

use std::collections::HashSet;
use std::time::Instant;

use crate::support::DEADLINE;
use crate::support::editor::Editor;
use crate::support::frame::{BINARY, CLOSE, PING, PONG, frame, header};
use crate::support::http::get;
use crate::support::json::Client;
use crate::support::message::{self, Message, STEP1_EMPTY, awareness, put_buf};
use crate::support::process::Process;
use crate::support::provider::{Provider, READER};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};

/// How many show themselves, each with a state of this size.
const PEOPLE: usize = 500;
const STATE_BYTES: usize = 4 * 1024;

fn state(person: usize) -> String {
    format!("\"{person:04}{}\"", "x".repeat(STATE_BYTES - 6))
}

/// Reads states until all people are there.
fn sees_all(mut next: impl FnMut() -> Message) {
    let (mut seen, started) = (HashSet::new(), Instant::now());
    while seen.len() < PEOPLE {
        assert!(started.elapsed() < DEADLINE, "{} people", seen.len());
        if let Message::Awareness(states) = next() {
            seen.extend(states.into_iter().filter(|state| state.json != "null").map(|state| state.client));
        }
    }
}

#[test]
fn rule_38_a_room_of_five_hundred_people_lets_the_next_one_in_by_every_protocol() {
    let server = Server::start();
    // Each connection shows sixteen of them, and reads what the others show.
    let holders: Vec<_> = (0..PEOPLE.div_ceil(16))
        .map(|group| {
            let mut socket = Socket::yjs(server.address, "room", &reader(&format!("group-{group}")));
            let mut stream = socket.stream.try_clone().unwrap();
            let reading = std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
            for person in group * 16..((group + 1) * 16).min(PEOPLE) {
                socket.say(&awareness(5_000 + person as u64, 1, &state(person)));
            }
            (socket, reading)
        })
        .collect();

    // More than an outbox holds.
    let mut newcomer = Socket::yjs(server.address, "room", &reader("newcomer"));
    sees_all(|| newcomer.message());
    let mut provider = Provider::open(server.address, "room", &reader("provider"), READER);
    let mut prefix = Vec::new();
    put_buf(&mut prefix, b"room");
    sees_all(|| {
        let payload = provider.socket.payload();
        match payload.strip_prefix(&prefix[..]) {
            Some(rest) if rest.first() == Some(&1) => message::parse(rest),
            _ => Message::Denied(String::new()),
        }
    });
    let json = Client::join(server.address, &reader("json"), "room");
    drop((json, provider));
    for (holder, reading) in holders {
        holder.stream.shutdown(std::net::Shutdown::Both).unwrap();
        // However it ended.
        drop(reading.join().unwrap());
    }
}

#[test]
fn rule_38_a_deep_state_reaches_nobody_and_its_sender_goes_on() {
    let server = Server::start();
    let mut ada = Editor::join(server.address, "room", &writer("ada"), 1);
    let mut json = Client::join(server.address, &reader("json"), "room");
    let mut mallory = Editor::join(server.address, "room", &writer("mallory"), 2);
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    for (clock, depth) in [(1, 64), (2, 8_000), (3, 16_000)] {
        mallory.socket.say(&awareness(77, clock, &nested(depth)));
    }
    mallory.socket.say(&awareness(77, 4, &nested(3)));
    ada.socket.until("the state that is shown", |message| match message {
        Message::Awareness(states) => states.iter().any(|state| {
            assert!(state.json.len() < 100, "{} bytes", state.json.len());
            state.client == 77
        }),
        _ => false,
    });
    mallory.saves("still there");
    assert!(json.heard_until_now("room", "presence.").iter().all(|message| message.to_string().len() < 1_000));
}

#[test]
fn rule_37_who_holds_most_of_what_has_begun_gives_way_to_the_next() {
    let server = Server::with(&["--document-bytes-max", "8388608", "--unfinished-bytes-max", "8388608"]);
    let begin = |user: &str, room: &str, bytes: usize| {
        let mut socket = Socket::yjs(server.address, room, &writer(user));
        assert_eq!(socket.payload(), STEP1_EMPTY);
        socket.send(&header(0x80 | BINARY, bytes as u64 + 1));
        socket.send(&vec![0; bytes]);
        socket
    };
    let mut held: Vec<_> = (0..4).map(|number| begin("mallory", &format!("m{number}"), 2_000_000)).collect();
    let mut others: Vec<_> = (0..20)
        .map(|number| Editor::join(server.address, &format!("room-{number}"), &writer(&format!("user-{number}")), 1))
        .collect();
    // Each as one message that does not fit beside the others' any more.
    for other in &mut others {
        other.saves(&"x".repeat(600_000));
    }
    held.iter_mut().for_each(|socket| socket.stream.set_nonblocking(true).unwrap());
    let ended = held.iter().filter(|socket| {
        let mut first = [0];
        matches!(socket.stream.peek(&mut first), Ok(1) if first[0] == 0x80 | CLOSE)
    });
    assert!(ended.count() >= 1);
}

#[test]
fn rule_41_a_reader_opens_few_rooms_a_minute_by_every_protocol_and_others_open_theirs() {
    let server = Server::with(&["--rate-rooms-user", "2"]);
    let token = reader("mallory");
    let mut json = Client::enter(server.address, &token);
    let mut joins = |room: &str| json.ask(serde_json::json!({ "type": "room.join", "room": room }));
    for number in 0..2 {
        assert_eq!(joins(&format!("room-{number}"))["type"], "room.joined");
    }
    assert_eq!(joins("room-20")["code"], "rate_limited");
    assert_eq!(joins("room-0")["type"], "room.joined", "it is open");

    let mut provider = Provider::connect(server.address);
    provider.say("room-21", &crate::support::provider::auth(&token, None));
    assert_eq!(provider.socket.closed().0, 1013);
    assert_eq!(Socket::yjs(server.address, "room-22", &token).closed().0, 1013);
    let posted = |room: &str, user: &str, body: &str| {
        crate::support::http::post_text(
            server.address,
            &format!("/api/v1/rooms/{room}/messages"),
            Some(&writer(user)),
            body,
        )
    };
    let message = r#"{"type":"chat.message","text":"hello"}"#;
    assert_eq!(posted("room-23", "mallory", message).error(), (429, "rate_limited".into()));
    let put = |room: &str, user: &str| {
        let (address, token) = (server.address, writer(user));
        let path = format!("/api/v1/rooms/{room}/document?format=text&root=t");
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}");
        let request = format!("{head}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        crate::support::http::request(address, &request)
    };
    assert_eq!(put("room-27", "mallory").error(), (429, "rate_limited".into()));
    assert_eq!(put("room-27", "ada").status, 201);
    assert_eq!((posted("room-24", "mallory", "[]").status, posted("room-25", "ada", message).status), (201, 201));
    Editor::join(server.address, "room-26", &writer("eve"), 1).saves("hello");
}

#[test]
fn rule_26_a_flood_of_edits_is_read_slowly_and_all_of_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--rate-yjs-socket", "20", "--metrics-bind", "127.0.0.1:0"]);
    let metrics = process.metrics_address();
    let mut mallory = Editor::join(process.address, "room", &writer("mallory"), 1);
    let mut ada = Editor::join(process.address, "room", &writer("ada"), 2);
    for number in 0..300 {
        mallory.types(&format!("{number};"));
    }
    ada.saves("at once");
    mallory.barrier();
    let text = get(metrics, "/metrics", None);
    assert!(!text.text().contains("\ntutti_sockets_slowed_total 0\n"));
    assert_eq!(
        process.log_with("is read more slowly", 1).matches("is read more slowly").count(),
        1,
        "{}",
        process.log()
    );
}

#[test]
fn rule_29_a_flood_of_pings_is_read_slowly_on_every_socket_and_all_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--rate-yjs-socket", "50", "--metrics-bind", "127.0.0.1:0"]);
    let metrics = process.metrics_address();
    let mut ada = Client::join(process.address, &writer("ada"), "room");
    let slowed = || {
        let text = get(metrics, "/metrics", None);
        let line = text.text().lines().find_map(|line| line.strip_prefix("tutti_sockets_slowed_total "));
        line.unwrap().parse::<f64>().unwrap()
    };
    let mut client = Client::join(process.address, &writer("mallory"), "other");
    let mut editor = Socket::yjs(process.address, "other", &writer("mallory"));
    for (number, socket) in [&mut client.socket, &mut editor].into_iter().enumerate() {
        // A burst is ten seconds of the rate.
        socket.send(&frame(PING, b"").repeat(600));
        let mut pongs = 0;
        while pongs < 600 {
            pongs += usize::from(socket.frame().opcode == PONG);
        }
        assert!(slowed() > number as f64);
    }
    ada.chats("room", "nobody else waits");
}
