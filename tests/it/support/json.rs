//! A plain client of `/ws`, as a page without any library would write it.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};

use super::DEADLINE;
use super::frame::{self, BINARY, PING, PONG, TEXT};
use super::socket::{Socket, upgrade};

/// A connection to `/ws`.
pub struct Client {
    pub socket: Socket,
    asked: u64,
}

/// What a client is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Json(Value),
    Bytes(Vec<u8>),
}

impl Client {
    /// Connects without a token, and takes the welcome.
    pub fn open(address: SocketAddr) -> Self {
        Self::open_with(address, "/ws", &[])
    }

    /// Connects with these headers, and takes the welcome.
    pub fn open_with(address: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let socket = Socket::open(address, &upgrade(path, headers), &[]);
        assert_eq!(socket.answer.status, 101, "{:?}", socket.answer);
        let mut client = Self { socket, asked: 0 };
        assert_eq!(client.next()["type"], "welcome");
        client
    }

    /// Connects with a token.
    pub fn enter(address: SocketAddr, token: &str) -> Self {
        let mut client = Self::open_with(address, "/ws", &[&format!("Authorization: Bearer {token}")]);
        assert_eq!(client.next()["type"], "auth.success");
        client
    }

    /// Connects with a token and joins a room; reads up to who is in it.
    pub fn join(address: SocketAddr, token: &str, room: &str) -> Self {
        let mut client = Self::enter(address, token);
        client.joins(room);
        client
    }

    /// Joins a room; reads up to who is in it. The answer.
    pub fn joins(&mut self, room: &str) -> Value {
        self.say(json!({ "type": "room.join", "room": room }));
        let joined = self.until("room.joined");
        self.until("presence.state");
        joined
    }

    /// Sends a message.
    pub fn say(&mut self, message: Value) {
        self.text(&message.to_string());
    }

    /// Sends any text.
    pub fn text(&mut self, text: &str) {
        self.socket.send(&frame::frame(TEXT, text.as_bytes()));
    }

    /// What comes next; pings are answered.
    pub fn hear(&mut self) -> Heard {
        let started = Instant::now();
        loop {
            let frame = self.socket.frame();
            assert!(started.elapsed() < DEADLINE, "nothing in time");
            match frame.opcode {
                TEXT => return Heard::Json(serde_json::from_slice(&frame.payload).expect("JSON")),
                BINARY => return Heard::Bytes(frame.payload),
                PING => self.socket.send(&frame::frame(PONG, &frame.payload)),
                PONG => {}
                _ => panic!("not a message: {:?}", frame.close()),
            }
        }
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        match self.hear() {
            Heard::Json(message) => message,
            Heard::Bytes(bytes) => panic!("not a text: {bytes:?}"),
        }
    }

    /// Reads up to the first message of a type; what comes before is dropped.
    pub fn until(&mut self, kind: &str) -> Value {
        self.find(kind, |message| message["type"] == kind)
    }

    /// Reads up to the first message that `is_it`.
    pub fn find(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let message = self.next();
            if is_it(&message) {
                return message;
            }
            assert!(started.elapsed() < DEADLINE, "not in time: {what}; last: {message}");
        }
    }

    /// Sends a request, and reads up to its answer.
    pub fn ask(&mut self, message: Value) -> Value {
        let (_, answer) = self.ask_hearing(message);
        answer
    }

    /// Sends a request, and reads up to its answer; what came before, and the answer.
    pub fn ask_hearing(&mut self, mut message: Value) -> (Vec<Value>, Value) {
        self.asked += 1;
        let id = format!("request-{}", self.asked);
        message["requestId"] = json!(id);
        self.say(message);
        let mut before = Vec::new();
        let answer = self.find("the answer", |message| {
            let is_it = message["requestId"] == json!(id);
            if !is_it {
                before.push(message.clone());
            }
            is_it
        });
        (before, answer)
    }

    /// Sends a message for the timeline; where it stands.
    pub fn chats(&mut self, room: &str, text: &str) -> u64 {
        let saved = self.ask(json!({ "type": "chat.message", "room": room, "text": text }));
        assert_eq!(saved["type"], "saved", "{saved}");
        saved["seq"].as_u64().unwrap()
    }

    /// What is sent up to a word that goes through the room and back, of types that begin with `kind`. Readers have one, too.
    pub fn heard_until_now(&mut self, room: &str, kind: &str) -> Vec<Value> {
        let (mut before, _) = self.ask_hearing(json!({ "type": "presence.update", "room": room, "state": {} }));
        before.retain(|message| message["type"].as_str().is_some_and(|word| word.starts_with(kind)));
        before
    }

    /// Leaves as a page does that is closed on purpose.
    pub fn close(mut self) {
        self.socket.send(&frame::frame(frame::CLOSE, &1000u16.to_be_bytes()));
        self.socket.ended();
    }
}

/// The code of an error, and whether the same may work later.
pub fn problem(message: &Value) -> (&str, bool) {
    assert_eq!(message["type"], "error", "{message}");
    (message["code"].as_str().unwrap(), message["temporary"].as_bool().unwrap())
}
