//! The servers of a database, as the rest of the program sees them. Nothing here waits: what is to be sent is queued, and what has come
//! is delivered at once. What is told stands in [`super::telling`], what is heard in [`super::hearing`], how servers find and miss each
//! other in [`super::meeting`].

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use super::deliver::Deliver;
use super::kept::KeptUsers;
use super::message::{About, Message, RoomMessage, Rooms};
use super::outgoing::Outgoing;
use super::peers::Peers;
use super::questions::Questions;
use super::rooms::OwnRooms;
use super::transport::Channel;
use crate::ids::RoomName;
use crate::metrics;

/// Without its own word on the bus for so long, a server cannot rely on it.
pub const ECHO_WITHIN: Duration = Duration::from_secs(7);
/// So many rooms are told with one message: all of them, or those that are told later would count as ended meanwhile. Such a message is
/// about half as long as one may be.
const ROOMS_EACH: usize = 100_000;

/// How the bus does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// There is none.
    None,
    /// It carries what this server says.
    Ok,
    /// It does not: heads are read from the database, and signals reach nobody elsewhere.
    Degraded,
}

impl Status {
    /// As `/readyz` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
        }
    }
}

/// What it knows of the others, and has to tell them.
#[derive(Debug)]
pub(super) struct State {
    pub(super) peers: Peers,
    pub(super) own: OwnRooms,
    pub(super) outgoing: Outgoing,
    pub(super) is_connected: bool,
    /// When this server's own word came back last, or it was connected.
    pub(super) echo: Option<Instant>,
    /// Whether the heads are to be read now.
    pub(super) are_heads_due: bool,
    pub(super) has_unheard: bool,
    /// When this server last looked after itself.
    pub(super) tick: Option<Instant>,
    /// Whether it waits to know the others.
    pub(super) is_meeting: bool,
    /// Users of servers that have stopped.
    pub(super) kept: KeptUsers,
}

/// The servers of a database.
#[derive(Debug)]
pub struct Cluster {
    pub(super) me: Uuid,
    pub(super) about: About,
    is_alone: AtomicBool,
    /// Whether it has said goodbye.
    pub(super) is_leaving: AtomicBool,
    status: AtomicU8,
    state: Mutex<State>,
    /// Something waits to be sent.
    pub(super) wake: Notify,
    /// Something is to be looked at now.
    pub(super) look: Notify,
    pub(super) questions: Questions,
    deliver: OnceLock<Arc<dyn Deliver>>,
}

impl Cluster {
    /// The server `me` of a cluster, alone until it hears of another. Users who drop are waited for as long as `grace`.
    pub fn new(me: Uuid, label: String, has_bus: bool, grace: Duration) -> Arc<Self> {
        let about = About { label, version: env!("CARGO_PKG_VERSION").to_owned() };
        let status = if has_bus { Status::Degraded } else { Status::None };
        Arc::new(Self {
            me,
            about,
            is_alone: AtomicBool::new(true),
            is_leaving: AtomicBool::new(false),
            status: AtomicU8::new(status as u8),
            state: Mutex::new(State {
                peers: Peers::default(),
                own: OwnRooms::default(),
                outgoing: Outgoing::default(),
                is_connected: false,
                echo: None,
                are_heads_due: false,
                has_unheard: false,
                tick: None,
                is_meeting: false,
                kept: KeptUsers::new(grace),
            }),
            wake: Notify::new(),
            look: Notify::new(),
            questions: Questions::default(),
            deliver: OnceLock::new(),
        })
    }

    /// A server that never hears of another.
    pub fn none() -> Arc<Self> {
        Self::new(Uuid::nil(), String::new(), false, Duration::ZERO)
    }

    /// Who hears what comes from other servers. Set once.
    pub(super) fn deliver_to(&self, deliver: Arc<dyn Deliver>) {
        // A second one would never be told anything.
        let _ = self.deliver.set(deliver);
    }

    /// This start of this server.
    pub fn me(&self) -> Uuid {
        self.me
    }

    /// Stands for this server in what it issues, so that others know whom to ask.
    pub fn mark(&self) -> u64 {
        mark(self.me)
    }

    /// Whether no other server is known.
    pub fn is_alone(&self) -> bool {
        self.is_alone.load(Ordering::Relaxed)
    }

    /// How the bus does.
    pub fn status(&self) -> Status {
        match self.status.load(Ordering::Relaxed) {
            0 => Status::None,
            1 => Status::Ok,
            _ => Status::Degraded,
        }
    }

