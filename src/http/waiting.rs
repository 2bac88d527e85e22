//! Requests that wait until something happens in a room, for clients that can have no stream of events. Each counts as a socket while
//! it waits. Where no more may wait, the user who has most of those that do has one answered, for the next one who asks.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::ApiError;
use super::peer::{self, HungUp};
use super::state::AppState;
use crate::auth::Identity;
use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::ids::{RoomName, Seq};
use crate::room::{AwaitEntry, Lease};
use crate::socket::{Permit, UserPermit, network};

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
    hung_up: HungUp,
    place: HeldBytes,
    _permits: (Permit, UserPermit),
}

impl Waiting {
    /// Places for those that may wait, of `requests_max` at the same time.
    pub fn places(requests_max: usize) -> Arc<ByteBudget> {
        ByteBudget::new((requests_max / WAITING_PART).max(1), None)
    }

    /// Begins to wait for `wait` at most, if there is a place, or somebody else has more of them.
    pub fn begin(
        req: &HttpRequest,
        identity: Identity,
        room: &RoomName,
        wait: Duration,
        state: &AppState,
    ) -> Result<Self, ApiError> {
        let address = peer::address(req, &state.trusted_proxies);
        let payer = match state.is_demo {
            // Anybody may be as many guests as they like.
            true => Payer::of(network(address)),
            false => Payer::of(&identity.user),
        };
        let mut place = state.waiting_places.hold_for(payer, 0);
        if !place.demand(1) {
            return Err(ApiError::TryLater("too many requests wait, try again later".into()));
        }
        place.set(1);
        let permit = state.gate.enter(address).map_err(|full| ApiError::TryLater(full.to_string()))?;
        let user_permit = state.users.enter(&identity.user).map_err(|full| ApiError::TryLater(full.to_string()))?;
        let room = state.open(&identity, room)?;
        let hung_up = req.conn_data::<HungUp>().cloned().unwrap_or_default();
        Ok(Self { identity, room, deadline: Instant::now() + wait, hung_up, place, _permits: (permit, user_permit) })
    }

    /// Waits for an entry behind `head`. Whether there is one; if not, the time is over, the client has gone, another one needs the
    /// place, or the server stops.
    pub async fn for_entry(&self, head: Seq, state: &AppState) -> Result<bool, ApiError> {
        let (reply, mut told) = oneshot::channel();
        self.room.room().do_send(AwaitEntry { after: head, reply });
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.is_draining() {
                return Ok(false);
            }
            let outcome = poll_fn(|cx| match self.place.is_called_in(cx.waker()) || self.hung_up.is_set() {
                true => Poll::Ready(false),
                // If the room has died, its entries are where they were.
                false => told.poll_unpin(cx).map(|told| told.is_ok()),
            });
            let outcome = timeout(left.min(LOOK_EVERY), outcome).await;
            // Who may not any more hears nothing more.
            state.confirm(&self.identity)?;
            if let Ok(is_there) = outcome {
                return Ok(is_there);
            }
        }
    }
}
