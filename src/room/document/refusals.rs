//! Edits that are refused: what their senders hear, and one line in the log for each member and reason.

use std::fmt;

use crate::ids::MemberId;
use crate::metrics;
use crate::room::io::Io;
use crate::room::members::EditRefusal;

/// Tells a member that its edit is refused. It goes on reading.
pub fn refuse(from: MemberId, refusal: EditRefusal, io: &mut Io) {
    log_refusal(from, refusal, &refusal.reason(), io);
    let Some(member) = io.members.get_mut(from) else { return };
    if let Some(frame) = member.editor_mut().on_refused(refusal, io.name) {
        io.send(from, frame);
    }
}

/// Tells a member that its edit will never be taken. All later typing of that client would build on it: where the protocol has no
/// message for that, the connection is closed for good.
pub fn refuse_for_good(from: MemberId, refusal: EditRefusal, error: &dyn std::error::Error, io: &mut Io) {
    metrics::EDITS_REFUSED.inc();
    log_refusal(from, refusal, error, io);
    let Some(member) = io.members.get(from) else { return };
    if !member.editor().is_closed_on_refusal() {
        return refuse(from, refusal, io);
    }
    io.close(from, refusal.close_code(), error.to_string());
}

/// Logs that a member's edit is refused, the first time for this reason: its client may go on sending.
pub fn log_refusal<T: fmt::Display + ?Sized>(from: MemberId, refusal: EditRefusal, reason: &T, io: &mut Io) {
    let Some(member) = io.members.get_mut(from) else { return };
    if !member.logged.is_first(refusal) {
        return;
    }
    let user = &member.user;
    if refusal == EditRefusal::ReadOnly {
        tracing::debug!(user.id = %user, member.id = %from, %reason, "edit refused");
    } else {
        tracing::info!(user.id = %user, member.id = %from, %reason, "edit refused");
    }
}
