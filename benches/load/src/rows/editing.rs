//! People who type and people who read, at a fixed pace whatever the server does (an open loop): deliveries for each second of the
//! server's CPU time. A delivery is one keystroke that has come to one other member, counted by its clock, in whatever frames it
//! came.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::hostile::{self, Recording, Running};
use super::{DEADLINE, FIRST_CLIENT, add, add_percentiles, histogram, newcomer, opened, record};
use crate::fleet::{Event, Fleet};
use crate::protocol::put_var_uint;
use crate::report::{Outcome, Unit};
use crate::server::{Server, own_cpu_s};
use crate::typing::{Seen, keystroke};

/// Before the measured time, so that code and caches are warm.
const WARM_UP: Duration = Duration::from_secs(3);
/// Between two large edits.
const LARGE_EVERY: Duration = Duration::from_secs(2);
/// The Yjs client of the first large edit; those of the typists lie below.
const FIRST_LARGE: u64 = 1 << 20;

/// Who does what.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub rooms: usize,
    /// In each room, those who type first.
    pub members: usize,
    pub typists: usize,
    /// Keystrokes a second of each who types.
    pub pace: f64,
}

/// What is on its way, and what has come.
struct Board {
    scene: Scene,
    /// When each keystroke of each typist was sent.
    sent: Vec<Vec<Instant>>,
    /// What each client has got.
    seen: Vec<Seen>,
    deliveries: u64,
    /// Messages that brought any.
    messages: u64,
    expected: u64,
    latency: Histogram<u64>,
    acknowledged: Histogram<u64>,
    ended: Vec<String>,
}

impl Board {
    fn typist_of(&self, client: usize) -> Option<usize> {
        let (room, member) = (client / self.scene.members, client % self.scene.members);
        (member < self.scene.typists).then_some(room * self.scene.typists + member)
    }

    fn client_of(&self, typist: usize) -> usize {
        typist / self.scene.typists * self.scene.members + typist % self.scene.typists
    }

    fn event(&mut self, client: usize, event: Event<'_>) {
        let own = self.typist_of(client);
        let now = Instant::now();
        let before = self.deliveries;
        match event {
            Event::Synced { .. } | Event::Update(_) if client >= self.scene.rooms * self.scene.members => {}
            Event::Synced { update, .. } | Event::Update(update) => self.seen[client].take(update, |(id, from, to)| {
                let typist = (id - FIRST_CLIENT) as usize;
                for clock in from..to {
                    let since = self.sent[typist][clock as usize];
                    if own == Some(typist) {
                        record(&mut self.acknowledged, since, now);
                    } else {
                        self.deliveries += 1;
                        record(&mut self.latency, since, now);
                    }
                }
            }),
            Event::Awareness(_) => {}
            Event::Ended(reason) => self.ended.push(reason),
        }
        self.messages += u64::from(self.deliveries > before);
    }

    fn type_one(&mut self, fleet: &mut Fleet, typist: usize) {
        let clock = self.sent[typist].len() as u32;
        let client = self.client_of(typist);
        let message = fleet.envelope(client).update(&keystroke(FIRST_CLIENT + typist as u64, clock));
        self.sent[typist].push(Instant::now());
        self.expected += self.scene.members as u64 - 1;
        fleet.send(client, &message);
    }

    /// Types for a while, then waits until all has come; how late the latest keystroke was sent.
    fn type_for(&mut self, fleet: &mut Fleet, duration: Duration) -> Duration {
        self.type_beside(fleet, duration, |_| ())
    }

