//! Packs of edits, on SQLite; and what the file gives back to the system.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{Connection as _, SqliteConnection as Connection};

use super::Sqlite;
use crate::ids::Seq;
use crate::pack::PackedEdit;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::packing::{self, Batch, Packed, packing_methods};
use crate::store::rows;
use crate::store::timeline::{self, Damage, PackColumns, StoredPack};

impl Sqlite {
    async fn insert_edits(connection: &mut Connection, room: RoomId, edits: &[PackedEdit]) -> Result<(), StoreError> {
        let edit = |edit: &PackedEdit| {
            let via = edit.via.as_ref().map(|via| via.as_str());
            serde_json::json!([edit.seq, edit.author.as_str(), edit.at_ms, hex::encode(&edit.body), via])
        };
        let sql = "insert into entry (room_id, seq, kind, author, at, body, via) \
                   select $1, value ->> 0, 1, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4 from json_each($2)";
        let edits = serde_json::Value::from_iter(edits.iter().map(edit)).to_string();
        sqlx::query(sql).bind(room.0).bind(edits).execute(connection).await?;
        Ok(())
    }

    /// Gives at most so many unused pages of the file back to the system; whether there are more, and how long others could not write.
    /// Only a file that was made for it can: an older one keeps them, and uses them again.
    pub async fn shrink(&self, pages: u32) -> Result<(bool, Duration), StoreError> {
        let mut reading = self.readers.acquire().await?;
        let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut *reading).await?;
        let unused: i64 = sqlx::query_scalar("pragma freelist_count").fetch_one(&mut *reading).await?;
        drop(reading);
        // 2: as it is asked for.
        if mode != 2 || unused == 0 {
            return Ok((false, Duration::ZERO));
        }
        let mut begun = self.writer.begin().await?;
        let started = Instant::now();
        let sql = sqlx::AssertSqlSafe(format!("pragma incremental_vacuum({pages})"));
        // It goes on as long as it is asked.
        sqlx::query(sql).fetch_all(&mut begun.0.connection).await?;
        begun.commit().await?;
        Ok((unused > i64::from(pages), started.elapsed()))
    }

    /// Writes what the log has into the file, which is as long as it has to be then.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        let mut reading = self.readers.acquire().await?;
        sqlx::query("pragma wal_checkpoint(passive)").fetch_all(&mut *reading).await?;
        Ok(())
    }
}

packing_methods!(Sqlite, "begin", "", "cast(unixepoch('subsec') * 1000 as integer)");

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{RoomName, UserId};
    use crate::store::{Append, Backend, Bodies, EntryKind, HistoryQuery, Kinds, NewEntry, Page, Store, StoreSettings};

    async fn append(store: &Store, room: RoomId, bodies: usize) {
        let entry = |n: usize| NewEntry {
            kind: EntryKind::Edit,
            author: UserId::new("ada"),
            via: n.is_multiple_of(2).then(|| UserId::new("bob")),
            key: None,
            condition: None,
            body: Bytes::from(vec![n as u8; n]),
        };
        let entries = (0..bodies).map(entry).collect();
        let append = Append { room, id: Uuid::new_v4(), is_repeated: false, after: None, entries, clients: Vec::new() };
        store.append(vec![append]).await.remove(0).unwrap();
    }

    #[test]
    fn what_is_unpacked_is_as_it_was_and_is_packed_again() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("tutti.db").display());
        actix_rt::System::new().block_on(async {
            let store = Store::open(StoreSettings::new(url, "s1")).await.unwrap();
            store.migrate().await.unwrap();
            let room = store.ensure_room(&RoomName::parse("r").unwrap()).await.unwrap();
            append(&store, room, 40).await;
            let query = || HistoryQuery {
                after: None,
                before: None,
                kinds: Kinds::All,
                author: None,
                limit: 100,
                page: Page::Oldest,
                bodies: Bodies::All,
            };
            let before = store.history(room, query()).await.unwrap();
            assert_eq!(store.pack_next(room, i64::MAX).await.unwrap().entries, 40);

            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            let mut writing = sqlite.writing().await.unwrap();
            let span = (Seq(7), Seq(7));
            assert_eq!(Sqlite::unpack(writing.connection(), room, span).await, Ok(40));
            assert_eq!(Sqlite::unpack(writing.connection(), room, span).await, Ok(0));
            let sql = "select count(*) from entry where room_id = $1";
            let rows: i64 = sqlx::query_scalar(sql).bind(room.0).fetch_one(writing.connection()).await.unwrap();
            writing.commit().await.unwrap();
            assert_eq!(rows, 40);
            assert_eq!(store.history(room, query()).await.unwrap(), before);

            assert_eq!(store.pack_next(room, i64::MAX).await.unwrap().entries, 40);
            assert_eq!(store.history(room, query()).await.unwrap(), before);
        });
    }
}
