//! What waits to be sent: entries and what servers must know before signals, all of it bounded. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::frame::texts;
use super::transport::Channel;

/// Most bytes of signals that wait; past that signals are dropped.
const SIGNAL_BYTES_MAX: usize = 1 << 20;
/// Most bytes of all that waits; past that the receivers notice that something is missing.
const BYTES_MAX: usize = 8 << 20;
/// Longest body that is gathered from messages, in bytes; a single message may be longer.
const BODY_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
struct Lane {
    first: Vec<Arc<str>>,
    signals: Vec<Arc<str>>,
    /// The number of the last text.
    number: u64,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Outgoing {
    to_all: Lane,
    to: HashMap<Uuid, Lane>,
    /// The largest number of the lanes that were forgotten. New ones go on from it: a server that was forgotten by mistake would take
    /// smaller numbers for repetitions.
    forgotten: u64,
    bytes: usize,
    signal_bytes: usize,
    flushes: Vec<oneshot::Sender<()>>,
    /// Whether nothing more is said.
    is_closed: bool,
}

/// What is to be sent now.
#[derive(Debug, Default)]
pub struct Batch {
    /// The texts, in their order.
    pub texts: Vec<(Channel, String)>,
    /// Who waits until the bus has them.
    pub flushes: Vec<oneshot::Sender<()>>,
}

impl Outgoing {
    /// Adds a message that must arrive, or its receiver must notice. Whether there is room for it.
    pub fn push(&mut self, to: Channel, message: &Arc<str>) -> bool {
        if self.is_closed {
            return true;
        }
        let has_room = self.bytes + message.len() <= BYTES_MAX;
        let lane = self.lane(to);
        match has_room {
            true => lane.first.push(message.clone()),
            // As if it was sent and lost.
            false => lane.number += 1,
        }
        if has_room {
            self.bytes += message.len();
        }
        has_room
    }

    /// Adds a signal, which may be dropped. Whether there is room for it.
    pub fn push_signal(&mut self, to: Channel, message: &Arc<str>) -> bool {
        if self.is_closed {
            return true;
        }
        let has_room = self.signal_bytes + message.len() <= SIGNAL_BYTES_MAX && self.bytes <= BYTES_MAX;
        if has_room {
            self.lane(to).signals.push(message.clone());
            self.bytes += message.len();
            self.signal_bytes += message.len();
        }
        has_room
    }

    /// Tells when all that waits now is on its way.
    pub fn flush(&mut self) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        self.flushes.push(done);
        is_done
    }

    /// Says nothing more than what waits now.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Drops what would be old when it arrives, for the bus is away.
    pub fn drop_signals(&mut self) {
        for lane in self.to.values_mut().chain([&mut self.to_all]) {
            lane.signals = Vec::new();
        }
        self.bytes -= std::mem::take(&mut self.signal_bytes);
    }

    /// Forgets a server.
    pub fn forget(&mut self, server: Uuid) {
        if let Some(lane) = self.to.remove(&server) {
            let bytes = |messages: &[Arc<str>]| messages.iter().map(|message| message.len()).sum::<usize>();
            self.bytes -= bytes(&lane.first) + bytes(&lane.signals);
            self.signal_bytes -= bytes(&lane.signals);
            self.forgotten = self.forgotten.max(lane.number);
        }
    }

    /// The number of the last text to each server.
    pub fn numbers(&self) -> Vec<(Uuid, u64)> {
        self.to.iter().map(|(server, lane)| (*server, lane.number)).collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0 && self.flushes.is_empty()
    }

    /// Takes all of it out, as texts of the server `me`.
    pub fn take(&mut self, me: Uuid, text_bytes_max: usize) -> Batch {
        let mut batch = Batch { texts: Vec::new(), flushes: std::mem::take(&mut self.flushes) };
        let lanes = self.to.iter_mut().map(|(server, lane)| (Channel::Server(*server), lane));
        for (to, lane) in std::iter::once((Channel::All, &mut self.to_all)).chain(lanes) {
            let messages: Vec<Arc<str>> = lane.first.drain(..).chain(lane.signals.drain(..)).collect();
            for body in bodies(&messages, text_bytes_max) {
                let texts = texts(to == Channel::All, me, &mut lane.number, &body, text_bytes_max);
                batch.texts.extend(texts.into_iter().map(|text| (to, text)));
            }
        }
        (self.bytes, self.signal_bytes) = (0, 0);
        batch
    }

