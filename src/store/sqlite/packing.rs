//! Packs of edits, on SQLite; and what the file gives back to the system.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{Connection as _, SqliteConnection as Connection};

use super::{Sqlite, log};
use crate::ids::Seq;
use crate::pack::PackedEdit;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::packing::{self, Batch, Packed, packing_methods};
use crate::store::rows;
use crate::store::timeline::{PackColumns, StoredPack};

impl Sqlite {
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
        log::checkpoint(&mut reading).await.map(drop)
    }
}

packing_methods!(Sqlite, "begin", "", "cast(unixepoch('subsec') * 1000 as integer)");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{RoomName, UserId};
    use crate::store::{Append, Backend, EntryKind, NewEntry, Store, StoreSettings};

    fn edits(seqs: &[u64]) -> Vec<PackedEdit> {
        let edit = |seq: &u64| PackedEdit {
            seq: Seq(*seq),
            author: UserId::new("ada"),
            via: None,
            at_ms: 0,
            body: vec![1].into(),
        };
        seqs.iter().map(edit).collect()
    }

    async fn write(sqlite: &Sqlite, room: RoomId, edits: i64) {
        let mut writing = sqlite.writing().await.unwrap();
        let sql = "insert into entry (room_id, seq, kind, author, at, body) \
                   select room.id, head + value, 1, 'ada', 0, cast(value as blob) from room, json_each('[1,2,3,4,5]') \
                   where room.id = $1 and value <= $2";
        sqlx::query(sql).bind(room.0).bind(edits).execute(&mut *writing.connection()).await.unwrap();
        let sql = "update room set head = head + $2 where id = $1";
        sqlx::query(sql).bind(room.0).bind(edits).execute(&mut *writing.connection()).await.unwrap();
        writing.commit().await.unwrap();
    }

    /// Runs a case in an empty room of a fresh file.
    fn in_a_room(case: impl AsyncFnOnce(Store, RoomId)) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("tutti.db").display());
        actix_rt::System::new().block_on(async {
            let store = Store::open(StoreSettings::new(url, "s1")).await.unwrap();
            store.migrate().await.unwrap();
            let room = store.ensure_room(&RoomName::parse("r").unwrap(), None).await.unwrap();
            case(store, room).await;
        });
    }

    #[test]
    fn some_rows_at_a_time_make_the_pack_that_all_at_once_make() {
        in_a_room(async |store: Store, room: RoomId| {
            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            write(sqlite, room, 5).await;
            let (mut packed, mut body) = (Vec::new(), Vec::new());
            while let Some(batch) = sqlite.to_pack(room, i64::MAX, 2).await.unwrap() {
                body = batch.pack().unwrap();
                let saved = sqlite.save_pack(room, &batch, Some(&body)).await.unwrap();
                packed.push((saved.entries, saved.is_more));
            }
            assert_eq!(packed, [(2, true), (4, true), (5, false)]);
            let mut reading = sqlite.readers.acquire().await.unwrap();
            let sql = "select body from pack where not exists (select 1 from entry)";
            let packs: Vec<Vec<u8>> = sqlx::query_scalar(sql).fetch_all(&mut *reading).await.unwrap();
            assert_eq!(packs, [body]);
        });
    }

    #[test]
    fn who_was_stopped_before_it_saved_what_another_has_packed_by_then_changes_nothing() {
        in_a_room(async |store: Store, room: RoomId| {
            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            let write = async |edits: i64| write(sqlite, room, edits).await;
            write(5).await;
            // Of one room each of these stopped behind its look; two of them while a pack that was not full went along.
            let mut stopped = Vec::new();
            for edits in [5, 3] {
                for _ in 0..2 {
                    stopped.push(sqlite.to_pack(room, i64::MAX, 4_096).await.unwrap().unwrap());
                }
                assert!(store.pack_next(room, i64::MAX).await.unwrap().entries > 0);
                write(edits).await;
            }
            let query = || crate::store::HistoryQuery {
                after: None,
                before: None,
                kinds: crate::store::Kinds::All,
                author: None,
                limit: 100,
                page: crate::store::Page::Oldest,
                bodies: crate::store::Bodies::All,
            };
            let before = store.history(room, query()).await.unwrap();
            assert_eq!(before.len(), 13);
            for batch in stopped {
                let body = batch.pack().unwrap();
                let saved = sqlite.save_pack(room, &batch, Some(&body)).await.unwrap();
                assert_eq!(saved, Packed::default());
                assert_eq!(store.history(room, query()).await.unwrap(), before);
            }
        });
    }

    #[test]
    fn who_writes_behind_an_append_waits_for_the_next_one_while_there_are_any() {
        use std::future::poll_fn;
        use std::pin::pin;
        use std::task::Poll;

        in_a_room(async |store: Store, room: RoomId| {
            let append = async || {
                let entry = NewEntry {
                    kind: EntryKind::Message,
                    author: UserId::new("ada"),
                    via: None,
                    condition: None,
                    key: None,
                    body: bytes::Bytes::from_static(b"hi"),
                };
                let (id, entries) = (uuid::Uuid::new_v4(), vec![entry]);
                let append =
                    Append { room, id, is_repeated: false, after: None, epoch: None, entries, clients: Vec::new() };
                store.append(vec![append]).await.remove(0).unwrap();
            };
            // Longer than this test may take.
            let quiet = Duration::from_secs(3600);
            store.behind_append_within(quiet).await;
            append().await;
            let mut waits = pin!(store.behind_append_within(quiet));
            let is_done = poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_ready()));
            assert!(!is_done.await, "the last one has ended already");
            append().await;
            waits.await;
            // Nobody writes.
            store.behind_append_within(Duration::ZERO).await;
        });
    }

    #[test]
    fn a_pack_never_lies_across_another() {
        in_a_room(async |store: Store, room: RoomId| {
            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            let mut writing = sqlite.writing().await.unwrap();
            for (seqs, is_taken) in [
                (&[5, 8][..], true),
                (&[1, 5], false),
                (&[8, 9], false),
                (&[6, 7], false),
                (&[1, 9], false),
                (&[1, 4], true),
                (&[9], true),
            ] {
                let edits = edits(seqs);
                let body = packing::encode(&edits).unwrap();
                let inserted = Sqlite::insert_pack(writing.connection(), room, &edits, &body).await;
                assert_eq!(inserted.is_ok(), is_taken, "{seqs:?}");
            }
            writing.roll_back().await.unwrap();
        });
    }
}
