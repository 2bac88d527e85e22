//! Where a history begins, once what was before is dropped: which states there still are, and whose the text is that stands for text
//! that is gone.

use super::authors::Credit;
use crate::document::IdRange;
use crate::ids::Seq;

/// What is known of the time before a history begins.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Moments {
    /// The seq at which it begins.
    pub seq: Seq,
    /// When the last edit until then was committed, in Unix milliseconds.
    pub last_ms: i64,
    /// Seqs before, ascending, whose states are kept, too.
    pub versions: Vec<Seq>,
    /// Whose is what is kept, also where it stands for text that is gone. By client and clock.
    pub moved: Vec<Moved>,
}

/// Units of which it is known whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    pub to: IdRange,
    pub credit: Credit,
    pub seq: Seq,
    pub at_ms: i64,
}

impl Moments {
    /// What is known of a range, clipped to it.
    pub fn moved_in(&self, range: IdRange) -> impl Iterator<Item = (IdRange, &Moved)> {
        let first = self.moved.partition_point(|moved| (moved.to.client, moved.to.end) <= (range.client, range.start));
        let is_within = move |moved: &&Moved| (moved.to.client, moved.to.start) < (range.client, range.end);
        self.moved[first..].iter().take_while(is_within).map(move |moved| {
            let (start, end) = (moved.to.start.max(range.start), moved.to.end.min(range.end));
            (IdRange { start, end, ..range }, moved)
        })
    }

    /// Whether the state after the entry at `seq` can be told.
    pub fn has(&self, seq: Seq) -> bool {
        seq >= self.seq || self.versions.binary_search(&seq).is_ok()
    }
}
