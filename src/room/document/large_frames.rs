//! What large frames hold in memory that are not shared by all who get them: what somebody lacks, states of a document that are no
//! longer the newest, copies for an address of one client's own. Counted until their peers have taken them, under the name of the user who
//! asked for them first. And what state vectors hold that are kept.

use std::sync::{Arc, OnceLock};

use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::document::{Clocks, PackedClocks};
use crate::room::members::KeptClocks;
use crate::wire::Frame;

/// Shorter frames are not counted: each socket is owed one answer at a time, and its outbox bounds all else.
pub const LARGE_BYTES: usize = 64 * 1024;
/// As many clocks are kept without being counted: they take no more than the member itself.
const FEW_CLOCKS: usize = 64;
/// What is kept of state vectors, as a part of what frames may hold. It is held as long as its senders like, so it is not the frames'.
const VECTORS_PART: usize = 4;
/// What somebody is told for whom the budget has no room.
pub const TOO_MANY_LARGE: &str = "too many clients are being sent large documents now, try again later";

/// What all rooms together may hold in such frames, and beside them in state vectors.
#[derive(Debug)]
pub struct StateBudget {
    frames: Arc<ByteBudget>,
    vectors: Arc<ByteBudget>,
}

impl StateBudget {
    /// A budget of `bytes_max` for frames, all free.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        let vectors = ByteBudget::new(bytes_max / VECTORS_PART, None);
        Arc::new(Self { frames: ByteBudget::new(bytes_max, None), vectors })
    }

    /// Counts a frame, if it is large, until nobody holds it any more. `None`: `payer` holds its share.
    pub fn count(&self, frame: Frame, payer: Payer) -> Option<Frame> {
        if frame.plain_bytes() <= LARGE_BYTES {
            return Some(frame);
        }
        let hold = self.frames.has_share_for(payer, frame.plain_bytes()).then(|| self.hold(&frame, payer))?;
        hold.count();
        Some(frame.guarded(hold))
    }

    /// For a frame that may be counted later. `None`: `payer` holds more than its share.
    pub fn hold_uncounted(&self, frame: &Frame, payer: Payer) -> Option<Arc<FrameHold>> {
        self.frames.has_share_for(payer, 0).then(|| self.hold(frame, payer))
    }

    fn hold(&self, frame: &Frame, payer: Payer) -> Arc<FrameHold> {
        let (bytes, budget) = (frame.plain_bytes(), self.frames.clone());
        Arc::new(FrameHold { bytes, budget, payer, counted: OnceLock::new() })
    }

    /// Keeps a state vector that `payer` has sent. `None`: there are more than a few clocks, and `payer`, if anybody pays for it, holds its share.
    pub fn keep(&self, clocks: &Clocks, payer: Option<Payer>) -> Option<KeptClocks> {
        let held = if clocks.len() <= FEW_CLOCKS {
            None
        } else {
            let mut held = self.vectors.hold_for(payer?, 0);
            held.try_add_fairly(PackedClocks::bytes(clocks.len())).then_some(())?;
            Some(held)
        };
        Some(KeptClocks { clocks: PackedClocks::from(clocks), held })
    }
}

/// Takes from the budget, once it counts, until the last peer has the frame.
#[derive(Debug)]
pub struct FrameHold {
    bytes: usize,
    budget: Arc<ByteBudget>,
    payer: Payer,
    counted: OnceLock<HeldBytes>,
}

impl FrameHold {
    /// It counts from now on.
    pub fn count(&self) {
        self.counted.get_or_init(|| self.budget.hold_for(self.payer, self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_counts_until_the_last_peer_has_it() {
        let frame = Frame::binary(&[&vec![0; LARGE_BYTES]]);
        let (budget, ada) = (StateBudget::new(3 * frame.plain_bytes()), Payer::of("ada"));
        let first = budget.count(frame.clone(), ada).unwrap();
        let second = first.clone();
        drop(first);
        assert_eq!(budget.count(frame.clone(), ada), None);
        assert!(budget.hold_uncounted(&frame, ada).is_some(), "what is held is no more than what is left");
        assert!(budget.count(frame.clone(), Payer::of("bob")).is_some(), "there is as much for somebody else");
        drop(second);
        assert!(budget.count(frame, ada).is_some());
    }

    #[test]
    fn rule_37_state_vectors_of_more_than_a_few_clocks_are_kept_within_a_share_and_a_readers_are_not() {
        let clocks = |len: usize| {
            let mut clocks = Clocks::default();
            (0..len as u64).for_each(|client| clocks.set(client, 1));
            clocks
        };
        let large = clocks(FEW_CLOCKS + 1);
        let budget = StateBudget::new(2 * VECTORS_PART * PackedClocks::bytes(large.len()));
        let [ada, bob] = ["ada", "bob"].map(|user| Some(Payer::of(user)));
        let kept = budget.keep(&large, ada).unwrap();
        assert!(budget.keep(&large, ada).is_none() && budget.keep(&large, None).is_none());
        assert!(budget.keep(&clocks(FEW_CLOCKS), None).is_some(), "a few are kept for anybody");
        let others = budget.keep(&large, bob);
        assert!(others.is_none(), "a share leaves as much for all others");
        assert_eq!((kept.clocks.get(FEW_CLOCKS as u64), budget.frames.held()), (1, 0));
        drop(kept);
        assert_eq!(budget.vectors.held(), 0);
        assert!(budget.keep(&large, bob).is_some());
    }
}
