//! Gives a room's new entries their seqs: pure, and the same for every database. Does not know how entries are stored.

use std::collections::HashMap;

use super::entry::{Append, Condition, EntryKind, KEY_BYTES_MAX, NewEntry, Placed, Refused, RoomId};
use crate::ids::{Seq, UserId};

/// A room's row, locked: nobody else appends to it until the transaction ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub room: RoomId,
    /// The newest entry's seq.
    pub seq: Seq,
    /// The newest entry's time.
    pub at_ms: i64,
}

/// An entry that has its seq and waits to be inserted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub room: RoomId,
    pub seq: Seq,
    pub at_ms: i64,
    pub entry: &'a NewEntry,
}

/// Numbers one room's entries, in order, without gaps.
#[derive(Debug)]
pub(super) struct Numbering<'a> {
    head: Head,
    /// The time of all that is new.
    at_ms: i64,
    known: HashMap<(&'a UserId, &'a str), (Seq, i64)>,
    steps: Steps,
}

/// How the steps of an append follow those in the table.
#[derive(Debug, Default)]
struct Steps {
    /// The newest step; `None`: not known.
    newest: Option<Seq>,
    /// The newest one as the append's own steps named it, and the last of those.
    followed: Option<(Seq, Seq)>,
    /// Named by a step that was refused: nothing else follows it here.
    broken: Vec<Seq>,
}

impl Steps {
    fn is_newest(&self, seq: Seq) -> bool {
        let newest = self.newest.unwrap_or(Seq::ZERO);
        !self.broken.contains(&seq) && (newest == seq || self.followed == Some((seq, newest)))
    }

    fn on_stored(&mut self, condition: Option<Condition>, seq: Seq) {
        self.newest = Some(seq);
        if let Some(Condition::NewestStep(named)) = condition {
            self.followed = Some((named, seq));
        }
    }

    fn on_refused(&mut self, condition: Option<Condition>) {
        if let Some(Condition::NewestStep(named)) = condition {
            self.broken.push(named);
        }
    }
}

impl<'a> Numbering<'a> {
    /// Starts after `head`; entries get the time `now_ms`, or the head's if that is later.
    pub fn new(head: Head, now_ms: i64) -> Self {
        Self { head, at_ms: now_ms.max(head.at_ms), known: HashMap::new(), steps: Steps::default() }
    }

    /// Tells of the newest step in the table, which conditions may ask for.
    pub fn know_newest_step(&mut self, seq: Option<Seq>) {
        self.steps.newest = seq;
    }

    /// The newest step after all that was taken, if it is known.
    pub fn newest_step(&self) -> Option<Seq> {
        self.steps.newest
    }

    /// Tells of an entry in the table whose key is one of those to come.
    pub fn know(&mut self, author: &'a UserId, key: &'a str, seq: Seq, at_ms: i64) {
        self.known.insert((author, key), (seq, at_ms));
    }

    /// Where `entry` goes: to its key's first entry, or next after the head, if what it asks for holds. Spends no seq.
    pub fn place(&self, entry: &'a NewEntry) -> Result<Placed, Refused> {
        let first = entry.key.as_deref().and_then(|key| self.known.get(&(&entry.author, key)));
        if let Some(&(seq, at_ms)) = first {
            return Ok(Placed { seq, at_ms, is_new: false });
        }
        let holds = match entry.condition {
            None => true,
            Some(Condition::Head(seq)) => self.head.seq == seq,
            Some(Condition::NewestStep(seq)) => self.steps.is_newest(seq),
            // Its key is not.
            Some(Condition::Known) => false,
        };
        match holds {
            true => Ok(Placed { seq: Seq(self.head.seq.0 + 1), at_ms: self.at_ms, is_new: true }),
            false => Err(Refused::Stale),
        }
    }

    /// Notes that `entry` was refused.
    pub fn refuse(&mut self, entry: &NewEntry) {
        self.steps.on_refused(entry.condition);
    }

