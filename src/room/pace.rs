//! When a room shows what it has gathered: at once, but under load a little later and together, so that a socket gets several
//! frames with one write. Pure.

use std::time::{Duration, Instant};

/// Under load a room shows at most this often.
const SHOW_EVERY: Duration = Duration::from_millis(5);
/// So many turns in a row, each within [`SHOW_EVERY`] of the one before, are load. An edit and its echo are not.
const QUICK_TURNS: u32 = 8;

/// How fast a room's turns follow each other.
#[derive(Debug, Default)]
pub(super) struct Pace {
    shown: Option<Instant>,
    quick_turns: u32,
}

impl Pace {
    /// How long to hold back what has been gathered; `None`: show it now.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        if self.quick_turns < QUICK_TURNS {
            return None;
        }
        let since = now.duration_since(self.shown?);
        SHOW_EVERY.checked_sub(since).filter(|wait| !wait.is_zero())
    }

    /// Notes that what `messages` brought is shown.
    pub fn shown(&mut self, now: Instant, messages: usize) {
        let is_quick = self.shown.is_some_and(|shown| now.duration_since(shown) < SHOW_EVERY);
        if is_quick {
            self.quick_turns = self.quick_turns.saturating_add(1);
        } else if messages < 2 {
            // Holding back has brought nothing together.
            self.quick_turns = 0;
        }
        self.shown = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_its_echo_and_a_few_more_wait_for_nothing() {
        let mut pace = Pace::default();
        let now = Instant::now();
        for _ in 0..=QUICK_TURNS {
            assert_eq!(pace.wait(now), None);
            pace.shown(now, 1);
        }
        assert_eq!(pace.wait(now), Some(SHOW_EVERY));
        assert_eq!(pace.wait(now + SHOW_EVERY), None);
    }

    #[test]
    fn load_goes_on_being_held_back_while_that_brings_frames_together() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        for _ in 0..=QUICK_TURNS {
            pace.shown(now, 1);
        }
        for _ in 0..10 {
            now += SHOW_EVERY;
            pace.shown(now, 4);
            assert_eq!(pace.wait(now), Some(SHOW_EVERY));
        }
        now += SHOW_EVERY;
        pace.shown(now, 1);
        assert_eq!(pace.wait(now), None);
    }
}
