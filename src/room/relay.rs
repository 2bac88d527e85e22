//! One relay a worker thread: takes a room's turn and hands its frames to that thread's sockets, then lets each touched socket
//! write once. It knows sockets as [`Outlet`]s only.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, Context, Handler, Message};
use bytes::Bytes;

use super::RoomKey;
use crate::ids::SocketId;
use crate::protocol::CloseCode;

/// Whether a frame counts against a socket's outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Live frames.
    Yes,
    /// Joining state: as large as the document, shared, and asked for by the client one at a time.
    No,
}

/// Where a socket's frames go. All calls return at once.
pub trait Outlet {
    /// Queues a whole frame.
    fn push(&self, frame: Bytes, counted: Counted);
    /// Writes what the peer takes now.
    fn flush(&self);
    /// Gives back credit for bytes that a room has handled.
    fn credit(&self, bytes: usize);
    /// Ends the socket.
    fn close(&self, code: CloseCode, reason: &str);
    /// Reads nothing more from the peer.
    fn stop_reading(&self);
}

/// A socket attached to a room.
type Seat = (SocketId, Rc<dyn Outlet>);

/// The sockets of one thread.
type Outlets = Rc<RefCell<HashMap<SocketId, Rc<dyn Outlet>>>>;

/// Names a relay to rooms.
#[derive(Clone)]
pub struct RelayHandle {
    /// Different for each relay of this process.
    pub id: usize,
    /// Its mailbox.
    pub addr: Addr<Relay>,
}

/// All relays of this process.
#[derive(Default)]
pub struct Relays {
    started: Mutex<Vec<RelayHandle>>,
}

impl Relays {
    /// The relays started so far, one for each thread that has had a socket.
    pub fn all(&self) -> Vec<RelayHandle> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn start(&self, outlets: Outlets) -> RelayHandle {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let addr = Relay { outlets, rooms: HashMap::new(), touched: Vec::new(), to_close: Vec::new() }.start();
        let handle = RelayHandle { id: started.len(), addr };
        started.push(handle.clone());
        handle
    }
}

/// This thread's relay, for the sockets of the thread.
#[derive(Clone)]
pub struct LocalRelay {
    handle: RelayHandle,
    outlets: Outlets,
}

impl LocalRelay {
    /// The relay of the current worker thread, started at first use.
    pub fn current(relays: &Relays) -> Self {
        thread_local! { static LOCAL: OnceCell<LocalRelay> = const { OnceCell::new() } }
        LOCAL.with(|local| {
            let start = || {
                let outlets = Outlets::default();
                LocalRelay { handle: relays.start(outlets.clone()), outlets }
            };
            local.get_or_init(start).clone()
        })
    }

    /// What rooms need to reach this relay.
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }

    /// Makes a socket reachable.
    pub fn register(&self, socket: SocketId, outlet: Rc<dyn Outlet>) {
        self.outlets.borrow_mut().insert(socket, outlet);
    }

    /// Forgets a socket; frames for it go nowhere from now on.
    pub fn unregister(&self, socket: SocketId) {
        self.outlets.borrow_mut().remove(&socket);
    }
}

/// One thing of a room's turn, in order.
pub(super) enum Item {
    /// From here on, `All` reaches this socket too.
    Attach(SocketId),
    /// The socket left the room.
    Detach(SocketId),
    /// A frame for every attached socket, but for its sender and those who made it and hear of it later.
    All { frame: Bytes, sender: Option<SocketId>, owners: Box<[SocketId]> },
    /// A frame for one socket.
    One { socket: SocketId, frame: Bytes, counted: Counted },
    /// Bytes of a socket that the room has handled.
    Credit { socket: SocketId, bytes: usize },
    /// Ends a socket.
    Close { socket: SocketId, code: CloseCode, reason: String },
}

/// What a room did in one turn, as far as this relay's sockets are concerned.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Turn {
    pub room: RoomKey,
    pub items: Vec<Item>,
    /// Lowered by `bytes` once the turn is handed out, so that the room sees how far this relay is behind.
    pub in_flight: Arc<AtomicUsize>,
    pub bytes: usize,
}

