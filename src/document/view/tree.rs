//! The arena of a view: items in the order of their clients and clocks, linked to lists by their indexes.

use std::collections::HashMap;

use bytes::Bytes;

use super::budget::{Meter, TooCostly};
use super::values::{Value, Values};
use super::writer::Writer;
use crate::document::content::Piece;
use crate::document::{BlockId, Content, Kind};
use crate::protocol::lib0::Input;

/// No index.
pub(super) const NONE: u32 = u32::MAX;

/// A part of the update's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Where `part` lies in `update`, of which it is a part.
    pub fn of(part: &[u8], update: &Bytes) -> Self {
        // Updates of 4 GiB are not read, and what is empty may lie anywhere.
        let at = if part.is_empty() { 0 } else { part.as_ptr() as usize - update.as_ptr() as usize };
        Self { at: at as u32, len: part.len() as u32 }
    }

    pub fn in_bytes(self, update: &Bytes) -> &[u8] {
        update.get(self.at as usize..self.at as usize + self.len as usize).unwrap_or_default()
    }

    /// As text, which was checked when the update was scanned.
    pub fn in_text(self, update: &Bytes) -> &str {
        std::str::from_utf8(self.in_bytes(update)).unwrap_or_default()
    }
}

/// What an item holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held {
    /// A part of a content.
    Part(Span),
    /// The shared type at this index, once the item is in a list.
    Type(u32),
}

/// A block, or the piece of one: no id that anything points at lies within an item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Index of its client.
    pub client: u32,
    pub clock: u32,
    pub len: u32,
    pub left: u32,
    pub right: u32,
    pub origin: u32,
    pub right_origin: u32,
    /// Index of the type it lies in.
    pub parent: u32,
    /// Index of the entry it belongs to, if it has a key.
    pub entry: u32,
    pub held: Held,
    pub kind: Kind,
    pub is_deleted: bool,
    /// Whether it begins, or ends, with half a surrogate pair.
    pub begins_in_pair: bool,
    pub ends_in_pair: bool,
}

/// The kinds of shared types. Nothing tells the kind of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// A root type of whatever kind.
    Root,
    /// `Y.Array`.
    Array,
    /// `Y.Map`.
    Map,
    /// `Y.Text`.
    Text,
    /// `Y.XmlElement`.
    XmlElement,
    /// `Y.XmlFragment`.
    XmlFragment,
    /// `Y.XmlHook`.
    XmlHook,
    /// `Y.XmlText`.
    XmlText,
}

impl TypeKind {
    /// Whether it is written as XML.
    pub(super) fn is_xml(self) -> bool {
        matches!(self, Self::XmlElement | Self::XmlFragment | Self::XmlHook | Self::XmlText)
    }

    /// Its number on the wire; a root has none.
    pub fn number(self) -> Option<u64> {
        Some(match self {
            Self::Root => return None,
            Self::Array => 0,
            Self::Map => 1,
            Self::Text => 2,
            Self::XmlElement => 3,
            Self::XmlFragment => 4,
            Self::XmlHook => 5,
            Self::XmlText => 6,
        })
    }

    /// By its number on the wire.
    pub(super) fn of(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Array,
            1 => Self::Map,
            2 => Self::Text,
            3 => Self::XmlElement,
            4 => Self::XmlFragment,
            5 => Self::XmlHook,
            6 => Self::XmlText,
            _ => return None,
        })
    }
}

/// A shared type.
#[derive(Debug)]
pub(super) struct Type {
    pub kind: TypeKind,
    /// The item that holds it; none for a root.
    pub item: u32,
    /// The root's or the element's name.
    pub name: Span,
    /// The first item of its list.
    pub start: u32,
    /// Its first and last entry, in the order in which the keys came.
    pub first_entry: u32,
    pub last_entry: u32,
}

/// A key of a shared type, with the list of all that was ever set there.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: Span,
    /// The leftmost item.
    pub start: u32,
    /// The rightmost item: the one whose value counts.
    pub current: u32,
    /// The next entry of the same type.
    pub next: u32,
}

/// A Yjs client.
#[derive(Debug)]
pub(super) struct Client {
    pub id: u64,
    /// Its items.
    pub first: u32,
    pub end: u32,
    /// Its units before this clock are in lists, or collected.
    pub state: u32,
}

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Tree {
    pub update: Bytes,
    pub clients: Vec<Client>,
    pub items: Vec<Item>,
    pub types: Vec<Type>,
    pub entries: Vec<Entry>,
    /// The root types, by name.
    pub roots: Vec<u32>,
    /// The surrogate pairs that are cut, by the item that ends within.
    pub pairs: HashMap<u32, char>,
}

impl Tree {
    pub fn item(&self, at: u32) -> &Item {
        &self.items[at as usize]
    }

    pub fn item_mut(&mut self, at: u32) -> &mut Item {
        &mut self.items[at as usize]
    }

    pub fn ty(&self, at: u32) -> &Type {
        &self.types[at as usize]
    }

    pub fn entry(&self, at: u32) -> &Entry {
        &self.entries[at as usize]
    }

