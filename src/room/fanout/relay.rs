//! One relay a room thread: takes a room's turn and hands its frames to that thread's sockets, then lets each touched socket
//! write once. It knows sockets as [`Outlet`]s only.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, Context, Handler, Message};

use crate::ids::{MemberId, SocketId};
use crate::protocol::{CloseCode, Dialect};
use crate::room::RoomKey;
use crate::telemetry;
use crate::wire::{Frame, Run};

/// Whether a frame counts against its receiver's outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Live frames.
    Yes,
    /// The document as it is: large, shared, and asked for by the client one at a time.
    No,
    /// A live frame for this receiver alone, however large.
    Own,
    /// What a newcomer is shown of those who are there: bounded by its room. It counts in what all outboxes may hold.
    Joining,
}

/// Where a member's frames go. All calls return at once.
pub trait Outlet {
    /// Queues a frame.
    fn push(&self, frame: &Frame, counted: Counted);
    /// Queues frames that follow each other.
    fn push_run(&self, run: &Run, counted: Counted);
    /// Writes what the peer takes now.
    fn flush(&self);
    /// Gives back credit for bytes that a room has handled.
    fn credit(&self, bytes: usize);
    /// Whether its member has left, and nothing more is to be given back.
    fn is_over(&self) -> bool {
        false
    }
    /// The room has let the member in.
    fn let_in(&self) {}
    /// The room has no more of the past to send.
    fn caught_up(&self) {}
    /// The room has asked for an answer that may have so many bytes more than other messages.
    fn expect_answer(&self, _bytes: usize) {}
    /// Ends the membership, or the socket.
    fn close(&self, code: CloseCode, reason: &str);
}

/// A socket, whatever rooms it is in.
pub trait Connection {
    /// Queues a frame that may be lost: a peer that is behind does without it, for its sender may be anyone.
    fn offer(&self, frame: &Frame);
    /// Writes what the peer takes now.
    fn flush(&self);
    /// Closes the socket.
    fn close(&self, code: CloseCode, reason: &str);
    /// Reads nothing more from the peer.
    fn stop_reading(&self);
    /// Asks again whether the peer's token still holds.
    fn check_tokens(&self);
}

/// A member attached to a room.
struct Attached {
    member: MemberId,
    dialect: Dialect,
    outlet: Rc<dyn Outlet>,
}

/// What one thread has.
#[derive(Default)]
struct Reachable {
    members: HashMap<MemberId, Rc<dyn Outlet>>,
    sockets: HashMap<SocketId, Rc<dyn Connection>>,
}

static NEXT_MEMBER: AtomicU64 = AtomicU64::new(1);

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

    fn start(&self, reachable: Rc<RefCell<Reachable>>) -> RelayHandle {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let addr = Relay { reachable, rooms: HashMap::new(), touched: Vec::new(), to_close: Vec::new() }.start();
        let handle = RelayHandle { id: started.len(), addr };
        started.push(handle.clone());
        handle
    }
}

/// This thread's relay, for the sockets of the thread.
#[derive(Clone)]
pub struct LocalRelay {
    handle: RelayHandle,
    reachable: Rc<RefCell<Reachable>>,
}

impl LocalRelay {
    /// The relay of the current room thread, started at first use.
    pub fn current(relays: &Relays) -> Self {
        thread_local! { static LOCAL: OnceCell<LocalRelay> = const { OnceCell::new() } }
        LOCAL.with(|local| {
            let start = || {
                let reachable = Rc::<RefCell<Reachable>>::default();
                LocalRelay { handle: relays.start(reachable.clone()), reachable }
            };
            local.get_or_init(start).clone()
        })
    }

    /// What rooms need to reach this relay.
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }

    /// Makes a socket reachable for what is said to sockets.
    pub fn register(&self, socket: SocketId, connection: Rc<dyn Connection>) {
        self.reachable.borrow_mut().sockets.insert(socket, connection);
    }

    /// Forgets a socket.
    pub fn unregister(&self, socket: SocketId) {
        self.reachable.borrow_mut().sockets.remove(&socket);
    }

    /// Makes a member of a room to be reachable at `outlet`.
    pub fn seat(&self, outlet: Rc<dyn Outlet>) -> MemberId {
        let member = MemberId(NEXT_MEMBER.fetch_add(1, Ordering::Relaxed));
        self.reachable.borrow_mut().members.insert(member, outlet);
        member
    }

    /// Forgets a member; frames for it go nowhere from now on.
    pub fn unseat(&self, member: MemberId) {
        self.reachable.borrow_mut().members.remove(&member);
    }
}

