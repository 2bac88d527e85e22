//! A room that was deleted, here or elsewhere: all are put out, and what is not committed is dropped. Nothing of it is acknowledged: no
//! append is stored any more. The directory lets it go at once, so that whoever comes later asks the store anew.

use std::time::Instant;

use actix::{AsyncContext, Context, Handler};

use super::messages::EndDeleted;
use super::room::{Phase, Room, Seeding};
use super::timeline::Timeline;
use crate::bus::RoomMessage;
use crate::protocol::CloseCode;

impl Handler<EndDeleted> for Room {
    type Result = usize;

    fn handle(&mut self, _: EndDeleted, ctx: &mut Context<Self>) -> usize {
        self.in_span(|room| {
            let count = room.end_deleted(ctx);
            room.end_turn(ctx);
            count
        })
    }
}

impl Room {
    /// The database says that the room was deleted, which nobody has told: tells the other servers where it lives, for they look for it
    /// no more once it lives nowhere else.
    pub(super) fn found_deleted(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Deleted | Phase::Ended) {
            self.context.cluster.tell(&self.name, RoomMessage::Deleted);
        }
        self.end_deleted(ctx);
    }

    /// Puts everybody out, for the room was deleted; how many there were.
    pub(super) fn end_deleted(&mut self, ctx: &mut Context<Self>) -> usize {
        if matches!(self.phase, Phase::Deleted | Phase::Ended) {
            return 0;
        }
        tracing::info!("room deleted");
        self.phase = Phase::Deleted;
        self.residence = None;
        self.slots.forget(&self.name, self.key);
        let leaving = std::mem::take(&mut self.members).of(None);
        for (link, member) in &leaving {
            self.fanout.outbound.close(*link, *member, CloseCode::RoomDeleted, CloseCode::RoomDeleted.reason());
        }
        for pending in self.commit.uncommitted.take_all() {
            pending.replies.into_iter().chain(pending.behind.replies).for_each(|reply| reply.send_deleted());
        }
        // Who waits for an entry waits for nothing.
        self.timeline = Timeline::new(self.context.settings.say_rate, Instant::now());
        (self.seeding, self.had_members) = (Seeding::Done, false);
        for timer in self.timers.take_all() {
            ctx.cancel_future(timer);
        }
        let waiting: Vec<_> = std::mem::take(&mut self.early).into_iter().chain(self.arrivals.take_all()).collect();
        for message in waiting {
            self.on_message(message, ctx);
        }
        self.arm_idle(ctx);
        leaving.len()
    }
}
