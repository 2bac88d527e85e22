//! What an edit means in a member's protocol. Each protocol has one type that implements [`Editor`] and keeps what the room has to
//! know of such a member; nothing else in the room asks which protocol a member speaks.

use bytes::Bytes;

use super::kept_clocks::KeptClocks;
use super::receipt::Receipt;
use super::refusal::EditRefusal;
use crate::ids::RoomName;
use crate::protocol::EditKind;
use crate::protocol::yjs::SavedQuestion;
use crate::wire::Frame;

/// A member's side of editing. The defaults are those of members who edit no document.
pub trait Editor {
    /// Whether a member who may edit is asked by Step1 when it joins.
    fn is_asked_on_join(&self) -> bool {
        false
    }

    /// Whether a member who may edit is asked by Step1 whenever it sends its own.
    fn is_asked_on_step1(&self) -> bool {
        false
    }

    /// Whether the member takes the echo of its own typing for the commit, also where another forwarded it.
    fn takes_echo_for_commit(&self) -> bool {
        false
    }

    /// Whether a refusal for good ends the connection, because the protocol has no word for it.
    fn is_closed_on_refusal(&self) -> bool {
        false
    }

    /// For how many messages an edit counts until a status tells that they are saved.
    fn messages_per_edit(&self) -> u64 {
        0
    }

    /// The member has sent Step1; what it had then, if that is kept.
    fn on_step1(&mut self, _had: Option<KeptClocks>) {}

    /// An edit has come. `own_client` is the Yjs client that the member announced first.
    fn on_edit(&mut self, _kind: EditKind, _update: &Bytes, _own_client: Option<u64>) {}

    /// An edit has come that the room cannot look at.
    fn on_unread_edit(&mut self, _kind: EditKind) {}

    /// A Step2 was handled. Returns the questions that waited for it.
    fn on_step2_handled(&mut self, _may_edit: bool) -> Vec<SavedQuestion> {
        Vec::new()
    }

    /// How the member hears that its edit is committed; `echo` is the frame that the others were sent.
    fn receipt(&mut self, _kind: EditKind, _echo: Option<Frame>) -> Option<Receipt> {
        None
    }

    /// How the member hears that an edit with nothing new is committed; `None` where nobody waits for a word on it.
    fn receipt_for_known(&mut self, _kind: EditKind, _update: &Bytes) -> Option<Receipt> {
        None
    }

    /// So many messages are committed. How often to send the status "saved".
    fn on_committed(&mut self, _messages: u64) -> u64 {
        0
    }

    /// So many messages will not be committed, without a word on each.
    fn on_messages_refused(&mut self, _messages: u64) {}

    /// An edit is refused. The frame that tells the member, which stays connected.
    fn on_refused(&mut self, _refusal: EditRefusal, _room: &RoomName) -> Option<Frame> {
        None
    }

    /// The frame that tells the member that its awareness is refused; `None` where nobody but its own document would hear of it.
    fn awareness_refused(&self, _reason: &str) -> Option<Frame> {
        None
    }
}
