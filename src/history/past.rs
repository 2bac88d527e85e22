//! All edits of a room in memory, merged: every state that the document ever had, without the entries.

use bytes::Bytes;

use super::error::HistoryError;
use super::index::{Edit, EditHead, Index, Reader};
use super::moments::Moments;
use super::pending::Pending;
use super::restore_key::restored_to;
use super::segment;
use crate::document::{Blocks, Brought, Clocks, DeletedContent, IdRange, Meter, PastState, ReadingBudget, TooCostly};
use crate::ids::Seq;
use crate::layout::Unreadable;
use crate::protocol::DecodeError;
use crate::store::{Entry, HistorySegment};

/// A segment ends after so many edits, or bytes of them: so much is read entry by entry where it is not stored yet.
const SEGMENT_EDITS: usize = 6144;
const SEGMENT_BYTES: usize = 1 << 20;
/// And after so many entries of any kind, so that a room full of messages is not looked through again and again.
pub(super) const SEGMENT_ENTRIES: u32 = 6144;

/// A room's edits up to a seq.
#[derive(Debug)]
pub struct History {
    segment_edits: usize,
    /// Everything that was ever inserted.
    blocks: Blocks,
    /// The last one is still written to.
    indexes: Vec<Index>,
    upto: Seq,
    /// How far clients were where the last index begins, and what it has in bytes.
    last_clocks: Clocks,
    last_bytes: usize,
    /// Edits that do not join what is there.
    pending: Pending,
    /// Those of the last segment that was taken, until all are.
    stored_pending: Vec<Bytes>,
    /// Segments that are not stored.
    unsaved: Vec<HistorySegment>,
    /// What is known of the time before it begins.
    pub(super) moments: Moments,
    /// The room's epoch when it was read.
    pub(super) epoch: i64,
    /// What the answer to a question may take.
    pub(super) budget: ReadingBudget,
    /// Characters that may be compared to find text that moved, if not as many as ever.
    pub(super) compared_max: Option<usize>,
}

impl Default for History {
    fn default() -> Self {
        Self::in_segments_of(SEGMENT_EDITS)
    }
}

impl History {
    /// An empty one whose segments end after so many edits.
    pub fn in_segments_of(segment_edits: usize) -> Self {
        Self {
            segment_edits,
            // What is stored is taken whatever the limit.
            blocks: Blocks::new(usize::MAX / 2, true),
            indexes: vec![Index::after(Seq::ZERO)],
            upto: Seq::ZERO,
            last_clocks: Clocks::default(),
            last_bytes: 0,
            pending: Pending::default(),
            stored_pending: Vec::new(),
            unsaved: Vec::new(),
            moments: Moments::default(),
            epoch: 0,
            budget: ReadingBudget::default(),
            compared_max: None,
        }
    }

    /// The last entry that is in it.
    pub fn upto(&self) -> Seq {
        self.upto
    }

    /// What it holds in memory, in bytes, about.
    pub fn held(&self) -> usize {
        self.blocks.held() + self.indexes.iter().map(Index::held).sum::<usize>() + self.pending.held()
    }

    /// Takes the next segment that is stored. Where it has no times, those of its edits are among `times`, which are ascending.
    ///
    /// # Errors
    /// It does not follow, is damaged, or a newer release has written it; the history is not to be used then.
    pub fn take_segment(&mut self, row: &HistorySegment, times: &[(Seq, i64)]) -> Result<(), Unreadable<DecodeError>> {
        if row.after != self.upto {
            return Err(DecodeError::UnknownType.into());
        }
        let segment = segment::decode(row, times)?;
        Ok(self.take_first(row.seq, segment.index, &segment.blocks, segment.pending)?)
    }

    /// Takes the next edits, up to a seq, without what they deleted.
    pub(super) fn take_first(
        &mut self,
        upto: Seq,
        index: Index,
        blocks: &Bytes,
        pending: Vec<Bytes>,
    ) -> Result<(), DecodeError> {
        self.blocks.take_past(blocks).map_err(|_| DecodeError::Truncated)?;
        self.stored_pending = pending;
        let open = self.indexes.len() - 1;
        self.indexes.insert(open, index);
        self.begin_segment(upto);
        Ok(())
    }

