//! Goes on with erasures, whoever has begun them: one server at a time, room by room.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use futures_util::future::join;
use serde_json::json;
use serde_json::value::to_raw_value;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::auth::{self, Access};
use crate::entry_key;
use crate::history::{self, HistoryError, Notice};
use crate::http::AppState;
use crate::metrics;
use crate::protocol::json::entry::ERASED;
use crate::protocol::json::request::{Event, Publication};
use crate::room::{Post, PostError};
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
/// How long a room may take to tell that something was erased.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// How often that is tried: clearing the database's files comes after it.
const TOLD_ATTEMPTS: u32 = 30;
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
    let mut tried = Tried::default();
    loop {
        tokio::select! {
            () = begun.notified() => {}
            () = sleep(EVERY) => {}
        }
        let gone_on = go_on(store, state, rewritten, &mut tried).await;
        if let Err(error) = gone_on.and(count(store).await) {
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
                if let Err(error) = note_unscrubbed(store, &error.to_string()).await {
                    tracing::debug!(%error, "nor can that be noted");
                }
                sleep(AGAIN_AFTER).await;
            }
        }
    }
}

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

/// Notes why the database's files cannot be cleared, with all erasures that wait for that.
async fn note_unscrubbed(store: &Store, failure: &str) -> Result<(), StoreError> {
    let mut after = RoomId(0);
    loop {
        let pending = store.pending_erasures(after, PAGE).await?;
        let Some(last) = pending.last() else { return Ok(()) };
        after = last.room;
        for row in pending.iter().filter(|row| row.is_rewritten) {
            store.note_erasure_failure(row.room, failure.to_owned(), auth::now_ms()).await?;
        }
    }
}

/// What was tried in vain.
#[derive(Default)]
struct Tried {
    /// Rooms, in their epochs, in which something could not be erased, as long as it is to be.
    failures: HashMap<(RoomId, i64), Failure>,
    /// How often rooms did not take the event that tells of it.
    told: HashMap<RoomId, u32>,
}

/// Erases what there is to erase, unless another server does.
async fn go_on(store: &Store, state: &AppState, rewritten: &Notify, tried: &mut Tried) -> Result<(), StoreError> {
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
            tried.failures.retain(|key, _| found.contains(key));
            return Ok(());
        };
        after = last.room;
        for row in &pending {
            let key = (row.room, row.epoch);
            found.insert(key);
            let waits = tried.failures.get(&key).is_some_and(|failure| failure.until > Instant::now());
            if waits || (row.is_rewritten && row.plan.is_empty()) {
                continue;
            }
            if !goes_on().await {
                return Ok(());
            }
            if row.is_rewritten {
                tell(store, row, state, tried).await?;
                rewritten.notify_one();
                continue;
            }
            match history::erase(store, row, &goes_on).await {
                Ok(true) => {
                    tried.failures.remove(&key);
                    on_erased(row, state);
                    if let Some(row) = store.erasure(row.room).await?.filter(|row| row.is_rewritten) {
                        tell(store, &row, state, tried).await?;
                    }
                    rewritten.notify_one();
                }
                Ok(false) => {}
                Err(error) => {
                    let failure = Failure::of(&error, tried.failures.get(&key).copied(), Instant::now());
                    let retry_ms = failure.wait.as_millis() as u64;
                    let was_told = tried.failures.insert(key, failure).is_some();
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
                    store.note_erasure_failure(row.room, error.to_string(), auth::now_ms()).await?;
                }
            }
        }
    }
}

/// Has the metrics say how many there are.
async fn count(store: &Store) -> Result<(), StoreError> {
    let (pending, failed) = store.count_erasures().await?;
    metrics::ERASURES_PENDING.set(pending);
    metrics::ERASURES_FAILED.set(failed);
    Ok(())
}

/// Has all who hold the room in memory read it anew.
fn on_erased(row: &ErasureRow, state: &AppState) {
    tracing::info!(room.name = %row.name, "what was to be erased in a room is erased");
    state.directory.renew(&row.name, row.room, row.epoch + 1);
    state.histories.forget(row.room);
}

/// Adds the event to the room's timeline that says that something was erased; once, however often that is tried. Who shows what was said
/// reads it anew then.
async fn tell(store: &Store, row: &ErasureRow, state: &AppState, tried: &mut Tried) -> Result<(), StoreError> {
    let attempts = tried.told.entry(row.room).or_default();
    *attempts += 1;
    let is_last = *attempts >= TOLD_ATTEMPTS;
    if post(row, state).await || is_last {
        tried.told.remove(&row.room);
        store.end_erasure_notice(row.room).await?;
    }
    Ok(())
}

/// Posts that event; whether there is nothing more to try.
async fn post(row: &ErasureRow, state: &AppState) -> bool {
    let Ok(Notice { user, name, said }) = serde_json::from_slice(&row.plan) else { return true };
    let payload = to_raw_value(&json!({ "said": said })).ok();
    let event = Event { kind: ERASED.to_owned(), text: None, payload };
    let (reply, told) = oneshot::channel();
    let lease = state.directory.lookup(&row.name);
    let room = lease.room().clone();
    room.do_send(Post {
        lease: lease.into_guard(),
        author: user,
        access: Access::Admin,
        name: name.into(),
        bytes: 0,
        publications: vec![(Publication { event, key: Some(entry_key::of_erased(row.epoch)) }, reply)],
    });
    let error = match timeout(TOLD_WITHIN, told).await {
        Ok(Ok(Ok(_))) => return true,
        Ok(Ok(Err(error))) => Some(error),
        Ok(Err(_)) | Err(_) => None,
    };
    let reason = error.map(|error| error.to_string()).unwrap_or_default();
    tracing::warn!(room.name = %row.name, reason, "that something was erased in a room cannot be told there now");
    !matches!(error, None | Some(PostError::TryLater | PostError::TooMany(_)))
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
