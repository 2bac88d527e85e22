//! Where timelines end, as a connection left them with its own last commits. Only a guess, since other servers append too: the
//! database has to compare before anything is numbered by it.

use std::collections::HashMap;

use uuid::Uuid;

use super::entry::{Append, Condition, NewEntry, RoomId};
use super::number::Head;
use super::statements::Settled;
use crate::ids::Seq;

/// Rooms remembered; past that all are forgotten, and learned again as they append.
const ROOMS_MAX: usize = 65_536;

/// What is known of a room.
#[derive(Clone, Copy, Debug)]
struct Known {
    head: Head,
    epoch: i64,
    /// The connection's last append there.
    last: Uuid,
    /// The newest step, if that is known.
    newest_step: Option<Seq>,
}

/// Where an append starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Before {
    pub head: Head,
    /// The room's epoch.
    pub epoch: i64,
    /// The newest step; `None`: not known, and not asked for.
    pub newest_step: Option<Seq>,
}

/// The heads that a connection knows.
#[derive(Default, Debug)]
pub(super) struct Heads(HashMap<RoomId, Known>);

impl Heads {
    /// Takes over what was committed.
    pub fn learn(&mut self, settled: &[Settled<'_>]) {
        if self.0.len() + settled.len() > ROOMS_MAX {
            self.0.clear();
        }
        let known = |room: &Settled<'_>| Known {
            head: room.head,
            epoch: room.epoch,
            last: room.last.id,
            newest_step: room.newest_step,
        };
        self.0.extend(settled.iter().map(|room| (room.head.room, known(room))));
    }

    /// Takes over where other servers left rooms that are known already. Only those: of another it is not known whether the
    /// connection's last append there is stored.
    pub fn hear(&mut self, heads: impl IntoIterator<Item = Head>) {
        for head in heads {
            if let Some(known) = self.0.get_mut(&head.room).filter(|known| known.head.seq < head.seq) {
                known.head = head;
                known.newest_step = None;
            }
        }
    }

    /// Forgets the rooms that were not as they were known.
    pub fn forget(&mut self, rooms: impl IntoIterator<Item = RoomId>) {
        for room in rooms {
            self.0.remove(&room);
        }
    }

    /// Where `append` starts, if that can be told without looking: not if it may be stored, or its keys or steps are to be looked up,
    /// or if it was made before what is there, or in another epoch.
    pub fn before(&self, append: &Append) -> Option<Before> {
        let &Known { head, epoch, last, newest_step } = self.0.get(&append.room)?;
        let is_plain = |entry: &NewEntry| {
            entry.key.is_none() && (newest_step.is_some() || !matches!(entry.condition, Some(Condition::NewestStep(_))))
        };
        let is_new = !append.is_repeated && last != append.id;
        let has_read = append.after.is_none_or(|after| head.seq <= after);
        let is_of_epoch = append.epoch.is_none_or(|of| of == epoch);
        (is_new && has_read && is_of_epoch && append.entries.iter().all(is_plain)).then_some(Before {
            head,
            epoch,
            newest_step,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::UserId;
    use crate::store::EntryKind;
    use crate::store::last_append::LastAppend;

    fn append(room: i64, id: u128, key: Option<&str>) -> Append {
        let key = key.map(str::to_owned);
        let entry = NewEntry {
            kind: EntryKind::Edit,
            author: UserId::new("ada"),
            via: None,
            key,
            condition: None,
            body: Bytes::new(),
        };
        Append {
            room: RoomId(room),
            id: Uuid::from_u128(id),
            is_repeated: false,
            after: None,
            epoch: None,
            entries: vec![entry],
            clients: Vec::new(),
        }
    }

    #[test]
    fn a_new_append_without_keys_starts_at_the_head_its_room_was_left_with() {
        let head = Head { room: RoomId(1), seq: Seq(7), at_ms: 5 };
        let last = LastAppend::new(head.room, Uuid::from_u128(3), 5, &[]);
        let mut heads = Heads::default();
        heads.learn(&[Settled {
            before: head,
            head,
            epoch: 2,
            last,
            newest_step: None,
            clients: Vec::new(),
            used: None,
        }]);
        let before = |head| Some(Before { head, epoch: 2, newest_step: None });
        assert_eq!(heads.before(&append(1, 4, None)), before(head));
        assert_eq!(heads.before(&Append { is_repeated: true, ..append(1, 4, None) }), None, "sent again");
        assert_eq!(heads.before(&append(1, 3, None)), None, "sent again");
        assert_eq!(heads.before(&append(1, 4, Some("k"))), None, "with a key");
        assert_eq!(heads.before(&append(2, 4, None)), None, "another room");
        assert_eq!(heads.before(&Append { epoch: Some(2), ..append(1, 4, None) }), before(head));
        assert_eq!(heads.before(&Append { epoch: Some(0), ..append(1, 4, None) }), None, "made in another epoch");
        let mut step = append(1, 4, None);
        step.entries[0].condition = Some(Condition::NewestStep(Seq(3)));
        assert_eq!(heads.before(&step), None, "with steps to look up");

        let later = Head { seq: Seq(9), at_ms: 8, ..head };
        heads.hear([later, Head { seq: Seq(8), ..later }, Head { room: RoomId(2), ..later }]);
        assert_eq!(heads.before(&append(1, 4, None)), before(later));
        assert_eq!(heads.before(&append(2, 4, None)), None, "heard of, and never appended to");
        let made_after = |seq| Append { after: Some(Seq(seq)), ..append(1, 4, None) };
        assert_eq!(heads.before(&made_after(8)), None, "made before what another server wrote");
        assert_eq!(heads.before(&made_after(9)), before(later));
        heads.forget([RoomId(1)]);
        assert_eq!(heads.before(&append(1, 4, None)), None);
    }
}
