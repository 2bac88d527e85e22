//! Who is in a room and what they show of themselves: awareness states, the roster of users, typing.

pub(super) mod awareness;
pub(super) mod batch;
pub(super) mod roster;
pub(super) mod typing;
pub(super) mod users;
