//! Appends that wait for a commit, and which of them go next: so that whoever has little to store waits for one portion of what others
//! have, or for one large entry, however much waits. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// How much an append, or several of them, bring to a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Entries.
    pub entries: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// Yjs clients to bind.
    pub clients: usize,
}

/// An append of no more is little. Of those a commit has as many as fit.
const LITTLE: Size = Size { entries: 64, bytes: 16 << 10, clients: 64 };

/// What a portion has at least.
pub const PORTION: Size = Size { entries: 256, bytes: 256 << 10, clients: 256 };
/// What an entry and a byte take a database, about. Where a commit takes long anyway, as over a network, a portion has what takes as long
/// once more.
const ENTRY_TAKES: Duration = Duration::from_micros(10);
const BYTE_TAKES_NS: u64 = 10;
/// What is believed at most of what a commit takes anyway: beyond it something else is wrong.
const COMMIT_TAKES_MAX: Duration = Duration::from_millis(100);

impl Size {
    /// Both together.
    pub fn with(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            bytes: self.bytes.saturating_add(other.bytes),
            clients: self.clients + other.clients,
        }
    }

    /// What so much takes a database beside what each commit takes anyway, about.
    fn takes(self) -> Duration {
        ENTRY_TAKES * u32::try_from(self.entries).unwrap_or(u32::MAX)
            + Duration::from_nanos(self.bytes as u64 * BYTE_TAKES_NS)
    }

    fn fits(self, max: Self) -> bool {
        self.entries <= max.entries && self.bytes <= max.bytes && self.clients <= max.clients
    }

    fn or_less(self, max: Self) -> Self {
        Self {
            entries: self.entries.min(max.entries),
            bytes: self.bytes.min(max.bytes),
            clients: self.clients.min(max.clients),
        }
    }
}

/// How much rooms with much to store add to one commit, all of them together.
#[derive(Debug)]
pub struct Portion {
    /// What is never exceeded.
    max: Size,
    /// How long a commit of nothing takes, at its quickest of late.
    commit_takes: Duration,
}

impl Portion {
    /// Of a database of which nothing is known, and of at most `max`.
    pub fn new(max: Size) -> Self {
        Self { max, commit_takes: Duration::ZERO }
    }

    /// A commit of so much took so long. Of one of much more than a portion it is not known what it took anyway.
    pub fn committed(&mut self, size: Size, took: Duration) {
        if !size.fits(self.size().with(LITTLE)) {
            return;
        }
        let took_anyway = took.saturating_sub(size.takes()).min(COMMIT_TAKES_MAX);
        self.commit_takes = match took_anyway.checked_sub(self.commit_takes) {
            Some(longer) => self.commit_takes + longer / 16,
            None => took_anyway,
        };
    }

    /// How much it is now.
    pub fn size(&self) -> Size {
        let entries = (self.commit_takes.as_nanos() / ENTRY_TAKES.as_nanos()) as usize;
        let bytes = self.commit_takes.as_nanos() as usize / BYTE_TAKES_NS as usize;
        Size {
            entries: entries.max(PORTION.entries),
            bytes: bytes.max(PORTION.bytes),
            clients: entries.max(PORTION.clients),
        }
        .or_less(self.max)
    }
}

/// Who goes first.
#[derive(Clone, Copy)]
enum Turn {
    Little,
    Much,
    Large,
}

/// What waits, in the order in which it came.
pub struct Lane<T> {
    little: Line<T>,
    /// What is more, but no more than a portion.
    much: Line<T>,
    /// What is more than that.
    large: Line<T>,
    turn: Turn,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { little: Line::default(), much: Line::default(), large: Line::default(), turn: Turn::Little }
    }
}

impl<T> Lane<T> {
    /// Adds an append. Appends are made to fit the `portion` of the time, but for single entries that are larger.
    pub fn push(&mut self, size: Size, portion: Size, append: T) {
        let line = match size {
            size if size.fits(LITTLE) => &mut self.little,
            size if size.fits(portion) => &mut self.much,
            _ => &mut self.large,
        };
        line.entries += size.entries;
        line.waiting.push_back((size, append));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.little.waiting.is_empty() && self.much.waiting.is_empty() && self.large.waiting.is_empty()
    }

    /// Entries of all that waits.
    pub fn entries(&self) -> usize {
        self.little.entries + self.much.entries + self.large.entries
    }

