//! The live document of a room: edits, replies to Step1, what is missing of whom, when a snapshot is due. Knows neither the timeline
//! nor presence.

mod acknowledgements;
mod editing;
mod large_frames;
mod loading;
mod missing;
mod origin;
#[cfg(test)]
mod promise;
mod refusals;
mod reply_cache;
mod reply_queue;
mod saved_questions;
mod snapshots;
mod sync_replies;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::archive::Tail;
use crate::budget::{ByteBudget, HeldBytes};
use crate::document::{Blocks, Known};
use crate::ids::UserId;

pub use acknowledgements::acknowledge;
pub use large_frames::{StateBudget, TOO_MANY_LARGE};
pub use loading::LoadError;
pub use origin::EditOrigin;
pub use refusals::refuse_for_good;

use missing::MissingEdits;
use reply_cache::ReplyCache;
use reply_queue::PendingReplies;
use snapshots::Snapshots;

/// What a loaded room has of its document.
pub struct LiveDocument {
    blocks: Blocks,
    /// What it counts in what all live documents hold.
    held: HeldBytes,
    /// Who brought each Yjs client first; what others forward of it keeps that name.
    authors: HashMap<u64, UserId>,
    /// Replies for who lacks the same as somebody before; until the next edit or sweep.
    replies: ReplyCache,
    /// Who waits for a reply.
    queue: PendingReplies,
    /// What replies may hold in large frames.
    states: Arc<StateBudget>,
    /// Of whom something is missing.
    missing: MissingEdits,
    /// What was taken of others since edits of this room wait to be stored: those may repeat it.
    elsewhere: Known,
    /// When the next snapshot is due.
    pub snapshots: Snapshots,
}

impl LiveDocument {
    fn new(
        blocks: Blocks,
        authors: HashMap<u64, UserId>,
        tail: Tail,
        documents: &Arc<ByteBudget>,
        states: Arc<StateBudget>,
        now: Instant,
    ) -> Self {
        Self {
            held: documents.hold(blocks.held()),
            blocks,
            authors,
            replies: ReplyCache::default(),
            queue: PendingReplies::new(now),
            states,
            missing: MissingEdits::default(),
            elsewhere: Known::default(),
            snapshots: Snapshots::new(tail),
        }
    }

    /// Whether nobody has written anything.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether all live documents together hold more than they should.
    pub fn is_over_budget(&self) -> bool {
        self.held.budget().is_full()
    }

    /// Forgets replies that no peer is taking.
    pub fn sweep(&mut self) {
        self.replies.sweep();
    }

    /// The document is another now.
    fn on_changed(&mut self) {
        self.replies.clear();
        self.held.set(self.blocks.held());
    }
}
