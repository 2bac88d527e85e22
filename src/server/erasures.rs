//! Goes on with erasures, whoever has begun them: one server at a time, room by room.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use futures_util::future::join;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::auth;
use crate::history::{self, HistoryError};
use crate::http::AppState;
use crate::store::{ErasureRow, RoomId, Store, StoreError};

/// Between two looks for what others have left.
const EVERY: Duration = Duration::from_secs(1);
/// What could not be done is tried again after so long: a damaged pack is not mended by itself. What was only locked, or not answered, is
/// sooner at first.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// After clearing the database's files took longer than this, it is not done again for so many times as long.
const SHORT: Duration = Duration::from_secs(1);
const SHARE: u32 = 10;
/// Erasures that are looked for at once.
const PAGE: u32 = 100;
/// The lease, and how long it holds unless it is renewed.
const LEASE_NAME: &str = "erasure";
const LEASE: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// Goes on until it is aborted; `begun` wakes it.
pub(super) async fn follow(store: Store, state: Data<AppState>, begun: Arc<Notify>) {
    let rewritten = Notify::new();
    join(rewrite(&store, &state, &begun, &rewritten), scrub(&store, &rewritten)).await;
}

/// Rewrites what is stored of rooms.
async fn rewrite(store: &Store, state: &AppState, begun: &Notify, rewritten: &Notify) {
    let mut failures = Failures::new();
    loop {
        tokio::select! {
            () = begun.notified() => {}
            () = sleep(EVERY) => {}
        }
        if let Err(error) = go_on(store, state, rewritten, &mut failures).await {
            // The next time does what this one left.
            tracing::debug!(%error, "what is to be erased cannot be erased now");
        }
    }
}

/// At last what the database still has of it in its files: of all rooms at once, and for a part of the time only, since nobody else writes
/// meanwhile.
async fn scrub(store: &Store, rewritten: &Notify) {
    loop {
        tokio::select! {
            () = rewritten.notified() => {}
            () = sleep(EVERY) => {}
        }
        let begun = Instant::now();
        match store.scrub().await {
            Ok(0) => {}
            Ok(_) if begun.elapsed() < SHORT => {}
            Ok(_) => sleep(begun.elapsed() * SHARE).await,
            Err(error) => {
                tracing::error!(%error, "what was erased may still be in the database's files, which cannot be cleared now");
                sleep(AGAIN_AFTER).await;
            }
        }
    }
}

/// Rooms in which something could not be erased, as long as it is to be.
type Failures = HashMap<RoomId, Failure>;

/// That something could not be erased.
#[derive(Debug, Clone, Copy)]
struct Failure {
    /// How long is waited.
    wait: Duration,
    /// When it is tried again.
    until: Instant,
}

impl Failure {
    /// It could not for this reason; `before` is what came of the attempt before.
    fn of(error: &HistoryError, before: Option<Self>, now: Instant) -> Self {
        let wait = match error {
            HistoryError::Store(StoreError::Unavailable(_) | StoreError::Slow) => {
                before.map_or(EVERY, |before| (2 * before.wait).min(AGAIN_AFTER))
            }
            _ => AGAIN_AFTER,
        };
        Self { wait, until: now + wait }
    }
}

/// Erases what there is to erase, unless another server does.
async fn go_on(store: &Store, state: &AppState, rewritten: &Notify, failures: &mut Failures) -> Result<(), StoreError> {
    let renewed = Cell::new(None::<Instant>);
    let goes_on = async || {
        if renewed.get().is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return true;
        }
        renewed.set(Some(Instant::now()));
        has_lease(store).await
    };
    let (mut after, mut found) = (RoomId(0), HashSet::new());
    loop {
        let pending = store.pending_erasures(after, PAGE).await?;
        let Some(last) = pending.last() else {
            failures.retain(|room, _| found.contains(room));
            return Ok(());
        };
        after = last.room;
        for row in &pending {
            found.insert(row.room);
            if row.is_rewritten || failures.get(&row.room).is_some_and(|failure| failure.until > Instant::now()) {
                continue;
            }
            if !goes_on().await {
                return Ok(());
            }
            match history::erase(store, row, &goes_on).await {
                Ok(true) => {
                    failures.remove(&row.room);
                    on_erased(row, state);
                    rewritten.notify_one();
                }
                Ok(false) => {}
                Err(error) => {
                    let failure = Failure::of(&error, failures.get(&row.room).copied(), Instant::now());
                    let retry_ms = failure.wait.as_millis() as u64;
                    let was_told = failures.insert(row.room, failure).is_some();
                    match error.is_newer() {
                        true if was_told => {}
                        true => {
                            tracing::warn!(room.name = %row.name, %error, "what is to be erased in a room waits for a server of a newer release");
                        }
                        false => {
                            tracing::error!(
                                room.name = %row.name, %error, retry_ms, "what is to be erased in a room cannot be erased now"
                            );
                        }
                    }
                }
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_only_locked_is_tried_again_soon_and_what_is_damaged_later() {
        let (locked, now) = (HistoryError::Store(StoreError::Unavailable("a lock".into())), Instant::now());
        let mut waits = Vec::new();
        let mut failure = None;
        for _ in 0..8 {
            let next = Failure::of(&locked, failure, now);
            assert_eq!(next.until, now + next.wait);
            waits.push(next.wait.as_secs());
            failure = Some(next);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let damaged = HistoryError::Store(StoreError::Unexpected("a pack".into()));
        assert_eq!(Failure::of(&damaged, None, now).wait, AGAIN_AFTER);
    }
}
