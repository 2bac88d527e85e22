//! Counts what rooms and users have on disk, as far as no append has: of what there was before there were quotas, and of what servers without
//! them have stored. And reads what users have who want to store more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::room::Quotas;
use crate::store::{RoomId, Store, StoreError};

/// Between two looks for rooms with entries that are not counted.
const COUNT_EVERY: Duration = Duration::from_secs(600);
/// Rooms that are looked at, and counted, at once. Others use the database, too.
const ROOMS_AT_ONCE: i64 = 10_000;
const COUNTED_AT_ONCE: u32 = 100;
/// Between two readings of what users have who were let store something.
const READ_EVERY: Duration = Duration::from_secs(3);
const USERS_AT_ONCE: usize = 100;
/// And at least, whoever comes.
const PAUSE: Duration = Duration::from_millis(50);
/// After a database that did not answer.
const SOON: Duration = Duration::from_secs(10);

/// Counts what is not counted. Goes on until it is aborted; does nothing where anybody may have any number of bytes.
pub(super) async fn count(store: Store, quotas: Arc<Quotas>) {
    while quotas.count_bytes() {
        let wait = match count_all(&store).await {
            Ok(()) => COUNT_EVERY,
            Err(error) => {
                tracing::warn!(%error, "what rooms have on disk cannot be counted now");
                SOON
            }
        };
        sleep(wait).await;
    }
}

/// What is counted stays counted, so that each attempt goes on where the one before ended.
async fn count_all(store: &Store) -> Result<(), StoreError> {
    let last = store.last_room().await?;
    let mut after = RoomId(0);
    while after < last {
        let upto = RoomId(after.0 + ROOMS_AT_ONCE);
        let rooms = store.rooms_to_count((after, upto), COUNTED_AT_ONCE).await?;
        after = if rooms.len() < COUNTED_AT_ONCE as usize { upto } else { *rooms.last().unwrap_or(&upto) };
        for room in rooms {
            match store.counted_bytes(room).await {
                // A server of a newer release counts it.
                Ok(_) | Err(StoreError::Newer(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Reads what users have: at once of whom nothing is known or who could make no more rooms, else every few seconds. Goes on until it is aborted.
pub(super) async fn read(store: Store, quotas: Arc<Quotas>) {
    while quotas.limit_users() {
        if let Err(error) = read_due(&store, &quotas).await {
            tracing::warn!(%error, "what users have on disk cannot be read now");
            sleep(SOON).await;
        }
        sleep(PAUSE).await;
        tokio::select! {
            () = quotas.unknown() => {}
            () = sleep(READ_EVERY) => {}
        }
    }
}

async fn read_due(store: &Store, quotas: &Quotas) -> Result<(), StoreError> {
    loop {
        let due = quotas.take_due(USERS_AT_ONCE);
        if due.is_empty() {
            return Ok(());
        }
        match store.usage_of(due.clone(), quotas.user_rooms_max.unwrap_or(0)).await {
            Ok(used) => quotas.set(due.into_iter().zip(used)),
            Err(error) => {
                quotas.put_back(&due);
                return Err(error);
            }
        }
    }
}
