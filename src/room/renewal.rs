//! A room that is to be read anew, since what it holds is not what is stored any more: all are put out and come back to a new one. What
//! is not committed was not acknowledged, and comes with them.

use actix::{AsyncContext, Context};

use super::room::{Phase, Room};
use crate::protocol::CloseCode;

/// What those who are in are told.
const REASON: &str = "the room is read anew, come back";

impl Room {
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