    /// The seq at which it begins: what was before is not told, but for the states of versions. 0 if nothing was dropped.
    pub fn begins_at(&self) -> Seq {
        self.moments.seq
    }

    /// Begins at a seq, if it begins before.
    pub(super) fn begin_at(&mut self, horizon: Seq) {
        if horizon > self.moments.seq {
            self.moments.seq = horizon;
            self.begin_segment(horizon);
        }
    }

    /// Edits up to its end that did not join.
    pub(super) fn pending(&self) -> Vec<Bytes> {
        self.pending.all().into_iter().cloned().collect()
    }

    /// The document as `past` says.
    pub(super) fn state_of(&self, past: &PastState, content: DeletedContent) -> Vec<u8> {
        self.blocks.state_at(past, content)
    }

    /// Takes the deletions of all segments, once those are taken.
    ///
    /// # Errors
    /// One is damaged; the history is not to be used then.
    pub fn settle(&mut self) -> Result<(), DecodeError> {
        let past = self.at(self.upto)?;
        self.blocks.delete_past(&past);
        for update in std::mem::take(&mut self.stored_pending) {
            // What joins of it was taken when it came.
            if let Ok(Brought { lacks: Some(lacks), .. }) = self.blocks.take_past(&update) {
                self.pending.add(lacks, update);
            }
        }
        Ok(())
    }

    fn begin_segment(&mut self, after: Seq) {
        self.upto = after;
        self.last_clocks = self.blocks.clocks();
        self.last_bytes = 0;
        self.indexes.pop();
        self.indexes.push(Index::after(after));
    }

    /// Takes the next edit of the timeline.
    pub fn push(&mut self, entry: Entry) {
        let Entry { seq, at_ms, author, via, key, body, .. } = entry;
        let body = body.unwrap_or_default();
        let mut brought = self.take(seq, &body);
        if let Some(lacks) = brought.lacks {
            self.pending.add(lacks, body.clone());
        }
        self.take_pending(&mut brought);
        self.last_bytes += body.len();
        self.upto = seq;
        let Some(open) = self.indexes.last_mut() else { return };
        let restored = restored_to(key.as_deref());
        open.push(&EditHead { seq, at_ms, author, via, restored }, &brought);
        if open.len() >= self.segment_edits || self.last_bytes >= SEGMENT_BYTES {
            self.end_segment();
        }
    }

    fn take(&mut self, seq: Seq, body: &Bytes) -> Brought {
        self.blocks.take_past(body).unwrap_or_else(|reason| {
            // The archive tells it where the document is read.
            tracing::debug!(seq = seq.0, reason, "an edit is no part of the history");
            Brought::default()
        })
    }

    /// What waited for this edit came with it, and what waited for that.
    fn take_pending(&mut self, brought: &mut Brought) {
        let mut at = 0;
        while let Some(range) = brought.inserted.get(at).copied() {
            at += 1;
            for update in self.pending.awoken(range) {
                let Ok(more) = self.blocks.take_past(&update) else { continue };
                if let Some(lacks) = more.lacks {
                    self.pending.add(lacks, update);
                }
                brought.inserted.extend(more.inserted);
                brought.deleted.extend(more.deleted);
            }
        }
    }

    /// There are no more edits up to here.
    pub(super) fn reach(&mut self, head: Seq) {
        self.upto = head.max(self.upto);
        let begun = self.indexes.last().map_or(Seq::ZERO, Index::begins_after);
        if self.upto.0 - begun.0 >= u64::from(SEGMENT_ENTRIES) {
            self.end_segment();
        }
    }

    fn end_segment(&mut self) {
        let Some(index) = self.indexes.last() else { return };
        let blocks = self.blocks.blocks_after(&self.last_clocks);
        self.unsaved.push(segment::encode(self.upto, index, blocks.into(), &self.pending.all()));
        let upto = self.upto;
        self.indexes.push(Index::after(upto));
        self.last_clocks = self.blocks.clocks();
        self.last_bytes = 0;
    }

    /// What is to be stored.
    pub fn take_unsaved(&mut self) -> Vec<HistorySegment> {
        std::mem::take(&mut self.unsaved)
    }

