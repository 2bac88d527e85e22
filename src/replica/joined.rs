//! Joins updates that follow each other into one, which yrs applies several times faster than each by itself: what makes a long
//! tail of keystrokes cheap to load.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::nesting::Nesting;
use super::scan::Scan;
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_var_uint};

/// Longer updates gain nothing by being copied together.
const UPDATE_BYTES_MAX: usize = 64 * 1024;

/// Updates joined so far. Each block stands for itself in the v1 encoding, so its bytes stay as they are.
#[derive(Default)]
pub(crate) struct Joined {
    sections: Vec<Section>,
    /// Where each client's section stands.
    index: HashMap<u64, usize>,
    /// Clocks and lengths, by client.
    deletions: BTreeMap<u64, Vec<(u32, u32)>>,
}

struct Section {
    client: u64,
    start: u32,
    blocks: usize,
    bytes: Vec<u8>,
}

impl Joined {
    /// Whether `update` can be taken in: if all of it goes on where the document `known` ends, which has what was joined before.
    pub fn fits(update: &Bytes, scan: &Scan, known: &Nesting) -> bool {
        update.len() <= UPDATE_BYTES_MAX
            && scan.sections.iter().all(|section| !section.has_gap && section.start == known.clock(section.client))
    }

    /// Takes in an update that [`fits`](Self::fits).
    pub fn push(&mut self, update: &Bytes, scan: &Scan) -> Result<(), DecodeError> {
        for section in scan.sections.iter().filter(|section| section.joined_blocks > 0) {
            let at = *self.index.entry(section.client).or_insert_with(|| {
                self.sections.push(Section {
                    client: section.client,
                    start: section.start,
                    blocks: 0,
                    bytes: Vec::new(),
                });
                self.sections.len() - 1
            });
            let own = &mut self.sections[at];
            own.blocks += section.joined_blocks;
            own.bytes.extend_from_slice(&update[section.joined.clone()]);
        }
        let deletions = update.slice(scan.deletions_at..);
        let mut input = Input::new(&deletions);
        for _ in 0..input.var_uint()? {
            let own = self.deletions.entry(input.var_uint()?).or_default();
            for _ in 0..input.var_uint()? {
                own.push((input.var_u32()?, input.var_u32()?));
            }
        }
        Ok(())
    }

    /// All that was taken in, as one update; empties itself. `None` if there is nothing.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let Self { sections, deletions, .. } = std::mem::take(self);
        if sections.is_empty() && deletions.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(sections.iter().map(|section| section.bytes.len() + 16).sum());
        put_var_uint(&mut out, sections.len() as u64);
        for section in &sections {
            put_var_uint(&mut out, section.blocks as u64);
            put_var_uint(&mut out, section.client);
            put_var_uint(&mut out, section.start.into());
            out.extend_from_slice(&section.bytes);
        }
        put_var_uint(&mut out, deletions.len() as u64);
        for (client, ranges) in deletions {
            put_var_uint(&mut out, client);
            put_var_uint(&mut out, ranges.len() as u64);
            for (clock, length) in ranges {
                put_var_uint(&mut out, clock.into());
                put_var_uint(&mut out, length.into());
            }
        }
        Some(out)
    }
}
