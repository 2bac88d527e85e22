//! Awareness that waits for a moment, so that only the newest state of each client is sent. In large rooms all does: cursors cost their
//! number times the number of members, and every y-websocket client sends every frame of it back, so frames are what must be few. In
//! small rooms only what a member shows again at once: who changes all the time is shown at a pace. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::protocol::awareness::Entry;

/// In rooms of fewer members awareness is sent like edits, as long as its member changes now and then.
const MEMBERS_MIN: usize = 64;
/// How long it is gathered otherwise, for each member.
const EACH: Duration = Duration::from_micros(50);
/// How long at most.
const GATHER_MAX: Duration = Duration::from_millis(50);
/// How far apart the changes of one member are in small rooms: a cursor still moves smoothly.
const APART: Duration = Duration::from_millis(30);

/// What has been gathered.
#[derive(Debug, Default)]
pub struct AwarenessBatch {
    entries: HashMap<u64, Entry>,
    due: Option<Instant>,
}

impl AwarenessBatch {
    /// Gathers news in a room of so many members; `shown` is when those see what the one who brings them brought last. Hands them back
    /// if they are to be sent at once.
    pub fn add(&mut self, news: Vec<Entry>, shown: &mut Option<Instant>, members: usize, now: Instant) -> Vec<Entry> {
        if news.is_empty() {
            return news;
        }
        let wait = if members < MEMBERS_MIN { APART } else { (EACH * members as u32).min(GATHER_MAX) };
        if members < MEMBERS_MIN && shown.is_none_or(|shown| now >= shown + APART) {
            *shown = Some(now);
            return news;
        }
        self.entries.extend(news.into_iter().map(|entry| (entry.client, entry)));
        *shown = Some(*self.due.get_or_insert(now + wait));
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

    #[test]
    fn in_a_small_room_who_changes_now_and_then_waits_for_nothing() {
        let (mut batch, mut shown, now) = (AwarenessBatch::default(), None, Instant::now());
        for clock in 1..4 {
            let news = batch.add(vec![entry(1, clock)], &mut shown, MEMBERS_MIN - 1, now + APART * clock as u32);
            assert_eq!((news, batch.due()), (vec![entry(1, clock)], None));
        }
    }

    #[test]
    fn rule_38_in_a_small_room_whoever_changes_all_the_time_is_shown_at_a_pace_and_others_at_once() {
        let (mut batch, mut now) = (AwarenessBatch::default(), Instant::now());
        let (start, mut flood, mut calm, mut sent, mut clock) = (now, None, None, Vec::new(), 0);
        while now < start + Duration::from_secs(1) {
            clock += 1;
            // One client after another.
            sent.extend(batch.add(vec![entry(clock % 3, clock)], &mut flood, 2, now));
            now += Duration::from_micros(500);
            if batch.due().is_some_and(|due| now >= due) {
                let mut gathered = batch.take();
                gathered.sort_by_key(|entry| entry.clock);
                assert_eq!(gathered.last(), Some(&entry(clock % 3, clock)), "the newest");
                sent.extend(gathered);
            }
        }
        assert!((80..=110).contains(&sent.len()), "{} of {clock}", sent.len());
        assert_eq!(batch.add(vec![entry(9, 1)], &mut calm, 2, now), [entry(9, 1)]);
    }

    #[test]
    fn however_many_change_all_the_time_they_are_shown_together() {
        let (mut batch, mut now) = (AwarenessBatch::default(), Instant::now());
        let (start, mut shown, mut frames) = (now, [None; 50], 0);
        while now < start + Duration::from_secs(1) {
            for (client, shown) in shown.iter_mut().enumerate() {
                frames += usize::from(!batch.add(vec![entry(client as u64, 1)], shown, 50, now).is_empty());
                now += Duration::from_micros(100);
            }
            if batch.due().is_some_and(|due| now >= due) {
                frames += usize::from(!batch.take().is_empty());
            }
        }
        assert!(frames <= 50 + 34, "each one's first, and one for all each time: {frames}");
    }

    #[test]
    fn in_a_large_room_the_newest_state_of_each_client_waits_for_a_moment() {
        let (mut batch, mut shown, now) = (AwarenessBatch::default(), None, Instant::now());
        assert_eq!(batch.add(Vec::new(), &mut shown, MEMBERS_MIN, now), []);
        assert_eq!(batch.due(), None);
        assert_eq!(batch.add(vec![entry(1, 1)], &mut shown, MEMBERS_MIN, now), []);
        let due = batch.due();
        assert_eq!(due, Some(now + EACH * MEMBERS_MIN as u32));
        batch.add(vec![entry(1, 2)], &mut shown, MEMBERS_MIN, now + GATHER_MAX);
        assert_eq!(batch.due(), due);
        assert_eq!((batch.take(), batch.due()), (vec![entry(1, 2)], None));
    }
}
