//! The servers of a database, as the rest of the program sees them. Nothing here waits: what is to be sent is queued, and what has come
//! is delivered at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout, timeout_at};
use uuid::Uuid;

use super::deliver::Deliver;
use super::frame::{self, Taken};
use super::kept::KeptUsers;
use super::message::{self, About, Answer, Message, Question, RoomMessage, Rooms};
use super::outgoing::{Batch, Outgoing};
use super::peers::Peers;
use super::questions::{Answers, Questions};
use super::room_state::AbsentUser;
use super::rooms::{OwnRooms, hash};
use super::transport::Channel;
use crate::ids::RoomName;
use crate::metrics;
use crate::store::{RoomRow, ServerRow};

/// How long the other servers have to answer, unless they may take longer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a room waits for the bus before it is loaded all the same.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Without its own word on the bus for so long, a server cannot rely on it.
pub const ECHO_WITHIN: Duration = Duration::from_secs(7);
/// So many rooms are told with one message: all of them, or those that are told later would count as ended meanwhile. Such a message is
/// about half as long as one may be.
const ROOMS_EACH: usize = 100_000;
/// How long a server that starts waits to know the others that were seen lately.
const MEET_WITHIN: Duration = Duration::from_secs(3);
/// And if none of them answers: then all of them are gone, most likely.
const ANSWER_TO_HELLO: Duration = Duration::from_secs(1);
/// Between two looks whether they have answered.
const MEET_LOOK: Duration = Duration::from_millis(10);

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

/// Why a server that was asked gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no such server.
    Unknown,
    /// Too much waits for the bus already.
    NotAsked,
    /// It was silent. Whether it has done what it was asked is not known.
    Silent,
}

/// A room has begun here.
#[derive(Debug, Default)]
pub struct Entered {
    /// Done once the other servers are on the way to know.
    flush: Option<oneshot::Receiver<()>>,
    /// Where the room lives as well, as far as is known: those will tell who is there.
    pub holders: HashSet<Uuid>,
}

impl Entered {
    /// Waits until the others are on the way to know; not for long, since the bus may be away.
    pub async fn is_known(&mut self) {
        if let Some(flush) = self.flush.take() {
            // Whether it worked or not, the room is loaded.
            let _ = timeout(FLUSH_TIMEOUT, flush).await;
        }
    }
}

#[derive(Debug)]
struct State {
    peers: Peers,
    own: OwnRooms,
    outgoing: Outgoing,
    is_connected: bool,
    /// When this server's own word came back last, or it was connected.
    echo: Option<Instant>,
    /// Whether the heads are to be read now.
    are_heads_due: bool,
    has_unheard: bool,
    /// When this server last looked after itself.
    tick: Option<Instant>,
    /// Whether it waits to know the others.
    is_meeting: bool,
    /// Users of servers that have stopped.
    kept: KeptUsers,
}

/// The servers of a database.
#[derive(Debug)]
pub struct Cluster {
    me: Uuid,
    about: About,
    is_alone: AtomicBool,
    /// Whether it has said goodbye.
    is_leaving: AtomicBool,
    status: AtomicU8,
    state: Mutex<State>,
    /// Something waits to be sent.
    pub(super) wake: Notify,
    /// Something is to be looked at now.
    pub(super) look: Notify,
    questions: Questions,
    deliver: OnceLock<Arc<dyn Deliver>>,
}

/// What is to be delivered once the state is not locked any more.
#[derive(Default)]
struct Deliveries(Vec<Delivery>);

enum Delivery {
    Room(RoomName, RoomMessage),
    Entered(RoomName),
    Left(RoomName),
    Ask(u64, Question),
    Revoked,
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

    /// A room begins here.
    pub fn begin(&self, room: &RoomName) -> Entered {
        if self.status() == Status::None {
            return Entered::default();
        }
        let mut state = self.lock();
        let Some(hash) = state.own.begin(room) else { return Entered::default() };
        if state.peers.is_empty() {
            return Entered::default();
        }
        let rooms = Rooms { begun: vec![hash], ..Rooms::default() };
        state.tell_all_peers(&Message::Rooms(rooms));
        let holders = state.peers.with_room(hash).into_iter().collect();
        let flush = Some(state.outgoing.flush());
        drop(state);
        self.wake.notify_one();
        Entered { flush, holders }
    }

