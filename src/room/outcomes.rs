//! What the store answers, passed to the parts of a room: outcomes of appends, what other processes wrote, pages of the past.

use std::time::Duration;

use actix::{Context, Handler};

use super::commit::{Behind, Commit, Committed, Pending};
use super::document::{acknowledge, refuse_for_good};
use super::io::Io;
use super::members::{Acknowledgement, EditRefusal, Receipt};
use super::quotas::Denied;
use super::room::{Parts, Room};
use super::signals;
use super::timeline::{
    AppendOutcome, ForeignStep, LookupOutcome, Timeline, on_missed, refuse, send_denied, send_saved,
};
use crate::archive::weight;
use crate::auth::now_ms;
use crate::metrics;
use crate::protocol::Dialect;
use crate::store::{Entry, EntryKind, NewEntry, Placed, Refused, StoreError};

impl Handler<Committed> for Room {
    type Result = ();

    fn handle(&mut self, committed: Committed, ctx: &mut Context<Self>) {
        self.in_span(|room| room.on_committed(committed, ctx));
    }
}

impl Room {
    /// The journal tells what became of the append in flight.
    fn on_committed(&mut self, committed: Committed, ctx: &mut Context<Self>) {
        let Committed { id, outcome, others_were_stored, portion } = committed;
        self.commit.on_portion(portion);
        if !self.commit.uncommitted.is_in_flight_as(id) {
            return;
        }
        let outcome = match outcome {
            Ok(outcome) => {
                metrics::ENTRIES_COMMITTED.inc_by(outcome.iter().filter(|entry| entry.is_ok()).count() as u64);
                outcome
            }
            Err(StoreError::Moved(head)) => {
                metrics::APPENDS_PUT_BACK.inc();
                self.commit.put_back();
                self.timeline.on_told(head, Vec::new());
                // What is still new is sent again once that is read.
                return self.catch_up(ctx);
            }
            // Something was erased since the room was read: what it holds is not what is stored.
            Err(StoreError::Renewed) => return self.end_stale(ctx),
            Err(StoreError::Slow) if self.commit.uncommitted.is_hopeless(others_were_stored) => {
                metrics::APPENDS_FAILED.inc();
                vec![Err(Refused::TooSlow)]
            }
            // One without a row was deleted, too, and its name is free.
            Err(StoreError::RoomDeleted | StoreError::NoSuchRoom) => {
                self.found_deleted(ctx);
                return self.end_turn(ctx);
            }
            Err(error) => {
                metrics::APPENDS_FAILED.inc();
                self.retry_commit(&error, ctx);
                let Parts { presence, timeline, commit, mut io } = self.parts();
                return timeline.let_in_unsure(&error, presence, commit, &mut io);
            }
        };
        self.timeline.hold(outcome);
        self.catch_up(ctx);
    }

