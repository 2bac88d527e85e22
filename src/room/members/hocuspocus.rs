//! A Hocuspocus member: the count that its provider keeps of what is not saved, mirrored as its messages come. See [`SyncCount`].

use bytes::Bytes;

use super::editor::Editor;
use super::receipt::Receipt;
use super::refusal::EditRefusal;
use crate::document::{Clocks, begins_after};
use crate::ids::RoomName;
use crate::protocol::EditKind;
use crate::protocol::hocuspocus::{self, Age, SyncCount};
use crate::wire::Frame;

/// What the room knows of a Hocuspocus provider.
#[derive(Debug, Default)]
pub struct HocuspocusEditor {
    /// What it counts as not saved.
    count: SyncCount,
    /// What it had when it began to count, as long as older Updates may come.
    began_with: Option<Clocks>,
}

impl HocuspocusEditor {
    fn age(&mut self, update: &Bytes) -> Age {
        let Some(clocks) = &self.began_with else { return Age::Newer };
        match begins_after(clocks, update) {
            Some(true) => {
                if !self.count.owes_step2() {
                    self.began_with = None;
                }
                Age::Newer
            }
            Some(false) => Age::Older,
            None => Age::Unknown,
        }
    }

    /// How many messages are committed with one that is taken.
    fn taken(&mut self, kind: EditKind) -> u64 {
        match kind {
            EditKind::Update => 1,
            EditKind::Step2 => self.count.taken_step2(),
        }
    }
}

impl Editor for HocuspocusEditor {
    fn is_asked_on_step1(&self) -> bool {
        true
    }

    fn messages_per_edit(&self) -> u64 {
        1
    }

    fn on_step1(&mut self, state_vector: &Bytes) {
        self.count.restart();
        // A state vector that cannot be read ends the document when it is answered.
        self.began_with = Clocks::read(state_vector).ok();
    }

    fn on_edit(&mut self, kind: EditKind, update: &Bytes, own_client: Option<u64>) {
        match kind {
            EditKind::Update => {
                let age = self.age(update);
                self.count.update(age);
            }
            EditKind::Step2 => {
                self.count.step2();
                // What the provider had queued is here. What it gathers (`flushDelay`) may still begin with older typing.
                if let Some(clocks) = &mut self.began_with {
                    clocks.keep_only(own_client);
                }
            }
        }
    }

    fn on_unread_edit(&mut self, kind: EditKind) {
        match kind {
            EditKind::Update => self.count.update(Age::Unknown),
            EditKind::Step2 => self.count.step2(),
        }
    }

    fn receipt(&mut self, kind: EditKind, _: Option<Frame>) -> Option<Receipt> {
        Some(Receipt::Status(self.taken(kind)))
    }

    fn receipt_for_known(&mut self, kind: EditKind, _: &Bytes) -> Option<Receipt> {
        Some(Receipt::Status(self.taken(kind)))
    }

    fn on_committed(&mut self, messages: u64) -> u64 {
        self.count.committed(messages)
    }

    fn on_messages_refused(&mut self, messages: u64) {
        self.count.refuse(messages);
    }

    fn on_refused(&mut self, _: EditRefusal, room: &RoomName) -> Option<Frame> {
        self.count.refuse(1);
        Some(hocuspocus::sync_status(room.as_str(), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_message_is_told_by_a_status_and_none_is_saved_until_a_step2_brings_it() {
        let (mut editor, room) = (HocuspocusEditor::default(), RoomName::parse("r").unwrap());
        editor.on_step1(&Bytes::from_static(&[0]));
        editor.on_edit(EditKind::Update, &Bytes::from_static(&[0, 0]), None);
        let told = editor.on_refused(EditRefusal::Harmful, &room);
        assert_eq!(told, Some(hocuspocus::sync_status("r", false)));
        editor.on_edit(EditKind::Step2, &Bytes::from_static(&[0, 0]), None);
        assert_eq!(editor.receipt(EditKind::Step2, None), Some(Receipt::Status(2)));
        assert!(editor.on_committed(2) > 0);
    }
}
