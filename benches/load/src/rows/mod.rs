//! The loads, one file each, and what they share: opening clients, and saying what did not arrive.

pub mod awareness;
pub mod durable;
pub mod editing;
pub mod hostile;
pub mod memory;
pub mod opening;
pub mod recovery;
pub mod storm;

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::fleet::{Event, Fleet};
use crate::report::{Outcome, Unit};
use crate::server::Server;
use crate::typing::Seen;

/// Longest wait for anything that must come.
pub const DEADLINE: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(4);
/// The Yjs client of the first typist; the others follow.
pub const FIRST_CLIENT: u64 = 1000;

/// A fleet of one client for each (room, user), all synced.
pub fn opened<'a>(server: &Server, clients: impl Iterator<Item = (&'a str, String)>, outcome: &mut Outcome) -> Fleet {
    let mut fleet = Fleet::new().expect("a poll");
    add(&mut fleet, server, clients, outcome);
    fleet
}

/// Opens more clients and waits until they are synced.
pub fn add<'a>(
    fleet: &mut Fleet,
    server: &Server,
    clients: impl Iterator<Item = (&'a str, String)>,
    outcome: &mut Outcome,
) {
    for (room, user) in clients {
        fleet.open(server.request(room, &user));
    }
    let mut first_end = None;
    let watch = |_, event: Event<'_>| {
        if let Event::Ended(reason) = event {
            first_end.get_or_insert(reason);
        }
    };
    let is_done = fleet.run(Instant::now() + DEADLINE, watch, |fleet| fleet.synced() + fleet.ended() == fleet.len());
    if !is_done || fleet.ended() > 0 {
        let (synced, all) = (fleet.synced(), fleet.len());
        outcome.problem(format!("{synced} of {all} clients opened; {}", first_end.unwrap_or_default()));
    }
}

/// Waits until what joining or writing needed is given back.
pub fn settle(fleet: &mut Fleet) {
    fleet.run(Instant::now() + SETTLE, |_, _| (), |_| false);
}

/// What a newcomer to `room` gets.
pub fn newcomer(server: &Server, room: &str) -> Option<Seen> {
    let mut fleet = Fleet::new().expect("a poll");
    fleet.open(server.request(room, "newcomer"));
    let mut seen = None;
    let watch = |_, event: Event<'_>| {
        if let Event::Synced { update, .. } = event {
            let mut got = Seen::default();
            got.take(update, |_| ());
            seen = Some(got);
        }
    };
    fleet.run(Instant::now() + DEADLINE, watch, |fleet| fleet.synced() + fleet.ended() > 0);
    seen
}

/// Microseconds, three digits exact.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 120_000_000, 3).expect("these bounds are allowed")
}

pub fn record(histogram: &mut Histogram<u64>, since: Instant, now: Instant) {
    histogram.saturating_record(now.saturating_duration_since(since).as_micros() as u64);
}

/// Adds p50 and p99.
pub fn add_percentiles(outcome: &mut Outcome, histogram: &Histogram<u64>, p50: &'static str, p99: &'static str) {
    outcome.add(p50, histogram.value_at_quantile(0.5) as f64 / 1000.0, Unit::Milliseconds);
    outcome.add(p99, histogram.value_at_quantile(0.99) as f64 / 1000.0, Unit::Milliseconds);
}
