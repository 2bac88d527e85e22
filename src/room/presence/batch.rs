//! Awareness that is gathered for a moment, so that only the newest state of each client is sent: in a large room all of it, in others
//! what one member announces faster than anybody can see. Cursors cost their number times the number of members, and every y-websocket
//! client sends every frame of it back, so frames are what must be few. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ids::MemberId;
use crate::protocol::awareness::Entry;
use crate::rate::{Bucket, Rate};

/// In rooms of fewer members awareness is sent like edits, as long as none of them sends too much.
const MEMBERS_MIN: usize = 64;
/// How often that may be for one member: as often as a screen shows where its cursor is.
const AT_ONCE: Rate = Rate { per_second: 60.0, burst: 30.0 };
/// How long it is gathered in larger rooms, for each member; as many times as long as there are servers, for each gathers what its own
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

impl Crowd {
    /// How long what anybody brings is gathered; `None`: not at all.
    fn wait(self) -> Option<Duration> {
        let wait = || EACH.saturating_mul((self.members * self.servers) as u32).min(GATHER_MAX);
        (self.members >= MEMBERS_MIN).then(wait)
    }
}

/// How often one member's awareness is sent.
#[derive(Debug)]
struct Pace {
    bucket: Bucket,
    /// The batch that has news of it, and until when that waits for its sake. It is paid for.
    waits: Option<(u64, Instant)>,
}

impl Pace {
    /// Until when its news waits, if it waits: in the batch of this number.
    fn take(&mut self, batch: u64, now: Instant) -> Option<Instant> {
        if let Some((_, due)) = self.waits.filter(|(waits_in, _)| *waits_in == batch) {
            return Some(due);
        }
        let due = now + self.bucket.take(AT_ONCE, now).err()?;
        self.bucket.spend(1.0, AT_ONCE, now);
        self.waits = Some((batch, due));
        Some(due)
    }
}

/// What has been gathered.
#[derive(Debug, Default)]
pub struct AwarenessBatch {
    /// How many there were before.
    number: u64,
    entries: HashMap<u64, Entry>,
    due: Option<Instant>,
    /// Of members that have announced something in a room that is not large.
    paces: HashMap<MemberId, Pace>,
}

impl AwarenessBatch {
    /// Gathers news in a room of so many, announced by a member or made here. Hands them back if they are to be sent at once.
    pub fn add(&mut self, news: Vec<Entry>, crowd: Crowd, from: Option<MemberId>, now: Instant) -> Vec<Entry> {
        if news.is_empty() {
            return news;
        }
        let due = match crowd.wait() {
            Some(wait) => Some(now + wait),
            None => from.and_then(|from| {
                let pace = || Pace { bucket: Bucket::new(AT_ONCE, now), waits: None };
                self.paces.entry(from).or_insert_with(pace).take(self.number, now)
            }),
        };
        let Some(due) = due else {
            self.forget(&news);
            return news;
        };
        self.entries.extend(news.into_iter().map(|entry| (entry.client, entry)));
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        Vec::new()
    }

    /// A member has gone.
    pub fn leave(&mut self, member: MemberId) {
        self.paces.remove(&member);
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
        self.number += 1;
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

    /// Whether news of a member is sent at once, in a room that is not large.
    fn add(batch: &mut AwarenessBatch, member: u64, clock: u64, now: Instant) -> bool {
        let (news, crowd) = (vec![entry(member, clock)], of(MEMBERS_MIN - 1));
        let sent = batch.add(news.clone(), crowd, Some(MemberId(member)), now);
        assert!(sent.is_empty() || sent == news);
        !sent.is_empty()
    }

    #[test]
    fn in_a_small_room_nothing_waits_that_comes_no_faster_than_it_can_be_seen() {
        let (mut batch, now) = (AwarenessBatch::default(), Instant::now());
        for clock in 0..1_000 {
            assert!(add(&mut batch, 1, clock, now + Duration::from_micros(16_700) * clock as u32));
        }
        assert_eq!(batch.due(), None);
        // Nor do states that stand for somebody.
        for clock in 0..1_000 {
            assert_eq!(batch.add(vec![entry(2, clock)], of(2), None, now), [entry(2, clock)]);
        }
    }

    #[test]
    fn of_what_comes_faster_the_newest_is_sent_sixty_times_a_second_and_all_others_wait_for_nothing() {
        let (mut batch, start) = (AwarenessBatch::default(), Instant::now());
        let (mut at_once, mut together) = (0, 0);
        for clock in 0..100_000 {
            let now = start + Duration::from_micros(100) * clock as u32;
            if batch.due().is_some_and(|due| due <= now) {
                assert_eq!(batch.take(), [entry(1, clock - 1)], "the newest");
                together += 1;
            }
            at_once += usize::from(add(&mut batch, 1, clock, now));
            if clock % 1_000 == 0 {
                assert!(add(&mut batch, 2, clock, now));
            }
        }
        // Ten seconds, and what may come at once.
        assert!((600..=631).contains(&(at_once + together)), "{at_once} at once, {together} together");
        assert!(at_once <= 31, "{at_once}");
        // After a pause it is as anybody.
        let later = batch.due().unwrap() + Duration::from_secs(1);
        batch.take();
        assert!(add(&mut batch, 1, 100_000, later));
    }

    #[test]
    fn what_waits_is_forgotten_once_something_newer_is_sent() {
        let (mut batch, now) = (AwarenessBatch::default(), Instant::now());
        while add(&mut batch, 1, 1, now) {}
        assert_eq!(batch.add(vec![entry(1, 2)], of(2), None, now), [entry(1, 2)]);
        assert_eq!(batch.take(), []);
    }

    #[test]
    fn in_a_large_room_the_newest_state_of_each_client_waits_for_a_moment() {
        let (mut batch, now) = (AwarenessBatch::default(), Instant::now());
        assert_eq!(batch.add(Vec::new(), of(MEMBERS_MIN), None, now), []);
        assert_eq!(batch.due(), None);
        assert_eq!(batch.add(vec![entry(1, 1)], of(MEMBERS_MIN), None, now), []);
        let due = batch.due();
        assert_eq!(due, Some(now + EACH * MEMBERS_MIN as u32));
        batch.add(vec![entry(1, 2)], of(MEMBERS_MIN), None, now + GATHER_MAX);
        assert_eq!(batch.due(), due);
        assert_eq!((batch.take(), batch.due()), (vec![entry(1, 2)], None));
    }

    #[test]
    fn of_a_room_on_several_servers_each_gathers_longer_but_not_for_long() {
        let now = Instant::now();
        let wait = |members, servers| {
            let mut batch = AwarenessBatch::default();
            batch.add(vec![entry(1, 1)], Crowd { members, servers }, None, now);
            batch.due().map(|due| due - now)
        };
        assert_eq!(wait(100, 3), Some(3 * EACH * 100));
        assert_eq!(wait(500, 3), Some(GATHER_MAX));
        assert_eq!(wait(MEMBERS_MIN - 1, 3), None);
    }
}
