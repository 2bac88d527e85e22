//! Documents. A live room keeps [`Blocks`]: what clients wrote, by Yjs client and clock, and what is deleted. It orders, keeps and
//! answers what a client lacks; merging is done by the clients. Who wants to read a document makes a [`View`] of a copy.
//!
//! Pure: no I/O, no clock, no randomness, no actors; it knows Yjs updates and nothing of who sends them or where they are kept.
//!
//! [`scan`] reads an update and refuses what cannot be one; [`apply`] decides what of it is new and joins; [`encode`] answers with states
//! and what somebody lacks; [`load`] reads what is stored; [`v2`] rewrites
//! another encoding; [`past`] answers with what was; [`redact`] takes content out for good; [`known`], what of an update others have stored. Below them: [`content`], what a block holds; [`slots`], where blocks lie;
//! [`ranges`], what is deleted; [`json`], plain values.

mod apply;
mod blocks;
mod clocks;
mod content;
mod encode;
mod format;
mod json;
mod known;
mod load;
mod past;
mod ranges;
mod redact;
mod redo;
mod scan;
mod slots;
mod split;
#[cfg(test)]
mod tests;
mod v2;
mod view;

pub use apply::{Applied, News, begins_after};
pub use blocks::Blocks;
pub use clocks::{Clocks, PackedClocks};
pub use content::{Content, Kind};
pub use encode::DeletedContent;
pub use format::{Format, UnknownFormat};
pub use json::Json;
pub use known::Known;
pub use load::SetAside;
pub use past::{Brought, IdRange, PastState};
pub use redact::{ERASED_RANGES_MAX, ErasedUnits, has_words};
pub use redo::{ItemPart, Parts, Place, Redo};
pub use scan::{Block, Parent, Scan, Section, scan};
pub use split::split_updates;
pub use v2::from_v2;
pub use view::{
    DraftError, Items, Meter, Nested, Operation, ReadingBudget, RenderError, TooCostly, TypeKind, View, ViewError,
    ViewItem, Wanted,
};

use crate::protocol::DecodeError;

/// Deepest nesting of shared types (a text in a map in an array …): clients walk them by recursion.
pub const NESTING_MAX: u32 = 128;
/// Deepest nesting of plain values inside one shared value, for the same reason.
pub const VALUE_DEPTH_MAX: u32 = 64;
/// Most Yjs clients that one edit may bring into a document.
pub const NEW_CLIENTS_MAX: usize = 4096;

/// A block's place: its Yjs client and the clock of a unit of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The Yjs client that wrote it.
    pub client: u64,
    /// The clock.
    pub clock: u32,
}

/// Why an edit is not in the document, which is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no update.
    #[error("the edit cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// What no Yjs client writes.
    #[error("the edit cannot come from a Yjs client: {0}")]
    Impossible(&'static str),
    /// Plain values nested deeper than [`VALUE_DEPTH_MAX`].
    #[error("values are nested more than {VALUE_DEPTH_MAX} deep")]
    ValueTooDeep,
    /// Shared types nested deeper than [`NESTING_MAX`].
    #[error("shared types are nested more than {NESTING_MAX} deep")]
    NestedTooDeep,
    /// It builds on, or deletes, what the document does not have, and had to be taken whole.
    #[error("the edit builds on what the document does not have")]
    Incomplete,
    /// More new Yjs clients than [`NEW_CLIENTS_MAX`].
    #[error("one edit may bring at most {NEW_CLIENTS_MAX} new Yjs clients")]
    TooManyClients,
    /// The document would hold more than its limit.
    #[error("the document would hold more than {limit} bytes")]
    TooLarge {
        /// The limit in force, in bytes.
        limit: usize,
    },
    /// It goes on with a Yjs client that its sender may not write for.
    #[error("the edit goes on with another's Yjs client")]
    OfAnother {
        /// What the document must reach to have all of it, as in [`Applied::lacking`].
        lacking: Vec<(u64, u32)>,
    },
}
