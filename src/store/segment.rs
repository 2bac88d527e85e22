//! Segments of histories: what is made of entries to read past states. Their bodies are for others to understand.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::entry::RoomId;
use super::error::StoreError;
use super::rows;
use crate::ids::{RoomName, Seq};
use crate::layout::Stored;

/// Most bytes of one page of segments, its first one aside.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// A stretch of a room's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistorySegment {
    /// It has what came after this seq.
    pub after: Seq,
    /// Up to this one.
    pub seq: Seq,
    /// Its content.
    pub body: Bytes,
    /// When its edits were committed; `None` once that is only told by the edits, see [`Store::edit_times`](super::Store::edit_times).
    pub times: Option<Bytes>,
}

/// after, seq, body, times.
pub(super) type SegmentColumns = (i64, i64, Vec<u8>, Option<Vec<u8>>);

pub(super) const SEGMENTS_SQL: &str =
    "select after, seq, body, times from history where room_id = $1 and after >= $2 order by after";
/// Nothing is kept of a room that was deleted, of what retention has dropped, or of what was read before an erasure; `$lock` keeps it from being, in the words of the database.
macro_rules! save_sql {
    ($lock:literal) => {
        concat!(
            "insert into history (room_id, after, seq, body, times) select id, $2, $3, $4, \
             case when $3 > coalesce((select upto from packing where packing.room_id = $1), 0) then $5 end from room \
             where id = $1 and deleted_at is null and horizon <= $2 and epoch = $6",
            $lock,
            " on conflict (room_id, after) do nothing"
        )
    };
}
pub(super) use save_sql;
/// Times of edits that were looked at to be packed go: who was packed has them in packs, the others have rows. What a newer release has
/// written of them is its own.
pub(super) const FORGET_TIMES_SQL: &str = "update history set times = null where room_id = $1 and after in \
    (select after from history where room_id = $1 and times is not null \
     and substr(body, 1, 1) <= $3 and substr(times, 1, 1) <= $3 \
     and seq <= (select upto from packing where packing.room_id = $1) order by after limit $2)";
/// What begins segments that are known.
pub(super) const LAYOUT: &[u8] = &[Stored::Segment.newest()];
/// The times of edits that are rows, and packs of the others.
pub(super) const ROW_TIMES_SQL: &str =
    "select seq, at from entry where room_id = $1 and seq > $2 and seq <= $3 and kind = 1 order by seq";
pub(super) const PACKS_SQL: &str =
    "select first_seq, seq, body from pack where room_id = $1 and seq > $2 and first_seq <= $3 order by seq";
pub(super) const FORGET_SQL: &str = "delete from history where room_id = $1 and after >= $2";
/// Rooms of a span of ids whose histories lack at least so many entries, and a share of all: reading what is there costs as much as it
/// is long, so that a room of any length is read some 64 times at most. While an erasure is under way nothing is kept of what is read.
pub(super) const BEHIND_SQL: &str = "select room.id, room.name from room where room.id > $1 and room.id <= $2 \
    and room.head - room.head / 64 >= coalesce((select max(history.seq) from history where history.room_id = room.id), room.horizon) \
    and room.head >= $3 + coalesce((select max(history.seq) from history where history.room_id = room.id), room.horizon) \
    and room.deleted_at is null and room.epoch % 2 = 0 order by room.id";
pub(super) const LAST_ROOM_SQL: &str = "select coalesce(max(id), 0) from room";

/// Gathers a page of segments.
pub(super) async fn page(
    mut rows: impl Stream<Item = sqlx::Result<SegmentColumns>> + Unpin,
) -> Result<(Vec<HistorySegment>, bool), StoreError> {
    let (mut segments, mut bytes) = (Vec::new(), 0);
    while let Some((after, seq, body, times)) = rows.try_next().await? {
        bytes += body.len();
        if bytes > PAGE_BYTES_MAX && !segments.is_empty() {
            return Ok((segments, true));
        }
        let (after, seq, times) = (rows::seq(after), rows::seq(seq), times.map(Bytes::from));
        segments.push(HistorySegment { after, seq, body: body.into(), times });
    }
    Ok((segments, false))
}

/// The methods of a backend; `$begin` begins a transaction that sees one moment.
macro_rules! segment_methods {
    ($backend:ty, $begin:literal) => {
        impl $backend {
            pub async fn edit_times(
                &self,
                room: RoomId,
                (after, upto): (Seq, Seq),
            ) -> Result<Vec<(Seq, i64)>, StoreError> {
                let (after, upto) = (rows::seq_column(after), rows::seq_column(upto));
                let mut reading = self.reading().await?;
                let mut tx = reading.connection().begin_with($begin).await?;
                let query = sqlx::query_as(segment::ROW_TIMES_SQL).bind(room.0).bind(after).bind(upto);
                let found: Vec<(i64, i64)> = query.fetch_all(&mut *tx).await?;
                let mut times: Vec<(Seq, i64)> = found.into_iter().map(|(seq, at)| (rows::seq(seq), at)).collect();
                {
                    let query = sqlx::query_as(segment::PACKS_SQL).bind(room.0).bind(after).bind(upto);
                    let mut packs = query.fetch(&mut *tx);
                    while let Some(columns) = packs.try_next().await? {
                        times.extend(StoredPack::new(room, columns).times()?);
                    }
                }
                tx.commit().await?;
                reading.keep();
                times.sort_unstable_by_key(|(seq, _)| *seq);
                Ok(times)
            }

            pub async fn forget_times(&self, room: RoomId, segments: u32) -> Result<(bool, Duration), StoreError> {
                let mut writing = self.writing().await?;
                let begun = Instant::now();
                let query = sqlx::query(segment::FORGET_TIMES_SQL).bind(room.0).bind(i64::from(segments));
                let query = query.bind(segment::LAYOUT);
                let forgotten = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok((forgotten >= u64::from(segments), begun.elapsed()))
            }
        }
    };
}
pub(super) use segment_methods;

/// A room whose history lacks entries.
pub(super) fn behind((id, name): (i64, String)) -> Result<(RoomId, RoomName), StoreError> {
    let name =
        RoomName::parse(&name).map_err(|error| StoreError::Unexpected(format!("the name of room {id}: {error}")))?;
    Ok((RoomId(id), name))
}
