//! A network between a store and Postgres that can fail in the ways networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the network does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Network {
    /// It works.
    Up = 0,
    /// It refuses: connections are cut as soon as they are made.
    Down = 1,
    /// It takes bytes and brings them nowhere.
    Silent = 2,
    /// It works until a commit, which arrives, but whose answer is cut off.
    CutAtCommit = 3,
}

/// Forwards connections from a port of its own to the database.
pub struct Proxy {
    pub port: u16,
    network: Arc<AtomicU8>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn start(target: String) -> Self {
        Self::start_at("127.0.0.1:0", target)
    }

    /// Forwards connections to `address`, port 0 for a free one.
    pub fn start_at(address: &str, target: String) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Self { port, network: Arc::default(), streams: Arc::default() };
        let (network, streams) = (proxy.network.clone(), proxy.streams.clone());
        // Ends with the process: accept has no other way to be interrupted.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if network.load(Ordering::SeqCst) == Network::Down as u8 {
                    continue;
                }
                let server = TcpStream::connect(&target).expect("the database answers");
                let pair = |a: &TcpStream, b: &TcpStream| Some((a.try_clone().ok()?, b.try_clone().ok()?));
                let (up, down) = (pair(&client, &server), pair(&server, &client));
                streams.lock().expect("no thread panicked").extend([client, server]);
                let (upwards, downwards) = (network.clone(), network.clone());
                thread::spawn(move || up.map(|(from, to)| forward(from, to, &upwards, true)));
                thread::spawn(move || down.map(|(from, to)| forward(from, to, &downwards, false)));
            }
        });
        proxy
    }

    /// Changes the network; when it goes down, what is connected is cut.
    pub fn set(&self, network: Network) {
        self.network.store(network as u8, Ordering::SeqCst);
        if network == Network::Down {
            for stream in self.streams.lock().expect("no thread panicked").drain(..) {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, network: &AtomicU8, is_upwards: bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let state = network.load(Ordering::SeqCst);
        if state == Network::Silent as u8 {
            continue;
        }
        let bytes = &buffer[..read];
        let is_cut = state == Network::CutAtCommit as u8 && is_upwards && bytes.windows(7).any(|w| w == b"commit\0");
        if is_cut {
            // First the way back, so that the answer cannot slip through.
            let _ = from.shutdown(Shutdown::Both);
        }
        if to.write_all(bytes).is_err() || is_cut {
            break;
        }
    }
}