    /// A room ends here.
    pub fn end(&self, room: &RoomName) {
        if self.status() == Status::None {
            return;
        }
        let mut state = self.lock();
        let Some(hash) = state.own.end(room) else { return };
        state.tell_all_peers(&Message::Rooms(Rooms { ended: vec![hash], ..Rooms::default() }));
        drop(state);
        self.wake.notify_one();
    }

    /// Whether a room lives on another server, too, as far as is known.
    pub fn is_shared(&self, room: &RoomName) -> bool {
        !self.is_alone() && self.lock().peers.have_room(hash(room))
    }

    /// Tells the other servers where a room lives something about it that must not be lost unnoticed.
    pub fn tell(&self, room: &RoomName, say: RoomMessage) {
        self.tell_where(room, say, Outgoing::push);
    }

    /// Tells all other servers something about a room, whether it lives there or not.
    pub fn tell_everywhere(&self, room: &RoomName, say: RoomMessage) {
        if !self.is_alone() {
            self.lock().tell_all_peers(&Message::Room { room: room.clone(), say });
            self.wake.notify_one();
        }
    }

    /// The users of servers that have stopped who may come back to a room.
    pub fn kept(&self, room: &RoomName) -> Vec<AbsentUser> {
        self.lock().kept.of(room, Instant::now())
    }

