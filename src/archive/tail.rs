//! When a snapshot pays: what keeps a room's loading in proportion to its document, however old the room is.

use bytes::Bytes;

/// Edits after a snapshot, by [`weight`], that are always fine.
const TAIL_BYTES_MIN: usize = 256 * 1024;
/// What an edit costs to load beside its bytes: as much as about so many bytes of a state.
const EDIT_BYTES: usize = 160;

/// What an edit counts in the tail, in bytes.
pub fn weight(edit: &Bytes) -> usize {
    edit.len() + EDIT_BYTES
}

/// How much has to be loaded beside the newest snapshot.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tail {
    /// The newest snapshot's size; 0 without one.
    state_bytes: usize,
    /// Committed edits after it, by [`weight`].
    bytes: usize,
}

impl Tail {
    /// The tail of a room whose newest snapshot has `state_bytes`.
    pub fn new(state_bytes: usize, bytes: usize) -> Self {
        Self { state_bytes, bytes }
    }

    /// Counts edits that were committed.
    pub fn lengthen(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The newest snapshot's size.
    pub fn state_bytes(&self) -> usize {
        self.state_bytes
    }

    /// How much it is, by [`weight`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A snapshot was made of all but what was committed after there were `bytes`.
    pub fn shorten(&mut self, bytes: usize, state_bytes: usize) {
        self.bytes -= bytes.min(self.bytes);
        self.state_bytes = state_bytes;
    }

    /// Whether a snapshot pays: loading costs as much for the tail as for the state, so each byte of state is written again only
    /// for a byte of edits.
    pub fn is_long(&self) -> bool {
        self.bytes > TAIL_BYTES_MIN.max(self.state_bytes)
    }
}