    /// Whether this server has said goodbye.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Has the heads read now.
    pub(super) fn look_now(&self) {
        if !self.is_alone() {
            self.lock().are_heads_due = true;
            self.look.notify_one();
        }
    }

    pub(super) fn update(&self, state: &mut State, now: Instant) {
        self.is_alone.store(state.peers.is_empty() && !state.has_unheard, Ordering::Relaxed);
        metrics::BUS_PEERS.set(state.peers.all().count() as i64);
        let is_heard = state.peers.is_empty() || state.echo.is_some_and(|echo| now.duration_since(echo) <= ECHO_WITHIN);
        let status = if state.is_connected && is_heard { Status::Ok } else { Status::Degraded };
        metrics::BUS_DEGRADED.set(i64::from(status != Status::Ok));
        metrics::BUS_ECHO_AGE_MS.set(match state.peers.is_empty() {
            true => 0,
            false => state.echo.map_or(0, |echo| now.duration_since(echo).as_millis() as i64),
        });
        self.status.store(status as u8, Ordering::Relaxed);
    }

    pub(super) fn to_rooms(&self, tell: impl FnOnce(&dyn Deliver)) {
        if let Some(deliver) = self.deliver.get() {
            tell(&**deliver);
        }
    }

    /// How many rooms live here, and how many the others have told that live there.
    #[cfg(test)]
    pub(super) fn count_rooms(&self) -> (usize, usize) {
        let state = self.lock();
        (state.own.names().count(), state.peers.all().map(|(_, peer)| peer.rooms.all().count()).sum())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a message is added to what waits: as one that must arrive, or as a signal.
pub(super) type Push = fn(&mut Outgoing, Channel, &Arc<str>) -> bool;

impl State {
    pub(super) fn push(&mut self, to: Uuid, text: &Arc<str>, push: Push) {
        if !push(&mut self.outgoing, Channel::Server(to), text) {
            metrics::BUS_MESSAGES_DROPPED.inc();
        }
    }

    /// Tells those where a room of that hash lives.
    pub(super) fn tell_holders(&mut self, room: u64, text: &Arc<str>, push: Push) {
        for server in self.peers.with_room(room) {
            self.push(server, text, push);
        }
    }

    pub(super) fn tell_all_peers(&mut self, message: &Message) {
        let text = text(message);
        for (server, _) in self.peers.all() {
            self.outgoing.push(Channel::Server(server), &text);
        }
    }

    /// Tells a server that has just begun of the users of those that have stopped.
    pub(super) fn tell_kept(&mut self, to: Uuid, now: Instant) {
        for (room, users) in self.kept.all(now) {
            let say = RoomMessage::Absent { users, is_to_one: false };
            self.outgoing.push(Channel::Server(to), &text(&Message::Room { room, say }));
        }
    }

    /// Tells a server all rooms that live here.
    pub(super) fn tell_rooms(&mut self, to: Uuid) {
        let all: Vec<u64> = self.own.hashes().copied().collect();
        let mut is_anew = true;
        for begun in all.chunks(ROOMS_EACH).chain(all.is_empty().then_some(&[][..])) {
            let rooms = Rooms { is_anew, begun: begun.to_vec(), ended: Vec::new() };
            self.outgoing.push(Channel::Server(to), &text(&Message::Rooms(rooms)));
            is_anew = false;
        }
    }

    /// The rooms that live here and there.
    pub(super) fn shared_with(&mut self, server: Uuid) -> Vec<RoomName> {
        let Some(peer) = self.peers.get_mut(server) else { return Vec::new() };
        peer.rooms.all().flat_map(|hash| self.own.of(*hash)).cloned().collect()
    }

    /// Asks a server to tell everything again.
    pub(super) fn want(&mut self, from: Uuid, now: Instant) {
        self.are_heads_due = true;
        if self.peers.get_mut(from).is_some_and(|peer| peer.may_want(now)) {
            self.outgoing.push(Channel::Server(from), &text(&Message::Want));
        }
    }

    /// Removes a server; the rooms here that lived there, too.
    pub(super) fn remove(&mut self, server: Uuid) -> Vec<RoomName> {
        let rooms = self.shared_with(server);
        self.peers.remove(server);
        self.outgoing.forget(server);
        rooms
    }
}

/// Stands for a server in what it issues.
pub(super) fn mark(server: Uuid) -> u64 {
    server.as_u64_pair().0
}

/// A message as it is sent.
pub(super) fn text(message: &Message) -> Arc<str> {
    // Nothing in a message fails to become JSON.
    serde_json::to_string(message).unwrap_or_default().into()
}
