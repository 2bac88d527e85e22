//! What a room is told, and which of its parts handles it: messages of members, in one order with what else they say, and kept while
//! the room loads; those of the server, at once.

use std::time::Instant;

use actix::{Context, Handler, MessageResult, ResponseFuture};
use tokio::sync::oneshot;

use super::messages::*;
use super::room::{Parts, Phase, Room, Seeding};
use super::servers::sender;
use super::signals;
use crate::protocol::CloseCode;
use crate::protocol::json::request::Said;
use crate::protocol::json::{ErrorCode, ErrorMessage};

/// Requests to publish that wait until the room is loaded, where they may be denied.
const POSTS_EARLY_MAX: usize = 64;

macro_rules! handle_from_members {
    ($($name:ident),*) => {
        $(impl Handler<$name> for Room {
            type Result = ();

            fn handle(&mut self, message: $name, ctx: &mut Self::Context) {
                self.in_span(|room| {
                    room.on_message(FromMember::$name(message), ctx);
                    room.count_message(ctx);
                });
            }
        })*
    };
}

handle_from_members! {
    Join, Edit, RefuseLongEdit, AskState, AskSaved, UpdateAwareness, AskAwareness, StartCount, BroadcastStateless, Renew, Say, ReplayMore, BroadcastBinary,
    WriteDocument, Leave
}

impl Room {
    /// Handles a member's message, or keeps it until the room is loaded.
    pub(super) fn on_message(&mut self, message: FromMember, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(message);
        }
        if self.holds(&message)
            && let Some(from) = sender(&message)
        {
            self.arrivals.keep(from, message);
            return self.ask_for_arrivals(ctx);
        }
        self.on_member(message, ctx);
    }

    /// Handles a message of a member, who may come in now; or keeps it until the room has its first content.
    pub(super) fn on_member(&mut self, message: FromMember, ctx: &mut Context<Self>) {
        if self.seeding == Seeding::Asking {
            return self.early.push(message);
        }
        let message = match message {
            FromMember::Join(join) => {
                if let Some(join) = self.wait_for_seed(join, ctx) {
                    self.on_join(join);
                }
                return;
            }
            FromMember::Leave(leave) => return self.on_leave(leave, ctx),
            FromMember::WriteDocument(write) => return self.on_write(write),
            FromMember::Post(post) => return self.on_post(post),
            message => message,
        };
        // Members are let in once the room is loaded.
        let Some((document, Parts { presence, timeline, commit, mut io })) = self.live() else { return };
        let io = &mut io;
        match message {
            FromMember::Edit(edit) => {
                let bytes = edit.charge;
                document.on_edit(edit, &|client, user| presence.is_anothers(client, user), commit, io);
                let is_over_budget = document.is_over_budget();
                self.fanout.count_inflow(1, bytes, Instant::now());
                if is_over_budget {
                    self.end_idle_rooms();
                }
            }
            FromMember::RefuseLongEdit(edit) => document.on_long_edit(edit, io),
            FromMember::AskSaved(ask) => document.on_ask_saved(ask, commit, io),
            FromMember::AskState(ask) => document.on_ask_state(ask, commit, io),
            FromMember::StartCount(start) => document.on_start_count(start, io),
            FromMember::UpdateAwareness(awareness) => {
                let bytes = awareness.charge;
                // What is only sent back costs nobody else anything.
                if presence.on_awareness(awareness, io) {
                    self.fanout.count_inflow(1, bytes, Instant::now());
                }
            }
            FromMember::AskAwareness(ask) => presence.on_ask_awareness(ask, io),
            FromMember::BroadcastStateless(stateless) => {
                let bytes = stateless.charge;
                signals::on_stateless(stateless, commit, io);
                self.fanout.count_inflow(1, bytes, Instant::now());
            }
            FromMember::BroadcastBinary(signal) => {
                let bytes = signal.charge;
                signals::on_binary_signal(signal, io);
                self.fanout.count_inflow(1, bytes, Instant::now());
            }
            FromMember::ReplayMore(more) => timeline.on_more(more, presence, commit, io),
            FromMember::Renew(renew) => self.on_renew(renew),
            FromMember::Say(say) => self.on_say(say),
            FromMember::Join(_) | FromMember::Leave(_) | FromMember::WriteDocument(_) | FromMember::Post(_) => {}
        }
    }

    /// Takes an edit of a server.
    fn on_write(&mut self, write: WriteDocument) {
        let may_take = self.fanout.may_take(Instant::now());
        let Some((document, Parts { presence, timeline, commit, mut io })) = self.live() else {
            let is_deleted = matches!(self.phase, Phase::Deleted);
            return write.refuse(if is_deleted { WriteError::RoomDeleted } else { WriteError::TryLater });
        };
        let io = &mut io;
        if let Err(wait) = may_take.and_then(|()| timeline.may_say(io)) {
            return write.refuse(WriteError::TooMany(wait));
        }
        let bytes = write.update.len();
        document.on_write(write, timeline.head(), &|client, user| presence.is_anothers(client, user), commit, io);
        let is_over_budget = document.is_over_budget();
        self.fanout.count_inflow(0, bytes, Instant::now());
        if is_over_budget {
            self.end_idle_rooms();
        }
    }

    /// Takes what a server publishes.
    fn on_post(&mut self, post: Post) {
        if matches!(self.phase, Phase::Failed | Phase::Ended) {
            return post.refuse(PostError::TryLater);
        }
        if matches!(self.phase, Phase::Deleted) {
            return post.refuse(PostError::RoomDeleted);
        }
        let now = Instant::now();
        if let Err(wait) = self.fanout.may_take(now) {
            return post.refuse(PostError::TooMany(wait));
        }
        self.fanout.count_inflow(0, post.bytes, now);
        let Parts { timeline, commit, io, .. } = self.parts();
        timeline.on_post(post, commit, &io);
    }

    /// Does what a JSON member says.
    fn on_say(&mut self, say: Say) {
        let Say { from, said, request_id, charge } = say;
        self.fanout.count_inflow(0, charge, Instant::now());
        let Parts { presence, timeline, commit, mut io } = self.parts();
        let io = &mut io;
        if io.credit(from, charge).is_none() {
            return;
        }
        if let Err(wait) = timeline.may_say(io) {
            let message = "too much is said in this room, wait a little";
            let error = ErrorMessage::temporary(ErrorCode::RateLimited, message, wait.as_millis() as u64 + 1);
            return io.send_error(from, error, &request_id);
        }
        match said {
            Said::Publish(publication) => timeline.on_publish(from, publication, request_id, commit, io),
            Said::Signal(event) => signals::on_signal(from, &event, &request_id, io),
            Said::Typing(is_typing) => presence.on_typing(from, is_typing, &request_id, io),
            Said::Presence(state) => presence.on_state(from, state, &request_id, io),
            Said::Steps(steps) => timeline.on_push(from, steps, request_id, commit, io),
        }
    }
}

