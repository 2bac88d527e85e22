//! Many clients on one thread: opens sockets, sends, and tells what comes. It answers what every client answers (Step1, pings)
//! and knows nothing of what is measured.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::protocol::{Dialect, Envelope, Message};
use crate::wire::{self, BINARY, CLOSE, Frames, PING, PONG};

/// Handshakes under way at once: below the shortest accept queue of the servers measured.
const HANDSHAKES_MAX: usize = 100;

/// A connection to be made.
#[derive(Clone)]
pub struct Request {
    pub address: SocketAddr,
    pub path: String,
    pub token: String,
    pub envelope: Envelope,
    /// Longer messages are counted and not kept.
    pub keep_bytes_max: usize,
}

/// What happened to a client.
pub enum Event<'a> {
    /// The server's answer to the opening Step1 has come; its length in the frame.
    Synced {
        update: &'a [u8],
        bytes: usize,
    },
    Update(&'a [u8]),
    Awareness(&'a [u8]),
    /// The connection has ended.
    Ended(String),
}

enum Phase {
    Waiting(Request),
    Connecting,
    Handshake(Vec<u8>),
    Open,
    Ended,
}

struct Client {
    stream: Option<TcpStream>,
    phase: Phase,
    envelope: Envelope,
    token: String,
    frames: Frames,
    outgoing: Vec<u8>,
    sent: usize,
    is_synced: bool,
}

/// The clients, by number.
pub struct Fleet {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    waiting: VecDeque<usize>,
    handshakes: usize,
    synced: usize,
    ended: usize,
    buffer: Vec<u8>,
}

impl Fleet {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            waiting: VecDeque::new(),
            handshakes: 0,
            synced: 0,
            ended: 0,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Opens one more client, at once or when there is room; its number.
    pub fn open(&mut self, request: Request) -> usize {
        let client = self.clients.len();
        self.clients.push(Client {
            stream: None,
            envelope: request.envelope.clone(),
            token: request.token.clone(),
            frames: Frames::new(request.keep_bytes_max),
            phase: Phase::Waiting(request),
            outgoing: Vec::new(),
            sent: 0,
            is_synced: false,
        });
        self.waiting.push_back(client);
        client
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Clients that have had an answer to their Step1.
    pub fn synced(&self) -> usize {
        self.synced
    }

    /// Clients that are gone.
    pub fn ended(&self) -> usize {
        self.ended
    }

    pub fn envelope(&self, client: usize) -> &Envelope {
        &self.clients[client].envelope
    }

    /// Sends a message.
    pub fn send(&mut self, client: usize, payload: &[u8]) {
        let client = &mut self.clients[client];
        wire::put_frame(&mut client.outgoing, BINARY, payload);
        client.write();
    }

    /// Handles what comes until `is_done` or `deadline`; whether it was done.
    pub fn run(
        &mut self,
        deadline: Instant,
        mut watch: impl FnMut(usize, Event<'_>),
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> bool {
        loop {
            if is_done(self) {
                return true;
            }
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            self.turn((deadline - now).min(Duration::from_millis(100)), &mut watch);
        }
    }

    /// Waits until something happens, or for `wait`, and handles it.
    pub fn turn(&mut self, wait: Duration, watch: &mut impl FnMut(usize, Event<'_>)) {
        self.connect_waiting(watch);
        if let Err(error) = self.poll.poll(&mut self.events, Some(wait)) {
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
            return;
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let number = event.token().0;
            let client = &mut self.clients[number];
            if matches!(client.phase, Phase::Ended) {
                continue;
            }
            let (was_open, was_synced) = (client.is_open(), client.is_synced);
            let result = client.ready(number, &mut self.buffer, watch);
            self.handshakes -= usize::from(!was_open && (client.is_open() || result.is_err()));
            self.synced += usize::from(!was_synced && client.is_synced);
            if let Err(error) = result {
                client.phase = Phase::Ended;
                client.stream = None;
                self.ended += 1;
                watch(number, Event::Ended(error.to_string()));
            }
        }
        self.events = events;
    }

    fn connect_waiting(&mut self, watch: &mut impl FnMut(usize, Event<'_>)) {
        while self.handshakes < HANDSHAKES_MAX {
            let Some(number) = self.waiting.pop_front() else { return };
            let client = &mut self.clients[number];
            let Phase::Waiting(request) = std::mem::replace(&mut client.phase, Phase::Connecting) else { continue };
            let connected = TcpStream::connect(request.address).and_then(|mut stream| {
                self.poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
                Ok(stream)
            });
            match connected {
                Ok(stream) => {
                    client.stream = Some(stream);
                    client.outgoing = handshake(&request);
                    self.handshakes += 1;
                }
                Err(error) => {
                    client.phase = Phase::Ended;
                    self.ended += 1;
                    watch(number, Event::Ended(error.to_string()));
                }
            }
        }
    }
}

fn handshake(Request { address, path, token, envelope, .. }: &Request) -> Vec<u8> {
    let authorization = match envelope.dialect {
        Dialect::Yjs => format!("Authorization: Bearer {token}\r\n"),
        Dialect::Hocuspocus => String::new(),
    };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
    );
    head.into_bytes()
}

impl Client {
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Ended)
    }

    fn ready(&mut self, number: usize, buffer: &mut [u8], watch: &mut impl FnMut(usize, Event<'_>)) -> io::Result<()> {
        if matches!(self.phase, Phase::Connecting) {
            let stream = self.stream.as_ref().expect("a connecting client has a stream");
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            if stream.peer_addr().is_err() {
                return Ok(());
            }
            stream.set_nodelay(true)?;
            self.phase = Phase::Handshake(Vec::new());
        }
        self.write();
        loop {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            let read = match stream.read(buffer) {
                Ok(0) => return Err(io::Error::other("the server ended the connection")),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.receive(number, &buffer[..read], watch)?;
            if read < buffer.len() {
                // Edge-triggered: what comes from now on is told anew.
                return Ok(());
            }
        }
    }

    fn receive(&mut self, number: usize, input: &[u8], watch: &mut impl FnMut(usize, Event<'_>)) -> io::Result<()> {
        if let Phase::Handshake(head) = &mut self.phase {
            head.extend_from_slice(input);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(()) };
            if !head.starts_with(b"HTTP/1.1 101") {
                return Err(io::Error::other(String::from_utf8_lossy(&head[..end]).into_owned()));
            }
            let rest = head.split_off(end + 4);
            self.phase = Phase::Open;
            self.greet();
            self.frames.take(&rest);
        } else {
            self.frames.take(input);
        }
        self.handle(number, watch)
    }

    /// What a provider says at once: who it is, if the dialect asks, and what it has.
    fn greet(&mut self) {
        if self.envelope.dialect == Dialect::Hocuspocus {
            wire::put_frame(&mut self.outgoing, BINARY, &self.envelope.auth(&self.token));
        }
        wire::put_frame(&mut self.outgoing, BINARY, &self.envelope.step1(&[0]));
        self.write();
    }

    fn handle(&mut self, number: usize, watch: &mut impl FnMut(usize, Event<'_>)) -> io::Result<()> {
        while let Some(frame) = self.frames.next() {
            match frame.opcode {
                PING => wire::put_frame(&mut self.outgoing, PONG, frame.payload),
                CLOSE => return Err(io::Error::other(format!("closed: {}", close_reason(frame.payload)))),
                _ => {}
            }
            if frame.opcode != BINARY {
                continue;
            }
            let bytes = frame.bytes;
            let mut input = frame.payload;
            while let Some(message) = self.envelope.read(&mut input) {
                match message {
                    Message::Step1 => {
                        let answer = self.envelope.empty_step2();
                        wire::put_frame(&mut self.outgoing, BINARY, &answer);
                    }
                    Message::Step2(update) => {
                        self.is_synced = true;
                        watch(number, Event::Synced { update, bytes });
                    }
                    Message::Update(update) => watch(number, Event::Update(update)),
                    Message::Awareness(states) => watch(number, Event::Awareness(states)),
                    Message::Denied(reason) => {
                        return Err(io::Error::other(format!("denied: {}", String::from_utf8_lossy(reason))));
                    }
                    Message::Ping => wire::put_frame(&mut self.outgoing, BINARY, &[10]),
                    Message::Other => {}
                }
            }
        }
        self.write();
        Ok(())
    }

    /// Writes what the server takes. That it is gone shows in reading.
    fn write(&mut self) {
        if matches!(self.phase, Phase::Connecting | Phase::Waiting(_)) {
            return;
        }
        let Some(stream) = &mut self.stream else { return };
        while self.sent < self.outgoing.len() {
            match stream.write(&self.outgoing[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
        self.outgoing.clear();
        self.sent = 0;
    }
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "without a code".into(),
    }
}
