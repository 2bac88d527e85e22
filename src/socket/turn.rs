//! A socket's turn: how much of what has come is handled before others of its thread get theirs. What a message costs depends on what it
//! asks for, so that its time is what counts. Pure: callers hand in the time.

use std::time::{Duration, Instant};

/// Reads in a turn.
const READS_MAX: u32 = 4;
/// How long one takes, but for its last message.
const TIME: Duration = Duration::from_millis(1);

/// A turn.
#[derive(Debug)]
pub struct Turn {
    reads_left: u32,
    until: Instant,
}

impl Turn {
    /// Begins.
    pub fn begin(now: Instant) -> Self {
        Self { reads_left: READS_MAX, until: now + TIME }
    }

    /// Whether it is others' turn.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// Whether there is another read in it.
    pub fn take_read(&mut self, now: Instant) -> bool {
        let is_left = self.reads_left > 0 && !self.is_over(now);
        self.reads_left = self.reads_left.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_after_so_many_reads_or_so_much_time() {
        let now = Instant::now();
        let mut turn = Turn::begin(now);
        assert_eq!((0..10).filter(|_| turn.take_read(now)).count(), READS_MAX as usize);
        let mut turn = Turn::begin(now);
        assert!(turn.take_read(now) && !turn.is_over(now + TIME / 2));
        assert!(turn.is_over(now + TIME) && !turn.take_read(now + TIME));
    }
}
