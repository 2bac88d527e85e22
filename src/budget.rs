//! Bytes that many share: how many may be held together, and guards that give back what they hold.
//!
//! Where a budget is short, whoever holds most of it pays, never the next one who asks. Holders name a [`Payer`]; all that is held under one
//! name counts together. What its holder can let go of is called in ([`HeldBytes::demand`]). What it cannot is given out by shares:
//! nobody gets more than is left for all others ([`HeldBytes::try_add_fairly`]).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use prometheus::IntGauge;

use crate::metrics;

/// A gauge of [`crate::metrics`].
pub type Gauge = &'static LazyLock<IntGauge>;

/// Under whose name something is held, as a hash: a user, an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payer(u64);

impl Payer {
    /// The payer of this name.
    pub fn of(name: impl Hash) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(HASHER.hash_one(name))
    }
}

/// What some holders together may hold, in bytes.
#[derive(Debug)]
pub struct ByteBudget {
    held: AtomicUsize,
    /// What holders were asked to let go of, and will in a moment.
    leaving: AtomicUsize,
    bytes_max: usize,
    gauge: Option<Gauge>,
    shares: Mutex<HashMap<Payer, Vec<Arc<Holder>>>>,
}

/// One who holds something under a name. Its bytes change under the lock of the shares only.
#[derive(Debug)]
struct Holder {
    payer: Payer,
    bytes: AtomicUsize,
    /// How much of that was called in.
    leaving: AtomicUsize,
    /// Whether it can be called in no more.
    is_kept: AtomicBool,
    waker: AtomicWaker,
}

impl Holder {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn leaving(&self) -> usize {
        self.leaving.load(Ordering::Relaxed)
    }

    fn staying(&self) -> usize {
        self.bytes().saturating_sub(self.leaving())
    }

    fn may_be_called_in(&self) -> bool {
        self.leaving() == 0 && !self.is_kept.load(Ordering::Relaxed)
    }
}

impl ByteBudget {
    /// A budget of `bytes_max`, all free; `gauge` shows what is held.
    pub fn new(bytes_max: usize, gauge: Option<Gauge>) -> Arc<Self> {
        let (held, leaving, shares) = Default::default();
        Arc::new(Self { held, leaving, bytes_max, gauge, shares })
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many bytes are free; `None` if more are held than should be.
    pub fn left(&self) -> Option<usize> {
        (self.bytes_max + self.leaving.load(Ordering::Relaxed)).checked_sub(self.held.load(Ordering::Relaxed))
    }

    /// How many bytes all may hold.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
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
        let mut held = HeldBytes { budget: self.clone(), bytes: 0, holder: None };
        held.set(bytes);
        held
    }

    /// The same under the name of `payer`.
    pub fn hold_for(self: &Arc<Self>, payer: Payer, bytes: usize) -> HeldBytes {
        let (bytes_held, leaving, is_kept, waker) = Default::default();
        let holder = Arc::new(Holder { payer, bytes: bytes_held, leaving, is_kept, waker });
        let mut held = HeldBytes { budget: self.clone(), bytes: 0, holder: Some(holder) };
        held.set(bytes);
        held
    }