    fn lane(&mut self, to: Channel) -> &mut Lane {
        match to {
            Channel::All => &mut self.to_all,
            Channel::Server(server) => {
                self.to.entry(server).or_insert_with(|| Lane { number: self.forgotten, ..Lane::default() })
            }
        }
    }
}

/// Lists of messages, each about as long as a text.
fn bodies(messages: &[Arc<str>], text_bytes_max: usize) -> Vec<String> {
    let bytes_max = BODY_BYTES.min(text_bytes_max * 4 / 5);
    let mut bodies: Vec<String> = Vec::new();
    for message in messages {
        match bodies.last_mut() {
            Some(body) if body.len() + message.len() < bytes_max => {
                body.push(',');
                body.push_str(message);
            }
            _ => bodies.push(format!("[{message}")),
        }
    }
    for body in &mut bodies {
        body.push(']');
    }
    bodies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::frame::{self, Inbound, Taken};

    const ME: Uuid = Uuid::from_u128(1);
    const OTHER: Channel = Channel::Server(Uuid::from_u128(2));

    fn text(text: &str) -> Arc<str> {
        text.into()
    }

    #[test]
    fn trap_23_entries_go_before_signals_and_what_fits_goes_together() {
        let mut outgoing = Outgoing::default();
        outgoing.push_signal(OTHER, &text("1"));
        outgoing.push(OTHER, &text("2"));
        outgoing.push(Channel::All, &text("3"));
        let batch = outgoing.take(ME, 1_000);
        let bodies: Vec<&str> = batch.texts.iter().map(|(_, text)| text.split_once('\n').unwrap().1).collect();
        assert_eq!(bodies, ["[3]", "[2,1]"]);
        assert!(outgoing.is_empty() && outgoing.take(ME, 1_000).texts.is_empty());
        assert_eq!(outgoing.numbers(), [(Uuid::from_u128(2), 1)]);
    }

    #[test]
    fn trap_25_what_waits_is_bounded_and_what_is_dropped_shows_in_the_numbers() {
        let mut outgoing = Outgoing::default();
        let long = text(&"x".repeat(1 << 20));
        let signals = (0..100).filter(|_| outgoing.push_signal(OTHER, &long)).count();
        let others = (0..100).filter(|_| outgoing.push(OTHER, &long)).count();
        assert_eq!((signals, others), (1, 7));
        outgoing.drop_signals();
        let batch = outgoing.take(ME, 16 << 20);
        assert_eq!(batch.texts.len(), 7);
        assert!(batch.texts[0].1.contains(" own ") && batch.texts[0].1.contains(" 94 "), "93 are missing before it");
    }

    #[test]
    fn after_the_last_word_nothing_is_said() {
        let mut outgoing = Outgoing::default();
        outgoing.push(OTHER, &text("1"));
        outgoing.close();
        outgoing.push(Channel::All, &text("2"));
        outgoing.push_signal(OTHER, &text("3"));
        let texts = outgoing.take(ME, 1_000).texts;
        assert!(texts.len() == 1 && texts[0].1.ends_with("[1]"), "{texts:?}");
    }

    #[test]
    fn many_messages_become_few_texts_and_a_long_one_several() {
        let mut outgoing = Outgoing::default();
        for _ in 0..1_000 {
            outgoing.push(OTHER, &text("\"0123456789\""));
        }
        outgoing.push(OTHER, &text(&format!("\"{}\"", "y".repeat(20_000))));
        let texts = outgoing.take(ME, 7_900).texts;
        assert!(texts.len() < 8 && texts.iter().all(|(_, text)| text.len() <= 7_900), "{}", texts.len());
        outgoing.push(OTHER, &text("1"));
        outgoing.forget(Uuid::from_u128(2));
        assert!(outgoing.is_empty());
    }

    #[test]
    fn a_server_that_is_forgotten_by_mistake_takes_what_comes_later() {
        let (mut outgoing, mut inbound) = (Outgoing::default(), Inbound::default());
        let mut heard = Vec::new();
        for number in 1..=4 {
            outgoing.push(OTHER, &text(&number.to_string()));
            for (_, text) in outgoing.take(ME, 1_000).texts {
                heard.push(inbound.take(&frame::read(&text).unwrap()));
            }
            if number == 3 {
                outgoing.forget(Uuid::from_u128(2));
            }
        }
        let whole = |number| (Taken::Whole(format!("[{number}]")), false);
        assert_eq!(heard, [whole(1), whole(2), whole(3), whole(4)]);
    }
}
