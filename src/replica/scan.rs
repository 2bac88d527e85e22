//! Reads a Yjs update (v1) before yrs does, and refuses what would harm it: counts beyond the bytes that are there, values or shared
//! types nested too deep, content that yrs reads differently from Yjs. Allocates in proportion to the update's bytes only.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;

use super::nesting::{Nesting, Run, depth_at, push_run};
use super::{BlockId, CLIENTS_MAX, NESTING_MAX, VALUE_DEPTH_MAX};
use crate::protocol::DecodeError;
use crate::protocol::lib0::Input;

/// Why an update is refused before it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The bytes are no update.
    #[error("the edit cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Plain values nested deeper than [`VALUE_DEPTH_MAX`].
    #[error("values are nested more than {VALUE_DEPTH_MAX} deep")]
    ValueTooDeep,
    /// Shared types nested deeper than [`NESTING_MAX`].
    #[error("shared types are nested more than {NESTING_MAX} deep")]
    NestedTooDeep,
    /// More clients than [`CLIENTS_MAX`] in one document.
    #[error("the document has too many clients")]
    TooManyClients,
    /// Content of a kind that Yjs 13 does not write, or that yrs would misread.
    #[error("the edit holds content of an unsupported kind")]
    Unsupported,
}

/// The blocks of one client in an update.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub client: u64,
    /// Clock of the first block.
    pub start: u32,
    /// Clock after the last block.
    pub end: u32,
    /// Whether clocks within are left out.
    pub has_gap: bool,
    /// Whether clocks are left out, within or before, that the document does not have either.
    pub is_cut: bool,
    /// How many blocks stand before the first such gap.
    pub joined_blocks: usize,
    /// The bytes of these blocks in the update.
    pub joined: Range<usize>,
    /// Depths of the blocks, in order of their clocks.
    pub runs: Vec<Run>,
}

/// What an update holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub sections: Vec<Section>,
    pub has_deletions: bool,
    /// Where the deletions begin in the update.
    pub deletions_at: usize,
}

/// A block whose depth depends on a block that stands later in the update.
struct Deferred {
    section: usize,
    id: BlockId,
    len: u32,
    /// The block that its depth follows from, and how much deeper it lies.
    base: BlockId,
    step: u32,
    is_type: bool,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Visiting,
    Done(u32),
}

/// Reads `update` against what the document `known` holds.
pub(crate) fn scan(update: &Bytes, known: &Nesting) -> Result<Scan, ScanError> {
    let (scan, end) = scan_first(update, known)?;
    if end < update.len() { Err(ScanError::Unsupported) } else { Ok(scan) }
}

/// Reads the update that stands at the front of `bytes`; also where it ends.
pub(super) fn scan_first(bytes: &Bytes, known: &Nesting) -> Result<(Scan, usize), ScanError> {
    let mut scanner =
        Scanner { input: Input::new(bytes), known, sections: Vec::new(), index: HashMap::new(), deferred: Vec::new() };
    scanner.blocks()?;
    scanner.resolve()?;
    let deletions_at = scanner.input.position();
    let has_deletions = scanner.deletions()?;
    Ok((Scan { sections: scanner.sections, has_deletions, deletions_at }, scanner.input.position()))
}

struct Scanner<'a> {
    input: Input<'a>,
    known: &'a Nesting,
    sections: Vec<Section>,
    /// Where each client's section stands, but for the last one.
    index: HashMap<u64, usize>,
    deferred: Vec<Deferred>,
}

