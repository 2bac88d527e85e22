//! Gives a room's new entries their seqs: pure, and the same for every database. Does not know how entries are stored.

use std::collections::HashMap;

use super::entry::{Append, KEY_BYTES_MAX, NewEntry, Placed, Refused, RoomId};
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
}

impl<'a> Numbering<'a> {
    /// Starts after `head`; entries get the time `now_ms`, or the head's if that is later.
    pub fn new(head: Head, now_ms: i64) -> Self {
        Self { head, at_ms: now_ms.max(head.at_ms), known: HashMap::new() }
    }

    /// Tells of an entry in the table whose key is one of those to come.
    pub fn know(&mut self, author: &'a UserId, key: &'a str, seq: Seq, at_ms: i64) {
        self.known.insert((author, key), (seq, at_ms));
    }

    /// Where `entry` goes: to its key's first entry, or next after the head. Spends no seq.
    pub fn place(&self, entry: &'a NewEntry) -> Placed {
        let first = entry.key.as_deref().and_then(|key| self.known.get(&(&entry.author, key)));
        match first {
            Some(&(seq, at_ms)) => Placed { seq, at_ms, is_new: false },
            None => Placed { seq: Seq(self.head.seq.0 + 1), at_ms: self.at_ms, is_new: true },
        }
    }

    /// Takes what [`place`](Self::place) gave for a new `entry`: the head moves.
    pub fn take(&mut self, entry: &'a NewEntry, placed: Placed) {
        self.head.seq = placed.seq;
        self.head.at_ms = placed.at_ms;
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
            check(entry, entry_bytes_max)?;
            let placed = self.place(entry);
            if placed.is_new {
                rows.push(self.row(entry, placed));
                self.take(entry, placed);
            }
            Ok(placed)
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
            body: Bytes::from_static(b"x"),
        }
    }

    #[test]
    fn new_entries_follow_the_head_without_gaps() {
        let (a, b) = (entry("ada", None), entry("bob", None));
        let mut numbering = Numbering::new(HEAD, 2_000);
        for (entry, seq) in [(&a, 11), (&b, 12)] {
            let placed = numbering.place(entry);
            assert_eq!(placed, Placed { seq: Seq(seq), at_ms: 2_000, is_new: true });
            numbering.take(entry, placed);
        }
        assert_eq!(numbering.head(), Head { room: RoomId(7), seq: Seq(12), at_ms: 2_000 });
    }

    #[test]
    fn a_clock_behind_the_head_does_not_take_time_back() {
        let entry = entry("ada", None);
        assert_eq!(Numbering::new(HEAD, 999).place(&entry).at_ms, 1_000);
    }

    #[test]
    fn a_placed_entry_that_is_not_taken_spends_no_seq() {
        let (a, b) = (entry("ada", Some("k")), entry("bob", None));
        let numbering = Numbering::new(HEAD, 2_000);
        assert_eq!(numbering.place(&a).seq, Seq(11));
        assert_eq!(numbering.place(&b).seq, Seq(11));
        assert_eq!(numbering.head(), HEAD);
    }

    #[test]
    fn a_key_of_the_same_author_gets_the_first_ones_place() {
        let (a, other) = (entry("ada", Some("k")), entry("bob", Some("k")));
        let mut numbering = Numbering::new(HEAD, 2_000);
        numbering.take(&a, numbering.place(&a));
        assert_eq!(numbering.place(&a), Placed { seq: Seq(11), at_ms: 2_000, is_new: false });
        assert_eq!(numbering.place(&other), Placed { seq: Seq(12), at_ms: 2_000, is_new: true });
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
