//! The names of rooms: what is wrong with one is told as such everywhere, and a room has one name however that is spelled.

use serde_json::json;

use crate::support::editor::Editor;
use crate::support::eventually;
use crate::support::http::get;
use crate::support::json::{Client, problem};
use crate::support::message::{Message, put_buf};
use crate::support::process::Process;
use crate::support::provider::{Provider, auth};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{token, writer};

/// As a path has it.
fn escaped(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn rule_24_a_name_that_can_be_no_rooms_is_told_as_such_on_every_way_in_and_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let long = "x".repeat(201);
    let cases = [
        (&long[..], "at most 200 bytes"),
        ("bu\u{308}ro", "normalization form C"),
        ("\u{202e}dexevni", "may not hold U+202E"),
        ("a\u{200b}b", "may not hold U+200B"),
        ("a*", "may not hold *"),
        ("a\nb", "may not hold U+000A"),
        ("a//b", "segment"),
        ("a/", "segment"),
        ("..", "segment"),
    ];
    let writer = writer("ada");
    // Nothing of a room is told, so a token that opens none hears the same.
    let nobody = token("eve", &[]);
    let mut json = Client::enter(process.address, &writer);
    for token in [&writer, &nobody] {
        for (name, reason) in cases {
            let Message::Denied(told) = Socket::yjs(process.address, &escaped(name), token).message() else {
                panic!("{name} is not denied")
            };
            assert!(told.contains(reason), "/yjs {name:?}: {told}");

            let mut provider = Provider::connect(process.address);
            provider.say(name, &auth(token, None));
            let mut head = Vec::new();
            put_buf(&mut head, name.as_bytes());
            let payload = provider.socket.payload();
            let denial = payload.strip_prefix(&head[..]).and_then(|rest| rest.strip_prefix(b"\x02\x01")).unwrap();
            let told = String::from_utf8_lossy(denial);
            assert!(told.contains(reason), "/hocuspocus {name:?}: {told}");

            for message in ["room.join", "room.leave", "typing.started"] {
                let answer = json.ask(json!({ "type": message, "room": name }));
                assert_eq!(problem(&answer), ("invalid_message", false), "{answer}");
                assert!(answer["message"].as_str().unwrap().contains(reason), "/ws {name:?}: {answer}");
            }

            let answer = get(process.address, &format!("/api/v1/rooms/{}/history", escaped(name)), Some(token));
            assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{name:?}");
            assert!(answer.text().contains(reason), "REST {name:?}: {}", answer.text());
        }
    }
    for (name, reason) in cases {
        let shown = format!("{name:?}");
        let shown = shown.trim_matches('"').get(..20.min(shown.len() - 2)).unwrap();
        eventually(&format!("the lines about {name:?}"), || {
            let log = process.log();
            let lines = log.lines().filter(|line| line.contains(shown) && line.contains(reason));
            // With each token: /yjs, /hocuspocus, REST.
            (lines.count() >= 6).then_some(())
        });
    }
}

#[test]
fn every_spelling_of_a_name_is_the_same_room_or_none_on_every_way_in() {
    let server = Server::start();
    let writer = writer("ada");
    let name = "team/plan ~2:a@b";
    let mut ada = Editor::join(server.address, &escaped(name), &writer, 1);
    ada.saves("here");
    let same = [
        "team/plan%20~2:a@b",
        "team%2Fplan%20~2:a@b",
        "team%2fplan%20%7E2%3Aa%40b",
        "team%2fplan%20%7e2%3aa%40b",
        "%74eam/%70lan%20~2:a@b",
    ];
    for (number, spelling) in same.iter().enumerate() {
        let mut bob = Editor::join(server.address, spelling, &writer, 100 + number as u64);
        bob.until_text("here");
        for (path, field) in [("", "room"), ("/history", "room"), ("/presence", "room"), ("/document", "t")] {
            let answer = get(server.address, &format!("/api/v1/rooms/{spelling}{path}"), Some(&writer));
            let expected = if field == "room" { name } else { "here" };
            assert_eq!((answer.status, &answer.json()[field]), (200, &json!(expected)), "{spelling}{path}");
        }
    }
    let mut json = Client::join(server.address, &writer, name);
    assert_eq!(json.chats(name, "hello"), 2);
    Provider::open(server.address, name, &writer, crate::support::provider::WRITER);

    let none =
        ["team//plan", "/team/plan", "team/plan/", "team/plan%2F", "team%2F%2Fplan", "team%252Fplan", "team/%2e/plan"];
    for spelling in none {
        let denied = Socket::yjs(server.address, spelling, &writer).message();
        assert!(matches!(&denied, Message::Denied(why) if why.contains("room name")), "{spelling}: {denied:?}");
        let answer = get(server.address, &format!("/api/v1/rooms/{spelling}/document"), Some(&writer));
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{spelling}");
    }
    // No way in reads a name twice: what is escaped there is no letter here.
    for name in ["team%2Fplan", "team/plan%20~2"] {
        assert_eq!(problem(&json.ask(json!({ "type": "room.join", "room": name }))).0, "invalid_message");
    }
}

#[test]
fn a_room_whose_last_segment_is_a_word_of_rest_is_asked_for_with_its_slash_escaped() {
    let server = Server::start();
    let writer = writer("ada");
    for word in ["history", "document", "presence"] {
        let mut ada = Editor::join(server.address, &format!("docs/{word}"), &writer, 1);
        ada.saves(word);
        let answer = get(server.address, &format!("/api/v1/rooms/docs%2F{word}"), Some(&writer));
        assert_eq!((answer.status, &answer.json()["room"]), (200, &json!(format!("docs/{word}"))), "{word}");
        let answer = get(server.address, &format!("/api/v1/rooms/docs%2F{word}/document?format=text"), Some(&writer));
        assert_eq!(answer.text(), word);
    }
}

#[test]
fn a_name_in_any_letters_is_one_room_on_every_way_in_and_in_a_tokens_patterns() {
    let server = Server::start();
    let names = ["räume/größe", "会議/メモ・一", "خطة", "ひみつ/🎻"];
    let token = token("ada", &["räume/*=write", "会*=write", "خطة=write", "*🎻=write"]);
    for (number, name) in names.into_iter().enumerate() {
        let mut ada = Editor::join(server.address, &escaped(name), &token, 1);
        ada.saves("here");
        // Only what must be is escaped, as browsers do it.
        let spelling = escaped(name).replace("%2f", "/");
        Editor::join(server.address, &spelling, &token, 100 + number as u64).until_text("here");
        let answer = get(server.address, &format!("/api/v1/rooms/{spelling}"), Some(&token));
        assert_eq!((answer.status, &answer.json()["room"]), (200, &json!(name)));
        let mut json = Client::join(server.address, &token, name);
        assert_eq!(json.chats(name, "hello"), 2);
        Provider::open(server.address, name, &token, crate::support::provider::WRITER);
    }
    let listed = get(server.address, &format!("/api/v1/rooms?prefix={}", escaped("会")), Some(&token)).json();
    assert_eq!(listed["rooms"][0]["room"], "会議/メモ・一");
    // Bytes that are no UTF-8 name no room: not the one that a stand-in for them would name.
    for spelling in ["r%ffume", "%c3", "%ed%a0%80"] {
        let denied = Socket::yjs(server.address, spelling, &writer("ada")).message();
        assert!(matches!(&denied, Message::Denied(why) if why.contains("room name")), "{spelling}: {denied:?}");
    }
}
