//! A client of an event stream: reads its events, and writes the requests by which it says something.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// What a stream has told.
pub enum Told {
    /// The name by which the client posts what it says.
    Welcome(String),
    Joined,
    /// A Yjs update, as [`typed`] says it.
    Update(Vec<u8>),
    Closed(String),
}

/// Reads the events of a stream, in whatever pieces they come.
#[derive(Default)]
pub struct Events {
    incoming: Vec<u8>,
    at: usize,
}

impl Events {
    /// Takes what was read.
    pub fn take(&mut self, input: &[u8]) {
        self.incoming.drain(..std::mem::take(&mut self.at));
        self.incoming.extend_from_slice(input);
    }

    /// The next event that matters here.
    pub fn next(&mut self) -> Option<Told> {
        loop {
            let rest = &self.incoming[self.at..];
            let bytes = rest.windows(2).position(|window| window == b"\n\n")? + 2;
            let event = std::str::from_utf8(&rest[..bytes]).unwrap_or_default();
            self.at += bytes;
            if let Some(told) = read(event) {
                return Some(told);
            }
        }
    }
}

fn read(event: &str) -> Option<Told> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data = || serde_json::from_str::<Value>(field("data: ")?).ok();
    match field("event: ")? {
        "welcome" => Some(Told::Welcome(data()?["clientId"].as_str()?.to_owned())),
        "room.joined" => Some(Told::Joined),
        "letter.typed" => Some(Told::Update(from_hex(data()?["payload"].as_str()?))),
        "close" => Some(Told::Closed(field("data: ")?.to_owned())),
        _ => None,
    }
}

/// What somebody types, as an event of the room.
pub fn typed(room: &str, update: &[u8]) -> Vec<u8> {
    let payload: String = update.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "type": "letter.typed", "room": room, "payload": payload }).to_string().into_bytes()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The request that opens a stream.
pub fn opening(address: SocketAddr, path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A request by which `client` says something.
pub fn said(address: SocketAddr, client: &str, token: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/events/{client} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_any_pieces() {
        let typed = String::from_utf8(typed("r", &[0, 255, 18])).unwrap();
        let stream = format!(
            ":\n\nevent: welcome\ndata: {{\"clientId\":\"c\"}}\n\nevent: letter.typed\nid: 3\ndata: {typed}\n\n\
             event: close\ndata: {{}}\n\n"
        );
        let mut events = Events::default();
        let mut told = Vec::new();
        for piece in stream.as_bytes().chunks(7) {
            events.take(piece);
            while let Some(event) = events.next() {
                told.push(match event {
                    Told::Welcome(client) => client,
                    Told::Joined => "joined".to_owned(),
                    Told::Update(update) => format!("{update:?}"),
                    Told::Closed(why) => why,
                });
            }
        }
        assert_eq!(told, ["c", "[0, 255, 18]", "{}"]);
    }
}
