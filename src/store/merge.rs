//! A page of a timeline whose edits lie partly in packs: which packs are read for it, and how their edits join the rows. Pure.

use super::entry::{Bodies, Entry, EntryKind, HISTORY_BYTES_MAX, HISTORY_ENTRIES_MAX, HistoryQuery, Kinds, Page};
use super::rows::Gathered;
use crate::ids::Seq;
use crate::pack::PackedEdit;

/// A page on its way. Packs are read first, one at a time, until there is enough; then the rows that lie before or between.
pub(super) struct Merge<'q> {
    query: &'q HistoryQuery,
    limit: usize,
    /// Where the next pack is looked for, both excluded.
    after: Seq,
    before: Seq,
    /// In the page's own direction.
    packed: Vec<Entry>,
    bytes: usize,
    /// Nothing is taken from here on.
    end: Option<Seq>,
    has_more: bool,
}

impl<'q> Merge<'q> {
    pub fn new(query: &'q HistoryQuery) -> Self {
        let has_edits = matches!(query.kinds, Kinds::All | Kinds::Only(EntryKind::Edit));
        let limit = query.limit.min(HISTORY_ENTRIES_MAX) as usize;
        Self {
            query,
            limit,
            after: query.after.unwrap_or(Seq::ZERO),
            before: query.before.unwrap_or(Seq(u64::MAX)),
            packed: Vec::new(),
            bytes: 0,
            end: None,
            has_more: has_edits && limit > 0,
        }
    }

    /// The range in which the next pack is looked for, both ends excluded; `None` if no more are needed.
    pub fn wanted(&self) -> Option<(Seq, Seq)> {
        (self.has_more && self.before.0 > self.after.0.saturating_add(1)).then_some((self.after, self.before))
    }

    /// There is no further pack.
    pub fn end(&mut self) {
        self.has_more = false;
    }

    /// The next pack cannot be read: the page ends before it.
    pub fn end_before(&mut self, (first, last): (Seq, Seq)) {
        self.has_more = false;
        self.end = Some(if self.query.page == Page::Oldest { first } else { last });
    }

    /// Takes the next pack's edits.
    pub fn take(&mut self, (first, last): (Seq, Seq), edits: Vec<PackedEdit>) {
        let (after, before) = (self.after, self.before);
        match self.query.page {
            Page::Oldest => self.after = last,
            Page::Newest => self.before = first,
        }
        let is_wanted = |edit: &PackedEdit| {
            edit.seq > after
                && edit.seq < before
                && self.query.author.as_ref().is_none_or(|author| *author == edit.author)
        };
        let mut wanted: Vec<PackedEdit> = edits.into_iter().filter(is_wanted).collect();
        if self.query.page == Page::Newest {
            wanted.reverse();
        }
        for edit in wanted {
            let entry = self.entry(edit);
            let bytes = entry.body.as_ref().map_or(0, bytes::Bytes::len);
            let is_too_much = self.bytes + bytes > HISTORY_BYTES_MAX && !self.packed.is_empty();
            if is_too_much || self.packed.len() == self.limit {
                self.has_more = false;
                self.end = self.packed.last().map(|last| last.seq);
                return;
            }
            self.bytes += bytes;
            self.packed.push(entry);
        }
    }

    fn entry(&self, edit: PackedEdit) -> Entry {
        let PackedEdit { seq, author, via, at_ms, body } = edit;
        let body_bytes = body.len() as u64;
        let body = (self.query.bodies == Bodies::All).then_some(body);
        Entry { seq, kind: EntryKind::Edit, author, via, at_ms, key: None, body_bytes, body }
    }

    /// The rows that are still needed.
    pub fn rows(&self) -> HistoryQuery {
        let mut query = self.query.clone();
        match query.page {
            Page::Oldest => query.before = self.end.or(query.before),
            Page::Newest => query.after = self.end.or(query.after),
        }
        query
    }

    /// The page, ascending by seq, with the rows of [`rows`](Self::rows).
    pub fn page(mut self, rows: Gathered) -> Vec<Entry> {
        let is_oldest = self.query.page == Page::Oldest;
        // Behind the last row that was read there may be others, which come before any edit further on.
        let has_more_rows = rows.is_cut || rows.entries.len() == self.limit;
        let last = if is_oldest { rows.entries.last() } else { rows.entries.first() };
        if let Some(last) = last.filter(|_| has_more_rows) {
            let last = last.seq;
            self.packed.retain(|entry| if is_oldest { entry.seq < last } else { entry.seq > last });
        }
        if self.packed.is_empty() {
            return rows.entries;
        }
        let mut entries = rows.entries;
        entries.append(&mut self.packed);
        entries.sort_by_key(|entry| entry.seq);
        if !is_oldest {
            entries.reverse();
        }
        entries.truncate(self.limit);
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.body.as_ref().map_or(0, bytes::Bytes::len);
            bytes <= HISTORY_BYTES_MAX
        };
        let count = entries.iter().take_while(fits).count().max(1);
        entries.truncate(count);
        if !is_oldest {
            entries.reverse();
        }
        entries
    }
}
