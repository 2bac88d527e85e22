//! A y-websocket client in its room.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::forward::{forward, forward_long};
use super::io::SessionIo;
use super::member_outlet::MemberKind;
use super::membership::Membership;
use super::request_queue::RequestQueue;
use super::session::{Session, SocketClose};
use crate::auth::{Access, Action, Identity, Rights, TokenError, Verifier, allows, in_ms};
use crate::ids::UserId;
use crate::protocol::{CloseCode, Dialect, yjs};
use crate::rate::{Bucket, Rate};
use crate::room::{Lease, Place};
use crate::socket::gate::UserPermit;
use crate::socket::pace::Visit;
use crate::wire::Frame;

/// How many messages of unknown types are passed over; one counts once more for each [`UNKNOWN_BYTES`] that it has.
const UNKNOWN_RATE: Rate = Rate { per_second: 20.0, burst: 200.0 };
const UNKNOWN_BYTES: usize = 16 * 1024;

/// A member whose socket has no other one.
struct YjsMember;

impl MemberKind for YjsMember {
    const DIALECT: Dialect = Dialect::Yjs;
    const IS_ONLY_MEMBER: bool = true;

    fn ended(&self, _: &str) -> Option<Frame> {
        None
    }
}

/// A y-websocket client in its room.
pub struct YjsSession {
    membership: Membership<YjsMember>,
    /// Its token cannot be renewed by this protocol.
    identity: Arc<Identity>,
    replies: RequestQueue,
    unknown: Bucket,
    /// Messages of awareness that are not counted yet.
    awareness: usize,
    /// What the token allows.
    access: Access,
    _place: Place,
    _visit: Visit,
    _user_permit: UserPermit,
}

impl YjsSession {
    /// Joins the room.
    pub fn join(
        lease: Lease,
        place: Place,
        visit: Visit,
        user_permit: UserPermit,
        identity: Arc<Identity>,
        rights: Rights,
        io: &SessionIo,
    ) -> Self {
        Self {
            membership: Membership::join(lease, &identity, rights, None, YjsMember, Rc::default(), io),
            identity,
            replies: RequestQueue::default(),
            unknown: Bucket::new(UNKNOWN_RATE, Instant::now()),
            awareness: 0,
            access: rights.access,
            _place: place,
            _visit: visit,
            _user_permit: user_permit,
        }
    }

    /// Passes over a message of an unknown type, of which there may be some.
    fn ignore(&mut self, bytes: usize) -> Result<(), SocketClose> {
        tracing::debug!(bytes, "message of an unknown type ignored");
        let weight = 1 + bytes / UNKNOWN_BYTES;
        self.unknown.take_many(weight, UNKNOWN_RATE, Instant::now()).map_err(|_| {
            SocketClose::new(CloseCode::TooMany, "too many messages of types that this server does not know")
        })
    }
}

impl Session for YjsSession {
    fn confirm(&self, verifier: &Verifier, now_s: u64) -> Result<(), TokenError> {
        verifier.confirm(&self.identity, now_s)
    }

    fn take_awareness(&mut self) -> usize {
        std::mem::take(&mut self.awareness)
    }

    fn payer(&self) -> Option<&UserId> {
        Some(&self.identity.user)
    }

    fn protocol(&self) -> &'static str {
        "yjs"
    }

    fn message_bytes_max(&self, io: &SessionIo) -> usize {
        io.context.settings.message_bytes_max(self.access, io.outbox.expected_bytes())
    }

    fn on_binary(&mut self, message: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        let messages = yjs::decode(message)?;
        // The frame is charged once; its messages share its bytes.
        let mut charge = message.len();
        for message in messages {
            if message == yjs::Message::Unknown {
                self.ignore(charge)?;
                continue;
            }
            self.awareness += usize::from(matches!(message, yjs::Message::Awareness(_)));
            let bytes = std::mem::take(&mut charge);
            forward(message, bytes, self.membership.link(), &mut self.replies, io);
        }
        Ok(())
    }

    /// An edit that is too long is refused in band if it is a reader's, as any of theirs. A writer's later typing would all build on
    /// it, and its protocol has no message for that.
    fn refuses_in_band(&self) -> bool {
        !allows(self.access, Action::Edit)
    }

    fn on_too_long(&mut self, beginning: &Bytes, io: &SessionIo) -> Result<(), SocketClose> {
        let kind = yjs::edit_beginning(beginning).ok_or(CloseCode::EditTooLarge)?;
        forward_long(kind, self.membership.link(), io);
        Ok(())
    }

    /// y-websocket comes back with the same edit on every code that is not final.
    fn too_large(&self) -> CloseCode {
        CloseCode::EditTooLarge
    }

    fn on_answer_delivered(&mut self, io: &SessionIo) {
        self.replies.on_delivered(io);
    }

    fn next_due_ms(&self) -> Option<i64> {
        Some(in_ms(self.identity.valid_until_s))
    }

    fn on_due(&mut self, now_ms: i64, _: &SessionIo) -> Result<(), SocketClose> {
        match now_ms < in_ms(self.identity.valid_until_s) {
            true => Ok(()),
            false => Err(CloseCode::TokenExpired.into()),
        }
    }

    /// Awareness of nobody.
    fn keepalive(&self) -> Option<Frame> {
        Some(yjs::nobody())
    }

    fn end(self: Box<Self>, is_for_good: bool) {
        self.membership.end(is_for_good);
    }
}
