//! Replies to Step1 that serve all who lack the same, until the next edit. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::large_frames::{FrameHold, LARGE_BYTES, StateBudget};
use crate::budget::Payer;
use crate::document::DeletedContent;
use crate::protocol::Dialect;
use crate::wire::Frame;

/// So many different replies are kept for others who lack the same, beside the whole state, which always is.
const KEPT_MAX: usize = 16;
/// The state vector of who has nothing.
pub const NOTHING: &[u8] = &[0];

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReplyKey {
    /// What it speaks.
    pub dialect: Dialect,
    /// Whether it is shown the content of what is deleted.
    pub deleted: DeletedContent,
    /// The state vector of what it has.
    pub known: Bytes,
}

/// Replies that hold until the next edit. Peers get large ones guarded by their hold, the table has them as they are: so it knows whether any peer
/// is still taking one.
#[derive(Debug, Default)]
pub struct ReplyCache(HashMap<ReplyKey, (Frame, Option<Arc<FrameHold>>)>);

impl ReplyCache {
    /// The reply, if there is one.
    pub fn get(&self, key: &ReplyKey) -> Option<Frame> {
        let (frame, hold) = self.0.get(key)?;
        Some(hold.as_ref().map_or_else(|| frame.clone(), |hold| frame.guarded(hold.clone())))
    }

    /// Keeps a reply to `payer` if it may serve others; `None` if the budget has no room for it.
    pub fn add(&mut self, key: ReplyKey, frame: Frame, budget: &StateBudget, payer: Payer) -> Option<Frame> {
        if frame.plain_bytes() <= LARGE_BYTES {
            if key.known == NOTHING || key.known.len() <= LARGE_BYTES && self.0.len() < KEPT_MAX {
                // A copy: as it came it holds the whole message that it is a part of.
                let known = Bytes::copy_from_slice(&key.known);
                self.0.insert(ReplyKey { known, ..key }, (frame.clone(), None));
            }
            return Some(frame);
        }
        if key.known != NOTHING {
            return budget.count(frame, payer);
        }
        let hold = budget.hold_uncounted(&frame, payer)?;
        let given = frame.guarded(hold.clone());
        self.0.insert(key, (frame, Some(hold)));
        Some(given)
    }

    /// Forgets what no peer is taking: nobody may ask for it again. The rest is held in any case, and serves who asks next; forgotten,
    /// it would count, and the next one be refused for it.
    pub fn sweep(&mut self) {
        self.0.retain(|_, (_, hold)| hold.as_ref().is_some_and(|hold| Arc::strong_count(hold) > 1));
    }

    /// Forgets all: the document is another now. What peers have not taken counts from now on.
    pub fn clear(&mut self) {
        for (_, hold) in self.0.drain().filter_map(|(_, (frame, hold))| Some((frame, hold?))) {
            hold.count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(known: Bytes) -> ReplyKey {
        ReplyKey { dialect: Dialect::Yjs, deleted: DeletedContent::Kept, known }
    }

    #[test]
    fn the_whole_state_is_shared_however_many_ask_for_something_else() {
        let (budget, frame) = (StateBudget::new(0), Frame::binary(&[b"frame"]));
        let request = |known: &[u8]| asked(Bytes::copy_from_slice(known));
        let mut cache = ReplyCache::default();
        for other in 1..=u8::MAX {
            cache.add(request(&[1, other, 1]), frame.clone(), &budget, Payer::of("ada"));
        }
        assert_eq!(cache.0.len(), KEPT_MAX);
        cache.add(request(NOTHING), frame.clone(), &budget, Payer::of("ada"));
        assert_eq!(cache.get(&request(NOTHING)), Some(frame));
    }

    #[test]
    fn a_state_outlives_sweeps_for_as_long_as_a_peer_takes_it_and_counts_once_the_document_is_another() {
        let whole = asked(Bytes::from_static(NOTHING));
        let frame = Frame::binary(&[&vec![0; LARGE_BYTES + 1]]);
        let ada = Payer::of("ada");
        let budget = StateBudget::new(2 * frame.plain_bytes());
        let is_free = || budget.count(frame.clone(), ada).is_some();
        let mut cache = ReplyCache::default();

        let first = cache.add(whole.clone(), frame.clone(), &budget, ada);
        let second = cache.get(&whole);
        assert_eq!((&first, &second), (&Some(frame.clone()), &Some(frame.clone())));
        drop(first);
        cache.sweep();
        assert_eq!((cache.get(&whole), is_free()), (Some(frame.clone()), true));
        cache.clear();
        assert_eq!((cache.get(&whole), is_free()), (None, false));
        drop(second);
        assert!(is_free());

        drop(cache.add(whole.clone(), frame.clone(), &budget, ada));
        cache.sweep();
        assert_eq!(cache.get(&whole), None);
    }
}
