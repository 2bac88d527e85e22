//! What is remembered of a server's last append in a room, so that the same append, sent again, gets the same answer.

use uuid::Uuid;

use super::entry::{Append, NewEntry, Outcome, Placed, Refused, RoomId};
use super::error::StoreError;
use super::number::check;
use crate::ids::Seq;

/// A row of `last_append`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LastAppend {
    pub room: RoomId,
    pub id: Uuid,
    /// The first seq given; 0 if nothing was new.
    pub first_seq: Seq,
    pub at_ms: i64,
    /// As the migration describes it: null if every entry was new.
    pub outcome: Option<String>,
}

/// An item of `outcome`: seq, time, and whether it was new; null if refused.
type Item = Option<(u64, i64, bool)>;

impl LastAppend {
    /// Remembers `outcome`, what became of the append `id`.
    pub fn new(room: RoomId, id: Uuid, at_ms: i64, outcome: &[Result<Placed, Refused>]) -> Self {
        let new = |item: &Result<Placed, Refused>| item.as_ref().ok().filter(|placed| placed.is_new).copied();
        let first_seq = outcome.iter().find_map(new).map_or(Seq::ZERO, |placed| placed.seq);
        let items = || outcome.iter().map(|item| item.ok().map(|placed| (placed.seq.0, placed.at_ms, placed.is_new)));
        let is_plain = outcome.iter().all(|item| new(item).is_some());
        let outcome = (!is_plain).then(|| serde_json::json!(items().collect::<Vec<Item>>()).to_string());
        Self { room, id, first_seq, at_ms, outcome }
    }

    /// What `append`, which is the remembered one sent again, was answered.
    pub fn answer(&self, append: &Append, entry_bytes_max: usize) -> Outcome {
        let Some(outcome) = &self.outcome else {
            let seqs = self.first_seq.0..;
            let placed = |seq| Ok(Placed { seq: Seq(seq), at_ms: self.at_ms, is_new: true });
            return Ok(append.entries.iter().zip(seqs).map(|(_, seq)| placed(seq)).collect());
        };
        let items: Vec<Item> = serde_json::from_str(outcome)
            .map_err(|error| StoreError::Unexpected(format!("last_append.outcome does not parse: {error}")))?;
        if items.len() != append.entries.len() {
            return Err(StoreError::Unexpected("an append was repeated with other entries".to_owned()));
        }
        let item = |(item, entry): (Item, &NewEntry)| match item {
            Some((seq, at_ms, is_new)) => Ok(Placed { seq: Seq(seq), at_ms, is_new }),
            None => Err(check(entry, entry_bytes_max).err().unwrap_or(match entry.condition {
                Some(_) => Refused::Stale,
                None => Refused::ByDatabase,
            })),
        };
        Ok(items.into_iter().zip(&append.entries).map(item).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::UserId;
    use crate::store::{EntryKind, NewEntry};

    fn remembered(outcome: Vec<Result<Placed, Refused>>) -> (LastAppend, Outcome) {
        let entry = NewEntry {
            kind: EntryKind::Edit,
            author: UserId::new("ada"),
            via: None,
            key: None,
            condition: None,
            body: Bytes::from_static(b"xx"),
        };
        let append = Append {
            room: RoomId(1),
            id: Uuid::nil(),
            is_repeated: false,
            after: None,
            epoch: None,
            entries: vec![entry; outcome.len()],
            clients: Vec::new(),
        };
        let last = LastAppend::new(append.room, append.id, 5, &outcome);
        let answer = last.answer(&append, 1);
        (last, answer)
    }

    fn placed(seq: u64, is_new: bool) -> Placed {
        Placed { seq: Seq(seq), at_ms: if is_new { 5 } else { 3 }, is_new }
    }

    #[test]
    fn an_append_of_new_entries_is_remembered_by_its_first_seq() {
        let outcome = vec![Ok(placed(8, true)), Ok(placed(9, true))];
        let (last, answer) = remembered(outcome.clone());
        assert_eq!((last.first_seq, last.outcome), (Seq(8), None));
        assert_eq!(answer, Ok(outcome));
    }

    #[test]
    fn an_append_with_known_and_refused_entries_is_remembered_entry_by_entry() {
        let outcome = vec![Ok(placed(2, false)), Err(Refused::TooLarge { max: 1 }), Ok(placed(8, true))];
        let (last, answer) = remembered(outcome.clone());
        assert_eq!((last.first_seq, last.outcome.as_deref()), (Seq(8), Some("[[2,3,false],null,[8,5,true]]")));
        assert_eq!(answer, Ok(outcome));
    }

    #[test]
    fn an_append_that_brought_nothing_new_has_no_first_seq() {
        assert_eq!(remembered(vec![Ok(placed(2, false))]).0.first_seq, Seq::ZERO);
        assert_eq!(
            remembered(Vec::new()),
            (LastAppend { first_seq: Seq::ZERO, ..remembered(Vec::new()).0 }, Ok(Vec::new()))
        );
    }
}
