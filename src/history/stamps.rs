//! Who inserted, and who first deleted, what changed between two seqs: by whose edit, and when.

use std::collections::HashMap;

use indexmap::IndexSet;

use super::authors::{Authors, Credit};
use super::change::{Change, Stamp};
use super::error::HistoryError;
use super::past::History;
use crate::document::{IdRange, Meter};
use crate::ids::{Seq, UserId};

/// Units of a client with the same stamp.
#[derive(Debug)]
struct Stamped {
    start: u32,
    end: u32,
    stamp: Stamp,
}

/// By client, in the order of their clocks.
#[derive(Debug, Default)]
pub(super) struct Spans(HashMap<u64, Vec<Stamped>>);

impl Spans {
    fn add(&mut self, range: &IdRange, stamp: Stamp) {
        self.0.entry(range.client).or_default().push(Stamped { start: range.start, end: range.end, stamp });
    }

    /// A range in parts, each with its stamp; what no edit is known of has the `other` one.
    pub fn of(&self, range: IdRange, other: Stamp) -> Vec<(IdRange, Stamp)> {
        let own = self.0.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|stamped| stamped.end <= range.start);
        let (mut parts, mut at) = (Vec::new(), range.start);
        for stamped in own[first..].iter().take_while(|stamped| stamped.start < range.end) {
            let (start, end) = (stamped.start.max(at), stamped.end.min(range.end));
            if start > at {
                parts.push((IdRange { start: at, end: start, ..range }, other));
            }
            parts.push((IdRange { start, end, ..range }, stamped.stamp));
            at = end;
        }
        if at < range.end {
            parts.push((IdRange { start: at, ..range }, other));
        }
        parts
    }

    /// The stamp of the last unit of a range.
    pub fn of_last(&self, range: IdRange) -> Option<Stamp> {
        let own = self.0.get(&range.client)?;
        let found = own.get(own.partition_point(|stamped| stamped.end < range.end))?;
        (found.start < range.end).then_some(found.stamp)
    }
}

/// What happened between two seqs.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    users: IndexSet<UserId>,
    pub inserted: Spans,
    pub deleted: Spans,
    /// The newest edit.
    pub newest: Stamp,
}

impl Stamps {
    /// Of the edits after one seq and up to another.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn between(
        history: &History,
        (after, upto): (Seq, Seq),
        authors: &Authors,
        meter: &mut Meter,
    ) -> Result<Self, HistoryError> {
        let mut stamps = Self::default();
        history.read_metered(upto, meter, |edit, meter| {
            if edit.seq <= after {
                return Ok(());
            }
            meter.hold::<Stamped>(edit.inserted.len() + edit.deleted.len())?;
            let (seq, at_ms) = (edit.seq, edit.at_ms);
            for range in edit.inserted {
                let (by, via) = authors.of_inserted(range, &edit);
                let (by, via) = (stamps.number(by), via.map(|via| stamps.number(via)));
                stamps.inserted.add(range, Stamp { seq, at_ms, by, via });
            }
            let (by, via) = (stamps.number(edit.author), edit.via.map(|via| stamps.number(via)));
            stamps.newest = Stamp { seq, at_ms, by, via };
            for range in edit.deleted {
                stamps.deleted.add(range, stamps.newest);
            }
            Ok(())
        })?;
        // Those of one client were inserted in the order of their clocks.
        stamps.deleted.0.values_mut().for_each(|own| own.sort_unstable_by_key(|stamped| stamped.start));
        Ok(stamps)
    }

    fn number(&mut self, user: &UserId) -> u32 {
        let known = self.users.get_index_of(user);
        known.unwrap_or_else(|| self.users.insert_full(user.clone()).0) as u32
    }

    /// A change with that stamp.
    ///
    /// # Errors
    /// A fault: nothing happened between the two seqs.
    pub fn change(&self, stamp: Stamp) -> Result<Change, HistoryError> {
        let user = |number: u32| self.users.get_index(number as usize).cloned();
        let by = user(stamp.by).ok_or_else(|| HistoryError::Fault("there is a change that no edit made".into()))?;
        Ok(Change { credit: Credit { by, via: stamp.via.and_then(user) }, stamp })
    }
}
