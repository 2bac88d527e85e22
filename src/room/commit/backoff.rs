//! Waits between attempts of what the database refused for now: doubled from the first to the last, each jittered so that rooms do
//! not come all at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

/// The next wait.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The wait before the next attempt.
    pub fn next(&mut self) -> Duration {
        let wait = self.0.mul_f64(rand::random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(LAST);
        wait
    }

    /// An attempt has succeeded.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        let mut expected = FIRST;
        for _ in 0..10 {
            let wait = backoff.next();
            assert!(wait >= expected / 2 && wait < expected, "{wait:?} of {expected:?}");
            expected = (expected * 2).min(LAST);
        }
        assert_eq!(expected, LAST);
        backoff.reset();
        assert!(backoff.next() < FIRST);
    }
}
