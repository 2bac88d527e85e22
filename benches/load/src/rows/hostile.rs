//! Clients that each cost others something, if a server lets them, beside people who type. Each has a room and a user of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::fleet::Request;
use crate::protocol::{Dialect, put_buf, put_var_uint};
use crate::server::Server;
use crate::transport::{Stream, Transport};
use crate::typing::keystroke;
use crate::wire::{BINARY, OFFER, put_compressed_frame, put_frame};

/// What a hostile client does.
pub struct Kind {
    pub id: &'static str,
    pub title: &'static str,
    act: fn(&Attack),
}

/// All that are measured.
pub const KINDS: [Kind; 9] = [
    Kind { id: "hostile-answers", title: "answers of 4 MiB that nobody reads", act: answers },
    Kind { id: "hostile-bodies", title: "200 requests whose bodies do not come", act: bodies },
    Kind { id: "hostile-messages", title: "300 MB of messages that do not end", act: messages },
    Kind { id: "hostile-awareness", title: "1 MiB of awareness states, over and over", act: awareness },
    Kind { id: "hostile-edits", title: "edits as fast as they are taken", act: edits },
    Kind { id: "hostile-rooms", title: "rooms as fast as they open", act: rooms },
    Kind { id: "hostile-questions", title: "questions for the document as fast as they are taken", act: questions },
    Kind { id: "hostile-streams", title: "40 event streams that are told much and not read", act: streams },
    Kind { id: BOMBS, title: "messages of 62 KB that become 63 MB", act: bombs },
];
const BOMBS: &str = "hostile-bombs";

/// A thread at work, until this is dropped.
pub struct Running {
    stop: Arc<AtomicBool>,
    /// Where it reads how long it has run.
    clock: Arc<OnceLock<PathBuf>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(act: impl FnOnce(Arc<AtomicBool>) + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let clock = Arc::<OnceLock<PathBuf>>::default();
        let (stopped, own_clock) = (stop.clone(), clock.clone());
        let thread = std::thread::spawn(move || {
            if let Ok(thread) = std::fs::read_link("/proc/thread-self") {
                let _ = own_clock.set(Path::new("/proc").join(thread).join("schedstat"));
            }
            act(stopped);
        });
        Self { stop, clock, thread: Some(thread) }
    }
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
    /// Whether it can harm anybody there.
    pub fn is_for(&self, transport: Transport) -> bool {
        self.id != BOMBS || transport == Transport::Compressed
    }

    /// Begins.
    pub fn begin(&self, server: &Server) -> Running {
        // Rooms and users of their own, so that each kind pays for itself alone.
        let request = server.request_in(Dialect::Yjs, self.id, &format!("mallory-{}", self.id));
        let act = self.act;
        Running::start(move |stop| act(&Attack { request, stop }))
    }
}

/// All kinds at once but for those.
pub fn begin_all(server: &Server, transport: Transport, without: &[String]) -> Vec<Running> {
    let kinds = KINDS.iter().filter(|kind| kind.is_for(transport) && !without.iter().any(|id| id == kind.id));
    kinds.map(|kind| kind.begin(server)).collect()
}

/// How often it is noted how long a thread has run.
const NOTED_EVERY: Duration = Duration::from_millis(5);

/// How long each of some threads had run, noted again and again.
pub struct Recording {
    notes: Arc<Mutex<Vec<Vec<f64>>>>,
    _noting: Running,
}

impl Recording {
    /// Notes it until this is ended.
    pub fn of(threads: &[Running]) -> Self {
        let clocks: Vec<_> = threads.iter().map(|thread| thread.clock.clone()).collect();
        let notes = Arc::new(Mutex::new(vec![Vec::new(); clocks.len()]));
        let noted = notes.clone();
        let note = move |stop: Arc<AtomicBool>| {
            let began = Instant::now();
            for count in 1.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                for (clock, notes) in clocks.iter().zip(noted.lock().expect("nobody panics with it").iter_mut()) {
                    notes.push(clock.get().map_or(0.0, |clock| ran_s(clock)));
                }
                std::thread::sleep((NOTED_EVERY * count).saturating_sub(began.elapsed()));
            }
        };
        Self { notes, _noting: Running::start(note) }
    }

    /// What was noted of each thread, in seconds.
    pub fn end(self) -> Vec<Vec<f64>> {
        std::mem::take(&mut *self.notes.lock().expect("nobody panics with it"))
    }
}

/// For each of `recorded` a thread that takes as much CPU time at the same moments, and does nothing else.
pub fn burn(recorded: Vec<Vec<f64>>) -> Vec<Running> {
    recorded.into_iter().map(|recorded| Running::start(move |stop| burn_as(&recorded, &stop))).collect()
}

