//! Many clients on one thread: opens sockets, sends, and tells what comes. It answers what every client answers (Step1, pings)
//! and knows nothing of what is measured.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::event_stream::{self, Events as StreamEvents, Told};
use crate::protocol::{Dialect, Envelope, Message};
use crate::transport::{Certificate, Stream};
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
    /// Of the server, if it has TLS.
    pub certificate: Option<Certificate>,
    /// Whether messages are compressed, both ways.
    pub is_compressed: bool,
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
    stream: Option<Stream<TcpStream>>,
    phase: Phase,
    address: SocketAddr,
    envelope: Envelope,
    token: String,
    is_compressed: bool,
    frames: Frames,
    /// What an event stream brings, and the connection for what its client says.
    events: StreamEvents,
    posts: Option<Posts>,
    outgoing: Vec<u8>,
    sent: usize,
    is_synced: bool,
}

/// The connection by which the client of an event stream says something.
#[derive(Default)]
struct Posts {
    /// The name of the event stream.
    client: String,
    /// Made when there is something to say; the server may end it when nothing was said for long.
    stream: Option<TcpStream>,
    outgoing: Vec<u8>,
    sent: usize,
    /// Whether an answer is due. Until it has come the next requests wait, as browsers have it.
    is_due: bool,
    next: VecDeque<Vec<u8>>,
}

/// A token of the poll with this is that of a client's posts.
const POSTS: usize = 1 << 32;

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
            address: request.address,
            envelope: request.envelope.clone(),
            token: request.token.clone(),
            is_compressed: request.is_compressed,
            events: StreamEvents::default(),
            posts: None,
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
        let number = client;
        let client = &mut self.clients[number];
        client.say(payload);
        // That nothing can be posted shows in what does not come.
        let _ = client.post(number, &self.poll);
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
            let number = event.token().0 % POSTS;
            let client = &mut self.clients[number];
            if matches!(client.phase, Phase::Ended) {
                continue;
            }
            let (was_open, was_synced) = (client.is_open(), client.is_synced);
            let result = match event.token().0 < POSTS {
                true => client.ready(number, &mut self.buffer, watch),
                false => client.posts_ready(number, &mut self.buffer, &self.poll),
            };
            self.handshakes -= usize::from(!was_open && (client.is_open() || result.is_err()));
            self.synced += usize::from(!was_synced && client.is_synced);
            if let Err(error) = result {
                client.phase = Phase::Ended;
                client.stream = None;
                client.posts = None;
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
                    client.stream = Some(Stream::new(stream, request.certificate.as_ref()));
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

fn handshake(Request { address, path, token, envelope, is_compressed, .. }: &Request) -> Vec<u8> {
    let authorization = match envelope.dialect {
        Dialect::Yjs => format!("Authorization: Bearer {token}\r\n"),
        Dialect::Hocuspocus => String::new(),
        Dialect::Events => return event_stream::opening(*address, path, token),
    };
    let extensions = if *is_compressed { wire::OFFER } else { "" };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}{extensions}\r\n"
    );
    head.into_bytes()
}