    /// As [`type_for`](Self::type_for); `beside` is asked before each keystroke whether somebody else sends something.
    fn type_beside(&mut self, fleet: &mut Fleet, duration: Duration, mut beside: impl FnMut(&mut Fleet)) -> Duration {
        let typists = self.sent.len();
        let period = Duration::from_secs_f64(1.0 / self.scene.pace);
        // Everyone has a pace and a moment of their own, the same in each run.
        let mut phases: Vec<(u64, usize)> =
            (0..typists).map(|typist| ((typist as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32, typist)).collect();
        phases.sort_unstable();
        let start = Instant::now();
        let mut latest = Duration::ZERO;
        for round in 0.. {
            if period * round >= duration {
                break;
            }
            for &(phase, typist) in &phases {
                let due = start + period * round + period.mul_f64(phase as f64 / u32::MAX as f64);
                loop {
                    let wait = due.saturating_duration_since(Instant::now());
                    fleet.turn(wait, &mut |client, event| self.event(client, event));
                    if wait.is_zero() {
                        break;
                    }
                }
                latest = latest.max(due.elapsed());
                beside(fleet);
                self.type_one(fleet, typist);
            }
        }
        let deadline = Instant::now() + DEADLINE;
        while self.deliveries < self.expected && self.ended.is_empty() && Instant::now() < deadline {
            fleet.turn(Duration::from_millis(50), &mut |client, event| self.event(client, event));
        }
        latest
    }
}

impl Board {
    fn new(scene: Scene, clients: usize) -> Self {
        Self {
            scene,
            sent: vec![Vec::new(); scene.rooms * scene.typists],
            seen: vec![Seen::default(); clients],
            deliveries: 0,
            messages: 0,
            expected: 0,
            latency: histogram(),
            acknowledged: histogram(),
            ended: Vec::new(),
        }
    }

    /// Says what did not arrive, or arrived wrong.
    fn check(&self, outcome: &mut Outcome) {
        if self.deliveries != self.expected {
            outcome.problem(format!("{} of {} deliveries came", self.deliveries, self.expected));
        }
        let gaps: u64 = self.seen.iter().map(|seen| seen.gaps).sum();
        if gaps > 0 {
            outcome.problem(format!("{gaps} keystrokes came before an earlier one"));
        }
        if let Some(reason) = self.ended.first() {
            outcome.problem(format!("{} clients were closed: {reason}", self.ended.len()));
        }
    }
}

/// Everybody of a scene, synced.
fn gathered(server: &Server, scene: Scene, outcome: &mut Outcome) -> (Fleet, Board) {
    let rooms: Vec<String> = (0..scene.rooms).map(room).collect();
    let clients = (0..scene.rooms * scene.members).map(|n| (rooms[n / scene.members].as_str(), format!("user-{n}")));
    let fleet = opened(server, clients, outcome);
    let board = Board::new(scene, fleet.len());
    (fleet, board)
}

fn room(number: usize) -> String {
    format!("room-{number}")
}

/// Measures one scene.
pub fn run(server: &Server, scene: Scene, seconds: f64) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut fleet, mut board) = gathered(server, scene, &mut outcome);
    board.type_for(&mut fleet, WARM_UP);
    (board.latency, board.acknowledged) = (histogram(), histogram());

    let (before, messages_before) = (board.deliveries, board.messages);
    let (cpu_before, began) = (server.cpu_s(), Instant::now());
    let latest = board.type_for(&mut fleet, Duration::from_secs_f64(seconds));
    let cpu_s = (server.cpu_s() - cpu_before).max(0.01);
    let deliveries = (board.deliveries - before) as f64;

    outcome.add("deliveries per CPU-second", deliveries / cpu_s, Unit::Rate);
    outcome.add("CPU", cpu_s / began.elapsed().as_secs_f64(), Unit::Cores);
    add_percentiles(&mut outcome, &board.latency, "delivered after, p50", "delivered after, p99");
    if server.is_tutti() {
        add_percentiles(&mut outcome, &board.acknowledged, "committed after, p50", "committed after, p99");
    }
    outcome.add("deliveries", deliveries, Unit::Count);
    let messages = (board.messages - messages_before) as f64;
    outcome.add("deliveries in a message", deliveries / messages, Unit::Ratio);
    outcome.add("sent late by at most", latest.as_secs_f64() * 1000.0, Unit::Milliseconds);

    board.check(&mut outcome);
    let seen = newcomer(server, &room(0)).unwrap_or_default();
    let is_whole =
        (0..scene.typists).all(|typist| seen.count(FIRST_CLIENT + typist as u64) as usize == board.sent[typist].len());
    if !is_whole {
        outcome.problem("a newcomer did not get the whole document");
    }
    outcome
}

