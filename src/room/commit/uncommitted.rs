//! A room's entries on their way into the store: what waits, what is in flight, and who hears when it is committed. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::lane::{PORTION, Size};
use crate::budget::{ByteBudget, HeldBytes};
use crate::ids::{Seq, UserId};
use crate::room::members::Acknowledgement;
use crate::room::messages::Reply;
use crate::room::quotas::Denied;
use crate::store::{Append, CLIENTS_AT_ONCE, Condition, EntryKind, NewEntry, Placed, Refused, RoomId};

/// One entry that is not committed yet.
#[derive(Debug)]
pub struct Pending {
    /// The entry.
    pub entry: NewEntry,
    /// Yjs clients first seen with it, and whose they are.
    pub clients: Vec<(u64, UserId)>,
    /// Which members hear of its commit.
    pub acknowledgements: Vec<Acknowledgement>,
    /// Servers that wait for its commit.
    pub replies: Vec<Reply>,
    /// Who asked for something else meanwhile, and hears once all up to here is settled.
    pub behind: Behind,
    /// Whether it is shown only once it is committed, though it is an edit.
    pub is_shown_late: bool,
    /// Why it is only answered if it was stored before, see [`repetition`](Self::repetition).
    pub denied: Option<Denied>,
}

/// Who waits until everything up to an entry is settled, though the entry is not theirs.
#[derive(Debug, Default)]
pub struct Behind {
    /// Members.
    pub acknowledgements: Vec<Acknowledgement>,
    /// Servers.
    pub replies: Vec<Reply>,
}

impl Pending {
    /// Once it is known whether the entry is stored: takes those who waited behind it to those who hear what became of the entry, or
    /// returns them, who then hear that all before it is committed. They are not refused what is not theirs; but nobody is told
    /// that what was shown at once is stored, if it is not.
    pub fn part(&mut self, is_stored: bool) -> Behind {
        let behind = std::mem::take(&mut self.behind);
        if !is_stored && (self.entry.kind != EntryKind::Edit || self.is_shown_late) {
            return behind;
        }
        self.acknowledgements.extend(behind.acknowledgements);
        self.replies.extend(behind.replies);
        Behind::default()
    }

    /// Whether it is an edit that the document has already.
    pub fn is_shown_edit(&self) -> bool {
        self.entry.kind == EntryKind::Edit && !self.is_shown_late
    }

    /// Moves all who wait for the entry, or behind it, to who waits behind another.
    fn move_waiting(&mut self, to: &mut Behind) {
        for Behind { acknowledgements, replies } in [
            Behind {
                acknowledgements: std::mem::take(&mut self.acknowledgements),
                replies: std::mem::take(&mut self.replies),
            },
            std::mem::take(&mut self.behind),
        ] {
            to.acknowledgements.extend(acknowledgements);
            to.replies.extend(replies);
        }
    }

    /// An entry of which members hear.
    pub fn new(entry: NewEntry, acknowledgements: Vec<Acknowledgement>) -> Self {
        Self {
            entry,
            clients: Vec::new(),
            acknowledgements,
            replies: Vec::new(),
            behind: Behind::default(),
            is_shown_late: false,
            denied: None,
        }
    }

    /// What may not be stored, or not any more, but may have been before: answered as its first one was, which its key tells, and
    /// otherwise refused.
    pub fn repetition(kind: EntryKind, author: UserId, key: String, denied: Option<Denied>) -> Self {
        let (key, condition) = (Some(key), Some(Condition::Known));
        let entry = NewEntry { kind, author, via: None, key, condition, body: Bytes::new() };
        Self { is_shown_late: true, denied, ..Self::new(entry, Vec::new()) }
    }
}

/// What an entry costs in the queue beside its body and key, about: many bodies are shorter than that.
const ENTRY_BYTES: usize = 256;

/// So often a single entry may take the database too long while it stores others.
const SLOW_TRIES_MAX: u32 = 3;

/// So often in a row others may have written first; then what waits is sent all the same.
const OVERTAKEN_MAX: u32 = 3;

/// So many places an empty queue keeps after a burst: there are many rooms.
const QUEUE_KEPT: usize = 4;

fn cost(entry: &NewEntry) -> usize {
    ENTRY_BYTES + entry.body.len() + entry.key.as_ref().map_or(0, String::len)
}

/// The append that was sent, as a repetition keeps it.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    id: Uuid,
    /// How many entries from the front it has.
    count: usize,
    /// What the room had read of the timeline, if it is stored only where that goes on no further.
    after: Option<Seq>,
}

