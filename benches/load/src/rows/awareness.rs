//! A large room whose members move their cursors once a second each. A state that is overtaken by a newer one of the same client
//! may be left out, so what counts is that everybody's last state arrives.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{FIRST_CLIENT, opened};
use crate::fleet::{Event, Fleet};
use crate::protocol::awareness_states;
use crate::report::{Outcome, Unit};
use crate::server::Server;

const WARM_UP: Duration = Duration::from_secs(2);
const ARRIVAL: Duration = Duration::from_secs(10);

struct Board {
    /// The newest clock that each client has seen of each other one.
    seen: Vec<HashMap<u64, u64>>,
    clocks: Vec<u64>,
    deliveries: u64,
}

impl Board {
    fn event(&mut self, client: usize, event: Event<'_>) {
        if let Event::Awareness(states) = event {
            for (of, clock) in awareness_states(states) {
                let known = self.seen[client].entry(of).or_insert(0);
                if clock > *known {
                    *known = clock;
                    self.deliveries += u64::from(of != FIRST_CLIENT + client as u64);
                }
            }
        }
    }

    fn move_cursors(&mut self, fleet: &mut Fleet, duration: Duration) {
        let members = self.clocks.len();
        let start = Instant::now();
        for n in 0..(duration.as_secs_f64() * members as f64) as usize {
            let due = start + Duration::from_secs_f64(n as f64 / members as f64);
            loop {
                let wait = due.saturating_duration_since(Instant::now());
                fleet.turn(wait, &mut |client, event| self.event(client, event));
                if wait.is_zero() {
                    break;
                }
            }
            let client = n % members;
            self.clocks[client] += 1;
            let clock = self.clocks[client];
            let state = format!(
                r##"{{"user":{{"name":"Person {client}","color":"#30bced"}},"cursor":{{"anchor":{{"type":null,"tname":"t","item":{{"client":{client},"clock":{clock}}},"assoc":0}}}}}}"##
            );
            let message = fleet.envelope(client).awareness(FIRST_CLIENT + client as u64, clock, &state);
            fleet.send(client, &message);
        }
    }

    fn is_complete(&self) -> bool {
        let has_all = |(client, seen): (usize, &HashMap<u64, u64>)| {
            self.clocks.iter().enumerate().all(|(of, clock)| {
                of == client || seen.get(&(FIRST_CLIENT + of as u64)).is_some_and(|known| known >= clock)
            })
        };
        self.seen.iter().enumerate().all(has_all)
    }
}

/// Measures it.
pub fn run(server: &Server, members: usize, seconds: f64) -> Outcome {
    let mut outcome = Outcome::default();
    let mut fleet = opened(server, (0..members).map(|n| ("lobby", format!("user-{n}"))), &mut outcome);
    let mut board = Board { seen: vec![HashMap::new(); members], clocks: vec![0; members], deliveries: 0 };
    board.move_cursors(&mut fleet, WARM_UP);
    let (cpu_before, before, began) = (server.cpu_s(), board.deliveries, Instant::now());
    board.move_cursors(&mut fleet, Duration::from_secs_f64(seconds));
    let elapsed = began.elapsed().as_secs_f64();
    outcome.add("CPU", (server.cpu_s() - cpu_before) / elapsed, Unit::Cores);
    outcome.add("states delivered per second", (board.deliveries - before) as f64 / elapsed, Unit::Rate);
    let deadline = Instant::now() + ARRIVAL;
    while !board.is_complete() && Instant::now() < deadline {
        fleet.turn(Duration::from_millis(100), &mut |client, event| board.event(client, event));
    }
    if !board.is_complete() {
        outcome.problem("somebody's last state did not arrive everywhere");
    }
    if fleet.ended() > 0 {
        outcome.problem(format!("{} clients were closed", fleet.ended()));
    }
    outcome
}
