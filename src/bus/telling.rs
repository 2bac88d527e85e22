//! What a server tells the others, and asks them: queued, and on its way once the bus takes it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{timeout, timeout_at};
use uuid::Uuid;

use super::cluster::{Cluster, Push, Status, mark, text};
use super::message::{Answer, Message, Question, RoomMessage, Rooms};
use super::outgoing::{Batch, Outgoing};
use super::questions::Answers;
use super::room_state::AbsentUser;
use super::rooms::hash;
use super::transport::Channel;
use crate::ids::RoomName;

/// How long the other servers have to answer, unless they may take longer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a room waits for the bus before it is loaded all the same.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

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

impl Cluster {
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

    /// Done once the other servers are on the way to know what they were told until now; not for long, since the bus may be away.
    pub async fn flush(&self) {
        let flush = self.lock().outgoing.flush();
        self.wake.notify_one();
        // Nothing is lost if they are not told: they notice.
        let _ = timeout(FLUSH_TIMEOUT, flush).await;
    }

    /// What is to be sent now.
    pub(super) fn take_batch(&self, text_bytes_max: usize) -> Batch {
        self.lock().outgoing.take(self.me, text_bytes_max)
    }

    /// Whether something is to be sent.
    pub(super) fn has_batch(&self) -> bool {
        !self.lock().outgoing.is_empty()
    }
}
