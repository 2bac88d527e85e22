//! Bytes that many share: how many may be held together, and guards that give back what they hold.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use prometheus::IntGauge;

/// A gauge of [`crate::metrics`].
pub type Gauge = &'static LazyLock<IntGauge>;

/// What some holders together may hold, in bytes.
#[derive(Debug)]
pub struct ByteBudget {
    held: AtomicUsize,
    bytes_max: usize,
    gauge: Option<Gauge>,
}

impl ByteBudget {
    /// A budget of `bytes_max`, all free; `gauge` shows what is held.
    pub fn new(bytes_max: usize, gauge: Option<Gauge>) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), bytes_max, gauge })
    }

    /// How many bytes are free; `None` if more are held than should be.
    pub fn left(&self) -> Option<usize> {
        self.bytes_max.checked_sub(self.held.load(Ordering::Relaxed))
    }

    /// Whether nothing is free.
    pub fn is_full(&self) -> bool {
        self.left().is_none_or(|left| left == 0)
    }

    /// Whether so many bytes are free.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.left().is_some_and(|left| bytes <= left)
    }

    /// A holder of `bytes`, whether they are free or not.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> HeldBytes {
        let mut held = HeldBytes { budget: self.clone(), bytes: 0 };
        held.set(bytes);
        held
    }

    fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        if let Some(gauge) = self.gauge {
            gauge.add(bytes as i64);
        }
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(gauge) = self.gauge {
            gauge.sub(bytes as i64);
        }
    }
}

/// One holder's part of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct HeldBytes {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl HeldBytes {
    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// It holds `bytes` now.
    pub fn set(&mut self, bytes: usize) {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.budget.add(more),
            None => self.budget.give_back(self.bytes - bytes),
        }
        self.bytes = bytes;
    }

    /// It holds `bytes` more, if they are free. Whether they are.
    pub fn try_add(&mut self, bytes: usize) -> bool {
        self.budget.add(bytes);
        let is_within = self.budget.left().is_some();
        match is_within {
            true => self.bytes += bytes,
            false => self.budget.give_back(bytes),
        }
        is_within
    }

    /// It holds the same of another budget from now on.
    pub fn move_to(&mut self, budget: &Arc<ByteBudget>) {
        if !Arc::ptr_eq(&self.budget, budget) {
            *self = budget.hold(self.bytes);
        }
    }

    /// The budget of all holders.
    pub fn budget(&self) -> &ByteBudget {
        &self.budget
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_holder_holds_is_given_back_with_it() {
        let budget = ByteBudget::new(100, None);
        let mut first = budget.hold(60);
        assert_eq!((budget.left(), budget.has_room_for(40), budget.has_room_for(41)), (Some(40), true, false));
        let second = budget.hold(40);
        assert!(budget.is_full());
        first.set(61);
        assert_eq!(budget.left(), None);
        first.set(59);
        assert!(!budget.is_full());
        drop(second);
        first.set(99);
        assert!(!first.budget().is_full());
        drop(first);
        assert_eq!(budget.left(), Some(100));
    }

    #[test]
    fn what_is_added_only_if_it_is_free_stays_within_the_budget() {
        let budget = ByteBudget::new(100, None);
        let mut held = budget.hold(0);
        assert!(held.try_add(60) && !held.try_add(41) && held.try_add(40));
        assert_eq!((held.bytes(), budget.left()), (100, Some(0)));
    }

    #[test]
    fn what_is_held_moves_to_another_budget_whole() {
        let (from, to) = (ByteBudget::new(100, None), ByteBudget::new(60, None));
        let mut held = from.hold(60);
        held.move_to(&to);
        held.move_to(&to);
        assert_eq!((from.left(), to.left()), (Some(100), Some(0)));
    }
}