/// What waited and is not to be stored: others have.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Who hears of its commit now; who waits for what is still there waits with that.
    pub settled: Behind,
    /// The Yjs clients that were first seen with it.
    pub clients: Vec<u64>,
}

/// The queue of one room.
#[derive(Debug)]
pub struct Uncommitted {
    queue: VecDeque<Pending>,
    /// What waits, in bytes, as a part of what all rooms together may hold.
    held: HeldBytes,
    bytes_max: usize,
    in_flight: Option<InFlight>,
    entries_per_append_max: usize,
    bytes_per_append_max: usize,
    /// What the journal takes of a room at once; what is more keeps others waiting.
    portion: Size,
    /// So many entries from the front go one by one, apart from other rooms': one of them took the database too long.
    suspects: usize,
    /// How often the first of them alone did, while others were stored.
    slow_tries: u32,
    /// How often in a row others have written before what waits here.
    overtaken: u32,
}

impl Uncommitted {
    /// An empty queue of at most `bytes_max`, whose appends are at most as large as given.
    pub fn new(
        bytes_max: usize,
        budget: &Arc<ByteBudget>,
        entries_per_append_max: usize,
        bytes_per_append_max: usize,
    ) -> Self {
        Self {
            queue: VecDeque::new(),
            held: budget.hold(0),
            bytes_max,
            in_flight: None,
            entries_per_append_max,
            bytes_per_append_max,
            portion: PORTION,
            suspects: 0,
            slow_tries: 0,
            overtaken: 0,
        }
    }

    /// For how many more bytes there is room. `None`: for nothing more. An entry is taken as long as what waits is within the bounds,
    /// whatever its size, for it would not become smaller by waiting: so the last one may pass them. An empty queue takes one always.
    pub fn room_left(&self) -> Option<usize> {
        if self.queue.is_empty() {
            return Some(self.bytes_max);
        }
        let all = self.held.budget().left()?;
        Some(self.bytes_max.checked_sub(self.held.bytes())?.min(all))
    }

    /// Whether one more entry is taken.
    pub fn has_room(&self) -> bool {
        self.room_left().is_some()
    }

    /// What waits, in bytes.
    pub fn bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Adds an entry and what its commit sends.
    pub fn push(&mut self, pending: Pending) {
        self.held.set(self.held.bytes() + cost(&pending.entry));
        self.queue.push_back(pending);
    }

    /// Acknowledges once all that is uncommitted now is committed: hands the acknowledgement back if that is so already.
    pub fn when_settled(&mut self, acknowledgement: Acknowledgement) -> Option<Acknowledgement> {
        match self.queue.back_mut() {
            Some(last) => {
                last.behind.acknowledgements.push(acknowledgement);
                None
            }
            None => Some(acknowledgement),
        }
    }

    /// Answers a server once all that is uncommitted now is committed: hands the reply back if that is so already.
    pub fn reply_when_settled(&mut self, reply: Reply) -> Option<Reply> {
        match self.queue.back_mut() {
            Some(last) => {
                last.behind.replies.push(reply);
                None
            }
            None => Some(reply),
        }
    }

    /// Whether everything is committed.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many entries are not committed.
    pub fn entries(&self) -> usize {
        self.queue.len()
    }

    /// Whether steps are not committed.
    pub fn has_steps(&self) -> bool {
        self.queue.iter().any(|pending| pending.entry.kind == EntryKind::Step)
    }

    /// Has steps that were made after one of `named` follow another.
    pub fn follow_step(&mut self, named: &[Seq], newest: Seq) {
        for pending in &mut self.queue {
            if let Some(Condition::NewestStep(step)) = &mut pending.entry.condition
                && named.contains(step)
            {
                *step = newest;
            }
        }
    }

    /// Whether edits wait that were shown at once: others may store the same.
    pub fn has_shown_edits(&self) -> bool {
        self.queue.iter().any(Pending::is_shown_edit)
    }

