//! One transaction of an append, from begin to commit: finds what is stored already, numbers the rest, writes it. The
//! rules are here, once for both databases.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::timeout;
use tracing::warn;

use super::entry::{Append, Condition, NewEntry, Outcome, Placed, Refused, RoomId};
use super::error::{Reach, StoreError, is_slow, reach};
use super::last_append::LastAppend;
use super::number::{Head, Numbering, Row, check};
use super::statements::{CLIENTS_AT_ONCE, EntryKey, Locked, Settled, Statements};
use super::writer::Writer;
use crate::ids::Seq;

/// What holds for every append of this store.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The incarnation under which this server's appends are remembered.
    pub server: String,
    /// Longest body.
    pub entry_bytes_max: usize,
    /// Whether appends keep count of what rooms and users have on disk.
    pub counts_usage: bool,
}

/// How far the data of a transaction is trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// All rows in one statement.
    Together,
    /// Each row behind a savepoint, so that a bad one is refused alone.
    EntryByEntry,
}

/// A transaction that stored nothing (or of whose commit nobody knows).
pub(super) struct Failed {
    pub reach: Reach,
    pub error: StoreError,
}

impl Failed {
    /// Nothing is stored, since that took too long.
    pub fn slow() -> Self {
        Self { reach: Reach::Room, error: StoreError::Slow }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        let reach = reach(&error);
        let error = error.into();
        Self { reach, error }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let reach = Reach::Database;
        Self { reach, error }
    }
}

/// Stores `batch`, which names each room once, wholly or not at all. One outcome an append, in order.
pub(super) async fn transaction<C: Statements>(
    writer: &Writer<C>,
    rules: &Rules,
    batch: &[&Append],
    how: How,
) -> Result<Vec<Outcome>, Failed> {
    let limit = writer.transaction_timeout;
    let timed_out = |_| StoreError::timed_out(limit);
    let mut begun = writer.begin().await?;
    let connection = &mut begun.0.connection;
    let mut content = Content { connection, rules, how, rows: Vec::new(), moved: Vec::new(), has_looked: false };
    match timeout(limit, content.fill(batch)).await.map_err(timed_out)? {
        Ok((outcomes, settled)) => {
            begun.0.heads.learn(&settled);
            begun.0.heads.hear(std::mem::take(&mut content.moved));
            timeout(limit, begun.commit()).await.map_err(timed_out)??;
            Ok(outcomes)
        }
        // Before it had looked, the appends may have been stored by an earlier try.
        Err(error) if content.has_looked && is_slow(&error) => Err(Failed::slow()),
        Err(error) => {
            let failed = Failed::from(error);
            // Whatever else went wrong may be the session's own state, which a new one would not have.
            if failed.reach == Reach::Data {
                // If that fails the connection is closed, which rolls back as well.
                let _ = timeout(limit, begun.rollback()).await;
            }
            Err(failed)
        }
    }
}

/// What stands between begin and commit.
struct Content<'t, 'a, C> {
    connection: &'t mut C,
    rules: &'t Rules,
    how: How,
    /// The new entries, unless each is inserted by itself.
    rows: Vec<Row<'a>>,
    /// Where rooms stand of which nothing is stored, since others have written there.
    moved: Vec<Head>,
    /// Whether it is known that none of what is new was stored before.
    has_looked: bool,
}

