//! A member's seat at its relay, as its room is given it: the room decides who takes it.

use super::relay::{RelayHandle, SeatLost};
use crate::ids::MemberId;

/// The seat of a member to be. If it is dropped undecided, its room has died: the member is told to come back.
pub struct Seat {
    member: MemberId,
    relay: RelayHandle,
    is_decided: bool,
}

impl Seat {
    /// Of a member that is reachable by a relay.
    pub fn new(member: MemberId, relay: RelayHandle) -> Self {
        Self { member, relay, is_decided: false }
    }

    /// Whose it is.
    pub fn member(&self) -> MemberId {
        self.member
    }

    /// The relay of the socket's thread, which knows the member's outlet.
    pub fn relay(&self) -> &RelayHandle {
        &self.relay
    }

    /// The room has let the member in, or told it why not.
    pub fn decide(mut self) {
        self.is_decided = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_decided {
            self.relay.addr.do_send(SeatLost(self.member));
        }
    }
}
