//! Who wrote each part of a document.

use std::collections::HashMap;

use bytes::Bytes;

use super::activity::GAP_MS;
use super::authors::{Authors, Credit};
use super::error::HistoryError;
use super::index::Edit;
use super::moments::Moved;
use super::moves::{Comparisons, Move, moves};
use super::past::History;
use super::pieces::Pieces;
use super::units::Units;
use crate::document::{IdRange, Meter, TooCostly, View};
use crate::ids::{Seq, UserId};

/// Who wrote a root type.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Blame {
    /// Without gaps.
    pub runs: Vec<BlameRun>,
    /// Whether some text that an edit deleted and inserted again only in part counts as newly written, as finding it would have taken too
    /// long.
    pub is_partial: bool,
}

/// Neighbouring text of one author, written without a long pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameRun {
    /// Index of its first unit.
    pub from: u64,
    /// Index behind its last unit.
    pub to: u64,
    /// Whose it is.
    pub credit: Credit,
    /// The newest edit of it.
    pub seq: Seq,
    /// When that was, in Unix milliseconds.
    pub at_ms: i64,
}

/// Whose units are, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    by: u32,
    via: u32,
    seq: Seq,
    at_ms: i64,
}

/// No user.
const NOBODY: u32 = u32::MAX;

/// Units of one author, written without a long pause.
#[derive(Debug, Clone, Copy)]
struct Stamped {
    start: u32,
    end: u32,
    /// That of the newest edit.
    stamp: Stamp,
    /// Seq and time of the oldest edit.
    first: (Seq, i64),
    /// How many of the moments that are told apart were before it was inserted.
    era: usize,
    /// Whether only such a moment stands between it and what is before it.
    goes_on: bool,
}

/// Who wrote every unit that was ever inserted in a root.
#[derive(Debug, Default)]
pub(super) struct Credits {
    users: Vec<UserId>,
    numbers: HashMap<UserId, u32>,
    /// By client, in the order of their clocks.
    stamps: HashMap<u64, Vec<Stamped>>,
    /// What moved, edit by edit.
    pub moves: Vec<Move>,
    /// Whether text that came back only in part counts as new, as finding it would have taken too long.
    pub is_partial: bool,
    /// How many of the moments that are told apart were before the edit that is looked at.
    era: usize,
}

impl Credits {
    fn number(&mut self, user: &UserId) -> u32 {
        if let Some(number) = self.numbers.get(user) {
            return *number;
        }
        let number = self.users.len() as u32;
        self.users.push(user.clone());
        self.numbers.insert(user.clone(), number);
        number
    }

    fn credit(&self, stamp: Stamp) -> Option<Credit> {
        let user = |number: u32| self.users.get(number as usize).cloned();
        Some(Credit { by: user(stamp.by)?, via: user(stamp.via) })
    }

    /// Adds units of a client, which come behind all that were added of it, with the newest edit of them and the oldest.
    fn push(
        &mut self,
        IdRange { client, start, end }: IdRange,
        stamp: Stamp,
        first: (Seq, i64),
        meter: &mut Meter,
    ) -> Result<(), TooCostly> {
        let own = self.stamps.entry(client).or_default();
        let goes_on = own.last().is_some_and(|last| last.end == start && last.stamp.is_followed_by(stamp, first));
        match own.last_mut().filter(|last| goes_on && last.era == self.era) {
            Some(last) => (last.end, last.stamp) = (end, stamp),
            None => {
                meter.hold::<Stamped>(1)?;
                own.push(Stamped { start, end, stamp, first, era: self.era, goes_on });
            }
        }
        Ok(())
    }

    /// Adds units that an edit wrote.
    fn push_own(&mut self, range: IdRange, stamp: Stamp, meter: &mut Meter) -> Result<(), TooCostly> {
        self.push(range, stamp, (stamp.seq, stamp.at_ms), meter)
    }

    /// Adds units that stand for others, with the stamps of those; where they end. What came with the same edit has `own`.
    fn push_moved(&mut self, to: IdRange, from: IdRange, own: Stamp, meter: &mut Meter) -> Result<u32, TooCostly> {
        let known: Vec<_> = self.of(from).collect();
        meter.steps(known.len())?;
        let mut at = to.start;
        for (part, stamp) in known {
            let (start, end) = (to.start + (part.start - from.start), to.start + (part.end - from.start));
            if start > at {
                self.push_own(IdRange { start: at, end: start, ..to }, own, meter)?;
            }
            self.push_own(IdRange { start, end, ..to }, stamp, meter)?;
            at = end;
        }
        if at < to.end {
            self.push_own(IdRange { start: at, ..to }, own, meter)?;
        }
        Ok(to.end)
    }

