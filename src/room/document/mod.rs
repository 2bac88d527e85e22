//! The document of a room: loading, edits, replies to Step1, what is missing, snapshots.

pub(super) mod editing;
pub(super) mod loading;
pub(super) mod memory;
pub(super) mod missing;
#[cfg(test)]
mod promise;
pub(super) mod refusals;
pub(super) mod saved_questions;
pub(super) mod snapshots;
pub(super) mod sync_count;
pub(super) mod sync_replies;
