//! When to do what has been gathered: at once, but under load a little later and together, so that a socket gets several frames
//! with one write, and a commit holds several rooms' entries. Pure.

use std::time::{Duration, Instant};

/// So many turns in a row, each soon after the one before, are load. An edit and its echo are not.
const QUICK_TURNS: u32 = 8;

/// How fast turns follow each other.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    last: Option<Instant>,
    quick_turns: u32,
}

impl Pace {
    /// Under load at most one turn in each `every`.
    pub fn new(every: Duration) -> Self {
        Self { every, last: None, quick_turns: 0 }
    }

    /// How long to hold back what has been gathered; `None`: now.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        if self.quick_turns < QUICK_TURNS {
            return None;
        }
        let since = now.duration_since(self.last?);
        self.every.checked_sub(since).filter(|wait| !wait.is_zero())
    }

    /// Notes a turn with what `messages` brought.
    pub fn turned(&mut self, now: Instant, messages: usize) {
        let is_quick = self.last.is_some_and(|last| now.duration_since(last) < self.every);
        if is_quick {
            self.quick_turns = self.quick_turns.saturating_add(1);
        } else if messages < 2 {
            // Holding back has brought nothing together.
            self.quick_turns = 0;
        }
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(5);

    #[test]
    fn an_edit_its_echo_and_a_few_more_wait_for_nothing() {
        let mut pace = Pace::new(EVERY);
        let now = Instant::now();
        for _ in 0..=QUICK_TURNS {
            assert_eq!(pace.wait(now), None);
            pace.turned(now, 1);
        }
        assert_eq!(pace.wait(now), Some(EVERY));
        assert_eq!(pace.wait(now + EVERY), None);
    }

    #[test]
    fn load_goes_on_being_held_back_while_that_brings_frames_together() {
        let mut pace = Pace::new(EVERY);
        let mut now = Instant::now();
        for _ in 0..=QUICK_TURNS {
            pace.turned(now, 1);
        }
        for _ in 0..10 {
            now += EVERY;
            pace.turned(now, 4);
            assert_eq!(pace.wait(now), Some(EVERY));
        }
        now += EVERY;
        pace.turned(now, 1);
        assert_eq!(pace.wait(now), None);
    }
}
