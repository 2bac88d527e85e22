//! Snapshots: what keeps a room's loading in proportion to its document, however old the room is. Built from the store, never from
//! the live document, which holds uncommitted edits; beside the room, which goes on meanwhile.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};

use crate::metrics;
use crate::room::room::Room;

impl Room {
    /// Counts what was committed, and has a snapshot made when that is due.
    pub(in crate::room) fn lengthen_tail(&mut self, bytes: usize, ctx: &mut Context<Self>) {
        self.tail.lengthen(bytes);
        if self.is_making_snapshot || !self.tail.is_long() {
            return;
        }
        self.is_making_snapshot = true;
        let (archive, name) = (self.context.archive.clone(), self.name.clone());
        let permits = self.context.snapshot_permits.clone();
        let before = self.tail.bytes();
        let work = async move {
            // Permits are given for as long as the server runs.
            let _permit = permits.acquire_owned().await.ok()?;
            archive.save_snapshot(&name).await.transpose()
        };
        let work = work.into_actor(self).map(move |made, room, ctx| {
            room.is_making_snapshot = false;
            let state_bytes =
                made.as_ref().and_then(|made| made.as_ref().ok()).map_or(room.tail.state_bytes(), |made| made.1);
            // In any case, so that a fault is not repeated with each edit.
            room.tail.shorten(before, state_bytes);
            match made {
                Some(Ok((seq, bytes))) => {
                    metrics::SNAPSHOTS_SAVED.inc();
                    tracing::info!(room.name = %room.name, %seq, bytes, "snapshot saved");
                    // What was committed meanwhile may be long enough for the next.
                    room.lengthen_tail(0, ctx);
                }
                Some(Err(error)) => tracing::warn!(room.name = %room.name, %error, "no snapshot, later again"),
                None => {}
            }
            room.end_turn(ctx);
        });
        ctx.spawn(work);
    }
}
