//! Whether all is saved that a y-websocket client has sent: questions that some clients ask in messages of their own. They are
//! answered as a barrier is, after the commit of all that came before.

use std::mem;

use actix::Context;

use crate::auth::{Action, allows};
use crate::ids::MemberId;
use crate::protocol::yjs::{self, SavedQuestion};
use crate::room::commit::uncommitted::Receipt;
use crate::room::fanout::relay::Counted;
use crate::room::messages::AskSaved;
use crate::room::room::Room;

/// Questions of one member that wait for their answers. Of more, its client is told at once that it may ask again.
const OPEN_MAX: usize = 64;

/// What a room knows of a member's questions.
#[derive(Debug, Default)]
pub struct Questions {
    /// Whether the client still owes the answer to the Step1 that greeted it, with what it typed while it was away. Until then
    /// nothing tells it that all is saved.
    owes_step2: bool,
    /// What was asked before that.
    held: Vec<SavedQuestion>,
    /// How many are not answered yet.
    open: usize,
    /// Whether an edit was denied: not all is saved, and will not be.
    is_denied: bool,
}

impl Questions {
    /// Of a member that has just come in, and was asked for what it has or not.
    pub fn new(is_asked: bool) -> Self {
        Self { owes_step2: is_asked, ..Self::default() }
    }

    /// An edit of the member was denied.
    pub fn deny(&mut self) {
        self.is_denied = true;
    }
}

impl Room {
    /// Answers a question whether all is saved, now or when it is.
    pub(in crate::room) fn ask_saved(
        &mut self,
        AskSaved { from, question, charge }: AskSaved,
        ctx: &mut Context<Self>,
    ) {
        let Some(member) = self.members.get_mut(from) else { return };
        let (link, questions) = (member.link, &mut member.questions);
        self.outbound.credit(link, from, charge);
        if questions.is_denied || questions.open >= OPEN_MAX {
            let answer = if questions.is_denied { question.denied() } else { question.put_off() };
            return self.outbound.one(link, from, answer, Counted::Yes);
        }
        questions.open += 1;
        if questions.owes_step2 {
            questions.held.push(question.clone());
        } else {
            self.answer_when_saved(from, question.clone(), ctx);
        }
        let is_open = self.members.get(from).is_some_and(|member| member.questions.open > 0);
        if is_open && matches!(question, SavedQuestion::Status(_)) {
            // It is a sign of life, too, and without one soon the client gives the connection up.
            self.outbound.one(link, from, yjs::nobody(), Counted::Yes);
        }
    }

    /// A Step2 has come and was handled: it answers the Step1 that greeted the member, and brings what was denied before.
    pub(in crate::room) fn step2_came(&mut self, from: MemberId, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(from) else { return };
        let questions = &mut member.questions;
        questions.owes_step2 = false;
        questions.is_denied &= !allows(member.access, Action::Edit);
        for question in mem::take(&mut questions.held) {
            self.answer_when_saved(from, question, ctx);
        }
    }

    fn answer_when_saved(&mut self, to: MemberId, question: SavedQuestion, ctx: &mut Context<Self>) {
        if self.lacks.hold(to, question.saved()).is_some() {
            return self.acknowledge_when_settled(to, Receipt::Answer(question), ctx);
        }
        // It waits with the barriers, which have a bound of their own.
        if let Some(member) = self.members.get_mut(to) {
            member.questions.open = member.questions.open.saturating_sub(1);
        }
    }

    /// Answers, now that all before the question is saved, or denied meanwhile.
    pub(in crate::room) fn answer_saved(&mut self, to: MemberId, question: &SavedQuestion) {
        let Some(member) = self.members.get_mut(to) else { return };
        member.questions.open = member.questions.open.saturating_sub(1);
        let answer = if member.questions.is_denied { question.denied() } else { question.saved() };
        self.outbound.one(member.link, to, answer, Counted::Yes);
    }
}
