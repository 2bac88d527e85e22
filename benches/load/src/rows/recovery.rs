//! A server that is killed under its clients: from the moment it listens again until all are synced, when they all come at once.

use std::time::{Duration, Instant};

use super::{DEADLINE, FIRST_CLIENT, opened};
use crate::fleet::{Event, Fleet};
use crate::report::{Outcome, Unit};
use crate::server::{Server, Stop};
use crate::typing::{Seen, keystroke};

const MEMBERS: usize = 10;
/// Keystrokes in each document.
const KEYSTROKES: u32 = 20;

/// Measures it.
pub fn run(server: &mut Server, clients: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let rooms: Vec<String> = (0..clients.div_ceil(MEMBERS)).map(|room| format!("room-{room}")).collect();
    let who = || (0..clients).map(|n| (rooms[n / MEMBERS].as_str(), format!("user-{n}")));
    let mut fleet = opened(server, who(), &mut outcome);
    for typist in (0..clients).step_by(MEMBERS) {
        for clock in 0..KEYSTROKES {
            let message = fleet.envelope(typist).update(&keystroke(FIRST_CLIENT + typist as u64, clock));
            fleet.send(typist, &message);
        }
    }
    let mut echoed = vec![Seen::default(); clients];
    let deadline = Instant::now() + DEADLINE;
    let is_acknowledged = |echoed: &[Seen]| {
        (0..clients).step_by(MEMBERS).all(|typist| echoed[typist].count(FIRST_CLIENT + typist as u64) == KEYSTROKES)
    };
    while !is_acknowledged(&echoed) && Instant::now() < deadline {
        let mut watch = |client: usize, event: Event<'_>| {
            if let Event::Update(update) = event {
                echoed[client].take(update, |_| ());
            }
        };
        fleet.turn(Duration::from_millis(100), &mut watch);
    }
    server.restart(Stop::AsACrash);
    drop(fleet);

    let began = Instant::now();
    let mut fleet = Fleet::new().expect("a poll");
    for (room, user) in who() {
        fleet.open(server.request(room, &user));
    }
    let mut lost = 0u64;
    let watch = |client: usize, event: Event<'_>| {
        if let Event::Synced { update, .. } = event {
            let mut seen = Seen::default();
            seen.take(update, |_| ());
            let typist = client / MEMBERS * MEMBERS;
            lost += u64::from(client == typist) * u64::from(KEYSTROKES - seen.count(FIRST_CLIENT + typist as u64));
        }
    };
    let is_done = fleet.run(began + DEADLINE, watch, |fleet| fleet.synced() + fleet.ended() == clients);
    outcome.add("all synced after", began.elapsed().as_secs_f64(), Unit::Seconds);
    outcome.add("clients", clients as f64, Unit::Count);
    outcome.add("acknowledged keystrokes lost", lost as f64, Unit::Count);
    if !is_done || fleet.ended() > 0 {
        outcome.problem(format!("{} of {clients} clients came back", fleet.synced()));
    }
    if server.is_tutti() && lost > 0 {
        outcome.problem(format!("{lost} acknowledged keystrokes are lost"));
    }
    outcome
}