impl<'a, C: Statements> Content<'_, 'a, C> {
    async fn fill(&mut self, batch: &[&'a Append]) -> sqlx::Result<(Vec<Outcome>, Vec<Settled<'a>>)> {
        let rooms: Vec<RoomId> = batch.iter().map(|append| append.room).collect();
        let (mut heads, mut deleted) = (HashMap::new(), HashSet::new());
        for locked in self.connection.lock(&rooms).await? {
            match locked {
                Locked::Open(head, epoch) => drop(heads.insert(head.room, (head, epoch))),
                Locked::Deleted(room) => drop(deleted.insert(room)),
            }
        }
        let last = self.connection.last_appends(&self.rules.server, &rooms).await?;
        let last: HashMap<RoomId, LastAppend> = last.into_iter().map(|last| (last.room, last)).collect();
        let mut known = self.known_keys(batch).await?;
        let newest_steps = self.newest_steps(batch).await?;
        self.has_looked = true;
        let now_ms = now_ms();

        let (mut outcomes, mut settled) = (Vec::with_capacity(batch.len()), Vec::new());
        for &append in batch {
            let Some(&(head, epoch)) = heads.get(&append.room) else {
                let is_deleted = deleted.contains(&append.room);
                outcomes.push(Err(if is_deleted { StoreError::RoomDeleted } else { StoreError::NoSuchRoom }));
                continue;
            };
            if let Some(last) = last.get(&append.room).filter(|last| last.id == append.id) {
                outcomes.push(last.answer(append, self.rules.entry_bytes_max));
                continue;
            }
            if append.epoch.is_some_and(|of| of != epoch) {
                outcomes.push(Err(StoreError::Renewed));
                continue;
            }
            if append.after.is_some_and(|after| after < head.seq) {
                self.moved.push(head);
                outcomes.push(Err(StoreError::Moved(head.seq)));
                continue;
            }
            let mut numbering = Numbering::new(head, now_ms);
            numbering.know_newest_step(newest_steps.get(&append.room).copied());
            for (key, seq, at_ms) in known.remove(&append.room).unwrap_or_default() {
                numbering.know(key.author, key.key, seq, at_ms);
            }
            let outcome = match self.how {
                How::Together => numbering.place_all(append, self.rules.entry_bytes_max, &mut self.rows),
                How::EntryByEntry => self.insert_each(append, &mut numbering).await?,
            };
            settled.push(Settled::new(append, (head, epoch), &numbering, &outcome, self.rules.counts_usage));
            outcomes.push(Ok(outcome));
        }
        self.bind_many(&mut settled).await?;
        if !settled.is_empty() {
            self.connection.write(&self.rules.server, &self.rows, &settled).await?;
        }
        Ok((outcomes, settled))
    }

    /// Binds clients here that are too many to go along with the entries, slice by slice.
    async fn bind_many(&mut self, settled: &mut [Settled<'a>]) -> sqlx::Result<()> {
        if settled.iter().map(|room| room.clients.len()).sum::<usize>() <= CLIENTS_AT_ONCE {
            return Ok(());
        }
        let clients = settled.iter_mut().flat_map(|room| {
            let id = room.head.room;
            std::mem::take(&mut room.clients).into_iter().map(move |client| (id, client))
        });
        for slice in clients.collect::<Vec<_>>().chunks(CLIENTS_AT_ONCE) {
            self.connection.bind_clients(slice).await?;
        }
        Ok(())
    }

    /// Gives each entry of `append` its place, and inserts the new ones one by one.
    async fn insert_each(
        &mut self,
        append: &'a Append,
        numbering: &mut Numbering<'a>,
    ) -> sqlx::Result<Vec<Result<Placed, Refused>>> {
        let mut outcome = Vec::with_capacity(append.entries.len());
        for entry in &append.entries {
            let placed = match check(entry, self.rules.entry_bytes_max).and_then(|()| numbering.place(entry)) {
                Ok(placed) => placed,
                Err(refused) => {
                    numbering.refuse(entry);
                    outcome.push(Err(refused));
                    continue;
                }
            };
            let inserted = match placed.is_new {
                true => self.insert(numbering.row(entry, placed)).await?,
                false => Ok(()),
            };
            match inserted {
                Ok(()) if placed.is_new => numbering.take(entry, placed),
                Ok(()) => {}
                Err(_) => numbering.refuse(entry),
            }
            outcome.push(inserted.map(|()| placed));
        }
        Ok(outcome)
    }

    async fn insert(&mut self, row: Row<'a>) -> sqlx::Result<Result<(), Refused>> {
        self.connection.run("savepoint entry").await?;
        match self.connection.write(&self.rules.server, &[row], &[]).await {
            Ok(()) => {
                self.connection.run("release savepoint entry").await?;
                Ok(Ok(()))
            }
            Err(error) if reach(&error) == Reach::Data => {
                self.connection.run("rollback to savepoint entry").await?;
                // Not the database's message: it may quote the entry.
                let error = error.as_database_error();
                let code = error.and_then(|error| error.code()).unwrap_or_default();
                let constraint = error.and_then(|error| error.constraint());
                let room = row.room.0;
                warn!(room.id = room, code = &*code, constraint, "the database refused an entry");
                Ok(Err(Refused::ByDatabase))
            }
            Err(error) => Err(error),
        }
    }

    /// The newest step of each room where one is asked for; 0 where there is none.
    async fn newest_steps(&mut self, batch: &[&'a Append]) -> sqlx::Result<HashMap<RoomId, Seq>> {
        let is_asked = |entry: &NewEntry| matches!(entry.condition, Some(Condition::NewestStep(_)));
        let asked = batch.iter().filter(|append| append.entries.iter().any(is_asked));
        let rooms: Vec<RoomId> = asked.map(|append| append.room).collect();
        let mut newest: HashMap<RoomId, Seq> = rooms.iter().map(|room| (*room, Seq::ZERO)).collect();
        if !rooms.is_empty() {
            newest.extend(self.connection.newest_steps(&rooms).await?);
        }
        Ok(newest)
    }

    /// The entries already in the table that carry a key of the batch, by room.
    async fn known_keys(
        &mut self,
        batch: &[&'a Append],
    ) -> sqlx::Result<HashMap<RoomId, Vec<(EntryKey<'a>, Seq, i64)>>> {
        let is_fit = |entry: &&NewEntry| check(entry, self.rules.entry_bytes_max).is_ok();
        let mut keys = Vec::new();
        for &append in batch {
            let room = append.room;
            let fit = append.entries.iter().filter(is_fit);
            keys.extend(
                fit.filter_map(|NewEntry { author, key, .. }| Some(EntryKey { room, author, key: key.as_deref()? })),
            );
        }
        let mut known: HashMap<RoomId, Vec<_>> = HashMap::new();
        if keys.is_empty() {
            return Ok(known);
        }
        for (index, seq, at_ms) in self.connection.known_keys(&keys).await? {
            let key = keys[index];
            known.entry(key.room).or_default().push((key, seq, at_ms));
        }
        Ok(known)
    }
}

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
