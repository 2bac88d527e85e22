//! The timeline of a room: what is published, the steps, and how JSON members come up to the present. Knows no document; an edit is
//! an entry here like any other.

mod awaiting;
mod foreign;
mod lookups;
mod publishing;
mod recent;
mod replay;
mod step_search;
mod steps;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::commit::Commit;
use super::io::Io;
use super::members::StoreRead;
use super::messages::{AwaitEntry, JsonJoin, Post, PostError, ReplayMore};
use super::presence::Presence;
use crate::ids::{MemberId, Seq};
use crate::protocol::json::request::{Publication, Steps};
use crate::rate::{Bucket, Rate};
use crate::store::{Entry, NewEntry, Placed, RoomRow, StoreError};

pub use foreign::{AppendOutcome, ForeignStep};
pub use lookups::{FoundPage, Lookup, LookupOutcome};
pub use publishing::{refuse, send_denied, send_saved, send_try_later};
pub use steps::on_missed;

use awaiting::Awaiting;
use foreign::Foreign;
use recent::Recent;
use replay::{Replay, ReplayIo, enter_unsure};
use step_search::NewestSteps;
use steps::StepLog;

/// The timeline of one room.
pub struct Timeline {
    recent: Recent,
    replay: Replay,
    foreign: Foreign,
    steps: StepLog,
    /// How often something may be said in the room.
    said: Bucket,
    /// What is to be asked of the store.
    lookups: Vec<Lookup>,
    awaiting: Awaiting,
    /// Messages up to this seq were dropped, as far as is known.
    horizon: Seq,
}

