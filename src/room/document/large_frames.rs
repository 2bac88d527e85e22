//! What large frames hold in memory that are not shared by all who get them: what somebody lacks, states of a document that are no
//! longer the newest, copies for an address of one client's own. Counted until their peers have taken them, under the name of the user who
//! asked for them first.

use std::sync::{Arc, OnceLock};

use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::wire::Frame;

/// Shorter frames are not counted: each socket is owed one answer at a time, and its outbox bounds all else.
pub const LARGE_BYTES: usize = 64 * 1024;
/// What somebody is told for whom the budget has no room.
pub const TOO_MANY_LARGE: &str = "too many clients are being sent large documents now, try again later";

/// What all rooms together may hold in such frames.
#[derive(Debug)]
pub struct StateBudget(Arc<ByteBudget>);

impl StateBudget {
    /// A budget of `bytes_max`, all free.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self(ByteBudget::new(bytes_max, None)))
    }

    /// Counts a frame, if it is large, until nobody holds it any more. `None`: `payer` holds its share.
    pub fn count(&self, frame: Frame, payer: Payer) -> Option<Frame> {
        if frame.plain_bytes() <= LARGE_BYTES {
            return Some(frame);
        }
        let hold = self.0.has_share_for(payer, frame.plain_bytes()).then(|| self.hold(&frame, payer))?;
        hold.count();
        Some(frame.guarded(hold))
    }

    /// For a frame that may be counted later. `None`: `payer` holds more than its share.
    pub fn hold_uncounted(&self, frame: &Frame, payer: Payer) -> Option<Arc<FrameHold>> {
        self.0.has_share_for(payer, 0).then(|| self.hold(frame, payer))
    }

    fn hold(&self, frame: &Frame, payer: Payer) -> Arc<FrameHold> {
        let (bytes, budget) = (frame.plain_bytes(), self.0.clone());
        Arc::new(FrameHold { bytes, budget, payer, counted: OnceLock::new() })
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
}
