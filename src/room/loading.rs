//! How a room comes to life: from the newest snapshot and the edits after it, never as an empty document because the store failed.

use std::collections::HashMap;

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::Bytes;

use super::messages::Join;
use super::room::{Live, Phase, RETRY_FIRST, Room};
use super::snapshots::{Tail, weight};
use super::states::States;
use crate::ids::Seq;
use crate::metrics;
use crate::protocol::CloseCode;
use crate::replica::{Refusal, Replica};
use crate::store::{Loaded, RoomId, StoreError};

/// Why a room could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored document is damaged: {0}")]
    Damaged(#[from] Refusal),
    #[error("loading panicked: {0}")]
    Panic(String),
    #[error("the room is not in the store")]
    Missing,
    #[error("the server stops")]
    Stopping,
}

impl Room {
    /// Reads the room from the store. While an append is in flight this waits: what that holds must be on one side only.
    pub(super) fn load(&mut self, ctx: &mut Context<Self>) {
        if self.uncommitted.is_in_flight() {
            return;
        }
        let store = self.context.store.clone();
        let name = self.name.clone();
        let state_bytes_max = self.context.settings.document_bytes_max;
        let loading = async move {
            let loaded = store.load(&name).await?;
            // Off this thread: a large document takes long, and other rooms live here.
            let built = actix_rt::task::spawn_blocking(move || build(loaded, state_bytes_max)).await;
            built.unwrap_or_else(|panic| Err(LoadError::Panic(panic.to_string())))
        };
        ctx.spawn(loading.into_actor(self).map(|loaded, room, ctx| match loaded {
            Ok(built) => room.loaded(built, ctx),
            Err(error) => room.load_failed(&error, ctx),
        }));
    }

    fn loaded(&mut self, Built { row, mut live, tail, head }: Built, ctx: &mut Context<Self>) {
        let uncommitted: Vec<Bytes> = self.uncommitted.edits().cloned().collect();
        for update in &uncommitted {
            if let Err(error) = live.replica.apply(update) {
                tracing::error!(room.name = %self.name, %error, "an uncommitted edit cannot be applied again");
            }
        }
        self.row = row.or(self.row);
        // After a restart there are members, who are shown what others wrote.
        if head > self.timeline.head && self.members.is_empty() {
            self.timeline.jump(head);
        }
        self.tail = tail;
        self.phase = Phase::Live(Box::new(live));
        // Members are there already after a restart.
        self.ask_all();
        self.retry = RETRY_FIRST;
        tracing::info!(room.name = %self.name, "room loaded");
        self.take_early(ctx);
        self.arm_idle(ctx);
        self.lengthen_tail(0, ctx);
        if head > self.timeline.head {
            self.learn_head(head, ctx);
        }
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
    pub(super) fn refuse(&mut self, join: &Join) {
        let link = self.outbound.link(&join.relay);
        self.outbound.close(link, join.member, CloseCode::TryLater, "the room cannot be loaded now, try again later");
    }
}

/// A room as the store has it.
pub(super) struct Built {
    pub row: Option<RoomId>,
    pub live: Live,
    pub tail: Tail,
    pub head: Seq,
}

pub(super) fn build(loaded: Option<Loaded>, state_bytes_max: usize) -> Result<Built, LoadError> {
    let Some(Loaded { id, head, snapshot, edits, clients }) = loaded else {
        let replica = Replica::load(None, &[], state_bytes_max)?;
        let live = Live { replica, authors: HashMap::new(), states: States::default() };
        return Ok(Built { row: None, live, tail: Tail::default(), head: Seq::ZERO });
    };
    let snapshot = snapshot.map(|(_, state)| state);
    let replica = Replica::load(snapshot.as_ref(), &edits, state_bytes_max)?;
    let live = Live { replica, authors: clients.into_iter().collect(), states: States::default() };
    let tail = Tail::new(snapshot.map_or(0, |state| state.len()), edits.iter().map(weight).sum());
    Ok(Built { row: Some(id), live, tail, head })
}
