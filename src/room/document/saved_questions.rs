//! Whether all is saved that a y-websocket client has sent: questions that some clients ask in messages of their own.

use super::LiveDocument;
use super::acknowledgements::acknowledge_when_settled;
use crate::auth::{Action, allows};
use crate::ids::MemberId;
use crate::protocol::yjs::{self, SavedQuestion};
use crate::room::commit::Commit;
use crate::room::io::Io;
use crate::room::members::{Asked, Receipt};
use crate::room::messages::AskSaved;

impl LiveDocument {
    /// Answers a question whether all is saved, now or when it is.
    pub fn on_ask_saved(&mut self, AskSaved { from, question, charge }: AskSaved, commit: &mut Commit, io: &mut Io) {
        let Some(editor) = io.credit(from, charge).and_then(|member| member.yjs_mut()) else { return };
        match editor.on_question(&question) {
            Asked::Answer(answer) => return io.send(from, answer),
            Asked::Wait => {}
            Asked::WhenSaved => self.answer_when_saved(from, question.clone(), commit, io),
        }
        let is_open =
            io.members.get_mut(from).and_then(|member| member.yjs_mut()).is_some_and(|yjs| yjs.has_open_questions());
        if is_open && matches!(question, SavedQuestion::Status(_)) {
            // It is a sign of life, too, and without one soon the client gives the connection up.
            io.send(from, yjs::nobody());
        }
    }

    /// A Step2 has come and was handled: it answers the Step1 that greeted the member, and brings what was refused before.
    pub fn on_step2_handled(&mut self, from: MemberId, commit: &mut Commit, io: &mut Io) {
        let Some(member) = io.members.get_mut(from) else { return };
        let may_edit = allows(member.access, Action::Edit);
        for question in member.editor_mut().on_step2_handled(may_edit) {
            self.answer_when_saved(from, question, commit, io);
        }
    }

    fn answer_when_saved(&mut self, to: MemberId, question: SavedQuestion, commit: &mut Commit, io: &mut Io) {
        if self.missing.hold(to, question.saved()).is_some() {
            return acknowledge_when_settled(to, Receipt::Answer(question), commit, io);
        }
        // It waits with the barriers, which have a bound of their own.
        if let Some(editor) = io.members.get_mut(to).and_then(|member| member.yjs_mut()) {
            editor.close_question();
        }
    }
}
