//! A tokio runtime of the store's own: a pooled connection belongs to the threads that opened it, and a busy room's thread
//! would stall the connections of others. Knows nothing of databases.

use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tracing::warn;

use super::error::StoreError;

/// Runs the store's work until it is ended or dropped; both may happen on any thread, in an executor or not.
pub(super) struct StoreRuntime {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl StoreRuntime {
    /// Starts one thread, of this name. Waiting is most of what a database client does, and a second thread would be woken for
    /// each bit of work only to find that the first has taken it.
    pub fn start(name: &str) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
        let runtime =
            runtime.map_err(|error| StoreError::Open(format!("the store's threads cannot start: {error}")))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Mutex::new(Some(runtime)) })
    }

    /// Runs `work` to its end, even if the caller stops waiting.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.handle.spawn(work).await.map_err(|error| match error.is_panic() {
            true => StoreError::Unexpected("the store's work panicked".to_owned()),
            false => StoreError::closed(),
        })
    }

    /// Runs `last`, for at most `limit`, and ends the runtime with whatever still runs on it. Blocks.
    pub fn end(&self, limit: Duration, last: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.take() else { return };
        let (done, is_done) = mpsc::channel();
        runtime.spawn(async move {
            last.await;
            // Nobody waits any more if the time was up.
            let _ = done.send(());
        });
        if is_done.recv_timeout(limit).is_err() {
            warn!("the store did not close within {limit:?}; its connections are cut");
        }
        // Not `shutdown_timeout`, which panics on an executor's thread. What mattered is over.
        runtime.shutdown_background();
    }

    fn take(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for StoreRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.take() {
            // A runtime that drops itself waits for its threads, and panics if an executor's thread would wait.
            runtime.shutdown_background();
        }
    }
}
