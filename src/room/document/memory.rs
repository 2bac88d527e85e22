//! What all live documents hold in memory together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics;

/// What the live documents may hold. Past it rooms without members end at once, and rooms that are not loaded are asked for later.
#[derive(Debug)]
pub struct DocumentsBudget {
    held: AtomicUsize,
    bytes_max: usize,
}

impl DocumentsBudget {
    /// A budget of `bytes_max`, all free.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), bytes_max })
    }

    /// Whether no more documents should be loaded.
    pub fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.bytes_max
    }

    /// Counts a document of `bytes`.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        let mut held = Held { budget: self.clone(), bytes: 0 };
        held.set(bytes);
        held
    }
}

/// One document's part, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<DocumentsBudget>,
    bytes: usize,
}

impl Held {
    /// The document holds `bytes` now.
    pub fn set(&mut self, bytes: usize) {
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        metrics::DOCUMENTS_BYTES.add(bytes as i64 - self.bytes as i64);
        self.bytes = bytes;
    }

    /// Whether all documents together hold more than they should.
    pub fn is_over(&self) -> bool {
        self.budget.is_full()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_holds_is_given_back_with_it() {
        let budget = DocumentsBudget::new(100);
        let mut first = budget.hold(60);
        assert!(!budget.is_full());
        let second = budget.hold(40);
        assert!(budget.is_full());
        first.set(59);
        assert!(!budget.is_full());
        drop(second);
        first.set(99);
        assert!(!first.is_over());
        drop(first);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
