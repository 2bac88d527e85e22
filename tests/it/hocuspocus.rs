//! The Hocuspocus protocol byte by byte: opening, tokens, limits, and what a client may take for saved.

use std::time::{Duration, Instant};

use tutti::auth::{TokenError, now_s};

use crate::support::DEADLINE;
use crate::support::database::{Lock, execute};
use crate::support::editor::{Editor, deleted, document, typed, whole};
use crate::support::eventually;
use crate::support::frame::{BINARY, CLOSE, TEXT, frame};
use crate::support::http::get;
use crate::support::message::{
    self, NOBODY, QUERY, STEP1_EMPTY, STEP1_HI, STEP2_EMPTY, STEP2_HI, UPDATE_HI, awareness, put_number, step2, update,
};
use crate::support::provider::{
    DENIED, LEAVE, Provider, READER, REFUSED, SAVED, TOKEN_REQUEST, WRITER, auth, denied, stateless,
};
use crate::support::server::Server;
use crate::support::token::{reader, token, token_until, writer};

const DOC: &str = "doc1";
/// Yjs client 1 deletes the "h" of [`UPDATE_HI`]: nothing in it has a clock.
const DELETE_H: &[u8] = &[0, 2, 6, 0, 1, 1, 1, 0, 1];
const GARBAGE: &[u8] = &[0, 2, 4, 0xde, 0xad, 0xbe, 0xef];

fn head(server: &Server, room: &str) -> u64 {
    let answer = get(server.address, &format!("/api/v1/rooms/{room}"), Some(&writer("auditor")));
    answer.json()["seq"].as_u64().unwrap_or(0)
}

/// Opens a document and starts to count, as a provider does that has nothing.
fn started(server: &Server, token: &str, scope: &[u8]) -> Provider {
    let mut provider = Provider::open(server.address, DOC, token, scope);
    provider.say(DOC, STEP1_EMPTY);
    // A reader is not asked, and told at once.
    provider.until(DOC, if scope == READER { SAVED } else { STEP1_EMPTY });
    provider
}

// Opening

#[test]
fn a_new_document_opens_with_the_golden_bytes() {
    let server = Server::start();
    let mut ada = Provider::connect(server.address);
    ada.say(DOC, &auth(&writer("ada"), Some("4.8.0")));
    ada.say(DOC, STEP1_EMPTY);
    ada.say(DOC, &awareness(1, 1, "{}"));
    for message in [WRITER, STEP1_EMPTY, STEP2_EMPTY] {
        ada.hears(DOC, message);
    }
    // It may be back after a restart of the server: then peers remember the clock that it has.
    ada.hears(DOC, &awareness(1, 2, "{}"));
    ada.say(DOC, STEP2_EMPTY);
    ada.hears(DOC, SAVED);
    ada.say(DOC, UPDATE_HI);
    ada.hears(DOC, SAVED);
    assert_eq!(head(&server, DOC), 1);
    let mut bob = Provider::open(server.address, DOC, &reader("bob"), READER);
    bob.hears(DOC, &awareness(1, 2, "{}"));
    bob.say(DOC, STEP1_EMPTY);
    bob.hears(DOC, STEP2_HI);
    // It has nothing to give, and is not asked.
    bob.hears(DOC, SAVED);
}

#[test]
fn what_comes_before_the_token_waits_for_it() {
    let server = Server::start();
    let mut ada = Provider::connect(server.address);
    ada.say(DOC, UPDATE_HI);
    ada.say(DOC, STEP1_HI);
    ada.say(DOC, &auth(&writer("ada"), None));
    ada.hears(DOC, WRITER);
    ada.until(DOC, STEP1_HI);
    ada.say(DOC, STEP2_HI);
    ada.until(DOC, SAVED);
    assert_eq!(head(&server, DOC), 1);
}

#[test]
fn so_many_messages_may_wait_for_a_token_and_one_more_ends_the_connection() {
    let server = Server::start();
    let mut ada = Provider::connect(server.address);
    for number in 0..1024 {
        ada.say(if number % 2 == 0 { DOC } else { "doc2" }, QUERY);
    }
    ada.say(DOC, &auth(&writer("ada"), None));
    ada.hears(DOC, WRITER);
    for _ in 0..512 {
        ada.hears(DOC, NOBODY);
    }
    for _ in 0..513 {
        ada.say("doc2", QUERY);
    }
    assert_eq!(ada.socket.closed().0, 1013);
}

