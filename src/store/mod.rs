//! The durable side of every room: one ordered timeline each, in Postgres or SQLite. Gives entries their seqs, stores
//! each append once, and reads them back. Never decodes a body; knows no documents, protocols or actors.
//!
//! Only this module names `sqlx`. All its I/O runs on runtimes of its own, so its methods may be awaited on any
//! executor, and what was begun goes on when the caller stops waiting.

mod append;
mod copy;
mod deletion;
mod entry;
mod erasure;
mod error;
mod foreign;
mod heads;
mod last_append;
mod merge;
mod migrate;
mod number;
mod packing;
mod postgres;
mod probe;
mod resource;
mod retention;
mod revocation;
mod rows;
mod runtime;
mod segment;
mod server;
mod settings;
mod shortcut;
mod snapshot;
mod sqlite;
mod statements;
mod timeline;
mod transaction;
mod usage;
mod version;
mod webhook;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use uuid::Uuid;

pub use copy::{CREATED, CopyEnd, CopyPart, FinishedCopy};
pub use deletion::{DeletedRoom, Deletion, Remains, Undeletion};
pub use entry::{
    Append, Bodies, COMMENT_BYTES_MAX, Condition, ENTRY_OVERHEAD_BYTES, Entry, EntryKind, HISTORY_BYTES_MAX,
    HISTORY_ENTRIES_MAX, HistoryQuery, KEY_BYTES_MAX, Kinds, Loaded, Maker, NewEntry, Outcome, Page, Placed, Refused,
    RoomId, RoomRow, is_being_erased,
};
pub use erasure::{BegunErasure, CANCELLED_EPOCHS, ErasureProgress, ErasureRow, Rewrite, Rewritten};
pub use error::StoreError;
pub use foreign::{DocumentRow, DocumentTable};
pub use packing::Packed;
pub use postgres::{Listener, NOTIFICATION_BYTES_MAX, Notifications, Notifier};
pub use resource::RoomSize;
pub use retention::{AgingRoom, Dropping, Kept};
pub use revocation::{RevocationRow, RevokedKind};
pub use segment::HistorySegment;
pub use server::ServerRow;
pub use settings::StoreSettings;
pub use statements::CLIENTS_AT_ONCE;
pub use usage::Usage;
pub use version::{VERSIONS_MAX, VersionChange, VersionRow};
pub use webhook::{
    Attempt, DELETED, Delivery, DeliveryState, DueRoom, Found, NewDelivery, NextDelivery, QueueKey, QueueLease,
    RoomEvent, WEBHOOKS_MAX, WebhookRow,
};

use crate::ids::{RoomName, Seq, UserId};
use crate::layout::Unreadable;
use crate::pack::PACK_ENTRIES_MAX;
use erasure::ErasedSnapshot;
use postgres::Postgres;
use probe::Probe;
use runtime::StoreRuntime;
use settings::DatabaseKind;
use sqlite::Sqlite;
use timeline::Damage;

/// Most rooms of one page.
pub const ROOMS_MAX: u32 = 1_000;

/// Parts of a room that are counted in one go.
const COUNT_PARTS_MAX: u32 = 10_000;

/// This server appends as long as its last append is younger.
const QUIET: Duration = Duration::from_secs(1);

/// How long [`Store::shutdown`] waits for what is under way.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The database. Cheap to clone; all clones share its connections and its runtimes, which end with
/// [`shutdown`](Self::shutdown) or with the last clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
    runtime: Arc<StoreRuntime>,
    /// Apart, so that a long decode of what is read keeps no append waiting.
    appends: Arc<StoreRuntime>,
    operation_timeout: Duration,
    probe: Arc<Probe>,
    appended: Arc<Notify>,
    /// When an append ended last.
    appended_at: Arc<watch::Sender<Option<Instant>>>,
}

/// There is one, which is shared.
#[expect(clippy::large_enum_variant)]
enum Backend {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// Runs a method of the store's backend, whichever it is, on the store's runtime and in bounded time.
macro_rules! on_backend {
    ($store:expr, $backend:ident => $call:expr) => {{
        let backend = $store.backend.clone();
        let work = async move {
            match &*backend {
                Backend::Postgres($backend) => $call.await,
                Backend::Sqlite($backend) => $call.await,
            }
        };
        $store.in_time(work).await
    }};
}

impl Store {
    /// Opens the database, and makes it if it is an SQLite file that is missing. Does not migrate. The error says what
    /// to do.
    pub async fn open(settings: StoreSettings) -> Result<Self, StoreError> {
        let database_kind = settings.database_kind()?;
        let runtime = StoreRuntime::start("store")?;
        let appends = StoreRuntime::start("store-appends")?;
        let operation_timeout = settings.operation_timeout();
        let backend = runtime.run(async move {
            match database_kind {
                DatabaseKind::Postgres => Postgres::open(&settings).await.map(Backend::Postgres),
                DatabaseKind::Sqlite => Sqlite::open(&settings).await.map(Backend::Sqlite),
            }
        });
        let backend = backend.await??;
        let (runtime, appends) = (Arc::new(runtime), Arc::new(appends));
        Ok(Self {
            backend: Arc::new(backend),
            runtime,
            appends,
            operation_timeout,
            probe: Arc::default(),
            appended: Arc::default(),
            appended_at: Arc::new(watch::Sender::new(None)),
        })
    }

