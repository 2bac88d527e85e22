//! Deletes for good what is in deleted rooms whose time has come, a part at a time: others use the database, too.

use std::time::Duration;

use tokio::time::sleep;

use crate::auth;
use crate::store::{RoomId, Store, StoreError};

const EVERY: Duration = Duration::from_secs(5);
const BETWEEN_PARTS: Duration = Duration::from_millis(20);
/// Rooms that are looked for at once.
const PAGE_ROOMS: u32 = 100;

/// Goes on until it is aborted.
pub(super) async fn follow(store: Store) {
    loop {
        sleep(EVERY).await;
        if let Err(error) = purge(&store).await {
            tracing::debug!(%error, "deleted rooms cannot be looked for now");
        }
    }
}

/// Looks at each room whose time has come, once: of those that cannot be emptied, however many they are, none keeps the others waiting
/// for ever.
async fn purge(store: &Store) -> Result<(), StoreError> {
    let mut last = RoomId(0);
    loop {
        let rooms = store.rooms_to_purge(auth::now_ms(), last, PAGE_ROOMS).await?;
        let Some(&end) = rooms.last() else { return Ok(()) };
        last = end;
        for room in rooms {
            match purge_room(store, room).await {
                Ok(()) => tracing::info!(room.id = room.0, "a deleted room is gone for good"),
                // The next time does what this one left.
                Err(error) => {
                    tracing::warn!(room.id = room.0, %error, "what is in a deleted room cannot be deleted now")
                }
            }
        }
    }
}

async fn purge_room(store: &Store, room: RoomId) -> Result<(), StoreError> {
    while store.purge_part(room, auth::now_ms()).await? {
        sleep(BETWEEN_PARTS).await;
    }
    Ok(())
}
