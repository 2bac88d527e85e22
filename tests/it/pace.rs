//! Who comes back in a tight loop is slowed down, and nobody else.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::message::STEP1_EMPTY;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{token, writer};

/// Connections in a row that are not slowed down.
const FREE: usize = 20;
/// What each further one waits longer.
const STEP: Duration = Duration::from_millis(500);

#[test]
fn a_denied_client_that_comes_back_in_a_loop_is_held_longer_and_longer() {
    let server = Server::start();
    let nobody = token("mallory", &[]);
    let started = Instant::now();
    // Patience that is earned back meanwhile, at most.
    let earned = || (started.elapsed().as_millis() / STEP.as_millis()) as usize;
    let mut sockets = Vec::new();
    while sockets.len() < FREE + 6 + earned() {
        sockets.push(Socket::yjs(server.address, "room", &nobody));
    }
    let earned = earned();
    let held = |mut socket: Socket| {
        thread::spawn(move || {
            assert_eq!(socket.closed().0, 4403);
            started.elapsed()
        })
    };
    let held: Vec<_> = sockets.into_iter().map(held).collect();

    // Meanwhile others come from the same address to the same place. Held like those, they would take minutes.
    let began = Instant::now();
    for number in 0..20 {
        let mut good = Socket::yjs(server.address, "room", &writer(&format!("user{number}")));
        assert_eq!(good.payload(), STEP1_EMPTY);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    let held: Vec<Duration> = held.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (number, held) in held.iter().enumerate() {
        let excess = (number + 1).saturating_sub(FREE + earned) as u32;
        let least = (STEP * excess).max(Duration::from_secs(1)) - STEP;
        assert!(*held > least, "connection {number} was held for {held:?} only");
    }
    assert!(held.last() > held.first(), "{held:?}");
}

#[test]
fn a_client_that_may_come_in_waits_too_when_it_comes_back_in_a_loop() {
    let server = Server::start();
    let come = || {
        let started = Instant::now();
        let mut socket = Socket::yjs(server.address, "room", &writer("alice"));
        assert_eq!(socket.payload(), STEP1_EMPTY);
        started.elapsed()
    };
    // Slowed down from the tenth on, they would take half a minute.
    let free: Duration = (0..FREE).map(|_| come()).sum();
    assert!(free < Duration::from_secs(15), "{free:?}");
    // While they came, some patience was earned back.
    assert!((0..FREE).any(|_| come() >= STEP), "nobody is slowed down");
}
