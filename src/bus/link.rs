//! Keeps a server connected to its bus: sends what waits, one batch at a time, hands on what comes, and connects anew whenever
//! something is wrong, told or noticed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::cluster::Cluster;
use super::transport::{Bus, BusError, BusReceiver, BusSender, Channel};
use crate::metrics;

/// How long connecting may take, and how long the bus may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The first wait before connecting again; it doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The longest.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How often it is looked whether the server hears itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Goes on until it is aborted.
pub async fn run<B: Bus>(bus: B, cluster: Arc<Cluster>) {
    let mut wait = RETRY_FIRST;
    loop {
        let opened = timeout(TIMEOUT, bus.open(cluster.me())).await;
        let error = match opened.unwrap_or_else(|_| Err(BusError(format!("no answer within {TIMEOUT:?}")))) {
            Ok((sender, receiver)) => {
                wait = RETRY_FIRST;
                cluster.on_connected(Instant::now());
                let error = tokio::select! {
                    error = send::<B>(sender, &cluster) => error,
                    error = receive::<B>(receiver, &cluster) => error,
                    error = watch(&cluster) => error,
                };
                cluster.on_disconnected(Instant::now());
                error
            }
            Err(error) => error,
        };
        // Many servers lose it at once.
        let jitter = rand::random_range(0.5..1.5);
        tracing::warn!(%error, "the bus is away, servers read what others have saved from the database");
        sleep(wait.mul_f64(jitter)).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// While one batch is on its way the next one gathers.
async fn send<B: Bus>(mut sender: B::Sender, cluster: &Cluster) -> BusError {
    loop {
        while !cluster.has_batch() {
            cluster.wake.notified().await;
        }
        let batch = cluster.take_batch(B::TEXT_BYTES_MAX);
        metrics::BUS_TEXTS_SENT.inc_by(batch.texts.len() as u64);
        if !batch.texts.is_empty() {
            match timeout(TIMEOUT, sender.send(batch.texts)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(_) => return BusError(format!("it takes nothing within {TIMEOUT:?}")),
            }
        }
        for flush in batch.flushes {
            // Whoever asked may have stopped waiting.
            let _ = flush.send(());
        }
    }
}

async fn receive<B: Bus>(mut receiver: B::Receiver, cluster: &Cluster) -> BusError {
    loop {
        match receiver.receive().await {
            Ok(text) => cluster.on_text(&text, Instant::now()),
            Err(error) => return error,
        }
    }
}

async fn watch(cluster: &Cluster) -> BusError {
    loop {
        sleep(LOOK_EVERY).await;
        if cluster.is_deaf(Instant::now()) {
            return BusError("what this server says does not come back to it".to_owned());
        }
    }
}

/// Proves that what is sent by `bus` comes back.
pub async fn prove<B: Bus>(bus: B) -> Result<B, BusError> {
    let me = Uuid::new_v4();
    let proof = async {
        let (mut sender, mut receiver) = bus.open(me).await?;
        sender.send(vec![(Channel::Server(me), me.to_string())]).await?;
        loop {
            // Other servers may say something to all.
            if receiver.receive().await? == me.to_string() {
                return Ok(());
            }
        }
    };
    match timeout(TIMEOUT, proof).await {
        Ok(proved) => proved.map(|()| bus),
        Err(_) => Err(BusError(format!(
            "what is sent does not come back within {TIMEOUT:?}: a pooler in front of the bus's database must pool by session"
        ))),
    }
}
