//! What a room is told: by members, in one order with what else they say, and kept while the room loads; by the server, at once.

use actix::{Context, Handler, MessageResult, ResponseFuture};
use tokio::sync::oneshot;

use crate::protocol::{CloseCode, EditKind};
use crate::room::messages::*;
use crate::room::room::{Phase, Room};

macro_rules! heard {
    ($($name:ident),*) => {
        /// What members say.
        pub(super) enum Heard {
            $($name($name),)*
        }

        $(impl Handler<$name> for Room {
            type Result = ();

            fn handle(&mut self, message: $name, ctx: &mut Self::Context) {
                self.hear(Heard::$name(message), ctx);
                self.count_message(ctx);
            }
        })*
    };
}

heard! {
    Join, Edit, LongEdit, AskState, AskSaved, Awareness, AskAwareness, StartCount, Stateless, Renew, Say, More, BinarySignal,
    Leave
}

impl Room {
    /// Does what is asked, or keeps it until the room is loaded.
    pub(super) fn hear(&mut self, heard: Heard, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Loading) {
            return self.early.push(heard);
        }
        match heard {
            Heard::Join(message) => self.join(message, ctx),
            Heard::Edit(message) => {
                let (from, is_step2) = (message.from, message.kind == EditKind::Step2);
                self.edit(message, ctx);
                if is_step2 {
                    self.step2_came(from, ctx);
                }
            }
            Heard::LongEdit(message) => self.long_edit(message),
            Heard::AskSaved(message) => self.ask_saved(message, ctx),
            Heard::AskState(message) => self.ask_state(message, ctx),
            Heard::Awareness(message) => self.awareness(message, ctx),
            Heard::AskAwareness(message) => self.ask_awareness(message),
            Heard::StartCount(message) => self.start_count(message),
            Heard::Stateless(message) => self.stateless(message),
            Heard::Renew(message) => self.renew(message, ctx),
            Heard::Say(message) => self.say(message, ctx),
            Heard::More(message) => self.ask_more(message, ctx),
            Heard::BinarySignal(message) => self.binary_signal(message),
            Heard::Leave(message) => self.leave(message, ctx),
        }
    }
}

impl Handler<Post> for Room {
    type Result = ();

    fn handle(&mut self, message: Post, ctx: &mut Self::Context) {
        self.post(message);
        self.count_message(ctx);
    }
}

impl Handler<Announce> for Room {
    type Result = ();

    fn handle(&mut self, message: Announce, ctx: &mut Self::Context) {
        self.announce(&message.body);
        self.count_message(ctx);
    }
}

impl Handler<Disconnect> for Room {
    type Result = usize;

    fn handle(&mut self, Disconnect { user, reason }: Disconnect, _: &mut Self::Context) -> usize {
        let leaving = self.members.of(user.as_ref());
        for (link, member) in &leaving {
            self.outbound.close(*link, *member, CloseCode::Forbidden, reason.clone());
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

impl Handler<EndIdle> for Room {
    type Result = ();

    fn handle(&mut self, _: EndIdle, ctx: &mut Self::Context) {
        if self.idle_timer.is_some() {
            self.end(ctx);
        }
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