    /// Makes this the only server of an SQLite file, until it is shut down or its process ends. If there is another the error says
    /// what to do. Who imports or exports beside a server does not claim. A Postgres database may have several.
    pub async fn claim(&self) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.claim())
    }

    /// How many migrations the database lacks. Needs no right to change it.
    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        on_backend!(self, backend => backend.pending_migrations())
    }

    /// Brings the database's tables up to date; returns how many migrations it lacked. Takes as long as it takes.
    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let backend = self.backend.clone();
        let work = async move {
            match &*backend {
                Backend::Postgres(backend) => backend.migrate().await,
                Backend::Sqlite(backend) => backend.migrate().await,
            }
        };
        self.runtime.run(work).await?
    }

    /// Whether rooms can be read and entries saved, now or a few seconds ago.
    pub async fn can_save(&self) -> Result<(), StoreError> {
        self.probe.answer(async { on_backend!(self, backend => backend.probe()) }).await
    }

    /// The row of the room `name`, made if there is none, by this one; `None`: it is nobody's. A room that was deleted is an error, and
    /// so is one more than its maker may have made: never, whoever else makes rooms for them at the same time.
    pub async fn ensure_room(&self, name: &RoomName, by: Option<Maker>) -> Result<RoomId, StoreError> {
        let name = name.clone();
        on_backend!(self, backend => backend.ensure_room(&name, by.as_ref()))
    }

    /// Stores the appends of many rooms, at most one a room, in one transaction. One outcome an append, in order. An
    /// entry, or a room, that cannot be stored does not hinder the others.
    ///
    /// Of an append that failed as [`StoreError::Unavailable`] nobody knows whether it is stored: send it again with the
    /// same id, before any other of its room.
    pub async fn append(&self, appends: Vec<Append>) -> Vec<Outcome> {
        let count = appends.len();
        let backend = self.backend.clone();
        let work = async move {
            match &*backend {
                Backend::Postgres(backend) => backend.append(&appends).await,
                Backend::Sqlite(backend) => backend.append(&appends).await,
            }
        };
        // Bounded inside, transaction by transaction, so that what is stored is also answered.
        let outcomes = self.appends.run(work).await;
        self.on_appended();
        outcomes.unwrap_or_else(|error| vec![Err(error); count])
    }

    /// As [`append`](Self::append), for one append that may take long: on Postgres beside the others, which go on meanwhile.
    pub async fn append_aside(&self, append: Append) -> Outcome {
        let backend = self.backend.clone();
        let work = async move {
            let appends = [append];
            let outcomes = match &*backend {
                Backend::Postgres(backend) => backend.append_aside(&appends).await,
                Backend::Sqlite(backend) => backend.append(&appends).await,
            };
            outcomes.into_iter().next().unwrap_or(Err(StoreError::NoSuchRoom))
        };
        let outcome = self.appends.run(work).await;
        self.on_appended();
        outcome.unwrap_or_else(Err)
    }

    /// As [`append`](Self::append), for rooms that other servers write to as well: on Postgres beside the others, which do not wait for
    /// other servers' locks.
    pub async fn append_shared(&self, appends: Vec<Append>) -> Vec<Outcome> {
        let count = appends.len();
        let backend = self.backend.clone();
        let work = async move {
            match &*backend {
                Backend::Postgres(backend) => backend.append_shared(&appends).await,
                Backend::Sqlite(backend) => backend.append(&appends).await,
            }
        };
        let outcomes = self.appends.run(work).await;
        self.on_appended();
        outcomes.unwrap_or_else(|error| vec![Err(error); count])
    }

    fn on_appended(&self) {
        self.appended_at.send_replace(Some(Instant::now()));
        self.appended.notify_one();
    }

    /// Whether this server appends at present.
    pub fn is_appending(&self) -> bool {
        self.appends_for(QUIET).is_some()
    }

    /// How long it goes on to, if no further append comes.
    fn appends_for(&self, quiet: Duration) -> Option<Duration> {
        let since = self.appended_at.borrow().map(|at| at.elapsed());
        since.and_then(|since| quiet.checked_sub(since)).filter(|left| !left.is_zero())
    }

    /// Where this server appends, waits for the end of an append: a while goes by until the next one, in which whoever writes something
    /// else keeps nobody waiting.
    async fn behind_append(&self) {
        self.behind_append_within(QUIET).await;
    }

    async fn behind_append_within(&self, quiet: Duration) {
        let mut appended_at = self.appended_at.subscribe();
        if let Some(left) = self.appends_for(quiet) {
            // If none comes any more, nobody is kept waiting either.
            let _ = timeout(left, appended_at.changed()).await;
        }
    }

    /// Waits for an append of this server; one that has ended since the last wait counts. For one who waits.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    /// Hears from other servers where they left rooms: their seqs, and the times of their newest entries. It only saves a trip to the
    /// database, which compares them.
    pub fn hear(&self, heads: &[(RoomId, Seq, i64)]) {
        if let Backend::Postgres(backend) = &*self.backend {
            let head = |&(room, seq, at_ms): &(RoomId, Seq, i64)| number::Head { room, seq, at_ms };
            backend.hear(&heads.iter().map(head).collect::<Vec<_>>());
        }
    }

    /// What tells this database's servers from others on the same bus. Only on Postgres, where there may be several.
    pub async fn cluster(&self) -> Result<Option<Uuid>, StoreError> {
        let backend = self.backend.clone();
        self.in_time(async move {
            match &*backend {
                Backend::Postgres(backend) => backend.cluster().await.map(Some),
                Backend::Sqlite(_) => Ok(None),
            }
        })
        .await
    }

    /// Shows in the database that this server lives; tells the others that were seen in it lately.
    pub async fn beat(&self, version: &'static str) -> Result<Vec<ServerRow>, StoreError> {
        on_backend!(self, backend => backend.beat(version))
    }

    /// Takes this server's row out, for it stops.
    pub async fn sign_off(&self) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.sign_off())
    }

    /// Deletes a part of what servers have left that are long gone. Whether there may be more.
    pub async fn sweep_servers(&self) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.sweep_servers())
    }

    /// Where the timelines of these rooms end, and whether they were deleted. Without their metadata, which may be long.
    pub async fn heads(&self, rooms: Vec<RoomName>) -> Result<Vec<(RoomRow, bool)>, StoreError> {
        on_backend!(self, backend => backend.heads(&rooms))
    }

    /// Whose these Yjs clients are, as far as they are bound in the room.
    pub async fn clients(&self, room: RoomId, clients: Vec<u64>) -> Result<Vec<(u64, UserId)>, StoreError> {
        on_backend!(self, backend => backend.clients(room, &clients))
    }

    /// All that is needed to bring the room `name` to life; `None` if there is no such room. One that was deleted is an error.
    pub async fn load(&self, name: &RoomName) -> Result<Option<Loaded>, StoreError> {
        let name = name.clone();
        on_backend!(self, backend => backend.load(&name))
    }

    /// A page of the timeline, in ascending order. It may be shorter than asked for ([`HISTORY_BYTES_MAX`]): only an
    /// empty page says that the range has no more. Where entries of the range were dropped it is an error.
    pub async fn history(&self, room: RoomId, query: HistoryQuery) -> Result<Vec<Entry>, StoreError> {
        let needs_after = query.needs_after();
        let page = self.remaining(room, query).await?;
        let Some(after) = needs_after else { return Ok(page) };
        // Only now: nothing was dropped before the horizon was raised.
        let horizon = self.horizon(room).await?;
        if after < horizon { Err(StoreError::Dropped(Seq(horizon.0 + 1))) } else { Ok(page) }
    }

    /// As [`history`](Self::history); entries that were dropped are missing.
    pub async fn remaining(&self, room: RoomId, query: HistoryQuery) -> Result<Vec<Entry>, StoreError> {
        on_backend!(self, backend => backend.history(room, &query, Damage::Told))
    }

    /// The room's edits and messages up to this seq were dropped; 0 if none were.
    pub async fn horizon(&self, room: RoomId) -> Result<Seq, StoreError> {
        on_backend!(self, backend => backend.horizon(room))
    }

    /// What stays of edits that were dropped, see [`Kept::base`], and the horizon that it was made for.
    pub async fn base(&self, room: RoomId) -> Result<Option<(Seq, Bytes)>, StoreError> {
        on_backend!(self, backend => backend.base(room))
    }

    /// The document's state up to exactly this seq, if that is kept. At the horizon it is.
    pub async fn snapshot_at(&self, room: RoomId, seq: Seq) -> Result<Option<Bytes>, StoreError> {
        on_backend!(self, backend => backend.snapshot_at(room, seq))
    }

    /// Rooms of a span of rows, its first excluded, that have entries.
    pub async fn aging_rooms(&self, span: (RoomId, RoomId)) -> Result<Vec<AgingRoom>, StoreError> {
        on_backend!(self, backend => backend.aging_rooms(span))
    }

    /// Raises a room's horizon, and keeps what stays of what lies before it; whether the room was still as it was when that was made.
    pub async fn raise_horizon(&self, room: RoomId, dropping: Dropping) -> Result<bool, StoreError> {
        if is_being_erased(dropping.from.1) {
            return Ok(false);
        }
        on_backend!(self, backend => backend.raise_horizon(room, &dropping))
    }

    /// Deletes some of the rows of edits and messages before a room's horizon; whether there may be more.
    pub async fn drop_part(&self, room: RoomId) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.drop_part(room))
    }

    /// Takes the lease for some work, or renews it, until a time in Unix milliseconds; whether this server has it.
    pub async fn lease(&self, name: &'static str, now_ms: i64, until_ms: i64) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.lease(name, now_ms, until_ms))
    }

    /// How many entries but edits the timeline has after a seq; counts no further than `limit`.
    pub async fn count_but_edits(&self, room: RoomId, after: Seq, limit: u64) -> Result<u64, StoreError> {
        on_backend!(self, backend => backend.count_but_edits(room, after, limit))
    }

    /// The room `name`, if it exists. One that was deleted is an error.
    pub async fn room(&self, name: &RoomName) -> Result<Option<RoomRow>, StoreError> {
        let name = name.clone();
        match on_backend!(self, backend => backend.room(&name))? {
            Some((_, true)) => Err(StoreError::RoomDeleted),
            found => Ok(found.map(|(row, _)| row)),
        }
    }

    /// The room `name`, if it exists, deleted or not.
    pub async fn any_room(&self, name: &RoomName) -> Result<Option<RoomRow>, StoreError> {
        let name = name.clone();
        Ok(on_backend!(self, backend => backend.room(&name))?.map(|(row, _)| row))
    }

    /// Deletes a room: from then on nothing is stored in it, and nothing read. Of one that is deleted already it takes the time to take
    /// it back. `None` if there is no such room.
    pub async fn delete_room(
        &self,
        room: &RoomName,
        by: (&UserId, &str),
        how: Deletion,
        now_ms: i64,
    ) -> Result<Option<DeletedRoom>, StoreError> {
        let (room, by, shown) = (room.clone(), by.0.clone(), by.1.to_owned());
        on_backend!(self, backend => backend.delete_room(&room, (&by, &shown), &how, now_ms))
    }

    /// Takes a deletion back, as long as all of the room is there.
    pub async fn undelete_room(&self, room: &RoomName) -> Result<Undeletion, StoreError> {
        let room = room.clone();
        on_backend!(self, backend => backend.undelete_room(&room))
    }

    /// The room `name`, if it was deleted and its name is not free.
    pub async fn deleted_room(&self, name: &RoomName) -> Result<Option<DeletedRoom>, StoreError> {
        let name = name.clone();
        on_backend!(self, backend => backend.deleted_room(&name))
    }

    /// As [`rooms`](Self::rooms), of those that were deleted.
    pub async fn deleted_rooms(
        &self,
        prefix: &str,
        after_name: Option<&RoomName>,
        limit: u32,
    ) -> Result<Vec<DeletedRoom>, StoreError> {
        if prefix.contains('\0') {
            return Ok(Vec::new());
        }
        let limit = limit.min(ROOMS_MAX);
        let prefix = prefix.to_owned();
        let after = after_name.map_or(String::new(), RoomName::to_string);
        on_backend!(self, backend => backend.deleted_rooms(&prefix, &after, limit))
    }

    /// Deleted rooms behind `after` of which something is to go for good now, in the order of their ids.
    pub async fn rooms_to_purge(&self, now_ms: i64, after: RoomId, limit: u32) -> Result<Vec<RoomId>, StoreError> {
        on_backend!(self, backend => backend.rooms_to_purge(now_ms, after, limit))
    }

    /// Deletes a part of what is in a deleted room whose time has come; whether there may be more. With the last part its name is
    /// free, if it is to be.
    pub async fn purge_part(&self, room: RoomId, now_ms: i64) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.purge_part(room, now_ms))
    }

    /// Begins an erasure in a room that is in an epoch, in which the plan was made, and whose newest entry is this one, where that
    /// counts. From here on, and until it [ends](Self::finish_erasure), nothing is kept of what is made of the room's entries.
    pub async fn begin_erasure(
        &self,
        room: RoomId,
        plan: Bytes,
        epoch: i64,
        newest: Option<Seq>,
    ) -> Result<BegunErasure, StoreError> {
        on_backend!(self, backend => backend.begin_erasure(room, &plan, (epoch, newest)))
    }

    /// The erasure of a room that has begun and not ended.
    pub async fn erasure(&self, room: RoomId) -> Result<Option<ErasureRow>, StoreError> {
        on_backend!(self, backend => backend.erasure(room))
    }

    /// Erasures that have begun and not ended, of rooms behind one in the order of their ids; not of rooms that are deleted for good.
    pub async fn pending_erasures(&self, after: RoomId, limit: u32) -> Result<Vec<ErasureRow>, StoreError> {
        on_backend!(self, backend => backend.pending_erasures(after, limit))
    }

    /// How many erasures have begun and not ended, and how many of them cannot go on.
    pub async fn count_erasures(&self) -> Result<(i64, i64), StoreError> {
        on_backend!(self, backend => backend.count_erasures())
    }

    /// Notes why an erasure cannot go on.
    pub async fn note_erasure_failure(&self, room: RoomId, failure: String, now_ms: i64) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.note_failure(room, &failure, now_ms))
    }

    /// Notes that what was to be told of an erasure that has rewritten all is told.
    pub async fn end_erasure_notice(&self, room: RoomId) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.end_notice(room))
    }

    /// Ends an erasure that has not rewritten all, in an epoch, as it is: what is rewritten stays so. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError::RoomDeleted`]: for good.
    pub async fn cancel_erasure(&self, room: RoomId, epoch: i64) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.cancel_erasure(room, epoch))
    }

    /// Whether anything of a room names a user.
    pub async fn is_named(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        on_backend!(self, backend => backend.is_named(room, &user))
    }

    /// Rewrites the next part of a room's entries: a pack, or some rows. Nothing else of them changes.
    ///
    /// # Errors
    /// [`StoreError::Renewed`] if the erasure is not what it was: another server has gone on with it. [`StoreError::RoomDeleted`]: for
    /// good; of a room that can be taken back things are erased as of any.
    pub async fn erase_part(&self, row: &ErasureRow, rewrite: Arc<dyn Rewrite>) -> Result<ErasureProgress, StoreError> {
        let ErasureRow { room, epoch, .. } = *row;
        if row.is_rewritten {
            return Ok(ErasureProgress { entries: 0, is_done: true });
        }
        let Some(pack) = on_backend!(self, backend => backend.pack_to_erase(room))? else {
            return on_backend!(self, backend => backend.erase_rows(room, epoch, &*rewrite));
        };
        let erased = unblocked(move || erasure::rewrite_pack(pack, &*rewrite)).await??;
        on_backend!(self, backend => backend.save_erased_pack(room, epoch, &erased))
    }

    /// Once all parts are done: rewrites or deletes what was made of a room's entries, also copies that were not finished, and ends its epoch; `false` if so much was
    /// appended since that other parts come first. What the database keeps of what is not there any more goes with the next
    /// [`scrub`](Self::scrub).
    ///
    /// # Errors
    /// As [`erase_part`](Self::erase_part).
    pub async fn finish_erasure(&self, row: &ErasureRow, rewrite: Arc<dyn Rewrite>) -> Result<bool, StoreError> {
        let ErasureRow { room, epoch, .. } = *row;
        if row.is_rewritten {
            return Ok(true);
        }
        while on_backend!(self, backend => backend.erase_segments(room))? {}
        for copy in on_backend!(self, backend => backend.copies_to_erase(room))? {
            while self.purge_part(copy, 0).await? {}
        }
        let horizon = self.horizon(room).await?;
        let mut after = 0;
        while let Some(snapshot) = on_backend!(self, backend => backend.snapshot_to_erase(room, after))? {
            let rewrite = rewrite.clone();
            let work = move || erasure::rewrite_snapshot(snapshot, horizon, &*rewrite);
            let (seq, erased) = unblocked(work).await??;
            let state = match erased {
                ErasedSnapshot::Stays => None,
                ErasedSnapshot::Is(state) => Some(Some(state)),
                ErasedSnapshot::Goes => Some(None),
            };
            if let Some(state) = state {
                on_backend!(self, backend => backend.save_erased_snapshot(room, epoch, seq, state.as_deref()))?;
            }
            after = seq;
        }
        // Nothing was dropped where there is none.
        let (seq, body) = self.base(room).await?.unwrap_or((retention::BASE_OF_ALL, Bytes::new()));
        let own = rewrite.clone();
        let wrong = |error| match error {
            Unreadable::Newer(newer) => newer.into(),
            Unreadable::Damaged(reason) => {
                StoreError::Unexpected(format!("the base of room {} cannot be erased from: {reason}", room.0))
            }
        };
        if let Some(body) = unblocked(move || own.base(&body)).await?.map_err(wrong)? {
            on_backend!(self, backend => backend.save_erased_base(room, epoch, seq, &body))?;
        }
        if let Some((from, to)) = rewrite.rename() {
            self.rename(row, (from.clone(), to.clone())).await?;
        }
        on_backend!(self, backend => backend.end_epoch(room, epoch, &*rewrite))
    }

    /// Gives a user another name in what is not entries, but for what the last transaction of an erasure does.
    async fn rename(&self, row: &ErasureRow, rename: (UserId, UserId)) -> Result<(), StoreError> {
        let room = row.room;
        loop {
            let (from, to) = rename.clone();
            if !on_backend!(self, backend => backend.rename_clients(room, (&from, &to)))? {
                break;
            }
        }
        for table in 0..erasure::TOLD.len() {
            let mut next = Some(0);
            while let Some(after) = next {
                let ((from, to), name) = (rename.clone(), row.name.clone());
                next = on_backend!(self, backend => backend.rename_told(&name, (&from, &to), (table, after)))?;
            }
        }
        Ok(())
    }

    /// Ends the erasures that are [finished](Self::finish_erasure), once nothing of what they rewrote is left in an SQLite file or its log;
    /// how many. Takes as long as it takes, and appends wait meanwhile: a file is written anew. Postgres does as its operator has it do.
    ///
    /// # Errors
    /// The database cannot do that now: it is to be tried again.
    pub async fn scrub(&self) -> Result<usize, StoreError> {
        let rooms = on_backend!(self, backend => backend.rewritten_rooms())?;
        if rooms.is_empty() {
            return Ok(0);
        }
        let backend = self.backend.clone();
        let scrub = async move {
            match &*backend {
                Backend::Postgres(_) => Ok(()),
                Backend::Sqlite(backend) => backend.scrub().await,
            }
        };
        self.runtime.run(scrub).await??;
        let count = rooms.len();
        on_backend!(self, backend => backend.end_erasures(&rooms))?;
        Ok(count)
    }

    /// Begins a room that is to be a copy of one that is read in an epoch; `None` if that is over, or something is being erased. Nobody
    /// sees the copy before it is [finished](Self::finish_copy), and it goes by itself unless it gets a part a minute.
    pub async fn begin_copy(&self, of: RoomId, epoch: i64, now_ms: i64) -> Result<Option<RoomId>, StoreError> {
        if entry::is_being_erased(epoch) {
            return Ok(None);
        }
        on_backend!(self, backend => backend.begin_copy((of, epoch), now_ms))
    }

    /// Adds a part to a room that is to be a copy; whether it was in time.
    pub async fn fill_copy(&self, copy: RoomId, part: CopyPart, now_ms: i64) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.fill_copy(copy, &part, now_ms))
    }

    /// Makes what was filled a room like any other, if its name is free.
    pub async fn finish_copy(&self, copy: RoomId, finished: FinishedCopy, now_ms: i64) -> Result<CopyEnd, StoreError> {
        let end = on_backend!(self, backend => backend.finish_copy(copy, &finished, now_ms));
        self.appended.notify_one();
        end
    }

    /// Lets a copy go that is not to be finished.
    pub async fn drop_copy(&self, copy: RoomId) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.drop_copy(copy))
    }

    /// At most `limit` and [`ROOMS_MAX`] rooms, not deleted, whose names start with `prefix` (taken literally) and sort after
    /// `after_name`, in the order of their bytes.
    pub async fn rooms(
        &self,
        prefix: &str,
        after_name: Option<&RoomName>,
        limit: u32,
    ) -> Result<Vec<RoomRow>, StoreError> {
        if prefix.contains('\0') {
            // No name starts so, and Postgres would not take the question.
            return Ok(Vec::new());
        }
        let limit = limit.min(ROOMS_MAX);
        let prefix = prefix.to_owned();
        let after = after_name.map_or(String::new(), RoomName::to_string);
        on_backend!(self, backend => backend.rooms(&prefix, &after, limit))
    }

    /// As [`rooms`](Self::rooms), those that were changed last first, after one that was changed at a time in Unix milliseconds. Looks at
    /// all of them.
    pub async fn rooms_by_change(
        &self,
        prefix: &str,
        after: Option<(i64, &RoomName)>,
        limit: u32,
    ) -> Result<Vec<RoomRow>, StoreError> {
        if prefix.contains('\0') {
            return Ok(Vec::new());
        }
        let limit = limit.min(ROOMS_MAX);
        let prefix = prefix.to_owned();
        let (at_ms, after) = after.map_or((i64::MAX, String::new()), |(at_ms, name)| (at_ms, name.to_string()));
        on_backend!(self, backend => backend.rooms_by_change(&prefix, (at_ms, &after), limit))
    }

    /// Keeps a JSON object with a room, in place of what was kept; whether there is such a room.
    pub async fn set_room_meta(&self, room: &RoomName, meta: Option<&str>) -> Result<bool, StoreError> {
        let (room, meta) = (room.clone(), meta.map(str::to_owned));
        on_backend!(self, backend => backend.set_room_meta(&room, meta.as_deref()))
    }

    /// How much a room holds. Looks at all of its entries.
    pub async fn room_size(&self, room: RoomId) -> Result<RoomSize, StoreError> {
        on_backend!(self, backend => backend.room_size(room))
    }

    /// Keeps `state` as the document's state up to `seq`, in place of older ones, if the room is still in the epoch in which it was read
    /// and no erasure is under way. A snapshot makes loading fast and replaces no entry.
    pub async fn save_snapshot(&self, room: RoomId, seq: Seq, state: Bytes, epoch: i64) -> Result<(), StoreError> {
        if entry::is_being_erased(epoch) {
            return Ok(());
        }
        let (place, again) = ((seq, epoch), state.clone());
        if !on_backend!(self, backend => backend.save_snapshot(room, place, &state, None))?
            && let Some(damaged) = on_backend!(self, backend => backend.damaged_snapshot(room, seq))?
        {
            on_backend!(self, backend => backend.save_snapshot(room, place, &again, Some(&damaged)))?;
        }
        on_backend!(self, backend => backend.forget_older_snapshots(room))
    }

    /// Compresses the newest snapshot of a room in which nothing goes on, unless it is, or is large.
    pub async fn compress_snapshot(&self, room: RoomId) -> Result<(), StoreError> {
        let Some((seq, state)) = on_backend!(self, backend => backend.loose_snapshot(room))? else { return Ok(()) };
        let state = Bytes::from(state);
        let work = move || {
            let compressed = snapshot::compress(&state);
            (state, compressed)
        };
        let (state, compressed) = unblocked(work).await?;
        if compressed.len() >= state.len() {
            return Ok(());
        }
        on_backend!(self, backend => backend.replace_snapshot(room, seq, &state, &compressed))
    }

    /// A page of a room's history segments that begin after a seq or later, in order; empty where there are no more.
    pub async fn history_segments(&self, room: RoomId, after: Seq) -> Result<Vec<HistorySegment>, StoreError> {
        on_backend!(self, backend => backend.segments(room, after))
    }

    /// Keeps a segment, unless there is one after the same seq, or the room is not in the epoch any more in which it was read, or an
    /// erasure is under way; whether it did. A segment makes reading the past fast and replaces no entry.
    pub async fn save_history_segment(
        &self,
        room: RoomId,
        segment: HistorySegment,
        epoch: i64,
    ) -> Result<bool, StoreError> {
        if entry::is_being_erased(epoch) {
            return Ok(false);
        }
        on_backend!(self, backend => backend.save_segment(room, &segment, epoch))
    }

    /// When the edits after a seq and up to another were committed, in Unix milliseconds, ascending, those of damaged packs left out.
    /// Where entries of the range were dropped it is an error.
    pub async fn edit_times(&self, room: RoomId, (after, upto): (Seq, Seq)) -> Result<Vec<(Seq, i64)>, StoreError> {
        let times = on_backend!(self, backend => backend.edit_times(room, (after, upto)))?;
        // Only now: nothing was dropped before the horizon was raised.
        let horizon = self.horizon(room).await?;
        if after < horizon { Err(StoreError::Dropped(Seq(horizon.0 + 1))) } else { Ok(times) }
    }

    /// Takes those times out of a room's history that its packs tell, too, of so many segments at most; whether there may be more, and for
    /// how long nothing could be stored meanwhile, on SQLite.
    pub async fn forget_history_times(&self, room: RoomId, segments: u32) -> Result<(bool, Duration), StoreError> {
        self.behind_append().await;
        on_backend!(self, backend => backend.forget_times(room, segments))
    }

    /// Deletes the segments that begin after a seq or later: they are made again.
    pub async fn forget_history_segments(&self, room: RoomId, after: Seq) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.forget_segments(room, after))
    }

    /// Rooms of a span of rows, its first excluded, whose segments lack at least so many entries.
    pub async fn rooms_behind(
        &self,
        span: (RoomId, RoomId),
        entries: u32,
    ) -> Result<Vec<(RoomId, RoomName)>, StoreError> {
        on_backend!(self, backend => backend.rooms_behind(span, entries.into()))
    }

    /// Counts what the next entries of a room take on disk, which no append has counted; whether there may be more of them.
    pub async fn count_part(&self, room: RoomId) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.count_part(room))
    }

    /// What a room's entries take on disk, about, once all of them are counted.
    pub async fn counted_bytes(&self, room: RoomId) -> Result<u64, StoreError> {
        // As many as any room has; more are counted later.
        for _ in 0..COUNT_PARTS_MAX {
            if !self.count_part(room).await? {
                break;
            }
        }
        self.stored_bytes(room).await
    }

    /// Rooms of a span of rows, its first excluded, with entries that are not counted.
    pub async fn rooms_to_count(&self, span: (RoomId, RoomId), limit: u32) -> Result<Vec<RoomId>, StoreError> {
        on_backend!(self, backend => backend.rooms_to_count(span, limit))
    }

    /// What a room's entries take on disk, about, as far as they are counted.
    pub async fn stored_bytes(&self, room: RoomId) -> Result<u64, StoreError> {
        on_backend!(self, backend => backend.stored_bytes(room))
    }

    /// What each of these users has; rooms are counted no further than `rooms_max`.
    pub async fn usage_of(&self, users: Vec<UserId>, rooms_max: u64) -> Result<Vec<Usage>, StoreError> {
        on_backend!(self, backend => backend.usage_of(&users, rooms_max))
    }

    /// Makes this server the one that packs, for so long; whether no other is.
    pub async fn lease_packing(&self, lease: Duration) -> Result<bool, StoreError> {
        self.behind_append().await;
        on_backend!(self, backend => backend.lease_packing(lease))
    }

    /// Rooms of a span of rows, its first excluded, in which there may be something to pack: entries that are not younger than `old_ms`.
    pub async fn rooms_to_pack(&self, span: (RoomId, RoomId), old_ms: i64) -> Result<Vec<RoomId>, StoreError> {
        on_backend!(self, backend => backend.rooms_to_pack(span, old_ms))
    }

    /// Packs the next edits of a room that are not younger than `old_ms` and have no key, at most one pack of them, and fewer while this
    /// server appends. All that is read of the room stays as it is.
    pub async fn pack_next(&self, room: RoomId, old_ms: i64) -> Result<Packed, StoreError> {
        // The more rows become a pack at once, the longer others cannot write.
        let rows_max = if self.is_appending() { packing::ROWS_MAX_BESIDE } else { PACK_ENTRIES_MAX };
        let Some(batch) = on_backend!(self, backend => backend.to_pack(room, old_ms, rows_max))? else {
            return Ok(Packed::default());
        };
        let work = move || {
            let pack = if batch.is_empty() { Ok(None) } else { batch.pack().map(Some) };
            (batch, pack)
        };
        let (batch, pack) = unblocked(work).await?;
        let pack = pack?;
        self.behind_append().await;
        on_backend!(self, backend => backend.save_pack(room, &batch, pack.as_deref()))
    }

    /// Gives at most so many pages of an SQLite file that nothing uses back to the system; whether there are more, and for how long
    /// nothing could be stored meanwhile.
    pub async fn shrink(&self, pages: u32) -> Result<(bool, Duration), StoreError> {
        self.behind_append().await;
        on_backend!(self, backend => backend.shrink(pages))
    }

    /// Has an SQLite file end where its content does, after [`shrink`](Self::shrink).
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.checkpoint())
    }

    /// The row of the newest room; 0 without rooms.
    pub async fn last_room(&self) -> Result<RoomId, StoreError> {
        on_backend!(self, backend => backend.last_room())
    }

    /// Who brought which Yjs client first.
    pub async fn all_clients(&self, room: RoomId) -> Result<Vec<(u64, UserId)>, StoreError> {
        on_backend!(self, backend => backend.all_clients(room))
    }

    /// The versions of a room, the newest seq first.
    pub async fn versions(&self, room: RoomId) -> Result<Vec<VersionRow>, StoreError> {
        on_backend!(self, backend => backend.versions(room))
    }

    /// Names a seq.
    pub async fn add_version(&self, room: RoomId, row: VersionRow) -> Result<VersionChange, StoreError> {
        on_backend!(self, backend => backend.add_version(room, &row))
    }

    /// Changes the name of a seq, and what is kept with it.
    pub async fn change_version(
        &self,
        room: RoomId,
        label: &str,
        row: VersionRow,
    ) -> Result<VersionChange, StoreError> {
        let label = label.to_owned();
        on_backend!(self, backend => backend.change_version(room, (row.seq, &label), &row))
    }

    /// Takes a name from a seq.
    pub async fn remove_version(&self, room: RoomId, seq: Seq, label: &str) -> Result<VersionChange, StoreError> {
        let label = label.to_owned();
        on_backend!(self, backend => backend.remove_version(room, seq, &label))
    }

    /// Keeps a revocation, in place of an earlier one of the same user or token.
    pub async fn revoke(&self, row: RevocationRow) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.revoke(&row))
    }

    /// At most `limit` revocations that were made since `since_s`, behind `after`, ordered by kind and subject.
    pub async fn revocations(
        &self,
        since_s: u64,
        after: Option<&RevocationRow>,
        limit: u32,
    ) -> Result<Vec<RevocationRow>, StoreError> {
        let after = after.map_or((0, String::new()), |row| (row.kind.column(), row.subject.clone()));
        on_backend!(self, backend => backend.revocations(since_s, &after, limit))
    }

    /// Deletes the revocations that hold no longer than `now_s`.
    pub async fn forget_revocations(&self, now_s: u64) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.forget_revocations(now_s))
    }

    /// The endpoints of webhooks, the oldest first.
    pub async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        on_backend!(self, backend => backend.webhooks())
    }

    /// Adds an endpoint; whether there was room for it.
    pub async fn add_webhook(&self, row: WebhookRow) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.add_webhook(&row))
    }

    /// Changes all of an endpoint but its secret; whether it is there. What waits is tried at once, and for at least so long.
    pub async fn change_webhook(&self, row: WebhookRow, hold: Duration) -> Result<bool, StoreError> {
        on_backend!(self, backend => backend.change_webhook(&row, webhook::ms(hold)))
    }

    /// Makes the endpoint of this name, that of the configuration, what it is there, or takes it out.
    pub async fn configure_webhook(&self, id: &'static str, row: Option<WebhookRow>) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.configure_webhook(id, row.as_ref()))
    }

    /// Takes an endpoint out, with all that it was to be told; whether it was there.
    pub async fn remove_webhook(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        on_backend!(self, backend => backend.remove_webhook(&id))
    }

    /// Has all that waits delivered now, and tried for at least so long: a server starts.
    pub async fn wake_webhooks(&self, hold: Duration) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.wake_webhooks(webhook::ms(hold)))
    }

    /// Notes what has happened to rooms beside their timelines, if anybody is to be told.
    pub async fn add_room_events(&self, events: Vec<RoomEvent>) -> Result<(), StoreError> {
        on_backend!(self, backend => backend.add_room_events(&events))
    }

    /// What has happened to rooms and is in no queue yet.
    pub async fn room_events(&self, limit: u32) -> Result<Vec<RoomEvent>, StoreError> {
        on_backend!(self, backend => backend.room_events(limit))
    }

    /// Deletes the oldest of these, but for so many that are told best effort and so many others; how many it deleted.
    pub async fn trim_room_events(&self, best_effort: u32, certain: u32) -> Result<u64, StoreError> {
        on_backend!(self, backend => backend.trim_room_events((best_effort, certain)))
    }

    /// Rooms with entries that are in no queue yet.
    pub async fn due_rooms(&self, now_ms: i64, limit: u32) -> Result<Vec<DueRoom>, StoreError> {
        on_backend!(self, backend => backend.due_rooms(now_ms, limit))
    }

    /// Puts deliveries into queues, together with where they were found; whether nobody else has done so meanwhile.
    pub async fn enqueue(&self, found: Found<'_>, deliveries: Vec<NewDelivery>) -> Result<bool, StoreError> {
        match found {
            Found::Event(id) => on_backend!(self, backend => backend.enqueue(Found::Event(id), &deliveries)),
            Found::Room(was, is) => {
                let (was, is) = (was.clone(), is.clone());
                on_backend!(self, backend => backend.enqueue(Found::Room(&was, &is), &deliveries))
            }
        }
    }

    /// Queues of an endpoint whose turn it is, and which nobody works on.
    pub async fn due_queues(&self, webhook: &str, limit: u32) -> Result<Vec<QueueKey>, StoreError> {
        let webhook = webhook.to_owned();
        on_backend!(self, backend => backend.due_queues(&webhook, limit))
    }

    /// Takes the lease of a queue; whether nobody has it.
    pub async fn lease_queue(&self, lease: &QueueLease) -> Result<bool, StoreError> {
        let lease = lease.clone();
        on_backend!(self, backend => backend.lease_queue(&lease))
    }

    /// Notes what came of a delivery, and gives the next one of the queue.
    pub async fn next_delivery(&self, lease: &QueueLease, done: Option<Attempt>) -> Result<NextDelivery, StoreError> {
        let lease = lease.clone();
        on_backend!(self, backend => backend.next_delivery(&lease, done.as_ref()))
    }

    /// Notes that an attempt has failed, and puts its queue off; unless the delivery was tried for long enough: then it is given up.
    /// Whether it was.
    pub async fn put_off(&self, lease: &QueueLease, attempt: Attempt, wait: Duration) -> Result<bool, StoreError> {
        let lease = lease.clone();
        on_backend!(self, backend => backend.put_off(&lease, &attempt, webhook::ms(wait)))
    }

    /// Notes what came of a delivery, and gives the lease of its queue back.
    pub async fn release_queue(&self, lease: &QueueLease, done: Option<Attempt>) -> Result<(), StoreError> {
        let lease = lease.clone();
        on_backend!(self, backend => backend.release_queue(&lease, done.as_ref()))
    }

    /// Deliveries of an endpoint, the newest first, before a number.
    pub async fn deliveries(
        &self,
        webhook: &str,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let webhook = webhook.to_owned();
        on_backend!(self, backend => backend.deliveries(&webhook, state, before, limit))
    }

    /// Has a delivery made again; whether it is in the log.
    pub async fn redeliver(&self, webhook: &str, id: &str, hold: Duration) -> Result<bool, StoreError> {
        let (webhook, id) = (webhook.to_owned(), id.to_owned());
        on_backend!(self, backend => backend.redeliver(&webhook, &id, webhook::ms(hold)))
    }

    /// Shortens the log of deliveries; how many wait.
    pub async fn trim_deliveries(&self) -> Result<u64, StoreError> {
        on_backend!(self, backend => backend.trim_deliveries())
    }

    /// Waits, at most some seconds, for what is under way, then closes the connections and ends the runtime. Blocks: to
    /// be called from a thread that drives no executor. Whatever comes later is answered with `Unavailable`.
    pub fn shutdown(&self) {
        let backend = self.backend.clone();
        self.runtime.end(SHUTDOWN_TIMEOUT, async move {
            match &*backend {
                Backend::Postgres(backend) => backend.close().await,
                Backend::Sqlite(backend) => backend.close().await,
            }
        });
        self.appends.end(SHUTDOWN_TIMEOUT, async {});
    }

    async fn in_time<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let limit = self.operation_timeout;
        let work = timeout(limit, work);
        // The timer belongs to the store's runtime, so the time-out is made there.
        self.runtime.run(work).await?.map_err(|_| StoreError::timed_out(limit))?
    }
}

/// Does what may take long on a thread where nobody waits for it.
async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| StoreError::Unexpected(panic.to_string()))
}
