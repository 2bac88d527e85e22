//! Makes packs of old edits. A pack is unpacked before it is stored, and what came back out of it compared with the rows that go, in the
//! transaction that does both. Both databases run the same statements; `packing_methods!` makes the methods of each.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::entry::RoomId;
use super::error::StoreError;
use super::rows::{self, seq_column};
use super::timeline::{PackColumns, StoredPack};
use crate::ids::{Seq, UserId};
use crate::pack::{self, Bodies, PACK_BYTES_MAX, PACK_ENTRIES_MAX, PACKED_BODY_BYTES_MAX, PackedEdit};

/// In a room that is written to, so many edits that are old enough are worth a pack: the last one, not full, is made anew with them.
pub const WORTH_ENTRIES: i64 = 256;
/// Entries that one look at a room goes through.
const LOOKED_AT_MAX: usize = 16_384;
/// Rows that become part of a pack at once while others write: a third of one, so that the last pack is made anew twice until it is full.
pub(super) const ROWS_MAX_BESIDE: usize = PACK_ENTRIES_MAX.div_ceil(3);

/// From then on a program that knows no packs does not start with this database: it would take packed edits for missing. Recorded where
/// every program looks, together with the first pack.
pub(super) const PACKED_MIGRATION: i64 = 1_020;

/// What became of a look at a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packed {
    /// Edits that became packed, or were packed anew.
    pub entries: usize,
    /// Bytes of the pack.
    pub bytes: usize,
    /// How long others could not write, on SQLite.
    pub held: Duration,
    /// Whether there may be more to pack.
    pub is_more: bool,
}

/// Rooms with edits that may be packed, of a span of rows: those that nobody has written to since, and those with many entries.
pub(super) const ROOMS_SQL: &str = "select room.id from room left join packing on packing.room_id = room.id \
    where room.id > $1 and room.id <= $2 and room.deleted_at is null and room.epoch % 2 = 0 and room.head > coalesce(packing.upto, 0) \
    and (room.last_at <= $3 or room.head >= coalesce(packing.upto, 0) + $4) order by room.id";

/// seq, at, author, via, the body; null where the entry stays a row.
pub(super) type CandidateColumns = (i64, i64, String, Option<String>, Option<Vec<u8>>);
/// The condition says what is packed, here and in [`TAKE_SQL`]. An empty body stands for a large one.
pub(super) const CANDIDATES_SQL: &str = "select seq, at, author, via, \
    case when kind = 1 and key is null and length(body) between 1 and $3 then body end from entry \
    where room_id = $1 and seq > $2 and seq < $5 order by seq limit $4";
pub(super) const TAKE_SQL: &str = "delete from entry where room_id = $1 and seq > $2 and seq <= $3 \
    and kind = 1 and key is null and length(body) between 1 and $4 returning seq, at, author, via, body";
/// The span of the first pack behind a seq: packs of a room do not overlap, so nothing is packed across it.
pub(super) const NEXT_SQL: &str =
    "select first_seq, seq from pack where room_id = $1 and seq > $2 order by seq limit 1";
/// Inserts nothing where another pack has a part of its span.
pub(super) const INSERT_SQL: &str = "insert into pack (room_id, seq, first_seq, body) select $1, $2, $3, $4 \
    where not exists (select 1 from pack where room_id = $1 and seq >= $3 and first_seq <= $2)";
/// The last pack of a room that is not full, with how much is in it.
pub(super) const LAST_SQL: &str = "select first_seq, seq, body from pack where room_id = $1 and seq = \
    (select max(seq) from pack where room_id = $1) and $2 > \
    (select sum(entries) from pack_user where pack_user.room_id = $1 and pack_user.seq = pack.seq) and $3 > \
    (select sum(bytes) from pack_user where pack_user.room_id = $1 and pack_user.seq = pack.seq)";

/// What is to be packed next in a room.
#[derive(Default)]
pub(super) struct Batch {
    /// A pack that goes as well, since it was not full.
    pub old: Option<StoredPack>,
    old_edits: usize,
    /// All edits of the pack.
    pub edits: Vec<PackedEdit>,
    users: HashSet<UserId>,
    bytes: usize,
    looked_at: usize,
    /// How many rows may go.
    rows_max: usize,
    /// Where the look began, and in which epoch of the room.
    pub since: Seq,
    pub epoch: i64,
    /// Up to here all was looked at.
    pub upto: Seq,
    /// Whether the look ended at its own bounds.
    is_cut: bool,
}

impl Batch {
    /// Begins behind what was looked at before; so many rows go at most.
    pub fn new(since: Seq, epoch: i64, rows_max: usize) -> Self {
        Self { since, epoch, upto: since, rows_max, ..Self::default() }
    }

