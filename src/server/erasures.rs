//! Goes on with erasures, whoever has begun them: one server at a time, room by room.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::auth;
use crate::history;
use crate::http::AppState;
use crate::store::{ErasureRow, Store, StoreError};

/// Between two looks for what others have left.
const EVERY: Duration = Duration::from_secs(1);
/// Erasures that are looked for at once.
const PAGE: u32 = 100;
/// The lease, and how long it holds unless it is renewed.
const LEASE_NAME: &str = "erasure";
const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// Goes on until it is aborted; `begun` wakes it.
pub(super) async fn follow(store: Store, state: Data<AppState>, begun: Arc<Notify>) {
    loop {
        tokio::select! {
            () = begun.notified() => {}
            () = sleep(EVERY) => {}
        }
        if let Err(error) = go_on(&store, &state).await {
            // The next time does what this one left.
            tracing::debug!(%error, "what is to be erased cannot be erased now");
        }
    }
}

/// Erases what there is to erase, unless another server does.
async fn go_on(store: &Store, state: &AppState) -> Result<(), StoreError> {
    let pending = store.pending_erasures(PAGE).await?;
    if pending.is_empty() || !has_lease(store).await {
        return Ok(());
    }
    let renewed = Cell::new(Instant::now());
    let goes_on = async || {
        if renewed.get().elapsed() < RENEW_EVERY {
            return true;
        }
        renewed.set(Instant::now());
        has_lease(store).await
    };
    for row in pending.iter().filter(|row| !row.is_rewritten) {
        match history::erase(store, row, &goes_on).await {
            Ok(true) => on_erased(row, state),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(room.name = %row.name, %error, "what is to be erased in a room cannot be erased now");
            }
        }
    }
    // At last what the database still has of it in its files.
    store.scrub().await?;
    Ok(())
}

/// Has all who hold the room in memory read it anew.
fn on_erased(row: &ErasureRow, state: &AppState) {
    tracing::info!(room.name = %row.name, "what was to be erased in a room is erased");
    state.directory.renew(&row.name, row.room, row.epoch + 1);
    state.histories.forget(row.room);
}

/// Takes the lease, or renews it.
async fn has_lease(store: &Store) -> bool {
    let now_ms = auth::now_ms();
    store.lease(LEASE_NAME, now_ms, now_ms + LEASE.as_millis() as i64).await.unwrap_or(false)
}
