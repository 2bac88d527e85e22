//! The way from the store to a document: what a room's document was at its last committed entry, and when a snapshot of it is due.
//!
//! Reading is done beside rooms, on threads that may block. Damage costs what is damaged: it is set aside with a line in the log, and
//! never makes a document empty.

mod packing;
mod repair;
mod rules;
mod tail;

use std::sync::Arc;

use bytes::Bytes;

pub use packing::{pack_all, pack_once};
pub use repair::{DamagedEdit, Examined, SnapshotFound};
pub use rules::DocumentRules;
pub use tail::{Tail, weight};

use crate::document::{Blocks, SetAside};
use crate::ids::{RoomName, Seq, UserId};
use crate::store::{Bodies, Entry, EntryKind, HistoryQuery, Kinds, Loaded, Page, RoomId, Store, StoreError};

/// Entries read at once where all of a room's edits are read.
const PAGE_ENTRIES: u32 = 1000;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The store did not answer, or not with what it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the server.
    #[error("reading a document panicked: {0}")]
    Panic(String),
}

/// A room as it is committed.
#[derive(Debug)]
pub struct Stored {
    /// The room's row.
    pub id: RoomId,
    /// The last entry that is in it.
    pub head: Seq,
    /// The room's epoch.
    pub epoch: i64,
    /// Its document.
    pub document: Blocks,
    /// Whether it has one at all, and not only messages.
    pub has_document: bool,
    /// Who brought which Yjs client first.
    pub clients: Vec<(u64, UserId)>,
    /// What of it is after the newest snapshot.
    pub tail: Tail,
}

/// Reads documents from the store.
#[derive(Clone)]
pub struct Archive {
    store: Store,
    rules: Arc<DocumentRules>,
}

impl Archive {
    /// Reads from `store`.
    pub fn new(store: Store, rules: DocumentRules) -> Self {
        Self { store, rules: Arc::new(rules) }
    }

    /// A document without anything in it, for a room of this name.
    pub fn empty(&self, room: &RoomName) -> Blocks {
        self.rules.empty(room)
    }

    /// The room at its head; `None` if it is not in the store.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn read(&self, room: &RoomName) -> Result<Option<Stored>, ArchiveError> {
        let Some(loaded) = self.store.load(room).await? else { return Ok(None) };
        let Loaded { id, head, epoch, snapshot, edits, clients } = loaded;
        let has_document = snapshot.is_some() || !edits.is_empty();
        let has_snapshot = snapshot.is_some();
        let mut tail = tail_of(snapshot.as_ref().map_or(0, |(_, state)| state.len()), &edits);
        // The seq up to which the snapshot is, then those of the edits.
        let (mut seqs, updates): (Vec<Seq>, Vec<Bytes>) = snapshot.into_iter().chain(edits).unzip();
        let (mut document, mut set_aside) = build(self.empty(room), updates).await?;
        if has_snapshot && let Some(SetAside { place: 0, reason }) = set_aside.first() {
            let seq = seqs[0].0;
            tracing::error!(room.name = %room, seq, reason, "a snapshot is damaged, all entries are read in its place");
            let edits = self.edits(id, head).await?;
            tail = tail_of(0, &edits);
            let updates;
            (seqs, updates) = edits.into_iter().unzip();
            (document, set_aside) = build(self.empty(room), updates).await?;
        }
        for SetAside { place, reason } in set_aside {
            let seq = seqs[place].0;
            tracing::error!(room.name = %room, seq, reason, "a stored edit is set aside; look at the room with tutti room repair");
        }
        Ok(Some(Stored { id, head, epoch, document, has_document, clients, tail }))
    }

    /// All edits up to a seq, in order, behind what stays of those that were dropped.
    async fn edits(&self, room: RoomId, upto: Seq) -> Result<Vec<(Seq, Bytes)>, ArchiveError> {
        let horizon = self.store.horizon(room).await?;
        let mut edits = Vec::from_iter(self.store.snapshot_at(room, horizon).await?.map(|state| (horizon, state)));
        let mut after = Some(horizon);
        loop {
            let page = self.page(room, after, upto).await?;
            let Some(last) = page.last() else { return Ok(edits) };
            after = Some(last.seq);
            edits.extend(page.into_iter().filter_map(|entry| Some((entry.seq, entry.body?))));
        }
    }

    /// The next of a room's edits up to a seq, with their bodies; empty where there are no more.
    async fn page(&self, room: RoomId, after: Option<Seq>, upto: Seq) -> Result<Vec<Entry>, ArchiveError> {
        let query = HistoryQuery {
            after,
            before: Some(Seq(upto.0 + 1)),
            kinds: Kinds::Only(EntryKind::Edit),
            author: None,
            limit: PAGE_ENTRIES,
            page: Page::Oldest,
            bodies: Bodies::All,
        };
        Ok(self.store.remaining(room, query).await?)
    }

    /// Merges what is committed of a room into a new snapshot; its seq and size. `None` if the room is not in the store.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn save_snapshot(&self, room: &RoomName) -> Result<Option<(Seq, usize)>, ArchiveError> {
        let Some(Stored { id, head, epoch, document, .. }) = self.read(room).await? else { return Ok(None) };
        let state = unblocked(move || document.state()).await?;
        let bytes = state.len();
        self.store.save_snapshot(id, head, state.into(), epoch).await?;
        Ok(Some((head, bytes)))
    }
}

fn tail_of(state_bytes: usize, edits: &[(Seq, Bytes)]) -> Tail {
    Tail::new(state_bytes, edits.iter().map(|(_, edit)| weight(edit)).sum())
}

/// Reads updates into a document; what could not be taken.
async fn build(mut document: Blocks, updates: Vec<Bytes>) -> Result<(Blocks, Vec<SetAside>), ArchiveError> {
    unblocked(move || {
        let set_aside = document.load(&updates);
        (document, set_aside)
    })
    .await
}

/// Does what may take long on a thread where nobody waits for it.
async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| ArchiveError::Panic(panic.to_string()))
}
