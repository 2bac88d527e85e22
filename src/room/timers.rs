//! A room's timers, one of each kind. Pure: who starts and cancels them is handed in.

use std::time::Instant;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Timer {
    /// The room without members ends.
    Idle,
    /// What nobody renews is forgotten.
    Sweep,
    /// Another attempt to load the room.
    Load,
    /// Another attempt to commit.
    Retry,
    /// What is held back for a larger commit is committed.
    Commit,
    /// What is held back under load is sent.
    Flush,
    /// Whether a relay that was behind has caught up.
    Behind,
    /// Replies to Step1 have time again.
    Replies,
    /// Somebody may be asked again for what is missing.
    Missing,
    /// Presence and typing do something by themselves.
    Presence,
    /// What is gathered of awareness is sent.
    Awareness,
    /// Another attempt to read what other processes wrote.
    Foreign,
    /// Who waits for what other servers tell comes in all the same.
    Arrivals,
    /// Other servers are told who is here.
    Elsewhere,
    /// The room looks once more whether it was deleted.
    Deletion,
    /// The database is asked once more which row is the room's.
    Row,
}

const KINDS: usize = Timer::Row as usize + 1;

/// The timers that run; `H` cancels one.
pub(super) struct RoomTimers<H>([Option<(Instant, H)>; KINDS]);

impl<H> Default for RoomTimers<H> {
    fn default() -> Self {
        Self([const { None }; KINDS])
    }
}

impl<H> RoomTimers<H> {
    /// Whether a timer runs.
    pub fn is_armed(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Has a timer run that ends at `due`, unless one runs that ends no later. Returns the one that it replaces, to be cancelled.
    pub fn arm(&mut self, timer: Timer, due: Instant, start: impl FnOnce() -> H) -> Option<H> {
        let slot = &mut self.0[timer as usize];
        if slot.as_ref().is_some_and(|(armed, _)| *armed <= due) {
            return None;
        }
        slot.replace((due, start())).map(|(_, replaced)| replaced)
    }

    /// Takes a timer out: it has ended, or is to be cancelled.
    pub fn take(&mut self, timer: Timer) -> Option<H> {
        self.0[timer as usize].take().map(|(_, handle)| handle)
    }

    /// Takes all timers out, to be cancelled.
    pub fn take_all(&mut self) -> impl Iterator<Item = H> {
        self.0.iter_mut().filter_map(Option::take).map(|(_, handle)| handle)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earlier_end_of_a_kind_counts() {
        let (mut timers, now) = (RoomTimers::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(timers.arm(Timer::Missing, now + second, || 1), None);
        assert_eq!(timers.arm(Timer::Missing, now + second * 2, || 2), None);
        assert_eq!(timers.arm(Timer::Presence, now, || 3), None);
        assert_eq!(timers.arm(Timer::Missing, now, || 4), Some(1));
        assert_eq!((timers.take(Timer::Missing), timers.take(Timer::Missing)), (Some(4), None));
        assert!(timers.is_armed(Timer::Presence) && !timers.is_armed(Timer::Missing));
    }

    #[test]
    fn all_are_cancelled_together() {
        let (mut timers, now) = (RoomTimers::default(), Instant::now());
        timers.arm(Timer::Idle, now, || Timer::Idle);
        timers.arm(Timer::Foreign, now, || Timer::Foreign);
        assert_eq!(timers.take_all().collect::<Vec<_>>(), [Timer::Idle, Timer::Foreign]);
        assert!(!timers.is_armed(Timer::Idle));
    }
}
