//! Finds the room of a name, or starts it. A sharded map and no actor, so that rooms do not share one mailbox.
//!
//! A room ends only while nobody holds a [`Lease`] on it: whoever looked it up will be heard by it, never by its remains.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::{Addr, ArbiterHandle, Supervisor};
use tokio::sync::Semaphore;

use crate::archive::Archive;
use crate::ids::RoomName;
use crate::room::RoomKey;
use crate::room::commit::journal::Journal;
use crate::room::commit::uncommitted::Budget;
use crate::room::document::memory::DocumentsBudget;
use crate::room::document::sync_replies::StateBudget;
use crate::room::messages::EndIdle;
use crate::room::room::Room;
use crate::room::settings::RoomSettings;
use crate::store::Store;

const SHARDS: usize = 64;
/// So many sockets have their place on the room's own thread, as many on the next one, and so on.
const SOCKETS_BESIDE: usize = 256;
/// Snapshots made at once.
const SNAPSHOTS_MAX: usize = 2;
/// What large frames may hold that are not shared, in documents of the largest size.
const STATES_MAX: usize = 4;

struct Slot {
    room: Addr<Room>,
    key: RoomKey,
    leases: usize,
    /// How many sockets have a place for it.
    sockets: Arc<AtomicUsize>,
}

type Shard = HashMap<RoomName, Slot>;

/// What a room needs to start.
#[derive(Clone)]
pub struct RoomContext {
    /// Loads the room.
    pub archive: Archive,
    /// Reads timelines.
    pub store: Store,
    /// Commits its entries.
    pub journal: Addr<Journal>,
    /// Its limits.
    pub settings: Arc<RoomSettings>,
    /// What all rooms together may hold uncommitted.
    pub budget: Arc<Budget>,
    /// What all live documents may hold.
    pub documents: Arc<DocumentsBudget>,
    /// What large frames may hold that are not shared.
    pub states: Arc<StateBudget>,
    /// Permits to read what members lack: the database has other things to do.
    pub reading_permits: Arc<Semaphore>,
    /// Permits to make a snapshot: each holds a whole document in memory.
    pub snapshot_permits: Arc<Semaphore>,
}

/// Questions to the store on behalf of JSON members at once, in all rooms.
const READINGS_MAX: usize = 4;
/// How often rooms without members are told to end while memory is short.
const END_IDLE_EVERY: Duration = Duration::from_secs(1);

/// The live rooms by name.
pub struct Directory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    next_key: AtomicU64,
    /// Whether the process stops, and rooms with it.
    is_stopping: AtomicBool,
    /// The threads of rooms and sockets.
    arbiters: Vec<ArbiterHandle>,
    next_thread: AtomicUsize,
    /// When rooms without members were last told to end.
    last_end_idle: Mutex<Option<Instant>>,
    context: RoomContext,
}

