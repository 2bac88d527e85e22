//! How a room comes to life: from the newest snapshot and the edits after it, never as an empty document because the store failed.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};

use crate::archive::{ArchiveError, Stored, Tail};
use crate::ids::Seq;
use crate::metrics;
use crate::protocol::CloseCode;
use crate::room::document::sync_replies::States;
use crate::room::messages::Join;
use crate::room::room::{Live, Phase, RETRY_FIRST, Room};

/// Why a room could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub(in crate::room) enum LoadError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("all documents that are live hold as much memory as they may (TUTTI_DOCUMENTS_BYTES_MAX)")]
    Full,
}

impl Room {
    /// Reads the room from the store. While an append is in flight this waits: what that holds must be on one side only.
    pub(in crate::room) fn load(&mut self, ctx: &mut Context<Self>) {
        if self.uncommitted.is_in_flight() {
            return;
        }
        if self.context.documents.is_full() {
            self.directory.end_idle();
            return self.load_failed(&LoadError::Full, ctx);
        }
        let (archive, name) = (self.context.archive.clone(), self.name.clone());
        // Off this thread: a large document takes long, and other rooms live here.
        let loading = async move { archive.read(&name).await };
        ctx.spawn(loading.into_actor(self).map(|loaded, room, ctx| match loaded {
            Ok(stored) => room.loaded(stored, ctx),
            Err(error) => room.load_failed(&error.into(), ctx),
        }));
    }

    fn loaded(&mut self, stored: Option<Stored>, ctx: &mut Context<Self>) {
        let head = stored.as_ref().map_or(Seq::ZERO, |stored| stored.head);
        self.row = stored.as_ref().map(|stored| stored.id).or(self.row);
        self.tail = stored.as_ref().map_or_else(Tail::default, |stored| stored.tail);
        let (mut document, clients) = match stored {
            Some(Stored { document, clients, .. }) => (document, clients),
            None => (self.context.archive.empty(&self.name), Vec::new()),
        };
        for update in self.uncommitted.edits() {
            if let Err(error) = document.apply(update) {
                tracing::error!(room.name = %self.name, %error, "an uncommitted edit cannot be applied again");
            }
        }
        if head > self.timeline.head {
            self.timeline.jump(head);
        }
        let held = self.context.documents.hold(document.held());
        let live = Live { document, held, authors: clients.into_iter().collect(), states: States::default() };
        self.phase = Phase::Live(Box::new(live));
        self.retry = RETRY_FIRST;
        tracing::info!(room.name = %self.name, "room loaded");
        self.take_early(ctx);
        self.arm_idle(ctx);
        self.lengthen_tail(0, ctx);
        self.end_turn(ctx);
    }

    fn load_failed(&mut self, error: &LoadError, ctx: &mut Context<Self>) {
        let wait = self.next_retry();
        metrics::ROOM_LOADS_FAILED.inc();
        tracing::error!(room.name = %self.name, %error, retry_ms = wait.as_millis() as u64, "room cannot be loaded");
        self.phase = Phase::Failed;
        self.take_early(ctx);
        self.retry_timer = Some(ctx.run_later(wait, |room, ctx| {
            room.retry_timer = None;
            room.phase = Phase::Loading;
            room.load(ctx);
        }));
        self.arm_idle(ctx);
        self.end_turn(ctx);
    }

    /// Handles what arrived while the room was loading, in its order.
    fn take_early(&mut self, ctx: &mut Context<Self>) {
        for heard in std::mem::take(&mut self.early) {
            self.hear(heard, ctx);
        }
    }

    /// Turns a join away from a room that cannot be loaded.
    pub(in crate::room) fn refuse(&mut self, join: &Join) {
        let link = self.outbound.link(&join.relay);
        self.outbound.close(link, join.member, CloseCode::TryLater, "the room cannot be loaded now, try again later");
    }
}
