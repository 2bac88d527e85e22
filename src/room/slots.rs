//! The live rooms by name. A sharded map and no actor, so that rooms do not share one mailbox.
//!
//! A room ends only while nobody holds a [`LeaseGuard`] of it: whoever looked it up will be heard by it, never by its remains.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::RoomKey;
use crate::ids::RoomName;

const SHARDS: usize = 64;
/// How often rooms without members are told to end while memory is short.
const END_IDLE_EVERY: Duration = Duration::from_secs(1);

/// Keeps a room from ending while it lives.
#[derive(Debug, Clone)]
pub struct LeaseGuard(Arc<()>);

struct Slot<A> {
    address: A,
    key: RoomKey,
    guard: LeaseGuard,
    /// How many sockets have a place for it.
    sockets: Arc<AtomicUsize>,
}

impl<A> Slot<A> {
    fn is_leased(&self) -> bool {
        Arc::strong_count(&self.guard.0) > 1
    }
}

/// A live room that was looked up.
pub(super) struct Leased<A> {
    pub address: A,
    pub guard: LeaseGuard,
    pub sockets: Arc<AtomicUsize>,
}

type Shard<A> = HashMap<RoomName, Slot<A>>;

/// The live rooms, by their addresses `A`.
pub(super) struct RoomSlots<A> {
    shards: Vec<Mutex<Shard<A>>>,
    hasher: RandomState,
    next_key: AtomicU64,
    /// Whether the process stops, and rooms with it.
    is_stopping: AtomicBool,
    /// When rooms without members were last told to end.
    last_end_idle: Mutex<Option<Instant>>,
}

impl<A> Default for RoomSlots<A> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            next_key: AtomicU64::new(1),
            is_stopping: AtomicBool::new(false),
            last_end_idle: Mutex::default(),
        }
    }
}

impl<A: Clone> RoomSlots<A> {
    /// The room of `name`, started if there is none or it is no longer connected.
    pub fn lookup(
        &self,
        name: &RoomName,
        is_connected: impl Fn(&A) -> bool,
        start: impl FnOnce(RoomKey) -> A,
    ) -> Leased<A> {
        let mut shard = self.shard(name);
        let slot = match shard.get_mut(name) {
            Some(slot) if is_connected(&slot.address) => slot,
            _ => {
                let key = RoomKey(self.next_key.fetch_add(1, Ordering::Relaxed));
                let slot =
                    Slot { address: start(key), key, guard: LeaseGuard(Arc::default()), sockets: Arc::default() };
                shard.entry(name.clone()).insert_entry(slot).into_mut()
            }
        };
        // Under the lock of the shard, as `release`.
        Leased { address: slot.address.clone(), guard: slot.guard.clone(), sockets: slot.sockets.clone() }
    }

    /// The room of `name` if it is live. It may end at any time.
    pub fn peek(&self, name: &RoomName) -> Option<A> {
        self.shard(name).get(name).map(|slot| slot.address.clone())
    }

    /// All live rooms.
    pub fn all(&self) -> Vec<A> {
        let rooms = |shard| lock(shard).values().map(|slot: &Slot<A>| slot.address.clone()).collect::<Vec<_>>();
        self.shards.iter().flat_map(rooms).collect()
    }

    /// Lets a room go that wants to end; `false` if somebody is about to talk to it.
    pub fn release(&self, name: &RoomName, key: RoomKey) -> bool {
        let mut shard = self.shard(name);
        match shard.get(name) {
            Some(slot) if slot.key == key && slot.is_leased() => false,
            Some(slot) if slot.key == key => shard.remove(name).is_some(),
            _ => true,
        }
    }

    /// Removes a room that died.
    pub fn forget(&self, name: &RoomName, key: RoomKey) {
        let mut shard = self.shard(name);
        if shard.get(name).is_some_and(|slot| slot.key == key) {
            shard.remove(name);
        }
    }

    /// The rooms, to tell those without members to end because memory is short; none if they were told a moment ago.
    pub fn take_idle_call(&self, now: Instant) -> Vec<A> {
        let mut last = self.last_end_idle.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.duration_since(last) < END_IDLE_EVERY) {
            return Vec::new();
        }
        *last = Some(now);
        self.all()
    }
}

impl<A> RoomSlots<A> {
    /// Notes that the process stops: rooms that end now have not died.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the process stops.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// One of `count` threads for a room, always the same one; not the same for all rooms of a shard.
    pub fn thread(&self, name: &RoomName, count: usize) -> usize {
        self.hash(name) / SHARDS % count
    }

    fn hash(&self, name: &RoomName) -> usize {
        self.hasher.hash_one(name) as usize >> 1
    }

    fn shard(&self, name: &RoomName) -> MutexGuard<'_, Shard<A>> {
        lock(&self.shards[self.hash(name) % SHARDS])
    }
}

/// Nothing panics while a shard is locked, and a map of addresses is whole after each step all the same.
fn lock<A>(shard: &Mutex<Shard<A>>) -> MutexGuard<'_, Shard<A>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> RoomName {
        RoomName::parse("docs/plan").unwrap()
    }

    #[test]
    fn a_room_is_started_once_and_released_once_nobody_holds_it() {
        let slots = RoomSlots::default();
        let mut keys = Vec::new();
        let mut lookup = || {
            slots.lookup(
                &name(),
                |_| true,
                |key| {
                    keys.push(key);
                    key.0
                },
            )
        };
        let (first, second) = (lookup(), lookup());
        assert_eq!((first.address, second.address, keys.len()), (1, 1, 1));
        drop(first);
        assert!(!slots.release(&name(), RoomKey(1)));
        drop(second);
        assert!(slots.release(&name(), RoomKey(1)));
        assert_eq!(slots.peek(&name()), None);
    }

    #[test]
    fn a_room_that_is_gone_is_replaced_and_its_end_does_not_remove_the_next_one() {
        let slots = RoomSlots::default();
        slots.lookup(&name(), |_| true, |key| key.0);
        let next = slots.lookup(&name(), |_| false, |key| key.0);
        assert_eq!(next.address, 2);
        slots.forget(&name(), RoomKey(1));
        assert!(slots.release(&name(), RoomKey(1)));
        assert_eq!(slots.peek(&name()), Some(2));
        slots.forget(&name(), RoomKey(2));
        assert_eq!(slots.peek(&name()), None);
    }

    #[test]
    fn rooms_are_told_to_end_once_a_second() {
        let (slots, now) = (RoomSlots::default(), Instant::now());
        slots.lookup(&name(), |_| true, |key| key.0);
        assert_eq!(slots.take_idle_call(now), [1]);
        assert!(slots.take_idle_call(now).is_empty());
        assert_eq!(slots.take_idle_call(now + END_IDLE_EVERY), [1]);
    }
}
