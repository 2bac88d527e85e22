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
    let sockets: Vec<Socket> = (0..FREE + 6).map(|_| Socket::yjs(server.address, "room", &nobody)).collect();
    let held = |mut socket: Socket| {
        thread::spawn(move || {
            assert_eq!(socket.closed().0, 4403);
            started.elapsed()
        })
    };
    let held: Vec<_> = sockets.into_iter().map(held).collect();

    // Meanwhile someone else comes from the same address, again and again, to other places and as another user.
    for number in 0..20 {
        let mut good = Socket::yjs(server.address, "room", &writer(&format!("user{number}")));
        assert_eq!(good.payload(), STEP1_EMPTY);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    let held: Vec<Duration> = held.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (number, held) in held.iter().enumerate() {
        let excess = (number + 1).saturating_sub(FREE) as u32;
        let least = (STEP * excess).max(Duration::from_secs(1)) - STEP;
        assert!(*held > least, "connection {number} was held for {held:?} only");
    }
    assert!(held[FREE + 5] > held[0] + Duration::from_secs(1), "{held:?}");
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
    for _ in 0..FREE {
        assert!(come() < Duration::from_secs(1));
    }
    // While they came, some patience was earned back.
    let waits: Vec<Duration> = (0..4).map(|_| come()).collect();
    assert!(waits[3] > STEP / 2, "{waits:?}");
}
