//! Brings a document to the units that it shall have, by an edit forward: what is too much is deleted, what is missing is put back where
//! it stood. What stays keeps its ids, so cursors, comments and what others type at the same time stay, too.

use super::units::{Units, range_of};
use crate::document::{BlockId, IdRange, ItemPart, Items, Kind, Parent, Parts, Place, Redo, View, ViewItem};

/// What an undo does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// UTF-16 units of text that come back.
    pub inserted: u64,
    /// UTF-16 units of text that go.
    pub deleted: u64,
}

/// Writes the edit of a new Yjs client that leaves exactly the `wanted` units, by themselves or by copies.
pub(super) struct Undo<'w> {
    wanted: &'w Units,
    redo: Redo,
    undone: Undone,
}

/// Parts of a list that come back next to each other, and what stands left of them.
#[derive(Default)]
struct Gone<'v> {
    left: Option<BlockId>,
    parts: Vec<ItemPart<'v>>,
}

impl<'w> Undo<'w> {
    pub fn new(wanted: &'w Units, client: u64) -> Self {
        Self { wanted, redo: Redo::by(client), undone: Undone::default() }
    }

    /// Goes through all roots; the edit, if there is anything to do.
    pub fn all(mut self, view: &View) -> (Option<bytes::Bytes>, Undone) {
        for root in view.roots() {
            if let Some(items) = view.items(root) {
                self.keep(items);
            }
        }
        (self.redo.finish(), self.undone)
    }

    /// A type stays: what is in it is brought to what is wanted. Types lie no deeper than a document allows.
    fn keep(&mut self, items: Items<'_>) {
        let mut gone = Gone::default();
        let mut left = None;
        let mut entry: Vec<ViewItem<'_>> = Vec::new();
        for item in items {
            if item.key.is_some() {
                if entry.last().is_some_and(|last| last.key != item.key) {
                    self.keep_entry(&std::mem::take(&mut entry));
                }
                entry.push(item);
                continue;
            }
            let mut parts = None;
            for (range, is_wanted) in self.wanted.split(range_of(&item)) {
                match (item.is_deleted, is_wanted) {
                    (false, false) => self.delete(&item, range),
                    (true, true) => {
                        let part = parts.get_or_insert_with(|| Parts::of(&item)).cut(range);
                        self.bring_back(&mut gone, left, part);
                        left = last_of(range);
                        continue;
                    }
                    _ => {}
                }
                self.flush(&mut gone);
                left = last_of(range);
            }
            if !item.is_deleted
                && let Some(children) = item.children()
                && self.is_wanted(&item)
            {
                self.keep(children);
            }
        }
        self.flush(&mut gone);
        self.keep_entry(&entry);
    }

    fn is_wanted(&self, item: &ViewItem<'_>) -> bool {
        self.wanted.split(range_of(item)).iter().all(|(_, is_in)| *is_in)
    }