    /// Reads the edits up to a seq, in order; how far clients were after them.
    pub(super) fn read(&self, upto: Seq, mut each: impl FnMut(Edit<'_>)) -> Result<Clocks, DecodeError> {
        let mut reader = Reader::default();
        let mut clocks = Clocks::default();
        let mut ends = Vec::new();
        reader.read(&self.indexes, |edit| {
            let is_in = edit.seq <= upto;
            if is_in {
                each(edit);
            } else {
                ends.extend(edit.inserted.iter().map(|range| (range.client, range.start)));
            }
            is_in
        })?;
        reader.ends().for_each(|(client, end)| clocks.set(client, end));
        // The edit that was one too many.
        ends.into_iter().rev().for_each(|(client, start)| clocks.set(client, start));
        Ok(clocks)
    }

    /// Reads the edits up to a seq, in order, each for a step and one more for each of its ranges.
    ///
    /// # Errors
    /// It takes more than may be spent, also by what `each` does.
    pub(super) fn read_metered(
        &self,
        upto: Seq,
        meter: &mut Meter,
        mut each: impl FnMut(Edit<'_>, &mut Meter) -> Result<(), TooCostly>,
    ) -> Result<(), HistoryError> {
        let mut spent = Ok(());
        Reader::default().read(&self.indexes, |edit| {
            if edit.seq <= upto {
                let steps = 1 + edit.inserted.len() + edit.deleted.len();
                spent = meter.steps(steps).and_then(|()| each(edit, meter));
                spent.is_ok()
            } else {
                false
            }
        })?;
        Ok(spent?)
    }

    /// The document after the entry at `seq`.
    pub(super) fn at(&self, seq: Seq) -> Result<PastState, DecodeError> {
        let mut past = PastState::default();
        let mut last: Option<(u64, u32, u32)> = None;
        let mut add = |(client, start, end)| past.deleted.entry(client).or_default().push((start, end));
        past.clocks = self.read(seq, |edit| {
            for range in edit.deleted {
                // Who deletes backwards or forwards adds to the range before.
                match &mut last {
                    Some((client, start, end)) if *client == range.client && range.end == *start => {
                        *start = range.start
                    }
                    Some((client, start, end)) if *client == range.client && range.start == *end => *end = range.end,
                    _ => {
                        last.replace((range.client, range.start, range.end)).into_iter().for_each(&mut add);
                    }
                }
            }
        })?;
        last.into_iter().for_each(add);
        for ranges in past.deleted.values_mut() {
            ranges.sort_unstable();
            ranges.dedup_by(|next, before| {
                let adjoins = next.0 <= before.1;
                before.1 = if adjoins { before.1.max(next.1) } else { before.1 };
                adjoins
            });
        }
        Ok(past)
    }

    /// The seq of the last edit that was committed until a time, in Unix milliseconds.
    ///
    /// # Errors
    /// A fault.
    pub fn seq_at(&self, at_ms: i64) -> Result<Seq, DecodeError> {
        let mut found = Seq::ZERO;
        Reader::default().read(&self.indexes, |edit| {
            let is_before = edit.at_ms <= at_ms;
            found = if is_before { edit.seq } else { found };
            is_before
        })?;
        // Of what was dropped not every edit is there to be found.
        let is_known = at_ms >= self.moments.last_ms;
        Ok(if is_known { found.max(self.moments.seq) } else { found })
    }

    /// The document after the entry at `seq` with the content of what was deleted by then.
    pub(super) fn state_with_deleted(&self, seq: Seq) -> Result<Vec<u8>, DecodeError> {
        Ok(self.blocks.state_at(&self.at(seq)?, DeletedContent::Kept))
    }

    /// How many UTF-16 units of text there are in ranges.
    pub(super) fn characters(&self, ranges: &[IdRange]) -> u64 {
        ranges.iter().map(|range| self.blocks.characters(*range)).sum()
    }

    /// The document after the entry at `seq`, as an update.
    ///
    /// # Errors
    /// A fault.
    pub fn state_at(&self, seq: Seq) -> Result<Vec<u8>, DecodeError> {
        Ok(self.blocks.state_at(&self.at(seq)?, DeletedContent::Dropped))
    }
}
