//! Ranges of clocks of one Yjs client: what of it is deleted, or stored.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

/// Ranges that neither overlap nor adjoin, each by its first clock and the clock after its last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u32, u32>);

impl Ranges {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `start..end` is in.
    pub fn cover(&self, start: u32, end: u32) -> bool {
        self.0.range(..=start).next_back().is_some_and(|(_, last)| *last >= end)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(|(start, end)| (*start, *end))
    }

    /// Those that end after `clock`, in order.
    pub fn after(&self, clock: u32) -> After<'_> {
        let before = self.0.range(..=clock).next_back().filter(|(_, end)| **end > clock);
        After {
            first: before.map(|(start, end)| (*start, *end)),
            rest: self.0.range((Bound::Excluded(clock), Bound::Unbounded)),
        }
    }

    /// The parts of `start..end` that are not in.
    pub fn missing(&self, start: u32, end: u32) -> Missing<'_> {
        Missing { known: self.after(start), at: start, end }
    }

    /// Adds `start..end`, joined with what it touches.
    pub fn insert(&mut self, mut start: u32, mut end: u32) {
        if let Some((before, last)) = self.0.range(..=start).next_back()
            && *last >= start
        {
            start = *before;
            end = end.max(*last);
        }
        while let Some((&next, &last)) = self.0.range((Bound::Excluded(start), Bound::Included(end))).next() {
            self.0.remove(&next);
            end = end.max(last);
        }
        self.0.insert(start, end);
    }
}

/// See [`Ranges::after`].
#[derive(Debug)]
pub(super) struct After<'r> {
    first: Option<(u32, u32)>,
    rest: btree_map::Range<'r, u32, u32>,
}

impl Iterator for After<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        self.first.take().or_else(|| self.rest.next().map(|(start, end)| (*start, *end)))
    }
}

/// See [`Ranges::missing`].
#[derive(Debug)]
pub(super) struct Missing<'r> {
    known: After<'r>,
    at: u32,
    end: u32,
}

impl Iterator for Missing<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        while self.at < self.end {
            let from = self.at;
            let (start, end) = self.known.next().unwrap_or((u32::MAX, u32::MAX));
            self.at = end;
            if start > from {
                return Some((from, start.min(self.end)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_their_clocks(added in prop::collection::vec((0u32..60, 1u32..12), 0..30), asked in (0u32..60, 1u32..30)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (start, len) in added {
                let missing: Vec<u32> = ranges.missing(start, start + len).flat_map(|(from, to)| from..to).collect();
                let expected: Vec<u32> = (start..start + len).filter(|clock| !set.contains(clock)).collect();
                prop_assert_eq!(missing, expected);
                ranges.insert(start, start + len);
                set.extend(start..start + len);
            }
            let all: Vec<u32> = ranges.iter().flat_map(|(from, to)| from..to).collect();
            prop_assert_eq!(all, set.iter().copied().collect::<Vec<_>>());
            prop_assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.1 < next.0));
            let (start, end) = (asked.0, asked.0 + asked.1);
            prop_assert_eq!(ranges.cover(start, end), (start..end).all(|clock| set.contains(&clock)));
            let after: Vec<u32> = ranges.after(start).flat_map(|(from, to)| from.max(start)..to).collect();
            prop_assert_eq!(after, set.range(start..).copied().collect::<Vec<_>>());
        }
    }
}
