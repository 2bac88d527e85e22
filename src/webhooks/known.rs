//! What this server knows of endpoints.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::endpoint::Endpoint;
use super::events::{EMPTY, Wanted};
use crate::archive::Archive;
use crate::ids::EventPattern;
use crate::outgoing::Reach;
use crate::store::{Store, StoreError};

/// What is known of endpoints, and how they are reached.
pub struct Webhooks {
    pub(super) store: Store,
    pub(super) archive: Archive,
    pub(super) reach: Reach,
    pub(super) give_up: Duration,
    pub(super) endpoints: RwLock<Vec<Endpoint>>,
    pub(super) wanted: Arc<Wanted>,
    /// Endpoints have changed, or a queue is free.
    pub(super) changed: Notify,
    pub(super) is_stale: AtomicBool,
    /// Whether there is an endpoint that cannot be read here.
    pub(super) has_unknown: AtomicBool,
}

impl Webhooks {
    /// What deliveries are read from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Which addresses endpoints may have.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// How long a delivery is tried.
    pub fn give_up(&self) -> Duration {
        self.give_up
    }

    /// An endpoint, as far as it is known.
    pub(super) fn endpoint(&self, id: &str) -> Option<Endpoint> {
        let endpoints = self.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        endpoints.iter().find(|endpoint| endpoint.id == id).cloned()
    }

    /// Whether there is an endpoint of which only a server of a newer release knows what it wants: such servers sort what is to be told.
    pub(super) fn has_unknown(&self) -> bool {
        self.has_unknown.load(Ordering::Relaxed)
    }

    /// Has changes of endpoints hold from now on.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn reload(&self) -> Result<(), StoreError> {
        self.refresh().await?;
        self.wake();
        Ok(())
    }

    /// Has changes of queues looked at now.
    pub fn wake(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Reads the endpoints again.
    pub(super) async fn refresh(&self) -> Result<Vec<Endpoint>, StoreError> {
        self.is_stale.store(false, Ordering::Relaxed);
        let rows = self.store.webhooks().await?;
        let (mut endpoints, mut unknown) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let id = row.id.clone();
            match Endpoint::of(row) {
                Some(endpoint) => endpoints.push(endpoint),
                None => unknown.push(id),
            }
        }
        if !self.has_unknown.swap(!unknown.is_empty(), Ordering::Relaxed) && !unknown.is_empty() {
            let webhooks = unknown.join(", ");
            tracing::warn!(
                webhooks,
                "webhooks that a newer release has added: what is to be told waits until a server of that release sorts it, or they are deleted"
            );
        }
        let patterns = || endpoints.iter().flat_map(|endpoint| &endpoint.new.events);
        self.wanted.presence.store(patterns().any(EventPattern::asks_for_presence), Ordering::Relaxed);
        self.wanted.empty.store(patterns().any(|pattern| pattern.matches(EMPTY)), Ordering::Relaxed);
        *self.endpoints.write().unwrap_or_else(PoisonError::into_inner) = endpoints.clone();
        Ok(endpoints)
    }
}