    /// The stamps of a range, with the parts that have them; nothing for units that are not there.
    fn of(&self, range: IdRange) -> impl Iterator<Item = (IdRange, Stamp)> {
        self.within(range).map(move |rest| {
            let (stamped, later) = (rest[0], &rest[1..]);
            let newest = later.iter().take_while(|later| later.goes_on).last().unwrap_or(&stamped);
            let part = IdRange { start: stamped.start.max(range.start), end: stamped.end.min(range.end), ..range };
            (part, newest.stamp)
        })
    }

    /// What has parts of a range, each with all that follows it.
    fn within(&self, range: IdRange) -> impl Iterator<Item = &[Stamped]> {
        let own = self.stamps.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|stamped| stamped.end <= range.start);
        let all = (first..own.len()).map(move |at| &own[at..]);
        all.take_while(move |rest| rest[0].start < range.end)
    }
}

/// What was deleted since, where somebody goes back: what comes back is found in it.
#[derive(Debug, Default)]
struct Gone {
    /// The oldest seq that is gone back to; nothing is noted if there is none.
    since: Option<Seq>,
    /// What was deleted after that, in order.
    deleted: Vec<(Seq, IdRange)>,
    /// How far each client was after an edit of it, in order; of those until `since` only the last.
    ends: HashMap<u64, Vec<(Seq, u32)>>,
}

impl Gone {
    fn note(&mut self, edit: &Edit<'_>, meter: &mut Meter) -> Result<(), TooCostly> {
        let Some(since) = self.since else { return Ok(()) };
        for range in edit.inserted {
            let ends = self.ends.entry(range.client).or_default();
            match edit.seq <= since {
                true => ends.clear(),
                false => meter.hold::<(Seq, u32)>(1)?,
            }
            ends.push((edit.seq, range.end));
        }
        if edit.seq > since {
            meter.hold::<(Seq, IdRange)>(edit.deleted.len())?;
            self.deleted.extend(edit.deleted.iter().map(|range| (edit.seq, *range)));
        }
        Ok(())
    }

    /// What was there after the entry at `to` and was deleted until now.
    fn after(&self, to: Seq, meter: &mut Meter) -> Result<Vec<IdRange>, TooCostly> {
        let deleted = &self.deleted[self.deleted.partition_point(|(seq, _)| *seq <= to)..];
        meter.steps(deleted.len())?;
        let clipped = deleted.iter().filter_map(|(_, range)| {
            let ends = self.ends.get(&range.client).map_or(&[][..], Vec::as_slice);
            let (_, end) = ends.get(ends.partition_point(|(seq, _)| *seq <= to).checked_sub(1)?)?;
            let range = IdRange { end: range.end.min(*end), ..*range };
            (range.start < range.end).then_some(range)
        });
        Ok(clipped.collect())
    }
}

impl Credits {
    /// Who wrote the parts of a range, apart where the moments are between which they were written.
    pub fn parts(&self, range: IdRange) -> Vec<Moved> {
        self.within(range).filter_map(|rest| Some(self.part(range.client, &rest[0])?.clipped(range))).collect()
    }

    /// The same of all that was ever inserted, of each client in the order of its clocks; with whether each goes on with the one before.
    pub fn all_parts(&self) -> impl Iterator<Item = (bool, Moved)> {
        let all = self.stamps.iter().flat_map(|(client, own)| own.iter().map(|stamped| (*client, stamped)));
        all.filter_map(|(client, stamped)| Some((stamped.goes_on, self.part(client, stamped)?)))
    }

    fn part(&self, client: u64, stamped: &Stamped) -> Option<Moved> {
        let Stamped { start, end, stamp, first, .. } = *stamped;
        let (to, credit) = (IdRange { client, start, end }, self.credit(stamp)?);
        Some(Moved { to, credit, seq: stamp.seq, at_ms: stamp.at_ms, first })
    }