    /// Takes a pack that is not full, if it can be read.
    pub fn begin_with(&mut self, old: StoredPack) {
        let Ok(edits) = old.edits(super::timeline::Damage::Told) else { return };
        if old.span.1 > self.since {
            // Its edits would be looked at once more.
            return;
        }
        let mut begun = Self { old_edits: edits.len(), ..Self::new(self.since, self.epoch, self.rows_max) };
        edits.into_iter().for_each(|edit| begun.add(edit));
        if begun.is_full() {
            // Names may have filled it: nothing would come to it.
            return;
        }
        *self = Self { old: Some(old), ..begun };
    }

    fn is_full(&self) -> bool {
        self.edits.len() >= PACK_ENTRIES_MAX || self.bytes >= PACK_BYTES_MAX
    }

    fn add(&mut self, edit: PackedEdit) {
        self.bytes += edit.body.len();
        for user in [Some(&edit.author), edit.via.as_ref()].into_iter().flatten() {
            if self.users.insert(user.clone()) {
                self.bytes += user.as_str().len();
            }
        }
        self.edits.push(edit);
    }

    /// Looks at the next entry; whether it wants another.
    pub fn look_at(&mut self, (seq, at_ms, author, via, body): CandidateColumns, old_ms: i64) -> bool {
        if at_ms > old_ms {
            return false;
        }
        let has_all_rows = self.edits.len() - self.old_edits >= self.rows_max;
        if self.looked_at == LOOKED_AT_MAX || has_all_rows || self.is_full() {
            self.is_cut = true;
            return false;
        }
        self.looked_at += 1;
        self.upto = rows::seq(seq);
        if let Some(body) = body {
            let (author, via) = (UserId::new(author), via.map(UserId::new));
            self.add(PackedEdit { seq: self.upto, author, via, at_ms, body: body.into() });
        }
        true
    }

    /// All before the next pack, which ends at `last`, was looked at: the next look begins behind that.
    pub fn pass(&mut self, last: Seq) {
        self.upto = last;
        self.is_cut = true;
    }

    /// Whether there is more to look at behind it.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether it is worth the trouble, in a room with this head: something is new, and either it is much or nothing else comes to it.
    pub fn is_worth(&self, head: Seq) -> bool {
        let looked_at = i64::try_from(self.looked_at).unwrap_or(i64::MAX);
        self.upto > self.since && (looked_at >= WORTH_ENTRIES || self.is_cut || self.upto == head)
    }

    /// How many edits would be packed that are not; none: only how far was looked is noted.
    pub fn is_empty(&self) -> bool {
        self.edits.len() == self.old_edits
    }

    /// How many edits there are.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// The pack, from which all edits come back.
    pub fn pack(&self) -> Result<Vec<u8>, StoreError> {
        encode(&self.edits)
    }

    /// Whether what is deleted for its pack is just what is in it: the old pack, and rows.
    pub fn is_held(&self, old: Option<PackColumns>, taken: Vec<CandidateColumns>) -> bool {
        let is_same = match (&self.old, old) {
            (None, None) => true,
            (Some(known), Some((_, _, body))) => known.has_body(&body),
            _ => false,
        };
        let mut rows: Vec<PackedEdit> = taken.into_iter().filter_map(edit).collect();
        rows.sort_by_key(|edit| edit.seq);
        is_same && self.edits[self.old_edits..] == rows
    }

    /// The last seq whose row goes.
    pub fn taken_upto(&self) -> Seq {
        span(&self.edits).1
    }
}

/// Edits as a pack. As they are, if they do not come back out of columns.
pub(super) fn encode(edits: &[PackedEdit]) -> Result<Vec<u8>, StoreError> {
    for bodies in [Bodies::InColumns, Bodies::AsTheyAre] {
        let packed = pack::encode(edits, bodies);
        if pack::decode(&packed).is_ok_and(|decoded| decoded == edits) {
            return Ok(packed);
        }
        tracing::warn!(first = %span(edits).0, ?bodies, "edits do not come back out of a pack");
    }
    Err(StoreError::Unexpected("edits do not come back out of a pack".to_owned()))
}

/// The first and the last edit's seqs.
pub(super) fn span(edits: &[PackedEdit]) -> (Seq, Seq) {
    let seq = |edit: Option<&PackedEdit>| edit.map_or(Seq::ZERO, |edit| edit.seq);
    (seq(edits.first()), seq(edits.last()))
}

