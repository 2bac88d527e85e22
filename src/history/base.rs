//! What stays of a room's edits up to a seq once they are dropped: the document there and at named versions before, who wrote what of
//! that, and who deleted what is not there any more. Of what lived at none of these moments only the ids are left.

use bytes::Bytes;

use super::authors::Authors;
use super::error::HistoryError;
use super::index::{Edit, EditHead, Index};
use super::moments::{Moments, Moved};
use super::past::History;
use super::pieces::Pieces;
use super::segment::{opened, sealed};
use super::units::{Units, each_item_of, range_of};
use crate::document::{Brought, DeletedContent, IdRange, Meter, PastState, View};
use crate::ids::Seq;
use crate::layout::{Stored, Unreadable};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};
use crate::store::Kept;

/// The layout before the present one, which is read, too: it cannot be made again. It has no checksum, and does not tell the oldest edits of
/// what is kept.
const UNSEALED: u8 = 2;

/// What stays of the edits up to a seq.
#[derive(Debug)]
pub struct Base {
    pub(super) moments: Moments,
    /// Those edits that wrote or deleted something that is kept, and at each moment what the others did together.
    pub(super) index: Index,
    /// What lived at one of the moments, and the ids of all else.
    pub(super) blocks: Bytes,
    /// Edits that did not join by then.
    pub(super) pending: Vec<Bytes>,
}

impl Base {
    /// As it is stored.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let Moments { seq, last_ms, versions, moved } = &self.moments;
        put_var_uint(&mut out, seq.0);
        put_var_uint(&mut out, last_ms.max(&0).unsigned_abs());
        put_var_uint(&mut out, versions.len() as u64);
        versions.iter().for_each(|version| put_var_uint(&mut out, version.0));
        self.index.encode(&mut out);
        put_buf(&mut out, &self.index.encode_times());
        put_buf(&mut out, &self.blocks);
        put_var_uint(&mut out, self.pending.len() as u64);
        self.pending.iter().for_each(|update| put_buf(&mut out, update));
        Moved::put_all(moved, &mut out);
        Moved::put_firsts(moved, &mut out);
        sealed(Stored::Base, &out)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// It is damaged, or a newer release has written it.
    pub fn decode(body: &Bytes) -> Result<Self, Unreadable<DecodeError>> {
        let is_sealed = body.first() != Some(&UNSEALED);
        let content = if is_sealed { opened(Stored::Base, body)? } else { body.slice(1..) };
        let mut input = Input::new(&content);
        let (seq, last_ms) = (Seq(input.var_uint()?), input.var_uint()?.cast_signed());
        let mut moments = Moments { seq, last_ms, ..Moments::default() };
        for _ in 0..input.count(1)? {
            moments.versions.push(Seq(input.var_uint()?));
        }
        let mut index = Index::decode(&mut input)?;
        index.take_times(input.raw_buf()?)?;
        let blocks = input.buf()?;
        let mut pending = Vec::new();
        for _ in 0..input.count(1)? {
            pending.push(input.buf()?);
        }
        moments.moved = Moved::read_all(&mut input)?;
        if is_sealed {
            Moved::read_firsts(&mut moments.moved, &mut input)?;
        }
        if !input.is_empty() {
            return Err(DecodeError::TooMany.into());
        }
        Ok(Self { moments, index, blocks, pending })
    }
}

/// What the edits before a moment did that is not kept, until it is added to one of them.
#[derive(Default)]
struct Passed {
    last: Option<EditHead>,
    brought: Brought,
}

impl Passed {
    fn add(&mut self, edit: &Edit<'_>) {
        self.brought.inserted.extend(edit.inserted.iter().copied());
        self.brought.deleted.extend(edit.deleted.iter().copied());
        self.last = Some(head(edit));
    }

    /// Adds an edit that is kept, with what those before it did.
    fn end_with(&mut self, edit: &Edit<'_>, index: &mut Index) {
        self.add(edit);
        self.brought.is_work = edit.is_work;
        self.flush(index);
    }

