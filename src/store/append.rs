//! Group commit: the appends of many rooms in one transaction, each of them stored exactly once. The rules are here,
//! once for both databases; what differs is behind [`Statements`].

use std::collections::{HashMap, HashSet};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sqlx::Connection;
use tokio::time::timeout;
use tracing::warn;

use super::entry::{Append, NewEntry, Outcome, Refused, RoomId};
use super::error::{Reach, StoreError, reach};
use super::last_append::LastAppend;
use super::number::{Head, Numbering, Row, check};
use super::writer::Writer;
use crate::ids::{Seq, UserId};

/// The statements of an append, within a transaction.
pub(super) trait Statements: Connection + Send {
    /// Begins a transaction that may write.
    const BEGIN: &'static str;

    /// Runs a statement without parameters.
    fn run(&mut self, statement: &'static str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Locks the rooms' rows in the order of their ids, until the transaction ends. Leaves out those that do not exist.
    fn lock(&mut self, rooms: &[RoomId]) -> impl Future<Output = sqlx::Result<Vec<Head>>> + Send;

    /// What `server` appended last in each of the rooms. To be asked after [`lock`](Self::lock), by a statement of its
    /// own: one that waited for the lock may see the table as it was before the wait.
    fn last_appends(
        &mut self,
        server: &str,
        rooms: &[RoomId],
    ) -> impl Future<Output = sqlx::Result<Vec<LastAppend>>> + Send;

    /// Which of `keys` are in the table: index in `keys`, seq, time.
    fn known_keys(&mut self, keys: &[Key<'_>]) -> impl Future<Output = sqlx::Result<Vec<(usize, Seq, i64)>>> + Send;

    /// Inserts `rows`, sets the heads of `settled` rooms, remembers their appends, binds their clients.
    fn write(
        &mut self,
        server: &str,
        rows: &[Row<'_>],
        settled: &[Settled<'_>],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// A key to look up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    pub room: RoomId,
    pub author: &'a UserId,
    pub key: &'a str,
}

/// A room after its append.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    pub head: Head,
    pub last: LastAppend,
    pub clients: Vec<&'a (u64, UserId)>,
}

/// What holds for every append of this store.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The name under which this server's appends are remembered.
    pub server: String,
    /// Longest body.
    pub entry_bytes_max: usize,
}

/// How far to trust the data of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// All rows in one statement.
    Together,
    /// Each row behind a savepoint, so that a bad one is refused alone.
    EntryByEntry,
}

struct Failed {
    reach: Reach,
    error: StoreError,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self {
            reach: reach(&error),
            error: error.into(),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self {
            reach: Reach::Database,
            error,
        }
    }
}

/// Stores `appends`, at most one a room, in one transaction; if that fails for a reason that is not the whole
/// database's, room by room, and a room whose data is bad entry by entry. One outcome an append, in order.
pub(super) async fn append<C: Statements>(writer: &Writer<C>, rules: &Rules, appends: &[Append]) -> Vec<Outcome> {
    let mut rooms = HashSet::new();
    let batch: Vec<&Append> = appends.iter().filter(|append| rooms.insert(append.room)).collect();
    let mut outcomes = store(writer, rules, &batch).await;
    if batch.len() < appends.len() {
        let mut tried = HashSet::new();
        for (index, append) in appends.iter().enumerate() {
            if !tried.insert(append.room) {
                outcomes.insert(index, Err(StoreError::RoomRepeated));
            }
        }
    }
    outcomes
}

async fn store<C: Statements>(writer: &Writer<C>, rules: &Rules, batch: &[&Append]) -> Vec<Outcome> {
    let started = Instant::now();
    let failed = match transaction(writer, rules, batch, How::Together).await {
        Ok(outcomes) => return outcomes,
        Err(failed) => failed,
    };
    // Once the database itself fails, or the rooms' time-outs add up, the rest need not be tried.
    let mut down = (failed.reach == Reach::Database).then_some(failed.error);
    let mut outcomes = Vec::with_capacity(batch.len());
    for append in batch {
        if down.is_none() && started.elapsed() > writer.transaction_timeout {
            down = Some(StoreError::timed_out(writer.transaction_timeout));
        }
        if let Some(error) = &down {
            outcomes.push(Err(error.clone()));
            continue;
        }
        outcomes.push(match store_alone(writer, rules, append).await {
            Ok(outcome) => outcome,
            Err(failed) => {
                down = (failed.reach == Reach::Database).then(|| failed.error.clone());
                Err(failed.error)
            }
        });
    }
    outcomes
}

async fn store_alone<C: Statements>(writer: &Writer<C>, rules: &Rules, append: &Append) -> Result<Outcome, Failed> {
    let mut outcomes = match transaction(writer, rules, &[append], How::Together).await {
        Err(Failed { reach: Reach::Data, .. }) => transaction(writer, rules, &[append], How::EntryByEntry).await?,
        outcomes => outcomes?,
    };
    Ok(outcomes.pop().unwrap_or(Err(StoreError::NoSuchRoom)))
}

async fn transaction<C: Statements>(
    writer: &Writer<C>,
    rules: &Rules,
    batch: &[&Append],
    how: How,
) -> Result<Vec<Outcome>, Failed> {
    let limit = writer.transaction_timeout;
    let mut begun = writer.begin().await?;
    let stored = timeout(limit, fill(&mut begun.connection, rules, batch, how)).await;
    match stored.map_err(|_| StoreError::timed_out(limit))? {
        Ok(outcomes) => {
            timeout(limit, begun.commit())
                .await
                .map_err(|_| StoreError::timed_out(limit))??;
            Ok(outcomes)
        }
        Err(error) => {
            let failed = Failed::from(error);
            if failed.reach != Reach::Database {
                // If that fails the connection is closed, which rolls back as well.
                let _ = timeout(limit, begun.rollback()).await;
            }
            Err(failed)
        }
    }
}

/// All of a transaction between begin and commit.
async fn fill<C: Statements>(
    connection: &mut C,
    rules: &Rules,
    batch: &[&Append],
    how: How,
) -> sqlx::Result<Vec<Outcome>> {
    let rooms: Vec<RoomId> = batch.iter().map(|append| append.room).collect();
    let heads = connection.lock(&rooms).await?;
    let heads: HashMap<RoomId, Head> = heads.into_iter().map(|head| (head.room, head)).collect();
    let last = connection.last_appends(&rules.server, &rooms).await?;
    let last: HashMap<RoomId, LastAppend> = last.into_iter().map(|last| (last.room, last)).collect();
    let now_ms = now_ms();

    let mut known = known_keys(connection, rules, batch).await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let (mut rows, mut settled) = (Vec::new(), Vec::new());
    for &append in batch {
        let Some(&head) = heads.get(&append.room) else {
            outcomes.push(Err(StoreError::NoSuchRoom));
            continue;
        };
        if let Some(last) = last.get(&append.room).filter(|last| last.id == append.id) {
            outcomes.push(last.answer(append, rules.entry_bytes_max));
            continue;
        }
        let mut numbering = Numbering::new(head, now_ms);
        for (key, seq, at_ms) in known.remove(&append.room).unwrap_or_default() {
            numbering.know(key.author, key.key, seq, at_ms);
        }
        let mut outcome = Vec::with_capacity(append.entries.len());
        for entry in &append.entries {
            outcome.push(match check(entry, rules.entry_bytes_max) {
                Ok(()) => place(connection, rules, &mut numbering, entry, how, &mut rows).await?,
                Err(refused) => Err(refused),
            });
        }
        let last = LastAppend::new(append.room, append.id, numbering.head().at_ms, &outcome);
        // A user whose id cannot be stored makes no entries either, so nothing will ask for their clients.
        let clients = append
            .clients
            .iter()
            .filter(|(_, user)| !user.as_str().contains('\0'))
            .collect();
        settled.push(Settled {
            head: numbering.head(),
            last,
            clients,
        });
        outcomes.push(Ok(outcome));
    }
    if !settled.is_empty() {
        connection.write(&rules.server, &rows, &settled).await?;
    }
    Ok(outcomes)
}

/// Gives `entry` its place; if it is new, its row joins `rows` or is inserted at once.
async fn place<'a, C: Statements>(
    connection: &mut C,
    rules: &Rules,
    numbering: &mut Numbering<'a>,
    entry: &'a NewEntry,
    how: How,
    rows: &mut Vec<Row<'a>>,
) -> sqlx::Result<Result<super::Placed, Refused>> {
    let placed = numbering.place(entry);
    if placed.is_new {
        let row = numbering.row(entry, placed);
        match how {
            How::Together => rows.push(row),
            How::EntryByEntry => {
                if let Err(refused) = insert_alone(connection, rules, row).await? {
                    return Ok(Err(refused));
                }
            }
        }
        numbering.take(entry, placed);
    }
    Ok(Ok(placed))
}

async fn insert_alone<C: Statements>(
    connection: &mut C,
    rules: &Rules,
    row: Row<'_>,
) -> sqlx::Result<Result<(), Refused>> {
    connection.run("savepoint entry").await?;
    match connection.write(&rules.server, &[row], &[]).await {
        Ok(()) => {
            connection.run("release savepoint entry").await?;
            Ok(Ok(()))
        }
        Err(error) if reach(&error) == Reach::Data => {
            connection.run("rollback to savepoint entry").await?;
            // Not the database's message: it may quote the entry.
            let code = error
                .as_database_error()
                .and_then(|error| error.code())
                .unwrap_or_default();
            let constraint = error.as_database_error().and_then(|error| error.constraint());
            warn!(
                room.id = row.room.0,
                code = &*code,
                constraint,
                "an entry was refused by the database"
            );
            Ok(Err(Refused::ByDatabase))
        }
        Err(error) => Err(error),
    }
}

/// The entries already in the table that carry a key of the batch, by room.
async fn known_keys<'a, C: Statements>(
    connection: &mut C,
    rules: &Rules,
    batch: &[&'a Append],
) -> sqlx::Result<HashMap<RoomId, Vec<(Key<'a>, Seq, i64)>>> {
    let key = |append: &'a Append, entry: &'a NewEntry| {
        let key = entry
            .key
            .as_deref()
            .filter(|_| check(entry, rules.entry_bytes_max).is_ok())?;
        Some(Key {
            room: append.room,
            author: &entry.author,
            key,
        })
    };
    let keys: Vec<Key<'a>> = batch
        .iter()
        .flat_map(|&append| append.entries.iter().filter_map(move |entry| key(append, entry)))
        .collect();
    let mut known: HashMap<RoomId, Vec<_>> = HashMap::new();
    if keys.is_empty() {
        return Ok(known);
    }
    for (index, seq, at_ms) in connection.known_keys(&keys).await? {
        known
            .entry(keys[index].room)
            .or_default()
            .push((keys[index], seq, at_ms));
    }
    Ok(known)
}

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
