//! Goes through a root as it was at the later of two seqs, with all that was deleted by then, and tells what of it is in which of both
//! states. Told by ids: what has the same id is the same, so nothing is guessed.

use super::change::{Change, Stamp};
use super::difference::{Attributes, Changes, Difference, Entry, KeyChange, Shared, What, push};
use super::error::HistoryError;
use super::marks::{Marks, Side};
use super::stamps::Stamps;
use super::units::{Units, range_of};
use crate::document::{Clocks, IdRange, Items, Kind, Meter, Parts, ViewItem};

/// A state of the document: how far clients were, and what of that was not deleted.
pub(super) struct State {
    pub clocks: Clocks,
    pub undeleted: Units,
}

/// Compares two states.
pub(super) struct Compare<'m> {
    pub earlier: State,
    pub later: State,
    /// Whether the later one is what the other becomes.
    pub is_forwards: bool,
    pub stamps: Stamps,
    pub meter: &'m mut Meter,
}

/// The values of a key: those that count in both states, and the last of all.
#[derive(Default)]
struct Slot<'v> {
    earlier: Option<ViewItem<'v>>,
    later: Option<ViewItem<'v>>,
    last: Option<ViewItem<'v>>,
}

/// What is known of a list so far.
struct List<'v> {
    /// In which state it is.
    side: Side,
    /// Who did what no edit tells of: what lies in something goes with it.
    other: Stamp,
    marks: Marks<'v>,
    changes: Changes,
}

