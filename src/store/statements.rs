//! What an append needs a database to do. The adapters implement it for their connections; nothing else differs.

use sqlx::Connection;

use super::entry::{Append, Placed, Refused, RoomId};
use super::error::StoreError;
use super::last_append::LastAppend;
use super::number::{Head, Numbering, Row};
use super::{rows, usage};
use crate::ids::{Seq, UserId};

/// The statements of an append, within a transaction.
pub(super) trait Statements: Connection + Send + Sized {
    /// What is needed to connect.
    type Source: Send + Sync;

    /// Connects, in bounded time. What the connection is to keep to holds before the first statement.
    fn open(source: &Self::Source) -> impl Future<Output = Result<Self, StoreError>> + Send;

    /// Begins a transaction that may write.
    const BEGIN: &'static str;

    /// Runs a statement without parameters.
    fn run(&mut self, statement: &'static str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Locks the rooms' rows in the order of their ids, until the transaction ends. Leaves out those that do not exist.
    fn lock(&mut self, rooms: &[RoomId]) -> impl Future<Output = sqlx::Result<Vec<Locked>>> + Send;

    /// What `server` appended last in each of the rooms. To be asked after [`lock`](Self::lock), by a statement of its
    /// own: one that waited for the lock may see the table as it was before the wait.
    fn last_appends(
        &mut self,
        server: &str,
        rooms: &[RoomId],
    ) -> impl Future<Output = sqlx::Result<Vec<LastAppend>>> + Send;

    /// The newest step of each of the rooms, if it has any. To be asked after [`lock`](Self::lock).
    fn newest_steps(&mut self, rooms: &[RoomId]) -> impl Future<Output = sqlx::Result<Vec<(RoomId, Seq)>>> + Send;

    /// Which of `keys` are in the table: index in `keys`, seq, time.
    fn known_keys(
        &mut self,
        keys: &[EntryKey<'_>],
    ) -> impl Future<Output = sqlx::Result<Vec<(usize, Seq, i64)>>> + Send;

    /// Inserts `rows`, sets the heads of `settled` rooms, remembers their appends, binds their clients.
    fn write(
        &mut self,
        server: &str,
        rows: &[Row<'_>],
        settled: &[Settled<'_>],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Binds clients to their users, unless they are bound already.
    fn bind_clients(&mut self, clients: &[(RoomId, &(u64, UserId))]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// A whole transaction in one trip, from begin to commit: locks the rooms as [`lock`](Self::lock) does, and writes as
    /// [`write`](Self::write) does if each room is there, and its head and epoch are still as before. Otherwise it tells the rooms where it is not, or an
    /// error, and nothing is committed; the transaction may be left open.
    fn commit_at_once(
        &mut self,
        server: &str,
        rows: &[Row<'_>],
        settled: &[Settled<'_>],
    ) -> impl Future<Output = sqlx::Result<Result<(), Vec<RoomId>>>> + Send;
}

/// So many clients are bound at once: far fewer than a statement has time for.
pub const CLIENTS_AT_ONCE: usize = 4_096;

/// A room that is locked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Locked {
    /// It takes entries after this head, in this epoch.
    Open(Head, i64),
    /// It was deleted, and takes nothing.
    Deleted(RoomId),
}

/// id, head, last_at, epoch, whether it was deleted.
pub(super) type LockedColumns = (i64, i64, i64, i64, bool);

impl From<LockedColumns> for Locked {
    fn from((room, head, at_ms, epoch, is_deleted): LockedColumns) -> Self {
        match is_deleted {
            true => Self::Deleted(RoomId(room)),
            false => Self::Open(Head { room: RoomId(room), seq: rows::seq(head), at_ms }, epoch),
        }
    }
}

/// A key to look up.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryKey<'a> {
    pub room: RoomId,
    pub author: &'a UserId,
    pub key: &'a str,
}

/// A room after its append.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    /// Its head before.
    pub before: Head,
    pub head: Head,
    /// The room's epoch.
    pub epoch: i64,
    pub last: LastAppend,
    /// The newest step, if that is known.
    pub newest_step: Option<Seq>,
    pub clients: Vec<&'a (u64, UserId)>,
    /// What users have more on disk, in bytes; `None` if that is not counted.
    pub used: Option<Vec<(&'a str, i64)>>,
}

impl<'a> Settled<'a> {
    /// The room of `append`, which moved its head and came to `outcome`.
    pub fn new(
        append: &'a Append,
        (before, epoch): (Head, i64),
        numbering: &Numbering<'_>,
        outcome: &[Result<Placed, Refused>],
        counts_usage: bool,
    ) -> Self {
        let head = numbering.head();
        let last = LastAppend::new(append.room, append.id, head.at_ms, outcome);
        // A user whose id cannot be stored makes no entries either, so nothing will ask for their clients.
        let clients = append.clients.iter().filter(|(_, user)| !user.as_str().contains('\0')).collect();
        let used = counts_usage.then(|| usage::of_append(&append.entries, outcome).collect());
        Self { before, head, epoch, last, newest_step: numbering.newest_step(), clients, used }
    }
}
