//! Drops what is older than is kept, room by room: one server at a time, a part at a time, since others use the database, too.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::sleep;

use super::error::HistoryError;
use super::rooms::Histories;
use crate::archive::Archive;
use crate::auth;
use crate::config::Retention;
use crate::document::DeletedContent;
use crate::ids::RoomName;
use crate::store::{AgingRoom, RoomId, Store, StoreError};

/// Between two looks at all rooms: a quarter of the shortest time that anything is kept, within these bounds.
const EVERY_MIN: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(60);
const BETWEEN_PARTS: Duration = Duration::from_millis(20);
/// Rooms looked at by one question.
const SPAN: i64 = 1_000;
/// A room is looked at again once a part of the time has gone by, so that what stays of it is not made anew for each entry.
const SLACK: i64 = 32;
/// Rooms that are known to be too large, before all are tried again.
const TOO_LARGE_MAX: usize = 1_000;
/// The lease, and how long it holds unless it is renewed.
const LEASE_NAME: &str = "retention";
const LEASE: Duration = Duration::from_secs(10);

/// Drops what is old.
pub struct Sweeper {
    histories: Histories,
    archive: Archive,
    store: Store,
    retention: Retention,
    too_large: HashSet<RoomId>,
}

impl Sweeper {
    /// Drops what is older than `retention` says.
    pub fn new(histories: Histories, archive: Archive, store: Store, retention: Retention) -> Self {
        Self { histories, archive, store, retention, too_large: HashSet::new() }
    }

    /// Goes on until it is aborted; ends at once if everything is kept.
    pub async fn follow(mut self) {
        let Some(shortest) = self.retention.shortest() else { return };
        let every = (shortest / 4).clamp(EVERY_MIN, EVERY_MAX);
        let mut wait = EVERY_MIN;
        loop {
            sleep(wait).await;
            wait = match self.sweep(auth::now_ms()).await {
                Ok(true) => every,
                // Whoever has the lease may have been killed.
                Ok(false) => every.min(LEASE),
                Err(error) => {
                    // The next time does what this one left.
                    tracing::debug!(%error, "what is too old cannot be dropped now");
                    every
                }
            };
        }
    }

    /// Looks at all rooms once, at a time in Unix milliseconds; whether no other server does it.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn sweep(&mut self, now_ms: i64) -> Result<bool, StoreError> {
        if self.too_large.len() > TOO_LARGE_MAX {
            self.too_large.clear();
        }
        let last = self.store.last_room().await?;
        let mut after = RoomId(0);
        while after < last {
            let upto = RoomId(after.0 + SPAN);
            for room in self.store.aging_rooms((after, upto)).await? {
                if !self.has_lease().await? {
                    return Ok(false);
                }
                if let Err(error) = self.room(&room, now_ms).await {
                    if matches!(error, HistoryError::TooLarge) {
                        self.too_large.insert(room.id);
                    }
                    match error.is_newer() {
                        true => {
                            tracing::debug!(room.name = %room.name, %error, "what is too old in a room cannot be dropped here")
                        }
                        false => {
                            tracing::warn!(room.name = %room.name, %error, "what is too old in a room cannot be dropped now")
                        }
                    }
                }
            }
            after = upto;
        }
        Ok(true)
    }

    /// Takes the lease, or renews it; the clock goes on while a room is looked at.
    async fn has_lease(&self) -> Result<bool, StoreError> {
        let now_ms = auth::now_ms();
        self.store.lease(LEASE_NAME, now_ms, now_ms + LEASE.as_millis() as i64).await
    }

    async fn room(&mut self, room: &AgingRoom, now_ms: i64) -> Result<(), HistoryError> {
        let is_raised = match self.cutoff_ms(room, now_ms) {
            Some(times_ms) if !self.too_large.contains(&room.id) => {
                self.histories.raise_horizon(&room.name, times_ms, self.content(&room.name)).await?
            }
            _ => false,
        };
        if is_raised || room.has_dropped_rows {
            while self.store.drop_part(room.id).await? {
                self.has_lease().await?;
                sleep(BETWEEN_PARTS).await;
            }
        }
        if is_raised {
            tracing::info!(room.name = %room.name, "what was too old in a room is dropped");
        }
        Ok(())
    }

    /// Up to which time a room's entries go, and how old one must be for that, if some may be old enough.
    fn cutoff_ms(&self, room: &AgingRoom, now_ms: i64) -> Option<(i64, i64)> {
        let kept_ms = i64::try_from(self.retention.of(&room.name)?.as_millis()).ok()?;
        let cutoff_ms = now_ms - kept_ms;
        let due_ms = cutoff_ms - kept_ms / SLACK;
        (room.oldest_ms? < due_ms).then_some((cutoff_ms, due_ms))
    }

    /// Whether a room's document keeps what is deleted.
    fn content(&self, room: &RoomName) -> DeletedContent {
        if self.archive.empty(room).keeps_deleted() { DeletedContent::Kept } else { DeletedContent::Dropped }
    }
}
