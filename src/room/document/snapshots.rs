//! When a snapshot is due: what keeps a room's loading in proportion to its document, however old the room is. It is built from the
//! store, never from the live document, which holds uncommitted edits; beside the room, which goes on meanwhile. Pure.

use crate::archive::Tail;

/// What of the document has to be loaded beside its newest snapshot, and whether the next one is being made.
#[derive(Debug)]
pub struct Snapshots {
    tail: Tail,
    /// The tail's bytes when the snapshot was begun that is being made.
    making: Option<usize>,
}

impl Snapshots {
    /// Of a room that was loaded with this tail.
    pub fn new(tail: Tail) -> Self {
        Self { tail, making: None }
    }

    /// Counts edits that were committed.
    pub fn lengthen(&mut self, bytes: usize) {
        self.tail.lengthen(bytes);
    }

    /// Whether a snapshot is to be made now; it counts as being made then.
    pub fn begin(&mut self) -> bool {
        let is_due = self.making.is_none() && self.tail.is_long();
        if is_due {
            self.making = Some(self.tail.bytes());
        }
        is_due
    }

    /// A snapshot was made of so many bytes, or none could be. In any case the tail is shorter, so that a fault is not repeated with
    /// each edit.
    pub fn end(&mut self, state_bytes: Option<usize>) {
        let before = self.making.take().unwrap_or_default();
        self.tail.shorten(before, state_bytes.unwrap_or(self.tail.state_bytes()));
    }

    /// Whether one is being made.
    pub fn is_making(&self) -> bool {
        self.making.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_at_a_time_when_the_tail_is_long_and_not_again_after_a_fault() {
        let mut snapshots = Snapshots::new(Tail::default());
        assert!(!snapshots.begin());
        snapshots.lengthen(10 << 20);
        assert!(snapshots.begin() && snapshots.is_making());
        assert!(!snapshots.begin());
        snapshots.end(None);
        assert!(!snapshots.is_making() && !snapshots.begin());
        snapshots.lengthen(10 << 20);
        assert!(snapshots.begin());
        snapshots.lengthen(30 << 20);
        snapshots.end(Some(1 << 20));
        assert!(snapshots.begin(), "what was committed meanwhile is long enough for the next");
    }
}