/// One thing of a room's turn, in order.
pub(super) enum TurnItem {
    /// From here on, `All` of its dialect reaches this member too.
    Attach(MemberId, Dialect),
    /// The member left the room.
    Detach(MemberId),
    /// A frame for all.
    All(FanOut),
    /// A frame for one member.
    One { to: MemberId, frame: Frame, counted: Counted },
    /// An answer of several frames.
    Page { to: MemberId, run: Run },
    /// The member is let in.
    LetIn(MemberId),
    /// The member has all that was there when it asked.
    CaughtUp(MemberId),
    /// The member was asked for something that may have so many bytes more than its other messages.
    ExpectAnswer { from: MemberId, bytes: usize },
    /// Bytes of a member that the room has handled.
    Credit { to: MemberId, bytes: usize },
    /// Ends a membership.
    Close { to: MemberId, code: CloseCode, reason: String },
}

/// A frame for every attached member of a dialect, but for its sender and those who made it and hear of it later.
pub(super) struct FanOut {
    pub dialect: Dialect,
    pub frame: Frame,
    pub sender: Option<MemberId>,
    pub owners: Box<[MemberId]>,
}

impl FanOut {
    fn leaves_out(&self, member: MemberId) -> bool {
        self.sender == Some(member) || self.owners.contains(&member)
    }
}

/// What a room did in one turn, as far as this relay's sockets are concerned.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Turn {
    pub room: RoomKey,
    pub items: Vec<TurnItem>,
    /// Lowered by `bytes` once the turn is handed out, so that the room sees how far this relay is behind.
    pub in_flight: Arc<AtomicUsize>,
    pub bytes: usize,
}

/// A room has died: these were its members, and are to come back.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RoomDied {
    pub room: RoomKey,
    pub members: Vec<MemberId>,
}

/// A room has died before it decided about a member.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SeatLost(pub MemberId);

/// A frame for one socket, whatever rooms it is in.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tell {
    pub socket: SocketId,
    pub frame: Frame,
}

/// Tokens were revoked: sockets ask again whether theirs hold.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CheckTokens;

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

/// The actor that hands out frames on one room thread. Started by the thread's first socket, it ends with the process; a panic
/// in it ends the process, for its sockets would wait for ever.
pub struct Relay {
    reachable: Rc<RefCell<Reachable>>,
    /// The attached members of each room.
    rooms: HashMap<RoomKey, Vec<Attached>>,
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
            telemetry::flush();
            std::process::exit(70);
        }
    }
}

impl Relay {
    fn outlet(&self, member: MemberId) -> Option<Rc<dyn Outlet>> {
        self.reachable.borrow().members.get(&member).cloned()
    }

    /// Ends a membership, and lets go of an outlet that nothing is to be told any more.
    fn close(&self, member: MemberId, code: CloseCode, reason: &str) {
        if let Some(outlet) = self.outlet(member) {
            outlet.close(code, reason);
            if outlet.is_over() {
                self.reachable.borrow_mut().members.remove(&member);
            }
            outlet.flush();
        }
    }

    /// A member's room has died.
    fn lose(&self, member: MemberId) {
        self.close(member, CloseCode::Internal, CloseCode::Internal.reason());
    }

