//! What must never stand in a log: tokens, query strings, documents, whatever the level.

use crate::support::editor::Editor;
use crate::support::http::get;
use crate::support::message::{Message, QUERY, awareness};
use crate::support::process::Process;
use crate::support::socket::{Socket, upgrade};
use crate::support::token::{SECRET, reader, token, writer};

const CANARY: &str = "canary-in-the-query";
const CONTENT: &str = "canary-in-the-document";
const STATE: &str = "canary-in-the-state";

/// A conversation in which every kind of thing that is not to be logged occurs; the tokens of it.
fn talk(process: &Process) -> Vec<String> {
    let tokens = [writer("alice"), reader("bob"), token("carol", &[]), format!("{}x", writer("dave"))];
    let mut alice = Editor::join(process.address, "room", &tokens[0], 1);
    alice.saves(CONTENT);
    alice.socket.say(&awareness(1, 1, &format!("\"{STATE}\"")));
    alice.barrier();
    alice.socket.say(format!("\u{9}{CONTENT}").as_bytes());
    assert_eq!(alice.socket.closed().0, 4422);

    let query = upgrade(&format!("/yjs/room?canary={CANARY}&token={}", tokens[1]), &[]);
    let mut bob = Socket::open(process.address, &query, &[]);
    bob.say(QUERY);
    assert!(matches!(bob.message(), Message::Awareness(_)));
    for denied in &tokens[2..] {
        let protocol = format!("Sec-WebSocket-Protocol: tutti.v1, auth.{denied}");
        let mut socket = Socket::open(process.address, &upgrade("/yjs/room", &[&protocol]), &[]);
        assert!(matches!(socket.message(), Message::Denied(_)));
    }
    for path in ["rooms", "rooms/room", "rooms/room/history", "rooms/room/document", "rooms/%00/document", "nothing"] {
        for token in &tokens {
            get(process.address, &format!("/api/v1/{path}?canary={CANARY}"), Some(token));
            get(process.address, &format!("/api/v1/{path}?token={token}"), None);
        }
    }
    tokens.into()
}

#[test]
fn no_token_query_secret_or_content_is_logged_even_at_trace() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--log-level", "trace"]);
    let tokens = talk(&process);
    let log = process.log();
    assert!(log.contains("socket opened"), "the log is there");
    for token in &tokens {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "{}", line_with(&log, part));
        }
    }
    for hidden in [CANARY, SECRET, "token=ey"] {
        assert!(!log.contains(hidden), "{}", line_with(&log, hidden));
    }
    for content in [CONTENT, STATE] {
        let own = log.lines().find(|line| line.contains(" tutti") && line.contains(content));
        assert_eq!(own, None);
    }
}

fn line_with<'a>(log: &'a str, part: &str) -> &'a str {
    log.lines().find(|line| line.contains(part)).unwrap_or_default()
}