#[test]
fn an_edit_as_large_as_a_writers_may_wait_for_a_token_that_comes_late() {
    let server = Server::start();
    let doc = document(1);
    let offline = message::update(&typed(&doc, &"typed while the token is fetched ".repeat(40_000)));
    assert!(offline.len() > 1 << 20);
    let mut ada = Provider::connect(server.address);
    ada.say(DOC, STEP1_EMPTY);
    ada.say(DOC, &offline);
    ada.say(DOC, &auth(&writer("ada"), None));
    ada.hears(DOC, WRITER);
    ada.until(DOC, SAVED);
    assert_eq!(head(&server, DOC), 1);
    // Of who may only read, it is refused like any other edit.
    let mut eve = Provider::connect(server.address);
    eve.say(DOC, STEP1_EMPTY);
    eve.say(DOC, &message::update(&typed(&document(2), &"x".repeat(100_000))));
    eve.say(DOC, &auth(&reader("eve"), None));
    eve.hears(DOC, READER);
    eve.until(DOC, REFUSED);
    eve.say(DOC, QUERY);
    eve.until(DOC, NOBODY);
}

#[test]
fn what_waits_for_tokens_has_a_bound_for_one_connection_and_one_for_all() {
    let text = stateless(&"x".repeat(60_000));
    // One connection: as much as a writer's message may have, and as may be unhandled.
    let server = Server::with(&["--document-bytes-max", "262144"]);
    let mut ada = Provider::connect(server.address);
    for _ in 0..4 {
        ada.say(DOC, &text);
    }
    ada.say(DOC, QUERY);
    ada.say(DOC, &auth(&writer("ada"), None));
    ada.hears(DOC, WRITER);
    ada.hears(DOC, NOBODY);
    for _ in 0..10 {
        ada.say("doc2", &text);
    }
    assert_eq!(ada.socket.closed().0, 1013);

    // All connections without a token: also the beginnings of messages count.
    let server = Server::with(&["--document-bytes-max", "262144", "--unfinished-bytes-max", "300000"]);
    let mut known = Provider::open(server.address, DOC, &writer("ada"), WRITER);
    // Its room has let it in.
    known.say(DOC, QUERY);
    known.until(DOC, NOBODY);
    let mut strangers: Vec<Provider> = (0..4).map(|_| Provider::connect(server.address)).collect();
    for stranger in &mut strangers {
        stranger.say(DOC, &text);
        stranger.socket.was_read();
    }
    let mut one_more = Provider::connect(server.address);
    one_more.say(DOC, &stateless(&"x".repeat(100_000)));
    assert_eq!(one_more.socket.closed().0, 1013);
    // Who has come with a token has no part in that.
    known.say(DOC, &message::update(&typed(&document(1), &"x".repeat(200_000))));
    known.until(DOC, SAVED);
    // What waited goes with its connection, or into its room.
    let [first, second, third, mut fourth] = strangers.try_into().unwrap_or_else(|_| unreachable!());
    drop((first, second, third));
    fourth.say(DOC, &auth(&writer("bob"), None));
    fourth.until(DOC, WRITER);
    eventually("there is room again", || {
        let mut stranger = Provider::connect(server.address);
        stranger.say(DOC, &stateless(&"x".repeat(200_000)));
        stranger.say(DOC, &auth("no token", None));
        (stranger.socket.frame().opcode == BINARY).then_some(())
    });
}

#[test]
fn rule_3_who_only_says_something_now_and_then_and_opens_nothing_is_not_kept_for_ever() {
    let server = Server::start();
    let started = Instant::now();
    let mut eve = Provider::connect(server.address);
    let mut rounds = 0u64;
    let code = loop {
        assert!(started.elapsed() < DEADLINE, "still there");
        if started.elapsed().as_secs() / 5 >= rounds {
            rounds += 1;
            eve.say("b", LEAVE);
            eve.say("c", &auth("no token", None));
        }
        match eve.socket.next_within(Duration::from_millis(100)) {
            Some(frame) if frame.opcode == CLOSE => break frame.close().0,
            _ => {}
        }
    };
    assert_eq!(code, 1013);
    assert!(rounds > 3, "it went on saying something");
}

