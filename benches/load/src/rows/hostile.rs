//! Clients that each cost others something, if a server lets them, beside people who type. Each has a room and a user of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::protocol::{put_buf, put_var_uint};
use crate::server::Server;
use crate::typing::keystroke;
use crate::wire::{BINARY, put_frame};

/// What a hostile client does.
pub struct Kind {
    pub id: &'static str,
    pub title: &'static str,
    act: fn(&Attack),
}

/// All that are measured.
pub const KINDS: [Kind; 7] = [
    Kind { id: "hostile-answers", title: "answers of 4 MiB that nobody reads", act: answers },
    Kind { id: "hostile-bodies", title: "200 requests whose bodies do not come", act: bodies },
    Kind { id: "hostile-messages", title: "300 MB of messages that do not end", act: messages },
    Kind { id: "hostile-awareness", title: "1 MiB of awareness states, over and over", act: awareness },
    Kind { id: "hostile-edits", title: "edits as fast as they are taken", act: edits },
    Kind { id: "hostile-rooms", title: "rooms as fast as they open", act: rooms },
    Kind { id: "hostile-questions", title: "questions for the document as fast as they are taken", act: questions },
];

/// A hostile client at work, until this is dropped.
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Kind {
    /// Begins.
    pub fn begin(&self, server: &Server) -> Running {
        let request = server.request("hostile", "mallory");
        let (stop, act) = (Arc::<AtomicBool>::default(), self.act);
        let attack = Attack { address: request.address, path: request.path, token: request.token, stop: stop.clone() };
        Running { stop, thread: Some(std::thread::spawn(move || act(&attack))) }
    }
}

struct Attack {
    address: SocketAddr,
    path: String,
    token: String,
    stop: Arc<AtomicBool>,
}

impl Attack {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Goes on until it is over; whatever the server ends begins anew a little later.
    fn again_and_again(&self, mut act: impl FnMut() -> std::io::Result<()>) {
        while !self.is_over() {
            // An end is what a hostile client must expect.
            let _ = act();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_write_timeout(Some(Duration::from_millis(500)))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(stream)
    }

    fn request(&self, first_line: &str, rest: &str) -> std::io::Result<TcpStream> {
        let mut stream = self.connect()?;
        let token = &self.token;
        write!(stream, "{first_line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{rest}")?;
        Ok(stream)
    }

    fn socket(&self, path: &str) -> std::io::Result<TcpStream> {
        let mut stream = self.request(
            &format!("GET {path}"),
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        let mut head = [0; 4096];
        stream.read(&mut head).map(drop)?;
        Ok(stream)
    }

    /// Sends frames and takes what comes back, until the server ends it.
    fn flood(&self, path: &str, mut payload: impl FnMut(u32) -> Vec<u8>) -> std::io::Result<()> {
        let mut stream = self.socket(path)?;
        let mut taking = stream.try_clone()?;
        std::thread::spawn(move || {
            let _ = taking.set_read_timeout(None);
            std::io::copy(&mut taking, &mut std::io::sink())
        });
        let mut number = 0;
        while !self.is_over() {
            let mut frames = Vec::new();
            for _ in 0..16 {
                put_frame(&mut frames, BINARY, &payload(number));
                number += 1;
            }
            let mut rest = &frames[..];
            while !rest.is_empty() && !self.is_over() {
                match stream.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    // Read slowly.
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        stream.shutdown(std::net::Shutdown::Both)
    }
}

fn sync(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0, kind];
    put_buf(&mut out, body);
    out
}

fn answers(attack: &Attack) {
    let document = attack.path.strip_prefix("/yjs/").unwrap_or_default();
    attack.again_and_again(|| {
        let mut stream = attack.socket(&attack.path)?;
        let mut update = vec![1, 1, 7, 0, 4, 1, 1, b't'];
        put_buf(&mut update, &vec![b'x'; 4 << 20]);
        update.push(0);
        let mut frame = Vec::new();
        put_frame(&mut frame, BINARY, &sync(2, &update));
        stream.write_all(&frame)?;
        let question = format!("GET /api/v1/rooms/{document}/document?format=yjs");
        let held: Vec<_> = (0..40).map(|_| attack.request(&question, "\r\n")).collect();
        while !attack.is_over() {
            std::thread::sleep(Duration::from_millis(100));
        }
        drop(held);
        Ok(())
    });
}

fn bodies(attack: &Attack) {
    attack.again_and_again(|| {
        let length = "Content-Length: 1000\r\n\r\n{";
        let held: Vec<_> = (0..200).map(|_| attack.request("POST /api/v1/rooms/hostile/messages", length)).collect();
        std::thread::sleep(Duration::from_secs(1));
        drop(held);
        Ok(())
    });
}

fn messages(attack: &Attack) {
    attack.again_and_again(|| {
        const BYTES: u64 = 60_000_000;
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut stream = attack.socket(&attack.path)?;
            let mut head = vec![0x80 | BINARY, 0x80 | 127];
            head.extend_from_slice(&(BYTES + 1).to_be_bytes());
            head.extend_from_slice(&[0; 4]);
            stream.write_all(&head)?;
            // Refused in the middle, perhaps.
            let _ = stream.write_all(&vec![0; BYTES as usize]);
            held.push(stream);
        }
        while !attack.is_over() {
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    });
}

fn awareness(attack: &Attack) {
    let json = format!("\"{}\"", "x".repeat(32_000));
    attack.again_and_again(|| {
        attack.flood(&attack.path, |number| {
            let mut states = vec![1];
            put_var_uint(&mut states, u64::from(number % 32) + 1);
            put_var_uint(&mut states, u64::from(number) + 1);
            put_buf(&mut states, json.as_bytes());
            let mut out = vec![1];
            put_buf(&mut out, &states);
            out
        })
    });
}

fn edits(attack: &Attack) {
    let mut client = 1 << 30;
    attack.again_and_again(|| {
        client += 1;
        attack.flood(&attack.path, |number| sync(2, &keystroke(client, number)))
    });
}

fn rooms(attack: &Attack) {
    attack.again_and_again(|| {
        attack.flood("/hocuspocus", |number| {
            let mut out = Vec::new();
            put_buf(&mut out, format!("hostile-{}", number / 2).as_bytes());
            if number % 2 == 0 {
                out.extend_from_slice(&[2, 0]);
                put_buf(&mut out, attack.token.as_bytes());
            } else {
                // Leaves it again.
                out.push(7);
            }
            out
        })
    });
}

fn questions(attack: &Attack) {
    attack.again_and_again(|| {
        attack.flood(&attack.path, |number| {
            let mut state_vector = vec![1];
            put_var_uint(&mut state_vector, u64::from(number));
            state_vector.push(1);
            sync(0, &state_vector)
        })
    });
}
