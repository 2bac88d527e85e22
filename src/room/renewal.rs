//! A room that is to be read anew, since what it holds is not what is stored any more: all are put out and come back to a new one. What
//! is not committed was not acknowledged, and comes with them.

use actix::{AsyncContext, Context, Handler};

use super::messages::EndOutdated;
use super::room::{Phase, Room};
use crate::protocol::CloseCode;
use crate::store::RoomId;

/// What those who are in are told.
const REASON: &str = "the room is read anew, come back";

impl Handler<EndOutdated> for Room {
    type Result = ();

    fn handle(&mut self, EndOutdated { row, epoch }: EndOutdated, ctx: &mut Context<Self>) {
        self.in_span(|room| room.on_epoch_told(row, epoch, ctx));
    }
}

impl Room {
    /// The room of a row is in this epoch. One that was read before does not hold what is stored; one that is being read may not.
    pub(super) fn on_epoch_told(&mut self, row: RoomId, epoch: i64, ctx: &mut Context<Self>) {
        let is_outdated = match self.phase {
            Phase::Loading => true,
            _ => self.commit.row() == Some(row) && self.commit.epoch() < epoch,
        };
        if is_outdated {
            self.end_stale(ctx);
        }
    }

    /// Ends at once.
    pub(super) fn end_stale(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Deleted | Phase::Ended) {
            return;
        }
        tracing::info!("room ends, to be read anew");
        self.phase = Phase::Ended;
        self.residence = None;
        self.slots.forget(&self.name, self.key);
        for (link, member) in std::mem::take(&mut self.members).of(None) {
            self.fanout.outbound.close(link, member, CloseCode::TryLater, REASON);
        }
        for pending in self.commit.uncommitted.take_all() {
            pending.replies.into_iter().chain(pending.behind.replies).for_each(|reply| reply.send_try_later());
        }
        for timer in self.timers.take_all() {
            ctx.cancel_future(timer);
        }
        let waiting: Vec<_> = std::mem::take(&mut self.early).into_iter().chain(self.arrivals.take_all()).collect();
        for message in waiting {
            self.on_message(message, ctx);
        }
        self.flush(ctx);
    }
}
