//! The count that a Hocuspocus client keeps of what is not saved, mirrored as its messages come. See [`SyncCount`].

use crate::document::{Clocks, begins_after};
use crate::protocol::hocuspocus::{Age, SyncCount};
use crate::protocol::{Dialect, EditKind};
use crate::room::members::Member;
use crate::room::messages::{Edit, StartCount};
use crate::room::room::Room;

impl Room {
    /// Starts a client's count anew.
    pub(in crate::room) fn start_count(&mut self, message: StartCount) {
        let Some(member) = self.members.get_mut(message.from) else { return };
        self.outbound.credit(member.link, message.from, message.charge);
        member.sync.restart();
        // A state vector that cannot be read ends the document when it is answered.
        member.began_with = Clocks::read(&message.state_vector).ok();
    }
}

/// Counts an edit that has come.
pub(in crate::room) fn count(member: &mut Member, edit: &Edit) {
    if member.dialect != Dialect::Hocuspocus {
        return;
    }
    match edit.kind {
        EditKind::Update => {
            let age = age(member, edit);
            member.sync.update(age);
        }
        EditKind::Step2 => {
            member.sync.step2();
            // What the provider had queued is here. What it gathers (`flushDelay`) may still begin with older typing.
            if let Some(clocks) = &mut member.began_with {
                clocks.keep_only(member.own_client);
            }
        }
    }
}

fn age(member: &mut Member, edit: &Edit) -> Age {
    let Some(clocks) = &member.began_with else { return Age::Newer };
    match begins_after(clocks, &edit.update) {
        Some(true) => {
            if !member.sync.owes_step2() {
                member.began_with = None;
            }
            Age::Newer
        }
        Some(false) => Age::Older,
        None => Age::Unknown,
    }
}

/// Counts an edit that the room cannot look at.
pub(in crate::room) fn count_unread(member: &mut Member, kind: EditKind) {
    if member.dialect == Dialect::Hocuspocus {
        match kind {
            EditKind::Update => member.sync.update(Age::Unknown),
            EditKind::Step2 => member.sync.step2(),
        }
    }
}

/// How many messages of a Hocuspocus client are committed with one that is taken.
pub(in crate::room) fn taken(sync: &mut SyncCount, kind: EditKind) -> u64 {
    match kind {
        EditKind::Update => 1,
        EditKind::Step2 => sync.taken_step2(),
    }
}