    fn flush(&mut self, index: &mut Index) {
        let Self { last, mut brought } = std::mem::take(self);
        if let Some(head) = last {
            join(&mut brought);
            index.push(&head, &brought);
        }
    }
}

/// Ranges that go on with each other become one; a client's inserted ranges stay in the order of their clocks.
fn join(brought: &mut Brought) {
    for ranges in [&mut brought.inserted, &mut brought.deleted] {
        ranges.sort_unstable();
        ranges.dedup_by(|next, last| {
            let goes_on = next.client == last.client && next.start == last.end;
            last.end = if goes_on { next.end } else { last.end };
            goes_on
        });
    }
}

fn head(edit: &Edit<'_>) -> EditHead {
    // What it went back to is among what stands for other text.
    let (author, via) = (edit.author.clone(), edit.via.cloned());
    EditHead { seq: edit.seq, at_ms: edit.at_ms, author, via, restored: None }
}

impl History {
    /// Begins with what stays of dropped edits.
    ///
    /// # Errors
    /// It is damaged; the history is not to be used then.
    pub(super) fn take_base(&mut self, base: Base) -> Result<(), DecodeError> {
        let Base { moments, index, blocks, pending } = base;
        self.take_first(moments.seq, index, &blocks, pending)?;
        self.moments = moments;
        Ok(())
    }

    /// What is to stay of the edits up to `to`, as it is stored; nothing if there are none.
    ///
    /// # Errors
    /// A fault.
    pub(super) fn kept(
        &self,
        to: Seq,
        versions: &[Seq],
        pending: Vec<Bytes>,
        authors: &Authors,
        content: DeletedContent,
    ) -> Result<Option<Kept>, HistoryError> {
        let past = self.at(to)?;
        if past.clocks.is_empty() && pending.is_empty() {
            return Ok(None);
        }
        let base = self.base(to, versions, pending, authors)?.encode();
        Ok(Some(Kept { state: self.state_of(&past, content).into(), base }))
    }

    /// What is kept of whose those units are that were inserted up to a seq, where text is gone by which it was found: as it is stored, for
    /// a history with the same edits; `None` if there is none. Of a history of which nothing was dropped.
    ///
    /// # Errors
    /// A fault.
    pub fn copied_credits(&self, upto: Seq) -> Result<Option<Bytes>, HistoryError> {
        let clocks = self.at(upto)?.clocks;
        let inserted = |moved: &Moved| {
            let end = clocks.get(moved.to.client);
            (moved.to.start < end).then(|| moved.clone().clipped(IdRange { end, ..moved.to }))
        };
        let moved: Vec<Moved> = self.moments.moved.iter().filter_map(inserted).collect();
        Ok((!moved.is_empty()).then(|| Base::of_credits(moved).encode()))
    }

    /// What is to stay of the edits up to `to`, with the states at `versions` before it, ascending; `pending` is what did not join by
    /// `to`. The history goes on to the room's head, and has all that is to stay.
    ///
    /// # Errors
    /// A fault.
    pub(super) fn base(
        &self,
        to: Seq,
        versions: &[Seq],
        pending: Vec<Bytes>,
        authors: &Authors,
    ) -> Result<Base, HistoryError> {
        let versions: Vec<Seq> = versions.iter().copied().filter(|seq| *seq < to && self.moments.has(*seq)).collect();
        let dropped = self.dropped(to, &versions)?;
        let lived = |range: &IdRange| dropped.split(*range).iter().any(|(_, is_dropped)| !is_dropped);
        let (mut index, mut passed, mut last_ms) = (Index::after(Seq::ZERO), Passed::default(), 0);
        let mut moments = versions.iter().peekable();
        self.read(to, |edit| {
            while moments.next_if(|moment| **moment < edit.seq).is_some() {
                passed.flush(&mut index);
            }
            last_ms = edit.at_ms;
            match edit.inserted.iter().chain(edit.deleted).any(lived) {
                true => passed.end_with(&edit, &mut index),
                false => passed.add(&edit),
            }
        })?;
        passed.flush(&mut index);
        let moved = self.moved(to, &versions, &dropped, authors)?;
        let clocks = self.at(to)?.clocks;
        let blocks = self.state_of(&PastState { clocks, deleted: dropped.into_ranges() }, DeletedContent::Dropped);
        let moments = Moments { seq: to, last_ms, versions, moved };
        Ok(Base { moments, index, blocks: blocks.into(), pending })
    }

