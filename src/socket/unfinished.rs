//! Messages that have begun and not ended: how much all of them together may hold, and how slowly one may grow. Pure but for the
//! budget, and the time that callers hand in.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::budget::{ByteBudget, HeldBytes, Payer};

/// What a message must grow by in a second.
const GROWTH_BYTES: f64 = 16.0 * 1024.0;
/// How long it may take before that is asked.
const GRACE: Duration = Duration::from_secs(10);
/// How long it may stand still, at most, for having come faster before.
const STILL_MAX: Duration = Duration::from_secs(30);

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
    held: HeldBytes,
    arrived: u64,
    /// When more of it must have come, while it is watched.
    due: Option<Instant>,
}

impl Unfinished {
    /// None yet, of a connection of `payer`.
    pub fn new(budget: &Arc<ByteBudget>, payer: Payer) -> Self {
        Self { held: budget.hold_for(payer, 0), arrived: 0, due: None }
    }

    /// Counts in another budget, or under another name, from now on.
    pub fn move_to(&mut self, budget: &Arc<ByteBudget>, payer: Payer) {
        self.held.move_to(budget, payer);
    }

    /// Whether the message must not go on, since others have no room and its payer holds most. If not, `waker` is woken when that changes.
    pub fn is_called_in(&self, waker: &Waker) -> bool {
        self.held.is_called_in(waker)
    }

    /// Notes after a read how much is held of it and of what came behind it, and how much of it has come: more, if it is thrown away;
    /// less, if it is compressed. 0: there is none.
    pub fn note(&mut self, held: usize, arrived: u64, now: Instant) -> Result<(), Unwanted> {
        if (held, arrived) == (0, 0) && (self.held.bytes(), self.arrived) == (0, 0) {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.arrived, arrived);
        let held_before = self.held.bytes();
        self.held.set(held);
        if held > held_before && !self.held.demand(0) {
            return Err(Unwanted::TooMuch);
        }
        if arrived == 0 {
            return Ok(());
        }
        let due = match self.due {
            None => now + GRACE,
            Some(due) if due < now => return Err(Unwanted::TooSlow),
            Some(due) => {
                let more = Duration::from_secs_f64(arrived.saturating_sub(before) as f64 / GROWTH_BYTES);
                (due + more).min(now + STILL_MAX)
            }
        };
        self.due = Some(due);
        Ok(())
    }

    /// What comes next is of another message, or was not read for a while by the server's own doing.
    pub fn watch_anew(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_hold_no_more_than_the_budget_and_give_it_back() {
        let (budget, now) = (ByteBudget::new(100, None), Instant::now());
        let mut first = Unfinished::new(&budget, Payer::of("ada"));
        let mut second = Unfinished::new(&budget, Payer::of("ada"));
        assert_eq!(first.note(60, 60, now), Ok(()));
        assert_eq!(second.note(40, 40, now), Ok(()));
        assert_eq!(second.note(41, 41, now), Err(Unwanted::TooMuch));
        drop(second);
        assert_eq!(first.note(100, 100, now), Ok(()));
        assert_eq!(first.note(0, 0, now), Ok(()));
        assert_eq!(budget.left(), Some(100));
    }

    #[test]
    fn rule_37_of_unfinished_messages_the_largest_payer_gives_way() {
        let (budget, now) = (ByteBudget::new(100, None), Instant::now());
        let mut largest: Vec<_> = (0..2).map(|_| Unfinished::new(&budget, Payer::of("ada"))).collect();
        assert_eq!(largest.iter_mut().map(|message| message.note(50, 50, now)).collect::<Vec<_>>(), [Ok(()); 2]);
        let mut other = Unfinished::new(&budget, Payer::of("bob"));
        assert_eq!(other.note(10, 10, now), Ok(()));
        assert_eq!(largest.iter().filter(|message| message.is_called_in(Waker::noop())).count(), 1);
        assert!(!other.is_called_in(Waker::noop()));
    }

    #[test]
    fn an_unfinished_message_may_count_elsewhere() {
        let (strangers, known, now) = (ByteBudget::new(0, None), ByteBudget::new(100, None), Instant::now());
        let mut message = Unfinished::new(&strangers, Payer::of("10.0.0.1"));
        assert_eq!(message.note(1, 1, now), Err(Unwanted::TooMuch));
        message.move_to(&known, Payer::of("ada"));
        assert_eq!(message.note(2, 2, now), Ok(()));
        assert_eq!((strangers.left(), known.left()), (Some(0), Some(98)));
        drop(message);
        assert_eq!(known.left(), Some(100));
    }

    #[test]
    fn rule_21_a_message_that_hardly_grows_is_not_waited_for() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut message = Unfinished::new(&ByteBudget::new(1 << 30, None), Payer::of("ada"));
        assert_eq!(message.note(1, 1, now), Ok(()));
        assert_eq!(message.note(2, 2, at(10)), Ok(()));
        assert_eq!(message.note(3, 3, at(11)), Err(Unwanted::TooSlow));
        let mut message = Unfinished::new(&ByteBudget::new(1 << 30, None), Payer::of("ada"));
        for second in 0..100 {
            assert_eq!(message.note(1, 1 + second * 16 * 1024, at(second)), Ok(()));
        }
        message.watch_anew();
        assert_eq!(message.note(1, 1 + 99 * 16 * 1024, at(200)), Ok(()));
    }

    #[test]
    fn a_message_that_stands_still_is_waited_for_half_a_minute_however_much_of_it_has_come() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let begun = || {
            let mut message = Unfinished::new(&ByteBudget::new(1 << 30, None), Payer::of("ada"));
            assert_eq!(message.note(1, 1, now), Ok(()));
            assert_eq!(message.note(60 << 20, 60 << 20, at(1)), Ok(()));
            message
        };
        assert_eq!(begun().note(60 << 20, 60 << 20, at(31)), Ok(()));
        assert_eq!(begun().note(60 << 20, 60 << 20, at(32)), Err(Unwanted::TooSlow));
    }
}
