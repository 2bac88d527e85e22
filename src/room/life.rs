//! How a room begins and ends: loading, never as an empty document because the store failed; idleness; its death.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Supervised};
use uuid::Uuid;

use super::document::{LiveDocument, LoadError};
use super::messages::{EndIdle, FromMember, Join};
use super::presence::SWEEP;
use super::residence::Residence;
use super::room::{Parts, Phase, Room, Seeding};
use super::servers::sender;
use super::timers::Timer;
use super::turn::TurnEnd;
use crate::archive::{ArchiveError, Stored};
use crate::bus::Entered;
use crate::metrics;
use crate::protocol::CloseCode;
use crate::store::StoreError;

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.in_span(|room| room.load(ctx));
        self.arm(Timer::Sweep, SWEEP, ctx);
        ctx.spawn(TurnEnd);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if matches!(self.phase, Phase::Ended) || self.slots.is_stopping() {
            return;
        }
        self.on_death();
    }
}

impl Supervised for Room {}

impl Handler<EndIdle> for Room {
    type Result = ();

    fn handle(&mut self, _: EndIdle, ctx: &mut Self::Context) {
        if self.timers.is_armed(Timer::Idle) {
            self.in_span(|room| room.end(ctx));
        }
    }
}

impl Room {
    /// Reads the room from the store.
    fn load(&mut self, ctx: &mut Context<Self>) {
        if self.context.documents.is_full() {
            self.end_idle_rooms();
            return self.load_failed(&LoadError::Full, ctx);
        }
        let (archive, store, name) = (self.context.archive.clone(), self.context.store.clone(), self.name.clone());
        let counts = self.context.settings.quotas.room_bytes_max(&self.name).is_some();
        let mut entered = self.enter();
        // Off this thread: a large document takes long, and other rooms live here.
        let loading = async move {
            // From here on they tell what they commit; what they committed before is read.
            entered.is_known().await;
            let read = async {
                let stored = archive.read(&name).await?;
                let stored_bytes = match &stored {
                    Some(stored) if counts => store.counted_bytes(stored.id).await?,
                    _ => 0,
                };
                Ok((stored, stored_bytes))
            };
            (read.await, entered.holders)
        };
        let then =
            |room: &mut Self, (loaded, holders): (Result<_, ArchiveError>, _), ctx: &mut Context<Self>| match loaded {
                Ok((stored, stored_bytes)) => room.loaded(stored, stored_bytes, holders, ctx),
                Err(error) => room.load_failed(&LoadError::from(error), ctx),
            };
        self.spawn(loading, then, ctx);
    }

    /// Has the other servers know that the room lives here.
    fn enter(&mut self) -> Entered {
        if self.residence.is_some() {
            return Entered::default();
        }
        let (residence, entered) = Residence::begin(&self.name, &self.context.cluster);
        self.residence = Some(residence);
        let kept = self.context.cluster.kept(&self.name);
        let Parts { presence, mut io, .. } = self.parts();
        presence.on_absent(kept, &mut io);
        entered
    }

