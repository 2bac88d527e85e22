//! Token buckets: how often something may happen, with bursts. Pure but for the time that callers hand in.
//!
//! Not `governor`: its cells take whole units and are never overdrawn, and what a room spends on answers is known afterwards, in
//! fractions of a second ([`Bucket::spend`]).

use std::time::{Duration, Instant};

/// No wait is shorter, so that none ends before something is left.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// A message counts once more for each so many bytes.
pub const UNIT_BYTES: usize = 16 * 1024;

/// What `messages` with `bytes` together count.
pub fn weight(messages: usize, bytes: usize) -> f64 {
    messages as f64 + bytes as f64 / UNIT_BYTES as f64
}

/// How often, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// In the long run, a second.
    pub per_second: f64,
    /// At once, after a pause.
    pub burst: f64,
}

/// What is left of a [`Rate`].
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    left: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { left: rate.burst, filled: now }
    }

    /// Takes one, or says after which time there will be one.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.take_many(1, rate, now)
    }

    /// Takes `count` at once, or none. More than a burst cost no more than one.
    pub fn take_many(&mut self, count: usize, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.fill(rate, now);
        let wanted = (count as f64).min(rate.burst);
        if self.left >= wanted {
            self.left -= wanted;
            return Ok(());
        }
        Err(Duration::from_secs_f64((wanted - self.left) / rate.per_second))
    }

    /// Takes `amount`, also more than is left: that is to be made up for before anything is left again.
    pub fn spend(&mut self, amount: f64, rate: Rate, now: Instant) {
        self.fill(rate, now);
        self.left -= amount;
    }

    /// After which time something is left again; `None`: now.
    pub fn wait(&self, rate: Rate, now: Instant) -> Option<Duration> {
        let mut filled = *self;
        filled.fill(rate, now);
        (filled.left <= 0.0).then(|| Duration::from_secs_f64(-filled.left / rate.per_second).max(WAIT_MIN))
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + since * rate.per_second).min(rate.burst);
        self.filled = now;
    }

    /// Whether it has been left alone until it was full again.
    pub fn is_full(&self, rate: Rate, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left + since * rate.per_second >= rate.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10.0, burst: 3.0 };

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::new(RATE, now);
        for _ in 0..3 {
            assert_eq!(bucket.take(RATE, now), Ok(()));
        }
        let wait = bucket.take(RATE, now).unwrap_err();
        assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
        assert_eq!(bucket.take(RATE, now + Duration::from_millis(101)), Ok(()));
        assert!(!bucket.is_full(RATE, now + Duration::from_millis(150)));
        assert!(bucket.is_full(RATE, now + Duration::from_secs(1)));
    }

    #[test]
    fn what_was_spent_beyond_is_made_up_for_first() {
        let now = Instant::now();
        let mut bucket = Bucket::new(RATE, now);
        assert_eq!(bucket.wait(RATE, now), None);
        bucket.spend(2.0, RATE, now);
        assert_eq!(bucket.wait(RATE, now), None);
        bucket.spend(21.0, RATE, now);
        let wait = bucket.wait(RATE, now).unwrap();
        assert!(wait > Duration::from_millis(1_999) && wait < Duration::from_millis(2_001), "{wait:?}");
        assert_eq!(bucket.wait(RATE, now + wait + Duration::from_millis(1)), None);
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let now = Instant::now();
        let mut bucket = Bucket::new(RATE, now);
        assert_eq!(bucket.take_many(2, RATE, now), Ok(()));
        assert!(bucket.take_many(2, RATE, now).is_err());
        assert_eq!(bucket.take(RATE, now), Ok(()));
        assert_eq!(bucket.take_many(100, RATE, now + Duration::from_secs(1)), Ok(()));
    }
}
