//! A room that was deleted, here or elsewhere: all are put out, and what is not committed is dropped. Nothing of it is acknowledged: no
//! append is stored any more. The directory lets it go at once, so that whoever comes later asks the store anew.
//!
//! A name may be free by the time that a deletion is heard of, and be that of another room. So a deletion is of a row; a room that does
//! not know whether it is its own looks into the database.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture, WrapFuture};

use super::messages::EndDeleted;
use super::room::{Phase, Room, Seeding};
use super::timeline::Timeline;
use super::timers::Timer;
use crate::bus::RoomMessage;
use crate::protocol::CloseCode;
use crate::store::{RoomId, RoomRow, StoreError};

/// The wait between two looks, at first; doubled after each. So often the database has to answer that the room is there: a deletion
/// whose answer was lost may be committed a little later.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const LOOKS: u32 = 7;

/// What the database tells of the room's name.
type Found = Result<Option<RoomRow>, StoreError>;

impl Handler<EndDeleted> for Room {
    type Result = ResponseActFuture<Self, usize>;

    fn handle(&mut self, EndDeleted { row }: EndDeleted, ctx: &mut Context<Self>) -> Self::Result {
        if self.is_own_row(row) {
            let count = self.in_span(|room| {
                let count = room.end_deleted(ctx);
                room.end_turn(ctx);
                count
            });
            return Box::pin(std::future::ready(count).into_actor(self));
        }
        let (own, asking) = (self.commit.row(), self.ask_for_row());
        Box::pin(asking.into_actor(self).map(move |found, room, ctx| {
            room.in_span(|room| {
                let count = room.on_row_found(own, &found, LOOKS, ctx);
                room.end_turn(ctx);
                count
            })
        }))
    }
}

impl Room {
    /// The database says that the room was deleted, which nobody has told: tells the other servers where it lives, for they look for it
    /// no more once it lives nowhere else.
    pub(super) fn found_deleted(&mut self, ctx: &mut Context<Self>) {
        self.tell_and_end(ctx);
    }

    /// The same; how many were put out.
    fn tell_and_end(&mut self, ctx: &mut Context<Self>) -> usize {
        if !matches!(self.phase, Phase::Deleted | Phase::Ended) {
            let row = self.commit.row().map(|row| row.0);
            self.context.cluster.tell(&self.name, RoomMessage::Deleted { row });
        }
        self.end_deleted(ctx)
    }

    /// Another server, or the database some time ago, says that the room of this row was deleted. Others are told in any case: who heard
    /// of it by the database may be the first, and the last server that looks for it.
    pub(super) fn on_deletion_told(&mut self, row: Option<RoomId>, ctx: &mut Context<Self>) {
        match self.is_own_row(row) {
            true => drop(self.tell_and_end(ctx)),
            false => self.look_whether_deleted(LOOKS, ctx),
        }
    }

    /// Some time ago the database had no room of this name: it was deleted, and its name is free, or it has no entry yet.
    pub(super) fn on_row_missed(&mut self, ctx: &mut Context<Self>) {
        if self.commit.row().is_some() {
            self.look_whether_deleted(1, ctx);
        }
    }

    /// Something was told of another room of this name: it has the name now, or had it before, and is heard of late.
    pub(super) fn on_other_row_told(&mut self, ctx: &mut Context<Self>) {
        // Once for all that is told meanwhile.
        self.looks_left = self.looks_left.max(1);
        self.arm(Timer::Deletion, LOOK_AGAIN, ctx);
    }

    fn is_own_row(&self, row: Option<RoomId>) -> bool {
        row.is_some() && row == self.commit.row()
    }

    /// Asks the database for the room's row, until it has answered so often that it is there.
    fn look_whether_deleted(&mut self, looks: u32, ctx: &mut Context<Self>) {
        let own = self.commit.row();
        let then = move |room: &mut Self, found: Found, ctx: &mut Context<Self>| {
            room.on_row_found(own, &found, looks, ctx);
            room.end_turn(ctx);
        };
        self.spawn(self.ask_for_row(), then, ctx);
    }

    /// It is time to look again.
    pub(super) fn on_look_due(&mut self, ctx: &mut Context<Self>) {
        let looks = std::mem::take(&mut self.looks_left);
        self.look_whether_deleted(looks, ctx);
    }

    pub(super) fn ask_for_row(&self) -> impl Future<Output = Found> + 'static {
        let (store, name) = (self.context.store.clone(), self.name.clone());
        async move { store.room(&name).await }
    }

    /// Takes what the database told of the room's name, asked when the room's row was `own`; how many were put out.
    fn on_row_found(&mut self, own: Option<RoomId>, found: &Found, looks: u32, ctx: &mut Context<Self>) -> usize {
        let is_answered = match found {
            // It got its row meanwhile: that of its name was another's.
            Err(StoreError::RoomDeleted) if own == self.commit.row() => return self.tell_and_end(ctx),
            Ok(found) if own.is_some() && own != found.as_ref().map(|row| row.id) => return self.tell_and_end(ctx),
            Ok(_) => true,
            Err(_) => false,
        };
        self.looks_left = self.looks_left.max(looks.saturating_sub(u32::from(is_answered)));
        if self.looks_left > 0 {
            let wait = LOOK_AGAIN * (1 << (LOOKS - self.looks_left));
            self.arm(Timer::Deletion, wait, ctx);
        }
        0
    }

    /// Puts everybody out, for the room was deleted; how many there were.
    pub(super) fn end_deleted(&mut self, ctx: &mut Context<Self>) -> usize {
        if matches!(self.phase, Phase::Deleted | Phase::Ended) {
            return 0;
        }
        tracing::info!("room deleted");
        self.phase = Phase::Deleted;
        self.unplaced.clear();
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
