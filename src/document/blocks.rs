//! What a live room keeps of its document: blocks by Yjs client and clock, and what is deleted. It never integrates: where an edit
//! ends up in a text is for clients to find out.
//!
//! A client's blocks stand in the order of their clocks, so that new ones are appended and an edit costs what it is long, whatever
//! the document holds. Deletions are ranges beside the blocks; the content of what is deleted goes when it has become half of
//! what is held.

use indexmap::IndexMap;

use super::content::{Content, Cutter, Kind};
use super::ranges::Ranges;
use super::scan::Parent;
use super::slots::{Owner, OwnerRef, SPARE_MAX, Slots, UNKNOWN};
use super::{BlockId, Clocks};

/// What a Yjs client costs in memory beside its blocks, about: its entry, its part of the index, what the allocator adds, and that a
/// room remembers who brought it.
pub(super) const CLIENT_BYTES: usize = 256;
/// What a block costs beside its content.
pub(super) const BLOCK_BYTES: usize = size_of::<Stored>();
/// What a range of deletions costs, about: its part of a tree's node. And what a client's first one costs beside, a node that is empty
/// else.
pub(super) const RANGE_BYTES: usize = 20;
const RANGES_BYTES: usize = 96;

/// Content that is deleted and not dropped yet, which is always fine: in bytes, and in blocks.
const DEAD_BYTES_MIN: usize = 1024;
const DEAD_BLOCKS_MIN: usize = 64;
/// A deleted part of a block is cut out if its content is longer: a cut costs a block.
const CUT_BYTES_MIN: usize = 2 * BLOCK_BYTES;

/// A unit of a block, by the client's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub client: u32,
    pub clock: u32,
}

impl Unit {
    pub const NONE: Self = Self { client: u32::MAX, clock: 0 };

    pub fn is_none(self) -> bool {
        self.client == u32::MAX
    }
}

/// A block. It ends where the next one begins, and so does its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub clock: u32,
    pub origin: Unit,
    pub right: Unit,
    pub slot: u32,
    pub content_at: u32,
    pub kind: Kind,
}

impl Stored {
    /// Whether it is one with the block before it, which ends with `end`, to all who read them.
    pub fn goes_on(&self, before: &Self, end: Unit, is_list: bool) -> bool {
        self.kind == before.kind
            && match self.kind {
                Kind::Collected => true,
                Kind::Deleted => self.adjoins(before, end),
                Kind::Text => is_list && self.adjoins(before, end),
                _ => false,
            }
    }

    /// Whether it was written right behind the block before it, and both before the same unit.
    fn adjoins(&self, before: &Self, end: Unit) -> bool {
        self.origin == end && self.right == before.right
    }
}

/// What one Yjs client wrote.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub blocks: Vec<Stored>,
    /// The blocks' contents, one behind another.
    pub content: Vec<u8>,
    /// The clock after all.
    pub end: u32,
    pub deleted: Ranges,
    /// Bytes of deleted content, and deleted blocks, that could be dropped.
    dead_bytes: usize,
    dead_blocks: usize,
    /// What was last counted as held.
    counted: usize,
}

impl Client {
    /// The block that has the unit `clock`, by its place among the blocks.
    pub fn find(&self, clock: u32) -> Option<usize> {
        if clock >= self.end {
            return None;
        }
        match self.blocks.last() {
            // Who types goes on where it ended.
            Some(last) if last.clock <= clock => Some(self.blocks.len() - 1),
            _ => self.blocks.partition_point(|block| block.clock <= clock).checked_sub(1),
        }
    }

    pub fn block_end(&self, at: usize) -> u32 {
        self.blocks.get(at + 1).map_or(self.end, |next| next.clock)
    }