    /// What lived neither after the entry at `to` nor at one of the versions.
    fn dropped(&self, to: Seq, versions: &[Seq]) -> Result<Units, DecodeError> {
        let (mut all, mut kept) = (Units::default(), Units::default());
        for (client, end) in self.at(to)?.clocks.iter() {
            all.add(IdRange { client, start: 0, end });
        }
        for seq in versions.iter().chain([&to]) {
            let past = self.at(*seq)?;
            for (client, end) in past.clocks.iter() {
                let mut start = 0;
                for (from, upto) in past.deleted.get(&client).into_iter().flatten() {
                    if *from > start {
                        kept.add(IdRange { client, start, end: *from });
                    }
                    start = *upto;
                }
                if start < end {
                    kept.add(IdRange { client, start, end });
                }
            }
        }
        kept.settle();
        all.settle();
        Ok(all.without(&kept))
    }

    /// Whose is what is kept, in all roots: of what was inserted up to `to` all of it, of what came later what was brought back from before.
    fn moved(&self, to: Seq, versions: &[Seq], dropped: &Units, authors: &Authors) -> Result<Vec<Moved>, HistoryError> {
        // As of now: what stands next to each other decides what is one text.
        let state = Bytes::from(self.state_with_deleted(self.upto())?);
        let view = View::read(&state, self.budget)?;
        let goes_back = |edit: &Edit<'_>| edit.seq > to && edit.restored.is_some_and(|seq| seq < to);
        let mut is_there = false;
        self.read(self.upto(), |edit| is_there |= goes_back(&edit))?;
        let mut kept = KeptParts::of(&view, dropped);
        for (number, root) in view.roots().enumerate() {
            let mut meter = Meter::new(self.budget);
            let pieces = Pieces::of(&view, root, &mut meter)?;
            let credits = self.credits_by_eras(to, &pieces, authors, &mut meter, versions, |_, _, _| {})?;
            credits.all_parts().for_each(|(goes_on, part)| kept.add(number, goes_on, part));
            if is_there {
                let mut brought = Vec::new();
                let note = |edit: &Edit<'_>, range, _| {
                    if goes_back(edit) {
                        brought.push(range);
                    }
                };
                let credits = self.credits_by_eras(self.upto(), &pieces, authors, &mut meter, &[], note)?;
                brought.into_iter().for_each(|range| kept.add_brought(number, credits.parts(range)));
            }
        }
        Ok(kept.finish())
    }
}

/// What is to be told of whose the kept units are. Of several roots each knows best of its own units.
struct KeptParts<'d> {
    dropped: &'d Units,
    /// By root.
    own: Vec<Units>,
    /// Whether the part before is told.
    is_told: bool,
    all: Vec<Moved>,
}

impl<'d> KeptParts<'d> {
    fn of(view: &View, dropped: &'d Units) -> Self {
        let own = view.roots().map(|root| {
            let mut units = Units::default();
            each_item_of(view.items(root), |item| units.add(range_of(item)));
            units.settle();
            units
        });
        Self { dropped, own: own.collect(), is_told: false, all: Vec::new() }
    }

