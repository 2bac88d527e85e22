//! Who tells: the endpoints as this server knows them, and the thread on which everything is sorted and delivered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::collect::collect;
use super::deliver::deliver;
use super::endpoint::{Endpoint, NewEndpoint};
use super::events::RoomEvents;
use super::known::Webhooks;
use crate::archive::Archive;
use crate::auth;
use crate::config::{HooksConfig, WebhookConfig};
use crate::metrics;
use crate::outgoing::Reach;
use crate::store::{QueueLease, RoomEvent, Store, StoreError};

/// The endpoint of the configuration.
pub const CONFIGURED: &str = "configured";
/// Deliveries to one endpoint at once.
const AT_ONCE: usize = 4;
/// How often endpoints are read again: other servers change them, too.
const REFRESH: Duration = Duration::from_secs(2);
/// How often the database is looked at for what other servers have stored, and for what is to be tried again.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks, however much is stored: what comes meanwhile goes along.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait when the database does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How often the log is shortened.
const TRIM: Duration = Duration::from_secs(60);
/// Events in no timeline that wait to be sorted, as where only a server of a newer release can do that: of those that are told best effort,
/// and of rooms that were made or deleted. Older ones go when the log is shortened.
const EVENTS_WAITING_MAX: u32 = 100_000;
const CERTAIN_EVENTS_WAITING_MAX: u32 = 1_000_000;
/// Events of rooms that are kept in one go.
const EVENTS_AT_ONCE: usize = 256;
/// After a start what waits is tried for so long at least: it could not be tried before.
const START_HOLD: Duration = Duration::from_secs(3_600);
/// How long deliveries have to let go of their queues when the server stops.
const STOP: Duration = Duration::from_secs(2);

/// Sorts and delivers, until the server stops.
async fn run(webhooks: Arc<Webhooks>, stopping: watch::Receiver<bool>) {
    let mut work = Work { places: HashMap::new(), stopping };
    let (mut endpoints, mut read, mut trimmed) = (Vec::new(), None::<Instant>, None::<Instant>);
    let mut has_told = false;
    while !*work.stopping.borrow() {
        let looked = async {
            if webhooks.is_stale.load(Ordering::Relaxed) || read.is_none_or(|read| read.elapsed() > REFRESH) {
                endpoints = webhooks.refresh().await?;
                read = Some(Instant::now());
            }
            if endpoints.is_empty() && !webhooks.has_unknown() {
                return Ok(false);
            }
            if trimmed.is_none_or(|trimmed| trimmed.elapsed() > TRIM) {
                trim(&webhooks.store).await?;
                trimmed = Some(Instant::now());
            }
            let is_more = collect(&webhooks, auth::now_ms()).await?;
            work.start(&webhooks, &endpoints).await?;
            Ok::<_, StoreError>(is_more)
        };
        match looked.await {
            Ok(true) => has_told = false,
            Ok(false) => {
                has_told = false;
                let wait = if endpoints.is_empty() { REFRESH } else { LOOK };
                let news = async {
                    tokio::select! { () = webhooks.store.appended(), if wait == LOOK => (), () = webhooks.changed.notified() => () }
                };
                // Nothing new is no error.
                let _ = timeout(wait, news).await;
                sleep(PAUSE).await;
            }
            Err(error) => {
                if !has_told {
                    tracing::warn!(%error, "webhooks wait for the database");
                }
                has_told = true;
                sleep(RETRY).await;
            }
        }
    }
}

/// Shortens the log of deliveries, and what waits to be sorted.
async fn trim(store: &Store) -> Result<(), StoreError> {
    metrics::WEBHOOK_DELIVERIES_WAITING.set(store.trim_deliveries().await?.cast_signed());
    let count = store.trim_room_events(EVENTS_WAITING_MAX, CERTAIN_EVENTS_WAITING_MAX).await?;
    if count > 0 {
        metrics::WEBHOOK_EVENTS_DROPPED.inc_by(count);
        tracing::warn!(count, "what has happened in rooms is not told: too much waits for a server that can sort it");
    }
    Ok(())
}

/// Keeps what rooms tell.
async fn keep(webhooks: Arc<Webhooks>, mut events: mpsc::Receiver<RoomEvent>) {
    let mut some = Vec::new();
    while events.recv_many(&mut some, EVENTS_AT_ONCE).await > 0 {
        let count = some.len();
        if let Err(error) = webhooks.store.add_room_events(std::mem::take(&mut some)).await {
            metrics::WEBHOOK_EVENTS_DROPPED.inc_by(count as u64);
            tracing::warn!(%error, count, "what has happened in rooms is not told: the database did not take it");
        }
        webhooks.changed.notify_one();
    }
}

