//! Signals as fast as somebody reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::eventually;
use super::frame::BINARY;
use super::json::Client;
use super::process::Process;
use super::token::writer;

const SIGNAL_BYTES: usize = 16 * 1024;
/// How far the flood may be ahead of the one who reads it: that one must not become slow.
const AHEAD_BYTES: usize = 256 * 1024;

/// So that a flood is not refused, or read more slowly.
pub const UNLIMITED: [&str; 14] = [
    "--rate-socket",
    "1000000",
    "--rate-user",
    "1000000",
    "--rate-address",
    "1000000",
    "--rate-yjs-socket",
    "1000000",
    "--rate-yjs-user",
    "1000000",
    "--rate-yjs-address",
    "1000000",
    "--rate-yjs-room",
    "1000000",
];

/// Someone who sends signals, and someone who reads them.
pub struct Flood {
    sender: Client,
    taken: Arc<AtomicUsize>,
}

impl Flood {
    pub fn start(process: &Process, room: &str) -> Self {
        let sender = Client::join(process.address, &writer("flooder"), room);
        let mut reader = Client::join(process.address, &writer("reader"), room);
        let taken = Arc::<AtomicUsize>::default();
        thread::spawn({
            let taken = taken.clone();
            move || {
                while let Ok(frame) = reader.socket.next() {
                    if frame.opcode == BINARY {
                        taken.fetch_add(frame.payload.len(), Ordering::Relaxed);
                    }
                }
            }
        });
        Self { sender, taken }
    }

    /// Sends signals to a room, no faster than they are read, and does something after each.
    pub fn send(&mut self, room: &str, bytes: usize, mut each: impl FnMut(usize)) {
        self.taken.store(0, Ordering::Relaxed);
        let signal = [&[room.len() as u8], room.as_bytes(), &[b'x'; SIGNAL_BYTES]].concat();
        for number in 0..bytes / SIGNAL_BYTES {
            self.sender.socket.say(&signal);
            each(number);
            eventually("the flood is read", || {
                ((number + 1) * SIGNAL_BYTES <= self.taken.load(Ordering::Relaxed) + AHEAD_BYTES).then_some(())
            });
        }
        eventually("the whole flood is read", || {
            (bytes / SIGNAL_BYTES * SIGNAL_BYTES <= self.taken.load(Ordering::Relaxed)).then_some(())
        });
    }
}
