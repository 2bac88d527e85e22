//! One room of a JSON connection.

use super::member::RoomMember;
use crate::auth::Access;
use crate::socket::session::forward::MESSAGE_BYTES;
use crate::socket::session::member_outlet::Standing;
use crate::socket::session::membership::Membership;
use crate::socket::session::request_queue::{Question, Request};

/// One room of the connection, joined or about to be.
pub struct JoinedRoom {
    pub membership: Membership<RoomMember>,
    pub access: Access,
}

impl JoinedRoom {
    /// Asks for the next page of the room's past.
    pub fn more(&self) -> Request {
        Request { link: self.membership.link().clone(), question: Question::More, charge: MESSAGE_BYTES }
    }

    /// Whether the room has not let the client in, or has put it out.
    pub fn is_over(&self) -> bool {
        self.membership.outlet().standing().is_over()
    }

    /// How the client stands with the room.
    pub fn standing(&self) -> Standing {
        self.membership.outlet().standing()
    }

    /// Whether the room has no more of the past to send.
    pub fn is_caught_up(&self) -> bool {
        self.membership.outlet().is_caught_up()
    }
}