    /// Whether `payer` may have `bytes` more of what cannot be called in: what it has then is no more than what is left for all others.
    pub fn has_share_for(&self, payer: Payer, bytes: usize) -> bool {
        let own = self.shares().get(&payer).map_or(0, |holders| sum(holders));
        self.left().and_then(|left| left.checked_sub(bytes)).is_some_and(|left| own + bytes <= left)
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Payer, Vec<Arc<Holder>>>> {
        // Nothing panics while it is locked.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Has a holder hold `bytes` now.
    fn note(&self, holder: &Arc<Holder>, bytes: usize) {
        let mut shares = self.shares();
        let before = holder.bytes.swap(bytes, Ordering::Relaxed);
        let left = holder.leaving().saturating_sub(bytes);
        holder.leaving.fetch_sub(left, Ordering::Relaxed);
        self.leaving.fetch_sub(left, Ordering::Relaxed);
        if before == 0 && bytes > 0 {
            shares.entry(holder.payer).or_default().push(holder.clone());
        } else if before > 0
            && bytes == 0
            && let Some(holders) = shares.get_mut(&holder.payer)
        {
            holders.retain(|other| !Arc::ptr_eq(other, holder));
            if holders.is_empty() {
                shares.remove(&holder.payer);
            }
        }
    }

    /// Calls in `bytes` from those who hold most, one after another, as long as each holds more than `asker`, which would then have
    /// `bytes` more. If that is not enough, from nobody.
    fn call_in(&self, asker: Payer, bytes: usize) -> bool {
        let shares = self.shares();
        let own = shares.get(&asker).map_or(0, |holders| sum(holders)) + bytes;
        let mut payers: Vec<_> = shares
            .iter()
            .filter(|(payer, _)| **payer != asker)
            .map(|(_, holders)| {
                let mut staying: Vec<_> = holders.iter().filter(|holder| holder.may_be_called_in()).collect();
                staying.sort_unstable_by_key(|holder| holder.bytes());
                (sum(holders), staying)
            })
            .collect();
        let held = self.held().saturating_sub(self.leaving.load(Ordering::Relaxed));
        let mut missing = (held + bytes).saturating_sub(self.bytes_max);
        let mut called_in = Vec::new();
        while missing > 0 {
            let left = payers.iter_mut().filter(|(sum, staying)| *sum > own && !staying.is_empty());
            let Some((sum, holder)) =
                left.max_by_key(|(sum, _)| *sum).and_then(|(sum, staying)| staying.pop().map(|holder| (sum, holder)))
            else {
                return false;
            };
            *sum -= holder.bytes();
            missing = missing.saturating_sub(holder.bytes());
            called_in.push(holder);
        }
        for holder in called_in {
            holder.leaving.store(holder.bytes(), Ordering::Relaxed);
            self.leaving.fetch_add(holder.bytes(), Ordering::Relaxed);
            holder.waker.wake();
            metrics::HOLDERS_CALLED_IN.inc();
        }
        true
    }

    /// Has a holder be called in no more, unless it was already.
    fn keep(&self, holder: &Holder) -> bool {
        let _shares = self.shares();
        let is_leaving = holder.leaving() > 0;
        holder.is_kept.store(!is_leaving, Ordering::Relaxed);
        !is_leaving
    }
}

/// What holders have that were not called in.
fn sum(holders: &[Arc<Holder>]) -> usize {
    holders.iter().map(|holder| holder.staying()).sum()
}

/// One holder's part of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct HeldBytes {
    budget: Arc<ByteBudget>,
    bytes: usize,
    holder: Option<Arc<Holder>>,
}

impl HeldBytes {
    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// It holds `bytes` now.
    pub fn set(&mut self, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.budget.add(more),
            None => self.budget.give_back(self.bytes - bytes),
        }
        self.bytes = bytes;
        if let Some(holder) = &self.holder {
            self.budget.note(holder, bytes);
        }
    }

    /// It holds `bytes` more, if they are free. Whether they are.
    pub fn try_add(&mut self, bytes: usize) -> bool {
        self.budget.add(bytes);
        let is_within = self.budget.left().is_some();
        self.budget.give_back(bytes);
        if is_within {
            self.set(self.bytes + bytes);
        }
        is_within
    }

    /// It holds `bytes` more, if its payer then has no more than is left for all others. Whether that is so.
    pub fn try_add_fairly(&mut self, bytes: usize) -> bool {
        let has_share = self.holder.as_ref().is_none_or(|holder| self.budget.has_share_for(holder.payer, bytes));
        has_share && self.try_add(bytes)
    }

    /// Whether it may hold `bytes` more: they are free, or are called in from someone who holds more.
    pub fn demand(&self, bytes: usize) -> bool {
        self.budget.has_room_for(bytes)
            || self.holder.as_ref().is_some_and(|holder| self.budget.call_in(holder.payer, bytes))
    }

    /// Whether it must let go of what it holds, for another. If not, `waker` is woken when that changes.
    pub fn is_called_in(&self, waker: &Waker) -> bool {
        let Some(holder) = &self.holder else { return false };
        holder.waker.register(waker);
        holder.leaving() > 0
    }

    /// It cannot be let go of for others any more: they wait for its end. Whether it was not called in before.
    pub fn keep(&self) -> bool {
        self.holder.as_ref().is_none_or(|holder| self.budget.keep(holder))
    }

    /// It holds the same of another budget, or under another name, from now on.
    pub fn move_to(&mut self, budget: &Arc<ByteBudget>, payer: Payer) {
        let is_payer = self.holder.as_ref().is_some_and(|holder| holder.payer == payer);
        if !is_payer || !Arc::ptr_eq(&self.budget, budget) {
            *self = budget.hold_for(payer, self.bytes);
        }
    }

    /// It holds the same under the name of `payer` from now on.
    pub fn pay_as(&mut self, payer: Payer) {
        let budget = self.budget.clone();
        self.move_to(&budget, payer);
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
        let payer = Payer::of("ada");
        held.move_to(&to, payer);
        held.move_to(&to, payer);
        assert_eq!((from.left(), to.left()), (Some(100), Some(0)));
        held.move_to(&to, Payer::of("bob"));
        assert!(to.has_share_for(payer, 0) && !to.has_share_for(Payer::of("bob"), 0));
    }