impl Handler<Post> for Room {
    type Result = ();

    fn handle(&mut self, post: Post, ctx: &mut Self::Context) {
        if !matches!(self.phase, Phase::Loading) || !self.commit.has_quotas() {
            self.on_post(post);
        } else if self.early.iter().filter(|message| matches!(message, FromMember::Post(_))).count() < POSTS_EARLY_MAX {
            self.early.push(FromMember::Post(post));
        } else {
            post.refuse(PostError::TryLater);
        }
        self.count_message(ctx);
    }
}

impl Handler<AwaitEntry> for Room {
    type Result = ();

    fn handle(&mut self, message: AwaitEntry, _: &mut Self::Context) {
        // One that cannot be loaded now tries again.
        if !matches!(self.phase, Phase::Deleted | Phase::Ended) {
            self.parts().timeline.on_await_entry(message);
        }
    }
}

impl Handler<Announce> for Room {
    type Result = ();

    fn handle(&mut self, message: Announce, ctx: &mut Self::Context) {
        signals::announce(&message.body, &mut self.parts().io);
        self.count_message(ctx);
    }
}

impl Handler<Disconnect> for Room {
    type Result = usize;

    fn handle(&mut self, Disconnect { user, reason }: Disconnect, _: &mut Self::Context) -> usize {
        let leaving = self.members.of(user.as_ref());
        for (link, member) in &leaving {
            self.fanout.outbound.close(*link, *member, CloseCode::Forbidden, reason.clone());
        }
        leaving.len()
    }
}

impl Handler<GetPresence> for Room {
    type Result = MessageResult<GetPresence>;

    fn handle(&mut self, _: GetPresence, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.members.users())
    }
}

impl Handler<Flush> for Room {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Flush, _: &mut Self::Context) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.flushed.push(sender);
        Box::pin(async move {
            // A room that dies has nothing more to commit.
            let _ = receiver.await;
        })
    }
}
