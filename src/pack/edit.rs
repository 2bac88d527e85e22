//! What is packed, within which bounds, and what can be wrong with a pack.

use bytes::Bytes;

use crate::ids::{Seq, UserId};

/// Most edits of a pack: more are hardly smaller, and one is unpacked as a whole.
pub const PACK_ENTRIES_MAX: usize = 4_096;
/// Most bytes of their bodies. A pack is unpacked as a whole, into memory.
pub const PACK_BYTES_MAX: usize = 256 << 10;
/// The longest body that is packed.
pub const PACKED_BODY_BYTES_MAX: usize = 64 << 10;

/// An edit, as it is packed and unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackedEdit {
    /// Its place in the timeline.
    pub seq: Seq,
    /// Who made it.
    pub author: UserId,
    /// Who sent it, where that is somebody else.
    pub via: Option<UserId>,
    /// When it was committed, in Unix milliseconds.
    pub at_ms: i64,
    /// Its content.
    pub body: Bytes,
}

/// A pack that does not hold what was packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damaged {
    /// Another program's, or one that no release reads any more, or none.
    #[error("it is of an unknown layout")]
    Layout,
    /// A bit is not as it was written.
    #[error("its checksum is not that of its content")]
    Checksum,
    /// Its columns do not fit each other, or hold more than a pack does.
    #[error("its columns do not fit each other")]
    Columns,
}

/// How bodies are packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bodies {
    /// In columns, those that can be.
    InColumns,
    /// As they are, all of them.
    AsTheyAre,
}
