//! Why the past cannot be told.

use crate::document::{RenderError, TooCostly, ViewError};
use crate::ids::Seq;
use crate::layout::Unreadable;
use crate::protocol::DecodeError;
use crate::store::StoreError;

/// Why the past cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store did not answer, or not with what it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The document as it was cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// There is no such root type in it.
    #[error(transparent)]
    Root(#[from] RenderError),
    /// What was asked for is not, or not yet.
    #[error("the room's timeline ends at {0}")]
    AfterHead(Seq),
    /// What was asked for is older than what is kept: the first entry that there is.
    #[error("what came before entry {0} was dropped, for it was older than is kept")]
    Dropped(Seq),
    /// A place beyond the end of a root type: how many units it has.
    #[error("the root type has {0} units there")]
    NoSuchPlace(u64),
    /// Replays are told of texts and XML.
    #[error("a replay is of a root type that is a text or XML; this one is neither")]
    NoReplay,
    /// It is larger than may be held.
    #[error("the room's history is too large to be read")]
    TooLarge,
    /// A fault of the server.
    #[error("reading a history failed: {0}")]
    Fault(String),
}

impl From<TooCostly> for HistoryError {
    fn from(error: TooCostly) -> Self {
        Self::View(error.into())
    }
}

impl HistoryError {
    /// Whether a newer release has stored what is needed, which was told.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Store(StoreError::Newer(_)))
    }
}

impl From<Unreadable<DecodeError>> for HistoryError {
    fn from(error: Unreadable<DecodeError>) -> Self {
        match error {
            Unreadable::Newer(newer) => Self::Store(newer.into()),
            Unreadable::Damaged(damage) => damage.into(),
        }
    }
}

impl From<DecodeError> for HistoryError {
    fn from(error: DecodeError) -> Self {
        // What is stored was looked through when it was read.
        Self::Fault(error.to_string())
    }
}
