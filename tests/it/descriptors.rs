//! How many files the process may have open, and what is left for others when sockets have taken theirs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::DEADLINE;
use crate::support::http::get;
use crate::support::json::Client;
use crate::support::process::{Process, fails_after};
use crate::support::socket::{Socket, upgrade};
use crate::support::token::writer;

const OPTIONS: [&str; 4] = ["--workers", "2", "--room-threads", "2"];

/// The soft and the hard limit that the process has.
fn limits(process: &Process) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Sockets until one is refused, with 503.
fn fill(address: SocketAddr) -> Vec<Socket> {
    let mut sockets = Vec::new();
    loop {
        let socket = Socket::open(address, &upgrade("/ws", &[]), &[]);
        match socket.answer.status {
            101 => sockets.push(socket),
            status => {
                assert_eq!(status, 503);
                return sockets;
            }
        }
    }
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start_after("ulimit -Sn 100 && ulimit -Hn 2048", folder.path(), &OPTIONS);
    assert_eq!(limits(&process), (2048, 2048));
}

#[test]
fn sockets_that_do_not_fit_are_refused_and_health_saving_and_refusals_still_work() {
    let folder = tempfile::tempdir().unwrap();
    let options = [&OPTIONS[..], &["--auth-timeout-ms", "600000"]].concat();
    let process = Process::start_after("ulimit -n 400", folder.path(), &options);
    let log = process.log_with("TUTTI_SOCKETS_MAX=15000", 1);
    assert!(log.contains("limit=400"), "{log}");
    let mut alice = Client::enter(process.address, &writer("alice"));
    let sockets = fill(process.address);
    assert!(sockets.len() > 100, "{}", sockets.len());
    // Connections that wait for their next request, or send none: more than there are descriptors left.
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(process.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        idle.push(stream);
    }
    for _ in 0..3 {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(get(process.address, path, None).status, 200, "{path}");
        }
        assert_eq!(Socket::open(process.address, &upgrade("/ws", &[]), &[]).answer.status, 503);
    }
    // Nothing was saved before.
    alice.joins("room");
    assert_eq!(alice.chats("room", "hello"), 1);
    assert!(!process.log().contains("Error accepting"), "{}", process.log());
}

#[test]
fn a_limit_too_low_to_serve_at_all_ends_the_start_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (code, complaint) = fails_after("ulimit -n 60", folder.path());
    assert_eq!(code, Some(1));
    assert!(complaint.contains("60 files") && complaint.contains("ulimit -n"), "{complaint}");
}
