//! What a room is made of. What it does with each message stands in [`super::dispatch`], how it begins and ends in [`super::life`],
//! when it commits and sends in [`super::turn`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use actix::fut::ActorFutureExt;
use actix::{Addr, AsyncContext, Context, SpawnHandle, WrapFuture};
use tokio::sync::oneshot;
use tracing::Span;
use uuid::Uuid;

use super::RoomKey;
use super::arrivals::Arrivals;
use super::commit::{Commit, Uncommitted};
use super::context::RoomContext;
use super::document::LiveDocument;
use super::elsewhere::Elsewhere;
use super::fanout::{Fanout, Outbound};
use super::io::Io;
use super::members::Members;
use super::messages::FromMember;
use super::presence::Presence;
use super::residence::Residence;
use super::slots::RoomSlots;
use super::timeline::Timeline;
use super::timers::RoomTimers;
use super::unplaced::Unplaced;
use crate::ids::RoomName;
use crate::metrics;

/// Where the room stands in its life.
pub(super) enum Phase {
    /// The store has not answered yet.
    Loading,
    /// The store failed; joins are refused until a later attempt succeeds. Never an empty document.
    Failed,
    /// Open.
    Live(Box<LiveDocument>),
    /// It was deleted: the directory has let it go, and who still comes is told.
    Deleted,
    /// The directory has let it go.
    Ended,
}

/// Whether a room has asked for its first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seeding {
    /// It has a document, or nobody to ask, or began empty.
    Done,
    /// It has to, before the first member who may write.
    Due,
    /// It waits for the answer, or for its commit.
    Asking,
}

/// One live room. Started by the [`Directory`](super::Directory) at the first lookup, under actix's supervisor; owns the document,
/// the presence table, the members and what is not committed yet.
///
/// It ends when nobody has been in for a while: everything is committed, the directory lets it go, its timers are cancelled and
/// it ends with its last address. If it dies of a panic, its members are closed with 1011 and come back to a new one.
pub struct Room {
    pub(super) name: RoomName,
    /// What the room logs is logged within it, see [`Room::in_span`].
    span: Span,
    pub(super) key: RoomKey,
    /// Has other servers know that the room lives here, until it ends.
    pub(super) residence: Option<Residence>,
    /// Where the room is found, until it ends.
    pub(super) slots: Arc<RoomSlots<Addr<Room>>>,
    pub(super) context: RoomContext,
    pub(super) phase: Phase,
    /// What arrived while the room was loading; bounded by its senders' credit.
    pub(super) early: Vec<FromMember>,
    /// Who comes in while other servers are about.
    pub(super) arrivals: Arrivals,
    pub(super) members: Members,
    /// Whether anybody has been in since it was last told that nobody is.
    pub(super) had_members: bool,
    pub(super) presence: Presence,
    pub(super) timeline: Timeline,
    pub(super) commit: Commit,
    pub(super) fanout: Fanout,
    pub(super) elsewhere: Elsewhere,
    /// The other servers where the room lives.
    pub(super) holders: HashSet<Uuid>,
    pub(super) timers: RoomTimers<SpawnHandle>,
    /// What others committed, while it is not known which row is the room's.
    pub(super) unplaced: Unplaced,
    /// How often it still looks whether it was deleted.
    pub(super) looks_left: u32,
    /// Whether its first content is asked for.
    pub(super) seeding: Seeding,
    /// Who waits for everything to be committed, see [`Flush`](super::Flush).
    pub(super) flushed: Vec<oneshot::Sender<()>>,
}

/// The parts of a room, each to be changed while the others are.
pub(super) struct Parts<'a> {
    pub presence: &'a mut Presence,
    pub timeline: &'a mut Timeline,
    pub commit: &'a mut Commit,
    pub io: Io<'a>,
}

impl Room {
    pub(super) fn new(name: RoomName, key: RoomKey, slots: Arc<RoomSlots<Addr<Room>>>, context: RoomContext) -> Self {
        let (settings, now) = (&context.settings, Instant::now());
        let uncommitted = Uncommitted::new(
            settings.unsaved_bytes_max,
            &context.uncommitted,
            settings.batch_entries_max,
            settings.batch_bytes_max,
        );
        let quotas = context.settings.quotas.clone();
        let bytes_max = quotas.room_bytes_max(&name);
        metrics::ROOMS.inc();
        Self {
            // An error, so that it is there whatever the level of the log.
            span: tracing::error_span!("room", room.name = %name),
            name,
            key,
            slots,
            phase: Phase::Loading,
            early: Vec::new(),
            arrivals: Arrivals::default(),
            residence: None,
            members: Members::default(),
            had_members: false,
            presence: Presence::new(context.settings.awareness_bytes_max, now),
            timeline: Timeline::new(settings.say_rate, now),
            commit: Commit::new(uncommitted, quotas, bytes_max),
            fanout: Fanout::new(Outbound::new(key), context.settings.inflow_rate, now),
            elsewhere: Elsewhere::default(),
            holders: HashSet::new(),
            timers: RoomTimers::default(),
            unplaced: Unplaced::default(),
            looks_left: 0,
            seeding: Seeding::Done,
            flushed: Vec::new(),
            context,
        }
    }

    /// Does something within the room's span, which stands aside meanwhile: entering it costs least then.
    pub(super) fn in_span<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let span = std::mem::replace(&mut self.span, Span::none());
        let result = span.in_scope(|| work(self));
        self.span = span;
        result
    }

    /// Waits for something beside the room, then goes on with it within the room's span.
    pub(super) fn spawn<T: 'static>(
        &self,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
        ctx: &mut Context<Self>,
    ) {
        ctx.spawn(work.into_actor(self).map(|output, room, ctx| room.in_span(|room| then(room, output, ctx))));
    }

    /// The parts that there are whether the room is loaded or not.
    pub(super) fn parts(&mut self) -> Parts<'_> {
        self.split().1
    }

    /// The document, if the room is loaded, and all other parts.
    pub(super) fn live(&mut self) -> Option<(&mut LiveDocument, Parts<'_>)> {
        let (phase, parts) = self.split();
        if let Phase::Live(document) = phase { Some((document, parts)) } else { None }
    }

    fn split(&mut self) -> (&mut Phase, Parts<'_>) {
        let io = Io {
            name: &self.name,
            members: &mut self.members,
            outbound: &mut self.fanout.outbound,
            elsewhere: &mut self.elsewhere,
            settings: &self.context.settings,
            now: Instant::now(),
        };
        let parts = Parts { presence: &mut self.presence, timeline: &mut self.timeline, commit: &mut self.commit, io };
        (&mut self.phase, parts)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        metrics::ROOMS.dec();
    }
}
