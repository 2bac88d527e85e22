//! What changed in a text between two moments, told by ids: what has the same id is the same, so nothing is guessed, and no text is shown
//! that was at neither.

use std::collections::HashMap;

use bytes::Bytes;

use super::authors::{Authors, Credit};
use super::blame::is_soon;
use super::error::HistoryError;
use super::past::History;
use super::pieces::{Part, Pieces};
use super::unified::unified;
use super::units::{Units, range_of};
use crate::document::{IdRange, Kind, Meter, TypeKind, View};
use crate::ids::Seq;

/// A part of a text, in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// So many units are as they were.
    Retain(u64),
    /// It was not there before.
    Insert(Change),
    /// It is not there any more.
    Delete(Change),
}

/// Text that came or went, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The text; U+FFFC stands for what is no text.
    pub text: String,
    /// Whose it is to have inserted or deleted it.
    pub credit: Credit,
    /// The newest edit that did.
    pub seq: Seq,
    /// When that was, in Unix milliseconds.
    pub at_ms: i64,
}

/// Stands for an embed.
const OBJECT: &str = "\u{fffc}";

/// Who deleted ranges first: client, clocks, and by which edit.
type Deletions = HashMap<u64, Vec<(u32, u32, Credit, Seq, i64)>>;

impl History {
    /// What of a text root differs between two seqs: applied to the text after `from` it gives the text after `to`. Formats and what is
    /// embedded are not compared.
    ///
    /// # Errors
    /// There is no such root, the choice is not clear, it is no text, or it takes more than may be spent.
    pub fn diff(
        &self,
        root: Option<&str>,
        from: Seq,
        to: Seq,
        authors: &Authors,
    ) -> Result<Vec<Difference>, HistoryError> {
        let budget = self.budget;
        let mut meter = Meter::new(budget);
        let later = from.max(to);
        let state = Bytes::from(self.state_with_deleted(later)?);
        let view = View::read(&state, budget)?;
        let Some(root) = view.root_named(root)? else { return Ok(Vec::new()) };
        if !matches!(view.root_kind(root)?, TypeKind::Text) {
            return Err(HistoryError::NoText);
        }
        let pieces = Pieces::of(&view, root, &mut meter)?;
        let earlier = Bytes::from(self.state_with_deleted(from.min(to))?);
        let (earlier, later_units) = (Units::alive(&View::read(&earlier, budget)?), Units::alive(&view));
        let (before, after) = if from <= to { (&earlier, &later_units) } else { (&later_units, &earlier) };
        let credits = self.credits(later, &pieces, authors, &mut meter)?;
        let deletions = self.deletions(from.min(to), later, &mut meter)?;
        let mut differences: Vec<Difference> = Vec::new();
        for (at, piece) in pieces.all().iter().enumerate() {
            let item = &piece.item;
            if piece.parent != 0 || item.key.is_some() || item.content.kind == Kind::Format {
                continue;
            }
            for (part, was) in before.split(range_of(item)) {
                for (part, is) in after.split(part) {
                    if was && is {
                        push(&mut differences, Difference::Retain(part.len().into()));
                    } else if was || is {
                        let born = !earlier.split(part).iter().all(|(_, is_in)| *is_in);
                        let stamped = if born { credits.told(part) } else { deleted(&deletions, part) };
                        for (part, credit, seq, at_ms) in stamped {
                            meter.step()?;
                            meter.hold::<Difference>(1)?;
                            let part = Part { piece: at, offset: part.start - item.id.clock, len: part.len() };
                            let text = match item.content.kind {
                                Kind::Text => String::from_utf16_lossy(pieces.text(part)),
                                _ => OBJECT.repeat(part.len as usize),
                            };
                            let change = Change { text, credit, seq, at_ms };
                            push(
                                &mut differences,
                                if is { Difference::Insert(change) } else { Difference::Delete(change) },
                            );
                        }
                    }
                }
            }
        }
        Ok(differences)
    }

    /// What of a root that is a text or XML differs between two seqs, as a unified diff whose files have the given names; empty if nothing
    /// does. In XML each tag that follows another begins a line.
    ///
    /// # Errors
    /// As [`diff`](Self::diff).
    pub fn unified_diff(
        &self,
        root: Option<&str>,
        (from, from_name): (Seq, &str),
        (to, to_name): (Seq, &str),
    ) -> Result<String, HistoryError> {
        let view =
            |seq| -> Result<View, HistoryError> { Ok(View::read(&Bytes::from(self.state_at(seq)?), self.budget)?) };
        let (before, after) = (view(from)?, view(to)?);
        let later = if from > to { &before } else { &after };
        let Some(root) = later.root_named(root)? else { return Ok(String::new()) };
        let is_xml = match later.root_kind(root)? {
            TypeKind::Text => false,
            TypeKind::XmlFragment => true,
            _ => return Err(HistoryError::NoText),
        };
        let text = |view: &View| match is_xml {
            _ if !view.roots().any(|name| name == root) => Ok(String::new()),
            // What is no tag is escaped.
            true => view.xml(Some(root)).map(|xml| xml.replace("><", ">\n<") + "\n"),
            false => view.text(Some(root)),
        };
        let mut meter = Meter::new(self.budget);
        Ok(unified((from_name, &text(&before)?), (to_name, &text(&after)?), &mut meter)?)
    }

    /// What was deleted after a seq, and by whom.
    fn deletions(&self, after: Seq, upto: Seq, meter: &mut Meter) -> Result<Deletions, HistoryError> {
        let mut deletions = Deletions::new();
        self.read_metered(upto, meter, |edit, meter| {
            if edit.seq > after {
                meter.hold::<(u32, u32, Credit, Seq, i64)>(edit.deleted.len())?;
                let credit = Credit { by: edit.author.clone(), via: edit.via.cloned() };
                for range in edit.deleted {
                    let own = deletions.entry(range.client).or_default();
                    own.push((range.start, range.end, credit.clone(), edit.seq, edit.at_ms));
                }
            }
            Ok(())
        })?;
        deletions.values_mut().for_each(|own| own.sort_unstable_by_key(|(start, ..)| *start));
        Ok(deletions)
    }
}

/// The parts of a range that was deleted, with who did.
fn deleted(deletions: &Deletions, range: IdRange) -> Vec<(IdRange, Credit, Seq, i64)> {
    let own = deletions.get(&range.client).map_or(&[][..], Vec::as_slice);
    let first = own.partition_point(|(_, end, ..)| *end <= range.start);
    let within = own[first..].iter().take_while(|(start, ..)| *start < range.end);
    let part = |(start, end, credit, seq, at_ms): &(u32, u32, Credit, Seq, i64)| {
        let part = IdRange { start: range.start.max(*start), end: range.end.min(*end), ..range };
        (part, credit.clone(), *seq, *at_ms)
    };
    within.map(part).collect()
}

/// Adds a difference, as part of the last one where that says the same of it.
fn push(differences: &mut Vec<Difference>, next: Difference) {
    match (differences.last_mut(), next) {
        (Some(Difference::Retain(len)), Difference::Retain(more)) => *len += more,
        (Some(Difference::Insert(last)), Difference::Insert(next))
        | (Some(Difference::Delete(last)), Difference::Delete(next))
            if last.credit == next.credit && is_soon(last.at_ms, next.at_ms) =>
        {
            last.text.push_str(&next.text);
            (last.seq, last.at_ms) = (last.seq, last.at_ms).max((next.seq, next.at_ms));
        }
        (_, next) => differences.push(next),
    }
}
