//! Messages that have begun and not ended: how much all of them together may hold, and how slowly one may grow; and whole ones that
//! wait for a token. Pure but for the shared counts, and the time that callers hand in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a message must grow by in a second.
const GROWTH_BYTES: f64 = 16.0 * 1024.0;
/// How long it may take before that is asked.
const GRACE: Duration = Duration::from_secs(10);

/// What some messages of all sockets together may hold, in bytes.
#[derive(Debug)]
pub struct HeldBudget {
    held: AtomicUsize,
    bytes_max: usize,
}

impl HeldBudget {
    /// A budget of `bytes_max`, all free.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), bytes_max })
    }
}

/// Whole messages that wait, of one owner; given back when dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<HeldBudget>,
    bytes: usize,
}

impl Held {
    /// None yet.
    pub fn new(budget: Arc<HeldBudget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Adds a message of `bytes`, unless that is more than the budget has.
    pub fn add(&mut self, bytes: usize) -> bool {
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.budget.bytes_max {
            self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// What is held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why a message is not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwanted {
    /// All together hold too much.
    #[error("the server holds too many unfinished messages, try again later")]
    TooMuch,
    /// It hardly grows.
    #[error("a message that has begun must go on, at least 16 KiB a second")]
    TooSlow,
}

/// The unfinished message of one socket, if there is one.
#[derive(Debug)]
pub struct Unfinished {
    budget: Arc<HeldBudget>,
    held: usize,
    arrived: u64,
    /// Since when it is watched, and how much had come then.
    watched: Option<(Instant, u64)>,
}

impl Unfinished {
    /// None yet.
    pub fn new(budget: Arc<HeldBudget>) -> Self {
        Self { budget, held: 0, arrived: 0, watched: None }
    }

    /// Counts in another budget from now on.
    pub fn move_to(&mut self, budget: &Arc<HeldBudget>) {
        if !Arc::ptr_eq(&self.budget, budget) {
            budget.held.fetch_add(self.held, Ordering::Relaxed);
            let before = std::mem::replace(&mut self.budget, budget.clone());
            before.held.fetch_sub(self.held, Ordering::Relaxed);
        }
    }

    /// Notes after a read how much of it is held, and how much has come: more, if it is thrown away. 0: there is none.
    pub fn note(&mut self, held: usize, arrived: u64, now: Instant) -> Result<(), Unwanted> {
        if arrived == 0 && self.arrived == 0 {
            return Ok(());
        }
        if arrived < std::mem::replace(&mut self.arrived, arrived) {
            // Another message than before.
            self.watched = None;
        }
        let before = std::mem::replace(&mut self.held, held);
        if held < before {
            self.budget.held.fetch_sub(before - held, Ordering::Relaxed);
        } else {
            self.budget.held.fetch_add(held - before, Ordering::Relaxed);
        }
        if arrived == 0 {
            return Ok(());
        }
        if held > before && self.budget.held.load(Ordering::Relaxed) > self.budget.bytes_max {
            return Err(Unwanted::TooMuch);
        }
        let (since, start) = *self.watched.get_or_insert((now, arrived));
        let time = now.duration_since(since);
        let is_slow = time > GRACE && ((arrived - start) as f64) < time.as_secs_f64() * GROWTH_BYTES;
        if is_slow { Err(Unwanted::TooSlow) } else { Ok(()) }
    }

    /// Nothing is read from the peer for a while, by the server's own doing.
    pub fn pause(&mut self) {
        self.watched = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_hold_no_more_than_the_budget_and_give_it_back() {
        let (budget, now) = (HeldBudget::new(100), Instant::now());
        let mut first = Unfinished::new(budget.clone());
        let mut second = Unfinished::new(budget.clone());
        assert_eq!(first.note(60, 60, now), Ok(()));
        assert_eq!(second.note(40, 40, now), Ok(()));
        assert_eq!(second.note(41, 41, now), Err(Unwanted::TooMuch));
        drop(second);
        assert_eq!(first.note(100, 100, now), Ok(()));
        assert_eq!(first.note(0, 0, now), Ok(()));
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_waits_counts_until_it_is_dropped_and_an_unfinished_message_may_count_elsewhere() {
        let (strangers, known, now) = (HeldBudget::new(100), HeldBudget::new(100), Instant::now());
        let mut held = Held::new(strangers.clone());
        assert!(held.add(60) && !held.add(41) && held.add(40));
        assert_eq!((held.bytes(), strangers.held.load(Ordering::Relaxed)), (100, 100));
        let mut message = Unfinished::new(strangers.clone());
        assert_eq!(message.note(1, 1, now), Err(Unwanted::TooMuch));
        message.move_to(&known);
        assert_eq!(message.note(2, 2, now), Ok(()));
        drop((held, message));
        assert_eq!((strangers.held.load(Ordering::Relaxed), known.held.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn a_message_that_hardly_grows_is_not_waited_for() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut message = Unfinished::new(HeldBudget::new(1 << 30));
        assert_eq!(message.note(1, 1, now), Ok(()));
        assert_eq!(message.note(2, 2, at(10)), Ok(()));
        assert_eq!(message.note(3, 3, at(11)), Err(Unwanted::TooSlow));
        let mut message = Unfinished::new(HeldBudget::new(1 << 30));
        for second in 0..100 {
            assert_eq!(message.note(1, 1 + second * 16 * 1024, at(second)), Ok(()));
        }
        message.pause();
        assert_eq!(message.note(1, 1 + 99 * 16 * 1024, at(200)), Ok(()));
    }
}