/// A room has died: its sockets end.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RoomDied(pub RoomKey);

/// The process stops: sockets read nothing more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StopReading;

/// The process stops: the next of the sockets end, each told once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CloseAll {
    /// What they are told.
    pub code: CloseCode,
    /// At most so many of them; to be repeated for the rest.
    pub count: usize,
}

/// The actor that hands out frames on one worker thread. Started by the thread's first socket, it ends with the process; a panic
/// in it ends the process, for its sockets would wait for ever.
pub struct Relay {
    outlets: Outlets,
    /// The attached sockets of each room.
    rooms: HashMap<RoomKey, Vec<Seat>>,
    /// The outlets of this turn that have something to write.
    touched: Vec<Rc<dyn Outlet>>,
    /// The sockets that are still to be told that the process stops.
    to_close: Vec<SocketId>,
}

impl Actor for Relay {
    type Context = Context<Self>;
}

impl Drop for Relay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a relay panicked, the process ends so that its sockets can come back");
            std::process::exit(70);
        }
    }
}

impl Relay {
    fn outlet(&self, socket: SocketId) -> Option<Rc<dyn Outlet>> {
        self.outlets.borrow().get(&socket).cloned()
    }

    fn detach(&mut self, room: RoomKey, socket: SocketId) {
        if let Some(attached) = self.rooms.get_mut(&room) {
            attached.retain(|(id, _)| *id != socket);
            if attached.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    fn hand_out(&mut self, room: RoomKey, item: Item) {
        match item {
            Item::Attach(socket) => {
                if let Some(outlet) = self.outlet(socket) {
                    self.rooms.entry(room).or_default().push((socket, outlet));
                }
            }
            Item::Detach(socket) => self.detach(room, socket),
            Item::All { frame, sender, owners } => {
                for (socket, outlet) in self.rooms.get(&room).into_iter().flatten() {
                    if Some(*socket) != sender && !owners.contains(socket) {
                        outlet.push(frame.clone(), Counted::Yes);
                        self.touched.push(outlet.clone());
                    }
                }
            }
            Item::One { socket, frame, counted } => {
                if let Some(outlet) = self.outlet(socket) {
                    outlet.push(frame, counted);
                    self.touched.push(outlet);
                }
            }
            Item::Credit { socket, bytes } => {
                if let Some(outlet) = self.outlet(socket) {
                    outlet.credit(bytes);
                }
            }
            Item::Close { socket, code, reason } => {
                if let Some(outlet) = self.outlet(socket) {
                    outlet.close(code, &reason);
                }
            }
        }
    }
}

impl Handler<Turn> for Relay {
    type Result = ();

    fn handle(&mut self, turn: Turn, _: &mut Context<Self>) {
        for item in turn.items {
            self.hand_out(turn.room, item);
        }
        // Flushing twice is harmless: the second one finds nothing.
        for outlet in self.touched.drain(..) {
            outlet.flush();
        }
        turn.in_flight.fetch_sub(turn.bytes, Ordering::Relaxed);
    }
}

impl Handler<RoomDied> for Relay {
    type Result = ();

    fn handle(&mut self, RoomDied(room): RoomDied, _: &mut Context<Self>) {
        for (_, outlet) in self.rooms.remove(&room).into_iter().flatten() {
            outlet.close(CloseCode::Internal, CloseCode::Internal.reason());
        }
    }
}

impl Handler<StopReading> for Relay {
    type Result = ();

    fn handle(&mut self, _: StopReading, _: &mut Context<Self>) {
        for outlet in self.outlets.borrow().values() {
            outlet.stop_reading();
        }
    }
}

impl Handler<CloseAll> for Relay {
    type Result = ();

    fn handle(&mut self, CloseAll { code, count }: CloseAll, _: &mut Context<Self>) {
        if self.to_close.is_empty() {
            self.to_close = self.outlets.borrow().keys().copied().collect();
        }
        for socket in self.to_close.drain(..count.min(self.to_close.len())).collect::<Vec<_>>() {
            if let Some(outlet) = self.outlet(socket) {
                outlet.close(code, code.reason());
            }
        }
    }
}
