//! Snapshots: what keeps a room's loading in proportion to its document, however old the room is. Built from the store, never from
//! the live replica, which holds uncommitted edits; beside the room, which goes on meanwhile.

use std::sync::Arc;

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::loading::{LoadError, build};
use super::room::Room;
use crate::ids::{RoomName, Seq};
use crate::metrics;
use crate::store::Store;

/// Edits after a snapshot, by [`weight`], that are always fine.
const TAIL_BYTES_MIN: usize = 256 * 1024;
/// What an edit costs to load beside its bytes: as much as about so many bytes of a state.
const EDIT_BYTES: usize = 160;

/// What an edit counts in the tail, in bytes.
pub(super) fn weight(edit: &Bytes) -> usize {
    edit.len() + EDIT_BYTES
}

/// How much has to be loaded beside the newest snapshot, and whether a new one is on its way.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The newest snapshot's size; 0 without one.
    state_bytes: usize,
    /// Committed edits after it, by [`weight`].
    bytes: usize,
    is_building: bool,
}

impl Tail {
    /// The tail of a room just loaded.
    pub fn new(state_bytes: usize, bytes: usize) -> Self {
        Self { state_bytes, bytes, is_building: false }
    }

    /// Whether a snapshot is on its way.
    pub fn is_building(&self) -> bool {
        self.is_building
    }

    /// Whether a snapshot pays: loading costs as much for the tail as for the state, so each byte of state is written again only
    /// for a byte of edits.
    fn is_long(&self) -> bool {
        !self.is_building && self.bytes > TAIL_BYTES_MIN.max(self.state_bytes)
    }
}

impl Room {
    /// Counts what was committed, and has a snapshot made when that is due.
    pub(super) fn lengthen_tail(&mut self, bytes: usize, ctx: &mut Context<Self>) {
        self.tail.bytes += bytes;
        if !self.tail.is_long() {
            return;
        }
        self.tail.is_building = true;
        let (store, name) = (self.context.store.clone(), self.name.clone());
        let (permits, bytes_max) = (self.context.snapshot_permits.clone(), self.context.settings.document_bytes_max);
        let before = self.tail.bytes;
        let work = make(store, name, permits, bytes_max).into_actor(self).map(move |made, room, ctx| {
            room.tail.is_building = false;
            // In any case, so that a fault is not repeated with each edit.
            room.tail.bytes -= before;
            match made {
                Ok((seq, bytes)) => {
                    room.tail.state_bytes = bytes;
                    metrics::SNAPSHOTS_SAVED.inc();
                    tracing::info!(room.name = %room.name, %seq, bytes, "snapshot saved");
                    // What was committed meanwhile may be long enough for the next.
                    room.lengthen_tail(0, ctx);
                }
                Err(error) => tracing::warn!(room.name = %room.name, %error, "no snapshot, later again"),
            }
            room.end_turn(ctx);
        });
        ctx.spawn(work);
    }
}

/// Merges the newest snapshot and what came after it into the next one; its seq and size.
async fn make(
    store: Store,
    name: RoomName,
    permits: Arc<Semaphore>,
    bytes_max: usize,
) -> Result<(Seq, usize), LoadError> {
    let _permit = permits.acquire_owned().await.map_err(|_| LoadError::Stopping)?;
    let loaded = store.load(&name).await?.ok_or(LoadError::Missing)?;
    let (id, seq) = (loaded.id, loaded.head);
    let merged =
        actix_rt::task::spawn_blocking(move || build(Some(loaded), bytes_max).map(|built| built.live.replica.state()));
    let state = merged.await.map_err(|panic| LoadError::Panic(panic.to_string()))??;
    let bytes = state.len();
    store.save_snapshot(id, seq, state.into()).await?;
    Ok((seq, bytes))
}