    /// Who wrote the parts of a range, by which edit, and when.
    pub fn told(&self, range: IdRange) -> Vec<(IdRange, Credit, Seq, i64)> {
        let told = |(part, stamp): (IdRange, Stamp)| Some((part, self.credit(stamp)?, stamp.seq, stamp.at_ms));
        self.of(range).filter_map(told).collect()
    }
}

impl Stamp {
    fn is_of_same(self, other: Self) -> bool {
        (self.by, self.via) == (other.by, other.via)
    }

    /// Whether a client's next units, whose oldest edit is known, count as written at once with those before them: then all are told by the
    /// newest edit. What is older than what stands before it has been moved there.
    fn is_followed_by(self, next: Self, (seq, at_ms): (Seq, i64)) -> bool {
        self.is_of_same(next) && seq >= self.seq && is_soon(self.at_ms, at_ms)
    }
}

/// Whether two parts count as written at once.
fn goes_on(one: Stamp, other: Stamp) -> bool {
    one.is_of_same(other) && is_soon(one.at_ms, other.at_ms)
}

/// Whether two times are of one session.
pub(super) fn is_soon(one_ms: i64, other_ms: i64) -> bool {
    one_ms.abs_diff(other_ms) <= GAP_MS.unsigned_abs()
}

fn newest(one: Stamp, other: Stamp) -> Stamp {
    if other.seq > one.seq { other } else { one }
}

