//! Sets of units: of each Yjs client some ranges of clocks.

use std::collections::HashMap;

use crate::document::{IdRange, Items, Kind, Meter, PastState, TooCostly, View, ViewItem};

/// Units, in ranges that neither overlap nor adjoin, ascending.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Units(HashMap<u64, Vec<(u32, u32)>>);

impl Units {
    /// All units that are not deleted, in all roots.
    pub fn alive(view: &View) -> Self {
        Self::of(view, |item| !item.is_deleted, |item| !item.is_deleted)
    }

    /// All units of which nobody knows any more what they were.
    pub fn without_content(view: &View) -> Self {
        Self::of(view, |item| item.content.kind == Kind::Deleted, |_| true)
    }

    /// Those of all items that count, and of what lies in the types that are entered.
    fn of(view: &View, counts: impl Fn(&ViewItem<'_>) -> bool, enters: impl Fn(&ViewItem<'_>) -> bool) -> Self {
        let mut units = Self::default();
        for root in view.roots() {
            each_item_where(view.items(root), &enters, |item| {
                if counts(item) {
                    units.add(range_of(item));
                }
            });
        }
        units.settle();
        units
    }

    /// All units that there were and that nobody had deleted: what was replaced, or lies in something deleted, is among them.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn undeleted(past: &PastState, meter: &mut Meter) -> Result<Self, TooCostly> {
        let mut units = Self::default();
        for (client, clock) in past.clocks.iter() {
            let deleted = past.deleted.get(&client).map_or(&[][..], Vec::as_slice);
            meter.steps(1 + deleted.len())?;
            meter.hold::<(u32, u32)>(1 + deleted.len())?;
            let starts = [0].into_iter().chain(deleted.iter().map(|(_, end)| *end));
            let ends = deleted.iter().map(|(start, _)| *start).chain([clock]);
            let ranges = starts.zip(ends).filter(|(start, end)| start < end);
            units.0.insert(client, ranges.collect());
        }
        Ok(units)
    }

    /// Whether a unit is in.
    pub fn has(&self, client: u64, clock: u32) -> bool {
        let own = self.0.get(&client).map_or(&[][..], Vec::as_slice);
        own.get(own.partition_point(|(_, end)| *end <= clock)).is_some_and(|(start, _)| *start <= clock)
    }

    /// Adds a range; to be settled before anything is asked.
    pub fn add(&mut self, range: IdRange) {
        self.0.entry(range.client).or_default().push((range.start, range.end));
    }

    pub fn settle(&mut self) {
        for ranges in self.0.values_mut() {
            ranges.sort_unstable();
            ranges.dedup_by(|next, last| {
                let touches = next.0 <= last.1;
                last.1 = if touches { last.1.max(next.1) } else { last.1 };
                touches
            });
        }
    }

    /// The parts of a range, each with whether it is in.
    pub fn split(&self, range: IdRange) -> Vec<(IdRange, bool)> {
        let own = self.0.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|(_, end)| *end <= range.start);
        let (mut parts, mut at) = (Vec::new(), range.start);
        for &(start, end) in own[first..].iter().take_while(|(start, _)| *start < range.end) {
            if start > at {
                parts.push((IdRange { start: at, end: start, ..range }, false));
            }
            let (start, end) = (start.max(at), end.min(range.end));
            parts.push((IdRange { start, end, ..range }, true));
            at = end;
        }
        if at < range.end {
            parts.push((IdRange { start: at, ..range }, false));
        }
        parts
    }

    /// Its ranges, by client.
    pub fn into_ranges(self) -> HashMap<u64, Vec<(u32, u32)>> {
        self.0
    }

    /// Takes units out.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (client, ranges) in &self.0 {
            for &(start, end) in ranges {
                let parts = other.split(IdRange { client: *client, start, end });
                parts.into_iter().filter(|(_, is_in)| !is_in).for_each(|(part, _)| left.add(part));
            }
        }
        left.settle();
        left
    }

    /// Adds all units of another set.
    pub fn extend(&mut self, other: &Self) {
        for (client, ranges) in &other.0 {
            self.0.entry(*client).or_default().extend(ranges);
        }
        self.settle();
    }
}

/// Goes through items and all that lies in them.
pub(super) fn each_item_of<'v>(items: Option<Items<'v>>, each: impl FnMut(&ViewItem<'v>)) {
    each_item_where(items, &|_| true, each);
}

fn each_item_where<'v>(
    items: Option<Items<'v>>,
    enters: &impl Fn(&ViewItem<'_>) -> bool,
    mut each: impl FnMut(&ViewItem<'v>),
) {
    let mut open: Vec<Items<'v>> = items.into_iter().collect();
    while let Some(items) = open.last_mut() {
        let Some(item) = items.next() else {
            open.pop();
            continue;
        };
        each(&item);
        open.extend(item.children().filter(|_| enters(&item)));
    }
}

/// The units of an item.
pub(super) fn range_of(item: &ViewItem<'_>) -> IdRange {
    IdRange { client: item.id.client, start: item.id.clock, end: item.id.clock + item.len }
}
