//! What is expected next in an update, from those before it: whoever types goes on where they were. Splitting and joining keep it alike.

use std::collections::HashMap;

/// A unit of a document: whose, and which.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Unit {
    /// By the client's place among all that were seen.
    pub client: u64,
    pub clock: u64,
}

impl Unit {
    pub fn next(self) -> Self {
        Self { clock: self.clock.wrapping_add(1), ..self }
    }

    pub fn previous(self) -> Self {
        Self { clock: self.clock.wrapping_sub(1), ..self }
    }
}

/// What is expected.
#[derive(Default, Debug)]
pub(super) struct Expect {
    /// Clocks that clients have reached, by their places. Those who walk know no places past the clients that there are.
    reached: Vec<u64>,
    /// The unit left of where somebody types, and the one right of it.
    pub left: Unit,
    pub right: Unit,
    /// Units that stand right of others, as far as that was told.
    neighbours: HashMap<Unit, Unit>,
    /// What the last block lay in that told it.
    pub parent: Unit,
}

impl Expect {
    /// Where the next block of a client begins.
    pub fn clock(&self, client: u64) -> u64 {
        usize::try_from(client).ok().and_then(|client| self.reached.get(client)).copied().unwrap_or_default()
    }

    /// Blocks of a client were read up to a clock.
    pub fn on_blocks(&mut self, client: u64, end: u64) {
        let Ok(client) = usize::try_from(client) else { return };
        if client >= self.reached.len() {
            self.reached.resize(client + 1, 0);
        }
        self.reached[client] = end;
    }

    /// What stands right of a unit, or of none. Whoever goes elsewhere types between two that are neighbours, often also by their clocks.
    pub fn right_of(&self, left: Option<Unit>) -> Unit {
        match left {
            Some(left) if left != self.left => self.neighbours.get(&left).copied().unwrap_or(left.next()),
            _ => self.right,
        }
    }

    /// A block was written: the cursor stands behind it.
    pub fn on_block(&mut self, (first, last): (Unit, Unit), left: Option<Unit>, right: Option<Unit>) {
        if let Some(left) = left.filter(|left| left.next() != first) {
            self.neighbours.insert(left, first);
        }
        if let Some(right) = right {
            self.neighbours.insert(last, right);
            self.right = right;
        }
        self.left = last;
    }

    /// Something was deleted, most likely with backspace: what was before it is left, and it itself still stands at the right.
    pub fn on_deleted(&mut self, first: Unit) {
        self.left = first.previous();
        self.right = first;
    }
}
