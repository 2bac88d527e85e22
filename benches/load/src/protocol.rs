//! What is said inside the frames: y-protocols, and Hocuspocus' envelope around it.

use crate::event_stream;

/// How a server wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// y-websocket: the room stands in the path.
    Yjs,
    /// Hocuspocus: the room stands before each message, and Auth comes first.
    Hocuspocus,
    /// Messages in JSON, by an event stream and requests.
    Events,
}

/// One message from a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Step1,
    Step2(&'a [u8]),
    Update(&'a [u8]),
    Awareness(&'a [u8]),
    /// Denied, with the reason.
    Denied(&'a [u8]),
    /// Hocuspocus' ping, which has no address.
    Ping,
    /// What needs no answer here.
    Other,
}

pub fn put_var_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_buf(out: &mut Vec<u8>, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub fn var_uint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// A length and so many bytes, or what was kept of them where the frame was skimmed.
pub fn buf<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = var_uint(input)? as usize;
    let (body, rest) = input.split_at(bytes.min(input.len()));
    *input = rest;
    Some(body)
}

/// Writes messages to one room.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// What stands before each message: with Events the room itself.
    prefix: Vec<u8>,
    pub dialect: Dialect,
}

impl Envelope {
    pub fn new(dialect: Dialect, room: &str) -> Self {
        let mut prefix = Vec::new();
        match dialect {
            Dialect::Yjs => {}
            Dialect::Hocuspocus => put_buf(&mut prefix, room.as_bytes()),
            Dialect::Events => prefix.extend_from_slice(room.as_bytes()),
        }
        Self { prefix, dialect }
    }

    fn message(&self, kind: &[u8], body: &[u8]) -> Vec<u8> {
        let mut out = self.prefix.clone();
        out.extend_from_slice(kind);
        put_buf(&mut out, body);
        out
    }

    /// Hocuspocus' Auth, as provider 4 says it.
    pub fn auth(&self, token: &str) -> Vec<u8> {
        let mut out = self.message(&[2, 0], token.as_bytes());
        put_buf(&mut out, b"4.8.0");
        out
    }

    /// Asks for what `state_vector` lacks.
    pub fn step1(&self, state_vector: &[u8]) -> Vec<u8> {
        self.message(&[0, 0], state_vector)
    }

    /// Answers a Step1: the client has nothing that the server lacks.
    pub fn empty_step2(&self) -> Vec<u8> {
        self.message(&[0, 1], &[0, 0])
    }

    pub fn update(&self, update: &[u8]) -> Vec<u8> {
        if self.dialect == Dialect::Events {
            return event_stream::typed(&String::from_utf8_lossy(&self.prefix), update);
        }
        self.message(&[0, 2], update)
    }

    /// One awareness state.
    pub fn awareness(&self, client: u64, clock: u64, json: &str) -> Vec<u8> {
        let mut entries = vec![1];
        put_var_uint(&mut entries, client);
        put_var_uint(&mut entries, clock);
        put_buf(&mut entries, json.as_bytes());
        self.message(&[1], &entries)
    }

    /// Reads one message from the start of `input`; `None` at its end.
    pub fn read<'a>(&self, input: &mut &'a [u8]) -> Option<Message<'a>> {
        if input.is_empty() {
            return None;
        }
        if self.dialect == Dialect::Hocuspocus {
            if *input == [9] {
                *input = &[];
                return Some(Message::Ping);
            }
            buf(input)?;
        }
        Some(match var_uint(input)? {
            0 => match var_uint(input)? {
                0 => {
                    buf(input)?;
                    Message::Step1
                }
                1 => Message::Step2(buf(input)?),
                _ => Message::Update(buf(input)?),
            },
            1 => Message::Awareness(buf(input)?),
            2 => match (self.dialect, var_uint(input)?) {
                (Dialect::Yjs | Dialect::Events, 0) | (Dialect::Hocuspocus, 1) => Message::Denied(buf(input)?),
                _ => {
                    *input = &[];
                    Message::Other
                }
            },
            _ => {
                *input = &[];
                Message::Other
            }
        })
    }
}

/// The states of an awareness message: Yjs client and clock.
pub fn awareness_states(mut input: &[u8]) -> Vec<(u64, u64)> {
    let mut states = Vec::new();
    for _ in 0..var_uint(&mut input).unwrap_or(0) {
        let (Some(client), Some(clock), Some(_)) = (var_uint(&mut input), var_uint(&mut input), buf(&mut input)) else {
            break;
        };
        states.push((client, clock));
    }
    states
}
