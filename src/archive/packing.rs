//! Packs old edits, in one room after another, open or not; one server at a time. Slow where others write: whoever waits for an
//! acknowledgement is not to notice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use crate::store::{Packed, RoomId, Store, StoreError};

/// Between two looks at all rooms, at most; with a shorter age it is a tenth of that.
const EVERY_MAX: Duration = Duration::from_secs(60);
const EVERY_MIN: Duration = Duration::from_millis(100);
/// The lease is for so many of them: when the server that packs is gone, another takes over.
const LEASE: u32 = 3;
const LEASE_MIN: Duration = Duration::from_millis(500);
/// Rooms looked at by one question, and the pause after it.
const SPAN: i64 = 10_000;
const BETWEEN_SPANS: Duration = Duration::from_millis(20);
/// While others write, the database is kept from it for one of so many parts of the time.
const SHARE: u32 = 200;
/// Pages of a file that are given back at once, and segments of a history that let go of their times.
const PAGES: u32 = 128;
const SEGMENTS: u32 = 16;

/// Goes on until it is aborted.
pub async fn pack_all(store: Store, after: Duration) {
    let every = (after / 10).clamp(EVERY_MIN, EVERY_MAX);
    loop {
        sleep(every).await;
        let age_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        if let Err(error) = pack_once(&store, now_ms().saturating_sub(age_ms), LEASE * every).await {
            // The next time does what this one left.
            tracing::debug!(%error, "old edits cannot be packed now");
        }
    }
}

/// Packs what is not younger than `old_ms` and no younger entry keeps back, while this server has the lease.
///
/// # Errors
/// The store cannot be asked now.
pub async fn pack_once(store: &Store, old_ms: i64, lease: Duration) -> Result<(), StoreError> {
    let last = store.last_room().await?;
    let (mut from, mut entries) = (RoomId(0), 0);
    while from < last {
        let upto = RoomId(from.0 + SPAN);
        for room in store.rooms_to_pack((from, upto), old_ms).await? {
            match pack(store, room, old_ms, lease.max(LEASE_MIN)).await? {
                Some(packed) => entries += packed,
                None => return Ok(()),
            }
        }
        from = upto;
        sleep(BETWEEN_SPANS).await;
    }
    if entries > 0 {
        give_back(store).await?;
    }
    Ok(())
}

/// Packs what is to be packed in a room; how many edits. `None` once another server does it.
async fn pack(store: &Store, room: RoomId, old_ms: i64, lease: Duration) -> Result<Option<usize>, StoreError> {
    let mut entries = 0;
    loop {
        // Asked for before each pack, since a long room may take longer than the lease; and only where there is something to do.
        if !store.lease_packing(lease).await? {
            return Ok(None);
        }
        match store.pack_next(room, old_ms).await {
            Ok(Packed { entries: packed, bytes, held, is_more }) => {
                entries += packed;
                if packed > 0 {
                    tracing::debug!(room.id = room.0, entries = packed, bytes, "edits are packed");
                }
                pause(store, held).await;
                if !is_more {
                    if let Err(error) = tidy(store, room).await {
                        tracing::debug!(room.id = room.0, %error, "what is made of edits cannot be made smaller now");
                    }
                    return Ok(Some(entries));
                }
            }
            Err(error) => {
                // The next time tries it again, and the other rooms need not wait for it.
                tracing::warn!(room.id = room.0, %error, "a room's edits cannot be packed now");
                return Ok(Some(entries));
            }
        }
    }
}

/// Makes smaller what is kept beside the packs.
async fn tidy(store: &Store, room: RoomId) -> Result<(), StoreError> {
    store.compress_snapshot(room).await?;
    loop {
        let (is_more, held) = store.forget_history_times(room, SEGMENTS).await?;
        pause(store, held).await;
        if !is_more {
            return Ok(());
        }
    }
}

async fn give_back(store: &Store) -> Result<(), StoreError> {
    loop {
        let (is_more, held) = store.shrink(PAGES).await?;
        pause(store, held).await;
        if !is_more {
            return store.checkpoint().await;
        }
    }
}

/// Lets others write, if there are any.
async fn pause(store: &Store, held: Duration) {
    if store.is_appending() {
        sleep(held * SHARE).await;
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
