//! Edits that were stored before what they build on, as several servers may do, until that is there: each waits for one unit, so that what
//! comes wakes only those that it may help.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::document::{BlockId, IdRange};

/// Edits that wait.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// By the client of the unit that they wait for, its clock, and the order in which they came.
    by_client: HashMap<u64, BTreeMap<(u32, u64), Bytes>>,
    came: u64,
    bytes: usize,
}

impl Pending {
    /// Adds an edit that waits for a unit.
    pub fn add(&mut self, lacks: BlockId, update: Bytes) {
        self.came += 1;
        self.bytes += update.len();
        self.by_client.entry(lacks.client).or_default().insert((lacks.clock, self.came), update);
    }

    /// Takes out those that wait for a unit up to the end of what was inserted.
    pub fn awoken(&mut self, inserted: IdRange) -> impl Iterator<Item = Bytes> + use<> {
        let woken = self.by_client.get_mut(&inserted.client).map(|own| {
            let rest = own.split_off(&(inserted.end, 0));
            std::mem::replace(own, rest)
        });
        let woken = woken.unwrap_or_default();
        self.bytes -= woken.values().map(Bytes::len).sum::<usize>();
        woken.into_values()
    }

    /// All of them, as they came.
    pub fn all(&self) -> Vec<&Bytes> {
        let all = self.by_client.values().flat_map(|own| own.iter().map(|((_, came), update)| (*came, update)));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(came, _)| *came);
        all.into_iter().map(|(_, update)| update).collect()
    }

    /// What they hold in memory, in bytes, about.
    pub fn held(&self) -> usize {
        self.bytes
    }
}