#[test]
fn a_connection_may_have_128_documents() {
    let server = Server::start();
    let mut ada = Provider::connect(server.address);
    let token = writer("ada");
    for number in 0..128 {
        let name = format!("doc{number}");
        ada.say(&name, &auth(&token, None));
        ada.hears(&name, WRITER);
    }
    ada.say("doc7", LEAVE);
    ada.say("another", &auth(&token, None));
    ada.hears("another", WRITER);
    ada.say("one too many", &auth(&token, None));
    assert_eq!(ada.socket.closed().0, 1013);
}

#[test]
fn denied_documents_make_room_for_others() {
    let server = Server::start();
    let mut ada = Provider::connect(server.address);
    for number in 0..200 {
        let name = format!("doc{number}");
        ada.say(&name, &auth("no token", None));
        ada.hears(&name, &denied(&TokenError::Malformed.to_string()));
    }
    ada.say(DOC, &auth(&writer("ada"), None));
    ada.hears(DOC, WRITER);
}

#[test]
fn a_message_may_have_the_length_that_its_tokens_allow() {
    let server = Server::start();
    let text = |bytes| stateless(&"x".repeat(bytes));
    let mut eve = Provider::open(server.address, DOC, &reader("eve"), READER);
    eve.say(DOC, &text(64 * 1024 - DOC.len() - 5));
    eve.say(DOC, QUERY);
    eve.hears(DOC, NOBODY);
    eve.say(DOC, &text(64 * 1024));
    assert_eq!(eve.socket.closed().0, 1009);
    // Also behind another document that waits for its token.
    let mut eve = Provider::open(server.address, DOC, &reader("eve"), READER);
    eve.say("doc2", QUERY);
    eve.say(DOC, QUERY);
    eve.hears(DOC, NOBODY);
    eve.say(DOC, &text(64 * 1024));
    assert_eq!(eve.socket.closed().0, 1009);
    let mut ada = Provider::open(server.address, DOC, &writer("ada"), WRITER);
    ada.say(DOC, &text(64 * 1024));
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
}

#[test]
fn a_document_whose_room_cannot_be_loaded_opens_later_and_the_others_of_its_connection_go_on() {
    let server = Server::start();
    let mut ada = started(&server, &writer("ada"), WRITER);
    execute(&server.database_url, "alter table room rename to room_away");
    ada.say("cold", &auth(&writer("ada"), None));
    ada.say("cold", STEP1_EMPTY);
    ada.say("cold", STEP2_HI);
    ada.until("cold", WRITER);
    for _ in 0..3 {
        ada.say(DOC, QUERY);
        ada.hears(DOC, NOBODY);
        std::thread::yield_now();
    }
    // A second client of the same room fares alike; when both are asked again, the room is there.
    let mut bob = Provider::open(server.address, "cold", &writer("bob"), WRITER);
    bob.say("cold", STEP1_EMPTY);
    eventually("the room was tried", || (tutti::metrics::ROOM_LOADS_FAILED.get() > 0).then_some(()));
    execute(&server.database_url, "alter table room_away rename to room");
    ada.until("cold", SAVED);
    // Either saw the other's edit come, or found it there.
    bob.say("cold", QUERY);
    bob.until("cold", NOBODY);
    assert_eq!(head(&server, "cold"), 1);
    ada.say(DOC, QUERY);
    ada.until(DOC, NOBODY);
}

#[test]
fn a_document_that_waits_for_its_room_and_holds_too_much_starts_anew_once_that_is_there() {
    let server = Server::with(&["--document-bytes-max", "262144"]);
    let mut ada = started(&server, &writer("ada"), WRITER);
    execute(&server.database_url, "alter table room rename to room_away");
    ada.say("cold", &auth(&writer("ada"), None));
    ada.until("cold", WRITER);
    for _ in 0..10 {
        ada.say("cold", &stateless(&"x".repeat(60_000)));
    }
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
    execute(&server.database_url, "alter table room_away rename to room");
    assert_eq!(ada.socket.closed().0, 1013);
}

