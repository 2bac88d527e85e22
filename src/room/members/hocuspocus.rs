//! A Hocuspocus member: the count that its provider keeps of what is not saved, mirrored as its messages come. See [`SyncCount`].

use bytes::Bytes;

use super::editor::Editor;
use super::kept_clocks::KeptClocks;
use super::receipt::Receipt;
use super::refusal::EditRefusal;
use crate::document::{PackedClocks, begins_after};
use crate::ids::RoomName;
use crate::protocol::EditKind;
use crate::protocol::hocuspocus::{self, Age, SyncCount};
use crate::wire::Frame;

/// What a provider had when it began to count: an Update that goes on from there is counted.
#[derive(Debug, Default)]
enum Beginning {
    /// Nothing older can come any more.
    #[default]
    Passed,
    /// Older Updates may come.
    Known(KeptClocks),
    /// They may, and it is not known what it had. No Update that may be older is counted: who counts too few says "saved" too late or
    /// never, who counts too many says it too early.
    Unknown,
}

/// What the room knows of a Hocuspocus provider.
#[derive(Debug, Default)]
pub struct HocuspocusEditor {
    /// What it counts as not saved.
    count: SyncCount,
    beginning: Beginning,
}

impl HocuspocusEditor {
    fn age(&mut self, update: &Bytes) -> Age {
        let nothing = PackedClocks::default();
        let is_after = match &self.beginning {
            Beginning::Passed => return Age::Newer,
            Beginning::Known(had) => begins_after(&had.clocks, update),
            Beginning::Unknown => begins_after(&nothing, update).map(|_| false),
        };
        // What it gathered since then comes as one Update. Behind it nothing is older.
        let is_last = is_after == Some(true) || (is_after.is_some() && matches!(self.beginning, Beginning::Unknown));
        if is_last && !self.count.owes_step2() {
            self.beginning = Beginning::Passed;
        }
        match is_after {
            Some(true) => Age::Newer,
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

    fn on_step1(&mut self, had: Option<KeptClocks>) {
        self.count.restart();
        self.beginning = had.map_or(Beginning::Unknown, Beginning::Known);
    }

    fn on_edit(&mut self, kind: EditKind, update: &Bytes, own_client: Option<u64>) {
        match kind {
            EditKind::Update => {
                let age = self.age(update);
                self.count.update(age);
            }
            EditKind::Step2 => {
                let is_asked_again = !self.count.owes_step2();
                self.count.step2();
                // What the provider had queued is here. What it gathers (`flushDelay`) may still begin with older typing.
                match &mut self.beginning {
                    Beginning::Known(had) => {
                        *had = KeptClocks { clocks: had.clocks.only(own_client), held: None };
                    }
                    // Asked once more since, as whoever may edit from now on is, it has sent that too.
                    Beginning::Unknown if is_asked_again => self.beginning = Beginning::Passed,
                    Beginning::Unknown | Beginning::Passed => {}
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
    use crate::budget::ByteBudget;
    use crate::document::Clocks;

    #[test]
    fn a_refused_message_is_told_by_a_status_and_none_is_saved_until_a_step2_brings_it() {
        let (mut editor, room) = (HocuspocusEditor::default(), RoomName::parse("r").unwrap());
        editor.on_step1(None);
        editor.on_edit(EditKind::Update, &Bytes::from_static(&[0, 0]), None);
        let told = editor.on_refused(EditRefusal::Harmful, &room);
        assert_eq!(told, Some(hocuspocus::sync_status("r", false)));
        editor.on_edit(EditKind::Step2, &Bytes::from_static(&[0, 0]), None);
        assert_eq!(editor.receipt(EditKind::Step2, None), Some(Receipt::Status(2)));
        assert!(editor.on_committed(2) > 0);
    }

    /// Yjs client 1 types "hi", and "!" behind it.
    const HI: &[u8] = &[1, 1, 1, 0, 4, 1, 1, b't', 2, b'h', b'i', 0];
    const MORE: &[u8] = &[1, 1, 1, 2, 0x84, 1, 1, 1, b'!', 0];

    /// How often "saved" is said when this is committed alone.
    fn saved(editor: &mut HocuspocusEditor, kind: EditKind, update: &'static [u8]) -> u64 {
        editor.on_edit(kind, &Bytes::from_static(update), Some(1));
        let messages = editor.taken(kind);
        editor.on_committed(messages)
    }

    fn had(clock: u32) -> Option<KeptClocks> {
        let mut clocks = Clocks::default();
        clocks.set(1, clock);
        Some(KeptClocks { clocks: PackedClocks::from(&clocks), held: None })
    }

    #[test]
    fn what_is_older_than_the_state_vector_brings_no_status_and_what_is_newer_does() {
        let mut editor = HocuspocusEditor::default();
        editor.on_step1(had(2));
        assert_eq!(saved(&mut editor, EditKind::Update, HI), 0);
        assert_eq!(saved(&mut editor, EditKind::Update, MORE), 1);
        assert_eq!(saved(&mut editor, EditKind::Step2, &[0, 0]), 1);
        assert_eq!(saved(&mut editor, EditKind::Update, HI), 0, "what it gathered");
        assert_eq!(saved(&mut editor, EditKind::Update, MORE), 1);
        assert!(matches!(editor.beginning, Beginning::Passed));
    }

    #[test]
    fn whose_state_vector_is_not_kept_is_never_told_too_early_that_all_is_saved() {
        let mut editor = HocuspocusEditor::default();
        editor.on_step1(None);
        assert_eq!(saved(&mut editor, EditKind::Update, HI), 0, "it may have been queued");
        assert_eq!(saved(&mut editor, EditKind::Update, MORE), 0);
        assert_eq!(saved(&mut editor, EditKind::Step2, &[0, 0]), 1);
        assert_eq!(saved(&mut editor, EditKind::Update, HI), 0, "it may have been gathered");
        assert_eq!(saved(&mut editor, EditKind::Update, MORE), 1, "nothing older comes behind it");
        editor.on_step1(None);
        saved(&mut editor, EditKind::Step2, &[0, 0]);
        saved(&mut editor, EditKind::Step2, &[0, 0]);
        assert_eq!(saved(&mut editor, EditKind::Update, HI), 1, "it was asked again since");
    }

    #[test]
    fn what_a_state_vector_held_is_given_back_when_its_step2_comes_or_a_new_step1() {
        let budget = ByteBudget::new(10, None);
        let holds = || had(2).map(|had| KeptClocks { held: Some(budget.hold(10)), ..had });
        let mut editor = HocuspocusEditor::default();
        editor.on_step1(holds());
        assert_eq!(budget.left(), Some(0));
        editor.on_step1(None);
        assert_eq!(budget.left(), Some(10));
        editor.on_step1(holds());
        saved(&mut editor, EditKind::Step2, &[0, 0]);
        assert_eq!(budget.left(), Some(10));
        assert!(matches!(&editor.beginning, Beginning::Known(had) if had.clocks.get(1) == 2));
    }
}
