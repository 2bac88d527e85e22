//! Commits the entries of many rooms together: one transaction in flight, the next gathers while it runs, so batches grow with
//! load by themselves, helped by a short wait between commits, and nothing waits when there is none.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle, WrapFuture};
use uuid::Uuid;

use crate::room::fanout::Pace;
use crate::store::{Append, CLIENTS_AT_ONCE, Outcome, Store};
use crate::telemetry;

/// Under load a commit of few entries waits until this long after the one before, for more: each costs about the same, however
/// much is in it.
pub(super) const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// So many entries wait for no more: what a commit costs is little for each of them. So nobody waits who sends the next edit once
/// an earlier one is committed, unless there are few of them.
pub(super) const ENTRIES_WORTH_A_COMMIT: usize = 64;

/// Asks for a commit. A room has at most one in flight, so the queue is bounded by the rooms' own queues.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// What is to be stored.
    pub append: Append,
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
}

/// The actor that commits. Started by the server, it ends with the process; a panic in it ends the process, for nothing could be
/// acknowledged any more.
pub struct Journal {
    store: Store,
    waiting: VecDeque<Submit>,
    /// Entries of all that is waiting.
    waiting_entries: usize,
    is_writing: bool,
    /// What may take long: one by one, beside the others.
    aside: VecDeque<Submit>,
    is_writing_aside: bool,
    /// Appends that were stored with others.
    stored: u64,
    pace: Pace,
    /// While a small batch is held back for more.
    hold_timer: Option<SpawnHandle>,
    batch_entries_max: usize,
    batch_bytes_max: usize,
}

impl Journal {
    /// A journal that writes to `store`, batches of at most `batch_entries_max` and `batch_bytes_max`, but always one append.
    pub fn new(store: Store, batch_entries_max: usize, batch_bytes_max: usize) -> Self {
        Self {
            store,
            waiting: VecDeque::new(),
            waiting_entries: 0,
            is_writing: false,
            aside: VecDeque::new(),
            is_writing_aside: false,
            stored: 0,
            pace: Pace::new(COMMIT_EVERY),
            hold_timer: None,
            batch_entries_max,
            batch_bytes_max,
        }
    }

    /// The appends for the next transaction.
    fn next_batch(&mut self) -> Vec<Submit> {
        let (mut entries, mut bytes, mut clients) = (0, 0, 0);
        let fits = |submit: &&Submit| {
            entries += submit.append.entries.len();
            bytes += submit.append.entries.iter().map(|entry| entry.body.len()).sum::<usize>();
            clients += submit.append.clients.len();
            clients <= CLIENTS_AT_ONCE && entries <= self.batch_entries_max && bytes <= self.batch_bytes_max
        };
        let count = self.waiting.iter().take_while(fits).count().max(1);
        let batch: Vec<_> = self.waiting.drain(..count.min(self.waiting.len())).collect();
        self.waiting_entries -= batch.iter().map(|submit| submit.append.entries.len()).sum::<usize>();
        batch
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        if self.is_writing || self.waiting.is_empty() {
            return;
        }
        let wait = self.pace.wait(Instant::now());
        match wait.filter(|_| self.waiting_entries < ENTRIES_WORTH_A_COMMIT) {
            Some(wait) if self.hold_timer.is_none() => {
                self.hold_timer = Some(ctx.run_later(wait, |journal, ctx| {
                    journal.hold_timer = None;
                    journal.write_batch(ctx);
                }));
            }
            Some(_) => {}
            None => {
                if let Some(timer) = self.hold_timer.take() {
                    ctx.cancel_future(timer);
                }
                self.write_batch(ctx);
            }
        }
    }

    fn write_batch(&mut self, ctx: &mut Context<Self>) {
        self.is_writing = true;
        self.pace.turned(Instant::now(), self.waiting_entries);
        let (appends, rooms): (Vec<_>, Vec<_>) = self
            .next_batch()
            .into_iter()
            .map(|Submit { append, room, .. }| {
                let id = append.id;
                (append, (id, room))
            })
            .unzip();
        let store = self.store.clone();
        let commit = async move { store.append(appends).await };
        let done = commit.into_actor(self).map(move |outcomes, journal, ctx| {
            for ((id, room), outcome) in rooms.into_iter().zip(outcomes) {
                journal.stored += u64::from(outcome.is_ok());
                room.do_send(Committed { id, outcome, others_were_stored: false });
            }
            journal.is_writing = false;
            journal.write(ctx);
        });
        ctx.spawn(done);
    }
}

impl Journal {
    fn write_aside(&mut self, ctx: &mut Context<Self>) {
        if self.is_writing_aside {
            return;
        }
        let Some(Submit { append, room, .. }) = self.aside.pop_front() else { return };
        self.is_writing_aside = true;
        let (id, before, store) = (append.id, self.stored, self.store.clone());
        let commit = async move { store.append_aside(append).await };
        ctx.spawn(commit.into_actor(self).map(move |outcome, journal, ctx| {
            let others_were_stored = journal.stored > before;
            room.do_send(Committed { id, outcome, others_were_stored });
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
        self.waiting_entries += submit.append.entries.len();
        self.waiting.push_back(submit);
        self.write(ctx);
    }
}