    pub fn content(&self, at: usize) -> Content<'_> {
        let begin = self.blocks[at].content_at as usize;
        let end = self.blocks.get(at + 1).map_or(self.content.len(), |next| next.content_at as usize);
        Content { kind: self.blocks[at].kind, raw: &self.content[begin..end] }
    }

    /// What it holds in memory, in bytes, but for the eighth that growing may leave.
    pub fn held(&self) -> usize {
        let ranges = if self.deleted.is_empty() { 0 } else { RANGES_BYTES + self.deleted.len() * RANGE_BYTES };
        CLIENT_BYTES + self.blocks.len() * BLOCK_BYTES + self.content.len() + ranges
    }

    /// Gives back what a refused edit made it grow by, but for what growing by an eighth leaves.
    pub fn give_back(&mut self) {
        self.blocks.shrink_to(self.blocks.len() + self.blocks.len() / 8);
        self.content.shrink_to(self.content.len() + self.content.len() / 8);
    }

    /// Appends a block that begins at the client's end; as part of the last one where that is the same to all who read it. Whether it
    /// is one of its own.
    pub fn push(&mut self, number: u32, mut block: Stored, content: Content<'_>, len: u32, is_list: bool) -> bool {
        let end = self.last_unit(number);
        let goes_on = self.blocks.last().is_some_and(|last| block.goes_on(last, end, is_list));
        if !goes_on {
            block.clock = self.end;
            block.content_at = self.content.len() as u32;
            reserve(&mut self.blocks, 1);
            self.blocks.push(block);
        }
        reserve(&mut self.content, content.raw.len());
        self.content.extend_from_slice(content.raw);
        self.end += len;
        !goes_on
    }

    /// Takes a short deleted block as units of the text before it, where it stands in the middle of what was typed at once, so that a
    /// document holds no more after it was stored and loaded than before. Whether it did; nobody is ever given these units.
    pub fn push_within_text(&mut self, number: u32, block: &Stored, len: u32) -> bool {
        let end = self.last_unit(number);
        let is_within = len as usize <= CUT_BYTES_MIN
            && self.blocks.last().is_some_and(|last| last.kind == Kind::Text && block.adjoins(last, end));
        if is_within {
            reserve(&mut self.content, len as usize);
            self.content.resize(self.content.len() + len as usize, b' ');
            self.end += len;
        }
        is_within
    }

    /// The last unit that there is, if there is one.
    fn last_unit(&self, number: u32) -> Unit {
        self.end.checked_sub(1).map_or(Unit::NONE, |clock| Unit { client: number, clock })
    }
}

/// Makes room for `more`, growing by an eighth: doubling would leave half of a large document's memory unused.
fn reserve<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 8));
    }
}

/// The document of a live room.
#[derive(Debug)]
pub struct Blocks {
    pub(super) clients: IndexMap<u64, Client>,
    pub(super) slots: Slots,
    /// Whether deleted content stays, for clients that keep snapshots of Yjs.
    pub(super) keeps_deleted: bool,
    pub(super) bytes_max: usize,
    /// What the clients hold, as last counted.
    clients_held: usize,
}

impl Blocks {
    /// An empty document that may hold `bytes_max` in memory. With `keeps_deleted` the content of what is deleted stays.
    pub fn new(bytes_max: usize, keeps_deleted: bool) -> Self {
        Self { clients: IndexMap::new(), slots: Slots::default(), keeps_deleted, bytes_max, clients_held: 0 }
    }

    /// What the document holds in memory, in bytes: contents, and a constant for each block, Yjs client, deleted range and key. Growing
    /// may leave up to an eighth more.
    pub fn held(&self) -> usize {
        self.clients_held + self.slots.held()
    }

    /// Whether the content of what is deleted stays.
    pub fn keeps_deleted(&self) -> bool {
        self.keeps_deleted
    }

    /// How many Yjs clients have typed in it.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The clock after all that a client wrote.
    pub(super) fn clock(&self, client: u64) -> u32 {
        self.clients.get(&client).map_or(0, |client| client.end)
    }

    pub(super) fn id(&self, unit: Unit) -> Option<BlockId> {
        let (client, _) = self.clients.get_index(unit.client as usize)?;
        Some(BlockId { client: *client, clock: unit.clock })
    }

    pub(super) fn block(&self, unit: Unit) -> Option<&Stored> {
        let (_, client) = self.clients.get_index(unit.client as usize)?;
        Some(&client.blocks[client.find(unit.clock)?])
    }

    pub(super) fn is_deleted(&self, unit: Unit) -> bool {
        self.clients[unit.client as usize].deleted.cover(unit.clock, unit.clock + 1)
    }

