//! How a room's entries become durable: one append in flight, repeated under the same id until the store answers. Knows neither what
//! an entry means nor who is in the room: what an author hears of a commit comes back with the entry.

mod backoff;
mod journal;
mod lane;
#[cfg(test)]
mod tests;
mod uncommitted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::ids::{Seq, UserId};
use crate::store::{Append, Maker, NewEntry, Placed, Refused, RoomId, StoreError};

use super::fanout::Pace;
use super::quotas::{Denied, Quotas, RoomBytes, Sender};

pub use backoff::Backoff;
pub use journal::{Committed, Journal, Submit};
pub use uncommitted::{Behind, Dropped, Pending, Uncommitted};

use journal::{COMMIT_EVERY, ENTRIES_WORTH_A_COMMIT};
use lane::Size;

/// What is to be done now so that entries become durable.
#[derive(Debug)]
pub enum NextCommit {
    /// Nothing.
    Nothing,
    /// Wait so long for more entries.
    Hold(Duration),
    /// Make the room's row, for this one; `None`: for nobody.
    MakeRow(Option<Maker>),
    /// Submit this append to the journal.
    Submit {
        /// The append.
        append: Append,
        /// Whether it has taken the database too long before.
        is_suspect: bool,
    },
}

/// A room's way into the store.
pub struct Commit {
    /// What is not committed yet.
    pub uncommitted: Uncommitted,
    /// The room's row; made before the first append.
    row: Option<RoomId>,
    /// The room's epoch when it was read; 0 for one that had no row.
    epoch: i64,
    /// Who makes it: whose entry was let in first.
    maker: Option<Maker>,
    /// Whether the row is being made or the next attempt is waited for. Nothing is committed meanwhile.
    is_waiting: bool,
    /// The newest entry that the room has read, and that what waits does not repeat.
    read: Seq,
    quotas: Arc<Quotas>,
    /// What the room may have on disk; `None`: any number of bytes.
    bytes_max: Option<u64>,
    /// What it has, as far as that is counted.
    stored_bytes: u64,
    pace: Pace,
    backoff: Backoff,
}

impl Commit {
    /// Of a room with nothing to commit.
    pub fn new(uncommitted: Uncommitted, quotas: Arc<Quotas>, bytes_max: Option<u64>) -> Self {
        Self {
            uncommitted,
            row: None,
            epoch: 0,
            maker: None,
            is_waiting: false,
            read: Seq::ZERO,
            quotas,
            bytes_max,
            stored_bytes: 0,
            pace: Pace::new(COMMIT_EVERY),
            backoff: Backoff::default(),
        }
    }

    /// The room's row in the store, if it is known to have one.
    pub fn row(&self) -> Option<RoomId> {
        self.row
    }

    /// The room's epoch when it was read.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whether anything may be denied, which is known once the room is loaded.
    pub fn has_quotas(&self) -> bool {
        self.quotas.are_set()
    }

    /// Whether a body of so many bytes may be stored.
    pub fn admit(&mut self, from: Sender, bytes: usize) -> Result<(), Denied> {
        self.quotas.admit(self.bytes(), from, bytes)?;
        self.expect_maker(from);
        Ok(())
    }

    /// Whether a first content of so many bytes may be stored, for this one.
    pub fn admit_first(&mut self, from: Sender, bytes: usize) -> Result<(), Denied> {
        self.quotas.admit_first(self.bytes(), from, bytes)?;
        self.expect_maker(from);
        Ok(())
    }

    /// Whether the room is there, or this one may make it.
    pub fn admit_room(&self, from: Sender) -> Result<(), Denied> {
        self.quotas.admit_room(self.bytes(), from)
    }

    /// What comes next is of this one: with the first entry, they make the room.
    fn expect_maker(&mut self, from: Sender) {
        if !self.has_entries() {
            self.maker = self.quotas.maker(from);
        }
    }

    /// The database does not let the room be made; who wanted to.
    pub fn on_not_made(&mut self) -> Option<Maker> {
        self.is_waiting = false;
        let maker = self.maker.take();
        maker.iter().for_each(|maker| self.quotas.has_all_rooms(&maker.user));
        maker
    }

    /// A user may want to store something soon.
    pub fn expect(&self, user: &UserId) {
        self.quotas.expect(user);
    }

