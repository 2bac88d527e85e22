//! One large answer at a time to each peer, since such answers do not count against its outbox: the joining state of a document,
//! a page of a timeline. Further requests wait.

use std::collections::VecDeque;

use bytes::Bytes;

use super::io::SessionIo;
use super::membership::RoomLink;
use crate::ids::MemberId;
use crate::room::{AskState, ReplayMore};

/// What is asked of a room.
pub enum Question {
    /// What a state vector lacks.
    State(Bytes),
    /// The next page of the timeline.
    More,
}

/// A request to a room for a large answer.
pub struct Request {
    /// The room, and whose request it is.
    pub link: RoomLink,
    /// What is asked.
    pub question: Question,
    /// Credit that the request takes, in bytes.
    pub charge: usize,
}

/// The requests of one socket. At most one waits for each of its members.
#[derive(Default)]
pub struct RequestQueue {
    answering: Option<MemberId>,
    waiting: VecDeque<Request>,
}

impl RequestQueue {
    /// Asks now, or when it is its turn. A newer request takes the place of the same member's older one.
    pub fn ask(&mut self, request: Request, io: &SessionIo) {
        if self.answering.is_none() {
            return self.send(request, io);
        }
        match self.waiting.iter_mut().find(|waiting| waiting.link.member == request.link.member) {
            Some(waiting) => *waiting = request,
            None => self.waiting.push_back(request),
        }
    }

    /// The peer has taken the answer: the next one's turn.
    pub fn on_delivered(&mut self, io: &SessionIo) {
        self.answering = None;
        if let Some(next) = self.waiting.pop_front() {
            self.send(next, io);
        }
    }

    /// Whether the answer that is on its way is one to `member`.
    pub fn is_answering(&self, member: MemberId) -> bool {
        self.answering == Some(member)
    }

    /// The peer has taken the answer, and the same member asks on.
    pub fn ask_on(&mut self, request: Request, io: &SessionIo) {
        self.send(request, io);
    }

    /// Nothing more is answered to `member`.
    pub fn forget(&mut self, member: MemberId, io: &SessionIo) {
        self.waiting.retain(|waiting| waiting.link.member != member);
        // What has left the room is still taken first: or who comes and leaves and never reads would be sent page upon page.
        if self.answering == Some(member) && !io.outbox.is_state_waiting() {
            self.on_delivered(io);
        }
    }

    fn send(&mut self, request: Request, io: &SessionIo) {
        let Request { link: RoomLink { member, room, charges }, question, charge } = request;
        self.answering = Some(member);
        io.outbox.expect_state();
        charges.charge(charge);
        match question {
            Question::State(state_vector) => room.do_send(AskState { from: member, state_vector, charge }),
            Question::More => room.do_send(ReplayMore { from: member, charge }),
        }
    }
}
