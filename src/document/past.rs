//! What was: what each stored edit brought to a document, and the document as it was after any of them.
//!
//! A document that keeps what is deleted needs nothing more for this: its past is the blocks below certain clocks, less what was
//! deleted by then.

use std::collections::HashMap;

use bytes::Bytes;
use smallvec::SmallVec;

use super::apply::{Gaps, Trust};
use super::blocks::{Blocks, Unit};
use super::content::Kind;
use super::encode::{DeletedContent, Part, Within};
use super::scan::scan;
use super::{BlockId, Clocks};
use crate::protocol::lib0::put_var_uint;

/// Units of one Yjs client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    /// The client.
    pub client: u64,
    /// Clock of the first unit.
    pub start: u32,
    /// Clock after the last unit.
    pub end: u32,
}

impl IdRange {
    /// How many units there are.
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// What a stored edit brought that was not there before.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Brought {
    /// What it inserted.
    pub inserted: SmallVec<[IdRange; 1]>,
    /// What it deleted.
    pub deleted: SmallVec<[IdRange; 1]>,
    /// Whether that is somebody's work. Deleting what is deleted by whoever integrates the document, such as formatting marks that
    /// change nothing, is not: every client that sees another's edit may send it.
    pub is_work: bool,
    /// A unit that it builds on, or deletes, and that the document does not have; none if all of it is in the document now.
    pub lacks: Option<BlockId>,
}

/// Which blocks a document had, and what of them was deleted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PastState {
    /// The clocks after all that each client had written.
    pub clocks: Clocks,
    /// What was deleted, by client: ranges that do not overlap, ascending.
    pub deleted: HashMap<u64, Vec<(u32, u32)>>,
}

impl Blocks {
    /// Takes a stored update as far as it can be read and joins, and tells what of it is new.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn take_past(&mut self, update: &Bytes) -> Result<Brought, String> {
        let scan = scan(update).map_err(|refusal| refusal.to_string())?;
        let is_work = !scan.sections.is_empty() || !self.brings_nothing_of_its_own(update);
        let taken = self.take(&scan, Trust::Store, Gaps::Kept).map_err(|refusal| refusal.to_string())?;
        let typed = taken.sections.iter().zip(&scan.sections).filter(|(taken, _)| taken.reached > taken.known);
        let inserted = typed.map(|(taken, section)| {
            let (start, end) = (taken.known, taken.reached);
            IdRange { client: section.client, start, end }
        });
        let deleted = taken.deleted.iter().filter_map(|(number, start, end)| {
            let (client, _) = self.clients.get_index(*number)?;
            Some(IdRange { client: *client, start: *start, end: *end })
        });
        Ok(Brought { inserted: inserted.collect(), deleted: deleted.collect(), is_work, lacks: taken.lacks })
    }

    /// The clocks after all that each client wrote.
    pub fn clocks(&self) -> Clocks {
        let mut clocks = Clocks::default();
        self.clients.iter().for_each(|(client, own)| clocks.set(*client, own.end));
        clocks
    }

    /// The blocks from these clocks on, as an update that deletes nothing.
    pub fn blocks_after(&self, known: &Clocks) -> Vec<u8> {
        self.put_parts(DeletedContent::Kept, &HashMap::new(), |client, end| (known.get(client), end))
    }

    /// The document as it was, as one update.
    pub fn state_at(&self, past: &PastState, content: DeletedContent) -> Vec<u8> {
        self.put_parts(content, &past.deleted, |client, end| (0, past.clocks.get(client).min(end)))
    }

    fn put_parts(
        &self,
        content: DeletedContent,
        deleted: &HashMap<u64, Vec<(u32, u32)>>,
        part: impl Fn(u64, u32) -> (u32, u32),
    ) -> Vec<u8> {
        let mut parts = Vec::new();
        for number in self.by_client() {
            let Some((client, own)) = self.clients.get_index(number) else { continue };
            let (from, to) = part(*client, own.end);
            if from < to {
                parts.push((number as u32, *client, Part { from, to, keeps_deleted: content == DeletedContent::Kept }));
            }
        }
        let ranges = |client: u64| deleted.get(&client).map_or(&[][..], Vec::as_slice);
        let is_deleted = |unit: Unit| {
            let id = self.id(unit);
            id.is_some_and(|id| {
                let own = ranges(id.client);
                let before = own.partition_point(|(start, _)| *start <= id.clock);
                own[..before].last().is_some_and(|(_, end)| id.clock < *end)
            })
        };
        let mut within = (content == DeletedContent::Dropped).then(|| Within::new(self, is_deleted));
        let mut out = Vec::new();
        put_var_uint(&mut out, parts.len() as u64);
        for (number, client, part) in &parts {
            self.put_section(&mut out, *number, *client, *part, ranges(*client).iter().copied(), within.as_mut());
        }
        let parts = || parts.iter().filter(|(_, client, _)| !ranges(*client).is_empty());
        put_var_uint(&mut out, parts().count() as u64);
        for (_, client, _) in parts() {
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, ranges(*client).len() as u64);
            for (start, end) in ranges(*client) {
                put_var_uint(&mut out, (*start).into());
                put_var_uint(&mut out, (end - start).into());
            }
        }
        out
    }

    /// Deletes what was deleted; of blocks that were taken without their deletions.
    pub fn delete_past(&mut self, past: &PastState) {
        for (client, ranges) in &past.deleted {
            let Some(number) = self.clients.get_index_of(client) else { continue };
            for (start, end) in ranges {
                let missing: Vec<_> = self.clients[number].deleted.missing(*start, *end).collect();
                missing.into_iter().for_each(|(start, end)| self.delete(number, start, end));
            }
            self.count(number);
        }
    }

    /// How many UTF-16 units of text there are in a range; its other content counts nothing.
    pub fn characters(&self, range: IdRange) -> u64 {
        let Some(own) = self.clients.get(&range.client) else { return 0 };
        let Some(first) = own.find(range.start) else { return 0 };
        let mut count = 0;
        for at in first..own.blocks.len() {
            let (start, end) = (own.blocks[at].clock.max(range.start), own.block_end(at).min(range.end));
            if start >= end {
                break;
            }
            if own.blocks[at].kind == Kind::Text {
                count += u64::from(end - start);
            }
        }
        count
    }
}
