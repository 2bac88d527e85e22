//! Finds the room of a name, or starts it, on the thread where it lives.
//!
//! A room ends only while nobody holds a [`Lease`] on it: whoever looked it up will be heard by it, never by its remains.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Addr, ArbiterHandle, Supervisor};
use tokio::sync::Semaphore;

use super::commit::Journal;
use super::context::{BackEnd, RoomContext};
use super::document::StateBudget;
use super::messages::EndOutdated;
use super::room::Room;
use super::settings::RoomSettings;
use super::slots::{LeaseGuard, RoomSlots};
use crate::archive::Archive;
use crate::budget::ByteBudget;
use crate::bus::{Cluster, RoomMessage};
use crate::ids::RoomName;
use crate::metrics;
use crate::store::{RoomId, Store};

/// So many sockets have their place on the room's own thread, as many on the next one, and so on.
const SOCKETS_BESIDE: usize = 256;
/// Snapshots made at once.
const SNAPSHOTS_MAX: usize = 2;
/// What large frames may hold that are not shared, in documents of the largest size.
const STATES_MAX: usize = 4;
/// Questions to the store on behalf of JSON members at once, in all rooms.
const READINGS_MAX: usize = 4;

/// The live rooms by name.
pub struct Directory {
    slots: Arc<RoomSlots<Addr<Room>>>,
    /// The threads of rooms and sockets.
    arbiters: Vec<ArbiterHandle>,
    next_thread: AtomicUsize,
    context: RoomContext,
}

impl Directory {
    /// An empty directory that starts rooms on `arbiters`, spread by a hash of their names.
    pub fn new(
        arbiters: Vec<ArbiterHandle>,
        store: Store,
        archive: Archive,
        journal: Addr<Journal>,
        cluster: Arc<Cluster>,
        back_end: BackEnd,
        settings: RoomSettings,
    ) -> Arc<Self> {
        let context = RoomContext {
            archive,
            store,
            cluster,
            journal,
            back_end,
            uncommitted: ByteBudget::new(settings.uncommitted_bytes_max, Some(&metrics::UNCOMMITTED_BYTES)),
            documents: ByteBudget::new(settings.documents_bytes_max, Some(&metrics::DOCUMENTS_BYTES)),
            states: StateBudget::new(STATES_MAX * settings.document_bytes_max),
            settings: Arc::new(settings),
            reading_permits: Arc::new(Semaphore::new(READINGS_MAX)),
            snapshot_permits: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
        };
        Arc::new(Self { slots: Arc::default(), arbiters, next_thread: AtomicUsize::new(0), context })
    }

    /// The room of `name`, started if it is not live, kept from ending while the lease lives.
    pub fn lookup(self: &Arc<Self>, name: &RoomName) -> Lease {
        let start = |key| {
            let (name, slots, context) = (name.clone(), self.slots.clone(), self.context.clone());
            let arbiter = &self.arbiters[self.home(&name)];
            Supervisor::start_in_arbiter(arbiter, move |_| Room::new(name, key, slots, context))
        };
        let leased = self.slots.lookup(name, Addr::connected, start);
        let (room, guard, sockets) = (leased.address, leased.guard, leased.sockets);
        Lease { room, guard, sockets, name: name.clone(), directory: self.clone() }
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
        self.slots.peek(name)
    }

    /// Something was erased of a room: one of that row that was read in an older epoch is read anew, here and on all other servers.
    pub fn renew(&self, name: &RoomName, row: RoomId, epoch: i64) {
        if let Some(room) = self.peek(name) {
            room.do_send(EndOutdated { row, epoch });
        }
        self.context.cluster.tell(name, RoomMessage::Erased { row: row.0, epoch });
    }

    /// All live rooms.
    pub fn rooms(&self) -> Vec<Addr<Room>> {
        self.slots.all()
    }

    /// Notes that the process stops: rooms that end now have not died.
    pub fn stop(&self) {
        self.slots.stop();
    }

    /// Which thread a room lives on.
    fn home(&self, name: &RoomName) -> usize {
        self.slots.thread(name, self.arbiters.len())
    }
}

/// A room that does not end while this lives.
pub struct Lease {
    room: Addr<Room>,
    guard: LeaseGuard,
    sockets: Arc<AtomicUsize>,
    name: RoomName,
    directory: Arc<Directory>,
}

impl Lease {
    /// The room.
    pub fn room(&self) -> &Addr<Room> {
        &self.room
    }

    /// What keeps the room from ending, to be sent to it.
    pub fn into_guard(self) -> LeaseGuard {
        self.guard
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
