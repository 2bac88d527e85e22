//! Counts what users have on disk: at the start, and every hour, for what other servers have stored and what was deleted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::room::Quotas;
use crate::store::{RoomId, Store, StoreError};

const EVERY: Duration = Duration::from_secs(3_600);
/// After a database that did not answer.
const SOON: Duration = Duration::from_secs(30);
/// Rooms that are counted at once. Others use the database, too.
const ROOMS_AT_ONCE: i64 = 100;

/// Goes on until it is aborted. Does nothing where users may have any number of bytes.
pub(super) async fn follow(store: Store, quotas: Arc<Quotas>) {
    while quotas.user_bytes_max.is_some() {
        let wait = match count(&store, &quotas).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "what users have on disk cannot be counted now");
                SOON
            }
        };
        sleep(wait).await;
    }
}

async fn count(store: &Store, quotas: &Quotas) -> Result<(), StoreError> {
    let last = store.last_room().await?;
    let (mut counted, mut after) = (HashMap::new(), RoomId(0));
    while after < last {
        let upto = RoomId(after.0 + ROOMS_AT_ONCE);
        quotas.gather(&mut counted, store.stored_by_user((after, upto)).await?);
        after = upto;
        tokio::task::yield_now().await;
    }
    quotas.set_users(counted);
    Ok(())
}