#[test]
fn what_is_not_of_the_protocol_ends_the_connection() {
    let server = Server::start();
    let mut long = vec![0x81, 0x04];
    long.extend_from_slice(&[b'a'; 513]);
    long.push(3);
    for bytes in [&b"\x04doc1\x04"[..], b"\x04doc1", b"\x04doc1\x00\x03\x00", b"\x02\xff\xfe\x03", &long] {
        let mut eve = Provider::connect(server.address);
        eve.socket.say(bytes);
        assert_eq!(eve.socket.closed().0, 4422, "{bytes:x?}");
    }
    let mut eve = Provider::connect(server.address);
    eve.socket.send(&frame(TEXT, b"hello"));
    assert_eq!(eve.socket.closed().0, 4422);
}

#[test]
fn rule_39_of_an_update_that_goes_on_with_anothers_yjs_client_nothing_is_stored_or_said_to_be_saved() {
    let server = Server::start();
    let mut ada = Editor::join(server.address, DOC, &writer("ada"), 1);
    ada.saves("hello");
    let away = ada.leave();
    typed(&away, ", typed offline");
    let known = message::step1(&[1, 1, 5]);
    let mut eve = Provider::open(server.address, DOC, &writer("eve"), WRITER);
    eve.say(DOC, STEP1_EMPTY);
    eve.until(DOC, &known);
    eve.say(DOC, STEP2_EMPTY);
    eve.until(DOC, SAVED);
    // It pretends to be Ada's client, and that what was typed is gone.
    for _ in 0..3 {
        eve.say(DOC, &update(&[1, 1, 1, 5, 0, 100, 0]));
    }
    assert_eq!(eve.until(DOC, &known), <[Vec<u8>; 0]>::default());
    eve.say(DOC, QUERY);
    assert_eq!(eve.until(DOC, NOBODY), <[Vec<u8>; 0]>::default(), "it is asked once, and told nothing");
    let mut ada = Editor::join_with(server.address, DOC, &writer("ada"), away);
    ada.barrier();
    let mut bob = Editor::join(server.address, DOC, &writer("bob"), 2);
    bob.until_text("hello, typed offline");
    assert_eq!(head(&server, DOC), 2);
}

// Tokens

#[test]
fn a_denial_is_told_in_band_alike_for_known_and_unknown_rooms_and_another_token_may_follow() {
    let server = Server::start();
    Provider::open(server.address, DOC, &writer("ada"), WRITER);
    let mut eve = Provider::connect(server.address);
    let elsewhere = token("eve", &["elsewhere=write"]);
    for name in [DOC, "unknown"] {
        eve.say(name, &auth(&elsewhere, None));
        eve.hears(name, DENIED);
    }
    for token in ["nonsense", ""] {
        eve.say(DOC, &auth(token, None));
        eve.hears(DOC, &denied(&TokenError::Malformed.to_string()));
    }
    eve.say(DOC, UPDATE_HI);
    eve.say("elsewhere", &auth(&elsewhere, None));
    eve.hears("elsewhere", WRITER);
    assert_eq!(head(&server, DOC), 0);
    eve.say(DOC, &auth(&writer("eve"), None));
    eve.hears(DOC, WRITER);
    eve.hears(DOC, SAVED);
    assert_eq!(head(&server, DOC), 1);
}

#[test]
fn another_users_token_ends_the_document_and_not_the_connection() {
    let server = Server::start();
    let mut ada = started(&server, &writer("ada"), WRITER);
    ada.say("doc2", &auth(&writer("ada"), None));
    ada.until("doc2", WRITER);
    ada.say(DOC, &auth(&writer("eve"), None));
    ada.until(DOC, &denied("this is another user's token; open another connection for it"));
    ada.say(DOC, UPDATE_HI);
    ada.say("doc2", QUERY);
    ada.hears("doc2", NOBODY);
    assert_eq!(head(&server, DOC), 0);
}

