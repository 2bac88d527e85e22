//! Reading timelines, in one place: whoever asks gets each entry once, in order, whether it is a row or in a pack. Both databases run
//! the same statements; `timeline_methods!` makes the methods of each.

use super::entry::RoomId;
use super::error::StoreError;
use super::rows;
use crate::ids::Seq;
use crate::layout::Unreadable;
use crate::pack::{self, PackedEdit};

/// first_seq, seq, body.
pub(super) type PackColumns = (i64, i64, Vec<u8>);

/// The first pack with anything after a seq. Of one author's, if it is given.
pub(super) const FIRST_PACK_SQL: &str = "select first_seq, seq, body from pack where room_id = $1 and seq > $2 \
    and ($3 is null or exists (select 1 from pack_user where pack_user.room_id = $1 and pack_user.seq = pack.seq and author = $3)) \
    order by seq limit 1";
/// The last pack with anything before a seq.
pub(super) const LAST_PACK_SQL: &str = "select first_seq, seq, body from pack where room_id = $1 and first_seq < $2 \
    and seq <= coalesce((select min(seq) from pack where room_id = $1 and seq >= $2 - 1), $2) \
    and ($3 is null or exists (select 1 from pack_user where pack_user.room_id = $1 and pack_user.seq = pack.seq and author = $3)) \
    order by seq desc limit 1";

/// What is done about a pack that is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Damage {
    /// It is an error.
    Told,
    /// It is left out, with a line in the log: by who only counts.
    LeftOut,
}

/// A pack as it is stored.
pub(super) struct StoredPack {
    room: RoomId,
    pub span: (Seq, Seq),
    pub body: Vec<u8>,
}

impl StoredPack {
    pub fn new(room: RoomId, (first, last, body): PackColumns) -> Self {
        Self { room, span: (rows::seq(first), rows::seq(last)), body }
    }

    /// Whether that is what is stored of it.
    pub fn has_body(&self, body: &[u8]) -> bool {
        self.body == body
    }

    /// The seqs of its edits, and their times in Unix milliseconds; none if it is damaged.
    pub fn times(&self) -> Result<Vec<(Seq, i64)>, StoreError> {
        match pack::decode_times(&self.body) {
            Ok(times) => Ok(times),
            Err(Unreadable::Newer(newer)) => Err(newer.into()),
            Err(Unreadable::Damaged(reason)) => {
                self.left_out(reason);
                Ok(Vec::new())
            }
        }
    }

    fn left_out(&self, reason: pack::Damaged) {
        let (room, first, last) = (self.room.0, self.span.0, self.span.1);
        tracing::error!(room.id = room, %first, %last, %reason, "a pack of edits is damaged and left out");
    }

    /// Its edits.
    pub fn edits(&self, damage: Damage) -> Result<Vec<PackedEdit>, StoreError> {
        match pack::decode(&self.body) {
            Ok(edits) => Ok(edits),
            // There are no others.
            Err(Unreadable::Newer(newer)) => Err(newer.into()),
            Err(Unreadable::Damaged(reason)) if damage == Damage::LeftOut => {
                self.left_out(reason);
                Ok(Vec::new())
            }
            Err(Unreadable::Damaged(_)) => {
                Err(StoreError::DamagedPack { room: self.room.0, first: self.span.0, last: self.span.1 })
            }
        }
    }
}

/// What a page has of rows, as a query.
macro_rules! rows_query {
    ($room:expr, $query:expr, $database:ident, $comment:literal) => {{
        let query: &HistoryQuery = $query;
        let columns = HistoryColumns::from(query);
        sqlx::query_as(rows::history_sql!(query, $database, $comment))
            .bind($room.0)
            .bind(columns.after)
            .bind(columns.before)
            .bind(columns.kind)
            .bind(columns.author)
            .bind(columns.limit)
            .bind(columns.bodiless)
    }};
}
pub(super) use rows_query;

