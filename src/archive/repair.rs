//! Looks at what is stored of one room, edit by edit, and makes a new snapshot of it.

use bytes::Bytes;

use super::{Archive, ArchiveError, build, unblocked};
use crate::document::{Blocks, SetAside};
use crate::ids::{RoomName, Seq, UserId};
use crate::store::{Entry, RoomId};

/// What was found of a room.
#[derive(Debug)]
pub struct Examined {
    room: RoomId,
    head: Seq,
    epoch: i64,
    /// Its document as all its edits make it, those set aside left out.
    document: Blocks,
    /// How many edits there are.
    pub edits: u64,
    /// Those that are not, or not wholly, in the document.
    pub damaged: Vec<DamagedEdit>,
    /// The newest snapshot, if there is one.
    pub snapshot: Option<SnapshotFound>,
}

/// An edit that is set aside when the room is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedEdit {
    /// Its place in the timeline.
    pub seq: Seq,
    /// Who made it.
    pub author: UserId,
    /// When it was committed, in Unix milliseconds.
    pub at_ms: i64,
    /// Its length.
    pub bytes: u64,
    /// Why it is set aside.
    pub reason: String,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFound {
    /// The last entry that is in it.
    pub seq: Seq,
    /// Its length.
    pub bytes: usize,
    /// What is wrong with it, if anything is.
    pub damage: Option<String>,
}

impl Archive {
    /// Reads all that is stored of a room's document, whatever its snapshots say; `None` if the room is not in the store. Memory
    /// follows the document and what of it is damaged.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn examine(&self, name: &RoomName) -> Result<Option<Examined>, ArchiveError> {
        let Some(loaded) = self.store.load(name).await? else { return Ok(None) };
        let horizon = self.store.horizon(loaded.id).await?;
        let dropped = self.store.snapshot_at(loaded.id, horizon).await?;
        let (mut document, _) = build(self.empty(name), dropped.into_iter().collect()).await?;
        let (mut edits, mut after, mut left) = (0, Some(horizon), Vec::new());
        loop {
            let page = self.page(loaded.id, after, loaded.head).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.seq);
            edits += page.len() as u64;
            let set_aside;
            (document, set_aside) = build(document, bodies(&page)).await?;
            let places: Vec<usize> = set_aside.into_iter().map(|one| one.place).collect();
            left.extend(page.into_iter().enumerate().filter(|(at, _)| places.contains(at)).map(|(_, entry)| entry));
        }
        // What they build on may have come on a later page.
        let (document, set_aside) = build(document, bodies(&left)).await?;
        let damaged = set_aside.into_iter().map(|SetAside { place, reason }| {
            let Entry { seq, author, at_ms, body_bytes, .. } = &left[place];
            DamagedEdit { seq: *seq, author: author.clone(), at_ms: *at_ms, bytes: *body_bytes, reason }
        });
        let damaged = damaged.collect();
        let (room, head, epoch) = (loaded.id, loaded.head, loaded.epoch);
        let mut examined = Examined { room, head, epoch, document, edits, damaged, snapshot: None };
        if let Some((seq, state)) = loaded.snapshot {
            let bytes = state.len();
            let later = loaded.edits.into_iter().map(|(_, edit)| edit);
            let damage = self.damage(name, state, later, &examined.document).await?;
            examined.snapshot = Some(SnapshotFound { seq, bytes, damage });
        }
        Ok(Some(examined))
    }

    /// What is wrong with a snapshot: it cannot be read, or lacks what the edits up to it have.
    async fn damage(
        &self,
        name: &RoomName,
        state: Bytes,
        later: impl Iterator<Item = Bytes>,
        expected: &Blocks,
    ) -> Result<Option<String>, ArchiveError> {
        let (document, set_aside) = build(self.empty(name), vec![state]).await?;
        if let Some(SetAside { reason, .. }) = set_aside.into_iter().next() {
            return Ok(Some(reason));
        }
        let (document, _) = build(document, later.collect()).await?;
        let lacks = !document.brings_nothing(&expected.state().into());
        Ok(lacks.then(|| "it lacks what the entries before it have".to_owned()))
    }

    /// Saves what all edits of a room make as its newest snapshot; its seq and size.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn rebuild(&self, examined: Examined) -> Result<(Seq, usize), ArchiveError> {
        let Examined { room, head, epoch, document, .. } = examined;
        let state = unblocked(move || document.state()).await?;
        let bytes = state.len();
        self.store.save_snapshot(room, head, state.into(), epoch).await?;
        Ok((head, bytes))
    }
}

fn bodies(entries: &[Entry]) -> Vec<Bytes> {
    entries.iter().map(|entry| entry.body.clone().unwrap_or_default()).collect()
}
