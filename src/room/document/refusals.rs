//! Edits that are not taken: what their senders hear, and one line in the log for each member and reason.

use std::fmt;

use crate::document::Refusal;
use crate::ids::MemberId;
use crate::metrics;
use crate::protocol::{CloseCode, Dialect, hocuspocus, yjs};
use crate::room::fanout::relay::Counted;
use crate::room::room::Room;

/// Why an edit is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::room) enum Denial {
    /// Its sender may only read.
    ReadOnly,
    /// It is longer than a message may be.
    TooLong,
    /// The document would be too large.
    DocumentFull,
    /// No Yjs client makes it.
    Harmful,
    /// The store failed on it.
    Failed,
}

impl Denial {
    /// What y-websocket's clients are told that stay connected, and the log.
    fn reason(self) -> &'static str {
        match self {
            Denial::ReadOnly => "this room is read-only for you",
            Denial::TooLong => "the edit is longer than a message may be",
            Denial::DocumentFull => "the document would be too large",
            Denial::Harmful => "the edit cannot be taken",
            Denial::Failed => "the edit cannot be stored",
        }
    }
}

impl From<&Refusal> for Denial {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::TooLarge { .. } => Denial::DocumentFull,
            _ => Denial::Harmful,
        }
    }
}

/// The denials of a member that are in the log.
#[derive(Debug, Default, Clone, Copy)]
pub struct Logged(u8);

impl Logged {
    /// Notes one; whether it is the first of its kind.
    fn is_first(&mut self, denial: Denial) -> bool {
        let bit = 1 << denial as u8;
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first
    }
}

impl Room {
    /// Tells a member that its edit is not taken. It goes on reading.
    pub(in crate::room) fn deny(&mut self, from: MemberId, denial: Denial) {
        self.log_denial(from, denial, &denial.reason());
        let Some(member) = self.members.get_mut(from) else { return };
        let frame = match member.dialect {
            Dialect::Hocuspocus => {
                member.sync.refuse(1);
                hocuspocus::sync_status(self.name.as_str(), false)
            }
            _ => {
                member.questions.deny();
                yjs::denied(denial.reason())
            }
        };
        self.outbound.one(member.link, from, frame, Counted::Yes);
    }

    /// Tells a member that its edit will never be taken. All later typing of that client would build on it: y-websocket, which has
    /// no word for that, is closed for good.
    pub(in crate::room) fn refuse_for_ever(&mut self, from: MemberId, denial: Denial, error: &dyn std::error::Error) {
        metrics::EDITS_REFUSED.inc();
        self.log_denial(from, denial, error);
        let Some(member) = self.members.get(from) else { return };
        let code = if denial == Denial::DocumentFull { CloseCode::EditTooLarge } else { CloseCode::EditRefused };
        match member.dialect {
            Dialect::Hocuspocus => self.deny(from, denial),
            _ => self.outbound.close(member.link, from, code, error.to_string()),
        }
    }

    /// Logs that a member's edit is not taken, the first time for this reason: its client may go on sending.
    pub(in crate::room) fn log_denial<T: fmt::Display + ?Sized>(&mut self, from: MemberId, denial: Denial, reason: &T) {
        let Some(member) = self.members.get_mut(from) else { return };
        if !member.logged.is_first(denial) {
            return;
        }
        let (room, user) = (&self.name, &member.user);
        if denial == Denial::ReadOnly {
            tracing::debug!(room.name = %room, user.id = %user, member.id = %from, %reason, "edit refused");
        } else {
            tracing::info!(room.name = %room, user.id = %user, member.id = %from, %reason, "edit refused");
        }
    }
}
