//! Keeps the revocations in memory true: all of them at the start, then what other servers add; and has sockets look whenever there
//! are new ones, or the key set has lost a key.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::auth::{KeySet, Revocation, Revocations, Verifier, now_s};
use crate::room::{CheckTokens, Relays};
use crate::store::{Store, StoreError};

/// How soon sockets look after a revocation; many in a row are one look.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// In so many of those, other servers' revocations are read.
const READ_EVERY: u32 = 20;
/// In so many of those, what has ended is forgotten.
const FORGET_EVERY: u32 = 20 * 720;
/// Servers' clocks may differ, and a commit may come late, by so many seconds.
const OVERLAP_S: u64 = 120;
/// Read at once.
const PAGE: u32 = 1000;

/// Reads all that were made since `since_s`.
pub(super) async fn load(store: &Store, revocations: &Revocations, since_s: u64) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let rows = store.revocations(since_s, after.as_ref(), PAGE).await?;
        let is_end = rows.len() < PAGE as usize;
        after = rows.last().cloned();
        let now_s = now_s();
        for row in rows.into_iter().filter(|row| now_s < row.until_s) {
            revocations.add(Revocation::from(row));
        }
        if is_end {
            return Ok(());
        }
    }
}

/// Goes on until it is aborted.
pub(super) async fn follow(store: Store, verifier: Arc<Verifier>, relays: Arc<Relays>, revoked: Arc<Notify>) {
    let revocations = verifier.revocations();
    let removals = || verifier.key_set().map_or(0, KeySet::removals);
    let (mut told, mut read_s) = ((0, removals()), now_s());
    let mut ticks = tokio::time::interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 1_u32.. {
        let mut is_told = false;
        tokio::select! {
            _ = ticks.tick() => {}
            () = revoked.notified() => is_told = true,
        }
        if is_told || tick.is_multiple_of(READ_EVERY) {
            let now_s = now_s();
            match load(&store, revocations, read_s.saturating_sub(OVERLAP_S)).await {
                Ok(()) => read_s = now_s,
                // The next time reads what this one missed.
                Err(error) => tracing::debug!(%error, "revocations of other servers cannot be read now"),
            }
        }
        if tick.is_multiple_of(FORGET_EVERY) {
            revocations.forget(now_s());
            if let Err(error) = store.forget_revocations(now_s()).await {
                tracing::debug!(%error, "revocations that have ended cannot be deleted now");
            }
        }
        let version = (revocations.version(), removals());
        if version != told {
            told = version;
            for relay in relays.all() {
                relay.addr.do_send(CheckTokens);
            }
        }
    }
}
