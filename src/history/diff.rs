//! What changed in a root type between two moments, told by ids: what has the same id is the same, so nothing is guessed, and nothing is
//! shown that was at neither.

use bytes::Bytes;

use super::authors::Authors;
use super::compare::{Compare, State};
use super::difference::Changes;
use super::error::HistoryError;
use super::marks::Side;
use super::past::History;
use super::stamps::Stamps;
use super::unified::{lines, unified};
use super::units::Units;
use crate::document::{Meter, TypeKind, View};
use crate::ids::Seq;

/// What differs in a root type.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RootChanges {
    /// Its name, and what it is as its content tells; none if the document never had a root type.
    pub root: Option<(String, TypeKind)>,
    /// What differs.
    pub changes: Changes,
}

impl History {
    /// What of a root type differs between two seqs: applied to what it was after `from` it gives what it was after `to`.
    ///
    /// # Errors
    /// There is no such root, the choice is not clear, or it takes more than may be spent.
    pub fn diff(&self, root: Option<&str>, from: Seq, to: Seq, authors: &Authors) -> Result<RootChanges, HistoryError> {
        let mut meter = Meter::new(self.budget);
        let (earlier, later) = (from.min(to), from.max(to));
        let bytes = Bytes::from(self.state_with_deleted(later)?);
        let view = View::read(&bytes, self.budget)?;
        let Some(root) = view.root_named(root)? else { return Ok(RootChanges::default()) };
        let (kind, items) = (view.root_kind(root)?, view.items(root));
        let mut state = |seq| -> Result<State, HistoryError> {
            let past = self.at(seq)?;
            Ok(State { undeleted: Units::undeleted(&past, &mut meter)?, clocks: past.clocks })
        };
        let (before, after) = (state(earlier)?, state(later)?);
        let stamps = Stamps::between(self, (earlier, later), authors, &mut meter)?;
        let other = stamps.newest;
        let mut compare = Compare { earlier: before, later: after, is_forwards: from <= to, stamps, meter: &mut meter };
        let changes = items.map_or_else(|| Ok(Changes::default()), |items| compare.all(items, Side::Both, other))?;
        Ok(RootChanges { root: Some((root.to_owned(), kind)), changes })
    }

    /// What of a root type differs between two seqs, as a unified diff whose files have the given names; empty if nothing does. In XML each
    /// tag that follows another begins a line; maps and arrays are JSON, a value in each line.
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
        let kind = later.root_kind(root)?;
        let mut meter = Meter::new(self.budget);
        let mut text = |view: &View| -> Result<String, HistoryError> {
            if !view.roots().any(|name| name == root) {
                return Ok(String::new());
            }
            Ok(match kind {
                TypeKind::Text => view.text(Some(root))?,
                // What is no tag is escaped.
                TypeKind::XmlFragment => view.xml(Some(root))?.replace("><", ">\n<") + "\n",
                _ => lines(&view.json(Some(root))?, &mut meter)?,
            })
        };
        let (before, after) = (text(&before)?, text(&after)?);
        Ok(unified((from_name, &before), (to_name, &after), &mut meter)?)
    }
}