    /// Tells one server something about a room.
    pub fn tell_one(&self, room: &RoomName, to: Uuid, say: RoomMessage) {
        let text = text(&Message::Room { room: room.clone(), say });
        let mut state = self.lock();
        // One that has gone meanwhile is told nothing.
        if state.peers.get_mut(to).is_some() {
            state.push(to, &text, Outgoing::push);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Tells the other servers where a room lives something that may be lost.
    pub fn signal(&self, room: &RoomName, say: RoomMessage) {
        if self.status() == Status::Ok {
            self.tell_where(room, say, Outgoing::push_signal);
        }
    }

    fn tell_where(&self, room: &RoomName, say: RoomMessage, push: Push) {
        if self.is_shared(room) {
            let text = text(&Message::Room { room: room.clone(), say });
            self.lock().tell_holders(hash(room), &text, push);
            self.wake.notify_one();
        }
    }

    /// Tells the other servers what was committed at once, each of them of the rooms that live there: all of it goes on its way together.
    pub fn tell_committed(&self, mut committed: Vec<(RoomName, RoomMessage)>) {
        if self.is_alone() {
            return;
        }
        {
            let state = self.lock();
            committed.retain(|(room, _)| state.peers.have_room(hash(room)));
        }
        if committed.is_empty() {
            return;
        }
        let told: Vec<(u64, Arc<str>)> =
            committed.into_iter().map(|(room, say)| (hash(&room), text(&Message::Room { room, say }))).collect();
        let mut state = self.lock();
        for (room, text) in told {
            state.tell_holders(room, &text, Outgoing::push);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Tells all other servers that a revocation was added to the database.
    pub fn tell_revoked(&self) {
        if !self.is_alone() {
            self.lock().tell_all_peers(&Message::Revoked);
            self.wake.notify_one();
        }
    }

    /// Asks the other servers; waits for their answers a second at most.
    pub async fn ask(&self, question: Question) -> Answers {
        if self.is_alone() {
            return Answers::default();
        }
        let mut asked = self.questions.open();
        let id = asked.id();
        let mut silent: HashSet<Uuid> = {
            let mut state = self.lock();
            state.tell_all_peers(&Message::Ask { id, question });
            state.peers.all().map(|(server, _)| server).collect()
        };
        self.wake.notify_one();
        let deadline = tokio::time::Instant::now() + ANSWER_TIMEOUT;
        let mut answers = Vec::new();
        while !silent.is_empty()
            && let Ok(Some((from, answer))) = timeout_at(deadline, asked.next()).await
        {
            if silent.remove(&from) {
                answers.push(answer);
            }
        }
        let is_partial = !silent.is_empty() || self.lock().has_unheard;
        Answers { answers, is_partial }
    }

    /// Asks the server of a mark; waits for its answer as long as `within`.
    pub async fn ask_marked(&self, marked: u64, question: Question, within: Duration) -> Result<Answer, Unanswered> {
        let mut asked = {
            let mut state = self.lock();
            let server = state.peers.all().map(|(server, _)| server).find(|server| mark(*server) == marked);
            let to = Channel::Server(server.ok_or(Unanswered::Unknown)?);
            let asked = self.questions.open();
            if !state.outgoing.push(to, &text(&Message::Ask { id: asked.id(), question })) {
                return Err(Unanswered::NotAsked);
            }
            asked
        };
        self.wake.notify_one();
        let answer = timeout(within, asked.next()).await;
        answer.ok().flatten().map(|(_, answer)| answer).ok_or(Unanswered::Silent)
    }

    /// Answers a server.
    pub fn answer(&self, to: Uuid, id: u64, answer: Answer) {
        let text = text(&Message::Answer { id, answer });
        self.lock().outgoing.push(Channel::Server(to), &text);
        self.wake.notify_one();
    }

    /// Whether this server has said goodbye.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Waits until this server knows those of the others that were seen a moment ago, and which rooms live there; not for long, for they
    /// may be gone.
    pub(super) async fn meet(&self, rows: &[ServerRow]) {
        let recent = rows.iter().filter(|row| row.is_recent);
        let servers: Vec<Uuid> = recent.map(|row| row.incarnation).collect();
        if servers.is_empty() {
            return;
        }
        {
            let mut state = self.lock();
            state.is_meeting = true;
            if state.is_connected {
                state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
            }
        }
        self.wake.notify_one();
        let began = Instant::now();
        let met = loop {
            let met = self.lock().peers.count_met(&servers);
            let within = if met == 0 { ANSWER_TO_HELLO } else { MEET_WITHIN };
            if met == servers.len() || began.elapsed() >= within {
                break met;
            }
            sleep(MEET_LOOK).await;
        };
        self.lock().is_meeting = false;
        tracing::info!(servers.seen = servers.len(), servers.met = met, "met the other servers");
    }

    /// Done once the other servers are on the way to know what they were told until now; not for long, since the bus may be away.
    pub async fn flush(&self) {
        let flush = self.lock().outgoing.flush();
        self.wake.notify_one();
        // Nothing is lost if they are not told: they notice.
        let _ = timeout(FLUSH_TIMEOUT, flush).await;
    }

    /// The server stops: its users may come back on another one. Done once the others are on the way to know; they hear nothing of it
    /// from then on.
    pub async fn say_bye(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        if self.is_alone() {
            return;
        }
        {
            let mut state = self.lock();
            state.tell_all_peers(&Message::Bye);
            state.outgoing.close();
        }
        self.flush().await;
    }

    /// What is to be sent now.
    pub(super) fn take_batch(&self, text_bytes_max: usize) -> Batch {
        self.lock().outgoing.take(self.me, text_bytes_max)
    }

    /// Whether something is to be sent.
    pub(super) fn has_batch(&self) -> bool {
        !self.lock().outgoing.is_empty()
    }

    /// The bus is there, or there again: the others are told everything anew, and tell it.
    pub(super) fn on_connected(&self, now: Instant) {
        let mut state = self.lock();
        state.is_connected = true;
        state.echo = Some(now);
        state.outgoing.drop_signals();
        let shared = match state.peers.is_empty() && !state.has_unheard && !state.is_meeting {
            true => Vec::new(),
            false => {
                state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
                let peers: Vec<Uuid> = state.peers.all().map(|(server, _)| server).collect();
                for server in &peers {
                    state.tell_rooms(*server);
                    state.outgoing.push(Channel::Server(*server), &text(&Message::Want));
                }
                let shared = |server| state.shared_with(server).into_iter().map(move |room| (server, room));
                peers.into_iter().flat_map(shared).collect()
            }
        };
        self.update(&mut state, now);
        drop(state);
        for (server, room) in shared {
            self.to_rooms(|deliver| deliver.entered(&room, server));
        }
        self.look_now();
        self.wake.notify_one();
    }

    /// The bus is away.
    pub(super) fn on_disconnected(&self, now: Instant) {
        let mut state = self.lock();
        state.is_connected = false;
        state.outgoing.drop_signals();
        self.update(&mut state, now);
        drop(state);
        metrics::BUS_GAPS.inc();
        self.look_now();
    }

    /// Whether this server has not heard itself for too long.
    pub(super) fn is_deaf(&self, now: Instant) -> bool {
        let state = self.lock();
        !state.peers.is_empty() && state.echo.is_some_and(|echo| now.duration_since(echo) > ECHO_WITHIN)
    }

    /// The database told who was seen in it.
    pub(super) fn on_rows(&self, rows: &[ServerRow], now: Instant) {
        let mut state = self.lock();
        let had_unheard = state.has_unheard;
        state.has_unheard = state.peers.on_rows(rows, now);
        if state.has_unheard && state.is_connected {
            // One of us does not know of the other.
            state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
        }
        state.are_heads_due |= state.has_unheard && !had_unheard;
        self.update(&mut state, now);
        drop(state);
        self.wake.notify_one();
    }

    /// Looks for the dead, and tells the others that this server lives. To be called every second; every other time it tells.
    pub(super) fn tick(&self, now: Instant, is_beat: bool) {
        let mut deliveries = Vec::new();
        let mut state = self.lock();
        let was_frozen = state.tick.is_some_and(|tick| now.duration_since(tick) > Duration::from_secs(4));
        state.tick = Some(now);
        if was_frozen {
            state.peers.forgive(now);
            state.echo = Some(now);
            state.are_heads_due = true;
            let peers: Vec<Uuid> = state.peers.all().map(|(server, _)| server).collect();
            state.outgoing.drop_signals();
            state.outgoing.push(Channel::All, &text(&Message::Hello(self.about.clone())));
            for server in peers {
                state.outgoing.push(Channel::Server(server), &text(&Message::Want));
            }
        }
        for server in state.peers.owed(now) {
            state.want(server, now);
        }
        for server in state.peers.dead(now) {
            tracing::warn!(server.incarnation = %server, "a server is silent and counts as gone");
            let rooms = state.remove(server);
            state.are_heads_due = true;
            deliveries.push((server, rooms));
        }
        if is_beat && !state.peers.is_empty() && state.is_connected {
            let (rooms, sent) = (state.own.digest(), state.outgoing.numbers());
            let beat = Message::Beat { about: self.about.clone(), rooms, sent };
            state.outgoing.push(Channel::All, &text(&beat));
        }
        self.update(&mut state, now);
        let is_due = state.are_heads_due;
        drop(state);
        self.wake.notify_one();
        for (server, rooms) in deliveries {
            for room in rooms {
                self.to_rooms(|deliver| deliver.left(&room, server));
            }
        }
        if is_due {
            self.look.notify_one();
        }
    }

    /// The rooms whose heads are to be read now: those that live elsewhere too, or all where that is not sure.
    pub(super) fn rooms_to_look_at(&self) -> Vec<RoomName> {
        let mut state = self.lock();
        state.are_heads_due = false;
        let is_sure = self.status() == Status::Ok && !state.has_unheard;
        let is_wanted = |room: &&RoomName| !is_sure || state.peers.have_room(hash(room));
        match self.is_alone() {
            true => Vec::new(),
            false => state.own.names().filter(is_wanted).cloned().collect(),
        }
    }

    /// Has the heads read now.
    fn look_now(&self) {
        if !self.is_alone() {
            self.lock().are_heads_due = true;
            self.look.notify_one();
        }
    }

    fn update(&self, state: &mut State, now: Instant) {
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

    /// A text has come.
    pub(super) fn on_text(&self, text: &str, now: Instant) {
        metrics::BUS_TEXTS_RECEIVED.inc();
        let Some(frame) = frame::read(text) else {
            metrics::BUS_MESSAGES_UNKNOWN.inc();
            return self.look_now();
        };
        if frame.from == self.me {
            return self.on_echo(frame.is_to_all, now);
        }
        if self.is_leaving() {
            return;
        }
        let from = frame.from;
        let mut state = self.lock();
        let was_late = state.tick.is_some_and(|tick| now.duration_since(tick) > Duration::from_secs(4));
        let mut is_gap = false;
        let body = match state.peers.get_mut(from) {
            Some(peer) => {
                peer.hear(now);
                let inbound = if frame.is_to_all { &mut peer.to_all } else { &mut peer.own };
                let (taken, gap) = inbound.take(&frame);
                is_gap = gap;
                match taken {
                    Taken::Whole(body) => body,
                    Taken::Repeated | Taken::Part => String::new(),
                }
            }
            None if frame.parts == 1 => frame.body.to_owned(),
            None => String::new(),
        };
        if is_gap {
            metrics::BUS_GAPS.inc();
            state.want(from, now);
        }
        let (messages, unknown) = if body.is_empty() { Default::default() } else { message::read(&body) };
        if unknown > 0 {
            metrics::BUS_MESSAGES_UNKNOWN.inc_by(unknown as u64);
            state.are_heads_due = true;
        }
        let mut deliveries = Deliveries::default();
        for message in messages {
            // What was said while this server did not run is old.
            let is_old = was_late && matches!(&message, Message::Room { say: RoomMessage::Signal(_), .. });
            if !is_old {
                self.on_message(from, frame.is_to_all, message, &mut state, &mut deliveries, now);
            }
        }
        self.update(&mut state, now);
        let is_due = state.are_heads_due;
        let has_batch = !state.outgoing.is_empty();
        drop(state);
        if has_batch {
            self.wake.notify_one();
        }
        self.hand_out(from, deliveries, now);
        if is_due {
            self.look.notify_one();
        }
    }

    fn on_echo(&self, is_to_all: bool, now: Instant) {
        if is_to_all {
            let mut state = self.lock();
            state.echo = Some(now);
            self.update(&mut state, now);
        }
    }

    fn on_message(
        &self,
        from: Uuid,
        is_to_all: bool,
        message: Message,
        state: &mut State,
        deliveries: &mut Deliveries,
        now: Instant,
    ) {
        if let Message::Hello(about) = message {
            let is_new = state.peers.greet(from, about.clone(), now);
            if is_new {
                tracing::info!(server.label = about.label, server.version = about.version, server.incarnation = %from, "another server");
                state.has_unheard = state.peers.has_unheard(now);
                // From here on this server's own word is to come back.
                state.echo = Some(now);
            }
            if is_to_all {
                state.outgoing.push(Channel::Server(from), &text(&Message::Hello(self.about.clone())));
                state.outgoing.push(Channel::Server(from), &text(&Message::Want));
            }
            if is_to_all || is_new {
                state.tell_kept(from, now);
                state.tell_rooms(from);
                deliveries.0.extend(state.shared_with(from).into_iter().map(Delivery::Entered));
            }
            state.are_heads_due = true;
            return;
        }
        if state.peers.get_mut(from).is_none() {
            match message {
                Message::Who => {}
                _ if state.peers.may_ask_who(from, now) => {
                    state.outgoing.push(Channel::Server(from), &text(&Message::Who));
                    return;
                }
                _ => return,
            }
        }
        match message {
            Message::Beat { about, rooms, sent } => {
                let sent = sent.into_iter().find(|(server, _)| *server == self.me).map_or(0, |(_, number)| number);
                let Some(peer) = state.peers.get_mut(from) else { return };
                peer.about = about;
                if peer.compare(rooms, sent) {
                    metrics::BUS_GAPS.inc();
                    state.want(from, now);
                }
            }
            Message::Rooms(Rooms { is_anew, begun, ended }) => {
                state.on_rooms(from, is_anew, &begun, &ended, deliveries)
            }
            Message::Want => {
                state.tell_rooms(from);
                deliveries.0.extend(state.shared_with(from).into_iter().map(Delivery::Entered));
            }
            Message::Who => {
                state.outgoing.push(Channel::Server(from), &text(&Message::Hello(self.about.clone())));
                state.tell_rooms(from);
                deliveries.0.extend(state.shared_with(from).into_iter().map(Delivery::Entered));
            }
            Message::Bye => {
                tracing::info!(server.incarnation = %from, "a server stops");
                deliveries.0.extend(state.remove(from).into_iter().map(Delivery::Left));
            }
            Message::Room { room, say } => {
                match &say {
                    // The room may begin here in a moment.
                    RoomMessage::Absent { users, is_to_one: false } => state.kept.add(&room, users, now),
                    RoomMessage::State { state: told, .. } | RoomMessage::Change(told) => {
                        for user in told.users.iter().filter(|user| user.is_for_good) {
                            state.kept.remove(&room, &user.user);
                        }
                    }
                    _ => {}
                }
                deliveries.0.push(Delivery::Room(room, say));
            }
            Message::Ask { id, question } => deliveries.0.push(Delivery::Ask(id, question)),
            Message::Answer { id, answer } => self.questions.answer(id, from, answer),
            Message::Revoked => deliveries.0.push(Delivery::Revoked),
            Message::Hello(_) => {}
        }
    }

    fn hand_out(&self, from: Uuid, deliveries: Deliveries, now: Instant) {
        let mut is_all_known = true;
        for delivery in deliveries.0 {
            self.to_rooms(|deliver| match delivery {
                Delivery::Room(room, say) => is_all_known &= deliver.room(&room, from, say),
                Delivery::Entered(room) => deliver.entered(&room, from),
                Delivery::Left(room) => deliver.left(&room, from),
                Delivery::Ask(id, question) => deliver.ask(from, id, question),
                Delivery::Revoked => deliver.revoked(),
            });
        }
        if !is_all_known {
            metrics::BUS_GAPS.inc();
            self.lock().want(from, now);
            self.wake.notify_one();
        }
    }

    /// The database told where a room's timeline ends.
    pub(super) fn on_head(&self, row: &RoomRow) {
        self.to_rooms(|deliver| deliver.head(row));
    }

    /// The database told that a room was deleted.
    pub(super) fn on_deleted(&self, row: &RoomRow) {
        self.to_rooms(|deliver| deliver.deleted(row));
    }

    /// The database told that there is no room of a name: it has no entry yet, or was deleted and its name is free.
    pub(super) fn on_missing(&self, room: &RoomName) {
        self.to_rooms(|deliver| deliver.missing(room));
    }

    fn to_rooms(&self, tell: impl FnOnce(&dyn Deliver)) {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a message is added to what waits: as one that must arrive, or as a signal.
type Push = fn(&mut Outgoing, Channel, &Arc<str>) -> bool;

impl State {
    fn push(&mut self, to: Uuid, text: &Arc<str>, push: Push) {
        if !push(&mut self.outgoing, Channel::Server(to), text) {
            metrics::BUS_MESSAGES_DROPPED.inc();
        }
    }

    /// Tells those where a room of that hash lives.
    fn tell_holders(&mut self, room: u64, text: &Arc<str>, push: Push) {
        for server in self.peers.with_room(room) {
            self.push(server, text, push);
        }
    }

    fn tell_all_peers(&mut self, message: &Message) {
        let text = text(message);
        for (server, _) in self.peers.all() {
            self.outgoing.push(Channel::Server(server), &text);
        }
    }

    /// Tells a server that has just begun of the users of those that have stopped.
    fn tell_kept(&mut self, to: Uuid, now: Instant) {
        for (room, users) in self.kept.all(now) {
            let say = RoomMessage::Absent { users, is_to_one: false };
            self.outgoing.push(Channel::Server(to), &text(&Message::Room { room, say }));
        }
    }

    /// Tells a server all rooms that live here.
    fn tell_rooms(&mut self, to: Uuid) {
        let all: Vec<u64> = self.own.hashes().copied().collect();
        let mut is_anew = true;
        for begun in all.chunks(ROOMS_EACH).chain(all.is_empty().then_some(&[][..])) {
            let rooms = Rooms { is_anew, begun: begun.to_vec(), ended: Vec::new() };
            self.outgoing.push(Channel::Server(to), &text(&Message::Rooms(rooms)));
            is_anew = false;
        }
    }

    /// The rooms that live here and there.
    fn shared_with(&mut self, server: Uuid) -> Vec<RoomName> {
        let Some(peer) = self.peers.get_mut(server) else { return Vec::new() };
        peer.rooms.all().flat_map(|hash| self.own.of(*hash)).cloned().collect()
    }

    fn on_rooms(&mut self, from: Uuid, is_anew: bool, begun: &[u64], ended: &[u64], deliveries: &mut Deliveries) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        let mut left: HashSet<u64> = ended.iter().copied().collect();
        if is_anew {
            left.extend(peer.rooms.all());
            peer.rooms.clear();
            peer.has_told_rooms = true;
        }
        for hash in begun {
            left.remove(hash);
        }
        peer.rooms.begin(begun);
        peer.rooms.end(ended);
        let here = |hash: &u64| self.own.of(*hash).iter().cloned();
        deliveries.0.extend(left.iter().flat_map(here).map(Delivery::Left));
        deliveries.0.extend(begun.iter().flat_map(here).map(Delivery::Entered));
    }

    /// Asks a server to tell everything again.
    fn want(&mut self, from: Uuid, now: Instant) {
        self.are_heads_due = true;
        if self.peers.get_mut(from).is_some_and(|peer| peer.may_want(now)) {
            self.outgoing.push(Channel::Server(from), &text(&Message::Want));
        }
    }

    /// Removes a server; the rooms here that lived there, too.
    fn remove(&mut self, server: Uuid) -> Vec<RoomName> {
        let rooms = self.shared_with(server);
        self.peers.remove(server);
        self.outgoing.forget(server);
        rooms
    }
}

fn mark(server: Uuid) -> u64 {
    server.as_u64_pair().0
}

fn text(message: &Message) -> Arc<str> {
    // Nothing in a message fails to become JSON.
    serde_json::to_string(message).unwrap_or_default().into()
}
