//! Who wrote each part of a document.

use std::collections::HashMap;

use bytes::Bytes;

use super::activity::GAP_MS;
use super::authors::{Authors, Credit};
use super::error::HistoryError;
use super::moves::{COMPARED_MAX, Move, moves};
use super::past::History;
use super::pieces::Pieces;
use crate::document::{IdRange, Kind, ReadingBudget, TypeKind, View};
use crate::ids::{Seq, UserId};

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

/// Units with the same stamp.
#[derive(Debug, Clone, Copy)]
struct Stamped {
    start: u32,
    end: u32,
    stamp: Stamp,
}

/// Who wrote every unit that was ever inserted.
#[derive(Debug, Default)]
pub(super) struct Credits {
    users: Vec<UserId>,
    numbers: HashMap<UserId, u32>,
    /// By client, in the order of their clocks.
    stamps: HashMap<u64, Vec<Stamped>>,
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

    /// Adds units of a client, which come behind all that were added of it.
    fn push(&mut self, range: IdRange, stamp: Stamp) {
        let own = self.stamps.entry(range.client).or_default();
        match own.last_mut() {
            Some(last) if last.end == range.start && goes_on(last.stamp, stamp) => {
                last.end = range.end;
                last.stamp = newest(last.stamp, stamp);
            }
            _ => own.push(Stamped { start: range.start, end: range.end, stamp }),
        }
    }

    /// Adds units that stand for others, with the stamps of those; where they end. What came with the same edit has `own`.
    fn push_moved(&mut self, to: IdRange, from: IdRange, own: Stamp) -> u32 {
        let known: Vec<_> = self.of(from).collect();
        let mut at = to.start;
        for (part, stamp) in known {
            let (start, end) = (to.start + (part.start - from.start), to.start + (part.end - from.start));
            if start > at {
                self.push(IdRange { start: at, end: start, ..to }, own);
            }
            self.push(IdRange { start, end, ..to }, stamp);
            at = end;
        }
        if at < to.end {
            self.push(IdRange { start: at, ..to }, own);
        }
        to.end
    }

    /// The stamps of a range, with the parts that have them; nothing for units that are not there.
    fn of(&self, range: IdRange) -> impl Iterator<Item = (IdRange, Stamp)> {
        let own = self.stamps.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|stamped| stamped.end <= range.start);
        let within = own[first..].iter().take_while(move |stamped| stamped.start < range.end);
        within.map(move |stamped| {
            let part = IdRange { start: stamped.start.max(range.start), end: stamped.end.min(range.end), ..range };
            (part, stamped.stamp)
        })
    }
}

impl Credits {
    /// Who wrote the parts of a range, by which edit, and when.
    pub fn told(&self, range: IdRange) -> Vec<(IdRange, Credit, Seq, i64)> {
        let told = |(part, stamp): (IdRange, Stamp)| Some((part, self.credit(stamp)?, stamp.seq, stamp.at_ms));
        self.of(range).filter_map(told).collect()
    }
}

/// Whether two parts count as written at once.
fn goes_on(one: Stamp, other: Stamp) -> bool {
    (one.by, one.via) == (other.by, other.via) && one.at_ms.abs_diff(other.at_ms) <= GAP_MS.unsigned_abs()
}

fn newest(one: Stamp, other: Stamp) -> Stamp {
    if other.seq > one.seq { other } else { one }
}

impl History {
    /// Who wrote what of all that was inserted up to a seq.
    pub(super) fn credits(&self, upto: Seq, pieces: &Pieces<'_>, authors: &Authors) -> Result<Credits, HistoryError> {
        let mut credits = Credits::default();
        let mut left = COMPARED_MAX;
        self.read(upto, |edit| {
            if edit.inserted.is_empty() {
                return;
            }
            let moved = match (edit.restored, edit.deleted) {
                (Some(to), _) => moves(pieces, edit.inserted, &self.gone_between(to, edit.seq), &mut left),
                (None, []) => Vec::new(),
                (None, deleted) => moves(pieces, edit.inserted, deleted, &mut left),
            };
            let mut moved = moved.into_iter().peekable();
            // Both are in the order of clients and clocks.
            let mut inserted = edit.inserted.to_vec();
            inserted.sort_unstable();
            for range in inserted {
                let (by, via) = authors.of_inserted(&range, &edit);
                let (by, via) = (credits.number(by), via.map_or(NOBODY, |via| credits.number(via)));
                let stamp = Stamp { by, via, seq: edit.seq, at_ms: edit.at_ms };
                let mut start = range.start;
                while let Some(Move { to, from }) =
                    moved.next_if(|moved| (moved.to.client, moved.to.end) <= (range.client, range.end))
                {
                    if to.start > start {
                        credits.push(IdRange { start, end: to.start, ..range }, stamp);
                    }
                    start = credits.push_moved(to, from, stamp);
                }
                if start < range.end {
                    credits.push(IdRange { start, ..range }, stamp);
                }
            }
        })?;
        Ok(credits)
    }

    /// What was there after the entry at `to` and deleted by the one at `seq`.
    fn gone_between(&self, to: Seq, seq: Seq) -> Vec<IdRange> {
        let mut gone = Vec::new();
        let deleted = self.read(seq, |edit| {
            if edit.seq > to {
                gone.extend_from_slice(edit.deleted);
            }
        });
        // Both were read before.
        let (Ok(_), Ok(clocks)) = (deleted, self.read(to, |_| {})) else { return Vec::new() };
        gone.retain_mut(|range| {
            range.end = range.end.min(clocks.get(range.client));
            range.start < range.end
        });
        gone
    }

    /// Who wrote each unit of a root type after the entry at `seq`, without gaps; of the only root if none is named.
    ///
    /// Units are those of Yjs: of a text its UTF-16 units and embeds, of an array its values. Of XML they are those of all texts in it,
    /// one behind another; elements count nothing. A map has none.
    ///
    /// # Errors
    /// There is no such root, the choice is not clear, or it takes more than may be spent.
    pub fn blame(&self, root: Option<&str>, seq: Seq, authors: &Authors) -> Result<Vec<BlameRun>, HistoryError> {
        let state = Bytes::from(self.state_with_deleted(seq)?);
        let view = View::read(&state, ReadingBudget::default())?;
        let Some(root) = view.root_named(root)? else { return Ok(Vec::new()) };
        let kind = view.root_kind(root)?;
        let pieces = Pieces::of(&view, root);
        let credits = self.credits(seq, &pieces, authors)?;
        let mut runs: Vec<(Stamp, u64, u64)> = Vec::new();
        let mut at = 0;
        for piece in pieces.all() {
            let item = &piece.item;
            let counts = match kind {
                TypeKind::XmlFragment => matches!(item.content.kind, Kind::Text | Kind::Embed) && item.key.is_none(),
                _ => piece.parent == 0 && item.key.is_none() && item.content.kind != Kind::Format,
            };
            if item.is_deleted || !counts {
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
        Ok(runs.into_iter().filter_map(run).collect())
    }
}