    /// Takes what [`place`](Self::place) gave for a new `entry`: the head moves.
    pub fn take(&mut self, entry: &'a NewEntry, placed: Placed) {
        self.head.seq = placed.seq;
        self.head.at_ms = placed.at_ms;
        if entry.kind == EntryKind::Step {
            self.steps.on_stored(entry.condition, placed.seq);
        }
        if let Some(key) = entry.key.as_deref() {
            self.know(&entry.author, key, placed.seq, placed.at_ms);
        }
    }

    /// Gives each entry of `append` its place, in order; `rows` gets the new ones.
    pub fn place_all(
        &mut self,
        append: &'a Append,
        entry_bytes_max: usize,
        rows: &mut Vec<Row<'a>>,
    ) -> Vec<Result<Placed, Refused>> {
        let place = |entry: &'a NewEntry| {
            let placed = check(entry, entry_bytes_max).and_then(|()| self.place(entry));
            match placed {
                Ok(placed) if placed.is_new => {
                    rows.push(self.row(entry, placed));
                    self.take(entry, placed);
                }
                Ok(_) => {}
                Err(_) => self.refuse(entry),
            }
            placed
        };
        append.entries.iter().map(place).collect()
    }

    /// The room's head after all that was taken.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The row of a new `entry`.
    pub fn row(&self, entry: &'a NewEntry, placed: Placed) -> Row<'a> {
        Row { room: self.head.room, seq: placed.seq, at_ms: placed.at_ms, entry }
    }
}