#[test]
fn rule_13_a_token_is_asked_for_before_its_end_and_without_one_the_connection_ends_with_4504() {
    let server = Server::with(&["--jwt-leeway-s", "0"]);
    let mut ada = Provider::open(server.address, DOC, &token_until("ada", &["*=write"], now_s() + 12), WRITER);
    ada.hears(DOC, TOKEN_REQUEST);
    assert_eq!(ada.socket.closed().0, 4504);
}

#[test]
fn rule_15_a_renewed_token_keeps_the_connection_and_changes_the_role() {
    let server = Server::with(&["--jwt-leeway-s", "0"]);
    let mut ada = started(&server, &token_until("ada", &["*=read"], now_s() + 12), READER);
    ada.say(DOC, UPDATE_HI);
    ada.until(DOC, REFUSED);
    ada.hears(DOC, TOKEN_REQUEST);
    ada.say(DOC, &auth(&writer("ada"), None));
    ada.hears(DOC, WRITER);
    // What was refused is asked for.
    ada.hears(DOC, STEP1_EMPTY);
    ada.say(DOC, STEP2_HI);
    ada.hears(DOC, SAVED);
    assert_eq!(head(&server, DOC), 1);
}

// Edits

#[test]
fn rule_30_an_edit_that_can_never_be_taken_is_refused_and_the_connection_lives() {
    let server = Server::with(&["--document-bytes-max", "65536"]);
    let mut ada = started(&server, &writer("ada"), WRITER);
    ada.until(DOC, STEP2_EMPTY);
    ada.say(DOC, GARBAGE);
    ada.hears(DOC, REFUSED);
    let doc = document(1);
    ada.say(DOC, &update(&typed(&doc, &"x".repeat(40_000))));
    ada.say(DOC, &update(&typed(&doc, &"y".repeat(26_900))));
    ada.until(DOC, REFUSED);
    // The good one may be saved meanwhile.
    ada.say(DOC, QUERY);
    ada.until(DOC, NOBODY);
    eventually("the good edit is stored", || (head(&server, DOC) == 1).then_some(()));
}

/// An edit whose message about [`DOC`] is `bytes` long.
fn edit_of(bytes: usize) -> Vec<u8> {
    let head = 1 + DOC.len() + 2 + 3;
    let overhead = typed(&document(1), &"x".repeat(bytes - 100)).len() - (bytes - 100);
    update(&typed(&document(1), &"x".repeat(bytes - head - overhead)))
}

#[test]
fn an_edit_longer_than_a_message_may_be_is_refused_by_name_and_costs_the_connection_nothing() {
    let server = Server::with(&["--document-bytes-max", "65536"]);
    for (bytes, answer) in [(65_536, SAVED), (65_537, REFUSED), (8_000_000, REFUSED)] {
        let room = format!("{bytes}");
        let mut ada = Provider::connect(server.address);
        ada.say(DOC, &auth(&token("ada", &["*=write"]), None));
        ada.until(DOC, WRITER);
        ada.say(&room, &auth(&writer("ada"), None));
        ada.until(&room, WRITER);
        ada.say(DOC, &edit_of(bytes));
        ada.until(DOC, answer);
        ada.say(&room, UPDATE_HI);
        ada.until(&room, SAVED);
    }
    assert_eq!(head(&server, DOC), 1, "the one at the limit");
}

#[test]
fn a_readers_edit_longer_than_its_messages_may_be_is_refused_like_any() {
    let server = Server::start();
    let mut bob = started(&server, &reader("bob"), READER);
    bob.say(DOC, &edit_of(64 * 1024 + 1));
    bob.until(DOC, REFUSED);
    bob.say(DOC, QUERY);
    bob.hears(DOC, NOBODY);
}

#[test]
fn what_is_too_long_and_no_edit_of_an_open_document_ends_the_connection() {
    let server = Server::with(&["--document-bytes-max", "65536"]);
    let mut eve = Provider::connect(server.address);
    eve.say(DOC, &edit_of(64 * 1024 + 1));
    assert_eq!(eve.socket.closed().0, 1009, "also before a token");
    let mut eve = started(&server, &reader("eve"), READER);
    eve.socket.say(&vec![0xff; 64 * 1024 + 1]);
    assert_eq!(eve.socket.closed().0, 1009);
}

