//! Deletes by the clock what long gone servers have left in the database, whether there is a bus or not.

use std::time::Duration;

use tokio::time::sleep;

use crate::store::{Store, StoreError};

const EVERY: Duration = Duration::from_secs(3_600);
/// Others use the database, too.
const BETWEEN_PARTS: Duration = Duration::from_millis(100);

/// Goes on until it is aborted.
pub(super) async fn follow(store: Store) {
    loop {
        if let Err(error) = sweep(&store).await {
            // The next time does what this one left.
            tracing::debug!(%error, "what other servers have left cannot be deleted now");
        }
        sleep(EVERY).await;
    }
}

async fn sweep(store: &Store) -> Result<(), StoreError> {
    while store.sweep_servers().await? {
        sleep(BETWEEN_PARTS).await;
    }
    Ok(())
}