    fn detach(&mut self, room: RoomKey, member: MemberId) {
        if let Some(attached) = self.rooms.get_mut(&room) {
            attached.retain(|seat| seat.member != member);
            if attached.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    /// Hands out frames of one dialect that follow each other. Most members get them all, as one.
    fn broadcast(&mut self, room: RoomKey, run: &[FanOut]) {
        let Some(first) = run.first() else { return };
        let all = Run::new(run.iter().map(|fan_out| fan_out.frame.clone()).collect());
        let seats = self.rooms.get(&room).into_iter().flatten();
        for seat in seats.filter(|seat| seat.dialect == first.dialect) {
            if !run.iter().any(|fan_out| fan_out.leaves_out(seat.member)) {
                seat.outlet.push_run(&all, Counted::Yes);
            } else {
                for fan_out in run.iter().filter(|fan_out| !fan_out.leaves_out(seat.member)) {
                    seat.outlet.push(&fan_out.frame, Counted::Yes);
                }
            }
            self.touched.push(seat.outlet.clone());
        }
    }

    fn deliver(&mut self, room: RoomKey, item: TurnItem) {
        match item {
            TurnItem::Attach(member, dialect) => {
                if let Some(outlet) = self.outlet(member) {
                    self.rooms.entry(room).or_default().push(Attached { member, dialect, outlet });
                }
            }
            TurnItem::Detach(member) => self.detach(room, member),
            TurnItem::All(fan_out) => self.broadcast(room, &[fan_out]),
            TurnItem::One { to, frame, counted } => {
                if let Some(outlet) = self.outlet(to) {
                    outlet.push(&frame, counted);
                    self.touched.push(outlet);
                }
            }
            TurnItem::Page { to, run } => {
                if let Some(outlet) = self.outlet(to) {
                    outlet.push_run(&run, Counted::No);
                    self.touched.push(outlet);
                }
            }
            TurnItem::LetIn(to) => {
                if let Some(outlet) = self.outlet(to) {
                    outlet.let_in();
                }
            }
            TurnItem::CaughtUp(to) => {
                if let Some(outlet) = self.outlet(to) {
                    outlet.caught_up();
                }
            }
            TurnItem::ExpectAnswer { from, bytes } => {
                if let Some(outlet) = self.outlet(from) {
                    outlet.expect_answer(bytes);
                }
            }
            TurnItem::Credit { to, bytes } => {
                if let Some(outlet) = self.outlet(to) {
                    outlet.credit(bytes);
                    if outlet.is_over() {
                        self.reachable.borrow_mut().members.remove(&to);
                    }
                }
            }
            TurnItem::Close { to, code, reason } => self.close(to, code, &reason),
        }
    }
}

impl Handler<Turn> for Relay {
    type Result = ();

    fn handle(&mut self, turn: Turn, _: &mut Context<Self>) {
        let mut run: Vec<FanOut> = Vec::new();
        for item in turn.items {
            match item {
                TurnItem::All(fan_out) if run.first().is_none_or(|first| first.dialect == fan_out.dialect) => {
                    run.push(fan_out)
                }
                item => {
                    self.broadcast(turn.room, &run);
                    run.clear();
                    self.deliver(turn.room, item);
                }
            }
        }
        self.broadcast(turn.room, &run);
        // Flushing twice is harmless: the second one finds nothing.
        for outlet in self.touched.drain(..) {
            outlet.flush();
        }
        turn.in_flight.fetch_sub(turn.bytes, Ordering::Relaxed);
    }
}

impl Handler<RoomDied> for Relay {
    type Result = ();

    fn handle(&mut self, RoomDied { room, members }: RoomDied, _: &mut Context<Self>) {
        self.rooms.remove(&room);
        members.into_iter().for_each(|member| self.lose(member));
    }
}

impl Handler<SeatLost> for Relay {
    type Result = ();

    fn handle(&mut self, SeatLost(member): SeatLost, _: &mut Context<Self>) {
        self.lose(member);
    }
}

impl Handler<Tell> for Relay {
    type Result = ();

    fn handle(&mut self, Tell { socket, frame }: Tell, _: &mut Context<Self>) {
        let connection = self.reachable.borrow().sockets.get(&socket).cloned();
        if let Some(connection) = connection {
            connection.offer(&frame);
            connection.flush();
        }
    }
}

impl Handler<CheckTokens> for Relay {
    type Result = ();

    fn handle(&mut self, _: CheckTokens, _: &mut Context<Self>) {
        for socket in self.reachable.borrow().sockets.values() {
            socket.check_tokens();
        }
    }
}

impl Handler<StopReading> for Relay {
    type Result = ();

    fn handle(&mut self, _: StopReading, _: &mut Context<Self>) {
        for socket in self.reachable.borrow().sockets.values() {
            socket.stop_reading();
        }
    }
}

impl Handler<CloseAll> for Relay {
    type Result = ();

    fn handle(&mut self, CloseAll { code, count }: CloseAll, _: &mut Context<Self>) {
        if self.to_close.is_empty() {
            self.to_close = self.reachable.borrow().sockets.keys().copied().collect();
        }
        for socket in self.to_close.drain(..count.min(self.to_close.len())).collect::<Vec<_>>() {
            let connection = self.reachable.borrow().sockets.get(&socket).cloned();
            if let Some(connection) = connection {
                connection.close(code, code.reason());
            }
        }
    }
}
