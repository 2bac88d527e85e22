//! A room's turn: what arrives while it is busy is committed together and sent together, at once when it is idle, a little later
//! under load. At its end the room starts what its parts ask for: appends, lookups, timers.

use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::{AsyncContext, Context};

use super::commit::{NextCommit, Submit};
use super::room::{Phase, Room};
use super::timers::Timer;
use crate::archive::ArchiveError;
use crate::budget::Payer;
use crate::ids::Seq;
use crate::line::Place;
use crate::metrics;
use crate::store::{Maker, StoreError};

/// How often a room looks whether a relay that was behind has caught up.
const BEHIND_POLL: Duration = Duration::from_millis(5);

impl Room {
    /// Counts a message of this turn, and ends the turn if it has become too long. Then others of the thread get theirs, whatever waits
    /// in the mailbox, which actix would empty first.
    pub(super) fn count_message(&mut self, ctx: &mut Context<Self>) {
        if self.fanout.count_message(Instant::now()) {
            self.end_turn(ctx);
            ctx.wait(OthersTurn(None));
        }
    }

    /// Commits and sends what the turn has gathered, or holds it back a little under load. Ends each message's turn; what a timer
    /// or an answer of the store begins, ends with this by itself.
    pub(super) fn end_turn(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.fanout.rest();
        self.drop_known();
        if let Some((document, mut parts)) = self.live() {
            document.ask_for_missing(parts.commit, &mut parts.io);
            if !parts.timeline.must_read_first(parts.commit) {
                let next = parts.commit.next(now);
                self.run_commit(next, ctx);
            }
        }
        self.start_lookups(ctx);
        self.tell_signals();
        self.arm_parts(now, ctx);
        if !self.fanout.outbound.is_empty() {
            match self.fanout.wait(now) {
                Some(wait) => self.arm(Timer::Flush, wait, ctx),
                None => self.flush(ctx),
            }
        }
        let is_quiet = self.early.is_empty() && self.arrivals.is_empty();
        let is_done = self.commit.uncommitted.is_empty() && is_quiet && self.fanout.outbound.is_empty();
        // Whoever comes first after a restart is glad of the snapshot.
        let is_making_snapshot = matches!(&self.phase, Phase::Live(document) if document.snapshots.is_making());
        if is_done && !is_making_snapshot {
            for waiting in self.flushed.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = waiting.send(());
            }
        }
    }

    /// Sends what the turn has gathered.
    pub(super) fn flush(&mut self, ctx: &mut Context<Self>) {
        self.fanout.flush(Instant::now());
        if self.fanout.outbound.is_behind() {
            self.arm(Timer::Behind, BEHIND_POLL, ctx);
        }
    }

    /// Does what comes next so that entries become durable.
    pub(super) fn run_commit(&mut self, next: NextCommit, ctx: &mut Context<Self>) {
        match next {
            NextCommit::Nothing => {}
            NextCommit::Hold(wait) => self.arm(Timer::Commit, wait, ctx),
            NextCommit::MakeRow(by) => self.make_row(by, ctx),
            NextCommit::Submit { append, is_suspect } => {
                let room = ctx.address().recipient();
                let name = self.name.clone();
                self.context.journal.do_send(Submit { append, name, room, is_suspect });
            }
        }
    }

    fn make_row(&mut self, by: Option<Maker>, ctx: &mut Context<Self>) {
        let (store, name) = (self.context.store.clone(), self.name.clone());
        let made = async move { store.ensure_room(&name, by).await };
        let then = |room: &mut Self, made, ctx: &mut Context<Self>| match made {
            Ok(row) => {
                room.drop_known();
                let next = room.commit.on_row(row, Instant::now());
                room.run_commit(next, ctx);
            }
            Err(StoreError::RoomDeleted) => room.found_deleted(ctx),
            Err(StoreError::TooManyRooms) => room.on_not_made(ctx),
            Err(error) => room.retry_commit(&error, ctx),
        };
        self.spawn(made, then, ctx);
    }

    /// The store has failed for now: commits again a little later.
    pub(super) fn retry_commit(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        let wait = self.commit.on_failed(error);
        self.arm(Timer::Retry, wait, ctx);
    }

    /// Asks the store what the timeline wants to know.
    fn start_lookups(&mut self, ctx: &mut Context<Self>) {
        for lookup in self.timeline.take_lookups() {
            let (store, permits) = (self.context.store.clone(), self.context.reading_permits.clone());
            let then = |room: &mut Self, found, ctx: &mut Context<Self>| {
                room.on_found(found, ctx);
                room.end_turn(ctx);
            };
            self.spawn(lookup.run(store, permits), then, ctx);
        }
    }

    /// Has a snapshot made if one is due.
    pub(super) fn make_snapshot_if_due(&mut self, ctx: &mut Context<Self>) {
        let Phase::Live(document) = &mut self.phase else { return };
        if !document.snapshots.begin() {
            return;
        }
        let (archive, name) = (self.context.archive.clone(), self.name.clone());
        let permits = self.context.snapshot_permits.clone();
        let work = async move {
            // Permits are given for as long as the server runs.
            let _permit = permits.acquire_owned().await.ok()?;
            archive.save_snapshot(&name).await.transpose()
        };
        let then = |room: &mut Self, made: Option<Result<(Seq, usize), ArchiveError>>, ctx: &mut Context<Self>| {
            if let Phase::Live(document) = &mut room.phase {
                let state_bytes = made.as_ref().and_then(|made| made.as_ref().ok()).map(|made| made.1);
                document.snapshots.end(state_bytes);
            }
            match made {
                Some(Ok((seq, bytes))) => {
                    metrics::SNAPSHOTS_SAVED.inc();
                    tracing::info!(%seq, bytes, "snapshot saved");
                    // What was committed meanwhile may be long enough for the next.
                    room.make_snapshot_if_due(ctx);
                }
                Some(Err(error)) => tracing::warn!(%error, "no snapshot, later again"),
                None => {}
            }
            room.end_turn(ctx);
        };
        self.spawn(work, then, ctx);
    }

    /// Arms the timers for what the room's parts do next by themselves.
    fn arm_parts(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let (replies, missing) = match &self.phase {
            Phase::Live(document) => (document.replies_due(), document.missing_due(now)),
            Phase::Loading | Phase::Failed | Phase::Deleted => (None, None),
            Phase::Ended => return,
        };
        let due = [
            (Timer::Replies, replies),
            (Timer::Missing, missing),
            (Timer::Presence, self.presence.due()),
            (Timer::Awareness, self.presence.batch_due()),
            (Timer::Foreign, self.timeline.foreign_due()),
            (Timer::Arrivals, self.arrivals.due()),
            (Timer::Elsewhere, self.presence.to_tell_due()),
        ];
        for (timer, due) in due {
            if let Some(due) = due {
                self.arm_at(timer, due, ctx);
            }
        }
    }
}

