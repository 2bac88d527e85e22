//! Reads a Yjs update (v1) once and finds its blocks, without keeping them: what it holds in memory is in proportion to the Yjs
//! clients in the update, not to its blocks. Counts are checked against the bytes that are there.

use bytes::Bytes;
use smallvec::SmallVec;

use super::content::{self, Content, Kind};
use super::{BlockId, Refusal};
use crate::protocol::DecodeError;
use crate::protocol::lib0::Input;

/// An update whose bytes can be read.
#[derive(Debug)]
pub struct Scan<'u> {
    bytes: &'u Bytes,
    /// The blocks by client, in the update's order.
    pub sections: SmallVec<[Section; 1]>,
    /// Where the deletions begin.
    pub deletions_at: usize,
    /// Where the update ends.
    pub end: usize,
}

/// The blocks of one client in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// The client.
    pub client: u64,
    /// Clock of the first block.
    pub start: u32,
    /// Clock after the last block.
    pub end: u32,
    /// How many blocks there are.
    pub blocks: usize,
    /// Where the first block begins in the update.
    pub at: usize,
    /// Whether clocks within are left out.
    pub has_gap: bool,
}

/// What a block lies in, as it says: a root by its name, or a shared type by the id of the block that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent<'u> {
    /// A root type.
    Root(&'u str),
    /// The shared type of a block.
    Type(BlockId),
}

/// One block of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'u> {
    /// Clock of its first unit.
    pub clock: u32,
    /// How many units it has.
    pub len: u32,
    /// The unit that stood left of it when it was written.
    pub origin: Option<BlockId>,
    /// The unit that stood right of it when it was written.
    pub right: Option<BlockId>,
    /// What it lies in; told only where both origins are absent, else it is where they are.
    pub parent: Option<Parent<'u>>,
    /// Its key in a map; told as the parent is.
    pub key: Option<&'u str>,
    /// What it holds.
    pub content: Content<'u>,
    /// The whole block as it stands on the wire.
    pub wire: &'u [u8],
}

impl Block<'_> {
    /// The clock after its last unit.
    pub fn end(&self) -> u32 {
        self.clock + self.len
    }
}

/// Reads `update`, which ends with its deletions.
///
/// # Errors
/// It is no update, or holds what no client can read.
pub fn scan(update: &Bytes) -> Result<Scan<'_>, Refusal> {
    let scan = scan_first(update)?;
    if scan.end < update.len() {
        Err(Refusal::Impossible("it goes on behind its end; is it in v2 encoding?"))
    } else {
        Ok(scan)
    }
}

/// Reads the update that stands at the front of `bytes`.
pub(super) fn scan_first(bytes: &Bytes) -> Result<Scan<'_>, Refusal> {
    let mut input = Input::new(bytes);
    let mut sections = SmallVec::new();
    read_sections(&mut input, |section| sections.push(section))?;
    let deletions_at = input.position();
    read_deletions(&mut input)?;
    Ok(Scan { bytes, sections, deletions_at, end: input.position() })
}

/// Reads the sections at the front of an update.
pub(super) fn read_sections(input: &mut Input<'_>, mut each: impl FnMut(Section)) -> Result<(), Refusal> {
    for _ in 0..input.count(3)? {
        let blocks = input.count(1)?;
        let client = input.var_uint()?;
        let start = input.var_u32()?;
        let mut section = Section { client, start, end: start, blocks, at: input.position(), has_gap: false };
        for _ in 0..blocks {
            let block = block(input, section.end)?;
            section.end = block.end();
            section.has_gap |= block.content.kind == Kind::Skip;
        }
        each(section);
    }
    Ok(())
}

fn read_deletions(input: &mut Input<'_>) -> Result<(), Refusal> {
    for _ in 0..input.count(2)? {
        input.var_uint()?;
        for _ in 0..input.count(2)? {
            let (clock, len) = (input.var_u32()?, input.var_u32()?);
            clock.checked_add(len).ok_or(DecodeError::NumberTooLarge)?;
        }
    }
    Ok(())
}

