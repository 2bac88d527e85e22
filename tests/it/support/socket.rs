//! A WebSocket client that does exactly what a test says: sends any bytes, answers pings only if told to, stops reading, vanishes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::DEADLINE;
use super::frame::{self, BINARY, CLOSE, Frame, PING, PONG};
use super::http::Answer;
use super::message::{self, Message};

/// A connection after the handshake.
pub struct Socket {
    pub stream: TcpStream,
    /// The answer to the handshake.
    pub answer: Answer,
    incoming: Vec<u8>,
    /// Where the next frame begins in `incoming`.
    at: usize,
}

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server ended the stream in order.
    Finished,
    /// The connection was reset.
    Reset,
}

/// The head of an upgrade request, without its empty line.
pub fn upgrade(path: &str, headers: &[&str]) -> String {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head
}

/// Whether a read gave nothing because the time was up.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Socket {
    /// Sends `head` and at once what follows it, and reads the answer's head, whatever it is.
    pub fn open(address: SocketAddr, head: &str, first_bytes: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request = format!("{head}\r\n").into_bytes();
        request.extend_from_slice(first_bytes);
        stream.write_all(&request).unwrap();
        let answer = Answer { status: 0, headers: Vec::new(), body: Vec::new() };
        let mut socket = Self { stream, answer, incoming: Vec::new(), at: 0 };
        let end = loop {
            match socket.incoming.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert_eq!(socket.fill(), Ok(()), "an answer"),
            }
        };
        socket.answer = Answer::parse_head(std::str::from_utf8(&socket.incoming[..end]).unwrap());
        socket.at = end + 4;
        socket
    }

    /// Connects to `/yjs/{room}` with a token in the header.
    pub fn yjs(address: SocketAddr, room: &str, token: &str) -> Self {
        let head = upgrade(&format!("/yjs/{room}"), &[&format!("Authorization: Bearer {token}")]);
        let socket = Self::open(address, &head, &[]);
        assert_eq!(socket.answer.status, 101, "{:?}", socket.answer);
        socket
    }

    /// Reads once; waits if there is nothing.
    fn fill(&mut self) -> Result<(), End> {
        // Forgets what was read, now and then: moving the rest each time would cost more than reading.
        if self.at > 1 << 20 || self.at == self.incoming.len() {
            self.incoming.drain(..self.at);
            self.at = 0;
        }
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(End::Finished),
            Ok(count) => {
                self.incoming.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if is_timeout(&error) => panic!("nothing came in time"),
            Err(_) => Err(End::Reset),
        }
    }

    /// The next frame, or the connection's end.
    pub fn next(&mut self) -> Result<Frame, End> {
        loop {
            if let Some((frame, bytes)) = frame::parse(&self.incoming[self.at..]) {
                self.at += bytes;
                return Ok(frame);
            }
            self.fill()?;
        }
    }

    /// The next frame, if one comes within `wait`.
    pub fn next_within(&mut self, wait: Duration) -> Option<Frame> {
        if frame::parse(&self.incoming[self.at..]).is_none() {
            self.stream.set_read_timeout(Some(wait)).unwrap();
            let is_there = self.stream.peek(&mut [0]).is_ok();
            self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
            if !is_there {
                return None;
            }
        }
        Some(self.frame())
    }

    /// The next frame.
    pub fn frame(&mut self) -> Frame {
        self.next().unwrap_or_else(|end| panic!("the connection ended: {end:?}"))
    }

    /// The payload of the next message; pings in between are answered.
    pub fn payload(&mut self) -> Vec<u8> {
        let started = Instant::now();
        loop {
            let frame = self.frame();
            assert!(started.elapsed() < DEADLINE, "no message in time");
            match frame.opcode {
                BINARY => return frame.payload,
                PING => self.send(&frame::frame(PONG, &frame.payload)),
                PONG => {}
                _ => panic!("not a message: {:?}", frame.close()),
            }
        }
    }

    /// The next message.
    pub fn message(&mut self) -> Message {
        message::parse(&self.payload())
    }

    /// Reads up to the first message that `is_it`.
    pub fn until(&mut self, what: &str, mut is_it: impl FnMut(&Message) -> bool) -> Message {
        let started = Instant::now();
        loop {
            let message = self.message();
            if is_it(&message) {
                return message;
            }
            assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        }
    }

    /// Reads up to the close frame: its code and reason.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            let frame = self.frame();
            if frame.opcode == CLOSE {
                let (code, reason) = frame.close();
                return (code, reason.to_owned());
            }
        }
    }

    /// Reads up to the connection's end, a close frame or not.
    pub fn ended(&mut self) -> End {
        loop {
            if let Err(end) = self.next() {
                return end;
            }
        }
    }

    /// Waits until the server has read all that was sent; nothing but its pong is expected.
    pub fn was_read(&mut self) {
        self.send(&frame::frame(PING, b""));
        assert_eq!(self.frame().opcode, PONG);
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is sent");
    }

    /// Sends a message in a frame of its own.
    pub fn say(&mut self, payload: &[u8]) {
        self.send(&frame::frame(BINARY, payload));
    }
}
