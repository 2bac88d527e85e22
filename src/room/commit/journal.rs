//! Commits the entries of many rooms together: one transaction in flight, the next gathers while it runs, so batches grow with
//! load by themselves, helped by a short wait between commits, and nothing waits when there is none. Which of them go next, and how much
//! of a room's at once, `lane.rs` says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle, WrapFuture};
use uuid::Uuid;

use super::lane::{Lane, Portion, Size};
use crate::bus::{Cluster, RoomMessage};
use crate::ids::RoomName;
use crate::room::fanout::Pace;
use crate::store::{Append, CLIENTS_AT_ONCE, Outcome, Store};
use crate::telemetry;

/// Under load a commit of few entries waits until this long after the one before, for more: each costs about the same, however
/// much is in it.
pub(super) const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// So many entries wait for no more: what a commit costs is little for each of them. So nobody waits who sends the next edit once
/// an earlier one is committed, unless there are few of them.
pub(super) const ENTRIES_WORTH_A_COMMIT: usize = 64;

/// Which commits are slow enough for a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// Asks for a commit. A room has at most one in flight, so the queue is bounded by the rooms' own queues.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// What is to be stored.
    pub append: Append,
    /// In which room.
    pub name: RoomName,
    /// Who is told.
    pub room: Recipient<Committed>,
    /// Whether it has taken the database too long before.
    pub is_suspect: bool,
}

/// Tells a room what became of its append.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Committed {
    /// The append's id.
    pub id: Uuid,
    /// What became of its entries.
    pub outcome: Outcome,
    /// Whether appends of other rooms were stored in the time that this one took, if it was sent apart from them.
    pub others_were_stored: bool,
    /// How much the room may submit at once from now on.
    pub portion: Size,
}

/// Appends that are committed one transaction after another.
struct Queue {
    waiting: Lane<Submit>,
    portion: Portion,
    is_writing: bool,
    pace: Pace,
    /// While a small batch is held back for more.
    hold_timer: Option<SpawnHandle>,
}

impl Queue {
    fn new(batch_max: Size) -> Self {
        let (waiting, portion, pace) = (Lane::default(), Portion::new(batch_max), Pace::new(COMMIT_EVERY));
        Self { waiting, portion, is_writing: false, pace, hold_timer: None }
    }
}

fn size(append: &Append) -> Size {
    let bytes = append.entries.iter().map(|entry| entry.body.len()).sum();
    Size { entries: append.entries.len(), bytes, clients: append.clients.len() }
}

/// The queue of rooms that live on this server alone, as far as is known.
const OWN: usize = 0;
/// That of rooms that other servers write to as well: these may keep them locked, and the others do not wait for that.
const SHARED: usize = 1;

/// The actor that commits. Started by the server, it ends with the process; a panic in it ends the process, for nothing could be
/// acknowledged any more.
pub struct Journal {
    store: Store,
    cluster: Arc<Cluster>,
    queues: [Queue; 2],
    /// What may take long: one by one, beside the others.
    aside: VecDeque<Submit>,
    is_writing_aside: bool,
    /// Appends that were stored with others.
    stored: u64,
    batch_max: Size,
}

impl Journal {
    /// A journal that writes to `store`, batches of at most `batch_entries_max` and `batch_bytes_max`, but always one append, and
    /// then tells the `cluster`.
    pub fn new(store: Store, cluster: Arc<Cluster>, batch_entries_max: usize, batch_bytes_max: usize) -> Self {
        let batch_max = Size { entries: batch_entries_max, bytes: batch_bytes_max, clients: CLIENTS_AT_ONCE };
        let queues = [Queue::new(batch_max), Queue::new(batch_max)];
        Self { store, cluster, queues, aside: VecDeque::new(), is_writing_aside: false, stored: 0, batch_max }
    }

    fn write(&mut self, queue: usize, ctx: &mut Context<Self>) {
        let Queue { waiting, is_writing, pace, hold_timer, .. } = &mut self.queues[queue];
        if *is_writing || waiting.is_empty() {
            return;
        }
        let wait = pace.wait(Instant::now());
        match wait.filter(|_| waiting.entries() < ENTRIES_WORTH_A_COMMIT) {
            Some(wait) if hold_timer.is_none() => {
                *hold_timer = Some(ctx.run_later(wait, move |journal, ctx| {
                    journal.queues[queue].hold_timer = None;
                    journal.write_batch(queue, ctx);
                }));
            }
            Some(_) => {}
            None => {
                if let Some(timer) = hold_timer.take() {
                    ctx.cancel_future(timer);
                }
                self.write_batch(queue, ctx);
            }
        }
    }