/// How much of whom there is: author and sender, how many edits, their bytes.
pub(super) fn users(edits: &[PackedEdit]) -> BTreeMap<(&str, &str), (i64, i64)> {
    let mut users = BTreeMap::new();
    for edit in edits {
        let sender = edit.via.as_ref().unwrap_or(&edit.author);
        let (entries, bytes) = users.entry((edit.author.as_str(), sender.as_str())).or_insert((0, 0));
        *entries += 1;
        *bytes += edit.body.len() as i64;
    }
    users
}

fn edit((seq, at_ms, author, via, body): CandidateColumns) -> Option<PackedEdit> {
    let (author, via, body) = (UserId::new(author), via.map(UserId::new), body?.into());
    Some(PackedEdit { seq: rows::seq(seq), author, via, at_ms, body })
}

/// The columns of [`CANDIDATES_SQL`] but the room: since, the longest body, how many.
pub(super) fn look(since: Seq) -> (i64, i64, i64) {
    (seq_column(since), body_max(), LOOKED_AT_MAX as i64 + 1)
}

pub(super) fn body_max() -> i64 {
    PACKED_BODY_BYTES_MAX as i64
}

/// So much is in a pack that is full, nearly: entries, bytes.
pub(super) const FULL: (i64, i64) = (PACK_ENTRIES_MAX as i64 * 3 / 4, PACK_BYTES_MAX as i64 * 3 / 4);

/// The outcome of a look that wrote something since `begun`.
pub(super) fn outcome(batch: &Batch, bytes: usize, begun: Instant) -> Packed {
    Packed { entries: batch.len() * usize::from(bytes > 0), bytes, held: begun.elapsed(), is_more: batch.is_cut() }
}

/// The identity of a room for a batch.
pub(super) fn room_gone(room: RoomId) -> StoreError {
    StoreError::Unexpected(format!("what was packed of room {} is not what is stored", room.0))
}

pub(super) fn overlap(room: RoomId) -> StoreError {
    StoreError::Unexpected(format!("edits of room {} lie between those of a pack", room.0))
}