#[test]
fn of_an_edit_too_long_everything_is_taken_once_it_is_smaller() {
    let server = Server::with(&["--document-bytes-max", "65536"]);
    let mut ada = started(&server, &writer("ada"), WRITER);
    ada.until(DOC, STEP2_EMPTY);
    ada.say(DOC, STEP2_EMPTY);
    ada.until(DOC, SAVED);
    let doc = document(1);
    ada.say(DOC, &update(&typed(&doc, &"x".repeat(100_000))));
    ada.until(DOC, REFUSED);
    // Its author takes it back. The deletion comes after a gap, so the whole is asked for.
    ada.say(DOC, &update(&deleted(&doc, 100_000)));
    ada.until(DOC, STEP1_EMPTY);
    ada.say(DOC, &step2(&whole(&doc)));
    for _ in 0..2 {
        ada.until(DOC, SAVED);
    }
}

#[test]
fn rule_20_a_readers_edits_are_refused_and_it_is_told_at_once_whether_it_has_any() {
    let server = Server::start();
    let mut bob = started(&server, &reader("bob"), READER);
    let mut eve = Provider::open(server.address, DOC, &reader("eve"), READER);
    eve.say(DOC, STEP1_HI);
    eve.until(DOC, REFUSED);
    bob.say(DOC, UPDATE_HI);
    bob.hears(DOC, REFUSED);
    bob.say(DOC, STEP2_HI);
    bob.hears(DOC, REFUSED);
    assert_eq!(head(&server, DOC), 0);
}

#[test]
fn a_reader_that_deleted_something_while_away_is_not_told_that_it_is_saved() {
    let server = Server::start();
    let mut ada = started(&server, &writer("ada"), WRITER);
    ada.say(DOC, UPDATE_HI);
    ada.say(DOC, STEP2_EMPTY);
    // Of each.
    ada.until(DOC, SAVED);
    ada.until(DOC, SAVED);
    let deletion = &[1, 1, 1, 0, 1][..];
    for (deletions, answer) in [(&[0][..], SAVED), (deletion, REFUSED)] {
        let mut eve = Provider::open(server.address, DOC, &reader("eve"), READER);
        eve.say(DOC, STEP1_HI);
        assert!(!eve.until(DOC, STEP1_HI).contains(&SAVED.to_vec()), "it is not known yet");
        eve.say(DOC, QUERY);
        eve.hears(DOC, NOBODY);
        eve.say(DOC, &step2(&[&[0], deletions].concat()));
        eve.hears(DOC, answer);
    }
    // What the room has deleted, too, is nothing new.
    ada.say(DOC, DELETE_H);
    ada.until(DOC, SAVED);
    let mut eve = Provider::open(server.address, DOC, &reader("eve"), READER);
    eve.say(DOC, STEP1_HI);
    eve.until(DOC, STEP1_HI);
    eve.say(DOC, &step2(&[&[0], deletion].concat()));
    eve.hears(DOC, SAVED);
}

#[test]
fn two_sessions_of_one_document_are_two_members() {
    let server = Server::start();
    let mut ada = Provider::connect(server.address);
    for session in ["doc1\0a", "doc1\0b"] {
        ada.say(session, &auth(&writer("ada"), Some("4.8.0")));
        ada.hears(session, WRITER);
    }
    ada.say("doc1\0a", UPDATE_HI);
    let before = ada.until("doc1\0a", SAVED);
    assert_eq!(before, [[&b"\x06doc1\0b"[..], UPDATE_HI].concat()]);
}

