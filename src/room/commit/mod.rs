//! How a room's entries become durable.

pub(super) mod appends;
pub(super) mod journal;
pub(super) mod uncommitted;