/// Measures how long a scene's deliveries take alone, and while a client in one more room sends an edit of 1 MB every two seconds: a Yjs
/// client of its own each time, that puts one letter after the other in front of all before it, so that no two join.
pub fn beside_large_edits(server: &Server, scene: Scene, seconds: f64) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut fleet, mut board) = gathered(server, scene, &mut outcome);
    let large = fleet.len();
    add(&mut fleet, server, std::iter::once(("large", "large".to_owned())), &mut outcome);
    board.type_for(&mut fleet, WARM_UP);
    board.latency = histogram();
    board.type_for(&mut fleet, Duration::from_secs_f64(seconds));
    add_percentiles(&mut outcome, &board.latency, "alone, p50", "alone, p99");

    board.latency = histogram();
    let (mut edits, mut next) = (0, Instant::now());
    board.type_beside(&mut fleet, Duration::from_secs_f64(seconds), |fleet| {
        if Instant::now() >= next {
            let message = fleet.envelope(large).update(&large_edit(FIRST_LARGE + edits));
            fleet.send(large, &message);
            edits += 1;
            next += LARGE_EVERY;
        }
    });
    add_percentiles(&mut outcome, &board.latency, "beside, p50", "beside, p99");
    outcome.add("edits of 1 MB", edits as f64, Unit::Count);
    board.check(&mut outcome);
    outcome
}

/// Measures how long a scene's deliveries take, and what the server holds: alone; beside what `begin` begins; and beside threads that take as
/// much CPU time of this process as that did, and ask nothing of the server.
pub fn beside(server: &Server, scene: Scene, seconds: f64, begin: impl FnOnce() -> Vec<Running>) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut fleet, mut board) = gathered(server, scene, &mut outcome);
    board.type_for(&mut fleet, WARM_UP);
    let mut measure = |names: [&'static str; 4], outcome: &mut Outcome| {
        server.forget_peak();
        board.latency = histogram();
        let (began, server_cpu_s, clients_cpu_s) = (Instant::now(), server.cpu_s(), own_cpu_s());
        board.type_for(&mut fleet, Duration::from_secs_f64(seconds));
        let took_s = began.elapsed().as_secs_f64();
        let [p50, p99, memory, cpu] = names;
        add_percentiles(outcome, &board.latency, p50, p99);
        outcome.add(memory, server.peak_memory_bytes(), Unit::MiB);
        outcome.add(cpu, (server.cpu_s() - server_cpu_s) / took_s, Unit::Cores);
        (own_cpu_s() - clients_cpu_s) / took_s
    };
    let alone = ["alone, p50", "alone, p99", "most memory alone", "server's CPU alone"];
    let people_cores = measure(alone, &mut outcome);
    let hostile = begin();
    let recording = Recording::of(&hostile);
    let beside = ["beside, p50", "beside, p99", "most memory beside", "server's CPU beside"];
    let cores = (measure(beside, &mut outcome) - people_cores).max(0.0);
    let recorded = recording.end();
    drop(hostile);
    outcome.add("CPU of whom they are beside", cores, Unit::Cores);
    let burning = hostile::burn(recorded);
    let burnt = ["beside as much CPU, p50", "beside as much CPU, p99", "most memory then", "server's CPU then"];
    measure(burnt, &mut outcome);
    drop(burning);
    board.check(&mut outcome);
    outcome
}

/// One letter, and before it one after the other.
fn large_edit(client: u64) -> Vec<u8> {
    const BYTES: usize = 1_000_000;
    let mut blocks = vec![0x04, 1, 1, b't', 1, b'x'];
    let mut count: u64 = 1;
    while blocks.len() < BYTES {
        // Its right neighbour is the letter before.
        blocks.push(0x44);
        put_var_uint(&mut blocks, client);
        put_var_uint(&mut blocks, count - 1);
        blocks.extend_from_slice(&[1, b'x']);
        count += 1;
    }
    let mut out = vec![1];
    put_var_uint(&mut out, count);
    put_var_uint(&mut out, client);
    out.push(0);
    out.extend_from_slice(&blocks);
    out.push(0);
    out
}
