//! How a document comes to life: from the newest snapshot and the edits after it, never empty because the store failed.

use std::sync::Arc;
use std::time::Instant;

use super::LiveDocument;
use super::large_frames::StateBudget;
use crate::archive::{ArchiveError, Stored, Tail};
use crate::budget::ByteBudget;
use crate::document::Blocks;

/// Why a document could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no memory for it.
    #[error("all documents that are live hold as much memory as they may (TUTTI_DOCUMENTS_BYTES_MAX)")]
    Full,
}

impl LiveDocument {
    /// The document that was `stored`, or the `empty` one of a room without a row.
    pub fn load(
        stored: Option<Stored>,
        empty: impl FnOnce() -> Blocks,
        documents: &Arc<ByteBudget>,
        states: Arc<StateBudget>,
        now: Instant,
    ) -> Self {
        match stored {
            Some(Stored { document, clients, tail, .. }) => {
                Self::new(document, clients.into_iter().collect(), tail, documents, states, now)
            }
            None => Self::new(empty(), Default::default(), Tail::default(), documents, states, now),
        }
    }
}