/// Lets everybody else of the thread go on. Meanwhile the room takes nothing out of its mailbox.
struct OthersTurn(Option<Place>);

impl ActorFuture<Room> for OthersTurn {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        room: &mut Room,
        _: &mut Context<Room>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        let place = self.0.get_or_insert_with(|| Place::take(Payer::of(&room.name), cx.waker()));
        if place.is_next() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Ends the room's turn whenever its mailbox is empty: actix polls what an actor spawned after each emptied mailbox.
pub(super) struct TurnEnd;

impl ActorFuture<Room> for TurnEnd {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        room: &mut Room,
        ctx: &mut Context<Room>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        if matches!(room.phase, Phase::Ended) {
            return Poll::Ready(());
        }
        room.in_span(|room| room.end_turn(ctx));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use tokio::net::UnixStream;

    use crate::ids::RoomName;
    use crate::room::fanout::TURN_MESSAGES_MAX;
    use crate::room::testing::directory;
    use crate::room::{Announce, GetPresence};

    /// A body that notes when it was handled.
    struct Noted {
        name: &'static str,
        handled: Arc<Mutex<Vec<&'static str>>>,
    }

    impl AsRef<[u8]> for Noted {
        fn as_ref(&self) -> &[u8] {
            b"{}"
        }
    }

    impl Drop for Noted {
        fn drop(&mut self) {
            self.handled.lock().unwrap().push(self.name);
        }
    }

    #[test]
    fn a_room_that_is_told_much_lets_others_of_its_thread_go_on_after_each_turn() {
        let folder = tempfile::tempdir().unwrap();
        actix::System::new().block_on(async {
            let (mut theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let ours = UnixStream::from_std(ours).unwrap();
            let directory = directory(folder.path()).await;
            let [busy, other] = ["busy", "other"].map(|name| directory.lookup(&RoomName::parse(name).unwrap()));
            for lease in [&busy, &other] {
                lease.room().send(GetPresence).await.unwrap();
            }

            for _ in 0..10 * TURN_MESSAGES_MAX {
                busy.room().do_send(Announce { body: Bytes::from_static(b"{}") });
            }
            let handled = Arc::<Mutex<Vec<&str>>>::default();
            for (name, lease) in [("busy", &busy), ("other", &other)] {
                let body = Bytes::from_owner(Noted { name, handled: handled.clone() });
                lease.room().do_send(Announce { body });
            }
            // Also who hears it from outside.
            theirs.write_all(&[0]).unwrap();
            let heard = Noted { name: "heard", handled: handled.clone() };
            actix_rt::spawn(async move {
                ours.readable().await.unwrap();
                drop(heard);
            });
            while handled.lock().unwrap().len() < 3 {
                tokio::task::yield_now().await;
            }
            assert_eq!(*handled.lock().unwrap(), ["other", "heard", "busy"]);
        });
    }
}