impl Scanner<'_> {
    /// A count of things that take at least `bytes_each`.
    fn count(&mut self, bytes_each: usize) -> Result<usize, ScanError> {
        let count = self.input.var_uint()?;
        if count > (self.input.remaining() / bytes_each) as u64 {
            return Err(DecodeError::Truncated.into());
        }
        Ok(count as usize)
    }

    fn block_id(&mut self) -> Result<BlockId, ScanError> {
        Ok(BlockId { client: self.input.var_uint()?, clock: self.input.var_u32()? })
    }

    fn blocks(&mut self) -> Result<(), ScanError> {
        let sections = self.count(3)?;
        let mut new_clients = 0;
        for _ in 0..sections {
            let blocks = self.count(1)?;
            let client = self.input.var_uint()?;
            let start = self.input.var_u32()?;
            let known = self.known.clock(client);
            if known == 0 {
                new_clients += 1;
            }
            if let Some(last) = self.sections.last() {
                self.index.insert(last.client, self.sections.len() - 1);
                if self.index.contains_key(&client) {
                    return Err(ScanError::Unsupported);
                }
            }
            let at = self.input.position();
            self.sections.push(Section {
                client,
                start,
                end: start,
                has_gap: false,
                is_cut: start > known,
                joined_blocks: 0,
                joined: at..at,
                runs: Vec::new(),
            });
            for _ in 0..blocks {
                self.block()?;
                let (last, at) = (self.sections.len() - 1, self.input.position());
                let section = &mut self.sections[last];
                if !section.is_cut {
                    section.joined_blocks += 1;
                    section.joined.end = at;
                }
            }
        }
        if self.known.clients() + new_clients > CLIENTS_MAX {
            return Err(ScanError::TooManyClients);
        }
        Ok(())
    }

    fn block(&mut self) -> Result<(), ScanError> {
        let info = self.input.u8()?;
        if info == 0 || info == 10 {
            let len = self.input.var_u32()?;
            if len == 0 {
                return Err(ScanError::Unsupported);
            }
            let is_skip = info == 10;
            return self.place(len, if is_skip { None } else { Some(0) });
        }
        let origin = if info & 0x80 != 0 { Some(self.block_id()?) } else { None };
        let right = if info & 0x40 != 0 { Some(self.block_id()?) } else { None };
        let (base, step) = match origin.or(right) {
            Some(beside) => (Some(beside), 0),
            None => {
                let parent = match self.input.var_uint()? {
                    1 => self.input.text().map(|_| None)?,
                    _ => Some(self.block_id()?),
                };
                if info & 0x20 != 0 {
                    self.input.text()?;
                }
                (parent, 1)
            }
        };
        let kind = info & 0x1f;
        let len = self.content(kind)?;
        let is_type = kind == 7;
        let depth = match base {
            None => Some(1),
            Some(base) => self.depth_of(base).map(|depth| below(depth, step)),
        };
        match (depth, base) {
            (Some(depth), _) if is_type && depth > NESTING_MAX => Err(ScanError::NestedTooDeep),
            (None, Some(base)) => {
                let section = self.sections.len() - 1;
                let id = self.next_id();
                self.deferred.push(Deferred { section, id, len, base, step, is_type, state: State::Open });
                self.advance(len)
            }
            (depth, _) => self.place(len, depth),
        }
    }

    /// The id of the block that follows in the current section.
    fn next_id(&self) -> BlockId {
        let section = &self.sections[self.sections.len() - 1];
        BlockId { client: section.client, clock: section.end }
    }

    fn advance(&mut self, len: u32) -> Result<(), ScanError> {
        let last = self.sections.len() - 1;
        let section = &mut self.sections[last];
        section.end = section.end.checked_add(len).ok_or(DecodeError::NumberTooLarge)?;
        Ok(())
    }

    /// Counts a block of the current section, at a depth, or a gap (`None`).
    fn place(&mut self, len: u32, depth: Option<u32>) -> Result<(), ScanError> {
        let BlockId { client, clock: start } = self.next_id();
        self.advance(len)?;
        let last = self.sections.len() - 1;
        let section = &mut self.sections[last];
        match depth {
            Some(depth) => push_run(&mut section.runs, Run { start, end: section.end, depth }),
            None => {
                section.has_gap = true;
                section.is_cut |= section.end > self.known.clock(client);
            }
        }
        Ok(())
    }

    fn depth_of(&self, id: BlockId) -> Option<u32> {
        self.known.depth(id).or_else(|| {
            let section = match self.sections.last() {
                Some(last) if last.client == id.client => last,
                _ => &self.sections[*self.index.get(&id.client)?],
            };
            depth_at(&section.runs, id.clock)
        })
    }

    /// Finds the depth of the blocks that point forward, each once, without recursion.
    fn resolve(&mut self) -> Result<(), ScanError> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let mut deferred = std::mem::take(&mut self.deferred);
        let mut order: Vec<usize> = (0..deferred.len()).collect();
        order.sort_unstable_by_key(|&i| deferred[i].id);
        for first in 0..deferred.len() {
            let mut stack = vec![first];
            while let Some(&i) = stack.last() {
                if let State::Done(_) = deferred[i].state {
                    stack.pop();
                    continue;
                }
                let base = deferred[i].base;
                let depth = match (self.depth_of(base), find(&deferred, &order, base)) {
                    (Some(depth), _) => depth,
                    // A block that is nowhere: the edit is incomplete, and this part of it will not be integrated.
                    (None, None) => 0,
                    (None, Some(next)) => match deferred[next].state {
                        State::Done(depth) => depth,
                        // A circle, which no client writes and which is not integrated either.
                        State::Visiting => 0,
                        State::Open => {
                            deferred[i].state = State::Visiting;
                            stack.push(next);
                            continue;
                        }
                    },
                };
                let depth = below(depth, deferred[i].step);
                if deferred[i].is_type && depth > NESTING_MAX {
                    return Err(ScanError::NestedTooDeep);
                }
                deferred[i].state = State::Done(depth);
                stack.pop();
            }
        }
        for block in &deferred {
            let State::Done(depth) = block.state else { continue };
            let start = block.id.clock;
            self.sections[block.section].runs.push(Run { start, end: start + block.len, depth });
        }
        for section in &mut self.sections {
            section.runs.sort_by_key(|run| run.start);
        }
        Ok(())
    }

    /// Walks a block's content and returns its length in clock units.
    fn content(&mut self, kind: u8) -> Result<u32, ScanError> {
        match kind {
            1 => Ok(self.input.var_u32()?),
            3 => self.input.raw_buf().map(|_| 1).map_err(Into::into),
            4 => {
                let units = self.input.text()?.encode_utf16().count();
                u32::try_from(units).map_err(|_| DecodeError::NumberTooLarge.into())
            }
            5 => self.json().map(|()| 1),
            6 => {
                self.input.text()?;
                self.json().map(|()| 1)
            }
            7 => {
                match self.input.var_uint()? {
                    0 | 1 | 2 | 4 | 6 => {}
                    3 => {
                        self.input.text()?;
                    }
                    _ => return Err(ScanError::Unsupported),
                }
                Ok(1)
            }
            8 => {
                let count = self.count(1)?;
                for _ in 0..count {
                    self.value()?;
                }
                Ok(count as u32)
            }
            9 => {
                self.input.text()?;
                self.value().map(|()| 1)
            }
            _ => Err(ScanError::Unsupported),
        }
    }

    /// Walks a value written as JSON text. Its syntax is yrs's to check; its depth must be bounded before.
    fn json(&mut self) -> Result<(), ScanError> {
        let mut depth = 0u32;
        let mut in_text = false;
        let mut bytes = self.input.text()?.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' if in_text => {
                    bytes.next();
                }
                b'"' => in_text = !in_text,
                b'[' | b'{' if !in_text => {
                    depth += 1;
                    if depth > VALUE_DEPTH_MAX {
                        return Err(ScanError::ValueTooDeep);
                    }
                }
                b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }

    /// Walks one `Any` value without recursion.
    fn value(&mut self) -> Result<(), ScanError> {
        // What is left to read in each open list (is_map: each item has a key).
        let mut open: Vec<(usize, bool)> = Vec::new();
        loop {
            match self.input.u8()? {
                126 | 127 | 120 | 121 => {}
                125 => while self.input.u8()? & 0x80 != 0 {},
                124 => {
                    self.input.take(4)?;
                }
                122 | 123 => {
                    self.input.take(8)?;
                }
                119 => {
                    self.input.text()?;
                }
                116 => {
                    self.input.raw_buf()?;
                }
                kind @ (117 | 118) => {
                    let is_map = kind == 118;
                    let count = self.count(if is_map { 2 } else { 1 })?;
                    if open.len() as u32 == VALUE_DEPTH_MAX {
                        return Err(ScanError::ValueTooDeep);
                    }
                    open.push((count, is_map));
                }
                _ => return Err(ScanError::Unsupported),
            }
            loop {
                match open.last_mut() {
                    None => return Ok(()),
                    Some((0, _)) => {
                        open.pop();
                    }
                    Some((left, is_map)) => {
                        *left -= 1;
                        if *is_map {
                            self.input.text()?;
                        }
                        break;
                    }
                }
            }
        }
    }

    /// Walks the deletions; whether there are any.
    fn deletions(&mut self) -> Result<bool, ScanError> {
        let clients = self.count(2)?;
        for _ in 0..clients {
            self.input.var_uint()?;
            let ranges = self.count(2)?;
            for _ in 0..ranges {
                let start = self.input.var_u32()?;
                let len = self.input.var_u32()?;
                start.checked_add(len).ok_or(DecodeError::NumberTooLarge)?;
            }
        }
        Ok(clients > 0)
    }
}

/// The depth `step` below a block at `depth`; below what was collected (0) nothing exists.
fn below(depth: u32, step: u32) -> u32 {
    if depth == 0 { 0 } else { depth + step }
}

/// The deferred block that holds `id`.
fn find(deferred: &[Deferred], order: &[usize], id: BlockId) -> Option<usize> {
    let after = order.partition_point(|&i| deferred[i].id <= id);
    let i = order[after.checked_sub(1)?];
    let block = &deferred[i];
    (block.id.client == id.client && id.clock - block.id.clock < block.len).then_some(i)
}
