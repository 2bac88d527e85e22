//! What large frames hold in memory that are not shared by all who get them: what somebody lacks, states of a document that are no
//! longer the newest, copies for an address of one client's own. Counted until their peers have taken them.

use std::sync::{Arc, OnceLock};

use crate::budget::{ByteBudget, HeldBytes};
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

    /// Counts a frame, if it is large, until nobody holds it any more. `None`: there is no room for it.
    pub fn count(&self, frame: Frame) -> Option<Frame> {
        if frame.plain_bytes() <= LARGE_BYTES {
            return Some(frame);
        }
        let hold = self.0.has_room_for(frame.plain_bytes()).then(|| self.hold(&frame))?;
        hold.count();
        Some(frame.guarded(hold))
    }

    /// For a frame that may be counted later. `None`: more is held than should be.
    pub fn hold_uncounted(&self, frame: &Frame) -> Option<Arc<FrameHold>> {
        self.0.has_room_for(0).then(|| self.hold(frame))
    }

    fn hold(&self, frame: &Frame) -> Arc<FrameHold> {
        Arc::new(FrameHold { bytes: frame.plain_bytes(), budget: self.0.clone(), counted: OnceLock::new() })
    }
}

/// Takes from the budget, once it counts, until the last peer has the frame.
#[derive(Debug)]
pub struct FrameHold {
    bytes: usize,
    budget: Arc<ByteBudget>,
    counted: OnceLock<HeldBytes>,
}

impl FrameHold {
    /// It counts from now on.
    pub fn count(&self) {
        self.counted.get_or_init(|| self.budget.hold(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_counts_until_the_last_peer_has_it() {
        let frame = Frame::binary(&[&vec![0; LARGE_BYTES]]);
        let budget = StateBudget::new(frame.plain_bytes());
        let first = budget.count(frame.clone()).unwrap();
        let second = first.clone();
        drop(first);
        assert_eq!(budget.count(frame.clone()), None);
        assert!(budget.hold_uncounted(&frame).is_some(), "what is held is all that may be");
        drop(second);
        assert!(budget.count(frame).is_some());
    }
}
