//! A room's turn: what arrives while it is busy is committed together and shown together, at once when it is idle, a little later
//! under load.

use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::{AsyncContext, Context};

use crate::room::commit::journal::ENTRIES_WORTH_A_COMMIT;
use crate::room::room::Room;

/// A turn ends when the mailbox is empty, or here: a mailbox under load never is.
const TURN_MESSAGES_MAX: usize = 256;
/// As above, in bytes shown to one relay.
const TURN_BYTES_MAX: usize = 64 * 1024;
/// Under load a room shows at most this often.
pub(super) const SHOW_EVERY: Duration = Duration::from_millis(5);
/// How often a room looks whether a relay that was behind has caught up.
const BEHIND_POLL: Duration = Duration::from_millis(5);

impl Room {
    /// Counts a message of this turn, and ends the turn if it has become too long.
    pub(super) fn count_message(&mut self, ctx: &mut Context<Self>) {
        self.messages_this_turn += 1;
        if self.messages_this_turn >= TURN_MESSAGES_MAX || self.outbound.turn_bytes() >= TURN_BYTES_MAX {
            self.end_turn(ctx);
        }
    }

    /// Commits and shows what the turn has gathered, or holds it back a little under load. Ends each message's turn; what a timer
    /// or an answer of the store begins, ends with this by itself.
    pub(super) fn end_turn(&mut self, ctx: &mut Context<Self>) {
        self.ask_lacking(ctx);
        self.commit_or_hold(ctx);
        if !self.outbound.is_empty() {
            self.show_or_hold(ctx);
        }
        let is_done = self.uncommitted.is_empty() && self.early.is_empty() && self.outbound.is_empty();
        // Whoever comes first after a restart is glad of the snapshot.
        if is_done && !self.is_making_snapshot {
            for waiting in self.flushed.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
    }

    fn commit_or_hold(&mut self, ctx: &mut Context<Self>) {
        if self.uncommitted.is_empty() || self.uncommitted.is_in_flight() {
            return;
        }
        match self.commit_pace.wait(Instant::now()) {
            Some(wait) if self.uncommitted.entries() < ENTRIES_WORTH_A_COMMIT => {
                if self.commit_timer.is_none() {
                    self.commit_timer = Some(ctx.run_later(wait, |room, ctx| {
                        room.commit_timer = None;
                        room.end_turn(ctx);
                    }));
                }
            }
            _ => self.commit(ctx),
        }
    }

    fn show_or_hold(&mut self, ctx: &mut Context<Self>) {
        let is_full = self.messages_this_turn >= TURN_MESSAGES_MAX || self.outbound.turn_bytes() >= TURN_BYTES_MAX;
        match self.pace.wait(Instant::now()) {
            Some(wait) if !is_full => {
                if self.show_timer.is_none() {
                    self.show_timer = Some(ctx.run_later(wait, |room, ctx| {
                        room.show_timer = None;
                        room.end_turn(ctx);
                    }));
                }
            }
            _ => self.show(ctx),
        }
    }

    fn show(&mut self, ctx: &mut Context<Self>) {
        self.pace.turned(Instant::now(), self.messages_this_turn);
        self.messages_this_turn = 0;
        self.outbound.flush();
        if self.outbound.is_behind() && self.behind_timer.is_none() {
            self.behind_timer = Some(ctx.run_later(BEHIND_POLL, |room, ctx| {
                room.behind_timer = None;
                room.show(ctx);
            }));
        }
    }
}

/// Ends the room's turn whenever its mailbox is empty: actix polls what an actor spawned after each emptied mailbox.
pub(super) struct TurnEnd;

impl ActorFuture<Room> for TurnEnd {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        room: &mut Room,
        ctx: &mut Context<Room>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        if room.is_released {
            return Poll::Ready(());
        }
        room.end_turn(ctx);
        Poll::Pending
    }
}
