//! The rooms of a JSON connection: coming in with what was missed, leaving, being put out.

use std::time::Instant;

use super::joined_room::JoinedRoom;
use super::member::RoomMember;
use super::session::JsonSession;
use crate::auth::{Action, allows};
use crate::ids::{MemberId, RoomName, Seq};
use crate::protocol::CloseCode;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage};
use crate::room::JsonJoin;
use crate::socket::session::io::SessionIo;
use crate::socket::session::member_outlet::Standing;
use crate::socket::session::membership::{Membership, RoomLink};
use crate::socket::session::session::{DENIALS_LOGGED_MAX, SocketClose};

impl JsonSession {
    /// The way to a room that the client is in; a client that is not is told so.
    pub(super) fn link(&self, room: &RoomName, request_id: Option<&str>, io: &SessionIo) -> Option<&RoomLink> {
        let joined = self.rooms.get(room).filter(|joined| !joined.is_over());
        if joined.is_none() {
            let error = ErrorMessage::permanent(ErrorCode::NotJoined, "join the room first");
            io.send(&error.about(request_id, Some(room)).frame());
        }
        joined.map(|joined| joined.membership.link())
    }

    /// Comes into the room that the connection is of.
    pub fn enter_only(&mut self, name: RoomName, since: Option<Seq>, wants_edits: bool, io: &SessionIo) {
        self.join(name.clone(), since, wants_edits, None, io);
        self.only = Some((name, CloseCode::Forbidden));
    }

    /// Ends a connection that is of a room in which it is no more.
    pub(super) fn follow_only(&self) -> Result<(), SocketClose> {
        match &self.only {
            Some((room, code)) if !self.rooms.contains_key(room) => Err((*code).into()),
            _ => Ok(()),
        }
    }

    /// Notes why the connection ends, if `room` is the one that it is of.
    fn end_only_with(&mut self, code: CloseCode, room: &RoomName) {
        if let Some((_, end)) = self.only.as_mut().filter(|(only, _)| only == room) {
            *end = code;
        }
    }

    /// Comes into a room, anew if the client is in it.
    pub(super) fn join(
        &mut self,
        name: RoomName,
        since: Option<Seq>,
        wants_edits: bool,
        request_id: Option<Box<str>>,
        io: &SessionIo,
    ) {
        let Some(user) = &self.user else { return };
        let identity = user.identity.clone();
        let access = identity.access(&name);
        if !allows(access, Action::Join) {
            return self.deny(&name, request_id.as_deref(), io);
        }
        self.leave_room(&name, false, io);
        let rooms_max = io.context.settings.rooms_per_socket_max;
        if self.rooms.len() >= rooms_max {
            let message = format!("one connection may be in at most {rooms_max} rooms");
            let error = ErrorMessage::permanent(ErrorCode::TooManyRooms, message);
            return io.send(&error.about(request_id.as_deref(), Some(&name)).frame());
        }
        let context = &io.context;
        match context.openings.take(&identity.user, &name, &context.directory, Instant::now()) {
            Ok(pause) => io.pause_for(pause),
            Err(too_many) => {
                let wait_ms = too_many.wait.as_millis() as u64 + 1;
                let error = ErrorMessage::temporary(ErrorCode::RateLimited, too_many.to_string(), wait_ms);
                return io.send(&error.about(request_id.as_deref(), Some(&name)).frame());
            }
        }
        let lease = context.directory.lookup(&name);
        let member = RoomMember::new(name.clone(), request_id.clone());
        let json = Some(Box::new(JsonJoin { since, wants_edits, request_id, is_current: false }));
        let rights = identity.rights(&name);
        let membership = Membership::join(lease, &identity, rights, json, member, self.has_news.clone(), io);
        let joined = JoinedRoom { membership, access };
        if since.is_some() {
            self.replies.ask(joined.more(), io);
        }
        self.rooms.insert(name, joined);
    }

    /// Tells the client that its token does not open a room.
    fn deny(&mut self, room: &RoomName, request_id: Option<&str>, io: &SessionIo) {
        let reason = CloseCode::Forbidden.reason();
        self.denials = self.denials.saturating_add(1);
        if self.denials <= DENIALS_LOGGED_MAX {
            let is_last = self.denials == DENIALS_LOGGED_MAX;
            tracing::info!(room.name = %room, reason, is_last, "room denied");
        }
        let error = ErrorMessage::permanent(ErrorCode::Forbidden, reason);
        io.send(&error.about(request_id, Some(room)).frame());
    }

    /// Leaves a room as the client asks.
    pub(super) fn on_leave(&mut self, room: &RoomName, request_id: Option<&str>, io: &SessionIo) {
        if self.link(room, request_id, io).is_some() {
            self.end_only_with(CloseCode::Normal, room);
            self.leave_room(room, true, io);
            io.send(&ServerMessage::Left { room, request_id }.frame());
        }
    }

    /// Leaves a room, if the client is in it.
    fn leave_room(&mut self, name: &RoomName, is_for_good: bool, io: &SessionIo) {
        if let Some(joined) = self.rooms.remove(name) {
            let member = joined.membership.link().member;
            joined.membership.leave(is_for_good);
            self.replies.forget(member, io);
        }
    }

    /// Does what a renewed token means for the rooms of the connection.
    pub(super) fn follow_access(&mut self, io: &SessionIo) {
        let Some(user) = &self.user else { return };
        let mut lost = Vec::new();
        for (room, joined) in &mut self.rooms {
            let access = user.identity.access(room);
            if !allows(access, Action::Join) {
                lost.push(room.clone());
                continue;
            }
            joined.membership.renew(&user.identity, user.identity.rights(room));
            if std::mem::replace(&mut joined.access, access) != access {
                io.send(&ServerMessage::RoomAccess { room, access }.frame());
            }
        }
        for room in lost {
            io.send(&ServerMessage::Evicted { room: &room, reason: CloseCode::Forbidden.reason() }.frame());
            self.leave_room(&room, true, io);
        }
    }

    /// Goes on with what waited until a page of a timeline was taken.
    pub(super) fn on_page_delivered(&mut self, io: &SessionIo) {
        let next = self.rooms.values().find(|joined| self.replies.is_answering(joined.membership.link().member));
        match next.filter(|joined| !joined.is_caught_up() && !joined.is_over()).map(JoinedRoom::more) {
            Some(more) => self.replies.ask_on(more, io),
            None => self.replies.on_delivered(io),
        }
    }

    /// Notes which rooms have sent all of the past, and lets go of those that have put the client out.
    pub(super) fn follow_memberships(&mut self, io: &SessionIo) {
        let over: Vec<(RoomName, Standing)> = self
            .rooms
            .iter()
            .filter(|(_, joined)| joined.is_over())
            .map(|(name, joined)| (name.clone(), joined.standing()))
            .collect();
        for (name, standing) in over {
            match standing {
                Standing::PutOff => self.end_only_with(CloseCode::TryLater, &name),
                Standing::Deleted => self.end_only_with(CloseCode::RoomDeleted, &name),
                Standing::Asking | Standing::In | Standing::Ended => {}
            }
            self.leave_room(&name, true, io);
        }
        let caught_up = self.rooms.values().filter(|joined| joined.is_caught_up());
        let caught_up: Vec<MemberId> = caught_up.map(|joined| joined.membership.link().member).collect();
        for member in caught_up {
            self.replies.forget(member, io);
        }
    }
}
