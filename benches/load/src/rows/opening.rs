//! Opening a document that a person has typed: a recorded session, keystroke by keystroke, repeated until it is long enough. From
//! the first byte of the connection to the last of the answer to Step1; what a client then does with it is the client's.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{DEADLINE, add_percentiles, histogram, record};
use crate::fleet::{Event, Fleet};
use crate::protocol::{put_buf, put_var_uint};
use crate::report::{Outcome, Unit};
use crate::server::{Server, Stop};
use crate::typing::spans;
use flate2::read::GzDecoder;
use serde_json::Value;

const ROOM: &str = "article";
const WRITER: u64 = 900;
/// Keystrokes on their way at once while the document is written.
const WINDOW: usize = 1000;
/// Openings of the loaded room.
const OPENINGS: usize = 20;

/// The updates of a long document.
pub struct Article {
    updates: Vec<Vec<u8>>,
}

impl Article {
    /// Reads the recording and types it, again behind what is there until it is long enough.
    pub fn typed(recording: &Path, keystrokes: usize) -> std::io::Result<Self> {
        let recording: Value = serde_json::from_reader(GzDecoder::new(File::open(recording)?))?;
        let transactions = recording["txns"].as_array().map(Vec::as_slice).unwrap_or_default();
        let patches: Vec<&Value> = transactions.iter().filter_map(|txn| txn["patches"].as_array()).flatten().collect();
        assert!(!patches.is_empty(), "the recording types nothing");
        let mut updates = Vec::with_capacity(keystrokes);
        // The clocks of the characters in the text, in order: what a Yjs document would look up for each keystroke.
        let mut text: Vec<u32> = Vec::new();
        let mut next = 0;
        while updates.len() < keystrokes {
            let base = text.len();
            for patch in &patches {
                let at = base + patch[0].as_u64().unwrap_or(0) as usize;
                for _ in 0..patch[1].as_u64().unwrap_or(0) {
                    updates.push(deletion(text.remove(at)));
                }
                for (n, letter) in patch[2].as_str().unwrap_or_default().chars().enumerate() {
                    let at = at + n;
                    let left = at.checked_sub(1).map(|left| text[left]);
                    updates.push(insertion(next, left, text.get(at).copied(), letter));
                    text.insert(at, next);
                    next += 1;
                }
            }
        }
        updates.truncate(keystrokes);
        Ok(Self { updates })
    }
}

/// The update that puts one character between two others.
fn insertion(clock: u32, left: Option<u32>, right: Option<u32>, letter: char) -> Vec<u8> {
    let mut out = vec![1, 1];
    put_var_uint(&mut out, WRITER);
    put_var_uint(&mut out, clock.into());
    out.push(4 | u8::from(left.is_some()) << 7 | u8::from(right.is_some()) << 6);
    for origin in [left, right].into_iter().flatten() {
        put_var_uint(&mut out, WRITER);
        put_var_uint(&mut out, origin.into());
    }
    if left.is_none() && right.is_none() {
        out.extend_from_slice(&[1, 1, b't']);
    }
    put_buf(&mut out, letter.encode_utf8(&mut [0; 4]).as_bytes());
    out.push(0);
    out
}

/// The update that deletes one character.
fn deletion(clock: u32) -> Vec<u8> {
    let mut out = vec![0, 1];
    put_var_uint(&mut out, WRITER);
    out.push(1);
    put_var_uint(&mut out, clock.into());
    out.push(1);
    out
}

/// The last clock of the writer in an update.
fn reached(update: &[u8]) -> Option<u32> {
    spans(update).into_iter().find(|(client, ..)| *client == WRITER).map(|(_, _, to)| to)
}

