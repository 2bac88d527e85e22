//! How a room's entries become durable: one append in flight, repeated under the same id until the store answers, and only then
//! the frames that tell their authors.

use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, Handler, WrapFuture};
use uuid::Uuid;

use crate::archive::weight;
use crate::metrics;
use crate::room::commit::journal::{Committed, Submit};
use crate::room::commit::uncommitted::{Acknowledgement, Pending, Receipt};
use crate::room::document::refusals::Denial;
use crate::room::messages::PostError;
use crate::room::room::{Phase, RETRY_FIRST, RETRY_LAST, Room};
use crate::room::timeline::publishing::answer;
use crate::store::{Append, Kind, NewEntry, Placed, Refused, StoreError};

impl Room {
    /// Sends the next append, unless one is in flight; makes the room's row first if there is none.
    pub(in crate::room) fn commit(&mut self, ctx: &mut Context<Self>) {
        let may_commit = matches!(self.phase, Phase::Live(_)) && self.retry_timer.is_none();
        if !may_commit || self.uncommitted.is_empty() || self.uncommitted.is_in_flight() {
            return;
        }
        let Some(row) = self.row else { return self.make_row(ctx) };
        if let Some(append) = self.uncommitted.next_append(row, Uuid::now_v7) {
            self.commit_pace.turned(Instant::now(), append.entries.len());
            self.submit(append, ctx);
        }
    }

    fn submit(&self, append: Append, ctx: &mut Context<Self>) {
        let is_suspect = self.uncommitted.is_suspect();
        self.context.journal.do_send(Submit { append, room: ctx.address(), is_suspect });
    }

    /// Sends the append in flight once more, or the next one. Had it been committed, the store tells.
    pub(in crate::room) fn resubmit(&mut self, ctx: &mut Context<Self>) {
        let Some(row) = self.row else { return self.make_row(ctx) };
        match self.uncommitted.repeat(row) {
            Some(append) => self.submit(append, ctx),
            None => self.commit(ctx),
        }
    }

    fn make_row(&mut self, ctx: &mut Context<Self>) {
        let (store, name) = (self.context.store.clone(), self.name.clone());
        let made = async move { store.ensure_room(&name).await }.into_actor(self).map(|made, room, ctx| {
            room.retry_timer = None;
            match made {
                Ok(row) => {
                    room.row = Some(row);
                    room.resubmit(ctx);
                }
                Err(error) => room.retry_later(&error, ctx),
            }
        });
        // Nothing is committed meanwhile, as while a retry is waited for.
        self.retry_timer = Some(ctx.spawn(made));
    }

    fn retry_later(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        if *error == StoreError::NoSuchRoom {
            self.row = None;
        }
        let wait = self.next_retry();
        tracing::warn!(room.name = %self.name, %error, retry_ms = wait.as_millis() as u64, "edits are not committed yet");
        self.retry_timer = Some(ctx.run_later(wait, |room, ctx| {
            room.retry_timer = None;
            room.resubmit(ctx);
        }));
    }

    /// The wait before the next attempt: doubled each time, jittered so that rooms do not come all at once.
    pub(in crate::room) fn next_retry(&mut self) -> Duration {
        let wait = self.retry.mul_f64(rand::random_range(0.5..1.0));
        self.retry = (self.retry * 2).min(RETRY_LAST);
        wait
    }

    /// Takes the outcome of the append in flight.
    pub(in crate::room) fn take_settled(&mut self, outcome: Vec<Result<Placed, Refused>>, ctx: &mut Context<Self>) {
        let settled = self.uncommitted.settle(outcome);
        self.settled(settled, ctx);
        if matches!(self.phase, Phase::Loading) {
            self.load(ctx);
        }
    }

    fn settled(&mut self, settled: Vec<(Pending, Result<Placed, Refused>)>, ctx: &mut Context<Self>) {
        self.retry = RETRY_FIRST;
        let mut stored = 0;
        for (Pending { entry, acknowledgements, reply, .. }, outcome) in settled {
            match outcome {
                Ok(placed) => {
                    if placed.is_new {
                        stored += if entry.kind == Kind::Edit { weight(&entry.body) } else { 0 };
                        self.committed(&entry, placed);
                    }
                    for acknowledgement in acknowledgements {
                        self.acknowledge(acknowledgement, Some(placed), ctx);
                    }
                }
                Err(refused) => self.refused(&entry, acknowledgements, refused),
            }
            if let Some(reply) = reply {
                answer(reply, outcome.map_err(PostError::Refused));
            }
        }
        self.lengthen_tail(stored, ctx);
        self.acknowledge_reached(ctx);
    }

    fn refused(&mut self, entry: &NewEntry, waiting: Vec<Acknowledgement>, refused: Refused) {
        if entry.kind == Kind::Step {
            self.forget_version();
        }
        for Acknowledgement { to, receipt } in waiting {
            match receipt {
                Receipt::Saved { request_id, .. } => self.refuse_entry(to, &request_id, refused),
                Receipt::Rejected | Receipt::Shown(_) | Receipt::Answer(_) => {}
                Receipt::Echo(_) | Receipt::Status(_) => {
                    tracing::error!(room.name = %self.name, %refused, "the store refused an edit for ever");
                    self.refuse_for_ever(to, Denial::Failed, &refused);
                }
            }
        }
    }
}

impl Handler<Committed> for Room {
    type Result = ();

    fn handle(&mut self, Committed { id, outcome, others_were_stored }: Committed, ctx: &mut Context<Self>) {
        if !self.uncommitted.is_in_flight_as(id) {
            return;
        }
        match outcome {
            Ok(outcome) => {
                metrics::ENTRIES_COMMITTED.inc_by(outcome.iter().filter(|entry| entry.is_ok()).count() as u64);
                self.take_outcome(outcome, ctx);
            }
            Err(StoreError::Slow) if self.uncommitted.is_hopeless(others_were_stored) => {
                metrics::APPENDS_FAILED.inc();
                self.take_outcome(vec![Err(Refused::TooSlow)], ctx);
            }
            Err(error) => {
                metrics::APPENDS_FAILED.inc();
                self.retry_later(&error, ctx);
                self.cannot_catch_up(&error, ctx);
            }
        }
    }
}
