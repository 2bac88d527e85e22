//! Where blocks lie: in a shared type, in its list or at one of its keys. Each such place is kept once, and blocks name it by its
//! number.

use indexmap::{Equivalent, IndexMap};

/// Places in an index that may stay empty, beside as many as are taken, when an edit is refused.
pub(super) const SPARE_MAX: usize = 64;

/// The number of no place: where a block lies is not known, since what it was written beside has been collected.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// What a place beyond the bytes of its names costs in memory, about: its entry and its part of the index.
const SLOT_BYTES: usize = 112;

/// What a place belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// A root type.
    Root(Box<str>),
    /// The shared type of a block: its Yjs client, by number, and clock.
    Type(u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    owner: Owner,
    key: Option<Box<str>>,
}

/// A place that is looked up; hashes as [`Place`] does.
#[derive(Debug, Hash)]
struct PlaceRef<'p> {
    owner: OwnerRef<'p>,
    key: Option<&'p str>,
}

/// As [`Owner`], borrowed.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum OwnerRef<'p> {
    Root(&'p str),
    Type(u32, u32),
}

impl Equivalent<Place> for PlaceRef<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        let is_owner = match (&place.owner, self.owner) {
            (Owner::Root(name), OwnerRef::Root(other)) => **name == *other,
            (Owner::Type(client, clock), OwnerRef::Type(other, at)) => (*client, *clock) == (other, at),
            _ => false,
        };
        is_owner && place.key.as_deref() == self.key
    }
}

/// What is known of a place.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// How deep it lies: 1 in a root, one more in each type inside.
    depth: u32,
    /// At a key: how many of its blocks are not deleted.
    live: u32,
}

/// The places of a document.
#[derive(Debug, Default)]
pub(super) struct Slots {
    places: IndexMap<Place, Slot>,
    name_bytes: usize,
}

impl Slots {
    pub fn find(&self, owner: OwnerRef<'_>, key: Option<&str>) -> Option<u32> {
        self.places.get_index_of(&PlaceRef { owner, key }).map(|at| at as u32)
    }

    /// Adds a place that was not found.
    pub fn add(&mut self, owner: OwnerRef<'_>, key: Option<&str>, depth: u32) -> u32 {
        let owner = match owner {
            OwnerRef::Root(name) => {
                self.name_bytes += name.len();
                Owner::Root(name.into())
            }
            OwnerRef::Type(client, clock) => Owner::Type(client, clock),
        };
        self.name_bytes += key.map_or(0, str::len);
        self.places.insert_full(Place { owner, key: key.map(Into::into) }, Slot { depth, live: 0 }).0 as u32
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Takes back what was added after there were `len`.
    pub fn truncate(&mut self, len: usize) {
        for (place, _) in self.places.drain(len..) {
            self.name_bytes -= place.key.map_or(0, |key| key.len());
            if let Owner::Root(name) = place.owner {
                self.name_bytes -= name.len();
            }
        }
        if self.places.capacity() > 2 * len + SPARE_MAX {
            self.places.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.places.capacity()
    }

    pub fn shrink(&mut self) {
        self.places.shrink_to_fit();
    }

    /// What they hold in memory, about, in bytes.
    pub fn held(&self) -> usize {
        self.places.len() * SLOT_BYTES + self.name_bytes
    }

    fn place(&self, slot: u32) -> Option<(&Place, &Slot)> {
        self.places.get_index(slot as usize)
    }

    pub fn owner(&self, slot: u32) -> Option<&Owner> {
        self.place(slot).map(|(place, _)| &place.owner)
    }

    pub fn key(&self, slot: u32) -> Option<&str> {
        self.place(slot).and_then(|(place, _)| place.key.as_deref())
    }

    /// Whether it is known to be a list's, so that its texts join.
    pub fn is_list(&self, slot: u32) -> bool {
        self.place(slot).is_some_and(|(place, _)| place.key.is_none())
    }

    pub fn depth(&self, slot: u32) -> u32 {
        self.place(slot).map_or(0, |(_, slot)| slot.depth)
    }

    /// How many blocks at a key are not deleted.
    pub fn live(&self, slot: u32) -> u32 {
        self.place(slot).map_or(0, |(_, slot)| slot.live)
    }

    /// Counts blocks that are not deleted.
    pub fn count(&mut self, slot: u32, by: i32) {
        if let Some((_, slot)) = self.places.get_index_mut(slot as usize) {
            slot.live = slot.live.saturating_add_signed(by);
        }
    }
}
