//! A client of event streams, as the HTML standard has `EventSource` read them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use super::DEADLINE;
use super::http::{Answer, post_json};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: Option<u64>,
    pub name: String,
    pub data: String,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// An open event stream.
pub struct Events {
    pub stream: TcpStream,
    pub answer: Answer,
    /// Its name, once it has welcomed its client.
    pub client: String,
    address: SocketAddr,
    incoming: Vec<u8>,
}

impl Events {
    /// Asks for a path, and reads the answer's head, whatever it is.
    pub fn ask(address: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{headers}\r\n").unwrap();
        let answer = Answer { status: 0, headers: Vec::new(), body: Vec::new() };
        let (client, incoming) = (String::new(), Vec::new());
        let mut events = Self { stream, answer, client, address, incoming };
        let end = events.find(b"\r\n\r\n").expect("a head");
        let head: Vec<u8> = events.incoming.drain(..end + 4).collect();
        events.answer = Answer::parse_head(std::str::from_utf8(&head[..end]).unwrap());
        events
    }

    /// Opens a stream with a token, and reads up to who is there.
    pub fn open(address: SocketAddr, path: &str, token: &str) -> Self {
        Self::open_with(address, path, &[&format!("Authorization: Bearer {token}")])
    }

    /// Opens a stream with these headers, and reads up to who is there.
    pub fn open_with(address: SocketAddr, path: &str, headers: &[&str]) -> Self {
        let mut events = Self::ask(address, path, headers);
        assert_eq!(events.answer.status, 200, "{:?}", events.answer);
        events.client = events.until("welcome")["clientId"].as_str().unwrap().to_owned();
        events.until("auth.success");
        events
    }

    /// Where `mark` begins; `None` if the connection ends before.
    fn find(&mut self, mark: &[u8]) -> Option<usize> {
        let mut buffer = [0; 64 * 1024];
        loop {
            if let Some(at) = self.incoming.windows(mark.len()).position(|window| window == mark) {
                return Some(at);
            }
            match self.stream.read(&mut buffer).expect("something in time") {
                0 => return None,
                count => self.incoming.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        let _ = self.stream.read_to_end(&mut self.incoming);
        String::from_utf8(std::mem::take(&mut self.incoming)).unwrap()
    }

    /// What comes next: an event, or what is none, such as a comment. `None` at the end of the connection.
    fn block(&mut self) -> Option<Option<Event>> {
        let end = self.find(b"\n\n")?;
        let block: Vec<u8> = self.incoming.drain(..end + 2).collect();
        let mut event = Event { id: None, name: "message".into(), data: String::new() };
        let mut lines = Vec::new();
        for line in std::str::from_utf8(&block[..end]).unwrap().split('\n') {
            match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value))) {
                Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                Some(("event", name)) => event.name = name.into(),
                Some(("data", data)) => lines.push(data),
                Some(("", _)) => {}
                _ => panic!("{line:?}"),
            }
        }
        event.data = lines.join("\n");
        Some((!lines.is_empty()).then_some(event))
    }

    /// The next event, or `None` at the end of the connection.
    pub fn hear(&mut self) -> Option<Event> {
        loop {
            match self.block()? {
                Some(event) => return Some(event),
                None => continue,
            }
        }
    }

    /// Reads a comment, where nothing else is to come.
    pub fn comment(&mut self) {
        assert_eq!(self.block(), Some(None));
    }

    /// The next event.
    pub fn next(&mut self) -> Event {
        self.hear().expect("an event")
    }

    /// Reads up to the first event of a name; its data.
    pub fn until(&mut self, name: &str) -> Value {
        let started = Instant::now();
        loop {
            let event = self.next();
            if event.name == name {
                return event.json();
            }
            assert!(started.elapsed() < DEADLINE, "not in time: {name}; last: {event:?}");
        }
    }

    /// Reads up to the end: its code and reason. Nothing comes behind it.
    pub fn closed(&mut self) -> (u64, String) {
        let close = self.until("close");
        assert_eq!(self.hear(), None);
        (close["code"].as_u64().unwrap(), close["reason"].as_str().unwrap().to_owned())
    }

    /// Says something by a request.
    pub fn say(&self, token: &str, message: &Value) -> Answer {
        post_json(self.address, &format!("/api/v1/events/{}", self.client), Some(token), message)
    }

    /// Says something, and reads up to its answer.
    pub fn ask_for(&mut self, token: &str, mut message: Value) -> Value {
        message["requestId"] = Value::from("asked");
        let answer = self.say(token, &message);
        assert_eq!(answer.status, 204, "{answer:?}");
        let started = Instant::now();
        loop {
            let event = self.next().json();
            if event["requestId"] == "asked" {
                return event;
            }
            assert!(started.elapsed() < DEADLINE, "no answer in time; last: {event}");
        }
    }
}