    /// Adds a part as a root tells it, if something of it is kept, or of the parts that it goes on with: those are told by its edit.
    fn add(&mut self, root: usize, goes_on: bool, mut part: Moved) {
        self.is_told &= goes_on;
        if !self.is_told {
            let own = self.own[root].split(part.to).into_iter().filter(|(_, is_own)| *is_own);
            let kept = own.flat_map(|(own, _)| self.dropped.split(own)).find(|(_, is_dropped)| !is_dropped);
            let Some((first, _)) = kept else { return };
            part = part.clone().clipped(IdRange { end: part.to.end, ..first });
            self.is_told = true;
        }
        self.all.push(part);
    }

    /// Adds what was brought back in a root.
    fn add_brought(&mut self, root: usize, parts: Vec<Moved>) {
        for part in parts {
            let own = self.own[root].split(part.to).into_iter().filter(|(_, is_own)| *is_own);
            self.all.extend(own.map(|(own, _)| part.clone().clipped(own)));
        }
    }

    /// All of it, by client and clock.
    fn finish(mut self) -> Vec<Moved> {
        self.all.sort_unstable_by_key(|moved| moved.to);
        let mut all: Vec<Moved> = Vec::with_capacity(self.all.len());
        for mut part in self.all {
            let before = all.last().map(|before| before.to).filter(|before| before.client == part.to.client);
            let end = before.map_or(0, |before| before.end);
            if part.to.end <= end {
                // It lies in no root, and another has told it.
                continue;
            }
            part = part.clone().clipped(IdRange { start: end, ..part.to });
            if before.is_none_or(|before| before.end < part.to.start) {
                // Nothing is there that it could go on with.
                part.first = (part.seq, part.at_ms);
            }
            all.push(part);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yrs::updates::decoder::Decode;
    use yrs::{ClientID, Doc, GetString, Options, ReadTxn, Text, Transact, Update};

    use super::*;
    use crate::history::restore_key::restore_key;
    use crate::history::tests::{authors, deleting, enter, restore, text, typed, whole};
    use crate::history::{BlameRun, Difference};
    use crate::ids::UserId;
    use crate::store::{Entry, EntryKind};

    /// The history once all up to `to` is dropped but for the states at `versions`; and what is stored of that.
    fn dropped(entries: &[Entry], to: u64, versions: &[u64]) -> (History, Bytes) {
        let (mut whole, mut pending) = (History::default(), Vec::new());
        for entry in entries {
            whole.push(entry.clone());
            if entry.seq == Seq(to) {
                pending = whole.pending();
            }
        }
        let versions: Vec<Seq> = versions.iter().copied().map(Seq).collect();
        let stored = whole.base(Seq(to), &versions, pending, &authors()).unwrap().encode();
        let mut history = History::default();
        history.take_base(Base::decode(&stored).unwrap()).unwrap();
        history.settle().unwrap();
        entries.iter().filter(|entry| entry.seq > Seq(to)).for_each(|entry| history.push(entry.clone()));
        (history, stored)
    }

    fn entries(edits: Vec<(&str, Option<String>, Vec<u8>)>) -> Vec<Entry> {
        let entry = |(seq, (author, key, body)): (u64, (&str, Option<String>, Vec<u8>))| Entry {
            seq: Seq(seq),
            kind: EntryKind::Edit,
            author: UserId::new(author),
            via: None,
            at_ms: seq.cast_signed() * 100,
            key,
            body_bytes: body.len() as u64,
            body: Some(body.into()),
        };
        (1..).zip(edits).map(entry).collect()
    }

    fn whole_of(entries: &[Entry]) -> History {
        let mut history = History::default();
        entries.iter().for_each(|entry| history.push(entry.clone()));
        history
    }

    fn blame(history: &History, seq: u64) -> Vec<BlameRun> {
        history.blame(Some("t"), Seq(seq), &authors()).unwrap().runs
    }

    fn has(stored: &[u8], word: &str) -> bool {
        stored.windows(word.len()).any(|window| window == word.as_bytes())
    }

    #[test]
    fn what_is_there_stays_whose_it_is_and_what_was_deleted_before_is_gone() {
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one draft two"))),
            ("bob", None, deleting(vec![0], 1, 4, 6)),
            ("bob", None, whole(typed(2, 0, Some((1, 12)), " three"))),
            ("ada", None, deleting(vec![0], 1, 0, 4)),
        ]);
        let (history, stored) = dropped(&entries, 3, &[]);
        let before = whole_of(&entries);
        assert!(!has(&stored, "draft") && has(&stored, "one "));
        for seq in [3, 4] {
            assert_eq!(text(&history, Seq(seq)), text(&before, Seq(seq)));
            assert_eq!(blame(&history, seq), blame(&before, seq));
        }
        assert_eq!(history.begins_at(), Seq(3));
        let moments = &history.moments;
        assert_eq!([0, 1, 2, 3, 4].map(|seq| moments.has(Seq(seq))), [false, false, false, true, true]);
        // What is deleted later still comes back.
        let mut history = history;
        restore(&mut history, Seq(3), None);
        assert_eq!(text(&history, Seq(5)), "one two three");
    }