impl Directory {
    /// An empty directory that starts rooms on `arbiters`, spread by a hash of their names.
    pub fn new(
        arbiters: Vec<ArbiterHandle>,
        store: Store,
        archive: Archive,
        journal: Addr<Journal>,
        settings: RoomSettings,
    ) -> Arc<Self> {
        let budget = Arc::new(Budget::new(settings.uncommitted_bytes_max));
        let states = StateBudget::new(STATES_MAX * settings.document_bytes_max);
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            next_key: AtomicU64::new(1),
            is_stopping: AtomicBool::new(false),
            arbiters,
            next_thread: AtomicUsize::new(0),
            last_end_idle: Mutex::default(),
            context: RoomContext {
                archive,
                documents: DocumentsBudget::new(settings.documents_bytes_max),
                store,
                journal,
                settings: Arc::new(settings),
                budget,
                states,
                reading_permits: Arc::new(Semaphore::new(READINGS_MAX)),
                snapshot_permits: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
            },
        })
    }

    /// The room of `name`, started if it is not live, kept from ending while the lease lives.
    pub fn lookup(self: &Arc<Self>, name: &RoomName) -> Lease {
        let mut shard = self.shard(name);
        let slot = match shard.get_mut(name) {
            Some(slot) if slot.room.connected() => slot,
            _ => {
                let slot = self.start(name);
                shard.entry(name.clone()).insert_entry(slot).into_mut()
            }
        };
        slot.leases += 1;
        let (room, sockets) = (slot.room.clone(), slot.sockets.clone());
        Lease { room, key: slot.key, sockets, name: name.clone(), directory: self.clone() }
    }

    /// A thread for a socket that may be in any rooms.
    pub fn any_thread(&self) -> ArbiterHandle {
        let next = self.next_thread.fetch_add(1, Ordering::Relaxed);
        self.arbiters[next % self.arbiters.len()].clone()
    }

    /// What all rooms and sockets together may hold in large frames that are not shared.
    pub fn states(&self) -> &Arc<StateBudget> {
        &self.context.states
    }

    /// The room of `name` if it is live. It may end at any time.
    pub fn peek(&self, name: &RoomName) -> Option<Addr<Room>> {
        self.shard(name).get(name).map(|slot| slot.room.clone())
    }

    /// All live rooms.
    pub fn rooms(&self) -> Vec<Addr<Room>> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).values().map(|slot| slot.room.clone()).collect::<Vec<_>>())
            .collect()
    }

    /// Has rooms without members end now, because memory is short; at most once in [`END_IDLE_EVERY`].
    pub(super) fn end_idle(&self) {
        let now = Instant::now();
        let mut last = self.last_end_idle.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.duration_since(last) >= END_IDLE_EVERY) {
            *last = Some(now);
            self.rooms().iter().for_each(|room| room.do_send(EndIdle));
        }
    }

    /// Notes that the process stops: rooms that end now have not died.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the process stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Lets a room go that wants to end; `false` if somebody is about to talk to it.
    pub(super) fn release(&self, name: &RoomName, key: RoomKey) -> bool {
        let mut shard = self.shard(name);
        match shard.get(name) {
            Some(slot) if slot.key == key && slot.leases > 0 => false,
            Some(slot) if slot.key == key => shard.remove(name).is_some(),
            _ => true,
        }
    }

    /// Removes a room that died.
    pub(super) fn forget(&self, name: &RoomName, key: RoomKey) {
        let mut shard = self.shard(name);
        if shard.get(name).is_some_and(|slot| slot.key == key) {
            shard.remove(name);
        }
    }

    fn start(self: &Arc<Self>, name: &RoomName) -> Slot {
        let key = RoomKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        let arbiter = &self.arbiters[self.home(name)];
        let (name, directory, context) = (name.clone(), self.clone(), self.context.clone());
        let room = Supervisor::start_in_arbiter(arbiter, move |_| Room::new(name, key, directory, context));
        Slot { room, key, leases: 0, sockets: Arc::default() }
    }

    /// Which thread a room lives on.
    fn home(&self, name: &RoomName) -> usize {
        self.hash(name) / SHARDS % self.arbiters.len()
    }

    fn hash(&self, name: &RoomName) -> usize {
        self.hasher.hash_one(name) as usize >> 1
    }

    fn shard(&self, name: &RoomName) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hash(name) % SHARDS])
    }
}

/// Nothing panics while a shard is locked, and a map of addresses is whole after each step all the same.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A room that does not end while this lives.
pub struct Lease {
    room: Addr<Room>,
    key: RoomKey,
    sockets: Arc<AtomicUsize>,
    name: RoomName,
    directory: Arc<Directory>,
}

impl Lease {
    /// The room.
    pub fn room(&self) -> &Addr<Room> {
        &self.room
    }

    /// A place for a socket of this room alone: on the room's own thread, where nothing that they tell each other wakes another
    /// thread. The sockets of a large room are spread.
    pub fn place(&self) -> Place {
        let before = self.sockets.fetch_add(1, Ordering::Relaxed);
        let threads = &self.directory.arbiters;
        let thread = (self.directory.home(&self.name) + before / SOCKETS_BESIDE) % threads.len();
        Place { thread: threads[thread].clone(), sockets: self.sockets.clone() }
    }
}

/// A socket's place on a thread; given back when it is dropped.
pub struct Place {
    thread: ArbiterHandle,
    sockets: Arc<AtomicUsize>,
}

impl Place {
    /// The thread.
    pub fn thread(&self) -> &ArbiterHandle {
        &self.thread
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut shard = self.directory.shard(&self.name);
        if let Some(slot) = shard.get_mut(&self.name)
            && slot.key == self.key
        {
            slot.leases -= 1;
        }
    }
}