    /// Adds a part to those that come back together; ends them first where it cannot be one with them.
    fn bring_back<'v>(&mut self, gone: &mut Gone<'v>, left: Option<BlockId>, part: ItemPart<'v>) {
        let joins = gone.parts.last().is_some_and(|last| Redo::joins(last.item.content.kind, part.item.content.kind));
        if !joins {
            self.flush(gone);
            gone.left = left;
        }
        gone.parts.push(part);
    }

    /// Puts what comes back directly before what it stands for.
    fn flush(&mut self, gone: &mut Gone<'_>) {
        let parts = std::mem::take(&mut gone.parts);
        let Some(first) = parts.first() else { return };
        // It has a neighbour, so nobody is told a parent.
        let place = Place { left: gone.left, right: Some(first.first), parent: Parent::Root(""), key: None };
        self.put(place, &parts);
    }

    /// Puts a copy there, with all that is wanted of what lies in it; its last unit.
    fn put(&mut self, place: Place<'_>, parts: &[ItemPart<'_>]) -> Option<BlockId> {
        let first = parts.first()?;
        if first.item.content.kind == Kind::Text {
            self.undone.inserted += parts.iter().map(|part| u64::from(part.len)).sum::<u64>();
        }
        let Some(kind) = first.item.type_kind() else { return self.redo.put(place, parts) };
        let id = self.redo.put_type(place, kind, first.item.type_name())?;
        self.fill(first.item.children()?, id);
        Some(id)
    }

    /// Fills a type that came back.
    fn fill(&mut self, items: Items<'_>, id: BlockId) {
        let parent = Parent::Type(id);
        let mut left = None;
        let mut run: Vec<ItemPart<'_>> = Vec::new();
        let mut entry: Option<ItemPart<'_>> = None;
        for item in items {
            let key = item.key;
            if key.is_some() {
                // Of a key the last value counts.
                if let Some(value) = self.wanted_value(&item) {
                    if entry.as_ref().is_some_and(|entry| entry.item.key != key) {
                        self.fill_entry(parent, entry.take());
                    }
                    entry = Some(value);
                }
                continue;
            }
            let mut parts = Parts::of(&item);
            for (range, _) in self.wanted.split(range_of(&item)).into_iter().filter(|(_, is_wanted)| *is_wanted) {
                let part = parts.cut(range);
                let joins = run.last().is_some_and(|last| Redo::joins(last.item.content.kind, item.content.kind));
                if !joins && !run.is_empty() {
                    left = self.put(Place { left, right: None, parent, key: None }, &std::mem::take(&mut run));
                }
                run.push(part);
            }
        }
        self.put(Place { left, right: None, parent, key: None }, &run);
        self.fill_entry(parent, entry);
    }

    fn fill_entry(&mut self, parent: Parent<'_>, value: Option<ItemPart<'_>>) {
        if let Some(value) = value {
            let key = value.item.key;
            self.put(Place { left: None, right: None, parent, key }, &[value]);
        }
    }

    /// A key of a type that stays: `values` is all that was set there, the one that counts at last.
    fn keep_entry(&mut self, values: &[ViewItem<'_>]) {
        let Some(last) = values.last() else { return };
        let wanted = values.iter().rev().find_map(|item| self.wanted_value(item));
        for item in values.iter().filter(|item| !item.is_deleted) {
            match &wanted {
                Some(value) if value.item.id == item.id => {
                    if let Some(children) = item.children() {
                        self.keep(children);
                    }
                }
                _ => self.delete(item, range_of(item)),
            }
        }
        if let Some(value) = wanted.filter(|value| value.item.is_deleted) {
            let place = Place { left: last_of(range_of(last)), right: None, parent: Parent::Root(""), key: last.key };
            self.put(place, &[value]);
        }
    }

    /// The last unit of an item that is wanted: of a key's value it is the one that counts.
    fn wanted_value<'v>(&self, item: &ViewItem<'v>) -> Option<ItemPart<'v>> {
        let parts = self.wanted.split(range_of(item));
        let (range, _) = parts.into_iter().rfind(|(_, is_wanted)| *is_wanted)?;
        Some(Parts::of(item).cut(IdRange { start: range.end - 1, ..range }))
    }

    fn delete(&mut self, item: &ViewItem<'_>, range: IdRange) {
        self.redo.delete(range);
        let mut open: Vec<Items<'_>> = item.children().into_iter().collect();
        if item.content.kind == Kind::Text {
            self.undone.deleted += u64::from(range.len());
        }
        // What lies in it goes with it.
        while let Some(items) = open.last_mut() {
            let Some(child) = items.next() else {
                open.pop();
                continue;
            };
            if child.is_deleted {
                continue;
            }
            if child.content.kind == Kind::Text {
                self.undone.deleted += u64::from(child.len);
            }
            open.extend(child.children());
        }
    }
}

fn last_of(range: IdRange) -> Option<BlockId> {
    Some(BlockId { client: range.client, clock: range.end.checked_sub(1)? })
}
