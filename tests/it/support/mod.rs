//! What the tests stand on: servers in this process and in one of their own, a WebSocket client that can misbehave, an editor
//! that behaves, tokens, HTTP. Everything here blocks and has a deadline.

pub mod database;
pub mod editor;
pub mod events;
pub mod flood;
pub mod frame;
pub mod http;
pub mod json;
pub mod message;
pub mod nats;
pub mod postgres;
pub mod process;
pub mod provider;
pub mod server;
pub mod socket;
pub mod tls;
pub mod token;

use std::time::{Duration, Instant};

/// How long anything may take that should happen at once.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Looks until there is something.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, look)
}

/// As [`eventually`], with a deadline of its own.
pub fn within<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
