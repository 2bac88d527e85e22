//! Writes an update of one new Yjs client: content that was deleted, put back where it stood, and deletions.
//!
//! What comes back is new to everybody, with new ids. It stands directly before what it stands for, which stays deleted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::content::{self, Content, Cutter, Kind};
use super::encode::{Head, put_before};
use super::ranges::Ranges;
use super::{BlockId, IdRange, Meter, Parent, TooCostly, TypeKind, ViewItem, view};
use crate::protocol::lib0::{put_buf, put_var_uint};

/// Where new content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'p> {
    /// The unit left of it.
    pub left: Option<BlockId>,
    /// The unit right of it.
    pub right: Option<BlockId>,
    /// What it lies in; told to others only where it has no neighbours.
    pub parent: Parent<'p>,
    /// Its key.
    pub key: Option<&'p str>,
}

/// A part of an item: some of its units.
#[derive(Debug, Clone)]
pub struct ItemPart<'v> {
    /// The item.
    pub item: ViewItem<'v>,
    /// Its first unit.
    pub first: BlockId,
    /// How many units.
    pub len: u32,
    /// What they hold.
    raw: Vec<u8>,
}

impl ItemPart<'_> {
    /// Its text; empty for what is no text. U+FFFD stands for halves of surrogate pairs.
    pub fn text(&self) -> &str {
        let is_text = self.item.content.kind == Kind::Text;
        // It was read when the document was.
        std::str::from_utf8(&self.raw).ok().filter(|_| is_text).unwrap_or_default()
    }

    /// Its values, each as JSON.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn values(&self, meter: &mut Meter) -> Result<Vec<String>, TooCostly> {
        view::values(Content { kind: self.item.content.kind, raw: &self.raw }, meter)
    }
}

/// Cuts an item into parts, from left to right, so that many of them cost one walk.
#[derive(Debug)]
pub struct Parts<'v> {
    item: ViewItem<'v>,
    own: Cow<'v, [u8]>,
    /// How far it is: the clock, the byte, and whether that is within a surrogate pair.
    clock: u32,
    byte: usize,
    is_in_pair: bool,
}

impl<'v> Parts<'v> {
    /// Those of `item`.
    pub fn of(item: &ViewItem<'v>) -> Self {
        let own = match item.text() {
            Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
            Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            None => Cow::Borrowed(item.content.raw),
        };
        Self { item: item.clone(), own, clock: item.id.clock, byte: 0, is_in_pair: false }
    }

    /// The part with these units, none of which is left of those cut before.
    pub fn cut(&mut self, range: IdRange) -> ItemPart<'v> {
        let rest = Content { kind: self.item.content.kind, raw: &self.own[self.byte..] };
        let mut cutter = Cutter::resume(rest, self.is_in_pair);
        cutter.skip(range.start - self.clock);
        let mut raw = Vec::new();
        cutter.take(range.len()).put_raw(&mut raw);
        let (left, is_in_pair) = cutter.place();
        (self.clock, self.byte, self.is_in_pair) = (range.end, self.own.len() - left, is_in_pair);
        let first = BlockId { client: range.client, clock: range.start };
        ItemPart { item: self.item.clone(), first, len: range.len(), raw }
    }
}

/// An update that is being written.
#[derive(Debug)]
pub struct Redo {
    client: u64,
    clock: u32,
    count: u64,
    blocks: Vec<u8>,
    deleted: BTreeMap<u64, Ranges>,
}

impl Redo {
    /// Nothing yet, by a client that nobody knows.
    pub fn by(client: u64) -> Self {
        Self { client, clock: 0, count: 0, blocks: Vec::new(), deleted: BTreeMap::new() }
    }

    /// Whether two kinds of content can be one block.
    pub fn joins(one: Kind, other: Kind) -> bool {
        one == other && matches!(one, Kind::Text | Kind::Any | Kind::Json)
    }

    /// Puts a copy of parts there, of which all can be one block; the last unit of it.
    pub fn put(&mut self, place: Place<'_>, parts: &[ItemPart<'_>]) -> Option<BlockId> {
        let kind = parts.first()?.item.content.kind;
        let raw: Vec<&[u8]> = parts.iter().map(|part| &part.raw[..]).collect();
        let len: u32 = parts.iter().map(|part| part.len).sum();
        self.put_block(place, kind, len, &raw.concat())
    }

    /// Puts an empty shared type there; its id.
    pub fn put_type(&mut self, place: Place<'_>, kind: TypeKind, name: &str) -> Option<BlockId> {
        let mut raw = Vec::new();
        put_var_uint(&mut raw, kind.number()?);
        if matches!(kind, TypeKind::XmlElement | TypeKind::XmlHook) {
            put_buf(&mut raw, name.as_bytes());
        }
        self.put_block(place, Kind::Type, 1, &raw)
    }

    fn put_block(&mut self, place: Place<'_>, kind: Kind, len: u32, raw: &[u8]) -> Option<BlockId> {
        let Place { left, right, parent, key } = place;
        Head { kind, origin: left, right, parent: Some(parent), key }.put(&mut self.blocks);
        if let Some(len) = content::len_before(kind, len, raw.len()) {
            put_var_uint(&mut self.blocks, len);
        }
        self.blocks.extend_from_slice(raw);
        self.count += 1;
        self.clock += len;
        Some(BlockId { client: self.client, clock: self.clock.checked_sub(1)? })
    }

    /// Deletes units.
    pub fn delete(&mut self, range: IdRange) {
        self.deleted.entry(range.client).or_default().insert(range.start, range.end);
    }

    /// The update; `None` if it changes nothing.
    pub fn finish(self) -> Option<Bytes> {
        let Self { client, count, mut blocks, deleted, .. } = self;
        if count == 0 && deleted.is_empty() {
            return None;
        }
        match count {
            0 => blocks.push(0),
            _ => put_before(&mut blocks, 0, &[1, count, client, 0]),
        }
        put_var_uint(&mut blocks, deleted.len() as u64);
        for (client, ranges) in deleted.into_iter().rev() {
            put_var_uint(&mut blocks, client);
            put_var_uint(&mut blocks, ranges.len() as u64);
            for (start, end) in ranges.iter() {
                put_var_uint(&mut blocks, start.into());
                put_var_uint(&mut blocks, (end - start).into());
            }
        }
        Some(blocks.into())
    }
}