    /// Goes on until all that is known to be committed is sent, in the order of the seqs.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Self>) {
        loop {
            let Some((_, Parts { presence, timeline, commit, mut io })) = self.live() else { return };
            match timeline.next_foreign(commit) {
                ForeignStep::Wait => return,
                ForeignStep::Settle(outcome) => self.settle(outcome, ctx),
                ForeignStep::Take(entries) => {
                    metrics::BUS_ENTRIES_RECEIVED.inc_by(entries.len() as u64);
                    self.take_foreign(entries, ctx);
                }
                ForeignStep::LetIn => {
                    timeline.let_in(presence, commit, &mut io);
                    return self.let_arrivals_in(ctx);
                }
            }
        }
    }

    /// Before an append: what waits is new to all that was read of the timeline. What is not is acknowledged.
    pub(super) fn drop_known(&mut self) {
        let Some((document, Parts { timeline, commit, mut io, .. })) = self.live() else { return };
        let settled = document.drop_known(commit);
        commit.has_read(timeline.head());
        acknowledge_behind(settled, timeline, commit, &mut io);
    }

    /// Takes the outcome of the append in flight.
    fn settle(&mut self, outcome: AppendOutcome, ctx: &mut Context<Self>) {
        let Some((document, Parts { timeline, commit, mut io, .. })) = self.live() else { return };
        let io = &mut io;
        for (mut pending, outcome) in commit.settle(outcome) {
            let others = pending.part(outcome.is_ok());
            let Pending { entry, clients, acknowledgements, replies, is_shown_late, denied, .. } = pending;
            match outcome {
                Ok(placed) => {
                    if placed.is_new {
                        match entry.kind {
                            EntryKind::Edit if is_shown_late => document.on_written(&entry.body, clients, commit, io),
                            EntryKind::Edit => document.snapshots.lengthen(weight(&entry.body)),
                            EntryKind::Message | EntryKind::Event | EntryKind::Step => {}
                        }
                        commit.count(&entry);
                        timeline.on_committed(&entry, placed, io);
                        timeline.on_push_committed(&entry, placed, commit);
                    }
                    for acknowledgement in acknowledgements {
                        send_acknowledgement(acknowledgement, placed, timeline, commit, io);
                    }
                }
                Err(refused) => match denied {
                    Some(denied) => deny(acknowledgements, denied, io),
                    None => refuse_entry(&entry, acknowledgements, refused, timeline, commit, io),
                },
            }
            for reply in replies {
                match denied.filter(|_| outcome.is_err()) {
                    Some(denied) => reply.send_denied(denied),
                    None => reply.send(outcome),
                }
            }
            acknowledge_behind(others, timeline, commit, io);
        }
        document.acknowledge_reached(commit, io);
        self.make_snapshot_if_due(ctx);
    }

    /// The store has answered a question of the timeline.
    pub(super) fn on_found(&mut self, found: LookupOutcome, ctx: &mut Context<Self>) {
        if let LookupOutcome::Head(Err(StoreError::RoomDeleted))
        | LookupOutcome::Checked { answer: Err(StoreError::RoomDeleted), .. } = found
        {
            self.found_deleted(ctx);
            return;
        }
        let Parts { presence, timeline, commit, mut io } = self.parts();
        let io = &mut io;
        match found {
            LookupOutcome::Count { of, count } => timeline.on_count(of, count, presence, commit, io),
            LookupOutcome::Page(page) => timeline.on_page(page, presence, commit, io),
            LookupOutcome::Version(found) => timeline.on_version(found, commit, io),
            LookupOutcome::Steps { to, version, steps } => on_missed(to, version, steps, io),
            LookupOutcome::Head(answer) => {
                if timeline.on_head(answer, presence, commit, io) {
                    self.catch_up(ctx);
                }
                let Parts { timeline, io, .. } = self.parts();
                timeline.ask_head(&io);
            }
            LookupOutcome::Foreign { upto, page: Ok(page) } => {
                metrics::FOREIGN_ENTRIES_READ.inc_by(page.len() as u64);
                if timeline.on_foreign(upto, &page, io) {
                    self.take_foreign(page, ctx);
                    self.catch_up(ctx);
                }
            }
            // What others wrote is gone before it was read here.
            LookupOutcome::Foreign { page: Err(StoreError::Dropped(_)), .. } => self.end_stale(ctx),
            LookupOutcome::Foreign { page: Err(error), .. } => self.on_foreign_unread(&error, ctx),
            LookupOutcome::Clients(Ok(clients)) => {
                if let Some((document, _)) = self.live() {
                    document.learn_authors(clients);
                }
            }
            LookupOutcome::Clients(Err(error)) => tracing::warn!(%error, "whose some edits are cannot be read"),
            LookupOutcome::Checked { upto, answer } => {
                if timeline.on_checked(upto, answer, io) {
                    self.catch_up(ctx);
                }
            }
        }
    }

    /// Sends what other processes wrote, and takes it into the document.
    fn take_foreign(&mut self, page: Vec<Entry>, ctx: &mut Context<Self>) {
        let Some((document, Parts { timeline, commit, mut io, .. })) = self.live() else { return };
        let io = &mut io;
        tracing::debug!(entries = page.len(), "another server wrote to the room");
        let (mut unknown, now_ms) = (Vec::new(), now_ms());
        for entry in page {
            let (entry, placed) = as_own(entry);
            // Clocks need not agree.
            let lag_ms = now_ms.saturating_sub(placed.at_ms).try_into().unwrap_or(0);
            metrics::saw_foreign_entry(Duration::from_millis(lag_ms));
            match entry.kind {
                EntryKind::Edit => unknown.extend(document.on_foreign_edit(&entry.body, commit, io)),
                EntryKind::Step => timeline.forget_version(),
                EntryKind::Event => signals::on_foreign_event(&entry.body, io),
                EntryKind::Message => {}
            }
            commit.count(&entry);
            timeline.on_committed(&entry, placed, io);
        }
        timeline.look_up_clients(unknown, commit);
        self.make_snapshot_if_due(ctx);
    }
}

