//! Rooms and budgets that are full: whoever comes next is let in, and whoever fills them pays.

use std::any::Any;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;

use crate::support::editor::{Editor, document, typed};
use crate::support::events::Events;
use crate::support::frame::{BINARY, CLOSE, Frame, PING, PONG, frame, header};
use crate::support::http::{get, post_json, request};
use crate::support::json::Client;
use crate::support::message::{self, Message, STEP1_EMPTY, awareness, put_buf};
use crate::support::process::Process;
use crate::support::provider::{Provider, READER, SAVED, WRITER};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};
use crate::support::{DEADLINE, eventually};

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
    let mut joins = |room: &str| json.ask(json!({ "type": "room.join", "room": room }));
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
fn rule_29_a_flood_of_pings_or_pongs_is_read_slowly_on_every_socket_and_all_pings_are_answered() {
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
    for socket in [&mut client.socket, &mut editor] {
        // A burst is five seconds of the rate. Nobody has asked for pongs, and they are answered by nothing.
        for flood in [PING, PONG] {
            let before = slowed();
            socket.send(&frame(flood, b"").repeat(600));
            let mut pongs = if flood == PING { 600 } else { 0 };
            socket.send(&frame(PING, b"the end"));
            loop {
                let frame = socket.frame();
                match (frame.opcode, &frame.payload[..]) {
                    (PONG, b"the end") => break,
                    (PONG, _) => pongs -= 1,
                    _ => {}
                }
            }
            assert_eq!(pongs, 0);
            assert!(slowed() > before);
        }
    }
    ada.chats("room", "nobody else waits");
}

#[test]
fn rule_26_who_sends_more_than_a_turn_may_be_lets_others_of_the_thread_go_on_before_each_one() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--metrics-bind", "127.0.0.1:0"]);
    let metrics = process.metrics_address();
    let put_off = || {
        let text = get(metrics, "/metrics", None);
        let line = text.text().lines().find_map(|line| line.strip_prefix("tutti_turns_put_off_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let mut mallory = Editor::join(process.address, "room", &writer("mallory"), 1);
    mallory.saves("short");
    assert_eq!(put_off(), 0);
    // Read in at least 32 turns. What is not there yet when it is read ends a turn, too, but not all of them.
    mallory.saves(&"x".repeat(8 << 20));
    assert!(put_off() > 4, "{}", put_off());
}

/// What says something in a room of its own, and waits until that is stored.
type Teller = Box<dyn FnMut(&str)>;

fn yjs(address: SocketAddr, user: &str) -> Teller {
    let mut editor = Editor::join(address, user, &writer(user), 1);
    Box::new(move |text| editor.saves(text))
}

fn hocuspocus(address: SocketAddr, user: &str) -> Teller {
    let mut provider = Provider::open(address, user, &writer(user), WRITER);
    let (doc, room) = (document(1), user.to_owned());
    Box::new(move |text| {
        provider.say(&room, &message::update(&typed(&doc, text)));
        provider.until(&room, SAVED);
    })
}

fn json(address: SocketAddr, user: &str) -> Teller {
    let (mut client, room) = (Client::join(address, &writer(user), user), user.to_owned());
    Box::new(move |text| {
        client.chats(&room, text);
    })
}

fn events(address: SocketAddr, user: &str) -> Teller {
    let mut events = Events::open(address, &format!("/api/v1/rooms/{user}/events"), &writer(user));
    let (token, room) = (writer(user), user.to_owned());
    Box::new(move |text| {
        let chat = json!({ "type": "chat.message", "room": room, "text": text });
        assert_eq!(events.ask_for(&token, chat)["type"], "saved");
    })
}

fn messages(address: SocketAddr, user: &str) -> Teller {
    let (token, path) = (writer(user), format!("/api/v1/rooms/{user}/messages"));
    Box::new(move |text| assert_eq!(post_json(address, &path, Some(&token), &json!({ "text": text })).status, 201))
}

fn documents(address: SocketAddr, user: &str) -> Teller {
    let (token, path) = (writer(user), format!("/api/v1/rooms/{user}/document?format=text&root=t"));
    Box::new(move |text| {
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}");
        let len = text.len();
        let answer = request(address, &format!("{head}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{text}"));
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    })
}

#[test]
fn rule_26_whoever_sends_too_many_bytes_is_read_slowly_by_every_protocol_and_another_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--rate-yjs-user", "1", "--metrics-bind", "127.0.0.1:0"]);
    let metrics = process.metrics_address();
    let slowed = |what: &str| {
        let (text, name) = (get(metrics, "/metrics", None), format!("tutti_{what}_slowed_total "));
        text.text().lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
    };
    type Protocol = (&'static str, &'static str, fn(SocketAddr, &str) -> Teller);
    let protocols: [Protocol; 6] = [
        ("yjs", "sockets", yjs),
        ("hocuspocus", "sockets", hocuspocus),
        ("json", "sockets", json),
        ("events", "requests", events),
        ("messages", "requests", messages),
        ("documents", "requests", documents),
    ];
    // More than a second's worth, beside the message itself; at once there may be five.
    let long = "x".repeat(20_000);
    for (name, what, teller) in protocols {
        let before = slowed(what);
        let mut mallory = teller(process.address, &format!("{name}-mallory"));
        let count = (0..20).take_while(|_| slowed(what) == before).map(|_| mallory(&long)).count();
        assert!(slowed(what) > before, "{name} is never slowed");
        assert!(count > 1, "{name} is slowed at once");
        drop(mallory);
        let before = (slowed("sockets"), slowed("requests"));
        teller(process.address, &format!("{name}-ada"))("short");
        assert_eq!((slowed("sockets"), slowed("requests")), before, "{name}");
    }
}