    /// Whose turn it is, and who has the next one: those who wait for none are passed over.
    fn take_turn(&mut self) -> Turn {
        let [little, much, large] = [&self.little, &self.much, &self.large].map(|line| !line.waiting.is_empty());
        let turn = match self.turn {
            Turn::Little if little => Turn::Little,
            Turn::Little | Turn::Much if much => Turn::Much,
            _ if large => Turn::Large,
            _ if little => Turn::Little,
            _ => Turn::Much,
        };
        self.turn = match turn {
            Turn::Little => Turn::Much,
            Turn::Much => Turn::Large,
            Turn::Large => Turn::Little,
        };
        turn
    }

    /// The appends of the next commit, at most `max`, but at least one, if any wait: as many as fit of those with little, and a `portion`
    /// of those with more. What alone is more than a portion has a commit for itself. They take turns in going first, so none keeps
    /// another out.
    pub fn next_batch(&mut self, max: Size, portion: Size) -> Vec<T> {
        let mut batch = Batch { appends: Vec::new(), size: Size::default() };
        match self.take_turn() {
            Turn::Little => {
                batch.take(&mut self.little, max);
                batch.take(&mut self.much, batch.size.with(portion).or_less(max));
            }
            Turn::Much => batch.take_portion(&mut self.much, &mut self.little, portion, max),
            Turn::Large => batch.take_portion(&mut self.large, &mut self.little, portion, max),
        }
        batch.appends
    }
}

struct Line<T> {
    waiting: VecDeque<(Size, T)>,
    entries: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), entries: 0 }
    }
}

struct Batch<T> {
    appends: Vec<T>,
    size: Size,
}

impl<T> Batch<T> {
    /// Takes from the front of `line` until all together are `max`; into an empty batch one of any size.
    fn take(&mut self, line: &mut Line<T>, max: Size) {
        while let Some((size, _)) = line.waiting.front()
            && (self.appends.is_empty() || self.size.with(*size).fits(max))
        {
            self.take_one(line);
        }
    }

    /// Takes a `portion` of `first`, and as many of `little` as fit beside it; beside what alone is more than a portion, none.
    fn take_portion(&mut self, first: &mut Line<T>, little: &mut Line<T>, portion: Size, max: Size) {
        self.take(first, portion.or_less(max));
        if self.size.fits(portion) {
            self.take(little, max);
        }
    }

