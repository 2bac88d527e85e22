//! Answers: the state vector, the whole document, and what somebody lacks of it, with every deletion. Deleted content goes out as its
//! length, and neighbours that were written one after another go out as one block.

use bytes::Bytes;
use smallvec::SmallVec;

use super::blocks::{Blocks, Stored, Unit};
use super::content::{self, Cutter, Kind};
use super::scan::{Block, Parent};
use super::slots::{Owner, UNKNOWN};
use super::{BlockId, Clocks};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{put_buf, put_var_uint};

/// What stands before most blocks' contents, in bytes.
const HEAD_BYTES: usize = 12;
/// Room for what a protocol puts before an answer, so that a large one is made where it lies.
const ADDRESS_BYTES: usize = 512;

/// A part of what a client wrote.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub from: u32,
    pub to: u32,
    /// Whether the content of what is deleted is given, too.
    pub keeps_deleted: bool,
}

/// Which places lie in something deleted, found out once for each.
pub(super) struct Within<D> {
    is_deleted: D,
    /// By slot.
    known: Vec<Option<bool>>,
}

impl<D: Fn(Unit) -> bool> Within<D> {
    /// Where nothing is deleted but what `is_deleted` says.
    pub fn new(blocks: &Blocks, is_deleted: D) -> Self {
        Self { is_deleted, known: vec![None; blocks.slots.len()] }
    }

    fn lies_in_deleted(&mut self, blocks: &Blocks, slot: u32) -> bool {
        let (mut at, mut path) = (slot, SmallVec::<[u32; 8]>::new());
        // A type is made before what lies in it, so that this ends.
        let lies_in_deleted = loop {
            match (self.known.get(at as usize), blocks.slots.owner(at)) {
                // It was written beside something collected, and is collected by whoever integrates it.
                (None, _) | (_, None) => break true,
                (Some(Some(known)), _) => break *known,
                (Some(None), Some(owner)) => {
                    path.push(at);
                    let Owner::Type(client, clock) = owner else { break false };
                    let unit = Unit { client: *client, clock: *clock };
                    if (self.is_deleted)(unit) {
                        break true;
                    }
                    at = blocks.block(unit).map_or(UNKNOWN, |block| block.slot);
                }
            }
        };
        path.into_iter().for_each(|slot| self.known[slot as usize] = Some(lies_in_deleted));
        lies_in_deleted
    }
}

/// Whether the content of what is deleted is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeletedContent {
    /// Only its length, also of what lies in something deleted.
    Dropped,
    /// As far as the document has it.
    Kept,
}

/// What stands before a block's content.
#[derive(Clone, Copy)]
pub(super) struct Head<'b> {
    pub kind: Kind,
    pub origin: Option<BlockId>,
    pub right: Option<BlockId>,
    /// Written where both origins are absent.
    pub parent: Option<Parent<'b>>,
    pub key: Option<&'b str>,
}