impl Timeline {
    /// Of a room that is not loaded yet, in which so much may be said.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self {
            recent: Recent::new(Seq::ZERO),
            replay: Replay::default(),
            foreign: Foreign::default(),
            steps: StepLog::default(),
            said: Bucket::new(rate, now),
            lookups: Vec::new(),
            awaiting: Awaiting::default(),
            horizon: Seq::ZERO,
        }
    }

    /// The store told the newest entry.
    pub fn on_loaded(&mut self, head: Seq) {
        if head > self.recent.head() {
            self.jump(head);
        }
    }

    fn jump(&mut self, head: Seq) {
        self.recent.jump(head);
        self.awaiting.on_head(head);
        self.steps.forget_version();
    }

    /// The newest entry that was sent.
    pub fn head(&self) -> Seq {
        self.recent.head()
    }

    /// Takes out what is to be asked of the store.
    pub fn take_lookups(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.lookups)
    }

    /// Whether one more thing may be said in the room; otherwise after which time.
    pub fn may_say(&mut self, io: &Io) -> Result<(), Duration> {
        self.said.take(io.settings.say_rate, io.now)
    }

    /// A JSON member comes in: at once, or when it has come up to the present.
    pub fn on_join(&mut self, id: MemberId, join: JsonJoin, presence: &mut Presence, commit: &Commit, io: &mut Io) {
        if join.since.is_none() || join.is_current {
            let (replay, mut at) = self.replay(presence, commit, io);
            return replay.enter(id, join, &mut at);
        }
        if let Some(json) = io.members.json_mut(id) {
            json.reading = Some(StoreRead::Head);
            self.foreign.come_back(id, join, io.name, &mut self.lookups);
        }
    }

    /// A JSON member is ready for more of what it lacks.
    pub fn on_more(&mut self, more: ReplayMore, presence: &mut Presence, commit: &Commit, io: &mut Io) {
        if io.credit(more.from, more.charge).is_some() {
            let (replay, mut at) = self.replay(presence, commit, io);
            replay.send_more(more.from, &mut at);
        }
    }

    /// A JSON member publishes a message or an event.
    pub fn on_publish(
        &mut self,
        from: MemberId,
        publication: Publication,
        request_id: Option<Box<str>>,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        publishing::publish(from, publication, request_id, commit, io);
    }

    /// A JSON member pushes steps, or asks for them.
    pub fn on_push(
        &mut self,
        from: MemberId,
        steps: Steps,
        request_id: Option<Box<str>>,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        self.steps.on_push(from, steps, request_id, commit, &mut self.lookups, io);
    }

    /// A server publishes.
    pub fn on_post(&mut self, post: Post, commit: &mut Commit, io: &Io) {
        match self.said.take_many(post.publications.len(), io.settings.say_rate, io.now) {
            Ok(()) => publishing::post(post, commit),
            Err(wait) => post.refuse(PostError::TooMany(wait)),
        }
    }

    /// An entry is committed, the next one.
    pub fn on_committed(&mut self, entry: &NewEntry, placed: Placed, io: &mut Io) {
        publishing::broadcast_committed(entry, placed, &mut self.recent, io);
        self.awaiting.on_head(self.recent.head());
    }

    /// A request waits for an entry.
    pub fn on_await_entry(&mut self, AwaitEntry { after, reply }: AwaitEntry) {
        self.awaiting.add(after, reply, self.recent.head());
    }

    /// Sends a member the steps that it lacks, now that all before its push is committed.
    pub fn send_missed_steps(&mut self, to: MemberId, commit: &mut Commit, io: &mut Io) {
        self.steps.look_up_missed(to, commit, &mut self.lookups, io);
    }

    /// A push of the room's own is committed.
    pub fn on_push_committed(&mut self, push: &NewEntry, placed: Placed, commit: &mut Commit) {
        self.steps.on_committed(push, placed.seq, commit);
    }

    /// A push of the room's own was refused.
    pub fn on_push_refused(&mut self, push: &NewEntry, commit: &mut Commit) {
        self.steps.on_refused(push, commit);
    }

    /// A push was refused since another server's came before it: its author is told what it lacks.
    pub fn on_push_stale(
        &mut self,
        to: MemberId,
        request_id: Option<Box<str>>,
        push: &NewEntry,
        commit: &mut Commit,
        io: &mut Io,
    ) {
        self.steps.on_stale(to, request_id, push, commit, &mut self.lookups, io);
    }

    /// The newest version of the steps is not known any more, since another process took one.
    pub fn forget_version(&mut self) {
        self.steps.forget_version();
    }

    /// The store told how many entries a member lacks.
    pub fn on_count(
        &mut self,
        of: MemberId,
        count: Result<u64, StoreError>,
        presence: &mut Presence,
        commit: &Commit,
        io: &mut Io,
    ) {
        let (replay, mut at) = self.replay(presence, commit, io);
        replay.on_count(of, count, &mut at);
    }

    /// The store told a page of what a member lacks.
    pub fn on_page(&mut self, page: FoundPage, presence: &mut Presence, commit: &Commit, io: &mut Io) {
        let (replay, mut at) = self.replay(presence, commit, io);
        replay.on_page(page, &mut at);
    }

    /// The store told the version of the steps.
    pub fn on_version(&mut self, found: Result<NewestSteps, StoreError>, commit: &mut Commit, io: &mut Io) {
        self.steps.on_version(found, commit, &mut self.lookups, io);
    }

    /// The store told where the timeline ends, for those who come back. Whether others have gone on with it; if not, they are in.
    pub fn on_head(
        &mut self,
        answer: Result<Option<RoomRow>, StoreError>,
        presence: &mut Presence,
        commit: &mut Commit,
        io: &mut Io,
    ) -> bool {
        let head = answer.as_ref().ok().map(|row| row.as_ref().map_or(Seq::ZERO, |row| row.head));
        self.foreign.on_head(head);
        match answer {
            Ok(row) => {
                self.learn_horizon(row.as_ref());
                commit.found_row(row.map(|row| row.id));
            }
            Err(error) => {
                self.let_in_unsure(&error, presence, commit, io);
                return false;
            }
        }
        if head.is_some_and(|head| self.recent.head() < head) {
            return true;
        }
        self.let_in(presence, commit, io);
        false
    }

    /// The store told of the room's row, or that it has none.
    pub fn learn_horizon(&mut self, row: Option<&RoomRow>) {
        self.horizon = row.map_or(Seq::ZERO, |row| row.horizon);
    }

    /// Asks where the timeline ends for those who came back meanwhile.
    pub fn ask_head(&mut self, io: &Io) {
        self.foreign.ask_head(io.name, &mut self.lookups);
    }

    /// The room's own append has an outcome, which counts after what others committed before it.
    pub fn hold(&mut self, outcome: AppendOutcome) {
        self.foreign.hold(outcome);
    }

    /// Another server told what it committed, or only where the timeline goes on to.
    pub fn on_told(&mut self, head: Seq, entries: Vec<Entry>) {
        self.foreign.hear(head);
        self.foreign.receive(entries);
    }

    /// Whether what waits to be stored may repeat what others have stored and is not read yet: it would come back.
    pub fn must_read_first(&mut self, commit: &mut Commit) -> bool {
        let uncommitted = &commit.uncommitted;
        let is_wanted = commit.row().is_some() && uncommitted.has_shown_edits() && !uncommitted.is_in_flight();
        self.foreign.must_read_first(self.recent.head(), is_wanted, &mut commit.uncommitted)
    }

    /// What to do next until all that is known to be committed is sent.
    pub fn next_foreign(&mut self, commit: &Commit) -> ForeignStep {
        self.foreign.next(&self.recent, commit, &mut self.lookups)
    }

    /// The store told what others wrote up to a seq, which the room then passes to [`on_committed`](Self::on_committed) and to the
    /// document.
    ///
    /// False if there is nothing: the database is asked whether there ever was.
    pub fn on_foreign(&mut self, upto: Seq, page: &[Entry], io: &Io) -> bool {
        if page.is_empty() {
            self.lookups.push(Lookup::Checked { room: io.name.clone(), upto });
            return false;
        }
        self.foreign.on_read();
        true
    }

    /// The database told whether the timeline goes on to where it had nothing to read. Whether to go on now.
    pub fn on_checked(&mut self, upto: Seq, answer: Result<Option<RoomRow>, StoreError>, io: &Io) -> bool {
        match answer {
            Ok(row) => {
                let head = row.map_or(Seq::ZERO, |row| row.head);
                match upto <= head {
                    // The entries are gone, which the database never does by itself: nobody is told that it has all of them.
                    true => self.jump(upto),
                    false => self.foreign.unlearn(head),
                }
                self.foreign.on_read();
                true
            }
            Err(_) => {
                self.foreign.on_unread(io.now);
                false
            }
        }
    }

    /// Asks whose the clients are of edits that others committed.
    pub fn look_up_clients(&mut self, clients: Vec<u64>, commit: &Commit) {
        if let Some(row) = commit.row().filter(|_| !clients.is_empty()) {
            self.lookups.push(Lookup::Clients { row, clients });
        }
    }

    /// What others wrote could not be read; who comes back need not wait for it.
    pub fn on_foreign_unread(&mut self, error: &StoreError, presence: &mut Presence, commit: &Commit, io: &mut Io) {
        self.let_in_unsure(error, presence, commit, io);
        self.foreign.on_unread(io.now);
    }

    /// When [`on_foreign_due`](Self::on_foreign_due) is to be called.
    pub fn foreign_due(&self) -> Option<Instant> {
        self.foreign.due()
    }

    /// It is time to read again what others wrote.
    pub fn on_foreign_due(&mut self) {
        self.foreign.on_due();
    }

    /// Lets those in who came back, by what the room knows of the timeline.
    pub fn let_in(&mut self, presence: &mut Presence, commit: &Commit, io: &mut Io) {
        self.let_in_told(Replay::enter, presence, commit, io);
    }

    /// Who comes back while the database cannot tell is let in, but not told that it has everything. Also while the append in flight
    /// may have been committed or not.
    pub fn let_in_unsure(&mut self, error: &StoreError, presence: &mut Presence, commit: &Commit, io: &mut Io) {
        if self.foreign.told() > 0 {
            tracing::warn!(%error, "the timeline's end is not known");
        }
        self.let_in_told(|_, id, join, at| enter_unsure(id, join, at), presence, commit, io);
    }

    fn let_in_told(
        &mut self,
        enter: impl Fn(&mut Replay, MemberId, JsonJoin, &mut ReplayIo),
        presence: &mut Presence,
        commit: &Commit,
        io: &mut Io,
    ) {
        let told = self.foreign.take_told();
        let (replay, mut at) = self.replay(presence, commit, io);
        for (id, join) in told {
            let Some(json) = at.io.members.json_mut(id) else { continue };
            json.reading = None;
            let is_asking = std::mem::take(&mut json.is_asking);
            enter(replay, id, join, &mut at);
            if is_asking {
                replay.send_more(id, &mut at);
            }
        }
    }

    fn replay<'a, 'io>(
        &'a mut self,
        presence: &'a mut Presence,
        commit: &Commit,
        io: &'a mut Io<'io>,
    ) -> (&'a mut Replay, ReplayIo<'a, 'io>) {
        let (recent, horizon, row) = (&self.recent, self.horizon, commit.row());
        let at = ReplayIo { recent, horizon, row, presence, lookups: &mut self.lookups, io };
        (&mut self.replay, at)
    }
}
