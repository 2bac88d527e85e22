//! The timeline of a room: publishing, steps, replay for JSON members that come back, what other processes wrote.

pub(super) mod foreign;
pub(super) mod publishing;
pub(super) mod recent;
pub(super) mod replay;
pub(super) mod steps;
