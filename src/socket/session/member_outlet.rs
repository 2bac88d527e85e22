//! Where a room's frames for one member go: the socket's outbox; and what the session has to know of the room's decisions.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::charges::Charges;
use crate::budget::Payer;
use crate::protocol::{CloseCode, Dialect};
use crate::room::{Counted, Outlet, StateBudget, TOO_MANY_LARGE};
use crate::socket::outbox::Outbox;
use crate::wire::{Frame, Run};

/// How a member stands with its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has asked to come in.
    Asking,
    /// The room cannot be loaded now.
    PutOff,
    /// It is in.
    In,
    /// The room has ended its membership.
    Ended,
    /// The room was deleted.
    Deleted,
}

impl Standing {
    /// Whether the room has not let it in, or has put it out.
    pub fn is_over(self) -> bool {
        matches!(self, Self::PutOff | Self::Ended | Self::Deleted)
    }
}

/// What is particular to the members of one protocol.
pub trait MemberKind: 'static {
    /// The protocol.
    const DIALECT: Dialect;
    /// Whether the socket has this member only, and ends with it.
    const IS_ONLY_MEMBER: bool = false;

    /// The address that replaces the room's in frames, what copies for it may hold, and under whose name, if there is another one.
    fn other_address(&self) -> Option<(&[u8], &Arc<StateBudget>, Payer)> {
        None
    }

    /// The room has let the member in.
    fn on_let_in(&self) {}

    /// What the client is told if the room cannot be loaded now.
    fn put_off(&self, _reason: &str) -> Option<Frame> {
        None
    }

    /// What the client is told if the room ends the membership; the connection goes on.
    fn ended(&self, reason: &str) -> Option<Frame>;

    /// What the client is told if the room was deleted; the connection goes on.
    fn deleted(&self, _standing: Standing, reason: &str) -> Option<Frame> {
        self.ended(reason)
    }

    /// What the client is told if the member leaves before the room has answered.
    fn left(&self) -> Option<Frame> {
        None
    }
}

/// The outlet of one member.
pub struct MemberOutlet<M> {
    outbox: Rc<Outbox>,
    member: M,
    charges: Rc<Charges>,
    standing: Cell<Standing>,
    is_caught_up: Cell<bool>,
    /// Whether any member of the socket has something for the session.
    has_news: Rc<Cell<bool>>,
}

impl<M: MemberKind> MemberOutlet<M> {
    /// In front of `outbox`. `has_news` is set when the session has to look.
    pub fn new(outbox: Rc<Outbox>, member: M, charges: Rc<Charges>, has_news: Rc<Cell<bool>>) -> Rc<Self> {
        let (standing, is_caught_up) = (Cell::new(Standing::Asking), Cell::new(false));
        Rc::new(Self { outbox, member, charges, standing, is_caught_up, has_news })
    }

    /// How the member stands with its room.
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// Whether the room has no more of the past to send.
    pub fn is_caught_up(&self) -> bool {
        self.is_caught_up.get()
    }

    /// The member leaves: what the room still has for it goes nowhere.
    pub fn leave(&self) {
        if !self.charges.has_left() {
            self.charges.leave();
            self.tell(self.member.left());
        }
    }

    fn takes_frames(&self) -> bool {
        !matches!(self.standing.get(), Standing::Ended | Standing::Deleted) && !self.charges.has_left()
    }

    fn tell(&self, frame: Option<Frame>) {
        if let Some(frame) = frame {
            self.outbox.push(&frame, Counted::Yes);
        }
    }

    fn stand(&self, standing: Standing) {
        if !self.charges.has_left() {
            self.standing.set(standing);
            self.wake_session();
        }
    }

    fn wake_session(&self) {
        self.has_news.set(true);
        self.outbox.wake();
    }
}

impl<M: MemberKind> Outlet for MemberOutlet<M> {
    fn push(&self, frame: &Frame, counted: Counted) {
        if !self.takes_frames() {
            return;
        }
        let Some((address, budget, payer)) = self.member.other_address() else {
            return self.outbox.push(frame, counted);
        };
        match budget.count(frame.readdressed(address), payer) {
            Some(frame) => self.outbox.push(&frame, counted),
            None => self.outbox.close(CloseCode::TryLater, TOO_MANY_LARGE),
        }
    }

    fn push_run(&self, run: &Run, counted: Counted) {
        if self.member.other_address().is_some() {
            return run.frames().iter().for_each(|frame| self.push(frame, counted));
        }
        if self.takes_frames() {
            self.outbox.push_run(run, counted);
        }
    }

    fn flush(&self) {
        self.outbox.flush();
    }

    fn credit(&self, bytes: usize) {
        self.charges.credit(bytes);
    }

    fn is_over(&self) -> bool {
        self.charges.is_over()
    }

    fn let_in(&self) {
        self.member.on_let_in();
        self.stand(Standing::In);
    }

    fn caught_up(&self) {
        if !self.charges.has_left() {
            self.is_caught_up.set(true);
            self.wake_session();
        }
    }