    #[test]
    fn named_versions_keep_their_states_and_what_changed_since() {
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one sent two"))),
            ("bob", None, whole(typed(2, 0, Some((1, 11)), " draft"))),
            ("bob", None, deleting(vec![0], 2, 0, 6)),
            ("bob", None, deleting(vec![0], 1, 4, 5)),
            ("ada", None, whole(typed(1, 12, Some((1, 11)), " end"))),
        ]);
        let before = whole_of(&entries);
        let (history, stored) = dropped(&entries, 4, &[1]);
        assert!(has(&stored, "sent") && !has(&stored, "draft"));
        assert_eq!(text(&history, Seq(1)), "one sent two");
        assert_eq!(blame(&history, 1), blame(&before, 1));
        for to in [4, 5] {
            let told = |history: &History| history.diff(Some("t"), Seq(1), Seq(to), &authors()).unwrap();
            assert_eq!(told(&history), told(&before), "{to}");
        }
        let mut history = history;
        restore(&mut history, Seq(1), None);
        assert_eq!(text(&history, Seq(6)), "one sent two");
        let owners =
            |history: &History| blame(history, 6).into_iter().map(|run| (run.to, run.credit.by)).collect::<Vec<_>>();
        assert_eq!(owners(&history), [(12, UserId::new("ada"))]);
        // And one author's work since, as far as it is there.
        let (mut history, _) = dropped(&entries, 4, &[1]);
        restore(&mut history, Seq(1), Some("bob"));
        assert_eq!(text(&history, Seq(6)), "one sent two end");
    }

    #[test]
    fn text_that_moved_is_still_its_authors_once_what_it_was_is_dropped() {
        // Bob presses Enter, so to speak: the end of the line is written anew.
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one two"))),
            ("bob", None, deleting(typed(2, 0, Some((1, 6)), "two"), 1, 4, 3)),
            ("ada", None, whole(typed(1, 7, Some((2, 2)), "!"))),
        ]);
        for to in 2..=3 {
            let (history, _) = dropped(&entries, to, &[]);
            assert_eq!(blame(&history, 3), blame(&whole_of(&entries), 3), "{to}");
            assert_eq!(blame(&history, 3).len(), 1);
        }
    }

    #[test]
    fn what_is_kept_is_still_of_its_newest_edit_where_what_that_wrote_is_gone() {
        // Ada types on in one session, and deletes the end of it, before and after what has a name.
        for (second, third) in [(" two", " three"), ("\n", "\n\n")] {
            let (at_second, at_third) = (3, 3 + second.len() as u32);
            let entries = entries(vec![
                ("ada", None, whole(typed(1, 0, None, "one"))),
                ("ada", None, whole(typed(1, at_second, Some((1, 2)), second))),
                ("ada", None, whole(typed(1, at_third, Some((1, at_third - 1)), third))),
                ("ada", None, deleting(vec![0], 1, at_second, (second.len() + third.len()) as u32)),
                ("bob", None, whole(typed(2, 0, Some((1, 2)), "!"))),
            ]);
            let before = whole_of(&entries);
            assert_eq!((blame(&before, 5)[0].seq, blame(&before, 5)[0].at_ms), (Seq(3), 300));
            for versions in [&[][..], &[1], &[2], &[1, 2, 3]] {
                let (history, _) = dropped(&entries, 4, versions);
                for seq in versions.iter().copied().chain([4, 5]) {
                    assert_eq!(blame(&history, seq), blame(&before, seq), "{seq} of {versions:?}");
                }
                // Of a base of the base, too.
                let again = history.base(
                    Seq(5),
                    &versions.iter().copied().map(Seq).collect::<Vec<_>>(),
                    Vec::new(),
                    &authors(),
                );
                assert_eq!(again.unwrap().encode(), dropped(&entries, 5, versions).1, "{versions:?}");
            }
        }
    }

    #[test]
    fn of_several_roots_each_letter_is_still_somebodys() {
        // Carol's Yjs client types in one root, moves text of ada's in another, and types on in the first.
        let doc = Doc::with_options(Options { skip_gc: true, ..Options::with_client_id(ClientID::new(1)) });
        let other = doc.get_or_insert_text("u");
        let first = {
            let mut txn = doc.transact_mut();
            other.insert(&mut txn, 0, "adas words");
            txn.encode_update_v1()
        };
        let mut edits = vec![("ada", None, first)];
        let carols = Doc::with_options(Options { skip_gc: true, ..Options::with_client_id(ClientID::new(3)) });
        carols.transact_mut().apply_update(Update::decode_v1(&edits[0].2).unwrap()).unwrap();
        let (mine, theirs) = (carols.get_or_insert_text("t"), carols.get_or_insert_text("u"));
        let mut carol = |work: &dyn Fn(&mut yrs::TransactionMut<'_>)| {
            let mut txn = carols.transact_mut();
            work(&mut txn);
            edits.push(("carol", None, txn.encode_update_v1()));
        };
        carol(&|txn| mine.insert(txn, 0, "carol "));
        carol(&|txn| {
            theirs.remove_range(txn, 0, 10);
            theirs.insert(txn, 0, "adas words");
        });
        carol(&|txn| mine.push(txn, "again"));
        let entries = entries(edits);
        let (before, (history, _)) = (whole_of(&entries), dropped(&entries, 4, &[]));
        let runs = |history: &History, root: &str| history.blame(Some(root), Seq(4), &authors()).unwrap().runs;
        for root in ["t", "u"] {
            let told =
                |runs: Vec<BlameRun>| runs.into_iter().map(|run| (run.from, run.to, run.credit)).collect::<Vec<_>>();
            assert_eq!(told(runs(&history, root)), told(runs(&before, root)), "{root}");
        }
        assert_eq!(runs(&history, "t").last().unwrap().to, 11);
    }

    #[test]
    fn what_was_brought_back_from_before_is_still_its_authors() {
        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "one two")));
        enter(&mut history, "bob", None, deleting(vec![0], 1, 0, 4));
        let update = history.restore(Seq(1), history.upto(), None, &authors()).unwrap().update.unwrap().to_vec();
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one two"))),
            ("bob", None, deleting(vec![0], 1, 0, 4)),
            ("carol", Some(restore_key(Seq(1), Seq(2), None)), update),
        ]);
        for to in 1..=3 {
            let (history, _) = dropped(&entries, to, &[]);
            assert_eq!(blame(&history, 3), blame(&whole_of(&entries), 3), "{to}");
        }
        assert_eq!(blame(&whole_of(&entries), 3)[0].credit.by, UserId::new("ada"));
    }

    #[test]
    fn an_edit_that_waits_for_another_waits_on() {
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one"))),
            ("bob", None, whole(typed(2, 3, Some((2, 2)), "late"))),
            ("ada", None, whole(typed(1, 3, Some((1, 2)), "!"))),
            ("bob", None, whole(typed(2, 0, Some((1, 3)), "two"))),
        ]);
        let (history, _) = dropped(&entries, 3, &[]);
        assert_eq!(text(&history, Seq(4)), text(&whole_of(&entries), Seq(4)));
        assert_eq!(text(&history, Seq(4)), "one!twolate");
    }

    #[test]
    fn a_base_of_a_base_is_one_of_the_whole() {
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one two"))),
            ("bob", None, deleting(typed(2, 0, Some((1, 6)), "two"), 1, 4, 3)),
            ("ada", None, whole(typed(1, 7, Some((2, 2)), "!"))),
            ("bob", None, deleting(vec![0], 1, 0, 2)),
        ]);
        let (first, _) = dropped(&entries, 2, &[1]);
        let stored = first.base(Seq(4), &[Seq(1), Seq(3)], Vec::new(), &authors()).unwrap().encode();
        assert_eq!(stored, dropped(&entries, 4, &[1, 3]).1);
    }

    #[test]
    fn a_damaged_base_is_told_and_nothing_of_it_is_used() {
        let entries = entries(vec![("ada", None, whole(typed(1, 0, None, "one two")))]);
        let (_, stored) = dropped(&entries, 1, &[]);
        for len in 0..stored.len() {
            assert!(Base::decode(&stored.slice(..len)).is_err(), "{len}");
        }
        let more = [&stored[..], &[0]].concat();
        assert!(Base::decode(&more.into()).is_err());
        for bit in 0..stored.len() * 8 {
            let mut other = stored.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(Base::decode(&other.into()).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_base_of_the_layout_before_is_read() {
        let entries = entries(vec![
            ("ada", None, whole(typed(1, 0, None, "one two"))),
            ("bob", None, deleting(typed(2, 0, Some((1, 6)), "two"), 1, 4, 3)),
        ]);
        let (history, stored) = dropped(&entries, 2, &[1]);
        let Base { moments, .. } = Base::decode(&stored).unwrap();
        let mut firsts = Vec::new();
        Moved::put_firsts(&moments.moved, &mut firsts);
        let content = opened(Stored::Base, &stored).unwrap();
        let old = [&[UNSEALED], &content[..content.len() - firsts.len()]].concat();
        let mut again = History::default();
        again.take_base(Base::decode(&old.into()).unwrap()).unwrap();
        again.settle().unwrap();
        for seq in [1, 2] {
            assert_eq!((text(&again, Seq(seq)), blame(&again, seq)), (text(&history, Seq(seq)), blame(&history, seq)));
        }
    }

    /// What a random typist does: where, how many letters it deletes, how many it writes, and whether it writes what it deleted.
    type Act = (u8, u8, u8, bool);

    /// Three people type at once in copies that meet now and then, each time in one of some roots.
    fn random_entries(acts: &[(u8, Act)], roots: &[&str]) -> Vec<Entry> {
        let doc =
            |client| Doc::with_options(Options { skip_gc: true, ..Options::with_client_id(ClientID::new(client)) });
        let docs = [doc(1), doc(2), doc(3)];
        let texts: Vec<Vec<_>> =
            docs.iter().map(|doc| roots.iter().map(|root| doc.get_or_insert_text(*root)).collect()).collect();
        let mut edits: Vec<(&str, Option<String>, Vec<u8>)> = vec![("dora", None, whole(typed(9, 0, None, "begun")))];
        let mut known = [0; 3];
        for (step, (who, (at, del, ins, is_move))) in acts.iter().enumerate() {
            let (who, root) = (usize::from(who % 3), usize::from(who / 3) % roots.len());
            let own = &texts[who][root];
            if step % 2 == 0 {
                let mut txn = docs[who].transact_mut();
                for (_, _, update) in &edits[known[who]..] {
                    txn.apply_update(Update::decode_v1(update).unwrap()).unwrap();
                }
                known[who] = edits.len();
            }
            let before = docs[who].transact().state_vector();
            let mut txn = docs[who].transact_mut();
            let len = own.len(&txn);
            let at = u32::from(*at) % (len + 1);
            let del = u32::from(del % 5).min(len - at);
            let gone: String = own.get_string(&txn).chars().skip(at as usize).take(del as usize).collect();
            if del > 0 {
                own.remove_range(&mut txn, at, del);
            }
            let new: String = (0..ins % 6).map(|nth| char::from(b'a' + (step as u8 + nth) % 26)).collect();
            let new = if *is_move && !gone.is_empty() { gone } else { new };
            if !new.is_empty() {
                own.insert(&mut txn, at, &new);
            }
            drop(txn);
            let update = docs[who].transact().encode_state_as_update_v1(&before);
            edits.push((["ada", "bob", "carol"][who], None, update));
        }
        entries(edits)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn dropping_changes_no_answer_about_what_is_kept(
            acts in prop::collection::vec((any::<u8>(), any::<Act>()), 4..40),
            to in 1_u64..40,
            version in 1_u64..40,
        ) {
            let entries = random_entries(&acts, &["t"]);
            let head = entries.len() as u64;
            let (to, version) = (to.min(head), version.min(to).min(head));
            let before = whole_of(&entries);
            let (history, _) = dropped(&entries, to, &[version]);
            for seq in (to..=head).chain([version]) {
                prop_assert_eq!(text(&history, Seq(seq)), text(&before, Seq(seq)), "{}", seq);
                let end = |history: &History| blame(history, seq).last().map(|run| run.to);
                prop_assert_eq!(end(&history), end(&before), "{} of {}..{}, {}", seq, to, head, version);
            }
            prop_assert_eq!(blame(&history, head), blame(&before, head), "{}..{}, {}", to, head, version);
            // Of text before and after the version it may be told as of either.
            let told = |history: &History| -> Vec<_> {
                let ops = history.diff(Some("t"), Seq(version), Seq(head), &authors()).unwrap().changes.ops;
                let said = |difference| match difference {
                    Difference::Insert { what, change, .. } => (format!("+{what:?}"), Some(change.credit)),
                    Difference::Delete { what, change } => (format!("-{what:?}"), Some(change.credit)),
                    other => (format!("{other:?}"), None),
                };
                ops.into_iter().map(said).collect()
            };
            prop_assert_eq!(told(&history), told(&before));
            let (mut history, mut before) = (history, before);
            if history.restore(Seq(version), history.upto(), None, &authors()).unwrap().update.is_some() {
                restore(&mut history, Seq(version), None);
                restore(&mut before, Seq(version), None);
                prop_assert_eq!(text(&history, Seq(head + 1)), text(&before, Seq(head + 1)));
            }
        }

        #[test]
        fn of_several_roots_dropping_changes_nothing_of_whose_what_is_kept_is_and_by_which_edit(
            acts in prop::collection::vec((any::<u8>(), any::<Act>()), 4..40),
            to in 1_u64..40,
            versions in prop::collection::btree_set(1_u64..40, 0..4),
        ) {
            let roots = ["t", "u", "v"];
            let entries = random_entries(&acts, &roots);
            let head = entries.len() as u64;
            let to = to.min(head);
            let versions: Vec<u64> = versions.into_iter().filter(|version| *version < to).collect();
            let before = whole_of(&entries);
            let (history, _) = dropped(&entries, to, &versions);
            let told = |history: &History, seq: u64| {
                roots.map(|root| history.blame(Some(root), Seq(seq), &authors()).map(|blame| blame.runs).unwrap_or_default())
            };
            // What has moved is found in the document as it is: before that it may be told otherwise, and yet of each letter.
            for seq in versions.iter().copied() {
                let ends = |history: &History| told(history, seq).map(|runs| runs.last().map(|run| run.to));
                prop_assert_eq!(ends(&history), ends(&before), "{} of {}..{}, {:?}", seq, to, head, &versions);
            }
            prop_assert_eq!(told(&history, head), told(&before, head), "{}..{}, {:?}", to, head, &versions);
        }
    }
}
