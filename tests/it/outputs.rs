//! Outputs that take nothing: full, without a reader, with one that reads nothing. The server serves all the same.

use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::SocketAddr;
use std::process::Stdio;

use crate::support::http::get;
use crate::support::json::Client;
use crate::support::process::Process;
use crate::support::socket::Socket;
use crate::support::token::writer;
use crate::support::{DEADLINE, eventually};

/// Each write fails as on a full disk.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// Each write fails as on a terminal, or behind a log reader, that has gone.
fn readerless() -> PipeWriter {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer
}

/// Each write waits: the pipe is full, and its reader reads nothing. Lasts as long as the reader.
fn stuck() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // Stays at its last write until the reader is gone.
    std::thread::spawn(move || while filler.write_all(&[b'.'; 4096]).is_ok() {});
    (reader, writer)
}

/// What is said in a room not loaded yet is saved and shown; an edit, too.
fn serves(address: SocketAddr, room: &str) {
    let mut bob = Client::join(address, &writer("bob"), room);
    let mut alice = Client::join(address, &writer("alice"), room);
    let seq = alice.chats(room, "hello");
    assert_eq!(bob.until("chat.message")["seq"], seq);
    assert_eq!(get(address, "/healthz", None).status, 200);
}

fn serves_and_stops(mut process: Process, what: &str) {
    for room in ["a", "b", "c"] {
        serves(process.address, room);
    }
    process.terminate();
    assert_eq!(process.wait(DEADLINE).code(), Some(0), "{what}");
}

#[test]
fn rule_40_a_log_that_takes_nothing_harms_nobody() {
    let (_reader, stuck) = stuck();
    let outputs: [(&str, Stdio); 3] =
        [("full", full().into()), ("without a reader", readerless().into()), ("stuck", stuck.into())];
    for (what, output) in outputs {
        let folder = tempfile::tempdir().unwrap();
        serves_and_stops(Process::start_logging_to(output, folder.path(), &["--log-level", "debug"]), what);
    }
}

#[test]
fn a_standard_output_that_takes_nothing_harms_nobody() {
    let (_reader, stuck) = stuck();
    let outputs: [(&str, Stdio); 3] =
        [("full", full().into()), ("without a reader", readerless().into()), ("stuck", stuck.into())];
    for (what, output) in outputs {
        let folder = tempfile::tempdir().unwrap();
        serves_and_stops(Process::start_printing_to(output, folder.path(), &[]), what);
    }
}

#[test]
fn a_log_reader_that_goes_away_while_people_talk_harms_nobody() {
    let (mut reader, output) = pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_logging_to(output, folder.path(), &[]);
    serves(process.address, "before");
    reader.read_exact(&mut [0]).unwrap();
    drop(reader);
    serves_and_stops(process, "gone");
}

#[test]
fn a_log_that_nobody_reads_stalls_nobody_and_is_whole_when_it_is_read() {
    let (mut reader, output) = pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_logging_to(output, folder.path(), &[]);
    let mut alice = Client::join(process.address, &writer("alice"), "room");
    let people: Vec<Socket> =
        (0..600).map(|number| Socket::yjs(process.address, "room", &writer(&format!("user-{number}")))).collect();
    alice.chats("room", "hello");
    serves_and_stops(process, "unread");
    drop(people);
    // The process has ended with what it could not write; the pipe has what it could.
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.lines().filter(|line| line.contains("socket opened")).count() > 200, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn lines_that_found_no_room_are_counted_and_told() {
    let (mut reader, output) = pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = ["--log-level", "trace", "--metrics-bind", "127.0.0.1:0"];
    let process = Process::start_logging_to(output, folder.path(), &options);
    let metrics = process.metrics_address();
    let dropped = || {
        let text = get(metrics, "/metrics", None).text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("tutti_log_lines_dropped_total ")).map(str::to_owned);
        line.expect("the metric is there").parse::<u64>().unwrap()
    };
    let mut alice = Client::join(process.address, &writer("alice"), "room");
    eventually("lines are dropped", || {
        alice.chats("room", "hello");
        (dropped() > 0).then_some(())
    });
    let mut log = Vec::new();
    eventually("the log tells it", || {
        let mut part = vec![0; 1 << 16];
        let count = reader.read(&mut part).unwrap();
        log.extend_from_slice(&part[..count]);
        // What is logged meanwhile must not be more than what is read.
        String::from_utf8_lossy(&log).contains("log lines were dropped").then_some(())
    });
    let text = String::from_utf8_lossy(&log);
    let told = text.lines().find(|line| line.contains("log lines were dropped")).unwrap();
    let lines: u64 = told.split("lines=").nth(1).unwrap().trim().parse().unwrap();
    assert!(lines > 0 && lines <= dropped(), "{told}");
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    serves(process.address, "after");
}
