//! Erases what is to be erased of a room, part by part: whoever goes on with it needs only what is stored.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::erasure::Erasure;
use super::error::HistoryError;
use crate::store::{ErasureRow, Rewrite, Store, StoreError};

/// Others use the database, too.
const BETWEEN_PARTS: Duration = Duration::from_millis(5);

/// Rewrites all that is stored of a room without what is to be erased; `goes_on` is asked between two parts. Whether this has done it.
///
/// # Errors
/// The store cannot be asked now, or something that is stored is damaged.
pub async fn erase(store: &Store, row: &ErasureRow, goes_on: impl AsyncFn() -> bool) -> Result<bool, HistoryError> {
    match rewrite(store, row, goes_on).await {
        // Another server was first.
        Err(HistoryError::Store(StoreError::Renewed)) => Ok(false),
        done => done,
    }
}

async fn rewrite(store: &Store, row: &ErasureRow, goes_on: impl AsyncFn() -> bool) -> Result<bool, HistoryError> {
    let rewrite: Arc<dyn Rewrite> = Arc::new(Erasure::decode(&row.plan)?);
    loop {
        while !store.erase_part(row, rewrite.clone()).await?.is_done {
            if !goes_on().await {
                return Ok(false);
            }
            sleep(BETWEEN_PARTS).await;
        }
        // More may have come since.
        if store.finish_erasure(row, rewrite.clone()).await? {
            return Ok(true);
        }
    }
}
