//! Edits that are committed before their author hears: as many as go through when each client sends the next one once an earlier
//! one is acknowledged (a closed loop).

use std::time::{Duration, Instant};

use super::{FIRST_CLIENT, add_percentiles, histogram, newcomer, opened, record};
use crate::fleet::{Event, Fleet};
use crate::report::{Outcome, Unit};
use crate::server::Server;
use crate::typing::{Seen, keystroke};

const WARM_UP: Duration = Duration::from_secs(2);

/// Who waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub rooms: usize,
    /// In each room, all typing.
    pub members: usize,
    /// Edits of a client that may be unacknowledged.
    pub window: usize,
}

/// Measures one scene.
pub fn run(server: &Server, scene: Scene, seconds: f64) -> Outcome {
    let mut outcome = Outcome::default();
    let rooms: Vec<String> = (0..scene.rooms).map(|room| format!("room-{room}")).collect();
    let who = (0..scene.rooms * scene.members).map(|n| (rooms[n / scene.members].as_str(), format!("user-{n}")));
    let mut fleet = opened(server, who, &mut outcome);
    let clients = fleet.len();
    let mut sent: Vec<Vec<Instant>> = vec![Vec::new(); clients];
    let mut seen = vec![Seen::default(); clients];
    let mut to_send: Vec<usize> = (0..clients).flat_map(|client| vec![client; scene.window]).collect();
    let mut latency = histogram();
    let mut ended = Vec::new();
    let mut acknowledged = 0u64;

    let started = Instant::now();
    let end = started + WARM_UP + Duration::from_secs_f64(seconds);
    let mut measured: Option<(Instant, u64, f64)> = None;
    loop {
        let now = Instant::now();
        if measured.is_none() && now >= started + WARM_UP {
            latency = histogram();
            measured = Some((now, acknowledged, server.cpu_s()));
        }
        if now >= end || !ended.is_empty() {
            break;
        }
        for client in to_send.drain(..) {
            type_one(&mut fleet, client, &mut sent[client]);
        }
        let mut watch = |client: usize, event: Event<'_>| match event {
            Event::Synced { update, .. } | Event::Update(update) => seen[client].take(update, |(id, from, to)| {
                if id == FIRST_CLIENT + client as u64 {
                    let now = Instant::now();
                    for clock in from..to {
                        record(&mut latency, sent[client][clock as usize], now);
                        acknowledged += 1;
                        to_send.push(client);
                    }
                }
            }),
            Event::Ended(reason) => ended.push(reason),
            Event::Awareness(_) => {}
        };
        fleet.turn(Duration::from_millis(20), &mut watch);
    }
    let (began, before, cpu_before) = measured.unwrap_or((started, 0, 0.0));
    let elapsed = began.elapsed().as_secs_f64();
    outcome.add("committed edits per second", (acknowledged - before) as f64 / elapsed, Unit::Rate);
    add_percentiles(&mut outcome, &latency, "acknowledged after, p50", "acknowledged after, p99");
    outcome.add("CPU of the server", (server.cpu_s() - cpu_before) / elapsed, Unit::Cores);
    if let Some(reason) = ended.first() {
        outcome.problem(format!("{} clients were closed: {reason}", ended.len()));
    }
    // Everything acknowledged must be there for a newcomer.
    let got = newcomer(server, &rooms[0]).unwrap_or_default();
    for (client, seen) in seen.iter().enumerate().take(scene.members) {
        let id = FIRST_CLIENT + client as u64;
        if got.count(id) < seen.count(id) {
            outcome.problem("a newcomer did not get what was acknowledged");
        }
    }
    outcome
}

fn type_one(fleet: &mut Fleet, client: usize, sent: &mut Vec<Instant>) {
    let message = fleet.envelope(client).update(&keystroke(FIRST_CLIENT + client as u64, sent.len() as u32));
    sent.push(Instant::now());
    fleet.send(client, &message);
}
