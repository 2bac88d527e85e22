//! What has come for a document of a Hocuspocus connection before a token opened it, and its room let it in. Its owner knows the
//! bounds of one connection, the budget that of all.

use std::sync::Arc;
use std::task::Waker;

use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::protocol::EditKind;
use crate::protocol::hocuspocus;

/// What waits.
#[derive(Debug)]
pub enum HeldMessage {
    /// A message.
    Message(hocuspocus::Message),
    /// An edit that was too long to be kept, and will be refused.
    Long(EditKind),
}

/// One document that waits for a token.
#[derive(Debug, Default)]
pub struct HeldMessages {
    messages: Vec<HeldMessage>,
    held: Option<HeldBytes>,
    is_refused: bool,
    was_joined: bool,
    is_lost: bool,
}

impl HeldMessages {
    /// Of a document that was open on this connection before.
    pub fn after_joined() -> Self {
        Self { was_joined: true, ..Self::default() }
    }

    /// Keeps a message of `bytes`, if `budget` has room for it, or `payer` does not hold most of that.
    pub fn hold(&mut self, message: HeldMessage, bytes: usize, budget: &Arc<ByteBudget>, payer: Payer) -> bool {
        let held = self.held.get_or_insert_with(|| budget.hold_for(payer, 0));
        if self.is_lost {
            return true;
        }
        let has_room = held.demand(bytes);
        if has_room {
            held.set(held.bytes() + bytes);
            self.messages.push(message);
        }
        has_room
    }

    /// Counts in another budget, under another name, from now on.
    pub fn move_to(&mut self, budget: &Arc<ByteBudget>, payer: Payer) {
        if let Some(held) = &mut self.held {
            held.move_to(budget, payer);
        }
    }

    /// Whether the messages must go, since others have no room and their payer holds most. If not, `waker` is woken when that changes.
    pub fn is_called_in(&self, waker: &Waker) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_called_in(waker))
    }

    /// Notes that a token was refused, or that the room ended the document.
    pub fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// Whether the client was told that the document is not open. It may go on sending for long.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Forgets all messages: too many have come. From now on the document can only start anew, on another connection.
    pub fn lose(&mut self) {
        *self = Self { is_lost: true, is_refused: self.is_refused, ..Self::default() };
    }

    /// Whether messages were forgotten.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether the document was open on this connection before.
    pub fn was_joined(&self) -> bool {
        self.was_joined
    }

    /// How many messages wait.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, HeldBytes::bytes)
    }

    /// The messages, in order.
    pub fn into_messages(self) -> Vec<HeldMessage> {
        self.messages
    }
}