#[test]
fn what_is_sent_in_one_turn_reaches_a_session_message_by_message() {
    let server = Server::start();
    let mut bob = Provider::open(server.address, "doc1\0b", &reader("bob"), READER);
    bob.say("doc1\0b", QUERY);
    bob.hears("doc1\0b", NOBODY);
    let mut ada = Provider::open(server.address, DOC, &writer("ada"), WRITER);
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
    let doc = document(1);
    let edits: Vec<Vec<u8>> = (0..20).map(|_| message::update(&typed(&doc, "x"))).collect();
    let frames: Vec<Vec<u8>> = edits.iter().map(|edit| frame(BINARY, &[b"\x04doc1", &edit[..]].concat())).collect();
    ada.socket.send(&frames.concat());
    for edit in &edits {
        bob.hears("doc1\0b", edit);
    }
}

#[test]
fn a_text_of_the_app_goes_to_the_others_of_its_document() {
    let server = Server::start();
    let mut ada = Provider::open(server.address, DOC, &writer("ada"), WRITER);
    let mut bob = Provider::open(server.address, DOC, &reader("bob"), READER);
    bob.say(DOC, QUERY);
    bob.hears(DOC, NOBODY);
    bob.say(DOC, &stateless("from a reader"));
    bob.say(DOC, QUERY);
    bob.hears(DOC, NOBODY);
    ada.say(DOC, &stateless(&"x".repeat(256 * 1024 + 1)));
    let longest = stateless(&"x".repeat(256 * 1024));
    ada.say(DOC, &longest);
    bob.hears(DOC, &longest);
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
}

#[test]
fn a_kept_text_is_an_event_of_the_timeline_and_reaches_the_others_once_it_is_committed() {
    let server = Server::with(&["--keep-stateless"]);
    let mut ada = Provider::open(server.address, DOC, &writer("ada"), WRITER);
    let mut bob = Provider::open(server.address, DOC, &reader("bob"), READER);
    bob.say(DOC, QUERY);
    bob.hears(DOC, NOBODY);
    bob.say(DOC, &stateless("from a reader"));
    let lock = Lock::hold(&server.database_url);
    ada.say(DOC, &stateless("kept"));
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
    bob.say(DOC, QUERY);
    bob.hears(DOC, NOBODY);
    drop(lock);
    bob.hears(DOC, &stateless("kept"));
    let history = get(server.address, &format!("/api/v1/rooms/{DOC}/history"), Some(&reader("carol"))).json();
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["kind"], &entries[0]["author"]), (&"event".into(), &"ada".into()));
    let body = &entries[0]["body"];
    assert_eq!((&body["type"], &body["text"]), (&"stateless".into(), &"kept".into()), "{body}");
}

// The count of what is not saved

#[test]
fn what_a_client_made_before_its_step1_brings_no_status_of_its_own() {
    let server = Server::start();
    let mut ada = Provider::open(server.address, DOC, &writer("ada"), WRITER);
    ada.say(DOC, STEP1_HI);
    ada.until(DOC, STEP2_EMPTY);
    // It had these in its queue, and begins its count with 1.
    ada.say(DOC, UPDATE_HI);
    ada.say(DOC, DELETE_H);
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
    ada.say(DOC, STEP2_HI);
    ada.hears(DOC, SAVED);
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
}

#[test]
fn rule_37_state_vectors_that_are_kept_are_bounded_and_past_that_nobody_is_told_saved_too_early() {
    // All that are kept may take a quarter of four such documents.
    let server = Server::with(&["--document-bytes-max", "1048576"]);
    const CLOCKS: u64 = 25_000;
    let mut state_vector = Vec::new();
    put_number(&mut state_vector, CLOCKS);
    for client in 0..CLOCKS {
        put_number(&mut state_vector, 1_000 + client);
        put_number(&mut state_vector, 1);
    }
    let starts = |user: &str, room: &str| {
        let mut provider = Provider::open(server.address, room, &writer(user), WRITER);
        provider.say(room, &message::step1(&state_vector));
        provider.until(room, STEP2_EMPTY);
        provider
    };
    // Whether two Updates that its state vector does not cover are told to be saved before the Step2 comes.
    let is_told = |provider: &mut Provider, room: &str| {
        provider.say(room, UPDATE_HI);
        let doc = document(7);
        provider.say(room, &update(&typed(&doc, "newer")));
        eventually("both are committed", || (head(&server, room) == 2).then_some(()));
        provider.say(room, QUERY);
        provider.until(room, NOBODY).contains(&SAVED.to_vec())
    };
    let mut first = starts("mallory", "r1");
    let mut second = starts("mallory", "r2");
    let mut others = starts("bob", "r3");
    assert!(is_told(&mut first, "r1"));
    assert!(!is_told(&mut second, "r2"), "more than a share");
    assert!(is_told(&mut others, "r3"), "somebody else has a share, too");
    second.say("r2", STEP2_HI);
    second.until("r2", SAVED);

    // What was kept for her is free when she leaves.
    drop(first);
    let mut number = 3;
    eventually("there is room again", || {
        number += 1;
        let room = format!("r{number}");
        let mut next = starts("mallory", &room);
        is_told(&mut next, &room).then_some(())
    });
}