    fn take_one(&mut self, line: &mut Line<T>) {
        if let Some((size, append)) = line.waiting.pop_front() {
            line.entries -= size.entries;
            self.size = self.size.with(size);
            self.appends.push(append);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: Size = Size { entries: 2_000, bytes: 1 << 20, clients: 4_096 };

    fn entries(entries: usize) -> Size {
        Size { entries, bytes: 20 * entries, clients: 0 }
    }

    #[test]
    fn whoever_has_little_to_store_waits_for_one_portion_of_those_with_much() {
        let mut lane = Lane::default();
        (0..100).for_each(|room| lane.push(entries(PORTION.entries), PORTION, room));
        assert_eq!(lane.next_batch(MAX, PORTION), [0]);
        (100..120).for_each(|room| lane.push(entries(3), PORTION, room));
        let mut next = lane.next_batch(MAX, PORTION);
        next.sort_unstable();
        let mut expected: Vec<_> = (100..120).collect();
        expected.insert(0, 1);
        assert_eq!(next, expected);
        assert_eq!(lane.entries(), 98 * PORTION.entries);
    }

    #[test]
    fn what_is_more_than_a_portion_has_a_commit_for_itself_after_those_with_little() {
        let large = Size { entries: 1, bytes: 4 << 20, clients: 1 };
        let mut lane = Lane::default();
        lane.push(large, PORTION, "large");
        lane.push(entries(1), PORTION, "little");
        lane.push(large, PORTION, "large too");
        assert_eq!(lane.next_batch(MAX, PORTION), ["little"]);
        lane.push(entries(1), PORTION, "later");
        assert_eq!(lane.next_batch(MAX, PORTION), ["large"]);
        assert_eq!(lane.next_batch(MAX, PORTION), ["later"]);
        assert_eq!(lane.next_batch(MAX, PORTION), ["large too"]);
        assert!(lane.next_batch(MAX, PORTION).is_empty());
    }

    #[test]
    fn a_portion_is_small_where_commits_are_quick_and_grows_with_what_each_takes_anyway() {
        let mut portion = Portion::new(MAX);
        assert_eq!(portion.size(), PORTION);
        for _ in 0..100 {
            portion.committed(entries(1), Duration::from_millis(1));
            // What a large one takes says nothing of what a commit takes anyway.
            portion.committed(entries(PORTION.entries + LITTLE.entries + 1), Duration::from_secs(1));
        }
        assert_eq!(portion.size(), PORTION);
        (0..100).for_each(|_| portion.committed(entries(1), Duration::from_secs(2)));
        assert_eq!(portion.size(), MAX);
        portion.committed(entries(0), Duration::from_millis(5));
        assert_eq!(portion.size().entries, 500);
    }

    #[test]
    fn a_portion_grows_under_steady_load_and_not_for_one_slow_commit() {
        let mut portion = Portion::new(MAX);
        portion.committed(entries(1), Duration::from_secs(60));
        assert!(portion.size().entries <= 1_000, "{:?}", portion.size());
        let mut commit = |takes: Duration| {
            let full = Size { bytes: 0, ..portion.size().with(LITTLE) };
            portion.committed(full, takes + full.takes());
            portion.size().entries
        };
        let grown = (0..100).map(|_| commit(Duration::from_millis(10))).last().unwrap();
        assert!(grown > 950 && grown <= 1_000, "{grown}");
        assert_eq!(commit(Duration::from_millis(1)), PORTION.entries);
    }

    #[test]
    fn a_room_with_many_small_edits_does_not_wait_for_all_large_ones() {
        let large = Size { entries: 1, bytes: 4 << 20, clients: 1 };
        let mut lane = Lane::default();
        let grown = Size { entries: 1_000, bytes: 1 << 20, clients: 1_000 };
        for (many, portion) in [(100, PORTION), (300, grown)] {
            (0..10).for_each(|_| lane.push(large, portion, "large"));
            lane.push(entries(many), portion, "many");
            let before =
                std::iter::repeat_with(|| lane.next_batch(MAX, portion)).take_while(|batch| *batch != ["many"]).count();
            assert!(before <= 1, "{before}");
        }
    }

    proptest! {
        /// Rooms with something to store again and again, each one append at a time.
        #[test]
        fn everything_is_committed_and_whoever_has_little_waits_for_no_more_than_one_portion_or_large_append_before(
            rooms in prop::collection::vec((1_usize..300, 1_usize..400_000, 1_usize..10), 1..40),
            entries_max in 1_usize..4_000,
            commit_takes_us in prop_oneof![0_u64..2_000, 0_u64..50_000],
        ) {
            let max = Size { entries: entries_max, ..MAX };
            let portion = Portion { max, commit_takes: Duration::from_micros(commit_takes_us) }.size();
            let sizes: Vec<Size> = rooms.iter().map(|&(entries, bytes, _)| Size { entries, bytes: bytes / 10, clients: 0 }).collect();
            let mut left: Vec<usize> = rooms.iter().map(|(_, _, appends)| *appends).collect();
            let of_little = sizes.iter().filter(|size| size.fits(LITTLE)).fold(portion, |all, size| all.with(*size));
            let commits_max = if of_little.fits(max) { 1 } else { 3 * rooms.len() };
            let mut waited = vec![0; rooms.len()];
            let mut lane = Lane::default();
            (0..rooms.len()).for_each(|room| lane.push(sizes[room], portion, room));
            while left.iter().any(|left| *left > 0) {
                let batch = lane.next_batch(max, portion);
                let all = batch.iter().fold(Size::default(), |all, room| all.with(sizes[*room]));
                prop_assert!(!batch.is_empty() && (all.fits(max) || batch.len() == 1), "{all:?}");
                let much: Vec<Size> = batch.iter().map(|room| sizes[*room]).filter(|size| !size.fits(LITTLE)).collect();
                let together = much.iter().fold(Size::default(), |all, size| all.with(*size));
                prop_assert!(together.fits(portion) || (much.len() == 1 && batch.len() == 1), "{much:?}");
                for room in (0..rooms.len()).filter(|room| left[*room] > 0 && !batch.contains(room)) {
                    waited[room] += 1;
                    let commits_max = if sizes[room].fits(LITTLE) { commits_max } else { 3 * rooms.len() };
                    prop_assert!(waited[room] <= commits_max, "{room} has waited for {} commits", waited[room]);
                }
                for room in batch {
                    prop_assert!(left[room] > 0);
                    (left[room], waited[room]) = (left[room] - 1, 0);
                    if left[room] > 0 {
                        lane.push(sizes[room], portion, room);
                    }
                }
            }
            prop_assert_eq!(lane.entries(), 0);
        }
    }
}