    /// Drops what `rest_of` leaves nothing of, and cuts off what it leaves out; of edits that were shown at once, while no append is in
    /// flight.
    pub fn keep_rest(&mut self, rest_of: impl Fn(&Bytes) -> Option<Bytes>) -> Dropped {
        let mut dropped = Dropped::default();
        let mut kept: VecDeque<Pending> = VecDeque::with_capacity(self.queue.len());
        let suspects = self.suspects;
        for (place, mut pending) in std::mem::take(&mut self.queue).into_iter().enumerate() {
            if pending.is_shown_edit() {
                let rest = rest_of(&pending.entry.body);
                if place == 0 && rest.as_ref() != Some(&pending.entry.body) {
                    // Another entry is the first, or less is left of it.
                    self.slow_tries = 0;
                }
                match rest {
                    Some(rest) => pending.entry.body = rest,
                    None => {
                        let waiting = kept.back_mut().map_or(&mut dropped.settled, |before| &mut before.behind);
                        pending.move_waiting(waiting);
                        dropped.clients.extend(pending.clients.iter().map(|(client, _)| *client));
                        self.suspects -= usize::from(place < suspects);
                        continue;
                    }
                }
            }
            kept.push_back(pending);
        }
        self.queue = kept;
        if self.queue.is_empty() {
            self.overtaken = 0;
        }
        self.held.set(self.queue.iter().map(|pending| cost(&pending.entry)).sum());
        dropped
    }

    /// The append in flight is not stored, since others have written first: its entries wait again.
    pub fn put_back(&mut self) {
        self.in_flight = None;
        self.be_overtaken();
    }

    /// Others have written once more before what waits here was sent or stored.
    pub fn be_overtaken(&mut self) {
        self.overtaken = self.overtaken.saturating_add(1);
    }

    /// Whether others have written first again and again: what waits is stored wherever the timeline ends, though they may have
    /// stored it, too. That changes nothing in a document; waiting for ever would.
    pub fn is_overtaken_for_long(&self) -> bool {
        self.overtaken >= OVERTAKEN_MAX
    }

    /// Whether an append is on its way.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// No append is larger from now on, unless a single entry is.
    pub fn limit_appends(&mut self, portion: Size) {
        self.portion = portion;
    }

    /// The append to send next, if none is in flight and something waits; `new_id` names it. What the room has read of the timeline
    /// goes as far as `after`.
    pub fn next_append(&mut self, room: RoomId, after: Seq, new_id: impl FnOnce() -> Uuid) -> Option<Append> {
        if self.in_flight.is_some() || self.queue.is_empty() {
            return None;
        }
        let (mut bytes, mut clients) = (0, 0);
        let bytes_max = self.bytes_per_append_max.min(self.portion.bytes);
        let clients_max = CLIENTS_AT_ONCE.min(self.portion.clients);
        let fits = |waiting: &&Pending| {
            bytes += waiting.entry.body.len();
            clients += waiting.clients.len();
            bytes <= bytes_max && clients <= clients_max
        };
        let entries_max = if self.is_suspect() { 1 } else { self.entries_per_append_max.min(self.portion.entries) };
        let count = self.queue.iter().take(entries_max).take_while(fits).count().max(1);
        let after = (!self.is_overtaken_for_long()).then_some(after);
        self.in_flight = Some(InFlight { id: new_id(), count, after });
        self.repeat(room)
    }

    /// The append in flight once more, the same as before.
    pub fn repeat(&self, room: RoomId) -> Option<Append> {
        let InFlight { id, count, after } = self.in_flight?;
        let sent = self.queue.iter().take(count);
        Some(Append {
            room,
            id,
            is_repeated: false,
            after: after.filter(|_| sent.clone().any(Pending::is_shown_edit)),
            epoch: None,
            entries: sent.clone().map(|waiting| waiting.entry.clone()).collect(),
            clients: sent.flat_map(|waiting| waiting.clients.iter().cloned()).collect(),
        })
    }

    /// Notes that the append in flight took the database too long, and is not stored; whether others were stored meanwhile. Its
    /// entries are sent one by one from here on. True if it is a single one that does so again and again: it will never be stored.
    pub fn is_hopeless(&mut self, others_were_stored: bool) -> bool {
        let count = self.in_flight.map_or(0, |in_flight| in_flight.count);
        self.suspects = self.suspects.max(count);
        if count > 1 {
            self.in_flight = None;
            return false;
        }
        self.slow_tries += u32::from(others_were_stored);
        self.slow_tries >= SLOW_TRIES_MAX
    }

    /// Whether the next append may take the database too long.
    pub fn is_suspect(&self) -> bool {
        self.suspects > 0
    }

    /// Whether the append in flight is that of `id`.
    pub fn is_in_flight_as(&self, id: Uuid) -> bool {
        self.in_flight.is_some_and(|in_flight| in_flight.id == id)
    }

