//! How a room speaks: each thing once in each dialect that its members speak.

use std::time::Instant;

use crate::ids::MemberId;
use crate::protocol::{Dialect, Word};
use crate::room::fanout::relay::Counted;
use crate::room::room::{Phase, Room};
use crate::wire::Frame;

impl Room {
    /// Says something to one member, if its dialect has the word.
    pub(super) fn say_to(&mut self, to: MemberId, word: Word, counted: Counted) {
        let Some(member) = self.members.get(to) else { return };
        if let Some(frame) = word.frame(member.dialect, &self.name) {
            self.outbound.one(member.link, to, frame, counted);
        }
    }

    /// Says something to all editors, but its sender and those who made it. Returns y-websocket's frame, if any was made.
    pub(super) fn say_to_all(&mut self, word: Word, sender: Option<MemberId>, owners: &[MemberId]) -> Option<Frame> {
        let mut made = None;
        for dialect in Dialect::EDITORS.into_iter().filter(|dialect| self.members.speak(*dialect)) {
            if let Some(frame) = word.frame(dialect, &self.name) {
                self.outbound.all(dialect, &frame, sender, owners);
                made = made.or((dialect == Dialect::Yjs).then_some(frame));
            }
        }
        made
    }

    /// Asks a member by Step1 for what the document lacks.
    pub(super) fn ask(&mut self, to: MemberId) {
        let Phase::Live(live) = &self.phase else { return };
        let state_vector = live.document.state_vector();
        self.lacks.asked(to, Instant::now());
        self.say_to(to, Word::Step1(&state_vector), Counted::Yes);
    }
}