#[test]
fn rule_26_who_shows_more_than_can_be_seen_costs_the_others_no_more_than_a_moving_cursor() {
    const STATES: u64 = 5_000;
    let server = Server::start();
    let mut others: Vec<Editor> = (0..9)
        .map(|number| Editor::join(server.address, "room", &writer(&format!("other-{number}")), 10 + number))
        .collect();
    let mut mallory = Socket::yjs(server.address, "room", &writer("mallory"));
    let started = Instant::now();
    for clock in 1..=STATES {
        mallory.say(&awareness(1, clock, "{\"cursor\":1}"));
    }
    for other in &mut others {
        let mut frames = 0;
        other.until("the last state", |_, message| match message {
            Message::Awareness(states) => {
                frames += 1;
                states.iter().any(|state| (state.client, state.clock) == (1, STATES))
            }
            _ => false,
        });
        // What may come at once, and sixty a second.
        let most = 31 + 60 * (started.elapsed().as_secs() + 1);
        assert!(frames <= most, "{frames} frames, not {most}");
    }
}

/// A connection of a user that was let in; or the code, or status, and the words with which it was refused.
type Coming = Result<Box<dyn Any>, (u16, String)>;

fn closed(frame: &Frame) -> (u16, String) {
    let (code, reason) = frame.close();
    (code, reason.to_owned())
}

fn comes_by_yjs(address: SocketAddr, user: &str) -> Coming {
    let mut socket = Socket::yjs(address, "room", &writer(user));
    match socket.message() {
        Message::Denied(_) => Err(socket.closed()),
        _ => Ok(Box::new(socket)),
    }
}

/// Reads the first word that a client is told, and looks whether it is that its token is good.
fn is_welcomed(mut client: Client) -> Coming {
    let frame = client.socket.frame();
    match frame.opcode {
        CLOSE => Err(closed(&frame)),
        _ => {
            let told: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
            assert_eq!(told["type"], "auth.success", "{told}");
            Ok(Box::new(client))
        }
    }
}

fn comes_by_json(address: SocketAddr, user: &str) -> Coming {
    is_welcomed(Client::open_with(address, "/ws", &[&format!("Authorization: Bearer {}", writer(user))]))
}

fn comes_by_json_in_band(address: SocketAddr, user: &str) -> Coming {
    let mut client = Client::open(address);
    client.say(json!({ "type": "authenticate", "token": writer(user) }));
    is_welcomed(client)
}

fn comes_by_hocuspocus(address: SocketAddr, user: &str) -> Coming {
    let mut provider = Provider::connect(address);
    provider.say("one", &crate::support::provider::auth(&writer(user), None));
    let frame = provider.socket.frame();
    if frame.opcode == CLOSE {
        return Err(closed(&frame));
    }
    assert!(frame.payload.ends_with(WRITER), "{frame:?}");
    // All documents of one user are one connection.
    for document in ["two", "three"] {
        provider.say(document, &crate::support::provider::auth(&writer(user), None));
        provider.until(document, WRITER);
    }
    Ok(Box::new(provider))
}

fn comes_by_event_stream(address: SocketAddr, user: &str) -> Coming {
    let authorization = format!("Authorization: Bearer {}", writer(user));
    let mut events = Events::ask(address, "/api/v1/rooms/room/events", &[&authorization, "Connection: close"]);
    match events.answer.status {
        200 => Ok(Box::new(events)),
        status => Err((status, events.rest())),
    }
}

#[test]
fn rule_6_a_user_has_so_many_sockets_by_all_protocols_and_others_have_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--sockets-per-user-max", "2", "--metrics-bind", "127.0.0.1:0"];
    let process = Process::start(folder.path(), &options);
    let (address, metrics) = (process.address, process.metrics_address());
    let refused_so_far = || {
        let text = get(metrics, "/metrics", None);
        let line = text.text().lines().find_map(|line| line.strip_prefix("tutti_sockets_refused_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    type Protocol = (&'static str, fn(SocketAddr, &str) -> Coming, u16);
    let protocols: [Protocol; 5] = [
        ("yjs", comes_by_yjs, 1013),
        ("json", comes_by_json, 1013),
        ("json-in-band", comes_by_json_in_band, 1013),
        ("hocuspocus", comes_by_hocuspocus, 1013),
        ("events", comes_by_event_stream, 503),
    ];
    for (name, comes, code) in protocols {
        let (ada, bob) = (format!("{name}-ada"), format!("{name}-bob"));
        let (first, before) = (comes(address, &ada).expect(name), refused_so_far());
        // Whatever the other one speaks, it counts.
        let _second = comes_by_yjs(address, &ada).expect(name);
        assert_eq!(refused_so_far(), before, "{name}");
        let (refused, words) = comes(address, &ada).expect_err(name);
        assert_eq!((refused, refused_so_far()), (code, before + 1), "{name}: {words}");
        assert!(words.contains("as many connections as one user may have"), "{name}: {words}");
        comes(address, &bob).expect(name);
        drop(first);
        eventually("its place is free again", || comes(address, &ada).ok().map(drop));
    }
    let lines = process.log_with("as many connections as one user may have", 4);
    assert!(lines.lines().any(|line| line.contains("yjs-ada") && line.contains("code=1013")), "{lines}");
}