/// What another process wrote, as what this one writes.
fn as_own(Entry { seq, at_ms, kind, author, via, body, .. }: Entry) -> (NewEntry, Placed) {
    let entry = NewEntry { kind, author, via, key: None, condition: None, body: body.unwrap_or_default() };
    (entry, Placed { seq, at_ms, is_new: true })
}

/// Tells those who wait that all before it is committed.
pub(super) fn acknowledge_behind(
    Behind { acknowledgements, replies }: Behind,
    timeline: &mut Timeline,
    commit: &mut Commit,
    io: &mut Io,
) {
    let before = Placed { seq: timeline.head(), at_ms: 0, is_new: false };
    for acknowledgement in acknowledgements {
        send_acknowledgement(acknowledgement, before, timeline, commit, io);
    }
    replies.into_iter().for_each(|reply| reply.send(Ok(before)));
}

/// Tells an author that what it sent is committed, as the entry that is placed there.
fn send_acknowledgement(
    Acknowledgement { to, receipt }: Acknowledgement,
    placed: Placed,
    timeline: &mut Timeline,
    commit: &mut Commit,
    io: &mut Io,
) {
    match receipt {
        // Also when its author has left.
        Receipt::Broadcast(frame) => io.outbound.broadcast(Dialect::Hocuspocus, &frame, Some(to), &[]),
        Receipt::Saved { request_id, version } => send_saved(to, request_id.as_deref(), version, placed, io),
        Receipt::MissedSteps => timeline.send_missed_steps(to, commit, io),
        Receipt::Echo(_) | Receipt::Answer(_) | Receipt::Status(_) => acknowledge(to, receipt, io),
    }
}

/// Tells the authors of an entry that it may not be stored.
pub(super) fn deny(waiting: Vec<Acknowledgement>, denied: Denied, io: &mut Io) {
    for Acknowledgement { to, receipt } in waiting {
        if let Receipt::Saved { request_id, .. } = receipt {
            send_denied(to, &request_id, denied, io);
        }
    }
}

/// Tells the authors of an entry that the store refuses it for good.
fn refuse_entry(
    entry: &NewEntry,
    waiting: Vec<Acknowledgement>,
    refused: Refused,
    timeline: &mut Timeline,
    commit: &mut Commit,
    io: &mut Io,
) {
    if entry.kind == EntryKind::Step {
        timeline.on_push_refused(entry, commit);
    }
    for Acknowledgement { to, receipt } in waiting {
        match receipt {
            Receipt::Saved { request_id, .. } if refused == Refused::Stale && entry.kind == EntryKind::Step => {
                timeline.on_push_stale(to, request_id, entry, commit, io);
            }
            Receipt::Saved { request_id, .. } => refuse(to, &request_id, refused, io),
            Receipt::MissedSteps | Receipt::Broadcast(_) | Receipt::Answer(_) => {}
            Receipt::Echo(_) | Receipt::Status(_) => {
                tracing::error!(%refused, "the store refused an edit for ever");
                refuse_for_good(to, EditRefusal::Failed, &refused, io);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;
    use crate::config::RoomQuota;
    use crate::ids::{Seq, UserId};
    use crate::room::Quotas;
    use crate::room::quotas::{RoomBytes, Sender};

    #[test]
    fn what_another_process_wrote_counts_for_who_sent_it() {
        let [ada, bob] = ["ada", "bob"].map(UserId::new);
        let (author, via, body) = (ada.clone(), Some(bob.clone()), vec![0; 900].into());
        let (seq, kind) = (Seq(7), EntryKind::Edit);
        let (entry, placed) =
            as_own(Entry { seq, at_ms: 5, kind, author, via, key: None, body_bytes: 900, body: Some(body) });
        assert_eq!((placed, entry.body.len()), (Placed { seq, at_ms: 5, is_new: true }, 900));
        let quotas = Quotas::new(RoomQuota::default(), Some(1_000), None, false);
        quotas.count(&entry);
        let admitted =
            |user| quotas.admit(RoomBytes { stored: Some(0), max: None }, Sender { user, access: Access::Write }, 500);
        assert_eq!((admitted(&ada), admitted(&bob)), (Ok(()), Err(Denied::UserFull)));
    }
}
