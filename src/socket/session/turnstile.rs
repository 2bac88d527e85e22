//! One large answer at a time to each peer, since such answers do not count against its outbox: the joining state of a document,
//! a page of a timeline. Who asks meanwhile waits.

use std::collections::VecDeque;

use actix::Addr;
use bytes::Bytes;

use super::Desk;
use crate::ids::MemberId;
use crate::room::{AskState, Room};

/// Asks a room for what a state vector lacks.
pub struct Ask {
    pub member: MemberId,
    pub room: Addr<Room>,
    pub state_vector: Bytes,
    /// Credit that the question took, in bytes.
    pub charge: usize,
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

    /// Nothing more is answered to `member`.
    pub fn forget(&mut self, member: MemberId, desk: &Desk) {
        self.waiting.retain(|waiting| waiting.member != member);
        if self.answering == Some(member) {
            self.delivered(desk);
        }
    }

    fn send(&mut self, ask: Ask, desk: &Desk) {
        let Ask { member, room, state_vector, charge } = ask;
        self.answering = Some(member);
        desk.outbox.expect_state();
        desk.outbox.charge(charge);
        room.do_send(AskState { from: member, state_vector, charge });
    }
}
