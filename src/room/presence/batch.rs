//! Awareness in large rooms: gathered for a moment, and only the newest state of each client sent. Cursors cost their number times
//! the number of members, and every y-websocket client sends every frame of it back, so frames are what must be few. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::protocol::awareness::Entry;

/// In rooms of fewer members awareness is sent like edits.
const MEMBERS_MIN: usize = 64;
/// How long it is gathered otherwise, for each member; as many times as long as there are servers, for each gathers what its own
/// members bring, a share of it all.
const EACH: Duration = Duration::from_micros(50);
/// How long at most.
const GATHER_MAX: Duration = Duration::from_millis(50);

/// Who sees what is shown in a room, and brings something to show.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Members, on all servers.
    pub members: usize,
    /// Servers where they are.
    pub servers: usize,
}

/// What has been gathered.
#[derive(Debug, Default)]
pub struct AwarenessBatch {
    entries: HashMap<u64, Entry>,
    due: Option<Instant>,
}

impl AwarenessBatch {
    /// Gathers news in a room of so many. Hands them back if they are to be sent at once.
    pub fn add(&mut self, news: Vec<Entry>, crowd: Crowd, now: Instant) -> Vec<Entry> {
        if crowd.members < MEMBERS_MIN {
            return news;
        }
        self.entries.extend(news.into_iter().map(|entry| (entry.client, entry)));
        if !self.entries.is_empty() {
            let wait = EACH.saturating_mul((crowd.members * crowd.servers) as u32).min(GATHER_MAX);
            self.due.get_or_insert(now + wait);
        }
        Vec::new()
    }

    /// Forgets what was gathered of the clients of these entries, which are sent at once: who comes in between would take it for news.
    pub fn forget(&mut self, sent: &[Entry]) {
        sent.iter().for_each(|entry| drop(self.entries.remove(&entry.client)));
    }

    /// When to send what has been gathered.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes out what has been gathered.
    pub fn take(&mut self) -> Vec<Entry> {
        self.due = None;
        self.entries.drain().map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(client: u64, clock: u64) -> Entry {
        Entry { client, clock, state: None }
    }

    fn of(members: usize) -> Crowd {
        Crowd { members, servers: 1 }
    }

    #[test]
    fn in_a_small_room_nothing_waits() {
        let mut batch = AwarenessBatch::default();
        assert_eq!(batch.add(vec![entry(1, 1)], of(MEMBERS_MIN - 1), Instant::now()), [entry(1, 1)]);
        assert_eq!(batch.due(), None);
    }

    #[test]
    fn in_a_large_room_the_newest_state_of_each_client_waits_for_a_moment() {
        let (mut batch, now) = (AwarenessBatch::default(), Instant::now());
        assert_eq!(batch.add(Vec::new(), of(MEMBERS_MIN), now), []);
        assert_eq!(batch.due(), None);
        assert_eq!(batch.add(vec![entry(1, 1)], of(MEMBERS_MIN), now), []);
        let due = batch.due();
        assert_eq!(due, Some(now + EACH * MEMBERS_MIN as u32));
        batch.add(vec![entry(1, 2)], of(MEMBERS_MIN), now + GATHER_MAX);
        assert_eq!(batch.due(), due);
        assert_eq!((batch.take(), batch.due()), (vec![entry(1, 2)], None));
    }

    #[test]
    fn of_a_room_on_several_servers_each_gathers_longer_but_not_for_long() {
        let now = Instant::now();
        let wait = |members, servers| {
            let mut batch = AwarenessBatch::default();
            batch.add(vec![entry(1, 1)], Crowd { members, servers }, now);
            batch.due().map(|due| due - now)
        };
        assert_eq!(wait(100, 3), Some(3 * EACH * 100));
        assert_eq!(wait(500, 3), Some(GATHER_MAX));
        assert_eq!(wait(MEMBERS_MIN - 1, 3), None);
    }
}
