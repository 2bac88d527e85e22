//! Where timelines end, as a connection left them with its own last commits. Only a guess, since other servers append too: the
//! database has to compare before anything is numbered by it.

use std::collections::HashMap;

use uuid::Uuid;

use super::entry::{Append, RoomId};
use super::number::Head;
use super::statements::Settled;

/// Rooms remembered; past that all are forgotten, and learned again as they append.
const ROOMS_MAX: usize = 65_536;

/// The heads that a connection knows.
#[derive(Default, Debug)]
pub(super) struct Heads(HashMap<RoomId, (Head, Uuid)>);

impl Heads {
    /// Takes over what was committed.
    pub fn learn(&mut self, settled: &[Settled<'_>]) {
        if self.0.len() + settled.len() > ROOMS_MAX {
            self.0.clear();
        }
        self.0.extend(settled.iter().map(|room| (room.head.room, (room.head, room.last.id))));
    }

    /// Where `append` starts, if that can be told without looking: not if its keys or its own last answer are to be looked up.
    pub fn before(&self, append: &Append) -> Option<Head> {
        let &(head, last) = self.0.get(&append.room)?;
        let is_plain = last != append.id && append.entries.iter().all(|entry| entry.key.is_none());
        is_plain.then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{Seq, UserId};
    use crate::store::last_append::LastAppend;
    use crate::store::{EntryKind, NewEntry};

    fn append(room: i64, id: u128, key: Option<&str>) -> Append {
        let key = key.map(str::to_owned);
        let entry = NewEntry { kind: EntryKind::Edit, author: UserId::new("ada"), via: None, key, body: Bytes::new() };
        Append { room: RoomId(room), id: Uuid::from_u128(id), entries: vec![entry], clients: Vec::new() }
    }

    #[test]
    fn a_new_append_without_keys_starts_at_the_head_its_room_was_left_with() {
        let head = Head { room: RoomId(1), seq: Seq(7), at_ms: 5 };
        let last = LastAppend::new(head.room, Uuid::from_u128(3), 5, &[]);
        let mut heads = Heads::default();
        heads.learn(&[Settled { before: head, head, last, clients: Vec::new() }]);
        assert_eq!(heads.before(&append(1, 4, None)), Some(head));
        assert_eq!(heads.before(&append(1, 3, None)), None, "sent again");
        assert_eq!(heads.before(&append(1, 4, Some("k"))), None, "with a key");
        assert_eq!(heads.before(&append(2, 4, None)), None, "another room");
    }
}