impl Compare<'_> {
    /// What differs in a type. Types lie no deeper than a document allows.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn all<'v>(&mut self, items: Items<'v>, side: Side, other: Stamp) -> Result<Changes, HistoryError> {
        let mut list = List { side, other, marks: Marks::default(), changes: Changes::default() };
        let mut slot = Slot::default();
        for item in items {
            self.meter.step()?;
            if item.key.is_some() {
                if slot.last.as_ref().is_some_and(|last| last.key != item.key) {
                    self.key(std::mem::take(&mut slot), &mut list)?;
                }
                self.value(&mut slot, item, side);
            } else if !matches!(item.content.kind, Kind::Collected | Kind::Deleted | Kind::Skip) {
                // Of those nobody knows any more what they were.
                self.item(&item, &mut list)?;
            }
        }
        self.key(slot, &mut list)?;
        Ok(list.changes)
    }

    fn item<'v>(&mut self, item: &ViewItem<'v>, list: &mut List<'v>) -> Result<(), HistoryError> {
        let mut parts = Parts::of(item);
        for (range, is_earlier) in self.earlier.undeleted.split(range_of(item)) {
            for (range, is_later) in self.later.undeleted.split(range) {
                self.meter.step()?;
                let (is_earlier, is_later) =
                    (is_earlier && list.side.is_in_earlier(), is_later && list.side.is_in_later());
                match Side::of(is_earlier, is_later) {
                    None => {}
                    Some(side) if item.content.kind == Kind::Format => list.marks.take(item, side, self.meter)?,
                    Some(Side::Both) => self.both(item, range, list)?,
                    Some(side) => self.one(item, &mut parts, (range, side), list)?,
                }
            }
        }
        Ok(())
    }

    /// A part of a list that is in both states.
    fn both<'v>(&mut self, item: &ViewItem<'v>, range: IdRange, list: &mut List<'v>) -> Result<(), HistoryError> {
        let format = list.marks.reformat(&self.stamps, self.is_forwards, list.other, self.meter)?;
        let changes = match item.children() {
            Some(children) => self.all(children, Side::Both, list.other)?,
            None => Changes::default(),
        };
        let next = match changes.is_empty() {
            true => Difference::Retain { len: range.len().into(), format },
            false => Difference::Modify { changes, format },
        };
        self.push(list, next)
    }

    /// A part of a list that is in one state.
    fn one<'v>(
        &mut self,
        item: &ViewItem<'v>,
        parts: &mut Parts<'v>,
        (range, side): (IdRange, Side),
        list: &mut List<'v>,
    ) -> Result<(), HistoryError> {
        let attributes = if self.is_to(side) { list.marks.of(side, self.meter)? } else { Attributes::default() };
        for (range, stamp) in self.stamped(range, side, list.other) {
            let what = match item.content.kind {
                Kind::Type => What::Type(self.shared(item, side, stamp)?),
                Kind::Text => {
                    let part = parts.cut(range);
                    self.meter.steps(part.text().len())?;
                    // Twice, as a text that others join doubles when it grows.
                    self.meter.hold::<u16>(part.text().len())?;
                    What::Text(part.text().to_owned())
                }
                Kind::Embed => What::Embed(parts.cut(range).values(self.meter)?.pop().unwrap_or_default()),
                _ => What::Values(parts.cut(range).values(self.meter)?),
            };
            let change = self.change(stamp)?;
            let next = match self.is_to(side) {
                true => Difference::Insert { what, attributes: attributes.clone(), change },
                false => Difference::Delete { what, change },
            };
            self.push(list, next)?;
        }
        Ok(())
    }

    /// Notes what was set at a key.
    fn value<'v>(&self, slot: &mut Slot<'v>, item: ViewItem<'v>, side: Side) {
        // Of several values that came at once the last counts.
        let (client, last) = (item.id.client, item.id.clock + item.len - 1);
        for (state, value, is_in) in [
            (&self.earlier, &mut slot.earlier, side.is_in_earlier()),
            (&self.later, &mut slot.later, side.is_in_later()),
        ] {
            // What comes behind replaces what is before, also where nobody deleted that.
            if is_in && last < state.clocks.get(client) {
                *value = state.undeleted.has(client, last).then(|| item.clone());
            }
        }
        slot.last = Some(item);
    }

    /// Tells what became of a key.
    fn key(&mut self, slot: Slot<'_>, list: &mut List<'_>) -> Result<(), HistoryError> {
        let Slot { earlier, later, last: Some(last) } = slot else { return Ok(()) };
        let key = last.key.unwrap_or_default();
        let change = match (earlier, later) {
            (None, None) => return Ok(()),
            (Some(earlier), Some(later)) if earlier.id == later.id => {
                let Some(children) = later.children() else { return Ok(()) };
                let changes = self.all(children, Side::Both, list.other)?;
                if changes.is_empty() {
                    return Ok(());
                }
                KeyChange::Modify(changes)
            }
            (earlier, later) => {
                let stamp = self.stamp_of_key(earlier.as_ref(), later.as_ref(), &last).unwrap_or(list.other);
                let earlier = self.entry(earlier, Side::Earlier, stamp)?;
                let later = self.entry(later, Side::Later, stamp)?;
                let is_same = match (&earlier, &later) {
                    (Some(Entry::Value(earlier)), Some(Entry::Value(later))) => earlier == later,
                    (earlier, later) => earlier.is_none() && later.is_none(),
                };
                if is_same {
                    return Ok(());
                }
                let (from, to) = if self.is_forwards { (earlier, later) } else { (later, earlier) };
                KeyChange::Replace { from, to, change: self.change(stamp)? }
            }
        };
        self.meter.steps(key.len())?;
        self.meter.hold::<(String, KeyChange)>(1)?;
        self.meter.hold::<u8>(key.len())?;
        list.changes.keys.push((key.to_owned(), change));
        Ok(())
    }

    /// Who gave a key its later value, or took its value away.
    fn stamp_of_key(
        &self,
        earlier: Option<&ViewItem<'_>>,
        later: Option<&ViewItem<'_>>,
        last: &ViewItem<'_>,
    ) -> Option<Stamp> {
        let Stamps { inserted, deleted, .. } = &self.stamps;
        match later {
            Some(later) => inserted.of_last(range_of(later)),
            // Nobody need have deleted what another value replaced.
            None => deleted.of_last(range_of(last)).or_else(|| deleted.of_last(range_of(earlier?))),
        }
    }

    fn entry(&mut self, item: Option<ViewItem<'_>>, side: Side, stamp: Stamp) -> Result<Option<Entry>, HistoryError> {
        let Some(item) = item else { return Ok(None) };
        if item.content.kind == Kind::Type {
            return Ok(Some(Entry::Type(self.shared(&item, side, stamp)?)));
        }
        Ok(item.entry(self.meter)?.map(Entry::Value))
    }

    fn shared(&mut self, item: &ViewItem<'_>, side: Side, stamp: Stamp) -> Result<Shared, HistoryError> {
        let no_type = || HistoryError::Fault("a shared type has no kind".into());
        let (kind, children) = item.type_kind().zip(item.children()).ok_or_else(no_type)?;
        let name = Some(item.type_name()).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Shared { kind, name, changes: self.all(children, side, stamp)? })
    }

    /// Whether what is on a side is so in the state that the other becomes.
    fn is_to(&self, side: Side) -> bool {
        (side == Side::Later) == self.is_forwards
    }

    /// Who brought what is in the later state, or took away what is in the earlier one.
    fn stamped(&self, range: IdRange, side: Side, other: Stamp) -> Vec<(IdRange, Stamp)> {
        let spans = if side == Side::Later { &self.stamps.inserted } else { &self.stamps.deleted };
        spans.of(range, other)
    }

    fn change(&self, stamp: Stamp) -> Result<Change, HistoryError> {
        self.stamps.change(stamp)
    }

    fn push(&mut self, list: &mut List<'_>, next: Difference) -> Result<(), HistoryError> {
        self.meter.hold::<Difference>(1)?;
        push(&mut list.changes.ops, next);
        Ok(())
    }
}
