//! Makes the histories of rooms that nobody looks at: so that looking is quick whenever somebody does, also in old rooms.

use std::collections::HashSet;
use std::time::Duration;

use super::error::HistoryError;
use super::past::SEGMENT_ENTRIES;
use super::rooms::Histories;
use crate::store::{RoomId, Store, StoreError};

/// Between two looks at all rooms, and at two spans of them.
const EVERY: Duration = Duration::from_secs(60);
const BETWEEN_SPANS: Duration = Duration::from_millis(100);
/// Rooms looked at by one question.
const SPAN: i64 = 10_000;
/// Rooms that are known to be too large, before all are tried again.
const TOO_LARGE_MAX: usize = 1_000;

/// Goes on until it is aborted.
pub async fn build_all(histories: Histories, store: Store) {
    let mut too_large = HashSet::new();
    loop {
        if let Err(error) = build_once(&histories, &store, &mut too_large).await {
            // The next time does what this one left.
            tracing::debug!(%error, "histories cannot be made now");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Makes what all rooms lack. Those that are too large are read once: they only grow.
async fn build_once(histories: &Histories, store: &Store, too_large: &mut HashSet<RoomId>) -> Result<(), StoreError> {
    if too_large.len() > TOO_LARGE_MAX {
        too_large.clear();
    }
    let last = store.last_room().await?;
    let mut after = RoomId(0);
    while after < last {
        let upto = RoomId(after.0 + SPAN);
        for (id, room) in store.rooms_behind((after, upto), SEGMENT_ENTRIES).await? {
            if too_large.contains(&id) {
                continue;
            }
            if let Err(error) = histories.build(&room).await {
                if matches!(error, HistoryError::TooLarge) {
                    too_large.insert(id);
                }
                match error.is_newer() {
                    true => tracing::debug!(room.name = %room, %error, "the room's history cannot be made here"),
                    false => tracing::warn!(room.name = %room, %error, "the room's history cannot be made now"),
                }
            }
        }
        after = upto;
        tokio::time::sleep(BETWEEN_SPANS).await;
    }
    Ok(())
}
