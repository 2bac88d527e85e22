//! A room without a document asks the application's own back end for its first content, before the first member who may write it is let
//! in. What members say meanwhile waits, as while the room loads.

use std::time::Duration;

use actix::Context;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::members::EditRefusal;
use super::messages::{AwaitEntry, FromMember, Join, WriteError, Written};
use super::quotas::{Denied, Sender};
use super::room::{Parts, Room, Seeding};
use crate::auth::{Action, allows};
use crate::ids::Seq;
use crate::metrics;
use crate::protocol::{CloseCode, Dialect};
use crate::seed::SeedError;
use crate::store::{RoomRow, StoreError};

/// How long the first content may take to be committed.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often it is written anew, because something else was said in the room meanwhile.
const ATTEMPTS: u32 = 5;

/// Whether this member's document needs its first content.
fn may_write(join: &Join) -> bool {
    join.dialect != Dialect::Json && allows(join.rights.access, Action::Edit)
}

impl Room {
    /// Takes a join that has to wait for the first content, and asks for that.
    pub(super) fn wait_for_seed(&mut self, join: Join, ctx: &mut Context<Self>) -> Option<Join> {
        if self.seeding != Seeding::Due || !may_write(&join) {
            return Some(join);
        }
        let is_empty = self.live().is_some_and(|(document, _)| document.is_empty());
        let from = Sender { user: &join.user, access: join.rights.access };
        if is_empty && self.commit.admit_room(from).is_err() {
            // Who makes no room gets none: it is seeded for the first who may.
            return Some(join);
        }
        let Some(seed) = self.context.back_end.seed.clone().filter(|_| is_empty) else {
            self.seeding = if is_empty { self.seeding } else { Seeding::Done };
            return Some(join);
        };
        self.seeding = Seeding::Asking;
        let (user, access) = (join.user.clone(), join.rights.access);
        self.early.push(FromMember::Join(join));
        let (archive, name) = (self.context.archive.clone(), self.name.clone());
        let asking = async move { seed.ask(&name, &archive).await };
        let then = move |room: &mut Self, answer, ctx: &mut Context<Self>| {
            room.on_seed(answer, Sender { user: &user, access }, ctx);
        };
        self.spawn(asking, then, ctx);
        None
    }

    /// What there is is for this one, who has come first.
    fn on_seed(&mut self, answer: Result<Option<Bytes>, SeedError>, first: Sender, ctx: &mut Context<Self>) {
        match answer {
            Ok(Some(update)) => match self.commit.admit_first(first, update.len()) {
                Ok(()) => self.write_seed(update, ATTEMPTS, ctx),
                Err(Denied::NoRoom | Denied::TooManyRooms) => self.ask_for_another(ctx),
                Err(denied) => {
                    metrics::STORING_DENIED.inc();
                    let reason = denied.to_string();
                    // Who comes back would only have it asked for again.
                    self.close_unseeded(&reason, EditRefusal::from(denied).close_code(), &reason, ctx);
                }
            },
            Ok(None) => self.let_seeded_in(ctx),
            Err(error) => self.refuse_unseeded(&error.to_string(), ctx),
        }
        self.end_turn(ctx);
    }

    /// Commits the first content, if there is still no document.
    fn write_seed(&mut self, update: Bytes, attempts: u32, ctx: &mut Context<Self>) {
        let Some((document, Parts { timeline, commit, .. })) = self.live() else { return };
        if !document.is_empty() {
            return self.let_seeded_in(ctx);
        }
        let (reply, answer) = oneshot::channel();
        let head = timeline.head();
        document.write_seed(update.clone(), head, reply, commit);
        let committed = async move { timeout(COMMIT_TIMEOUT, answer).await.ok().and_then(Result::ok) };
        let then = move |room: &mut Self, written: Option<Result<Written, WriteError>>, ctx: &mut Context<Self>| {
            match written {
                Some(Ok(_)) => room.let_seeded_in(ctx),
                Some(Err(WriteError::Denied(Denied::NoRoom | Denied::TooManyRooms))) => room.ask_for_another(ctx),
                Some(Err(WriteError::Stale)) if attempts > 1 => room.read_on(head, update, attempts - 1, ctx),
                Some(Err(error)) => room.refuse_unseeded(&error.to_string(), ctx),
                None => room.refuse_unseeded("the database does not answer", ctx),
            }
            room.end_turn(ctx);
        };
        self.spawn(committed, then, ctx);
    }

    /// Somebody, perhaps on another server, has written behind `head`: it is read first, for it may be the first content.
    fn read_on(&mut self, head: Seq, update: Bytes, attempts: u32, ctx: &mut Context<Self>) {
        let (store, name) = (self.context.store.clone(), self.name.clone());
        let asked = async move { timeout(COMMIT_TIMEOUT, store.room(&name)).await };
        let then =
            move |room: &mut Self, asked: Result<Result<Option<RoomRow>, StoreError>, _>, ctx: &mut Context<Self>| {
                if let Ok(Ok(Some(row))) = asked {
                    room.timeline.on_told(row.head, Vec::new());
                }
                let (reply, read) = oneshot::channel();
                room.timeline.on_await_entry(AwaitEntry { after: head, reply });
                room.catch_up(ctx);
                let read = async move { timeout(COMMIT_TIMEOUT, read).await.is_ok_and(|read| read.is_ok()) };
                let then = move |room: &mut Self, is_read: bool, ctx: &mut Context<Self>| {
                    match is_read {
                        true => room.write_seed(update, attempts, ctx),
                        false => room.refuse_unseeded("the database does not answer", ctx),
                    }
                    room.end_turn(ctx);
                };
                room.spawn(read, then, ctx);
                room.end_turn(ctx);
            };
        self.spawn(asked, then, ctx);
    }

    /// Whoever came first may not make the room, which is known only now: they are let in without a content, and it is asked for again for
    /// the first of the others who may.
    fn ask_for_another(&mut self, ctx: &mut Context<Self>) {
        self.seeding = Seeding::Due;
        self.take_early(ctx);
    }

    fn let_seeded_in(&mut self, ctx: &mut Context<Self>) {
        self.seeding = Seeding::Done;
        self.take_early(ctx);
    }

    /// Refuses those for now who may write: an empty document would be their truth.
    fn refuse_unseeded(&mut self, reason: &str, ctx: &mut Context<Self>) {
        self.close_unseeded(reason, CloseCode::TryLater, "the room cannot be loaded now, try again later", ctx);
    }

    fn close_unseeded(&mut self, reason: &str, code: CloseCode, told: &str, ctx: &mut Context<Self>) {
        tracing::error!(reason, "a document does not get its first content; members who may write are refused");
        self.seeding = Seeding::Due;
        for message in std::mem::take(&mut self.early) {
            match message {
                FromMember::Join(join) if may_write(&join) => self.close_join(join, code, told),
                message => self.on_message(message, ctx),
            }
        }
    }
}