impl History {
    /// Who wrote what of all that was inserted in a root up to a seq.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub(super) fn credits(
        &self,
        upto: Seq,
        pieces: &Pieces<'_>,
        authors: &Authors,
        meter: &mut Meter,
    ) -> Result<Credits, HistoryError> {
        self.credits_by_eras(upto, pieces, authors, meter, &[], |_, _, _| {})
    }

    /// The same, apart where it was written before and after some seqs. `note` is told what stands for other text, edit by edit, and
    /// for which, where that is there.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub(super) fn credits_by_eras(
        &self,
        upto: Seq,
        pieces: &Pieces<'_>,
        authors: &Authors,
        meter: &mut Meter,
        eras: &[Seq],
        mut note: impl FnMut(&Edit<'_>, IdRange, Option<IdRange>),
    ) -> Result<Credits, HistoryError> {
        let mut credits = Credits::default();
        let mut comparisons = self.compared_max.map_or_else(Comparisons::default, Comparisons::of);
        let mut gone = Gone::default();
        self.read_metered(upto, meter, |edit, _| {
            let oldest = [gone.since, edit.restored].into_iter().flatten().min();
            gone.since = oldest;
            Ok(())
        })?;
        let elsewhere = if self.moments.moved.is_empty() { Units::default() } else { pieces.elsewhere(meter)? };
        self.read_metered(upto, meter, |edit, meter| {
            gone.note(&edit, meter)?;
            if edit.inserted.is_empty() {
                return Ok(());
            }
            credits.era = eras.partition_point(|era| *era < edit.seq);
            let (deleted, characters_min) = authors.moved_by(&edit);
            let mut found = |deleted: &[IdRange], meter: &mut Meter| {
                let is_known = |range| credits.of(range).next().is_some();
                moves(pieces, (edit.inserted, deleted), is_known, characters_min, meter, &mut comparisons)
            };
            // Both are in the order of clients and clocks.
            let mut inserted = Vec::with_capacity(edit.inserted.len());
            for range in edit.inserted {
                self.add_counted(*range, pieces, &elsewhere, &mut inserted);
            }
            meter.steps(inserted.len())?;
            inserted.sort_unstable();
            let mut known = inserted.iter().flat_map(|range| self.moments.moved_in(*range)).peekable();
            let moved = match (edit.restored, &*deleted) {
                // What it stands for is gone.
                _ if known.peek().is_some() || edit.seq <= self.moments.seq => Vec::new(),
                (Some(to), _) => found(&gone.after(to, meter)?, meter)?,
                (None, []) if !pieces.has_marks() => Vec::new(),
                (None, deleted) => found(deleted, meter)?,
            };
            meter.hold::<Move>(moved.len())?;
            credits.moves.extend_from_slice(&moved);
            moved.iter().for_each(|moved| note(&edit, moved.to, Some(moved.from)));
            // Of what was dropped it is all known.
            let is_dropped = edit.seq <= self.moments.seq;
            let mut moved = moved.into_iter().peekable();
            for range in inserted.iter().copied() {
                let (by, via) = authors.of_inserted(&range, &edit);
                let (by, via) = (credits.number(by), via.map_or(NOBODY, |via| credits.number(via)));
                let stamp = Stamp { by, via, seq: edit.seq, at_ms: edit.at_ms };
                let mut start = range.start;
                while let Some(Moved { to, credit: Credit { by, via }, seq, at_ms, first }) =
                    known.next_if(|Moved { to, .. }| (to.client, to.end) <= (range.client, range.end))
                {
                    note(&edit, to, None);
                    if to.start > start && !is_dropped {
                        credits.push_own(IdRange { start, end: to.start, ..range }, stamp, meter)?;
                    }
                    let via = via.as_ref().map_or(NOBODY, |via| credits.number(via));
                    let stamp = Stamp { by: credits.number(&by), via, seq, at_ms };
                    credits.push(to, stamp, first, meter)?;
                    start = to.end;
                }
                while let Some(Move { to, from, .. }) =
                    moved.next_if(|moved| (moved.to.client, moved.to.end) <= (range.client, range.end))
                {
                    if to.start > start {
                        credits.push_own(IdRange { start, end: to.start, ..range }, stamp, meter)?;
                    }
                    start = credits.push_moved(to, from, stamp, meter)?;
                }
                if start < range.end && !is_dropped {
                    credits.push_own(IdRange { start, ..range }, stamp, meter)?;
                }
            }
            Ok(())
        })?;
        credits.is_partial = comparisons.is_exhausted;
        Ok(credits)
    }

    /// Adds the parts of a range that count in a root: those that lie in it, and those that nobody knows any more where they lay and of which
    /// it is told whose they were, since others go on with them.
    fn add_counted(&self, range: IdRange, pieces: &Pieces<'_>, elsewhere: &Units, parts: &mut Vec<IdRange>) {
        let own = pieces.own(range);
        if self.moments.moved.is_empty() {
            parts.extend(own);
            return;
        }
        let mut counted = Units::default();
        let told = self.moments.moved_in(range).flat_map(|moved| elsewhere.split(moved.to));
        let told = told.filter(|(_, is_elsewhere)| !is_elsewhere).map(|(part, _)| part);
        own.into_iter().chain(told).for_each(|part| counted.add(part));
        counted.settle();
        parts.extend(counted.split(range).into_iter().filter(|(_, counts)| *counts).map(|(part, _)| part));
    }

    /// Who wrote each unit of a root type after the entry at `seq`, without gaps; of the only root if none is named.
    ///
    /// Units are those of Yjs: of a text its UTF-16 units and embeds, of an array its values. Of XML they are those of all texts in it,
    /// one behind another; elements count nothing. A map has none.
    ///
    /// # Errors
    /// There is no such root, the choice is not clear, or it takes more than may be spent.
    pub fn blame(&self, root: Option<&str>, seq: Seq, authors: &Authors) -> Result<Blame, HistoryError> {
        let budget = self.budget;
        let mut meter = Meter::new(budget);
        let state = Bytes::from(self.state_with_deleted(seq)?);
        let view = View::read(&state, budget)?;
        let Some(root) = view.root_named(root)? else { return Ok(Blame::default()) };
        let kind = view.root_kind(root)?;
        let pieces = Pieces::of(&view, root, &mut meter)?;
        let credits = self.credits(seq, &pieces, authors, &mut meter)?;
        let mut runs: Vec<(Stamp, u64, u64)> = Vec::new();
        let mut at = 0;
        for piece in pieces.all() {
            let item = &piece.item;
            if !piece.counts_in(kind) {
                continue;
            }
            let range = IdRange { client: item.id.client, start: item.id.clock, end: item.id.clock + item.len };
            for (part, stamp) in credits.of(range) {
                let end = at + u64::from(part.len());
                match runs.last_mut() {
                    Some((last, _, to)) if goes_on(*last, stamp) => {
                        *last = newest(*last, stamp);
                        *to = end;
                    }
                    _ => runs.push((stamp, at, end)),
                }
                at = end;
            }
        }
        let run = |(stamp, from, to): (Stamp, u64, u64)| {
            let Stamp { seq, at_ms, .. } = stamp;
            Some(BlameRun { from, to, credit: credits.credit(stamp)?, seq, at_ms })
        };
        Ok(Blame { runs: runs.into_iter().filter_map(run).collect(), is_partial: credits.is_partial })
    }
}
