//! Deletes for good what is in deleted rooms whose time has come, a part at a time: others use the database, too.

use std::time::Duration;

use tokio::time::sleep;

use crate::auth;
use crate::store::{Store, StoreError};

const EVERY: Duration = Duration::from_secs(5);
const BETWEEN_PARTS: Duration = Duration::from_millis(20);
/// Rooms in one go.
const ROOMS_MAX: u32 = 100;

/// Goes on until it is aborted.
pub(super) async fn follow(store: Store) {
    loop {
        sleep(EVERY).await;
        if let Err(error) = purge(&store).await {
            // The next time does what this one left.
            tracing::debug!(%error, "what is in deleted rooms cannot be deleted now");
        }
    }
}

async fn purge(store: &Store) -> Result<(), StoreError> {
    for room in store.rooms_to_purge(auth::now_ms(), ROOMS_MAX).await? {
        while store.purge_part(room, auth::now_ms()).await? {
            sleep(BETWEEN_PARTS).await;
        }
        tracing::info!(room.id = room.0, "a deleted room is gone for good");
    }
    Ok(())
}