    /// Whether a block can be the parent of others: a shared type, or anything that may have been one.
    pub(super) fn may_be_parent(&self, unit: Unit) -> bool {
        let may_be = |block: &Stored| matches!(block.kind, Kind::Type | Kind::Collected | Kind::Deleted);
        self.block(unit).is_some_and(may_be) || self.is_deleted(unit)
    }

    /// The place that a block names, made if there is none; `unit` is the parent that it names by its id.
    pub(super) fn slot_of(&mut self, parent: Parent<'_>, unit: Unit, key: Option<&str>) -> u32 {
        let (owner, depth) = match parent {
            Parent::Root(name) => (OwnerRef::Root(name), 1),
            Parent::Type(_) if unit.is_none() => return UNKNOWN,
            Parent::Type(_) => {
                let depth = self.block(unit).map_or(0, |block| self.slots.depth(block.slot)) + 1;
                (OwnerRef::Type(unit.client, unit.clock), depth)
            }
        };
        self.slots.find(owner, key).unwrap_or_else(|| self.slots.add(owner, key, depth))
    }

    /// The parent and key that a block without origins names.
    pub(super) fn parent(&self, slot: u32) -> Option<Parent<'_>> {
        Some(match self.slots.owner(slot)? {
            Owner::Root(name) => Parent::Root(name),
            Owner::Type(client, clock) => Parent::Type(self.id(Unit { client: *client, clock: *clock })?),
        })
    }

    /// Counts anew what a client holds.
    pub(super) fn count(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let held = client.held();
        self.clients_held = self.clients_held + held - std::mem::replace(&mut client.counted, held);
    }

    /// Takes back clients that were added after there were `len`.
    pub(super) fn truncate_clients(&mut self, len: usize) {
        for (_, client) in self.clients.drain(len..) {
            self.clients_held -= client.counted;
        }
        if self.clients.capacity() > 2 * len + SPARE_MAX {
            self.clients.shrink_to_fit();
        }
    }

    /// Notes that `start..end` of a client is deleted, which it was not.
    pub(super) fn delete(&mut self, number: usize, start: u32, end: u32) {
        let (client, slots) = (&mut self.clients[number], &mut self.slots);
        client.deleted.insert(start, end);
        let mut at = client.find(start).unwrap_or(client.blocks.len());
        while at < client.blocks.len() && client.blocks[at].clock < end {
            let (block, block_end) = (client.blocks[at], client.block_end(at));
            if !matches!(block.kind, Kind::Collected | Kind::Deleted) {
                let bytes = client.content(at).raw.len() as u64;
                let deleted = u64::from(end.min(block_end) - start.max(block.clock));
                client.dead_bytes += (bytes * deleted / u64::from(block_end - block.clock)) as usize;
                if client.deleted.cover(block.clock, block_end) {
                    client.dead_blocks += 1;
                    if slots.key(block.slot).is_some() {
                        slots.count(block.slot, -1);
                    }
                }
            }
            at += 1;
        }
    }

    /// Counts the blocks of a client, from one on, in the keys where they lie.
    pub(super) fn count_in_slots(&mut self, number: usize, first: usize) {
        let (client, slots) = (&self.clients[number], &mut self.slots);
        for block in &client.blocks[first..] {
            if !matches!(block.kind, Kind::Collected | Kind::Deleted) && slots.key(block.slot).is_some() {
                slots.count(block.slot, 1);
            }
        }
    }

    /// Collected and deleted blocks are deletions by themselves, from a clock on.
    pub(super) fn delete_what_came_deleted(&mut self, number: usize, clock: u32) {
        let client = &mut self.clients[number];
        let Some(first) = client.find(clock) else { return };
        for at in first..client.blocks.len() {
            if matches!(client.blocks[at].kind, Kind::Collected | Kind::Deleted) {
                let (start, end) = (client.blocks[at].clock.max(clock), client.block_end(at));
                client.deleted.insert(start, end);
            }
        }
    }

    /// Drops the content of what a client deleted, once that is worth the walk.
    pub(super) fn prune_when_due(&mut self, number: usize) {
        let client = &self.clients[number];
        let is_due = client.dead_bytes > DEAD_BYTES_MIN.max(client.content.len() / 2)
            || client.dead_blocks > DEAD_BLOCKS_MIN.max(client.blocks.len() / 2);
        if is_due && !self.keeps_deleted {
            self.prune(number);
        }
    }

    /// Drops all that can be dropped, if that is a good part of what is held; whether it was.
    pub(super) fn prune_all(&mut self) -> bool {
        let dead = |client: &Client| client.dead_bytes + client.dead_blocks * BLOCK_BYTES;
        let all: usize = self.clients.values().map(dead).sum();
        if self.keeps_deleted || all < self.bytes_max / 16 {
            return false;
        }
        for number in 0..self.clients.len() {
            if dead(&self.clients[number]) > 0 {
                self.prune(number);
                self.count(number);
            }
        }
        true
    }

    fn prune(&mut self, number: usize) {
        let slots = &self.slots;
        let old = std::mem::take(&mut self.clients[number]);
        let mut new = Client { deleted: old.deleted, counted: old.counted, ..Client::default() };
        new.blocks.reserve_exact(old.blocks.len());
        let end_of = |at: usize| old.blocks.get(at + 1).map_or(old.end, |next| next.clock);
        for (at, block) in old.blocks.iter().enumerate() {
            let (end, is_list) = (end_of(at), slots.is_list(block.slot));
            let content_end = old.blocks.get(at + 1).map_or(old.content.len(), |next| next.content_at as usize);
            let content = Content { kind: block.kind, raw: &old.content[block.content_at as usize..content_end] };
            let deleted = Content { kind: Kind::Deleted, raw: &[] };
            if matches!(block.kind, Kind::Collected | Kind::Deleted) {
                new.push(number as u32, *block, content, end - block.clock, is_list);
                continue;
            }
            if new.deleted.cover(block.clock, end) {
                new.push(number as u32, Stored { kind: Kind::Deleted, ..*block }, deleted, end - block.clock, is_list);
                continue;
            }
            // Parts of it: long ones are cut out.
            let per_unit = content.raw.len() / (end - block.clock) as usize;
            let is_long = |(from, to): &(u32, u32)| (to - from) as usize * per_unit.max(1) > CUT_BYTES_MIN;
            let ranges: Vec<_> = new
                .deleted
                .after(block.clock)
                .take_while(|(from, _)| *from < end)
                .map(|(from, to)| (from.max(block.clock), to.min(end)))
                .filter(is_long)
                .collect();
            let (mut cutter, mut from) = (Cutter::new(content), block.clock);
            let mut put = |new: &mut Client, to: u32, is_deleted: bool| {
                if to == from {
                    return;
                }
                let mut raw = Vec::new();
                cutter.take(to - from).put_raw(&mut raw);
                let mut part = *block;
                if from > block.clock {
                    part.origin = Unit { client: number as u32, clock: from - 1 };
                }
                let mut content = Content { kind: block.kind, raw: &raw };
                if is_deleted {
                    (part.kind, content) = (Kind::Deleted, deleted);
                }
                new.push(number as u32, part, content, to - from, is_list);
                from = to;
            };
            for (deleted_from, deleted_to) in ranges {
                put(&mut new, deleted_from, false);
                put(&mut new, deleted_to, true);
            }
            put(&mut new, end, false);
        }
        new.blocks.shrink_to_fit();
        new.content.shrink_to_fit();
        self.clients[number] = new;
    }

    /// Gives back memory that is not needed now.
    pub(super) fn shrink(&mut self) {
        for number in 0..self.clients.len() {
            self.clients[number].blocks.shrink_to_fit();
            self.clients[number].content.shrink_to_fit();
            self.count(number);
        }
        self.clients.shrink_to_fit();
        self.slots.shrink();
    }

    /// Whether a Yjs client has written anything.
    pub fn has_client(&self, client: u64) -> bool {
        self.clients.contains_key(&client)
    }

    /// Whether nobody has written anything.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether the document has reached all of these clocks, see [`Applied::lacking`](super::Applied::lacking).
    pub fn has_reached(&self, clocks: &[(u64, u32)]) -> bool {
        clocks.iter().all(|(client, clock)| self.clock(*client) >= *clock)
    }

    /// Whether the document has all that was typed up to these clocks.
    pub fn has_all_of(&self, clocks: &Clocks) -> bool {
        clocks.iter().all(|(client, clock)| self.clock(client) >= clock)
    }
}
