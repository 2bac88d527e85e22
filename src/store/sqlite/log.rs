//! The write-ahead log. SQLite would write it into the file as a part of whichever commit makes it long, and all others wait for that one.
//! So it is done beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{SqliteConnection, SqlitePool};
use tokio::time::sleep;

use crate::store::error::StoreError;
use crate::store::writer::Writer;

/// A log that is longer is written into the file, and begins anew. So much of it is kept then, as space for what comes.
const LOG_BYTES: u64 = 4 << 20;
/// So many pages that a transaction has changed wait for its end in memory; what is more goes into the log before. That is to be rare:
/// a page that changes once more then has the log behind it read, and its checksums written, a second time. SQLite takes a multiple of 256
/// for none at all, and any number would wait.
const CHANGED_PAGES_MAX: u64 = 8191;
/// A commit that makes it so long writes it into the file itself, whatever has kept others from it; in pages of the file.
const LOG_PAGES_MAX: u64 = 8192;
/// How long to wait after the log was written into the file: a reader may need it as it is.
const PAUSE: Duration = Duration::from_millis(100);

/// What a connection that writes is told about the log.
pub(super) fn pragmas() -> [(&'static str, String); 3] {
    [
        ("wal_autocheckpoint", LOG_PAGES_MAX.to_string()),
        ("journal_size_limit", LOG_BYTES.to_string()),
        ("cache_spill", CHANGED_PAGES_MAX.to_string()),
    ]
}

/// Keeps the log of a file short as long as there are readers to do it with.
pub(super) async fn keep_short(file: PathBuf, readers: SqlitePool, writer: Arc<Writer<SqliteConnection>>) {
    let log = path(&file);
    while !readers.is_closed() {
        writer.ended.notified().await;
        if bytes(&log) <= LOG_BYTES {
            continue;
        }
        if let Err(error) = write_back(&readers, &writer).await {
            // Commits bound it until then.
            tracing::debug!(%error, "the write-ahead log is not written into the file, later again");
        }
        sleep(PAUSE).await;
    }
}

/// Writes the log into the file, so that the next transaction begins it anew, unless a reader needs it.
async fn write_back(readers: &SqlitePool, writer: &Writer<SqliteConnection>) -> Result<(), StoreError> {
    let mut connection = readers.acquire().await?;
    // Most of it while others write.
    if checkpoint(&mut connection).await? {
        // What they have written meanwhile is little.
        let _paused = writer.pause().await?;
        checkpoint(&mut connection).await?;
    }
    Ok(())
}

/// Writes what the log has by now into the file; whether that was all of it.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let query = sqlx::query_as("pragma wal_checkpoint(passive)");
    let (_, all, written): (i64, i64, i64) = query.fetch_one(connection).await?;
    Ok(all == written)
}

/// Where the log of a file lies.
fn path(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// How long it is. There may be none.
fn bytes(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |log| log.len())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{RoomName, UserId};
    use crate::store::{Append, Backend, EntryKind, NewEntry, RoomId, Store, StoreSettings};

    const MIB: usize = 1 << 20;

    /// A store with so many connections that read, and a room.
    async fn opened(file: &Path, readers: u32) -> (Store, RoomId) {
        let url = format!("sqlite://{}", file.display());
        let settings = StoreSettings { connections_max: readers + 1, ..StoreSettings::new(url, "s1") };
        let store = Store::open(settings).await.unwrap();
        store.migrate().await.unwrap();
        let room = store.ensure_room(&RoomName::parse("r").unwrap(), None).await.unwrap();
        (store, room)
    }

    async fn commit(store: &Store, room: RoomId, bytes: usize) {
        let body = Bytes::from(vec![b'x'; bytes]);
        let entry =
            NewEntry { kind: EntryKind::Edit, author: UserId::new("ada"), via: None, key: None, condition: None, body };
        let (entries, clients) = (vec![entry], Vec::new());
        let append =
            Append { room, id: Uuid::new_v4(), is_repeated: false, after: None, epoch: None, entries, clients };
        let outcomes = store.append(vec![append]).await;
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
    }

    /// Commits until the log is short again.
    async fn shortened(store: &Store, room: RoomId, log: &Path) {
        let started = Instant::now();
        while bytes(log) > LOG_BYTES {
            assert!(started.elapsed() < Duration::from_secs(60), "{} bytes", bytes(log));
            commit(store, room, 1).await;
            sleep(Duration::from_millis(5)).await;
        }
    }

    #[test]
    fn a_commit_leaves_a_long_log_to_readers_who_write_it_into_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tutti.db");
        let log = path(&file);
        actix_rt::System::new().block_on(async {
            let (store, room) = opened(&file, 1).await;
            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            // The only one, so that nobody but a commit could do it.
            let reader = sqlite.readers.acquire().await.unwrap();
            let before = std::fs::metadata(&file).unwrap();
            for _ in 0..12 {
                commit(&store, room, MIB).await;
            }
            let after = std::fs::metadata(&file).unwrap();
            assert_eq!((after.len(), after.modified().unwrap()), (before.len(), before.modified().unwrap()));
            assert!(bytes(&log) > 12 * MIB as u64);
            drop(reader);
            shortened(&store, room, &log).await;
            assert!(std::fs::metadata(&file).unwrap().len() > 12 * MIB as u64);
        });
    }

    #[test]
    fn what_a_transaction_changes_goes_into_the_log_at_its_end_unless_it_is_very_much() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tutti.db");
        let log = path(&file);
        actix_rt::System::new().block_on(async {
            let (store, room) = opened(&file, 1).await;
            commit(&store, room, 1).await;
            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            for (mib, has_to_wait) in [(12, true), (24, false)] {
                let mut begun = sqlite.writer.begin().await.unwrap();
                let before = bytes(&log);
                let insert = "insert into large_body (room_id, seq, body) values ($1, $2, randomblob($2 * 1048576))";
                let insert = sqlx::query(insert).bind(room.0).bind(mib);
                insert.execute(&mut begun.0.connection).await.unwrap();
                assert_eq!(bytes(&log) == before, has_to_wait, "{mib} MiB");
                begun.rollback().await.unwrap();
            }
        });
    }

    #[test]
    fn a_log_stays_short_however_much_is_written_and_is_kept_for_a_reader_who_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tutti.db");
        let log = path(&file);
        actix_rt::System::new().block_on(async {
            let (store, room) = opened(&file, 2).await;
            let mut longest = 0;
            for _ in 0..64 {
                commit(&store, room, MIB).await;
                longest = longest.max(bytes(&log));
            }
            assert!(longest < 32 * MIB as u64, "{longest}");
            shortened(&store, room, &log).await;

            let Backend::Sqlite(sqlite) = &*store.backend else { panic!("a file") };
            let mut reader = sqlite.readers.begin().await.unwrap();
            let count = async |connection: &mut SqliteConnection| {
                sqlx::query_scalar::<_, i64>("select count(*) from entry").fetch_one(connection).await.unwrap()
            };
            let entries = count(&mut reader).await;
            for _ in 0..32 {
                commit(&store, room, MIB).await;
            }
            assert_eq!(count(&mut reader).await, entries);
            assert!(bytes(&log) > 32 * MIB as u64);
            drop(reader);
            shortened(&store, room, &log).await;
        });
    }
}
