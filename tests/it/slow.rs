//! A peer that never reads costs nobody else anything: neither memory, nor time, nor edits.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::editor::Editor;
use crate::support::frame::{BINARY, header};
use crate::support::message::{Message, awareness};
use crate::support::process::Process;
use crate::support::socket::Socket;
use crate::support::token::writer;
use crate::support::{eventually, within};

const STATE_BYTES: usize = 16 * 1024;
const FLOOD_BYTES: usize = 320_000_000;
const WARM_UP_BYTES: usize = 32_000_000;
/// How far the flood may be ahead of the one who reads it: that one must not become slow.
const AHEAD_BYTES: usize = 256 * 1024;
const GROWTH_BYTES_MAX: usize = 4 << 20;
/// What is typed last.
const END: &str = "end";
/// One edit among so many states.
const EDIT_EVERY: usize = 50;

/// Announces states and types between them, no faster than `taken` tells that they are read.
fn flood(writer: &mut Editor, clock: &mut u64, bytes: usize, taken: &AtomicUsize, mut look: impl FnMut()) {
    taken.store(0, Ordering::Relaxed);
    for number in 0..bytes / STATE_BYTES {
        *clock += 1;
        // Each is another, as those of a moving cursor are.
        let json = format!("\"{clock:010}{}\"", "x".repeat(STATE_BYTES - 10));
        let state = awareness(1, *clock, &json);
        let mut frame = header(0x80 | BINARY, state.len() as u64);
        frame.extend_from_slice(&state);
        writer.socket.send(&frame);
        if number % EDIT_EVERY == 0 {
            writer.types(&format!("{clock};"));
            look();
        }
        eventually("the flood is read", || {
            ((number + 1) * STATE_BYTES <= taken.load(Ordering::Relaxed) + AHEAD_BYTES).then_some(())
        });
    }
    eventually("the whole flood is read", || {
        (taken.load(Ordering::Relaxed) >= bytes / STATE_BYTES * STATE_BYTES).then_some(())
    });
}

/// Whether the kernel of this machine has a TCP connection from the server's port to `client`.
fn is_connected(process: &Process, client: std::net::SocketAddr) -> bool {
    let port = |port: u16| format!("0100007F:{port:04X}");
    let (local, remote) = (port(process.address.port()), port(client.port()));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(&local) && fields.next() == Some(&remote)
    })
}

#[test]
fn rule_28_a_peer_that_never_reads_under_a_flood_of_320_mb_costs_less_than_4_mib_and_is_gone_within_30_s() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]);
    let mut flooder = Editor::join(process.address, "room", &writer("flooder"), 1);
    let mut reader = Editor::join(process.address, "room", &writer("reader"), 2);
    let taken = Arc::new(AtomicUsize::new(0));
    let reading = thread::spawn({
        let taken = taken.clone();
        move || {
            while !reader.text().ends_with(END) {
                if let Message::Awareness(states) = reader.take() {
                    taken.fetch_add(states.iter().map(|state| state.json.len() - 2).sum(), Ordering::Relaxed);
                    reader.states.clear();
                }
            }
            reader
        }
    });
    let mut clock = 0;
    flood(&mut flooder, &mut clock, WARM_UP_BYTES, &taken, || {});

    let before = process.memory_bytes();
    let mut dead = Socket::yjs(process.address, "room", &writer("dead"));
    let dead_address = dead.stream.local_addr().unwrap();
    eventually("the dead one is connected", || is_connected(&process, dead_address).then_some(()));
    let started = Instant::now();
    let (mut most, mut gone_after) = (before, None);
    flood(&mut flooder, &mut clock, FLOOD_BYTES, &taken, || {
        most = most.max(process.memory_bytes());
        if gone_after.is_none() && !is_connected(&process, dead_address) {
            gone_after = Some(started.elapsed());
        }
    });
    let gone_after = gone_after.unwrap_or_else(|| {
        within(Duration::from_secs(30), "the dead connection is gone", || {
            (!is_connected(&process, dead_address)).then_some(())
        });
        started.elapsed()
    });
    assert!(gone_after < Duration::from_secs(30), "{gone_after:?}");
    let growth = most.saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "grew by {growth} bytes from {before}");
    dead.ended();

    let end = flooder.types(END);
    flooder.barrier();
    let reader = reading.join().unwrap();
    assert_eq!(reader.text(), flooder.text());
    // Echoes come in the order of the edits; the last one is the barrier's.
    flooder.updates.pop();
    assert_eq!(flooder.updates.last(), Some(&end));
    assert!(reader.updates == flooder.updates, "{} of {} edits", reader.updates.len(), flooder.updates.len());
}
