//! A network that can fail: raw TCP from a port of its own to a target, which can be cut, freeze, delay, or lose one direction.
//! Knows nothing of what passes. `program.rs` makes a program of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Chunks that are on their way at once in one direction, each of at most [`CHUNK_BYTES`].
const CHUNKS_MAX: usize = 64;
const CHUNK_BYTES: usize = 16 * 1024;

/// A direction of each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the target.
    Up,
    /// From the target to clients.
    Down,
}

/// What the network does now.
#[derive(Default)]
struct Conditions {
    is_cut: bool,
    is_frozen: bool,
    loses_up: bool,
    loses_down: bool,
    delay: Duration,
    /// Connections are cut once this has passed upwards.
    cut_after: Option<Vec<u8>>,
}

impl Conditions {
    fn loses(&self, direction: Direction) -> bool {
        match direction {
            Direction::Up => self.loses_up,
            Direction::Down => self.loses_down,
        }
    }
}

#[derive(Default)]
struct Shared {
    conditions: Mutex<Conditions>,
    /// The conditions are others.
    changed: Condvar,
    connections: Mutex<Vec<Arc<Pair>>>,
}

/// Both ends of one connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    fn end(&self) {
        for stream in [&self.client, &self.server] {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A network in front of one target. It ends with the process.
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Network {
    /// To `target`, a `host:port`, from a free port.
    pub fn to(target: impl Into<String>) -> Self {
        Self::at("127.0.0.1:0", target)
    }

    /// To `target`, from `address`.
    pub fn at(address: &str, target: impl Into<String>) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let network = Self { address: listener.local_addr().expect("an address"), shared: Arc::default() };
        let (shared, target) = (network.shared.clone(), target.into());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (shared, target) = (shared.clone(), target.clone());
                // A target that takes its time must not keep others waiting.
                thread::spawn(move || shared.connect(client, &target));
            }
        });
        network
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        locked(&self.shared.connections).len()
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.change(|conditions| *conditions = Conditions { is_cut: true, ..Conditions::default() });
        self.drop_connections();
    }

    /// Ends all connections; new ones work.
    pub fn drop_connections(&self) {
        for pair in locked(&self.shared.connections).drain(..) {
            pair.end();
        }
    }

    /// Holds back everything, ends of connections too, until the network is restored; new connections are accepted.
    pub fn freeze(&self) {
        self.change(|conditions| conditions.is_frozen = true);
    }

    /// Loses what goes in a direction.
    pub fn lose(&self, direction: Direction) {
        self.change(|conditions| match direction {
            Direction::Up => conditions.loses_up = true,
            Direction::Down => conditions.loses_down = true,
        });
    }

    /// Makes everything take so much longer, each way.
    pub fn delay(&self, delay: Duration) {
        self.change(|conditions| conditions.delay = delay);
    }

    /// Cuts a connection once a client has sent `bytes`, in one piece: they arrive, and their answer does not.
    pub fn cut_after(&self, bytes: &[u8]) {
        self.change(|conditions| conditions.cut_after = Some(bytes.to_vec()));
    }

    /// Works again. Connections that may have lost something end.
    pub fn restore(&self) {
        let has_lost = self.change(|conditions| {
            let before = std::mem::take(conditions);
            before.loses_up || before.loses_down
        });
        if has_lost {
            self.drop_connections();
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Conditions) -> R) -> R {
        let result = change(&mut locked(&self.shared.conditions));
        self.shared.changed.notify_all();
        result
    }
}

impl Shared {
    fn connect(self: Arc<Self>, client: TcpStream, target: &str) {
        // Dropped: the client's connection ends.
        let Ok(server) = TcpStream::connect(target) else { return };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let pair = Arc::new(Pair { client, server });
        {
            // Under the lock: what is cut now ends this one, too.
            let mut connections = locked(&self.connections);
            if locked(&self.conditions).is_cut {
                return;
            }
            connections.push(pair.clone());
        }
        let up = { (self.clone(), pair.clone()) };
        let upwards = thread::spawn(move || up.0.carry(&up.1, Direction::Up));
        self.carry(&pair, Direction::Down);
        let _ = upwards.join();
        locked(&self.connections).retain(|other| !Arc::ptr_eq(other, &pair));
    }

    /// Carries one direction of a connection until it ends.
    fn carry(&self, pair: &Arc<Pair>, direction: Direction) {
        let (chunks, arriving) = sync_channel(CHUNKS_MAX);
        thread::scope(|scope| {
            scope.spawn(|| self.deliver(pair, direction, arriving));
            self.take(pair, direction, chunks);
        });
    }

    /// Takes what comes in, and notes when it should be there.
    fn take(&self, pair: &Pair, direction: Direction, chunks: SyncSender<(Instant, Vec<u8>)>) {
        let mut from = match direction {
            Direction::Up => &pair.client,
            Direction::Down => &pair.server,
        };
        let mut buffer = vec![0; CHUNK_BYTES];
        // An empty chunk is the end.
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            let due = Instant::now() + locked(&self.conditions).delay;
            if chunks.send((due, buffer[..read].to_vec())).is_err() || read == 0 {
                return;
            }
        }
    }

    /// Brings what was taken to the other end.
    fn deliver(&self, pair: &Pair, direction: Direction, arriving: Receiver<(Instant, Vec<u8>)>) {
        let mut to = match direction {
            Direction::Up => &pair.server,
            Direction::Down => &pair.client,
        };
        for (due, bytes) in arriving {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let conditions = locked(&self.conditions);
            let conditions = self
                .changed
                .wait_while(conditions, |conditions| conditions.is_frozen)
                .unwrap_or_else(PoisonError::into_inner);
            let is_lost = conditions.loses(direction);
            let is_cut = direction == Direction::Up
                && conditions.cut_after.as_ref().is_some_and(|mark| bytes.windows(mark.len()).any(|part| part == mark));
            drop(conditions);
            match bytes.is_empty() {
                // Where a direction is lost nobody hears of its end.
                true if is_lost => return,
                true => return drop(to.shutdown(Shutdown::Write)),
                false if is_lost => continue,
                false => {}
            }
            if is_cut {
                // First the way back, so that the answer cannot slip through.
                let _ = pair.client.shutdown(Shutdown::Both);
            }
            if to.write_all(&bytes).is_err() || is_cut {
                return pair.end();
            }
        }
    }
}

/// No thread panics while it holds a lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
