//! Who waits for a reply to Step1, and how much of the thread's time those replies may take: no more than other rooms can spare. Pure
//! but for the time that callers hand in.

use std::time::{Duration, Instant};

use super::reply_cache::NOTHING;
use crate::ids::MemberId;
use crate::rate::{Bucket, Rate};
use crate::room::messages::AskState;

/// Seconds of its thread a second that a room may spend on encoding. One reply of a document of a million blocks takes up to a tenth
/// of a second, even if it is short, and whoever may read can ask.
const SHARE: Rate = Rate { per_second: 0.25, burst: 0.05 };

/// Who waits for a reply.
pub struct PendingReplies {
    /// At most one of each socket.
    waiting: Vec<AskState>,
    time: Bucket,
    /// When there is time again.
    due: Option<Instant>,
}

impl PendingReplies {
    /// Nobody waits.
    pub fn new(now: Instant) -> Self {
        Self { waiting: Vec::new(), time: Bucket::new(SHARE, now), due: None }
    }

    /// Somebody waits.
    pub fn push(&mut self, ask: AskState) {
        self.waiting.push(ask);
    }

    /// Takes out all that `member` has asked.
    pub fn forget(&mut self, member: MemberId) -> Vec<AskState> {
        self.waiting.extract_if(.., |ask| ask.from == member).collect()
    }

    /// Who is next. Those who have nothing come first, since one reply serves them all.
    pub fn next(&self) -> Option<&AskState> {
        self.waiting.iter().find(|ask| ask.state_vector == NOTHING).or(self.waiting.first())
    }

    /// Takes out all who ask for the same.
    pub fn take(&mut self, is_same: impl Fn(&AskState) -> bool) -> Vec<AskState> {
        self.waiting.extract_if(.., |ask| is_same(ask)).collect()
    }

    /// Whether there is time to encode a reply. If not, it is known when.
    pub fn has_time(&mut self, now: Instant) -> bool {
        let wait = self.time.wait(SHARE, now);
        if let Some(wait) = wait {
            self.due.get_or_insert(now + wait);
        }
        wait.is_none()
    }

    /// Encoding has taken so long.
    pub fn spend(&mut self, time: Duration, now: Instant) {
        self.time.spend(time.as_secs_f64(), SHARE, now);
    }

    /// When there is time again, if somebody waits for it.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// There is time again.
    pub fn on_due(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ask(from: u64, known: &'static [u8]) -> AskState {
        AskState { from: MemberId(from), state_vector: Bytes::from_static(known), charge: 0 }
    }

    #[test]
    fn those_who_have_nothing_come_first_and_those_who_lack_the_same_together() {
        let mut queue = PendingReplies::new(Instant::now());
        for (from, known) in [(1, &[1, 7, 1][..]), (2, NOTHING), (3, &[1, 7, 1]), (4, NOTHING)] {
            queue.push(ask(from, known));
        }
        assert_eq!(queue.next().map(|ask| ask.from), Some(MemberId(2)));
        assert_eq!(queue.forget(MemberId(2)).iter().map(|ask| ask.from.0).collect::<Vec<_>>(), [2]);
        assert_eq!(queue.next().map(|ask| ask.from), Some(MemberId(4)));
        let taken: Vec<_> = queue.take(|ask| ask.state_vector != NOTHING).iter().map(|ask| ask.from.0).collect();
        assert_eq!(taken, [1, 3]);
    }

    #[test]
    fn encoding_beyond_the_rooms_share_waits() {
        let now = Instant::now();
        let mut queue = PendingReplies::new(now);
        assert!(queue.has_time(now));
        queue.spend(Duration::from_secs(1), now);
        assert!(!queue.has_time(now));
        let due = queue.due().unwrap();
        assert!(due > now + Duration::from_secs(3) && due < now + Duration::from_secs(5));
        queue.on_due();
        assert!(queue.due().is_none() && queue.has_time(due + Duration::from_millis(1)));
    }
}