/// Sends the whole document and waits until the server has it all; the clock it ends at, and the writer, who stays: a server may
/// forget a document that nobody has open.
fn write(server: &Server, article: &Article) -> Option<(u32, Fleet)> {
    let mut fleet = Fleet::new().expect("a poll");
    let writer = fleet.open(server.request(ROOM, "writer"));
    fleet.run(Instant::now() + DEADLINE, |_, _| (), |fleet| fleet.synced() == 1);
    let mut sent = 0;
    let mut seen = 0;
    for window in article.updates.chunks(WINDOW) {
        for update in window {
            sent = sent.max(reached(update).unwrap_or(0));
            let message = fleet.envelope(writer).update(update);
            fleet.send(writer, &message);
        }
        let deadline = Instant::now() + DEADLINE;
        while seen < sent && fleet.ended() == 0 && Instant::now() < deadline {
            let mut watch = |_, event: Event<'_>| {
                if let Event::Update(update) = event {
                    seen = seen.max(reached(update).unwrap_or(0));
                }
            };
            fleet.turn(Duration::from_millis(100), &mut watch);
        }
        if seen < sent {
            return None;
        }
    }
    Some((sent, fleet))
}

/// Opens the document once: how long it took, the clock it brought, its bytes.
fn open(server: &Server, n: usize) -> Option<(Duration, u32, usize)> {
    let mut fleet = Fleet::new().expect("a poll");
    let began = Instant::now();
    fleet.open(server.request(ROOM, &format!("reader-{n}")));
    let mut got = None;
    let watch = |_, event: Event<'_>| {
        if let Event::Synced { update, bytes } = event {
            got = Some((began.elapsed(), update.to_vec(), bytes));
        }
    };
    fleet.run(began + DEADLINE, watch, |fleet| fleet.synced() + fleet.ended() > 0);
    got.map(|(took, update, bytes)| (took, reached(&update).unwrap_or(0), bytes))
}

/// Measures it warm, and cold where the server keeps anything.
pub fn run(server: &mut Server, article: &Article) -> Outcome {
    let mut outcome = Outcome::default();
    let began = Instant::now();
    let Some((written, writer)) = write(server, article) else {
        outcome.problem("the document could not be written");
        return outcome;
    };
    let writing_s = began.elapsed().as_secs_f64();
    let mut warm = histogram();
    let mut bytes = 0;
    for n in 0..OPENINGS {
        match open(server, n) {
            Some((took, clock, size)) => {
                let now = Instant::now();
                record(&mut warm, now - took, now);
                bytes = size;
                if clock != written {
                    outcome.problem(format!("a reader got {clock} of {written} characters"));
                }
            }
            None => outcome.problem("a reader got no document"),
        }
    }
    add_percentiles(&mut outcome, &warm, "warm, p50", "warm, longest of 20");
    drop(writer);
    if server.is_tutti() {
        for (stop, name) in [(Stop::Politely, "cold, after a stop"), (Stop::AsACrash, "cold, after a kill")] {
            server.restart(stop);
            match open(server, OPENINGS) {
                Some((took, clock, _)) if clock == written => {
                    outcome.add(name, took.as_secs_f64() * 1000.0, Unit::Milliseconds);
                }
                other => outcome.problem(format!("{name} a reader got {:?}", other.map(|(_, clock, _)| clock))),
            }
        }
    }
    outcome.add("keystrokes", article.updates.len() as f64, Unit::Count);
    outcome.add("document", bytes as f64, Unit::KiB);
    outcome.add("keystrokes per second while written", article.updates.len() as f64 / writing_s, Unit::Rate);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, Transact, Update};

    #[test]
    fn insertions_and_deletions_are_understood_by_a_document() {
        let doc = Doc::new();
        let text = doc.get_or_insert_text("t");
        let updates = [
            insertion(0, None, None, 'a'),
            insertion(1, Some(0), None, 'c'),
            insertion(2, Some(0), Some(1), 'b'),
            deletion(0),
        ];
        for update in updates {
            doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        }
        assert_eq!(text.get_string(&doc.transact()), "bc");
    }
}
