//! What is resident: for each idle connection, and for each room that is loaded.

use std::time::Duration;

use super::{FIRST_CLIENT, add, opened, settle};
use crate::report::{Outcome, Unit};
use crate::server::Server;
use crate::typing::keystroke;

/// So many connections share a room.
const MEMBERS: usize = 50;
/// Keystrokes in each document.
const KEYSTROKES: u32 = 100;

fn names(rooms: usize) -> Vec<String> {
    (0..rooms).map(|room| format!("room-{room}")).collect()
}

/// Connections that have joined and say nothing. The rooms, and what the first connections make a process allocate for good, are
/// not counted: two in each room are there before.
pub fn connections(server: &Server, connections: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let rooms = names((connections / MEMBERS).max(1));
    let who = |from: usize, to: usize| {
        let rooms = &rooms;
        (from..to).map(move |n| (rooms[n % rooms.len()].as_str(), format!("user-{n}")))
    };
    let first = rooms.len() * 2;
    let mut fleet = opened(server, who(0, first), &mut outcome);
    settle(&mut fleet);
    let before = server.memory_bytes();
    add(&mut fleet, server, who(first, first + connections), &mut outcome);
    settle(&mut fleet);
    outcome.add("memory per connection", (server.memory_bytes() - before) / connections as f64, Unit::KiB);
    outcome.add("connections", connections as f64, Unit::Count);
    outcome
}

/// Rooms with a small document and one connection each.
pub fn rooms(server: &Server, rooms: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let names = names(rooms);
    let who = |from: usize, to: usize| {
        names[from..to].iter().zip(from..).map(|(room, n)| (room.as_str(), format!("user-{n}")))
    };
    let mut fleet = opened(server, who(0, 1), &mut outcome);
    settle(&mut fleet);
    let before = server.memory_bytes();
    add(&mut fleet, server, who(1, rooms), &mut outcome);
    for client in 1..rooms {
        for clock in 0..KEYSTROKES {
            let message = fleet.envelope(client).update(&keystroke(FIRST_CLIENT + client as u64, clock));
            fleet.send(client, &message);
        }
        fleet.turn(Duration::ZERO, &mut |_, _| ());
    }
    settle(&mut fleet);
    outcome.add("memory per room", (server.memory_bytes() - before) / (rooms - 1) as f64, Unit::KiB);
    outcome.add("rooms", rooms as f64, Unit::Count);
    outcome
}
