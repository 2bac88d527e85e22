//! The actor that orders everything that happens in one room: what it has, how it begins and how it ends.
//!
//! What it does with each message stands beside, from [`crate::room::dispatch`] on; when it commits and shows, in [`crate::room::turn`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, SpawnHandle, Supervised};
use tokio::sync::oneshot;

use crate::archive::Tail;
use crate::document::Blocks;
use crate::ids::{RoomName, Seq, UserId};
use crate::metrics;
use crate::protocol::{Word, awareness};
use crate::rate::Bucket;
use crate::room::RoomKey;
use crate::room::commit::journal::COMMIT_EVERY;
use crate::room::commit::uncommitted::Uncommitted;
use crate::room::directory::{Directory, RoomContext};
use crate::room::dispatch::Heard;
use crate::room::document::memory::Held;
use crate::room::document::missing::Lacks;
use crate::room::document::sync_replies::{Asks, States};
use crate::room::fanout::outbound::Outbound;
use crate::room::fanout::pace::Pace;
use crate::room::members::Members;
use crate::room::presence::awareness::Presence;
use crate::room::presence::batch::Gathered;
use crate::room::presence::roster::Roster;
use crate::room::presence::typing::Typing;
use crate::room::timeline::foreign::Foreign;
use crate::room::timeline::replay::Timeline;
use crate::room::turn::{SHOW_EVERY, TurnEnd};
use crate::store::RoomId;

/// Waits between attempts of what the database refused for now: doubled from the first to the last, each jittered.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(100);
pub(super) const RETRY_LAST: Duration = Duration::from_secs(5);
/// How often states that nobody renews are forgotten, and the encoded document, and stand-ins renewed.
pub(super) const SWEEP: Duration = Duration::from_secs(10);

/// Where the room stands in its life.
pub(super) enum Phase {
    /// The store has not answered yet.
    Loading,
    /// The store failed; joins are refused until a later attempt succeeds. Never an empty document.
    Failed,
    /// Open.
    Live(Box<Live>),
}

/// What a loaded room has.
pub(super) struct Live {
    pub document: Blocks,
    /// What it counts in what all live documents hold.
    pub held: Held,
    /// Who brought each Yjs client first; what others forward of it keeps that name.
    pub authors: HashMap<u64, UserId>,
    /// Answers for who lacks the same as somebody before; until the next edit or sweep.
    pub states: States,
}

/// One live room. Started by the [`Directory`] at the first lookup, under actix's supervisor; owns the document, the presence
/// table, the members and what is not committed yet.
///
/// It ends when nobody has been in for a while: everything is committed, the directory lets it go, its timers are cancelled and
/// it ends with its last address. It restarts, members and uncommitted entries kept, when the CRDT library fails. If it dies of
/// a panic elsewhere, its members are closed with 1011 and come back to a new one.
pub struct Room {
    pub(super) name: RoomName,
    pub(super) key: RoomKey,
    pub(super) directory: Arc<Directory>,
    pub(super) context: RoomContext,
    pub(super) phase: Phase,
    /// The room's row; made before the first append.
    pub(super) row: Option<RoomId>,
    /// What of the document has to be loaded beside its newest snapshot.
    pub(super) tail: Tail,
    pub(super) is_making_snapshot: bool,
    /// What arrived while the room was loading; bounded by its senders' credit.
    pub(super) early: Vec<Heard>,
    pub(super) members: Members,
    /// Who waits for what it lacks of the document.
    pub(super) asks: Asks,
    pub(super) presence: Presence,
    /// Awareness that is shown in a moment.
    pub(super) gathered: Gathered,
    /// The users, while JSON members want to know.
    pub(super) roster: Option<Box<Roster>>,
    pub(super) typing: Typing,
    /// When presence and typing do something by themselves.
    pub(super) people_timer: Option<(Instant, SpawnHandle)>,
    pub(super) timeline: Timeline,
    pub(super) foreign: Foreign,
    /// How often JSON members say something.
    pub(super) said: Bucket,
    pub(super) uncommitted: Uncommitted,
    /// Of whom something is lacking.
    pub(super) lacks: Lacks,
    /// When the next of them may be asked again.
    pub(super) lacks_timer: Option<(Instant, SpawnHandle)>,
    pub(super) outbound: Outbound,
    /// Who waits for everything to be committed, see [`Flush`].
    pub(super) flushed: Vec<oneshot::Sender<()>>,
    pub(super) messages_this_turn: usize,
    /// When to show, and the timer for what is held back.
    pub(super) pace: Pace,
    pub(super) show_timer: Option<SpawnHandle>,
    pub(super) commit_pace: Pace,
    pub(super) commit_timer: Option<SpawnHandle>,
    pub(super) retry: Duration,
    pub(super) retry_timer: Option<SpawnHandle>,
    pub(super) idle_timer: Option<SpawnHandle>,
    pub(super) behind_timer: Option<SpawnHandle>,
    pub(super) sweep_timer: Option<SpawnHandle>,
    pub(super) is_released: bool,
}

