//! Many clients that join one large document at the same moment.

use std::time::{Duration, Instant};

use yrs::{Doc, Text, Transact};

use super::{DEADLINE, settle};
use crate::fleet::{Event, Fleet};
use crate::report::{Outcome, Unit};
use crate::server::Server;

const ROOM: &str = "large";
const CHUNK_BYTES: usize = 1 << 20;
/// A client of the storm counts the document instead of keeping it: all together would not fit beside the server.
const KEEP_BYTES_MAX: usize = 1 << 16;

/// Text that does not compress into a few blocks.
fn chunk(n: usize) -> String {
    let mut state = n as u64 + 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 33) as u8 % 94)
    };
    (0..CHUNK_BYTES).map(letter).collect()
}

/// Writes `mib` MiB, one update each, each after the echo of the one before. The writer stays: a server may forget a document that
/// nobody has open.
fn write(server: &Server, mib: usize, outcome: &mut Outcome) -> Fleet {
    let doc = Doc::new();
    let text = doc.get_or_insert_text("t");
    let mut fleet = Fleet::new().expect("a poll");
    let writer = fleet.open(server.request(ROOM, "writer"));
    fleet.run(Instant::now() + DEADLINE, |_, _| (), |fleet| fleet.synced() == 1);
    for n in 0..mib {
        let update = {
            let mut transaction = doc.transact_mut();
            let end = text.len(&transaction);
            text.insert(&mut transaction, end, &chunk(n));
            transaction.encode_update_v1()
        };
        let message = fleet.envelope(writer).update(&update);
        fleet.send(writer, &message);
        let echoed = std::cell::Cell::new(false);
        let watch = |_, event: Event<'_>| echoed.set(echoed.get() || matches!(event, Event::Update(_)));
        if !fleet.run(Instant::now() + DEADLINE, watch, |fleet| echoed.get() || fleet.ended() > 0) {
            outcome.problem("the document could not be written");
            break;
        }
    }
    fleet
}

/// Measures it.
pub fn run(server: &Server, clients: usize, mib: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut writer = write(server, mib, &mut outcome);
    settle(&mut writer);
    let mut fleet = Fleet::new().expect("a poll");
    let memory_before = server.memory_bytes();
    server.forget_peak();
    let (cpu_before, began) = (server.cpu_s(), Instant::now());
    for n in 0..clients {
        let mut request = server.request(ROOM, &format!("reader-{n}"));
        request.keep_bytes_max = KEEP_BYTES_MAX;
        fleet.open(request);
    }
    let mut short = 0;
    let watch = |_, event: Event<'_>| {
        if let Event::Synced { bytes, .. } = event {
            short += usize::from(bytes < mib * CHUNK_BYTES);
        }
    };
    let is_done = fleet.run(began + DEADLINE * 2, watch, |fleet| fleet.synced() + fleet.ended() == clients);
    let took = began.elapsed();
    outcome.add("all synced after", took.as_secs_f64(), Unit::Seconds);
    outcome.add("memory of the server before", memory_before, Unit::MiB);
    outcome.add("peak memory of the server", server.peak_memory_bytes(), Unit::MiB);
    outcome.add("CPU time of the server", server.cpu_s() - cpu_before, Unit::Seconds);
    if !is_done || fleet.ended() > 0 || short > 0 {
        outcome.problem(format!("{} of {clients} synced, {short} with less than the document", fleet.synced()));
    }
    fleet.run(Instant::now() + Duration::from_millis(500), |_, _| (), |_| false);
    outcome
}
