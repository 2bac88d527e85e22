//! A room's past: any state that its document had, who wrote what of it, what changed between two states, and how to undo that.
//!
//! All of it is read from a [`History`]: the edits of a room in memory, merged, none of their content dropped, with an index of what
//! each of them inserted and deleted. It is made of stored segments, which are made of the entries, and of the entries after the last
//! segment. So the past is read without the entries, and the live room is not touched.

mod activity;
mod authors;
mod base;
mod blame;
mod builder;
mod change;
mod compare;
mod content;
mod diff;
mod difference;
mod erasable;
mod eraser;
mod erasure;
mod error;
mod index;
mod marks;
mod moments;
mod moves;
mod past;
mod pending;
mod pieces;
mod quotes;
mod replay;
mod restore;
mod restore_key;
mod retention;
mod rooms;
mod segment;
mod stamps;
#[cfg(test)]
mod tests;
mod undo;
mod unified;
mod units;

pub use activity::{GAP_MS, Session, Work};
pub use authors::{Authors, Credit};
pub use blame::{Blame, BlameRun};
pub use builder::build_all;
pub use change::Change;
pub use diff::RootChanges;
pub use difference::{Attributes, Changes, Difference, Entry, KeyChange, Reformat, Shared, What};
pub use erasable::{Erasable, ErasableCounts, Span};
pub use eraser::erase;
pub use erasure::{Erasure, Notice};
pub use error::HistoryError;
pub use index::EditHead;
pub use past::History;
pub use quotes::{CutQuote, Quote};
pub use replay::{Column, Moved, Node, NodeKind, Pair, Replay};
pub use restore::RestorePlan;
pub use restore_key::restore_key;
pub use retention::Sweeper;
pub use rooms::{Histories, Open, When};
pub use undo::Undone;
