//! Snapshots that are compressed, in columns as edits are packed, once nothing goes on in their rooms.

use bytes::Bytes;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::layout::{Newer, Stored, Unreadable};
use crate::pack;

/// Shorter ones are not worth it, longer ones take too much memory.
const BYTES_MIN: i64 = 1 << 10;
const BYTES_MAX: i64 = 4 << 20;

/// The newest of a room, unless it is compressed.
pub(super) fn loose_sql() -> String {
    format!(
        "select seq, state from snapshot where room_id = $1 and whole_bytes is null \
         and length(state) between {BYTES_MIN} and {BYTES_MAX} order by seq desc limit 1"
    )
}

/// Unless it is another by now.
pub(super) const REPLACE_SQL: &str = "update snapshot set state = $4, whole_bytes = $5 \
    where room_id = $1 and seq = $2 and whole_bytes is null and state = $3";

pub(super) fn compress(state: &Bytes) -> Vec<u8> {
    pack::encode_update(state)
}

/// What begins a compressed state that this release may replace, or anything before it.
pub(super) const LAYOUT: &[u8] = &[Stored::Snapshot.newest()];

/// The state of a row: `whole_bytes` is its length, if it is compressed. One that is damaged stays as it is: no document is read from it.
///
/// # Errors
/// A newer release has compressed it.
pub(super) fn state(stored: Vec<u8>, whole_bytes: Option<i64>) -> Result<Bytes, Newer> {
    let Some(whole) = whole_bytes else { return Ok(stored.into()) };
    let whole = usize::try_from(whole.clamp(0, BYTES_MAX)).unwrap_or_default();
    let state = match stored.starts_with(LAYOUT) {
        true => pack::decode_update(&stored, whole).ok(),
        // The first ones were not in columns, and have no number.
        false => decompress_to_vec_with_limit(&stored, whole).ok().map(Bytes::from),
    };
    if let Some(state) = state.filter(|state| state.len() == whole) {
        return Ok(state);
    }
    match Stored::Snapshot.unreadable(&stored, ()) {
        Unreadable::Newer(newer) => Err(newer),
        Unreadable::Damaged(()) => Ok(stored.into()),
    }
}

/// The methods of a backend.
macro_rules! snapshot_methods {
    ($backend:ty) => {
        impl $backend {
            pub async fn loose_snapshot(&self, room: RoomId) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sqlx::AssertSqlSafe(snapshot::loose_sql())).bind(room.0);
                let found = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(found)
            }

            /// A compressed snapshot that no newer release has written, though its number may say so: that is damaged, too.
            pub async fn damaged_snapshot(&self, room: RoomId, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
                let sql = "select state, whole_bytes from snapshot where room_id = $1 and seq = $2 and whole_bytes is not null";
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(room.0).bind(rows::seq_column(seq));
                let row: Option<(Vec<u8>, Option<i64>)> = query.fetch_optional(&mut *reading.connection()).await?;
                reading.keep();
                Ok(row.and_then(|(stored, whole)| snapshot::state(stored.clone(), whole).is_ok().then_some(stored)))
            }

            pub async fn replace_snapshot(
                &self,
                room: RoomId,
                seq: i64,
                state: &[u8],
                compressed: &[u8],
            ) -> Result<(), StoreError> {
                let mut writing = self.writing().await?;
                let query = sqlx::query(snapshot::REPLACE_SQL).bind(room.0).bind(seq).bind(state).bind(compressed);
                let query = query.bind(i64::try_from(state.len()).unwrap_or(i64::MAX));
                query.execute(&mut *writing.connection()).await?;
                writing.commit().await
            }
        }
    };
}
pub(super) use snapshot_methods;