    pub fn name(&self, ty: u32) -> &str {
        self.ty(ty).name.in_text(&self.update)
    }

    pub fn key(&self, entry: u32) -> &str {
        self.entry(entry).key.in_text(&self.update)
    }

    pub fn root(&self, name: &str) -> Option<u32> {
        let found = self.roots.binary_search_by(|root| self.name(*root).cmp(name)).ok()?;
        self.roots.get(found).copied()
    }

    /// The type that an item holds.
    pub fn type_of(&self, item: &Item) -> Option<u32> {
        match item.held {
            Held::Type(ty) => Some(ty),
            Held::Part(_) => None,
        }
    }

    pub fn id(&self, item: &Item) -> BlockId {
        BlockId { client: self.clients[item.client as usize].id, clock: item.clock }
    }

    /// The bytes of an item's content; none where it holds a type.
    pub fn piece(&self, item: &Item) -> Piece<'_> {
        let raw = match item.held {
            Held::Part(span) => span.in_bytes(&self.update),
            Held::Type(_) => &[],
        };
        let content = Content { kind: item.kind, raw };
        Piece { content, begins_in_pair: item.begins_in_pair, ends_in_pair: item.ends_in_pair }
    }

    /// The item of a client that has the unit `clock`.
    pub fn find(&self, client: u32, clock: u32) -> Option<u32> {
        let client = &self.clients[client as usize];
        if clock >= client.state {
            return None;
        }
        let items = &self.items[client.first as usize..client.end as usize];
        // The one that begins behind it, less one.
        let behind = items.partition_point(|item| item.clock <= clock) as u32;
        behind.checked_sub(1).map(|before| client.first + before)
    }

    /// The text of an item, with U+FFFD for halves of surrogate pairs.
    pub fn put_text(&self, item: &Item, writer: &mut Writer) -> Result<(), TooCostly> {
        const HALF: &str = "\u{fffd}";
        let piece = self.piece(item);
        if piece.begins_in_pair {
            writer.put(HALF)?;
        }
        writer.put(std::str::from_utf8(piece.content.raw).unwrap_or_default())?;
        if piece.ends_in_pair {
            writer.put(HALF)?;
        }
        Ok(())
    }

    /// The plain values that an item holds.
    pub fn values(&self, item: &Item) -> Values<'_> {
        let raw = self.piece(item).content.raw;
        match item.kind {
            Kind::Any => Values::any(raw),
            Kind::Json | Kind::Embed => Values::json(raw),
            _ => Values::json(&[]),
        }
    }

    /// The value that an item gives its key: the last it holds.
    pub fn last_value(&self, item: &Item, meter: &mut Meter) -> Result<Option<Value<'_>>, TooCostly> {
        meter.steps(item.len as usize)?;
        Ok(self.values(item).last())
    }

    /// The bytes of an item that holds binary.
    pub fn binary(&self, item: &Item) -> &[u8] {
        Input::raw(self.piece(item).content.raw).raw_buf().unwrap_or_default()
    }

    /// The id of the subdocument that an item holds.
    pub fn guid(&self, item: &Item) -> &str {
        Input::raw(self.piece(item).content.raw).text().unwrap_or_default()
    }

    /// The entries of a type that have a value, with the item that holds it.
    pub fn live_entries(&self, ty: u32) -> impl Iterator<Item = (&str, &Item)> {
        let mut next = self.ty(ty).first_entry;
        std::iter::from_fn(move || {
            let at = next;
            (at != NONE).then(|| {
                next = self.entry(at).next;
                (self.key(at), self.item(self.entry(at).current))
            })
        })
        .filter(|(_, item)| !item.is_deleted)
    }

    /// The kind of a type; of a root, what its content tells ([`super::View`]).
    pub fn kind(&self, ty: u32, meter: &mut Meter) -> Result<TypeKind, TooCostly> {
        let Type { kind, start, .. } = *self.ty(ty);
        if kind != TypeKind::Root {
            return Ok(kind);
        }
        if start == NONE {
            return Ok(TypeKind::Map);
        }
        let (mut live, mut deleted) = (None, None);
        let mut next = start;
        while next != NONE {
            meter.step()?;
            let item = self.item(next);
            next = item.right;
            let told = match item.kind {
                Kind::Text | Kind::Format | Kind::Embed => TypeKind::Text,
                Kind::Type if self.type_of(item).is_some_and(|ty| self.ty(ty).kind.is_xml()) => TypeKind::XmlFragment,
                Kind::Collected | Kind::Deleted | Kind::Skip => continue,
                _ => TypeKind::Array,
            };
            let known = if item.is_deleted { &mut deleted } else { &mut live };
            *known = match (*known, told) {
                (Some(TypeKind::Text), _) | (_, TypeKind::Text) => Some(TypeKind::Text),
                (Some(TypeKind::Array), _) | (_, TypeKind::Array) => Some(TypeKind::Array),
                _ => Some(told),
            };
        }
        Ok(live.or(deleted).unwrap_or(TypeKind::Text))
    }
}