    /// Takes out all that waits and is in flight, of which nobody hears any more whether it was stored.
    pub fn take_all(&mut self) -> Vec<Pending> {
        self.in_flight = None;
        self.suspects = 0;
        self.held.set(0);
        std::mem::take(&mut self.queue).into()
    }

    /// Takes the outcome of the append in flight: the entries in order, with what became of each.
    pub fn settle(&mut self, outcome: Vec<Result<Placed, Refused>>) -> Vec<(Pending, Result<Placed, Refused>)> {
        self.in_flight = None;
        self.slow_tries = 0;
        self.overtaken = 0;
        let count = outcome.len().min(self.queue.len());
        let settled: Vec<_> = self.queue.drain(..count).zip(outcome).collect();
        self.suspects = self.suspects.saturating_sub(count);
        if self.queue.is_empty() {
            self.queue.shrink_to(QUEUE_KEPT);
        }
        let settled_bytes: usize = settled.iter().map(|(pending, _)| cost(&pending.entry)).sum();
        self.held.set(self.held.bytes() - settled_bytes);
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MemberId;
    use crate::room::members::Receipt;

    #[test]
    fn who_waits_behind_an_entry_that_is_refused_is_not_refused_unless_the_document_has_it() {
        let budget = ByteBudget::new(1_000, None);
        let heard = |kind, is_shown_late, is_stored| {
            let entry = NewEntry {
                kind,
                author: UserId::new("ada"),
                via: None,
                key: None,
                condition: None,
                body: Bytes::new(),
            };
            let own = Acknowledgement { to: MemberId(1), receipt: Receipt::MissedSteps };
            let mut queue = Uncommitted::new(1_000, &budget, 10, usize::MAX);
            queue.push(Pending { is_shown_late, ..Pending::new(entry, vec![own]) });
            assert!(queue.when_settled(Acknowledgement { to: MemberId(2), receipt: Receipt::MissedSteps }).is_none());
            let mut pending = queue.queue.pop_front().expect("it was pushed");
            let others = pending.part(is_stored);
            (pending.acknowledgements.len(), others.acknowledgements.len())
        };
        for (kind, is_shown_late) in [
            (EntryKind::Edit, false),
            (EntryKind::Edit, true),
            (EntryKind::Message, false),
            (EntryKind::Event, false),
            (EntryKind::Step, false),
        ] {
            assert_eq!(heard(kind, is_shown_late, true), (2, 0), "{kind:?}");
            let is_in_document = kind == EntryKind::Edit && !is_shown_late;
            assert_eq!(heard(kind, is_shown_late, false), if is_in_document { (2, 0) } else { (1, 1) }, "{kind:?}");
        }
    }

    #[test]
    fn an_entry_of_any_size_is_taken_while_what_waits_is_within_the_bounds() {
        let budget = ByteBudget::new(3_000, None);
        let queue = || Uncommitted::new(2_000, &budget, 10, usize::MAX);
        let (mut one, mut other) = (queue(), queue());
        let entry = |bytes: usize| {
            let body = Bytes::from(vec![0; bytes - ENTRY_BYTES]);
            Pending::new(
                NewEntry {
                    kind: EntryKind::Edit,
                    author: UserId::new("ada"),
                    via: None,
                    key: None,
                    condition: None,
                    body,
                },
                Vec::new(),
            )
        };
        one.push(entry(2_000));
        assert_eq!(one.room_left(), Some(0));
        one.push(entry(1_000));
        assert!(!one.has_room());
        // The budget is full, too, and an empty queue takes one all the same: nothing else would tell it that there is room again.
        assert!(other.has_room());
        other.push(entry(500));
        assert!(!other.has_room());
        drop(one);
        assert_eq!(other.room_left(), Some(1_500));
    }

    #[test]
    fn a_queue_that_was_long_does_not_keep_its_memory() {
        let mut uncommitted = edits(10_000);
        let placed = Placed { seq: Seq(1), at_ms: 0, is_new: true };
        while let Some(entries) = sent(&mut uncommitted) {
            assert_eq!(uncommitted.settle(vec![Ok(placed); entries]).len(), entries);
        }
        assert!(uncommitted.queue.capacity() <= 2 * QUEUE_KEPT, "{}", uncommitted.queue.capacity());
    }

    fn edits(count: usize) -> Uncommitted {
        let mut uncommitted = Uncommitted::new(usize::MAX, &ByteBudget::new(usize::MAX, None), 10_000, usize::MAX);
        for _ in 0..count {
            let entry = NewEntry {
                kind: EntryKind::Edit,
                author: UserId::new("ada"),
                via: None,
                key: None,
                condition: None,
                body: Bytes::new(),
            };
            uncommitted.push(Pending::new(entry, Vec::new()));
        }
        uncommitted
    }

    /// The entries of the next append, under a new id.
    fn sent(uncommitted: &mut Uncommitted) -> Option<usize> {
        uncommitted.next_append(RoomId(1), Seq::ZERO, Uuid::new_v4).map(|append| append.entries.len())
    }

    #[test]
    fn entries_of_an_append_that_takes_too_long_go_one_by_one_until_all_are_settled() {
        let placed = Placed { seq: Seq(1), at_ms: 0, is_new: true };
        let mut uncommitted = edits(3);
        assert_eq!(sent(&mut uncommitted), Some(3));
        assert!(!uncommitted.is_hopeless(true), "it may be any of them");
        uncommitted.push(edits(1).queue.pop_front().unwrap());
        for _ in 0..3 {
            assert!(uncommitted.is_suspect());
            assert_eq!(sent(&mut uncommitted), Some(1));
            uncommitted.settle(vec![Ok(placed)]);
        }
        assert!(!uncommitted.is_suspect());
        assert_eq!(sent(&mut uncommitted), Some(1));
    }

    #[test]
    fn only_a_single_entry_is_given_up_and_only_while_others_are_stored() {
        let mut uncommitted = edits(1);
        assert_eq!(sent(&mut uncommitted), Some(1));
        for _ in 0..100 {
            assert!(!uncommitted.is_hopeless(false), "the database may be slow");
        }
        for _ in 1..SLOW_TRIES_MAX {
            assert!(!uncommitted.is_hopeless(true));
        }
        assert!(uncommitted.is_hopeless(true));
        assert!(uncommitted.is_in_flight(), "its outcome is still to be taken");
    }

    #[test]
    fn an_append_is_no_longer_than_the_journal_takes_of_a_room_at_once_unless_a_single_entry_is() {
        let placed = Placed { seq: Seq(1), at_ms: 0, is_new: true };
        let mut uncommitted = edits(10_000);
        assert_eq!(sent(&mut uncommitted), Some(PORTION.entries));
        uncommitted.settle(vec![Ok(placed); PORTION.entries]);
        uncommitted.limit_appends(Size { entries: 1_000, bytes: 10, clients: 10 });
        assert_eq!(sent(&mut uncommitted), Some(1_000));

        let mut uncommitted = edits(0);
        for bytes in [11, 5, 5, 1] {
            let mut pending = edits(1).queue.pop_front().unwrap();
            pending.entry.body = Bytes::from(vec![0; bytes]);
            uncommitted.push(pending);
        }
        uncommitted.limit_appends(Size { entries: 1_000, bytes: 10, clients: 10 });
        for entries in [1, 2, 1] {
            assert_eq!(sent(&mut uncommitted), Some(entries));
            uncommitted.settle(vec![Ok(placed); entries]);
        }
    }

    #[test]
    fn an_append_takes_so_many_entries_that_their_clients_are_bound_at_once() {
        let mut uncommitted = edits(0);
        for _ in 0..4 {
            let mut pending = edits(1).queue.pop_front().unwrap();
            pending.clients = (0..CLIENTS_AT_ONCE as u64 / 2).map(|client| (client, UserId::new("ada"))).collect();
            uncommitted.push(pending);
        }
        uncommitted.limit_appends(Size { entries: 10, bytes: 10, clients: usize::MAX });
        assert_eq!(sent(&mut uncommitted), Some(2));
    }

    #[test]
    fn what_others_have_stored_is_dropped_and_who_waits_for_it_waits_for_what_is_left_before_it() {
        let budget = ByteBudget::new(1 << 20, None);
        let mut queue = Uncommitted::new(1 << 20, &budget, 10, usize::MAX);
        let told = |to| Acknowledgement { to: MemberId(to), receipt: Receipt::MissedSteps };
        for (place, body) in ["known", "new", "known", "half"].into_iter().enumerate() {
            let mut pending = edits(1).queue.pop_front().unwrap();
            pending.entry.body = Bytes::from_static(body.as_bytes());
            pending.acknowledgements = vec![told(place as u64)];
            pending.clients = vec![(place as u64, UserId::new("ada"))];
            queue.push(pending);
        }
        assert!(queue.when_settled(told(9)).is_none());
        let rest_of = |body: &Bytes| match &body[..] {
            b"known" => None,
            b"half" => Some(Bytes::from_static(b"ha")),
            _ => Some(body.clone()),
        };
        let dropped = queue.keep_rest(rest_of);
        let whose = |waiting: &[Acknowledgement]| waiting.iter().map(|one| one.to.0).collect::<Vec<_>>();
        assert_eq!((whose(&dropped.settled.acknowledgements), dropped.clients), (vec![0], vec![0, 2]));
        assert_eq!(whose(&queue.queue[0].behind.acknowledgements), [2]);
        assert_eq!(queue.held.bytes(), 2 * ENTRY_BYTES + 5);
        let append = queue.next_append(RoomId(1), Seq(7), Uuid::new_v4).unwrap();
        assert_eq!(append.after, Some(Seq(7)));
        assert_eq!(append.entries.iter().map(|entry| &entry.body[..]).collect::<Vec<_>>(), [&b"new"[..], b"ha"]);
        // Sent again it is the same, and once put back it waits as if it had not been sent.
        assert_eq!(queue.repeat(RoomId(1)).unwrap().after, Some(Seq(7)));
        queue.put_back();
        assert_eq!(queue.next_append(RoomId(1), Seq(9), Uuid::new_v4).unwrap().after, Some(Seq(9)));
    }

    #[test]
    fn what_others_overtake_again_and_again_is_stored_wherever_the_timeline_ends() {
        let mut queue = edits(2);
        let after = |queue: &mut Uncommitted| queue.next_append(RoomId(1), Seq(7), Uuid::new_v4).unwrap().after;
        for _ in 0..OVERTAKEN_MAX {
            assert_eq!(after(&mut queue), Some(Seq(7)));
            queue.put_back();
        }
        assert_eq!(after(&mut queue), None);
        assert_eq!(queue.repeat(RoomId(1)).unwrap().after, None, "repeated it is the same");
        queue.settle(vec![Ok(Placed { seq: Seq(9), at_ms: 0, is_new: true })]);
        assert_eq!(after(&mut queue), Some(Seq(7)), "only what is overtaken in a row");
        (0..OVERTAKEN_MAX).for_each(|_| queue.put_back());
        queue.keep_rest(|_| None);
        assert!(!queue.is_overtaken_for_long(), "nothing waits any more");
    }

    #[test]
    fn what_is_dropped_of_those_that_go_one_by_one_counts_once_and_the_next_has_its_own_tries() {
        let mut queue = edits(0);
        for body in ["new", "known", "known", "new", "new"] {
            let mut pending = edits(1).queue.pop_front().unwrap();
            pending.entry.body = Bytes::from_static(body.as_bytes());
            queue.push(pending);
        }
        let rest_of = |body: &Bytes| (&body[..] != b"known").then(|| body.clone());
        queue.suspects = 3;
        queue.slow_tries = 2;
        queue.keep_rest(rest_of);
        assert_eq!((queue.suspects, queue.slow_tries), (1, 2), "the first is still the first");
        queue.keep_rest(|_| Some(Bytes::from_static(b"n")));
        assert_eq!((queue.suspects, queue.slow_tries), (1, 0), "less is left of it");
        queue.slow_tries = 2;
        queue.keep_rest(|_| None);
        assert_eq!((queue.suspects, queue.slow_tries, queue.entries()), (0, 0, 0));
    }

    #[test]
    fn only_edits_that_were_shown_at_once_may_repeat_what_others_store() {
        let after = |kind, is_shown_late| {
            let mut queue = edits(0);
            let mut pending = edits(1).queue.pop_front().unwrap();
            (pending.entry.kind, pending.is_shown_late) = (kind, is_shown_late);
            queue.push(pending);
            assert!(queue.keep_rest(|body| Some(body.clone())).settled.acknowledgements.is_empty());
            queue.next_append(RoomId(1), Seq(7), Uuid::new_v4).unwrap().after
        };
        assert_eq!(after(EntryKind::Edit, false), Some(Seq(7)));
        for (kind, is_shown_late) in [(EntryKind::Edit, true), (EntryKind::Message, false), (EntryKind::Step, false)] {
            assert_eq!(after(kind, is_shown_late), None, "{kind:?}");
        }
    }
}