    fn is_called_in(held: &HeldBytes) -> bool {
        held.is_called_in(Waker::noop())
    }

    #[test]
    fn rule_37_whoever_holds_most_lets_go_for_the_next_one_who_asks() {
        let (budget, ada, bob) = (ByteBudget::new(100, None), Payer::of("ada"), Payer::of("bob"));
        let mut most: Vec<_> = [30, 40, 25].map(|bytes| budget.hold_for(ada, bytes)).into();
        let mut next = budget.hold_for(bob, 5);
        assert!(!most[0].demand(1), "who holds most gets no more");
        assert!(next.demand(10));
        assert_eq!(most.iter().map(is_called_in).collect::<Vec<_>>(), [false, true, false], "the largest part of it");
        next.set(15);
        // What leaves counts as free, and what is left is what counts for the next question.
        assert_eq!(budget.left(), Some(30));
        assert!(!most[0].demand(31) && next.demand(30));
        drop(most.remove(1));
        assert_eq!((budget.left(), most.iter().any(is_called_in)), (Some(30), false));
        drop(most);
        drop(next);
        assert_eq!((budget.left(), budget.shares().len()), (Some(100), 0));
    }

    #[test]
    fn a_payer_is_called_in_for_all_that_it_holds_in_small_parts() {
        let budget = ByteBudget::new(100, None);
        let many: Vec<_> = (0..50).map(|_| budget.hold_for(Payer::of("many"), 2)).collect();
        let large = budget.hold_for(Payer::of("large"), 0);
        assert!(large.demand(40));
        assert_eq!(many.iter().filter(|held| is_called_in(held)).count(), 20);
        let nobody = budget.hold(0);
        assert!(nobody.demand(0) && !nobody.demand(41), "who has no name calls nothing in");
    }

    #[test]
    fn rule_37_several_payers_are_called_in_one_after_another_or_nobody() {
        let called_in = |parts: &[(&str, usize)], bytes| {
            let budget = ByteBudget::new(100, None);
            let held: Vec<_> = parts.iter().map(|(name, part)| budget.hold_for(Payer::of(name), *part)).collect();
            let is_granted = budget.hold_for(Payer::of("asker"), 0).demand(bytes);
            (is_granted, held.iter().map(is_called_in).collect::<Vec<_>>())
        };
        let parts = [("a", 20), ("a", 15), ("b", 20), ("b", 14), ("c", 31)];
        assert_eq!(called_in(&parts, 25), (true, vec![true, false, true, false, false]));
        let parts = [("a", 20), ("a", 15), ("b", 25), ("c", 25), ("d", 15)];
        assert_eq!(called_in(&parts, 30), (false, vec![false; 5]), "nobody lets go in vain");
    }

    #[test]
    fn what_is_kept_is_not_called_in() {
        let budget = ByteBudget::new(100, None);
        let [kept, coming] = [60, 40].map(|bytes| budget.hold_for(Payer::of("ada"), bytes));
        assert!(kept.keep());
        let bob = budget.hold_for(Payer::of("bob"), 0);
        assert!(!bob.demand(41) && !is_called_in(&coming));
        assert!(bob.demand(30) && is_called_in(&coming) && !is_called_in(&kept));
        assert!(!coming.keep());
    }

    #[test]
    fn who_was_called_in_and_let_go_may_hold_something_again() {
        let budget = ByteBudget::new(10, None);
        let mut most = budget.hold_for(Payer::of("ada"), 10);
        assert!(budget.hold_for(Payer::of("bob"), 0).demand(5) && is_called_in(&most));
        most.set(4);
        assert_eq!((budget.left(), is_called_in(&most)), (Some(10), true));
        most.set(0);
        most.set(3);
        assert_eq!((budget.left(), is_called_in(&most)), (Some(7), false));
    }

    #[test]
    fn rule_37_a_share_is_no_more_than_what_is_left_for_all_others() {
        let (budget, ada, bob) = (ByteBudget::new(100, None), Payer::of("ada"), Payer::of("bob"));
        let mut first = budget.hold_for(ada, 0);
        assert!(!first.try_add_fairly(51) && first.try_add_fairly(50) && !first.try_add_fairly(1));
        let mut second = budget.hold_for(ada, 0);
        assert!(!second.try_add_fairly(1), "all of a payer counts together");
        let mut other = budget.hold_for(bob, 0);
        assert!(!other.try_add_fairly(26) && other.try_add_fairly(25));
        assert_eq!(budget.left(), Some(25));
    }
}