/// The deliveries that are under way.
struct Work {
    places: HashMap<String, Arc<Semaphore>>,
    stopping: watch::Receiver<bool>,
}

impl Work {
    /// Starts on queues whose turn it is, as many as there are places.
    async fn start(&mut self, webhooks: &Arc<Webhooks>, endpoints: &[Endpoint]) -> Result<(), StoreError> {
        self.places.retain(|id, _| endpoints.iter().any(|endpoint| endpoint.id == *id));
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.is_paused) {
            let places = self.places.entry(endpoint.id.clone()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
            let free = places.available_permits() as u32;
            if free == 0 {
                continue;
            }
            for key in webhooks.store.due_queues(&endpoint.id, free).await? {
                let Ok(place) = places.clone().try_acquire_owned() else { break };
                let lease = QueueLease { key, token: Uuid::new_v4() };
                if !webhooks.store.lease_queue(&lease).await? {
                    continue;
                }
                let (webhooks, stopping) = (webhooks.clone(), self.stopping.clone());
                tokio::spawn(async move {
                    deliver(webhooks.clone(), lease, stopping).await;
                    drop(place);
                    webhooks.changed.notify_one();
                });
            }
        }
        Ok(())
    }
}

/// The thread on which webhooks are told; ends when it is dropped, and what was under way is made again.
pub struct WebhooksRuntime {
    runtime: Option<Runtime>,
    stopping: watch::Sender<bool>,
    webhooks: Arc<Webhooks>,
}

impl WebhooksRuntime {
    /// Starts as the configuration says; also what takes the events of rooms.
    ///
    /// # Errors
    /// The endpoint of the configuration cannot be used, or the database does not answer.
    pub async fn start(config: &HooksConfig, store: Store, archive: Archive) -> Result<(Self, RoomEvents), StoreError> {
        let reach = if config.webhook_allow_private { Reach::Anywhere } else { Reach::Public };
        let configured = config.webhook.clone().map(|webhook| configured(webhook, reach)).transpose()?;
        store.configure_webhook(CONFIGURED, configured.as_ref().map(Endpoint::row)).await?;
        store.wake_webhooks(START_HOLD.min(config.webhook_give_up)).await?;
        let (room_events, wanted, events) = RoomEvents::new();
        let webhooks = Arc::new(Webhooks {
            store,
            archive,
            reach,
            give_up: config.webhook_give_up,
            endpoints: RwLock::default(),
            wanted,
            changed: Notify::new(),
            is_stale: AtomicBool::new(true),
            has_unknown: AtomicBool::new(false),
        });
        // Before any room lives.
        webhooks.refresh().await?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("webhooks").enable_all().build();
        let runtime =
            runtime.map_err(|error| StoreError::Open(format!("the thread of webhooks cannot start: {error}")))?;
        let (stopping, is_stopping) = watch::channel(false);
        runtime.spawn(run(webhooks.clone(), is_stopping));
        runtime.spawn(keep(webhooks.clone(), events));
        Ok((Self { runtime: Some(runtime), stopping, webhooks }, room_events))
    }

    /// What is known of endpoints.
    pub fn webhooks(&self) -> Arc<Webhooks> {
        self.webhooks.clone()
    }

    /// Has deliveries that are under way let go of their queues, so that others need not wait for their leases to end.
    pub async fn stop(&self) {
        // Whoever does not listen any more has ended.
        let _ = self.stopping.send(true);
        self.webhooks.wake();
        // In time, or the leases end by themselves.
        let _ = timeout(STOP, self.stopping.closed()).await;
    }
}

impl Drop for WebhooksRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped on an executor's thread, which must not wait.
            runtime.shutdown_background();
        }
    }
}

fn configured(webhook: WebhookConfig, reach: Reach) -> Result<Endpoint, StoreError> {
    let WebhookConfig { url, secret, events, rooms } = webhook;
    let new = NewEndpoint { url, events, rooms, content: None, root: None };
    new.check(reach).map_err(|error| StoreError::Open(format!("--webhook-url, --webhook-events: {error}")))?;
    Ok(Endpoint { id: CONFIGURED.into(), new, secret, is_paused: false, created_at_ms: auth::now_ms() })
}