impl Client {
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Ended)
    }

    fn ready(&mut self, number: usize, buffer: &mut [u8], watch: &mut impl FnMut(usize, Event<'_>)) -> io::Result<()> {
        if matches!(self.phase, Phase::Connecting) {
            let stream = &self.stream.as_ref().expect("a connecting client has a stream").socket;
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
        }
    }

    /// Handles the answers to what was posted.
    fn posts_ready(&mut self, number: usize, buffer: &mut [u8], poll: &Poll) -> io::Result<()> {
        self.write();
        let Some(posts) = &mut self.posts else { return Ok(()) };
        while let Some(stream) = &mut posts.stream {
            match stream.read(buffer) {
                Ok(0) if posts.is_due => return Err(io::Error::other("the server ended the connection of posts")),
                Ok(0) => posts.stream = None,
                Ok(_) if !buffer.starts_with(b"HTTP/1.1 204 ") => {
                    let answer = String::from_utf8_lossy(&buffer[..200]).into_owned();
                    return Err(io::Error::other(format!("a post was answered with {answer}")));
                }
                Ok(read) => {
                    posts.is_due = false;
                    if buffer[..read].windows(17).any(|part| part.eq_ignore_ascii_case(b"connection: close")) {
                        posts.stream = None;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.post(number, poll)?;
        self.write();
        Ok(())
    }

    /// Begins with the next request that is to be posted, if it is its turn.
    fn post(&mut self, number: usize, poll: &Poll) -> io::Result<()> {
        let Some(posts) = &mut self.posts else { return Ok(()) };
        if posts.is_due {
            return Ok(());
        }
        let Some(request) = posts.next.pop_front() else { return Ok(()) };
        posts.outgoing.extend(request);
        posts.is_due = true;
        if posts.stream.is_none() {
            let mut stream = TcpStream::connect(self.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number + POSTS), interest)?;
            posts.stream = Some(stream);
        }
        Ok(())
    }

    fn receive(&mut self, number: usize, input: &[u8], watch: &mut impl FnMut(usize, Event<'_>)) -> io::Result<()> {
        if let Phase::Handshake(head) = &mut self.phase {
            head.extend_from_slice(input);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(()) };
            let expected: &[u8] =
                if self.envelope.dialect == Dialect::Events { b"HTTP/1.1 200" } else { b"HTTP/1.1 101" };
            if !head.starts_with(expected) {
                return Err(io::Error::other(String::from_utf8_lossy(&head[..end]).into_owned()));
            }
            let rest = head.split_off(end + 4);
            self.phase = Phase::Open;
            self.greet();
            self.take(&rest);
        } else {
            self.take(input);
        }
        match self.envelope.dialect {
            Dialect::Yjs | Dialect::Hocuspocus => self.handle(number, watch),
            Dialect::Events => self.handle_events(number, watch),
        }
    }

    fn take(&mut self, input: &[u8]) {
        match self.envelope.dialect {
            Dialect::Yjs | Dialect::Hocuspocus => self.frames.take(input),
            Dialect::Events => self.events.take(input),
        }
    }

    fn handle_events(&mut self, number: usize, watch: &mut impl FnMut(usize, Event<'_>)) -> io::Result<()> {
        while let Some(told) = self.events.next() {
            match told {
                Told::Welcome(client) => {
                    self.posts = Some(Posts { client, ..Posts::default() });
                }
                Told::Joined => {
                    self.is_synced = true;
                    watch(number, Event::Synced { update: &[0, 0], bytes: 0 });
                }
                Told::Update(update) => watch(number, Event::Update(&update)),
                Told::Closed(why) => return Err(io::Error::other(format!("closed: {why}"))),
            }
        }
        Ok(())
    }

    /// Puts a message among what is to be sent.
    fn say(&mut self, message: &[u8]) {
        match (&mut self.posts, self.is_compressed) {
            (Some(posts), _) => {
                let client = &posts.client;
                posts.next.push_back(event_stream::said(self.address, client, &self.token, message));
            }
            (None, true) => wire::put_compressed_frame(&mut self.outgoing, BINARY, message),
            (None, false) => wire::put_frame(&mut self.outgoing, BINARY, message),
        }
    }

    /// What a provider says at once: who it is, if the dialect asks, and what it has.
    fn greet(&mut self) {
        match self.envelope.dialect {
            Dialect::Events => return,
            Dialect::Hocuspocus => self.say(&self.envelope.auth(&self.token)),
            Dialect::Yjs => {}
        }
        self.say(&self.envelope.step1(&[0]));
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
            let inflated = frame.is_compressed.then(|| wire::inflate(frame.payload));
            let mut input = inflated.as_deref().unwrap_or(frame.payload);
            let mut answers = Vec::new();
            while let Some(message) = self.envelope.read(&mut input) {
                match message {
                    Message::Step1 => {
                        answers.push(self.envelope.empty_step2());
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
                    Message::Ping => answers.push(vec![10]),
                    Message::Other => {}
                }
            }
            for answer in answers {
                self.say(&answer);
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
        if let Some(stream) = &mut self.stream {
            write(stream, &mut self.outgoing, &mut self.sent);
        }
        if let Some(Posts { stream: Some(stream), outgoing, sent, .. }) = &mut self.posts {
            write(stream, outgoing, sent);
        }
    }
}

fn write(stream: &mut impl Write, outgoing: &mut Vec<u8>, sent: &mut usize) {
    // What TLS holds back.
    let _ = stream.flush();
    while *sent < outgoing.len() {
        match stream.write(&outgoing[*sent..]) {
            Ok(count) => *sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
    outgoing.clear();
    *sent = 0;
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "without a code".into(),
    }
}
