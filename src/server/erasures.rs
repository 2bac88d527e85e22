//! Goes on with erasures, whoever has begun them: one server at a time, room by room.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::auth;
use crate::history;
use crate::http::AppState;
use crate::store::{ErasureRow, RoomId, Store, StoreError};

/// Between two looks for what others have left.
const EVERY: Duration = Duration::from_secs(1);
/// What could not be done is tried again after so long: a damaged pack is not mended by itself.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Erasures that are looked for at once.
const PAGE: u32 = 100;
/// The lease, and how long it holds unless it is renewed.
const LEASE_NAME: &str = "erasure";
const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// When something could not be done: what is to be rewritten in a room, or what is left for the database to do.
type Failures = HashMap<Option<RoomId>, Instant>;

/// Goes on until it is aborted; `begun` wakes it.
pub(super) async fn follow(store: Store, state: Data<AppState>, begun: Arc<Notify>) {
    let mut failures = Failures::new();
    loop {
        tokio::select! {
            () = begun.notified() => {}
            () = sleep(EVERY) => {}
        }
        failures.retain(|_, at| at.elapsed() < AGAIN_AFTER);
        if let Err(error) = go_on(&store, &state, &mut failures).await {
            // The next time does what this one left.
            tracing::debug!(%error, "what is to be erased cannot be erased now");
        }
    }
}

/// Erases what there is to erase, unless another server does.
async fn go_on(store: &Store, state: &AppState, failures: &mut Failures) -> Result<(), StoreError> {
    let mut pending = store.pending_erasures(PAGE).await?;
    pending.retain(|row| !failures.contains_key(&Some(row.room).filter(|_| !row.is_rewritten)));
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
                failures.insert(Some(row.room), Instant::now());
            }
        }
    }
    // At last what the database still has of it in its files.
    if !failures.contains_key(&None)
        && let Err(error) = store.scrub().await
    {
        tracing::error!(%error, "what was erased is still in the database's files, and cannot be cleared now");
        failures.insert(None, Instant::now());
    }
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