impl Room {
    pub(super) fn new(name: RoomName, key: RoomKey, directory: Arc<Directory>, context: RoomContext) -> Self {
        let settings = context.settings.clone();
        let uncommitted = Uncommitted::new(
            settings.unsaved_bytes_max,
            context.budget.clone(),
            settings.batch_entries_max,
            settings.batch_bytes_max,
        );
        metrics::ROOMS.inc();
        Self {
            name,
            key,
            directory,
            context,
            phase: Phase::Loading,
            row: None,
            tail: Tail::default(),
            is_making_snapshot: false,
            early: Vec::new(),
            members: Members::default(),
            asks: Asks::new(Instant::now()),
            presence: Presence::new(Instant::now()),
            gathered: Gathered::default(),
            roster: None,
            typing: Typing::default(),
            people_timer: None,
            timeline: Timeline::new(Seq::ZERO),
            foreign: Foreign::default(),
            said: Bucket::new(settings.say_rate, Instant::now()),
            uncommitted,
            lacks: Lacks::default(),
            lacks_timer: None,
            outbound: Outbound::new(key),
            flushed: Vec::new(),
            messages_this_turn: 0,
            pace: Pace::new(SHOW_EVERY),
            show_timer: None,
            commit_pace: Pace::new(COMMIT_EVERY),
            commit_timer: None,
            retry: RETRY_FIRST,
            retry_timer: None,
            idle_timer: None,
            behind_timer: None,
            sweep_timer: None,
            is_released: false,
        }
    }

    /// (Re)starts the wait for the room's end, if nobody is in.
    pub(super) fn arm_idle(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.idle_timer.take() {
            ctx.cancel_future(timer);
        }
        if self.members.is_empty() {
            self.idle_timer = Some(ctx.run_later(self.context.settings.idle, |room, ctx| {
                room.idle_timer = None;
                room.end(ctx);
            }));
        }
    }

    /// Ends the room, unless somebody is in or something is not committed.
    pub(super) fn end(&mut self, ctx: &mut Context<Self>) {
        let is_done = self.members.is_empty() && self.early.is_empty() && self.uncommitted.is_empty();
        if !is_done || !self.directory.release(&self.name, self.key) {
            return self.arm_idle(ctx);
        }
        tracing::info!(room.name = %self.name, "room unloaded");
        self.is_released = true;
        self.phase = Phase::Failed;
        // They would keep it; without them it ends with its last address.
        let people = &mut self.people_timer.take().map(|(_, timer)| timer);
        let lacks = &mut self.lacks_timer.take().map(|(_, timer)| timer);
        let asks = &mut self.asks.take_timer();
        let timers = [&mut self.retry_timer, &mut self.behind_timer, &mut self.sweep_timer, &mut self.show_timer];
        for timer in timers.into_iter().chain([&mut self.commit_timer, people, asks, lacks]) {
            if let Some(timer) = timer.take() {
                ctx.cancel_future(timer);
            }
        }
    }

    fn sweep(&mut self) {
        let renewed = self.presence.sweep(Instant::now());
        if !renewed.is_empty() {
            self.say_to_all(Word::Awareness(&awareness::encode(renewed.iter())), None, &[]);
        }
        if let Phase::Live(live) = &mut self.phase {
            live.states.sweep();
        }
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.load(ctx);
        self.sweep_timer = Some(ctx.run_interval(SWEEP, |room, ctx| {
            room.sweep();
            room.end_turn(ctx);
        }));
        ctx.spawn(TurnEnd);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if self.is_released || self.directory.is_stopping() {
            return;
        }
        metrics::ROOM_DEATHS.inc();
        tracing::error!(room.name = %self.name, "room died, its members come back to a new one");
        self.directory.forget(&self.name, self.key);
        self.outbound.died();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        metrics::ROOMS.dec();
    }
}

impl Supervised for Room {}
