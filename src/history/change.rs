//! Who changed something, by which edit, and when.

use super::authors::Credit;
use super::blame::is_soon;
use crate::ids::Seq;

/// Whose edit something is, by the numbers of users.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub seq: Seq,
    pub at_ms: i64,
    pub by: u32,
    pub via: Option<u32>,
}

impl Stamp {
    /// Whether both are one author's, within one session.
    pub fn goes_on(self, next: Self) -> bool {
        (self.by, self.via) == (next.by, next.via) && is_soon(self.at_ms, next.at_ms)
    }
}

/// Who changed something, by which edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose it is.
    pub credit: Credit,
    pub(super) stamp: Stamp,
}

impl Change {
    /// The newest edit of it.
    pub fn seq(&self) -> Seq {
        self.stamp.seq
    }

    /// When that was, in Unix milliseconds.
    pub fn at_ms(&self) -> i64 {
        self.stamp.at_ms
    }

    /// Whether both are one author's, within one session.
    pub(super) fn goes_on(&self, next: &Self) -> bool {
        self.stamp.goes_on(next.stamp)
    }

    /// Becomes the newer one.
    pub(super) fn take(&mut self, next: Self) {
        if next.stamp > self.stamp {
            *self = next;
        }
    }
}