#[test]
fn nothing_is_said_to_be_saved_while_the_store_takes_nothing() {
    let server = Server::start();
    let mut ada = started(&server, &writer("ada"), WRITER);
    ada.until(DOC, STEP2_EMPTY);
    ada.say(DOC, STEP2_EMPTY);
    ada.hears(DOC, SAVED);
    let mut bob = started(&server, &writer("bob"), WRITER);
    bob.until(DOC, STEP2_EMPTY);
    ada.say(DOC, &update(&typed(&document(7), "first")));
    ada.hears(DOC, SAVED);
    let lock = Lock::hold(&server.database_url);
    ada.say(DOC, UPDATE_HI);
    ada.say(DOC, UPDATE_HI);
    bob.until(DOC, UPDATE_HI);
    // What he says is known already, and just as little saved.
    bob.say(DOC, STEP2_HI);
    bob.say(DOC, QUERY);
    bob.hears(DOC, NOBODY);
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
    drop(lock);
    ada.hears(DOC, SAVED);
    ada.hears(DOC, SAVED);
    bob.hears(DOC, SAVED);
}

#[test]
fn an_edit_behind_a_gap_is_saved_with_what_was_missing() {
    let server = Server::start();
    let mut ada = started(&server, &writer("ada"), WRITER);
    ada.until(DOC, STEP2_EMPTY);
    ada.say(DOC, STEP2_EMPTY);
    ada.hears(DOC, SAVED);
    let doc = document(1);
    let (first, second) = (typed(&doc, "first "), typed(&doc, "second"));
    ada.say(DOC, &update(&second));
    ada.hears(DOC, STEP1_EMPTY);
    ada.say(DOC, QUERY);
    ada.hears(DOC, NOBODY);
    ada.say(DOC, &update(&first));
    ada.say(DOC, &step2(&second));
    // The client counted both Updates.
    ada.until(DOC, SAVED);
    ada.until(DOC, SAVED);
    ada.say(DOC, QUERY);
    assert!(!ada.until(DOC, NOBODY).contains(&SAVED.to_vec()), "one status for each Update");
}

// Signs of life

#[test]
fn only_a_client_that_told_its_version_is_pinged_by_the_protocol() {
    let server = Server::with(&["--keepalive-interval-ms", "100"]);
    let mut new = Provider::connect(server.address);
    new.say(DOC, &auth(&writer("ada"), Some("4.8.0")));
    new.hears(DOC, WRITER);
    assert_eq!(new.socket.payload(), [9]);
    new.socket.say(&[10]);
    assert_eq!(new.socket.payload(), [9]);
    let mut old = Provider::open(server.address, DOC, &writer("bob"), WRITER);
    old.hears(DOC, NOBODY);
    old.hears(DOC, NOBODY);
}

#[test]
fn more_than_may_be_unhandled_comes_through_while_a_document_opens() {
    let server = Server::start();
    let doc = document(1);
    for _ in 0..5 {
        let mut ada = Provider::connect(server.address);
        ada.say(DOC, &auth(&writer("ada"), None));
        ada.say(DOC, STEP1_EMPTY);
        let edits: Vec<Vec<u8>> = (0..40).map(|_| update(&typed(&doc, &"x".repeat(50_000)))).collect();
        edits.iter().for_each(|edit| ada.say(DOC, edit));
        ada.say(DOC, QUERY);
        ada.until(DOC, NOBODY);
    }
}