/// The methods of a backend, in the words of `$database`; `$begin` begins a transaction that sees one moment, `$comment`
/// is what bodies of comments begin with.
macro_rules! timeline_methods {
    ($backend:ty, $database:ident, $begin:literal, $comment:literal) => {
        impl $backend {
            pub async fn load(&self, name: &RoomName) -> Result<Option<Loaded>, StoreError> {
                let mut reading = self.reading().await?;
                // One view for all statements: the head and the edits belong together.
                let mut tx = reading.connection().begin_with($begin).await?;
                let sql = "select id, head, horizon, epoch, deleted_at is not null from room where name = $1";
                let room: Option<(i64, i64, i64, i64, bool)> =
                    sqlx::query_as(sql).bind(name.as_str()).fetch_optional(&mut *tx).await?;
                let Some((room, head, horizon, epoch, false)) = room else {
                    tx.commit().await?;
                    reading.keep();
                    return if room.is_some() { Err(StoreError::RoomDeleted) } else { Ok(None) };
                };

                let (mut snapshot, mut before) = (None, i64::MAX);
                while snapshot.is_none() {
                    let sql = "select seq, state, whole_bytes from snapshot where room_id = $1 and seq < $2 order by seq desc limit 1";
                    let found: Option<(i64, Vec<u8>, Option<i64>)> =
                        sqlx::query_as(sql).bind(room).bind(before).fetch_optional(&mut *tx).await?;
                    let Some((seq, state, whole)) = found else { break };
                    match snapshot::state(state, whole) {
                        Ok(state) => snapshot = Some((rows::seq(seq), state)),
                        // It stands for what was dropped.
                        Err(newer) if seq == horizon => return Err(newer.into()),
                        Err(_) => before = seq,
                    }
                }
                let after = snapshot.as_ref().map_or(0, |(seq, _)| rows::seq_column(*seq));

                let (mut edits, mut passed): (Vec<(Seq, Bytes)>, i64) = (Vec::new(), after);
                loop {
                    let query = sqlx::query_as(timeline::FIRST_PACK_SQL).bind(room).bind(passed).bind(None::<&str>);
                    let Some(found) = query.fetch_optional(&mut *tx).await? else { break };
                    let stored = StoredPack::new(RoomId(room), found);
                    passed = rows::seq_column(stored.span.1);
                    let packed = stored.edits(Damage::Told)?.into_iter();
                    edits.extend(packed.filter(|edit| edit.seq > rows::seq(after)).map(|edit| (edit.seq, edit.body)));
                }

                let sql = concat!(
                    "select seq, ",
                    rows::entry_body!($database),
                    " from entry where room_id = $1 and seq > $2 and kind = $3 order by seq"
                );
                let query = sqlx::query_as(sql).bind(room).bind(after).bind(rows::kind_column(EntryKind::Edit));
                let found: Vec<(i64, Vec<u8>)> = query.fetch_all(&mut *tx).await?;
                let is_mixed = !edits.is_empty();
                edits.extend(found.into_iter().map(|(seq, body)| (rows::seq(seq), Bytes::from(body))));
                if is_mixed {
                    edits.sort_by_key(|(seq, _)| *seq);
                }

                let sql = "select client_id, user_id from client where room_id = $1";
                let clients: Vec<(i64, String)> = sqlx::query_as(sql).bind(room).fetch_all(&mut *tx).await?;
                tx.commit().await?;
                reading.keep();

                Ok(Some(Loaded {
                    id: RoomId(room),
                    head: rows::seq(head),
                    epoch,
                    snapshot,
                    edits,
                    clients: clients.into_iter().map(rows::client).collect(),
                }))
            }

            pub async fn history(
                &self,
                room: RoomId,
                query: &HistoryQuery,
                damage: Damage,
            ) -> Result<Vec<Entry>, StoreError> {
                let mut merge = Merge::new(query);
                if merge.wanted().is_none() {
                    return self.history_of_rows(room, query).await;
                }
                let mut reading = self.reading().await?;
                let mut tx = reading.connection().begin_with($begin).await?;
                let author = query.author.as_ref().map(UserId::as_str);
                let mut told = None;
                while let Some((after, before)) = merge.wanted() {
                    let (sql, from) = match query.page {
                        Page::Oldest => (timeline::FIRST_PACK_SQL, after),
                        Page::Newest => (timeline::LAST_PACK_SQL, before),
                    };
                    let found = sqlx::query_as(sql).bind(room.0).bind(rows::seq_column(from)).bind(author);
                    let found = found.fetch_optional(&mut *tx).await?.map(|columns| StoredPack::new(room, columns));
                    match found.filter(|found| found.span.0 < before && found.span.1 > after) {
                        None => merge.end(),
                        Some(found) => match found.edits(damage) {
                            Ok(edits) => merge.take(found.span, edits),
                            Err(error) => {
                                told = Some(error);
                                merge.end_before(found.span);
                            }
                        },
                    }
                }
                let left = merge.rows();
                let found =
                    rows::page(&left, timeline::rows_query!(room, &left, $database, $comment).fetch(&mut *tx)).await?;
                // What was left unread would come before the next one's answer.
                if !found.is_cut {
                    tx.commit().await?;
                    reading.keep();
                }
                let page = merge.page(found);
                // What comes before the damage is told first.
                told.filter(|_| page.is_empty()).map_or(Ok(page), Err)
            }

            /// Where packs have nothing of it.
            async fn history_of_rows(&self, room: RoomId, query: &HistoryQuery) -> Result<Vec<Entry>, StoreError> {
                let mut reading = self.reading().await?;
                let found = timeline::rows_query!(room, query, $database, $comment).fetch(&mut *reading.connection());
                let found = rows::page(query, found).await?;
                if !found.is_cut {
                    reading.keep();
                }
                Ok(found.entries)
            }

            pub async fn count_but_edits(&self, room: RoomId, after: Seq, limit: u64) -> Result<u64, StoreError> {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let query = sqlx::query_scalar(rows::count_sql!($database))
                    .bind(room.0)
                    .bind(rows::seq_column(after))
                    .bind(limit);
                let mut reading = self.reading().await?;
                let count: i64 = query.fetch_one(&mut *reading.connection()).await?;
                reading.keep();
                Ok(count.unsigned_abs())
            }
        }
    };
}
pub(super) use timeline_methods;