fn burn_as(recorded: &[f64], stop: &AtomicBool) {
    let began = Instant::now();
    let own = Path::new("/proc/thread-self/schedstat");
    while !stop.load(Ordering::Relaxed) {
        let place = began.elapsed().div_duration_f64(NOTED_EVERY) as usize;
        let had_run_s = recorded.get(place).or(recorded.last()).copied().unwrap_or(0.0);
        match ran_s(own) < had_run_s {
            true => (0..100_000).for_each(|number| {
                std::hint::black_box(number);
            }),
            false => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// How long a thread has run, in seconds.
fn ran_s(clock: &Path) -> f64 {
    let stat = std::fs::read_to_string(clock).unwrap_or_default();
    stat.split(' ').next().and_then(|ran_ns| ran_ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

struct Attack {
    request: Request,
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

    /// The name of its room.
    fn room(&self) -> &str {
        self.request.path.trim_start_matches("/yjs/")
    }

    fn connect(&self) -> std::io::Result<Stream<TcpStream>> {
        let socket = TcpStream::connect(self.request.address)?;
        socket.set_write_timeout(Some(Duration::from_millis(500)))?;
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut stream = Stream::new(socket, self.request.certificate.as_ref());
        stream.shake_hands()?;
        Ok(stream)
    }

    fn request(&self, first_line: &str, rest: &str) -> std::io::Result<Stream<TcpStream>> {
        let mut stream = self.connect()?;
        let token = &self.request.token;
        write!(stream, "{first_line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{rest}")?;
        Ok(stream)
    }

    fn socket(&self, path: &str) -> std::io::Result<Stream<TcpStream>> {
        let offer = if self.request.is_compressed { OFFER } else { "" };
        let mut stream = self.request(
            &format!("GET {path}"),
            &format!(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
            ),
        )?;
        let mut head = [0; 4096];
        stream.read(&mut head).map(drop)?;
        Ok(stream)
    }

    /// A frame, compressed where the people's are.
    fn put_frame(&self, out: &mut Vec<u8>, payload: &[u8]) {
        match self.request.is_compressed {
            true => put_compressed_frame(out, BINARY, payload),
            false => put_frame(out, BINARY, payload),
        }
    }

    /// Sends frames and takes what comes back, until the server ends it.
    fn flood(&self, path: &str, mut payload: impl FnMut(u32) -> Vec<u8>) -> std::io::Result<()> {
        let mut stream = self.socket(path)?;
        stream.socket.set_nonblocking(true)?;
        let mut taken = vec![0; 1 << 16];
        let mut number = 0;
        while !self.is_over() {
            let mut frames = Vec::new();
            for _ in 0..16 {
                self.put_frame(&mut frames, &payload(number));
                number += 1;
            }
            let mut rest = &frames[..];
            while !rest.is_empty() && !self.is_over() {
                let written = none_if_it_would_block(stream.write(rest))?;
                rest = &rest[written.unwrap_or(0)..];
                let read = none_if_it_would_block(stream.read(&mut taken))?;
                if read == Some(0) {
                    return Ok(());
                }
                if written.is_none() && read.is_none() {
                    // Read slowly.
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        Ok(())
    }

    fn wait_for_the_end(&self) {
        while !self.is_over() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn none_if_it_would_block(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

fn sync(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0, kind];
    put_buf(&mut out, body);
    out
}

fn answers(attack: &Attack) {
    let document = attack.room();
    attack.again_and_again(|| {
        let mut stream = attack.socket(&attack.request.path)?;
        let mut update = vec![1, 1, 7, 0, 4, 1, 1, b't'];
        put_buf(&mut update, &vec![b'x'; 4 << 20]);
        update.push(0);
        let mut frame = Vec::new();
        attack.put_frame(&mut frame, &sync(2, &update));
        stream.write_all(&frame)?;
        let question = format!("GET /api/v1/rooms/{document}/document?format=yjs");
        let held: Vec<_> = (0..40).map(|_| attack.request(&question, "\r\n")).collect();
        attack.wait_for_the_end();
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
            let mut stream = attack.socket(&attack.request.path)?;
            let mut head = vec![0x80 | BINARY, 0x80 | 127];
            head.extend_from_slice(&(BYTES + 1).to_be_bytes());
            head.extend_from_slice(&[0; 4]);
            stream.write_all(&head)?;
            // Refused in the middle, perhaps.
            let _ = stream.write_all(&vec![0; BYTES as usize]);
            held.push(stream);
        }
        attack.wait_for_the_end();
        Ok(())
    });
}

fn awareness(attack: &Attack) {
    let json = format!("\"{}\"", "x".repeat(32_000));
    attack.again_and_again(|| {
        attack.flood(&attack.request.path, |number| {
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
        attack.flood(&attack.request.path, |number| sync(2, &keystroke(client, number)))
    });
}

fn rooms(attack: &Attack) {
    attack.again_and_again(|| {
        attack.flood("/hocuspocus", |number| {
            let mut out = Vec::new();
            put_buf(&mut out, format!("hostile-{}", number / 2).as_bytes());
            if number % 2 == 0 {
                out.extend_from_slice(&[2, 0]);
                put_buf(&mut out, attack.request.token.as_bytes());
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
        attack.flood(&attack.request.path, |number| {
            let mut state_vector = vec![1];
            put_var_uint(&mut state_vector, u64::from(number));
            state_vector.push(1);
            sync(0, &state_vector)
        })
    });
}

fn streams(attack: &Attack) {
    let room = attack.room();
    let said = format!("{{\"text\":\"{}\"}}", "x".repeat(64_000));
    let length = said.len();
    attack.again_and_again(|| {
        let opening = format!("GET /api/v1/rooms/{room}/events");
        let held: Vec<_> = (0..40).map(|_| attack.request(&opening, "\r\n")).collect();
        while !attack.is_over() {
            let head =
                format!("Connection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
            let mut stream = attack.request(&format!("POST /api/v1/rooms/{room}/messages"), &head)?;
            stream.write_all(said.as_bytes())?;
            stream.read(&mut [0; 1024]).map(drop)?;
        }
        drop(held);
        Ok(())
    });
}

fn bombs(attack: &Attack) {
    let mut bomb = Vec::new();
    put_compressed_frame(&mut bomb, BINARY, &vec![0; 63_000_000]);
    attack.again_and_again(|| {
        let mut stream = attack.socket(&attack.request.path)?;
        while !attack.is_over() {
            stream.write_all(&bomb)?;
        }
        Ok(())
    });
}