/// The methods of a backend; `$begin` begins a transaction that sees one moment, `$lock` keeps the room from being deleted until one
/// ends, `$now` is the database's clock in Unix milliseconds.
macro_rules! packing_methods {
    ($backend:ty, $begin:literal, $lock:literal, $now:literal) => {
        impl $backend {
            pub async fn lease_packing(&self, lease: Duration) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = concat!(
                    "update packing_lease set server = $1, until = ",
                    $now,
                    " + $2 where server = $1 or until < ",
                    $now
                );
                let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
                let query = sqlx::query(sql).bind(&self.rules.server).bind(lease_ms);
                let leased = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(leased > 0)
            }

            pub async fn rooms_to_pack(
                &self,
                (after, upto): (RoomId, RoomId),
                old_ms: i64,
            ) -> Result<Vec<RoomId>, StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_scalar(packing::ROOMS_SQL).bind(after.0).bind(upto.0).bind(old_ms);
                let rooms: Vec<i64> = query.bind(packing::WORTH_ENTRIES).fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                Ok(rooms.into_iter().map(RoomId).collect())
            }

            /// What is to be packed next; `None` if nothing is, or not yet.
            pub async fn to_pack(
                &self,
                room: RoomId,
                old_ms: i64,
                rows_max: usize,
            ) -> Result<Option<Batch>, StoreError> {
                let mut reading = self.reading().await?;
                let mut tx = reading.connection().begin_with($begin).await?;
                // While an erasure is under way entries stay where they are.
                let sql = "select head, epoch, coalesce((select upto from packing where room_id = $1), 0) from room \
                           where id = $1 and deleted_at is null and epoch % 2 = 0";
                let row: Option<(i64, i64, i64)> = sqlx::query_as(sql).bind(room.0).fetch_optional(&mut *tx).await?;
                let Some((head, epoch, since)) = row else { return Ok(None) };
                let mut batch = Batch::new(rows::seq(since), epoch, rows_max);
                let (entries, bytes) = packing::FULL;
                let query = sqlx::query_as(packing::LAST_SQL).bind(room.0).bind(entries).bind(bytes);
                if let Some(columns) = query.fetch_optional(&mut *tx).await? {
                    batch.begin_with(StoredPack::new(room, columns));
                }
                let query = sqlx::query_as(packing::NEXT_SQL).bind(room.0).bind(since);
                let next: Option<(i64, i64)> = query.fetch_optional(&mut *tx).await?;
                let (since, body_max, limit) = packing::look(batch.since);
                let query = sqlx::query_as(packing::CANDIDATES_SQL).bind(room.0).bind(since).bind(body_max).bind(limit);
                let query = query.bind(next.map_or(i64::MAX, |(first, _)| first));
                let mut is_whole = true;
                {
                    let mut found = query.fetch(&mut *tx);
                    while let Some(columns) = found.try_next().await? {
                        is_whole = batch.look_at(columns, old_ms);
                        if !is_whole {
                            break;
                        }
                    }
                }
                // What was left unread would come before the next one's answer.
                if is_whole {
                    tx.commit().await?;
                    reading.keep();
                }
                if let Some((_, last)) = next.filter(|_| is_whole) {
                    batch.pass(rows::seq(last));
                }
                Ok(Some(batch).filter(|batch| batch.is_worth(rows::seq(head))))
            }

            /// Puts a pack in the place of the rows that it holds. Nothing changes if these are not what they were.
            pub async fn save_pack(
                &self,
                room: RoomId,
                batch: &Batch,
                body: Option<&[u8]>,
            ) -> Result<Packed, StoreError> {
                let mut writing = self.writing().await?;
                let begun = Instant::now();
                let sql = concat!(
                    "select coalesce((select upto from packing where room_id = $1), 0) from room \
                     where id = $1 and deleted_at is null and epoch = $2",
                    $lock
                );
                let query = sqlx::query_scalar(sql).bind(room.0).bind(batch.epoch);
                let since: Option<i64> = query.fetch_optional(&mut *writing.connection()).await?;
                if since != Some(rows::seq_column(batch.since)) {
                    writing.roll_back().await?;
                    return Ok(Packed::default());
                }
                if let Some(body) = body {
                    let old = match &batch.old {
                        Some(old) => Self::take_pack(writing.connection(), room, old.span.1).await?,
                        None => None,
                    };
                    let query = sqlx::query_as(packing::TAKE_SQL).bind(room.0).bind(rows::seq_column(batch.since));
                    let query = query.bind(rows::seq_column(batch.taken_upto())).bind(packing::body_max());
                    let taken = query.fetch_all(&mut *writing.connection()).await?;
                    if !batch.is_held(old, taken) {
                        writing.roll_back().await?;
                        return Err(packing::room_gone(room));
                    }
                    Self::insert_pack(writing.connection(), room, &batch.edits, body).await?;
                    let sql = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                               values ($1, 'packs in use', true, $2, 0) on conflict do nothing";
                    let query = sqlx::query(sql).bind(packing::PACKED_MIGRATION).bind(&[][..] as &[u8]);
                    query.execute(&mut *writing.connection()).await?;
                }
                let sql = "insert into packing (room_id, upto) values ($1, $2) \
                           on conflict (room_id) do update set upto = excluded.upto";
                let query = sqlx::query(sql).bind(room.0).bind(rows::seq_column(batch.upto));
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await?;
                Ok(packing::outcome(batch, body.map_or(0, <[u8]>::len), begun))
            }

            /// Takes a pack out, in the caller's transaction: what it was.
            pub async fn take_pack(
                connection: &mut Connection,
                room: RoomId,
                last: Seq,
            ) -> Result<Option<PackColumns>, StoreError> {
                let sql = "delete from pack_user where room_id = $1 and seq = $2";
                sqlx::query(sql).bind(room.0).bind(rows::seq_column(last)).execute(&mut *connection).await?;
                let sql = "delete from pack where room_id = $1 and seq = $2 returning first_seq, seq, body";
                let query = sqlx::query_as(sql).bind(room.0).bind(rows::seq_column(last));
                Ok(query.fetch_optional(connection).await?)
            }

            /// Puts a pack in, in the caller's transaction.
            pub async fn insert_pack(
                connection: &mut Connection,
                room: RoomId,
                edits: &[PackedEdit],
                body: &[u8],
            ) -> Result<(), StoreError> {
                let (first, last) = packing::span(edits);
                let last = rows::seq_column(last);
                let query = sqlx::query(packing::INSERT_SQL).bind(room.0).bind(last).bind(rows::seq_column(first));
                if query.bind(body).execute(&mut *connection).await?.rows_affected() == 0 {
                    return Err(packing::overlap(room));
                }
                for ((author, sender), (entries, bytes)) in packing::users(edits) {
                    let sql = "insert into pack_user (room_id, seq, author, sender, entries, bytes) \
                               values ($1, $2, $3, $4, $5, $6)";
                    let query = sqlx::query(sql).bind(room.0).bind(last).bind(author).bind(sender);
                    query.bind(entries).bind(bytes).execute(&mut *connection).await?;
                }
                Ok(())
            }
        }
    };
}
pub(super) use packing_methods;
