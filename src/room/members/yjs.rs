//! A y-websocket member, and its questions whether all is saved that it has sent: some clients ask in messages of their own. They are
//! answered as a barrier is, after the commit of all that came before.

use std::mem;

use bytes::Bytes;

use super::editor::Editor;
use super::receipt::Receipt;
use super::refusal::EditRefusal;
use crate::ids::RoomName;
use crate::protocol::EditKind;
use crate::protocol::yjs::{self, SavedQuestion};
use crate::wire::Frame;

/// Questions of one member that wait for their answers. Of more, its client is told at once that it may ask again.
const OPEN_MAX: usize = 64;

/// What the room knows of a y-websocket client.
#[derive(Debug, Default)]
pub struct YjsEditor {
    /// Whether the client still owes the answer to the Step1 that greeted it, with what it typed while it was away. Until then
    /// nothing tells it that all is saved.
    owes_step2: bool,
    /// What was asked before that.
    held: Vec<SavedQuestion>,
    /// How many questions are not answered yet.
    open: usize,
    /// Whether an edit was refused: not all is saved, and will not be.
    has_refused: bool,
}

/// What to do with a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Answer with this frame now.
    Answer(Frame),
    /// Nothing yet: it waits for the Step2.
    Wait,
    /// Answer once all that came before is committed.
    WhenSaved,
}

impl YjsEditor {
    /// A member that has just come in, and was asked for what it has or not.
    pub fn new(is_asked: bool) -> Self {
        Self { owes_step2: is_asked, ..Self::default() }
    }

    /// The client asks whether all is saved.
    pub fn on_question(&mut self, question: &SavedQuestion) -> Asked {
        if self.has_refused {
            return Asked::Answer(question.denied());
        }
        if self.open >= OPEN_MAX {
            return Asked::Answer(question.put_off());
        }
        self.open += 1;
        if self.owes_step2 {
            self.held.push(question.clone());
            return Asked::Wait;
        }
        Asked::WhenSaved
    }

    /// Whether a question is not answered yet.
    pub fn has_open_questions(&self) -> bool {
        self.open > 0
    }

    /// A question waits elsewhere, and needs no answer of its own.
    pub fn close_question(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The answer to a question, now that all before it is saved, or was refused meanwhile.
    pub fn answer(&mut self, question: &SavedQuestion) -> Frame {
        self.close_question();
        if self.has_refused { question.denied() } else { question.saved() }
    }
}

impl Editor for YjsEditor {
    fn is_asked_on_join(&self) -> bool {
        true
    }

    fn takes_echo_for_commit(&self) -> bool {
        true
    }

    fn is_closed_on_refusal(&self) -> bool {
        true
    }

    /// It answers the Step1 that greeted the member, and brings what was refused before.
    fn on_step2_handled(&mut self, may_edit: bool) -> Vec<SavedQuestion> {
        self.owes_step2 = false;
        self.has_refused &= !may_edit;
        mem::take(&mut self.held)
    }

    fn receipt(&mut self, _: EditKind, echo: Option<Frame>) -> Option<Receipt> {
        echo.map(Receipt::Echo)
    }

    fn receipt_for_known(&mut self, kind: EditKind, update: &Bytes) -> Option<Receipt> {
        match kind {
            EditKind::Update => Some(Receipt::Echo(yjs::update(update))),
            // A client's answer by habit; nobody waits for a word on it.
            EditKind::Step2 => None,
        }
    }

    fn on_refused(&mut self, refusal: EditRefusal, _: &RoomName) -> Option<Frame> {
        self.has_refused = true;
        Some(yjs::denied(refusal.reason()))
    }

    fn awareness_refused(&self, reason: &str) -> Option<Frame> {
        Some(yjs::denied(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_waits_for_the_step2_and_its_answer_tells_of_a_refusal() {
        let (mut editor, question) = (YjsEditor::new(true), SavedQuestion::Save(7));
        assert_eq!(editor.on_question(&question), Asked::Wait);
        assert_eq!(editor.on_step2_handled(true), [SavedQuestion::Save(7)]);
        assert_eq!(editor.on_question(&question), Asked::WhenSaved);
        editor.on_refused(EditRefusal::Harmful, &RoomName::parse("r").unwrap());
        assert_eq!(editor.answer(&question), question.denied());
        assert_eq!(editor.on_question(&question), Asked::Answer(question.denied()));
        editor.on_step2_handled(true);
        assert_eq!(editor.on_question(&question), Asked::WhenSaved);
    }

    #[test]
    fn of_too_many_questions_the_last_are_put_off() {
        let (mut editor, question) = (YjsEditor::new(false), SavedQuestion::Save(7));
        for _ in 0..OPEN_MAX {
            assert_eq!(editor.on_question(&question), Asked::WhenSaved);
        }
        assert_eq!(editor.on_question(&question), Asked::Answer(question.put_off()));
        assert_eq!(editor.answer(&question), question.saved());
        assert_eq!(editor.on_question(&question), Asked::WhenSaved);
    }
}