impl<'u> Scan<'u> {
    /// Refuses what Yjs never writes about clients: the same one twice, nothing of one, nothing deleted.
    ///
    /// # Errors
    /// [`Refusal::Impossible`].
    pub fn check_clients(&self) -> Result<(), Refusal> {
        let is_repeated = |mut clients: Vec<u64>| {
            clients.sort_unstable();
            clients.windows(2).any(|pair| pair[0] == pair[1])
        };
        if self.sections.len() > 1 && is_repeated(self.sections.iter().map(|section| section.client).collect()) {
            return Err(Refusal::Impossible("a client that writes twice"));
        }
        if self.sections.iter().any(|section| section.blocks == 0) {
            return Err(Refusal::Impossible("a client that writes nothing"));
        }
        let mut clients = Vec::new();
        let mut input = self.input(self.deletions_at);
        for _ in 0..input.count(2)? {
            clients.push(input.var_uint()?);
            let ranges = input.count(2)?;
            if ranges == 0 {
                return Err(Refusal::Impossible("deletions of nothing"));
            }
            for _ in 0..ranges {
                input.var_u32()?;
                if input.var_u32()? == 0 {
                    return Err(Refusal::Impossible("a deletion of nothing"));
                }
            }
        }
        if clients.len() > 1 && is_repeated(clients) {
            return Err(Refusal::Impossible("deletions of a client that stand twice"));
        }
        Ok(())
    }

    /// The blocks of a section, in order.
    pub fn blocks(&self, section: &Section) -> SectionBlocks<'u> {
        SectionBlocks { input: self.input(section.at), left: section.blocks, clock: section.start }
    }

    /// What it deletes: client, clock of the first unit, and how many.
    pub fn deletions(&self) -> Deletions<'u> {
        let mut input = self.input(self.deletions_at);
        let clients = input.var_uint().unwrap_or(0);
        Deletions { input, clients, client: 0, ranges: 0 }
    }

    /// Whether it deletes anything.
    pub fn has_deletions(&self) -> bool {
        self.bytes[self.deletions_at] != 0
    }

    fn input(&self, at: usize) -> Input<'u> {
        Input::at(self.bytes, at)
    }
}

/// The blocks of a section of an update that was read before.
#[derive(Debug, Clone)]
pub struct SectionBlocks<'u> {
    input: Input<'u>,
    left: usize,
    clock: u32,
}

impl<'u> Iterator for SectionBlocks<'u> {
    type Item = Block<'u>;

    fn next(&mut self) -> Option<Block<'u>> {
        self.left = self.left.checked_sub(1)?;
        // It was read before, so it can be read.
        let block = block(&mut self.input, self.clock).ok()?;
        self.clock = block.end();
        Some(block)
    }
}

/// The deletions of an update that was read before.
#[derive(Debug)]
pub struct Deletions<'u> {
    input: Input<'u>,
    clients: u64,
    client: u64,
    ranges: u64,
}

impl Iterator for Deletions<'_> {
    type Item = (u64, u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        while self.ranges == 0 {
            self.clients = self.clients.checked_sub(1)?;
            self.client = self.input.var_uint().ok()?;
            self.ranges = self.input.var_uint().ok()?;
        }
        self.ranges -= 1;
        Some((self.client, self.input.var_u32().ok()?, self.input.var_u32().ok()?))
    }
}

fn id(input: &mut Input<'_>) -> Result<BlockId, Refusal> {
    Ok(BlockId { client: input.var_uint()?, clock: input.var_u32()? })
}

/// Reads the block that begins at `clock`.
fn block<'u>(input: &mut Input<'u>, clock: u32) -> Result<Block<'u>, Refusal> {
    let begin = input.position();
    let info = input.u8()?;
    let kind = Kind::of(info).ok_or(Refusal::Impossible("content of an unknown kind"))?;
    let (mut origin, mut right, mut parent, mut key) = (None, None, None, None);
    if !matches!(kind, Kind::Collected | Kind::Skip) {
        if info & 0x80 != 0 {
            origin = Some(id(input)?);
        }
        if info & 0x40 != 0 {
            right = Some(id(input)?);
        }
        if origin.is_none() && right.is_none() {
            parent = Some(match input.var_uint()? {
                1 => Parent::Root(input.text()?),
                _ => Parent::Type(id(input)?),
            });
            if info & 0x20 != 0 {
                key = Some(input.text()?);
            }
        }
    }
    let (content, len) = content::read(input, kind)?;
    if len == 0 {
        return Err(Refusal::Impossible("a block without length"));
    }
    clock.checked_add(len).ok_or(DecodeError::NumberTooLarge)?;
    Ok(Block { clock, len, origin, right, parent, key, content, wire: input.since(begin) })
}
