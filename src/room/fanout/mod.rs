//! From a room to the sockets of its members.

pub(super) mod outbound;
pub(super) mod pace;
pub(super) mod relay;
pub(super) mod user_sockets;
