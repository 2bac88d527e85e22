//! How authors of edits hear that those are committed: now, or once all that came before is.

use crate::ids::MemberId;
use crate::protocol::hocuspocus;
use crate::room::commit::Commit;
use crate::room::io::Io;
use crate::room::members::{Acknowledgement, Receipt};

/// Tells an author that its edit is committed, or answers its question. What is no word on an edit is not for here.
pub fn acknowledge(to: MemberId, receipt: Receipt, io: &mut Io) {
    let Some(member) = io.members.get_mut(to) else { return };
    match receipt {
        Receipt::Echo(frame) => io.send(to, frame),
        Receipt::Answer(question) => {
            if let Some(answer) = member.yjs_mut().map(|editor| editor.answer(&question)) {
                io.send(to, answer);
            }
        }
        Receipt::Status(messages) => {
            for _ in 0..member.editor_mut().on_committed(messages) {
                io.send(to, hocuspocus::sync_status(io.name.as_str(), true));
            }
        }
        Receipt::Broadcast(_) | Receipt::Saved { .. } | Receipt::MissedSteps => {}
    }
}

/// Acknowledges once all that is uncommitted now is committed.
pub fn acknowledge_when_settled(to: MemberId, receipt: Receipt, commit: &mut Commit, io: &mut Io) {
    if let Some(settled) = commit.uncommitted.when_settled(Acknowledgement { to, receipt }) {
        acknowledge(settled.to, settled.receipt, io);
    }
}
