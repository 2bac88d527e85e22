//! Where a room's timeline stands, and its newest entries, as JSON clients are sent them: who comes back after a moment, or reads up
//! to the present from the store, gets the rest from here. Pure.

use std::collections::VecDeque;

use crate::ids::Seq;
use crate::wire::Frame;

/// Most bytes kept; more are in the store.
const BYTES_MAX: usize = 32 * 1024;
/// Most entries kept.
const ENTRIES_MAX: usize = 64;

/// Frames of the newest entries but edits.
#[derive(Debug)]
pub struct Recent {
    /// The newest entry that this room knows to be committed.
    head: Seq,
    frames: VecDeque<(Seq, Frame)>,
    bytes: usize,
    /// All entries but edits after this one are here.
    complete_after: Seq,
}

impl Recent {
    /// Of a room whose newest entry is `head`.
    pub fn new(head: Seq) -> Self {
        Self { head, frames: VecDeque::new(), bytes: 0, complete_after: head }
    }

    /// The newest entry that this room knows to be committed.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Goes on at `head`, where the store is.
    pub fn jump(&mut self, head: Seq) {
        *self = Self::new(head);
    }

    /// Notes a committed entry, the next one: what others wrote before it was read first.
    pub fn advance(&mut self, seq: Seq) {
        self.head = self.head.max(seq);
    }

    /// Keeps no entries, since nobody would ask.
    pub fn forget(&mut self) {
        *self = Self::new(self.head);
    }

    /// Keeps the newest entry.
    pub fn push(&mut self, seq: Seq, frame: Frame) {
        self.bytes += frame.plain_bytes();
        self.frames.push_back((seq, frame));
        while self.bytes > BYTES_MAX || self.frames.len() > ENTRIES_MAX {
            let Some((seq, frame)) = self.frames.pop_front() else { break };
            self.bytes -= frame.plain_bytes();
            self.complete_after = seq;
        }
    }

    /// The frames of all entries but edits after `seq`, if they are all here.
    pub fn after(&self, seq: Seq) -> Option<Vec<Frame>> {
        let later = self.frames.iter().filter(|(at, _)| *at > seq).map(|(_, frame)| frame.clone());
        (seq >= self.complete_after).then(|| later.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Frame {
        Frame::text(&[&vec![b'x'; bytes]])
    }

    #[test]
    fn what_came_after_the_start_is_there_and_what_came_before_is_not() {
        let mut recent = Recent::new(Seq(10));
        recent.push(Seq(11), frame(1));
        recent.push(Seq(15), frame(2));
        assert_eq!(recent.after(Seq(9)), None);
        assert_eq!(recent.after(Seq(10)), Some(vec![frame(1), frame(2)]));
        assert_eq!(recent.after(Seq(12)), Some(vec![frame(2)]));
        assert_eq!(recent.after(Seq(15)), Some(vec![]));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let mut recent = Recent::new(Seq(0));
        for seq in 1..=ENTRIES_MAX as u64 + 1 {
            recent.push(Seq(seq), frame(1));
        }
        assert_eq!(recent.after(Seq(0)), None);
        assert_eq!(recent.after(Seq(1)).map(|frames| frames.len()), Some(ENTRIES_MAX));
        recent.push(Seq(100), frame(BYTES_MAX + 1));
        assert_eq!(recent.after(Seq(99)), None);
        assert_eq!(recent.after(Seq(100)), Some(vec![]));
    }
}
