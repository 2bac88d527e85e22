//! One large answer at a time to each peer, since such answers do not count against its outbox: the joining state of a document,
//! a page of a timeline. Who asks meanwhile waits.

use std::collections::VecDeque;
use std::rc::Rc;

use actix::Addr;
use bytes::Bytes;

use super::Desk;
use super::charges::Charges;
use crate::ids::MemberId;
use crate::room::{AskState, More, Room};

/// What is asked of a room.
pub enum Question {
    /// What a state vector lacks.
    State(Bytes),
    /// The next page of the timeline.
    More,
}

/// A question to a room.
pub struct Ask {
    pub member: MemberId,
    pub room: Addr<Room>,
    pub question: Question,
    /// Credit that the question takes, in bytes.
    pub charge: usize,
    /// Whose credit; `None`: the socket's only member.
    pub charges: Option<Rc<Charges>>,
}

/// Takes credit for a message of a member.
pub fn charge(bytes: usize, charges: Option<&Rc<Charges>>, desk: &Desk) {
    match charges {
        Some(charges) => charges.charge(bytes),
        None => desk.outbox.charge(bytes),
    }
}

/// The questions of one socket. At most one waits for each of its members.
#[derive(Default)]
pub struct Turnstile {
    answering: Option<MemberId>,
    waiting: VecDeque<Ask>,
}

impl Turnstile {
    /// Asks now, or when it is its turn. A newer question takes the place of the same member's older one.
    pub fn ask(&mut self, ask: Ask, desk: &Desk) {
        if self.answering.is_none() {
            return self.send(ask, desk);
        }
        match self.waiting.iter_mut().find(|waiting| waiting.member == ask.member) {
            Some(waiting) => *waiting = ask,
            None => self.waiting.push_back(ask),
        }
    }

    /// The peer has taken the answer: the next one's turn.
    pub fn delivered(&mut self, desk: &Desk) {
        self.answering = None;
        if let Some(next) = self.waiting.pop_front() {
            self.send(next, desk);
        }
    }

    /// Whether the answer that is on its way is one to `member`.
    pub fn is_answering(&self, member: MemberId) -> bool {
        self.answering == Some(member)
    }

    /// The peer has taken the answer, and the same member asks on.
    pub fn again(&mut self, ask: Ask, desk: &Desk) {
        self.send(ask, desk);
    }

    /// Nothing more is answered to `member`.
    pub fn forget(&mut self, member: MemberId, desk: &Desk) {
        self.waiting.retain(|waiting| waiting.member != member);
        // What has left the room is still taken first: or who comes and leaves and never reads would be sent page upon page.
        if self.answering == Some(member) && !desk.outbox.is_state_waiting() {
            self.delivered(desk);
        }
    }

    fn send(&mut self, ask: Ask, desk: &Desk) {
        let Ask { member, room, question, charge: bytes, charges } = ask;
        self.answering = Some(member);
        desk.outbox.expect_state();
        charge(bytes, charges.as_ref(), desk);
        match question {
            Question::State(state_vector) => room.do_send(AskState { from: member, state_vector, charge: bytes }),
            Question::More => room.do_send(More { from: member, charge: bytes }),
        }
    }
}
