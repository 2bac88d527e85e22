//! Who comes back in a tight loop is slowed down, and nobody else.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::message::STEP1_EMPTY;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::token::{token, token_until, writer};
use tutti::auth::now_s;

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

#[test]
fn a_hundred_and_twenty_guests_who_share_a_user_or_even_a_token_come_in_as_fast_as_as_many_users() {
    let server = Server::start();
    let hour = now_s() + 3600;
    let people: [(&str, &dyn Fn(u64) -> String); 3] = [
        ("users", &|number| writer(&format!("user{number}"))),
        ("one-user", &|number| token_until("guest", &["*=write"], hour + number)),
        ("one-token", &|_| token_until("guest", &["*=write"], hour)),
    ];
    for (room, token) in people {
        let started = Instant::now();
        let come = |number| {
            let mut socket = Socket::yjs(server.address, room, &token(number));
            assert_eq!(socket.payload(), STEP1_EMPTY);
            socket
        };
        let inside: Vec<Socket> = (0..120).map(come).collect();
        // Slowed down, they would take a quarter of an hour.
        assert!(started.elapsed() < Duration::from_secs(60), "{room}: {:?}", started.elapsed());
        assert_eq!(inside.len(), 120);
    }
}

#[test]
fn a_loop_of_one_token_slows_nobody_else_down_who_has_the_same_name() {
    let server = Server::start();
    let hour = now_s() + 3600;
    let come = |number| {
        let started = Instant::now();
        let mut socket = Socket::yjs(server.address, "room", &token_until("guest", &["*=write"], hour + number));
        assert_eq!(socket.payload(), STEP1_EMPTY);
        started.elapsed()
    };
    let slowed = (0..20 * FREE).any(|_| come(0) >= STEP);
    assert!(slowed, "the loop is slowed down");
    let others: Duration = (1..=FREE as u64).map(come).sum();
    // Each as slow as the loop's next, they would take longer.
    assert!(others < STEP * FREE as u32, "{others:?}");
}