    fn loaded(&mut self, stored: Option<Stored>, stored_bytes: u64, holders: HashSet<Uuid>, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Deleted | Phase::Ended) {
            return;
        }
        self.commit.on_loaded(stored.as_ref().map(|stored| (stored.id, stored.epoch)), stored_bytes);
        if self.context.back_end.seed.is_some() && stored.as_ref().is_none_or(|stored| !stored.has_document) {
            self.seeding = Seeding::Due;
        }
        if let Some(stored) = &stored {
            self.timeline.on_loaded(stored.head);
        }
        let empty = || self.context.archive.empty(&self.name);
        let (documents, states) = (&self.context.documents, self.context.states.clone());
        let document = LiveDocument::load(stored, empty, documents, states, Instant::now());
        self.phase = Phase::Live(Box::new(document));
        tracing::info!("room loaded");
        if !holders.is_empty() {
            self.arrivals.await_servers(holders, Instant::now());
            let early = std::mem::take(&mut self.early);
            let (waiting, others) = early.into_iter().partition(|message| sender(message).is_some());
            self.early = others;
            let whose = |message: FromMember| Some((sender(&message)?, message));
            let waiting: Vec<FromMember> = waiting;
            self.arrivals.keep_all(waiting.into_iter().filter_map(whose).collect(), self.timeline.head());
        }
        self.take_early(ctx);
        self.arm_idle(ctx);
        self.place_told(ctx);
        self.catch_up(ctx);
        self.let_arrivals_in(ctx);
        self.make_snapshot_if_due(ctx);
        self.end_turn(ctx);
    }

    fn load_failed(&mut self, error: &LoadError, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Deleted | Phase::Ended) {
            return;
        }
        if let LoadError::Archive(ArchiveError::Store(StoreError::RoomDeleted)) = error {
            self.found_deleted(ctx);
            return;
        }
        let wait = self.commit.on_load_failed();
        metrics::ROOM_LOADS_FAILED.inc();
        let retry_ms = wait.as_millis() as u64;
        match error {
            LoadError::Archive(ArchiveError::Store(StoreError::Newer(_))) => {
                tracing::debug!(%error, retry_ms, "room cannot be loaded here");
            }
            error => tracing::error!(%error, retry_ms, "room cannot be loaded"),
        }
        self.phase = Phase::Failed;
        // All of it is committed, and read with the room.
        self.unplaced.clear();
        self.take_early(ctx);
        self.arm(Timer::Load, wait, ctx);
        self.arm_idle(ctx);
        self.end_turn(ctx);
    }

    /// Handles what arrived while the room was loading, in its order.
    pub(super) fn take_early(&mut self, ctx: &mut Context<Self>) {
        for message in std::mem::take(&mut self.early) {
            self.on_message(message, ctx);
        }
    }

    /// Refuses a join to a room that cannot be loaded, or was deleted.
    pub(super) fn refuse_join(&mut self, join: Join) {
        let (code, reason) = match self.phase {
            Phase::Deleted => (CloseCode::RoomDeleted, CloseCode::RoomDeleted.reason()),
            _ => (CloseCode::TryLater, "the room cannot be loaded now, try again later"),
        };
        self.close_join(join, code, reason);
    }

    /// Closes the connection of one who does not come in.
    pub(super) fn close_join(&mut self, Join { seat, .. }: Join, code: CloseCode, reason: &str) {
        let outbound = &mut self.fanout.outbound;
        let link = outbound.link(seat.relay());
        outbound.close(link, seat.member(), code, reason);
        seat.decide();
    }

    /// (Re)starts the wait for the room's end, if nobody is in.
    pub(super) fn arm_idle(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timers.take(Timer::Idle) {
            ctx.cancel_future(timer);
        }
        if self.members.is_empty() {
            self.arm(Timer::Idle, self.context.settings.idle, ctx);
        }
    }

    /// Ends the room, unless somebody is in or something is not committed.
    fn end(&mut self, ctx: &mut Context<Self>) {
        self.flush(ctx);
        let is_empty = self.members.is_empty() && self.early.is_empty() && self.arrivals.is_empty();
        let is_done = is_empty && self.commit.uncommitted.is_empty() && self.fanout.outbound.is_empty();
        if !is_done || !self.slots.release(&self.name, self.key) {
            return self.arm_idle(ctx);
        }
        tracing::info!("room unloaded");
        if std::mem::take(&mut self.had_members) && !self.presence.is_anybody_elsewhere() {
            self.context.back_end.events.tell_empty(&self.name);
        }
        self.phase = Phase::Ended;
        self.residence = None;
        // They would keep it; without them it ends with its last address.
        for timer in self.timers.take_all() {
            ctx.cancel_future(timer);
        }
    }

    /// Has rooms without members end now, because memory is short.
    pub(super) fn end_idle_rooms(&self) {
        self.slots.take_idle_call(Instant::now()).iter().for_each(|room| room.do_send(EndIdle));
    }

    /// Has a timer run, unless one of its kind does.
    pub(super) fn arm(&mut self, timer: Timer, wait: Duration, ctx: &mut Context<Self>) {
        if !self.timers.is_armed(timer) {
            self.arm_at(timer, Instant::now() + wait, ctx);
        }
    }

    /// Has a timer run that ends at `due`, unless one of its kind ends no later.
    pub(super) fn arm_at(&mut self, timer: Timer, due: Instant, ctx: &mut Context<Self>) {
        let start = || {
            let wait = due.saturating_duration_since(Instant::now());
            ctx.run_later(wait, move |room, ctx| room.in_span(|room| room.on_timer(timer, ctx)))
        };
        if let Some(replaced) = self.timers.arm(timer, due, start) {
            ctx.cancel_future(replaced);
        }
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<Self>) {
        self.timers.take(timer);
        match timer {
            Timer::Idle => self.end(ctx),
            Timer::Load => {
                self.phase = Phase::Loading;
                self.load(ctx);
            }
            Timer::Sweep => {
                self.sweep();
                self.arm(Timer::Sweep, SWEEP, ctx);
            }
            Timer::Retry => {
                self.drop_known();
                let next = self.commit.retry(Instant::now());
                self.run_commit(next, ctx);
            }
            Timer::Behind => return self.flush(ctx),
            Timer::Replies => {
                if let Some((document, mut parts)) = self.live() {
                    document.on_replies_due(parts.commit, &mut parts.io);
                }
            }
            Timer::Presence => {
                let mut parts = self.parts();
                parts.presence.on_due(&mut parts.io);
            }
            Timer::Awareness => {
                let mut parts = self.parts();
                parts.presence.send_batch(&mut parts.io);
            }
            Timer::Foreign => {
                self.timeline.on_foreign_due();
                self.catch_up(ctx);
            }
            Timer::Elsewhere => self.tell_presence(),
            Timer::Arrivals => self.let_arrivals_in(ctx),
            Timer::Deletion => self.on_look_due(ctx),
            Timer::Row => self.ask_whose_row(ctx),
            // The turn's end does the rest.
            Timer::Commit | Timer::Flush | Timer::Missing => {}
        }
        if !matches!(timer, Timer::Idle | Timer::Load) {
            self.end_turn(ctx);
        }
    }

    fn sweep(&mut self) {
        let mut parts = self.parts();
        parts.presence.sweep(&mut parts.io);
        if let Phase::Live(document) = &mut self.phase {
            document.sweep();
        }
    }
}
