//! The thread on which a server's bus lives: whatever the rooms do, what comes is read.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::cluster::Cluster;
use super::deliver::Deliver;
use super::transport::{Bus, BusError};
use super::{link, watch};
use crate::store::Store;

/// Runs the bus until it is dropped.
pub struct BusRuntime {
    runtime: Option<Runtime>,
}

impl BusRuntime {
    /// Starts the bus's thread.
    pub fn start() -> Result<Self, BusError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("bus").enable_all().build();
        let runtime = runtime.map_err(|error| BusError(format!("the thread of the bus cannot start: {error}")))?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Connects the cluster by `bus`, and delivers what comes to `deliver`.
    pub fn run<B: Bus>(&self, bus: B, cluster: &Arc<Cluster>, store: &Store, deliver: Arc<dyn Deliver>) {
        let Some(runtime) = &self.runtime else { return };
        cluster.deliver_to(deliver);
        runtime.spawn(link::run(bus, cluster.clone()));
        self.follow(cluster, store);
    }

    /// Waits until the cluster knows the other servers, so that nobody who connects is told less than they know; not for long.
    pub async fn meet(&self, cluster: &Cluster, store: &Store) {
        watch::meet(cluster, store).await;
    }

    /// Follows the database without a bus.
    pub fn follow(&self, cluster: &Arc<Cluster>, store: &Store) {
        let Some(runtime) = &self.runtime else { return };
        runtime.spawn(watch::tick(cluster.clone()));
        runtime.spawn(watch::beat(cluster.clone(), store.clone()));
        runtime.spawn(watch::heads(cluster.clone(), store.clone()));
    }

    /// Proves that what is sent by `bus` comes back, before the server relies on it.
    pub async fn prove<B: Bus>(&self, bus: B) -> Result<B, BusError> {
        let Some(runtime) = &self.runtime else { return Ok(bus) };
        runtime.spawn(link::prove(bus)).await.map_err(|error| BusError(error.to_string()))?
    }
}

impl Drop for BusRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped on an executor's thread, which must not wait.
            runtime.shutdown_background();
        }
    }
}
