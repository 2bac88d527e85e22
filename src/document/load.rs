//! Reads what is stored. It was judged when it came, by this release or an older one, so here it is taken as far as it can be read:
//! damage never makes a document empty.

use bytes::Bytes;
use smallvec::SmallVec;

use super::apply::{Gaps, Trust};
use super::blocks::Blocks;
use super::scan::scan;

/// How often what did not join is tried again: edits that were stored before what they build on.
const PASSES_MAX: usize = 16;

const INCOMPLETE: &str = "it builds on what is not there";

/// A stored update that is not, or not wholly, in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Which: 0 is the snapshot if there is one, then the edits in order.
    pub place: usize,
    /// Why.
    pub reason: String,
}

impl Blocks {
    /// Takes stored updates, a snapshot before the edits after it; what could not be taken of them.
    pub fn load<'u>(&mut self, updates: impl IntoIterator<Item = &'u Bytes>) -> Vec<SetAside> {
        let mut set_aside = Vec::new();
        let mut incomplete = Vec::new();
        for (place, update) in updates.into_iter().enumerate() {
            match self.load_one(update) {
                Ok(true) => {}
                Ok(false) => incomplete.push((place, update)),
                Err(reason) => set_aside.push(SetAside { place, reason }),
            }
        }
        for _ in 0..PASSES_MAX {
            let before = incomplete.len();
            incomplete.retain(|(_, update)| self.load_one(update) == Ok(false));
            if incomplete.len() == before {
                break;
            }
        }
        set_aside.extend(incomplete.iter().map(|(place, _)| SetAside { place: *place, reason: INCOMPLETE.to_owned() }));
        set_aside.sort_unstable_by_key(|one| one.place);
        self.shrink();
        set_aside
    }

    /// Takes an update that is stored, as far as it can be read and joins; the clients whose typing is in it.
    ///
    /// # Errors
    /// Why it is not, or not wholly, in the document.
    pub fn take_stored(&mut self, update: &Bytes) -> Result<SmallVec<[u64; 1]>, String> {
        if !self.load_one(update)? {
            return Err(INCOMPLETE.to_owned());
        }
        let scan = scan(update).map_err(|refusal| refusal.to_string())?;
        Ok(scan.sections.iter().map(|section| section.client).collect())
    }

    /// Whether all of it is in now.
    fn load_one(&mut self, update: &Bytes) -> Result<bool, String> {
        let scan = scan(update).map_err(|refusal| refusal.to_string())?;
        let taken = self.take(&scan, Trust::Store, Gaps::Kept).map_err(|refusal| refusal.to_string())?;
        Ok(taken.is_complete(&scan))
    }
}