    fn expect_answer(&self, bytes: usize) {
        self.outbox.expect_answer(bytes);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        let is_put_off = code == CloseCode::TryLater && self.standing.get() == Standing::Asking;
        if self.charges.has_left() && is_put_off {
            // The room does not know it, so nothing else gives its credit back.
            self.charges.forgive();
        }
        if matches!(code, CloseCode::RoomDeleted | CloseCode::Internal) {
            // It handles nothing more.
            self.charges.forgive();
        }
        if self.charges.has_left() || self.standing.get().is_over() {
            return;
        }
        if !M::IS_ONLY_MEMBER && is_put_off {
            self.tell(self.member.put_off(reason));
            self.charges.forgive();
            return self.stand(Standing::PutOff);
        }
        if M::IS_ONLY_MEMBER || !code.is_final() {
            // Whatever may work later, the client tries again with the whole connection.
            return self.outbox.close(code, reason);
        }
        if code == CloseCode::RoomDeleted {
            self.tell(self.member.deleted(self.standing.get(), reason));
            return self.stand(Standing::Deleted);
        }
        self.tell(self.member.ended(reason));
        self.stand(Standing::Ended);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::budget::ByteBudget;
    use crate::socket::stream::{Detached, Stream};
    use crate::wire::Encoding;

    /// A member that shares its socket with others.
    struct Shared;

    impl MemberKind for Shared {
        const DIALECT: Dialect = Dialect::Json;

        fn ended(&self, reason: &str) -> Option<Frame> {
            Some(Frame::text(&[reason.as_bytes()]))
        }
    }

    /// The only member of its socket.
    struct Only;

    impl MemberKind for Only {
        const DIALECT: Dialect = Dialect::Yjs;
        const IS_ONLY_MEMBER: bool = true;

        fn ended(&self, _: &str) -> Option<Frame> {
            None
        }
    }

    /// What became of a member and its socket after `act`.
    fn after<M: MemberKind>(member: M, act: impl FnOnce(&MemberOutlet<M>)) -> (Standing, bool, bool) {
        actix_rt::System::new().block_on(async {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let stream = Rc::new(Stream::adopt(Detached::Unix(ours)).unwrap());
            let budget = ByteBudget::new(1 << 20, None);
            let outbox = Outbox::new(stream, bytes::Bytes::new(), Encoding::Plain, 1 << 20, budget.hold(0));
            let charges = Rc::new(Charges::new(outbox.clone()));
            let has_news = Rc::<Cell<bool>>::default();
            let outlet = MemberOutlet::new(outbox.clone(), member, charges, has_news.clone());
            act(&outlet);
            (outlet.standing(), has_news.get(), outbox.closing().is_some() || outbox.is_close_held())
        })
    }

    #[test]
    fn who_leaves_before_the_room_puts_it_off_owes_nothing() {
        after(Shared, |outlet| {
            outlet.charges.charge(100);
            outlet.leave();
            assert!(!outlet.is_over());
            outlet.close(CloseCode::TryLater, "later");
            assert!(outlet.is_over());
        });
    }

    #[test]
    fn what_a_room_says_to_a_member_ends_the_socket_only_if_nothing_else_is_left_to_do() {
        type Act = fn(&MemberOutlet<Shared>);
        let cases: [(Act, (Standing, bool, bool)); 8] = [
            (|_| {}, (Standing::Asking, false, false)),
            (|outlet| outlet.let_in(), (Standing::In, true, false)),
            (|outlet| outlet.close(CloseCode::TryLater, "later"), (Standing::PutOff, true, false)),
            (|outlet| outlet.close(CloseCode::Forbidden, "out"), (Standing::Ended, true, false)),
            (
                |outlet| {
                    outlet.let_in();
                    outlet.charges.charge(100);
                    outlet.close(CloseCode::RoomDeleted, "deleted");
                    outlet.leave();
                    assert!(outlet.is_over(), "nothing is owed");
                },
                (Standing::Deleted, true, false),
            ),
            (|outlet| outlet.close(CloseCode::Internal, "fault"), (Standing::Asking, false, true)),
            (
                |outlet| {
                    outlet.let_in();
                    outlet.close(CloseCode::TryLater, "later");
                },
                (Standing::In, true, true),
            ),
            (
                |outlet| {
                    outlet.charges.charge(100);
                    outlet.leave();
                    outlet.close(CloseCode::Internal, "fault");
                    assert!(outlet.is_over(), "nothing is owed");
                },
                (Standing::Asking, false, false),
            ),
        ];
        for (number, (act, expected)) in cases.into_iter().enumerate() {
            assert_eq!(after(Shared, act), expected, "case {number}");
        }
        for code in [CloseCode::TryLater, CloseCode::Forbidden, CloseCode::RoomDeleted, CloseCode::Internal] {
            let ended = after(Only, |outlet| outlet.close(code, code.reason()));
            assert_eq!(ended, (Standing::Asking, false, true), "{code:?}");
        }
    }
}
