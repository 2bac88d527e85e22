//! A peer that never reads costs nobody else anything: neither memory, nor time, nor edits.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::editor::Editor;
use crate::support::flood::{Flood, UNLIMITED};
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::token::writer;
use crate::support::within;

const FLOOD_BYTES: usize = 320_000_000;
const WARM_UP_BYTES: usize = 32_000_000;
const GROWTH_BYTES_MAX: usize = 4 << 20;
/// What is typed last.
const END: &str = "end";
/// One edit among so many signals.
const EDIT_EVERY: usize = 50;

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
    let process = Process::start(folder.path(), &UNLIMITED);
    let mut flood = Flood::start(&process, "room");
    let mut typist = Editor::join(process.address, "room", &writer("typist"), 1);
    let mut reader = Editor::join(process.address, "room", &writer("reader"), 2);
    let reading = thread::spawn(move || {
        while !reader.text().ends_with(END) {
            reader.take();
        }
        reader
    });
    flood.send("room", WARM_UP_BYTES, |_| {});

    let before = process.memory_bytes();
    let mut dead = Client::join(process.address, &writer("dead"), "room").socket;
    let dead_address = dead.stream.local_addr().unwrap();
    assert!(is_connected(&process, dead_address));
    let started = Instant::now();
    let (mut most, mut gone_after) = (before, None);
    flood.send("room", FLOOD_BYTES, |number| {
        if number % EDIT_EVERY == 0 {
            typist.types(&format!("{number};"));
            most = most.max(process.memory_bytes());
            if gone_after.is_none() && !is_connected(&process, dead_address) {
                gone_after = Some(started.elapsed());
            }
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
    process.log_with("code=4500", 1);
    dead.ended();

    let end = typist.types(END);
    typist.barrier();
    let reader = reading.join().unwrap();
    assert_eq!(reader.text(), typist.text());
    // Echoes come in the order of the edits; the last one is the barrier's.
    typist.updates.pop();
    assert_eq!(typist.updates.last(), Some(&end));
    assert!(reader.updates == typist.updates, "{} of {} edits", reader.updates.len(), typist.updates.len());
}