    /// What the room has on disk, or will have, and may have.
    fn bytes(&self) -> RoomBytes {
        let stored = self.has_entries().then_some(self.stored_bytes + self.uncommitted.bytes() as u64);
        RoomBytes { stored, max: self.bytes_max }
    }

    /// Whether the room has entries, or will have: one may be the first of what is sent again.
    pub fn has_entries(&self) -> bool {
        self.row.is_some() || !self.uncommitted.is_empty()
    }

    /// An entry of the room was stored.
    pub fn count(&mut self, entry: &NewEntry) {
        self.stored_bytes += self.quotas.count(entry);
    }

    /// The store told of the room's row.
    pub fn found_row(&mut self, row: Option<RoomId>) {
        self.row = self.row.or(row);
    }

    /// The room has read the timeline up to there, and what waits repeats nothing of that.
    pub fn has_read(&mut self, head: Seq) {
        self.read = head;
    }

    /// The append in flight is not stored, since others have written to the room.
    pub fn put_back(&mut self) {
        self.backoff.reset();
        self.uncommitted.put_back();
    }

    /// What to do next: under load few entries are held back a little, for more.
    pub fn next(&mut self, now: Instant) -> NextCommit {
        if self.is_waiting || self.uncommitted.is_empty() || self.uncommitted.is_in_flight() {
            return NextCommit::Nothing;
        }
        match self.pace.wait(now) {
            Some(wait) if self.uncommitted.entries() < ENTRIES_WORTH_A_COMMIT => NextCommit::Hold(wait),
            _ => self.submit(now),
        }
    }

    fn submit(&mut self, now: Instant) -> NextCommit {
        let Some(row) = self.row else {
            self.is_waiting = true;
            return NextCommit::MakeRow(self.maker.clone());
        };
        // In flight there may be one that is to be repeated; had it been committed, the store tells.
        let repeated = self.uncommitted.repeat(row).map(|append| Append { is_repeated: true, ..append });
        let append = repeated.or_else(|| {
            let append = self.uncommitted.next_append(row, self.read, Uuid::now_v7)?;
            self.pace.turned(now, append.entries.len());
            Some(append)
        });
        let is_suspect = self.uncommitted.is_suspect();
        let epoch = Some(self.epoch);
        append
            .map_or(NextCommit::Nothing, |append| NextCommit::Submit { append: Append { epoch, ..append }, is_suspect })
    }

    /// The row is made: goes on at once.
    pub fn on_row(&mut self, row: RoomId, now: Instant) -> NextCommit {
        self.row = Some(row);
        self.retry(now)
    }

    /// It is time for the next attempt: the append in flight once more, or the next one.
    pub fn retry(&mut self, now: Instant) -> NextCommit {
        self.is_waiting = false;
        if self.uncommitted.is_empty() { NextCommit::Nothing } else { self.submit(now) }
    }

    /// The store could not make the row, or not store the append in flight. Returns how long to wait for the next attempt.
    pub fn on_failed(&mut self, error: &StoreError) -> Duration {
        self.is_waiting = true;
        let wait = self.backoff.next();
        tracing::warn!(%error, retry_ms = wait.as_millis() as u64, "edits are not committed yet");
        wait
    }

    /// The journal told how much it takes of a room at once.
    pub fn on_portion(&mut self, portion: Size) {
        self.uncommitted.limit_appends(portion);
    }

    /// Takes the outcome of the append in flight: its entries in order, with what became of each.
    pub fn settle(&mut self, outcome: Vec<Result<Placed, Refused>>) -> Vec<(Pending, Result<Placed, Refused>)> {
        self.backoff.reset();
        self.uncommitted.settle(outcome)
    }

    /// The room is loaded; it has this row and epoch, and so much on disk.
    pub fn on_loaded(&mut self, row: Option<(RoomId, i64)>, stored_bytes: u64) {
        self.row = row.map(|(row, _)| row).or(self.row);
        self.epoch = row.map_or(0, |(_, epoch)| epoch);
        self.stored_bytes = stored_bytes;
        self.backoff.reset();
    }

    /// The room could not be loaded. Returns how long to wait for the next attempt.
    pub fn on_load_failed(&mut self) -> Duration {
        self.backoff.next()
    }
}
