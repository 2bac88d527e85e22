//! Requests that wait until something happens in a room, for clients that can have no stream of events. Each counts as a socket while
//! it waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::error::ApiError;
use super::peer;
use super::state::AppState;
use crate::auth::Identity;
use crate::ids::{RoomName, Seq};
use crate::room::{AwaitEntry, Lease};
use crate::socket::Permit;

/// Longest wait, in seconds: shorter than proxies have patience.
pub const WAIT_MAX_S: u64 = 30;
/// How often a request that waits looks whether it still may.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of the connections for requests, one part in so many may wait.
const WAITING_PART: usize = 4;

/// A request that waits, and its place.
pub struct Waiting {
    identity: Identity,
    room: Lease,
    deadline: Instant,
    _permit: Permit,
    _place: OwnedSemaphorePermit,
}

impl Waiting {
    /// How many requests may wait, of `requests_max` at the same time.
    pub fn places(requests_max: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new((requests_max / WAITING_PART).max(1)))
    }

    /// Begins to wait for `wait` at most, if there is a place.
    pub fn begin(
        req: &HttpRequest,
        identity: Identity,
        room: &RoomName,
        wait: Duration,
        state: &AppState,
    ) -> Result<Self, ApiError> {
        let full = || ApiError::TryLater("too many requests wait, try again later".into());
        let place = state.waiting_places.clone().try_acquire_owned().map_err(|_| full())?;
        let peer = peer::address(req, &state.trusted_proxies);
        let permit = state.gate.enter(peer).map_err(|full| ApiError::TryLater(full.to_string()))?;
        let room = state.open(&identity, room)?;
        Ok(Self { identity, room, deadline: Instant::now() + wait, _permit: permit, _place: place })
    }

    /// Waits for an entry behind `head`. Whether there is one; if not, the time is over or the server stops.
    pub async fn for_entry(&self, head: Seq, state: &AppState) -> Result<bool, ApiError> {
        let (reply, mut told) = oneshot::channel();
        self.room.room().do_send(AwaitEntry { after: head, reply });
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.is_draining() {
                return Ok(false);
            }
            let outcome = timeout(left.min(LOOK_EVERY), &mut told).await;
            // Who may not any more hears nothing more.
            state.confirm(&self.identity)?;
            match outcome {
                Ok(Ok(())) => return Ok(true),
                // The room has died; its entries are where they were.
                Ok(Err(_)) => return Ok(false),
                Err(_) => {}
            }
        }
    }
}