impl Head<'_> {
    pub fn put(&self, out: &mut Vec<u8>) {
        if matches!(self.kind, Kind::Collected | Kind::Skip) {
            return out.push(self.kind as u8);
        }
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        out.push(
            self.kind as u8
                | flag(self.origin.is_some(), 0x80)
                | flag(self.right.is_some(), 0x40)
                | flag(self.key.is_some(), 0x20),
        );
        if let Some(origin) = self.origin {
            put_id(out, origin);
        }
        if let Some(right) = self.right {
            put_id(out, right);
        }
        if self.origin.is_some() || self.right.is_some() {
            return;
        }
        match self.parent {
            Some(Parent::Root(name)) => {
                out.push(1);
                put_buf(out, name.as_bytes());
            }
            Some(Parent::Type(id)) => {
                out.push(0);
                put_id(out, id);
            }
            // A block without origins has a parent, or it could not be read.
            None => {}
        }
        if let Some(key) = self.key {
            put_buf(out, key.as_bytes());
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: BlockId) {
    put_var_uint(out, id.client);
    put_var_uint(out, id.clock.into());
}

/// Appends what a block of an update has from the clock `known` on: all of it as it stands there, or cut.
pub(super) fn put_cut(out: &mut Vec<u8>, client: u64, block: &Block<'_>, known: u32) {
    if known <= block.clock {
        return out.extend_from_slice(block.wire);
    }
    let kind = block.content.kind;
    let origin = Some(BlockId { client, clock: known - 1 });
    Head { kind, origin, right: block.right, parent: None, key: None }.put(out);
    let mut cutter = Cutter::new(block.content);
    cutter.skip(known - block.clock);
    let (begin, len) = (out.len(), block.end() - known);
    cutter.take(len).put_raw(out);
    if let Some(len) = content::len_before(kind, len, out.len() - begin) {
        put_before(out, begin, &[len]);
    }
}

/// Writes the blocks of a client behind what is there: counted, and joined where one goes on with the other. What tells how long
/// something is goes in before it once that is known, so that a large document is written in one piece of memory.
struct Writer<'b, 'o> {
    blocks: &'b Blocks,
    number: u32,
    out: &'o mut Vec<u8>,
    count: u64,
    open: Option<Open>,
}

/// A block that may go on.
struct Open {
    stored: Stored,
    end: u32,
    /// Where its content begins.
    content_at: usize,
}

impl Writer<'_, '_> {
    /// Adds a block, or a part of one, from `stored.clock` to `end`; `put` appends its content.
    fn add(&mut self, stored: Stored, end: u32, put: impl FnOnce(&mut Vec<u8>)) {
        let goes_on = self.open.as_ref().is_some_and(|open| {
            let end = Unit { client: self.number, clock: open.end - 1 };
            stored.goes_on(&open.stored, end, self.blocks.slots.is_list(stored.slot))
        });
        if !goes_on {
            self.close();
            self.put_head(&stored);
            self.open = Some(Open { stored, end, content_at: self.out.len() });
        }
        if let Some(open) = &mut self.open {
            open.end = end;
        }
        put(self.out);
    }

    fn put_head(&mut self, stored: &Stored) {
        let blocks = self.blocks;
        let id = |unit: Unit| if unit.is_none() { None } else { blocks.id(unit) };
        let (origin, right) = (id(stored.origin), id(stored.right));
        let parent = if origin.is_none() && right.is_none() { blocks.parent(stored.slot) } else { None };
        Head { kind: stored.kind, origin, right, parent, key: blocks.slots.key(stored.slot) }.put(self.out);
    }

    /// Ends the open block.
    fn close(&mut self) {
        let Some(Open { stored, end, content_at }) = self.open.take() else { return };
        let bytes = self.out.len() - content_at;
        if let Some(len) = content::len_before(stored.kind, end - stored.clock, bytes) {
            put_before(self.out, content_at, &[len]);
        }
        self.count += 1;
    }
}

/// Puts numbers in before what stands from `at` on.
pub(super) fn put_before(out: &mut Vec<u8>, at: usize, numbers: &[u64]) {
    let mut front = Vec::new();
    numbers.iter().for_each(|number| put_var_uint(&mut front, *number));
    if at == out.len() {
        out.extend_from_slice(&front);
    } else {
        out.splice(at..at, front);
    }
}

impl Blocks {
    /// The state vector, encoded: what a Step1 carries.
    pub fn state_vector(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_var_uint(&mut out, self.clients.len() as u64);
        for number in self.by_client() {
            if let Some((client, known)) = self.clients.get_index(number) {
                put_var_uint(&mut out, *client);
                put_var_uint(&mut out, known.end.into());
            }
        }
        out
    }

    /// The whole document as one update, v1 encoding.
    pub fn state(&self) -> Vec<u8> {
        self.encode(&Clocks::default(), DeletedContent::Kept)
    }

    /// As [`state`](Self::state), for who is not shown what is deleted.
    pub fn state_without_deleted(&self) -> Vec<u8> {
        self.encode(&Clocks::default(), DeletedContent::Dropped)
    }

    /// What a peer with the encoded `state_vector` lacks, as an update in v1 encoding; with all deletions, as Yjs does.
    ///
    /// # Errors
    /// A state vector that cannot be read.
    pub fn diff(&self, state_vector: &Bytes) -> Result<Vec<u8>, DecodeError> {
        Ok(self.encode(&Clocks::read(state_vector)?, DeletedContent::Kept))
    }

    /// As [`diff`](Self::diff), for who is not shown what is deleted.
    ///
    /// # Errors
    /// As there.
    pub fn diff_without_deleted(&self, state_vector: &Bytes) -> Result<Vec<u8>, DecodeError> {
        Ok(self.encode(&Clocks::read(state_vector)?, DeletedContent::Dropped))
    }

    fn encode(&self, known: &Clocks, content: DeletedContent) -> Vec<u8> {
        let keeps_deleted = self.keeps_deleted && content == DeletedContent::Kept;
        let mut within = (content == DeletedContent::Dropped).then(|| Within::new(self, |unit| self.is_deleted(unit)));
        let numbers = self.by_client();
        let lacks = |number: &&usize| {
            let (client, own) = self.clients.get_index(**number)?;
            (own.end > known.get(*client)).then_some(())
        };
        let whole = |number: &usize| {
            let (client, own) = self.clients.get_index(*number)?;
            (known.get(*client) == 0).then_some(own.content.len() + HEAD_BYTES * (own.blocks.len() + 1))
        };
        let mut out = Vec::with_capacity(numbers.iter().filter_map(whole).sum::<usize>() + ADDRESS_BYTES);
        put_var_uint(&mut out, numbers.iter().filter(|number| lacks(number).is_some()).count() as u64);
        for number in numbers.iter().filter(|number| lacks(number).is_some()) {
            if let Some((client, own)) = self.clients.get_index(*number) {
                let deleted = own.deleted.after(known.get(*client));
                let part = Part { from: known.get(*client), to: own.end, keeps_deleted };
                self.put_section(&mut out, *number as u32, *client, part, deleted, within.as_mut());
            }
        }
        let deleted = || numbers.iter().filter_map(|number| self.clients.get_index(*number));
        let deleted = || deleted().filter(|(_, own)| !own.deleted.is_empty());
        put_var_uint(&mut out, deleted().count() as u64);
        for (client, own) in deleted() {
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, own.deleted.len() as u64);
            for (start, end) in own.deleted.iter() {
                put_var_uint(&mut out, start.into());
                put_var_uint(&mut out, (end - start).into());
            }
        }
        // It may be kept for as long as a peer takes.
        out.shrink_to(out.len() + ADDRESS_BYTES);
        out
    }

    /// The clients' numbers in the order in which Yjs writes them, the greatest id first.
    pub(super) fn by_client(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..self.clients.len()).collect();
        numbers.sort_unstable_by_key(|number| {
            std::cmp::Reverse(self.clients.get_index(*number).map(|(client, _)| *client))
        });
        numbers
    }

    /// Appends a part of a client's blocks; `deleted` are the ranges that end in it or later. What lies `within` something deleted is
    /// given by its length, too: the edit that deletes a type says nothing of what is in it.
    pub(super) fn put_section(
        &self,
        out: &mut Vec<u8>,
        number: u32,
        client: u64,
        Part { from, to: part_end, keeps_deleted }: Part,
        deleted: impl Iterator<Item = (u32, u32)>,
        mut within: Option<&mut Within<impl Fn(Unit) -> bool>>,
    ) {
        let own = &self.clients[number as usize];
        let begin = out.len();
        let mut writer = Writer { blocks: self, number, out: &mut *out, count: 0, open: None };
        let first = own.find(from).unwrap_or(0);
        let mut deleted = deleted.peekable();
        let blocks = own.blocks.iter().enumerate().skip(first);
        for (at, stored) in blocks.take_while(|(_, stored)| stored.clock < part_end) {
            let end = own.block_end(at).min(part_end);
            let mut start = stored.clock.max(from);
            let is_within = within.as_mut().is_some_and(|within| within.lies_in_deleted(self, stored.slot));
            let mut cutter = Cutter::new(own.content(at));
            cutter.skip(start - stored.clock);
            while start < end {
                let mut part = *stored;
                if start > stored.clock && stored.kind != Kind::Collected {
                    part.origin = Unit { client: number, clock: start - 1 };
                }
                part.clock = start;
                while deleted.next_if(|(_, to)| *to <= start).is_some() {}
                let (is_deleted, to) = match deleted.peek() {
                    _ if is_within => (true, end),
                    _ if keeps_deleted => (false, end),
                    Some((deleted_from, deleted_to)) if *deleted_from <= start => (true, end.min(*deleted_to)),
                    Some((deleted_from, _)) => (false, end.min(*deleted_from)),
                    None => (false, end),
                };
                if is_deleted && stored.kind != Kind::Collected {
                    part.kind = Kind::Deleted;
                    cutter.skip(to - start);
                    writer.add(part, to, |_| {});
                } else {
                    let piece = cutter.take(to - start);
                    writer.add(part, to, |raw| piece.put_raw(raw));
                }
                start = to;
            }
        }
        writer.close();
        let count = writer.count;
        put_before(out, begin, &[count, client, from.into()]);
    }
}
