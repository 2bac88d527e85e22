//! The first content of a document, asked for by several servers at once: whoever asks, one entry is stored, and everybody is shown it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use super::{Servers, on_each_bus};
use crate::support::editor::{Editor, document};
use crate::support::eventually;
use crate::support::frame::BINARY;
use crate::support::http::{post_json, request};
use crate::support::message::STEP1_EMPTY;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{reader, writer};

const CONTENT: &str = "From the database";
const SEEDS: &str = "select count(*) from entry where author = 'tutti/seed'";
const ENTRIES: &str = "select count(*) from entry";

/// The application's own back end.
struct BackEnd {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl BackEnd {
    /// Answers nobody before so many have asked.
    fn answering_together(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/seed", listener.local_addr().unwrap());
        let (asked, barrier) = (Arc::<AtomicUsize>::default(), Arc::new(Barrier::new(count)));
        let counted = asked.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (asked, barrier) = (counted.clone(), barrier.clone());
                thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                    asked.fetch_add(1, Ordering::SeqCst);
                    barrier.wait();
                    let length = CONTENT.len();
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTutti-Root: t\r\nConnection: close";
                    // Whoever asked may be gone.
                    let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{CONTENT}");
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn options(&self) -> [&str; 4] {
        ["--seed-url", &self.url, "--seed-secret", "whsec_c29tZSBieXRlcyB0aGF0IGFyZSBhIGtleQ=="]
    }
}

#[test]
fn rule_41_where_the_first_content_may_not_be_stored_who_may_write_is_told_not_to_come_back() {
    let back_end = BackEnd::answering_together(1);
    let server = Server::with(&[&back_end.options()[..], &["--quota-room-bytes", "1"]].concat());
    let (code, reason) = Socket::yjs(server.address, "r", &writer("ada")).closed();
    assert_eq!(code, 4413, "{reason}");
    assert!(reason.contains("on disk"), "{reason}");
}

#[test]
fn rule_41_a_room_with_a_first_content_is_of_who_came_first_and_who_makes_no_more_gets_none() {
    let back_end = BackEnd::answering_together(1);
    let server = Server::with(&[&back_end.options()[..], &["--quota-user-rooms", "1"]].concat());
    let first = Editor::join(server.address, "r-1", &writer("ada"), 1);
    assert_eq!(first.text(), CONTENT);
    assert!(is_unseeded(&mut Socket::yjs(server.address, "r-2", &writer("ada"))));
    let mut ada = Editor::join(server.address, "r-2", &writer("ada"), 2);
    ada.types("mine");
    assert_eq!((ada.socket.closed().0, ada.text()), (4413, "mine".to_owned()));
    assert_eq!(Editor::join(server.address, "r-2", &writer("bob"), 3).text(), CONTENT);
    Editor::join_with(server.address, "r-2", &writer("ada"), document(4)).saves("ours");
}

/// Whether its first frame is that of a room without a document.
fn is_unseeded(socket: &mut Socket) -> bool {
    let frame = socket.frame();
    frame.opcode == BINARY && frame.payload == STEP1_EMPTY
}

on_each_bus! {
    fn rule_41_who_makes_no_more_rooms_keeps_the_first_content_from_nobody_who_waits_with_them(by: By) {
        let back_end = BackEnd::answering_together(2);
        let servers = Servers::with(by, "full", 2, &[&back_end.options()[..], &["--quota-user-rooms", "1"]].concat());
        let message = serde_json::json!({ "text": "hello" });
        // So the server that asks does not know yet what ada has.
        let made = post_json(servers.at(1), "/api/v1/rooms/r-1/messages", Some(&writer("ada")), &message);
        assert_eq!(made.status, 201);
        let asked = |count| eventually("it is asked", || (back_end.asked() == count).then_some(()));
        let address = servers.at(0);
        let mut ada = Socket::yjs(address, "r-2", &writer("ada"));
        asked(1);
        let bob = thread::spawn(move || Editor::join(address, "r-2", &writer("bob"), 2).text());
        assert_eq!(Editor::join(address, "r-3", &writer("carl"), 3).text(), CONTENT);
        asked(3);
        assert_eq!(Editor::join(address, "r-4", &writer("dan"), 4).text(), CONTENT);
        assert_eq!(bob.join().unwrap(), CONTENT);
        assert_eq!(ada.frame().opcode, BINARY, "let in before bob or with him, and not closed");
    }

    fn servers_that_ask_at_once_store_the_first_content_once(by: By) {
        let back_end = BackEnd::answering_together(3);
        let servers = Servers::with(by, "seeds", 3, &back_end.options());
        let joining: Vec<_> = (0..3)
            .map(|n| {
                let address = servers.at(n);
                thread::spawn(move || Editor::join(address, "r", &writer(&format!("u{n}")), n as u64 + 1))
            })
            .collect();
        let mut editors: Vec<Editor> = joining.into_iter().map(|joining| joining.join().unwrap()).collect();
        for editor in &mut editors {
            editor.until_text(CONTENT);
            editor.barrier();
        }
        assert_eq!((back_end.asked(), servers.database.number(SEEDS), servers.database.number(ENTRIES)), (3, 1, 1));
        editors[0].saves("!");
        for editor in &mut editors {
            editor.until_text(&format!("{CONTENT}!"));
        }
        let late = Editor::join(servers.at(1), "r", &writer("late"), 9);
        assert_eq!((late.text(), back_end.asked()), (format!("{CONTENT}!"), 3));
    }

    fn readers_alone_make_nothing_and_are_shown_what_the_first_writer_brings(by: By) {
        let back_end = BackEnd::answering_together(1);
        let servers = Servers::with(by, "unseeded", 2, &back_end.options());
        let mut readers: Vec<Editor> =
            (0..2).map(|n| Editor::join(servers.at(n), "r", &reader("rita"), n as u64 + 1)).collect();
        assert_eq!((back_end.asked(), servers.database.number("select count(*) from room")), (0, 0));
        let writer = Editor::join(servers.at(1), "r", &writer("ada"), 3);
        assert_eq!(writer.text(), CONTENT);
        for reader in &mut readers {
            reader.until_text(CONTENT);
        }
        assert_eq!((back_end.asked(), servers.database.number(ENTRIES)), (1, 1));
    }

    fn a_document_that_is_put_by_many_at_once_is_made_by_one(by: By) {
        let servers = Servers::start(by, "put", 3);
        let putting: Vec<_> = (0..9)
            .map(|n| {
                let (address, user) = (servers.at(n % 3), writer(&format!("u{n}")));
                thread::spawn(move || {
                    let head = format!(
                        "PUT /api/v1/rooms/r/document?format=text&root=t HTTP/1.1\r\nHost: {address}\r\n\
                         Authorization: Bearer {user}\r\nIf-None-Match: *\r\nConnection: close"
                    );
                    request(address, &format!("{head}\r\nContent-Length: {}\r\n\r\n{CONTENT}", CONTENT.len())).status
                })
            })
            .collect();
        let mut told: Vec<u16> = putting.into_iter().map(|putting| putting.join().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, [201, 412, 412, 412, 412, 412, 412, 412, 412]);
        assert_eq!(servers.database.number(ENTRIES), 1);
        for n in 0..3 {
            assert_eq!(Editor::join(servers.at(n), "r", &writer("ada"), 1).text(), CONTENT);
        }
    }
}