    fn write_batch(&mut self, queue: usize, ctx: &mut Context<Self>) {
        let Queue { waiting, portion, is_writing, pace, .. } = &mut self.queues[queue];
        *is_writing = true;
        pace.turned(Instant::now(), waiting.entries());
        let batch = waiting.next_batch(self.batch_max, portion.size());
        let (appends, rooms): (Vec<_>, Vec<_>) = batch.into_iter().map(|submit| self.split(submit)).unzip();
        let all = appends.iter().map(size).fold(Size::default(), Size::with);
        let (store, began) = (self.store.clone(), Instant::now());
        let commit = async move {
            match queue {
                OWN => store.append(appends).await,
                _ => store.append_shared(appends).await,
            }
        };
        let done = commit.into_actor(self).map(move |outcomes, journal, ctx| {
            let took = began.elapsed();
            if took >= SLOW {
                tracing::warn!(
                    seconds = took.as_secs_f64(),
                    rooms = rooms.len(),
                    entries = all.entries,
                    "the database took long to commit"
                );
            }
            journal.stored += outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
            let own = &mut journal.queues[queue];
            if outcomes.iter().any(Outcome::is_ok) {
                own.portion.committed(all, took);
            }
            own.is_writing = false;
            let portion = own.portion.size();
            journal.tell(rooms.into_iter().zip(outcomes), false, portion);
            journal.write(queue, ctx);
        });
        ctx.spawn(done);
    }

    /// An append for the store, and who is told what becomes of it.
    fn split(&self, Submit { append, name, room, .. }: Submit) -> (Append, Told) {
        // Kept for the other servers, if there are any.
        let copy = (!self.cluster.is_alone()).then(|| append.clone());
        let told = Told { id: append.id, name, room, append: copy };
        (append, told)
    }

    /// Tells the rooms what became of their appends, and then the other servers what is committed.
    fn tell(&self, appends: impl Iterator<Item = (Told, Outcome)>, others_were_stored: bool, portion: Size) {
        let mut committed = Vec::new();
        for (Told { id, name, room, append }, outcome) in appends {
            let shared = append.and_then(|append| RoomMessage::committed(append, &outcome));
            committed.extend(shared.map(|shared| (name, shared)));
            room.do_send(Committed { id, outcome, others_were_stored, portion });
        }
        self.cluster.tell_committed(committed);
    }
}

/// Who is told what becomes of an append.
struct Told {
    id: Uuid,
    name: RoomName,
    room: Recipient<Committed>,
    append: Option<Append>,
}

impl Journal {
    fn write_aside(&mut self, ctx: &mut Context<Self>) {
        if self.is_writing_aside {
            return;
        }
        let Some(submit) = self.aside.pop_front() else { return };
        self.is_writing_aside = true;
        let (append, told) = self.split(submit);
        let (before, store) = (self.stored, self.store.clone());
        let commit = async move { store.append_aside(append).await };
        ctx.spawn(commit.into_actor(self).map(move |outcome, journal, ctx| {
            let others_were_stored = journal.stored > before;
            journal.tell(std::iter::once((told, outcome)), others_were_stored, journal.queues[OWN].portion.size());
            journal.is_writing_aside = false;
            journal.write_aside(ctx);
        }));
    }
}

impl Actor for Journal {
    type Context = Context<Self>;
}

impl Drop for Journal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the journal panicked, the process ends: nothing could be acknowledged any more");
            telemetry::flush();
            std::process::exit(70);
        }
    }
}

impl Handler<Submit> for Journal {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Context<Self>) {
        if submit.is_suspect || submit.append.clients.len() > CLIENTS_AT_ONCE {
            self.aside.push_back(submit);
            return self.write_aside(ctx);
        }
        let queue = if self.cluster.is_shared(&submit.name) { SHARED } else { OWN };
        let Queue { waiting, portion, .. } = &mut self.queues[queue];
        waiting.push(size(&submit.append), portion.size(), submit);
        self.write(queue, ctx);
    }
}