/// Refuses, before any SQL, what no database of ours can store.
pub(super) fn check(entry: &NewEntry, entry_bytes_max: usize) -> Result<(), Refused> {
    let key = entry.key.as_deref().unwrap_or_default();
    let via = entry.via.as_ref().map_or("", UserId::as_str);
    if [entry.author.as_str(), via, key].iter().any(|text| text.contains('\0')) {
        return Err(Refused::Nul);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Refused::KeyTooLong);
    }
    if entry.body.len() > entry_bytes_max {
        return Err(Refused::TooLarge { max: entry_bytes_max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::EntryKind;

    const HEAD: Head = Head { room: RoomId(7), seq: Seq(10), at_ms: 1_000 };

    fn entry(author: &str, key: Option<&str>) -> NewEntry {
        let key = key.map(str::to_owned);
        NewEntry {
            kind: EntryKind::Message,
            author: UserId::new(author),
            via: None,
            key,
            condition: None,
            body: Bytes::from_static(b"x"),
        }
    }

    #[test]
    fn new_entries_follow_the_head_without_gaps() {
        let (a, b) = (entry("ada", None), entry("bob", None));
        let mut numbering = Numbering::new(HEAD, 2_000);
        for (entry, seq) in [(&a, 11), (&b, 12)] {
            let placed = numbering.place(entry).unwrap();
            assert_eq!(placed, Placed { seq: Seq(seq), at_ms: 2_000, is_new: true });
            numbering.take(entry, placed);
        }
        assert_eq!(numbering.head(), Head { room: RoomId(7), seq: Seq(12), at_ms: 2_000 });
    }

    #[test]
    fn a_clock_behind_the_head_does_not_take_time_back() {
        let entry = entry("ada", None);
        assert_eq!(Numbering::new(HEAD, 999).place(&entry).unwrap().at_ms, 1_000);
    }

    #[test]
    fn a_placed_entry_that_is_not_taken_spends_no_seq() {
        let (a, b) = (entry("ada", Some("k")), entry("bob", None));
        let numbering = Numbering::new(HEAD, 2_000);
        assert_eq!(numbering.place(&a).unwrap().seq, Seq(11));
        assert_eq!(numbering.place(&b).unwrap().seq, Seq(11));
        assert_eq!(numbering.head(), HEAD);
    }

    #[test]
    fn a_key_of_the_same_author_gets_the_first_ones_place() {
        let (a, other) = (entry("ada", Some("k")), entry("bob", Some("k")));
        let mut numbering = Numbering::new(HEAD, 2_000);
        numbering.take(&a, numbering.place(&a).unwrap());
        assert_eq!(numbering.place(&a), Ok(Placed { seq: Seq(11), at_ms: 2_000, is_new: false }));
        assert_eq!(numbering.place(&other), Ok(Placed { seq: Seq(12), at_ms: 2_000, is_new: true }));
    }

    fn numbered(newest_step: u64, entries: Vec<NewEntry>) -> Vec<Result<u64, Refused>> {
        let append = Append {
            room: HEAD.room,
            id: uuid::Uuid::nil(),
            is_repeated: false,
            after: None,
            epoch: None,
            entries,
            clients: Vec::new(),
        };
        let mut numbering = Numbering::new(HEAD, 2_000);
        numbering.know_newest_step(Some(Seq(newest_step)));
        let placed = numbering.place_all(&append, 1, &mut Vec::new());
        placed.into_iter().map(|placed| placed.map(|placed| placed.seq.0)).collect()
    }

    fn with(condition: Condition, entry: NewEntry) -> NewEntry {
        let is_step = matches!(condition, Condition::NewestStep(_));
        let kind = if is_step { EntryKind::Step } else { entry.kind };
        NewEntry { kind, condition: Some(condition), ..entry }
    }

    #[test]
    fn an_entry_for_another_head_is_refused_and_spends_no_seq() {
        let at = |seq| with(Condition::Head(Seq(seq)), entry("ada", None));
        let placed = numbered(0, vec![at(9), at(10), at(10), entry("ada", None), at(12)]);
        assert_eq!(placed, [Err(Refused::Stale), Ok(11), Err(Refused::Stale), Ok(12), Ok(13)]);
    }

    #[test]
    fn steps_that_name_the_same_one_follow_each_other_and_none_follows_a_refused_one() {
        let step = |seq| with(Condition::NewestStep(Seq(seq)), entry("ada", None));
        let too_large = NewEntry { body: Bytes::from_static(b"xx"), ..step(5) };
        assert_eq!(numbered(5, vec![step(5), entry("bob", None), step(5)]), [Ok(11), Ok(12), Ok(13)]);
        assert_eq!(numbered(8, vec![step(5), step(5), step(8)]), [Err(Refused::Stale), Err(Refused::Stale), Ok(11)]);
        assert_eq!(numbered(5, vec![too_large, step(5)]), [Err(Refused::TooLarge { max: 1 }), Err(Refused::Stale)]);
        assert_eq!(numbered(0, vec![step(0), step(0), step(11)]), [Ok(11), Ok(12), Err(Refused::Stale)]);
    }

    #[test]
    fn what_is_known_by_its_key_was_stored_whatever_holds_now() {
        let keyed = with(Condition::Head(Seq(3)), entry("ada", Some("k")));
        let mut numbering = Numbering::new(HEAD, 2_000);
        assert_eq!(numbering.place(&keyed), Err(Refused::Stale));
        numbering.know(&keyed.author, "k", Seq(4), 7);
        assert_eq!(numbering.place(&keyed), Ok(Placed { seq: Seq(4), at_ms: 7, is_new: false }));
    }

    #[test]
    fn what_can_only_be_a_repetition_is_never_new() {
        let repeated = with(Condition::Known, entry("ada", Some("k")));
        let mut numbering = Numbering::new(HEAD, 2_000);
        assert_eq!(numbering.place(&repeated), Err(Refused::Stale));
        numbering.know(&repeated.author, "k", Seq(4), 7);
        assert_eq!(numbering.place(&repeated), Ok(Placed { seq: Seq(4), at_ms: 7, is_new: false }));
        // Also where its first one is in the same append.
        let first = entry("ada", Some("new"));
        let placed = numbered(0, vec![first, with(Condition::Known, entry("ada", Some("new")))]);
        assert_eq!(placed, [Ok(11), Ok(11)]);
    }

    #[test]
    fn what_no_database_can_store_is_refused_before_any_sql() {
        let at_limit = entry("ada", Some(&"k".repeat(KEY_BYTES_MAX)));
        assert_eq!(check(&at_limit, 1), Ok(()));
        assert_eq!(check(&at_limit, 0), Err(Refused::TooLarge { max: 0 }));
        assert_eq!(check(&entry("ada", Some(&"k".repeat(KEY_BYTES_MAX + 1))), 1), Err(Refused::KeyTooLong));
        assert_eq!(check(&entry("a\0", None), 1), Err(Refused::Nul));
        assert_eq!(check(&entry("ada", Some("\0")), 1), Err(Refused::Nul));
    }
}
