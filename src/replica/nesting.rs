//! How deep each block of a document lies below its root. Blocks that follow each other at one depth are one run, so a text of any
//! length needs a run a client.

use std::collections::HashMap;

use super::BlockId;

/// Blocks of one client with clocks in `start..end`, all at one depth: 1 in a root type, one more in each type inside.
/// 0 is what was deleted and collected; nothing can be put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub start: u32,
    pub end: u32,
    pub depth: u32,
}

/// Appends `run` to `runs`, as part of the last one where it continues it.
pub(crate) fn push_run(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.end == run.start && last.depth == run.depth => last.end = run.end,
        _ => runs.push(run),
    }
}

/// The depth at `clock` in runs sorted by clock.
pub(crate) fn depth_at(runs: &[Run], clock: u32) -> Option<u32> {
    let after = runs.partition_point(|run| run.start <= clock);
    let run = runs.get(after.checked_sub(1)?)?;
    (clock < run.end).then_some(run.depth)
}

/// The depths of all blocks of a document.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    clients: HashMap<u64, Vec<Run>>,
}

impl Nesting {
    /// The depth of a block, if the document has it.
    pub fn depth(&self, id: BlockId) -> Option<u32> {
        depth_at(self.clients.get(&id.client)?, id.clock)
    }

    /// How many units of `client` the document has; its state vector's entry.
    pub fn clock(&self, client: u64) -> u32 {
        self.clients.get(&client).and_then(|runs| runs.last()).map_or(0, |last| last.end)
    }

    /// How many clients the document has.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Takes over the part of `runs` that the document did not have. `runs` join what is there without a gap.
    pub fn extend(&mut self, client: u64, runs: &[Run]) {
        let known = self.clock(client);
        let own = self.clients.entry(client).or_default();
        for run in runs.iter().filter(|run| run.end > known) {
            push_run(own, Run { start: run.start.max(known), ..*run });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_in_a_row_at_one_depth_are_one_run() {
        let mut nesting = Nesting::default();
        nesting.extend(7, &[Run { start: 0, end: 5, depth: 1 }]);
        nesting.extend(7, &[Run { start: 3, end: 9, depth: 1 }, Run { start: 9, end: 10, depth: 2 }]);
        assert_eq!(nesting.clients[&7], [Run { start: 0, end: 9, depth: 1 }, Run { start: 9, end: 10, depth: 2 }]);
        assert_eq!(nesting.clock(7), 10);
        assert_eq!(nesting.depth(BlockId { client: 7, clock: 8 }), Some(1));
        assert_eq!(nesting.depth(BlockId { client: 7, clock: 9 }), Some(2));
        assert_eq!(nesting.depth(BlockId { client: 7, clock: 10 }), None);
        assert_eq!(nesting.depth(BlockId { client: 8, clock: 0 }), None);
    }
}
