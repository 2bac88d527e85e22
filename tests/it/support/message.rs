//! What a y-websocket client says and hears inside frames, byte by byte as PROTOCOL.md has it.

/// One message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Step1(Vec<u8>),
    Step2(Vec<u8>),
    Update(Vec<u8>),
    Awareness(Vec<State>),
    Denied(String),
}

/// One entry of an awareness message; `json` is `null` for someone who left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub client: u64,
    pub clock: u64,
    pub json: String,
}

/// An update that adds nothing: its echo says that all before it is committed.
pub const BARRIER: &[u8] = &[0, 2, 2, 0, 0];
/// Asks for all awareness states. Goes through the room, so its answer tells how far the room has come.
pub const QUERY: &[u8] = &[3];
/// No awareness states: the keep-alive.
pub const NOBODY: &[u8] = &[1, 1, 0];
/// Step1 of someone who has nothing.
pub const STEP1_EMPTY: &[u8] = &[0, 0, 1, 0];
/// Step2 of an empty document.
pub const STEP2_EMPTY: &[u8] = &[0, 1, 2, 0, 0];
/// Yjs client 1 inserts "hi" into text `t`.
pub const UPDATE_HI: &[u8] = &[0, 2, 0x0c, 1, 1, 1, 0, 4, 1, 1, 0x74, 2, 0x68, 0x69, 0];
/// Step2 of the document with that edit.
pub const STEP2_HI: &[u8] = &[0, 1, 0x0c, 1, 1, 1, 0, 4, 1, 1, 0x74, 2, 0x68, 0x69, 0];
/// Step1 of someone who has that edit.
pub const STEP1_HI: &[u8] = &[0, 0, 3, 1, 1, 2];

pub fn step1(state_vector: &[u8]) -> Vec<u8> {
    sync(0, state_vector)
}

pub fn step2(update: &[u8]) -> Vec<u8> {
    sync(1, update)
}

pub fn update(update: &[u8]) -> Vec<u8> {
    sync(2, update)
}

fn sync(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0, kind];
    put_buf(&mut out, body);
    out
}

/// Awareness with one state.
pub fn awareness(client: u64, clock: u64, json: &str) -> Vec<u8> {
    let mut body = vec![1];
    put_number(&mut body, client);
    put_number(&mut body, clock);
    put_buf(&mut body, json.as_bytes());
    let mut out = vec![1];
    put_buf(&mut out, &body);
    out
}

pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_buf(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn number(input: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = input.split_first().expect("a number");
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn buf<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let length = number(input) as usize;
    let (buf, rest) = input.split_at(length);
    *input = rest;
    buf
}

/// Reads the payload of a frame, in which the server sends one message.
pub fn parse(mut payload: &[u8]) -> Message {
    let input = &mut payload;
    let message = match number(input) {
        0 => match number(input) {
            0 => Message::Step1(buf(input).to_vec()),
            1 => Message::Step2(buf(input).to_vec()),
            2 => Message::Update(buf(input).to_vec()),
            kind => panic!("sync message of kind {kind}"),
        },
        1 => {
            let mut body = buf(input);
            let count = number(&mut body);
            let states = (0..count).map(|_| State {
                client: number(&mut body),
                clock: number(&mut body),
                json: String::from_utf8(buf(&mut body).to_vec()).unwrap(),
            });
            Message::Awareness(states.collect())
        }
        2 => {
            assert_eq!(number(input), 0);
            Message::Denied(String::from_utf8(buf(input).to_vec()).unwrap())
        }
        kind => panic!("message of type {kind}"),
    };
    assert!(input.is_empty(), "one message a frame");
    message
}
