//! A session's membership of a room: joined when it is made, left when it is dropped.

use std::cell::Cell;
use std::rc::Rc;

use actix::Addr;

use super::charges::Charges;
use super::io::SessionIo;
use super::member_outlet::{MemberKind, MemberOutlet};
use crate::auth::{Identity, Rights};
use crate::ids::MemberId;
use crate::room::{Join, JsonJoin, Lease, Leave, LocalRelay, Renew, Room, Seat};

/// The way from a session to one of its rooms.
#[derive(Clone)]
pub struct RoomLink {
    /// The member that the session is there.
    pub member: MemberId,
    /// The room.
    pub room: Addr<Room>,
    /// What the member's messages take of the socket's credit.
    pub charges: Rc<Charges>,
}

/// One membership. Unless it is [left](Self::leave), the member may come back.
pub struct Membership<M: MemberKind> {
    link: RoomLink,
    outlet: Rc<MemberOutlet<M>>,
    relay: LocalRelay,
    is_for_good: bool,
}

impl<M: MemberKind> Membership<M> {
    /// Asks a room to let `member` in. `has_news` is set when the session has to look at what became of that.
    pub fn join(
        lease: Lease,
        identity: &Identity,
        rights: Rights,
        json: Option<Box<JsonJoin>>,
        member: M,
        has_news: Rc<Cell<bool>>,
        io: &SessionIo,
    ) -> Self {
        let room = lease.room().clone();
        let charges = Rc::new(Charges::new(io.outbox.clone()));
        let outlet = MemberOutlet::new(io.outbox.clone(), member, charges.clone(), has_news);
        let member = io.relay.seat(outlet.clone());
        room.do_send(Join {
            lease: lease.into_guard(),
            seat: Seat::new(member, io.relay.handle()),
            dialect: M::DIALECT,
            user: identity.user.clone(),
            name: identity.name.clone(),
            rights,
            json,
        });
        Self { link: RoomLink { member, room, charges }, outlet, relay: io.relay.clone(), is_for_good: false }
    }

    /// The way to the room.
    pub fn link(&self) -> &RoomLink {
        &self.link
    }

    /// What became of the membership.
    pub fn outlet(&self) -> &MemberOutlet<M> {
        &self.outlet
    }

    /// A renewed token has these rights, and calls the user as `identity` does.
    pub fn renew(&self, identity: &Identity, rights: Rights) {
        self.link.room.do_send(Renew { member: self.link.member, rights, name: identity.name.clone() });
    }

    /// Leaves the room while the socket goes on.
    pub fn leave(mut self, is_for_good: bool) {
        self.is_for_good = is_for_good;
    }

    /// Leaves the room since the socket has ended: nobody needs the credit that is still out.
    pub fn end(mut self, is_for_good: bool) {
        self.is_for_good = is_for_good;
        self.link.charges.leave();
        self.link.charges.forgive();
    }
}

impl<M: MemberKind> Drop for Membership<M> {
    fn drop(&mut self) {
        let RoomLink { member, room, charges } = &self.link;
        room.do_send(Leave { from: *member, is_for_good: self.is_for_good });
        self.outlet.leave();
        // Else the relay keeps the outlet until the room has given all credit back.
        if charges.is_over() {
            self.relay.unseat(*member);
        }
    }
}
